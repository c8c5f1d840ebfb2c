"""Part of `aid4 bench ifc`: the plan of 1,000 tasks over 10,000 elements, at any moment of past and future.

A CSV of tasks is read in the child as every schedule is, its links come from a CSV of links, the model is synthetic.
Then through the twin and the HTTP API's own code (ASGI, no socket), each time for another moment:

| figure | question |
|---|---|
| `planned_state_ms` | the planned state of all elements, numpy |
| `element_states_ms` | the three states of all elements as the twin holds them |
| `state_ms`, `state_arrow_ms` | GET /state with all elements, as JSON and as Arrow |
| `state_known_ms` | the same as it was known before the newest revision |
| `lifecycle_ms` | the lifecycle of 10,000 points |
| `schedule_ms` | GET /schedule with its first 100 tasks |
| `elements_ms` | GET /elements, a page of 1,000 with their plans |
| `reports_s` | a report of actual dates: preview, activation, the network and the tables anew |

Every state is compared with what Python computes element by element. Figures are medians in milliseconds.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from starlette.applications import Starlette

from aid4.bench.asgi import WrongAnswerError, get
from bim.tables import ELEMENTS, PSETS, RELATIONS, table_of
from twin.api.app import API, build_app
from twin.core import Twin
from twin.models import ModelTables
from twin.plan import CODES
from twin.siteconfig import SchedulePlan, SiteConfig
from twin.store import Store

__all__ = ["plan_state"]

ELEMENTS_COUNT, TASKS_COUNT, LINKS_AN_ELEMENT = 10_000, 1_000, 3
_START = datetime(2026, 1, 5, 8)
_ROUNDS = 25
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"


def plan_state(elements: int = ELEMENTS_COUNT, tasks: int = TASKS_COUNT) -> dict[str, Any]:
    """The figures; WrongAnswerError when a state is not what the tasks say."""
    with tempfile.TemporaryDirectory(prefix="aid4-plan-") as folder:
        return asyncio.run(_run(Path(folder), elements, tasks))


async def _run(folder: Path, elements: int, tasks: int) -> dict[str, Any]:
    ids, spans, links = _write(folder, elements, tasks)
    named = SchedulePlan(file="plan.csv", links="links.csv")
    site = SiteConfig(name="bench", time_zone="UTC", folder=str(folder), schedule=named)
    with Store.open(folder / "data", site="bench") as store:
        async with Twin(store, site) as twin:
            _take_model(twin, ids)
            started = time.perf_counter()
            problem = await twin.bring_plan(None)
            if problem is not None:
                raise WrongAnswerError(problem)
            read_s = time.perf_counter() - started
            expected = _expected(ids, links, spans)
            figures = await _measure(twin, build_app(twin), expected)
            counts = {"elements": elements, "tasks": tasks, "links": len(links)}
            return counts | {"read_and_activate_s": round(read_s, 3)} | figures


def _write(folder: Path, elements: int, tasks: int) -> tuple[list[str], list[tuple[datetime, datetime]], Any]:
    """plan.csv and links.csv; ids of elements, spans of tasks, pairs of element and task."""
    dice = random.Random(4)  # noqa: S311  (a plan, no secret)
    ids = ["".join(dice.choices(_LETTERS, k=22)) for _ in range(elements)]
    spans, rows = [], ["id,name,start,finish,predecessors"]
    for number in range(tasks):
        start = _START + timedelta(days=dice.randrange(0, 700), hours=dice.randrange(0, 8))
        finish = start + timedelta(days=dice.randrange(1, 30))
        spans.append((start, finish))
        before = f"T{number - 1}" if number % 5 else ""
        rows.append(f"T{number},Task {number},{start.isoformat()},{finish.isoformat()},{before}")
    links = sorted({(place, dice.randrange(tasks)) for place in range(elements) for _ in range(LINKS_AN_ELEMENT)})
    (folder / "plan.csv").write_text("\n".join(rows))
    pairs = "\n".join(f"{ids[element]},T{task}" for element, task in links)
    (folder / "links.csv").write_text(f"GlobalId,task_id\n{pairs}")
    return ids, spans, links


def _take_model(twin: Twin, ids: list[str]) -> None:
    row: dict[str, Any] = {field.name: "" for field in ELEMENTS if not field.nullable and field.type == pa.string()}
    row |= {field.name: [] for field in ELEMENTS if not field.nullable and pa.types.is_list(field.type)}
    row |= {"type": "IfcWall", "category": "element", "has_shape": False}
    rows = [row | {"id": one, "step": step, "name": f"Wall {step}"} for step, one in enumerate(ids, 1)]
    tables = table_of(rows, ELEMENTS), table_of([], PSETS), table_of([], RELATIONS)
    revision = twin.models.take_in(ModelTables("bench.ifc", "IFC4", "0" * 64, *tables, []))
    twin.store.writer.run(lambda connection: twin.models.make_live(connection, revision))
    twin.refresh()


def _expected(
    ids: list[str], links: list[tuple[int, int]], spans: list[tuple[datetime, datetime]]
) -> Callable[[datetime], dict[str, str]]:
    """What every element should be at a moment, in plain Python."""
    held: dict[str, list[tuple[datetime, datetime]]] = {one: [] for one in ids}
    for element, task in links:
        held[ids[element]].append(spans[task])

    def states(at: datetime) -> dict[str, str]:
        found = {}
        for one, tasks in held.items():
            begun = at >= min(start for start, _ in tasks)
            found[one] = "not_started" if not begun else "in_progress"
            if at >= max(finish for _, finish in tasks):
                found[one] = "finished"
        return found

    return states


async def _measure(twin: Twin, app: Starlette, expected: Callable[[datetime], dict[str, str]]) -> dict[str, Any]:
    dice = random.Random(5)  # noqa: S311  (moments, no secret)
    moments = [_START + timedelta(minutes=dice.randrange(0, 1_000_000)) for _ in range(_ROUNDS)]
    plan = twin.plan.live
    assert plan is not None
    known = twin.now_text()
    now_s = [_seconds(at) for at in moments]
    figures = {
        "planned_state_ms": _timed(plan.by_element.planned_state, moments),
        "element_states_ms": _timed(plan.elements.at, now_s),
        "lifecycle_ms": _timed(partial(plan.lifecycles, future=False), now_s),
    }
    whole = [{"include": "elements", "limit": 1, "at": f"{at.isoformat()}Z"} for at in moments]
    answers, figures["state_ms"] = await _asked(app, "/state", whole)
    for at, body in zip(moments, answers, strict=True):
        _compare(msgspec.json.decode(body), expected(at), at)
    arrow = [query | {"format": "arrow", "table": "elements"} for query in whole]
    tables, figures["state_arrow_ms"] = await _asked(app, "/state", arrow)
    if pa.ipc.open_stream(tables[0]).read_all().num_rows != len(plan.element_ids):
        raise WrongAnswerError("the Arrow table has not one row an element")
    figures["reports_s"] = round(await _report(twin), 3)
    _, figures["state_known_ms"] = await _asked(app, "/state", [query | {"known_at": known} for query in whole])
    pages = [{"limit": 100, "at": query["at"]} for query in whole]
    _, figures["schedule_ms"] = await _asked(app, "/schedule", pages)
    _, figures["elements_ms"] = await _asked(app, "/elements", [query | {"limit": 1_000} for query in pages])
    return figures


async def _report(twin: Twin) -> float:
    """Seconds for one report of actual dates, from the body until all of the twin has it."""
    started = time.perf_counter()
    body = {"set": [{"task": "T1", "start": "2026-01-06T08:00", "finish": "2026-02-20T16:00"}]}
    change = await twin.changes.propose("actuals", body, note="", by="bench")
    if change.problems:
        raise WrongAnswerError(change.problems[0])
    await twin.changes.activate(change.id, by="bench")
    return time.perf_counter() - started


async def _asked(app: Starlette, path: str, queries: list[dict[str, Any]]) -> tuple[list[bytes], float]:
    bodies, times = [], []
    for query in queries:
        started = time.perf_counter()
        bodies.append(await get(app, API + path, query))
        times.append((time.perf_counter() - started) * 1_000)
    return bodies, round(statistics.median(times), 3)


def _timed(ask: Callable[[Any], Any], moments: list[Any]) -> float:
    times = []
    for at in moments:
        started = time.perf_counter()
        ask(at)
        times.append((time.perf_counter() - started) * 1_000)
    return round(statistics.median(times), 4)


def _compare(body: Any, expected: dict[str, str], at: datetime) -> None:
    found = body["elements"]
    told = dict(zip(found["global_id"], (CODES[code] for code in found["planned"]), strict=True))
    if told != expected:
        wrong = sum(told.get(one) != state for one, state in expected.items())
        raise WrongAnswerError(f"{wrong} elements are not what their tasks say at {at}")


def _seconds(moment: datetime) -> int:
    return int(np.datetime64(moment, "s").astype(np.int64))
