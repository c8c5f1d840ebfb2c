"""GET /state: every point's value at a moment, as true then (`at`) and as known then (`known_at`)."""

import asyncio
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
from starlette.responses import Response

from twin.api.arrow import ARROW_MEDIA, arrow_response
from twin.api.errors import ProblemError
from twin.api.operation import Call, Limit, Offset, Operation, Search, Time, micros
from twin.core import Twin
from twin.errors import NotFoundError
from twin.flights_now import DroneView
from twin.live_frames import rows_of, table_values
from twin.plan import CODES
from twin.plan_lifecycle import LIFECYCLES
from twin.scans_rows import VERDICT_CODES
from twin.state import NO_TIME, StateTable
from twin.times import iso, iso_times
from wire.limits import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from wire.quality import HISTORICAL, STALE

__all__ = ["OPERATIONS", "StateItem", "point_ids"]

_PERIODS_MISSED = 3  # so many periods without news, and two seconds of grace, make a value stale
_GRACE_S = 2.0


class StateQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`points` are ids parted by commas; `element` also takes what it holds.

    `include=elements` adds the plan's state of every element; with format=arrow, `table=elements` gives that alone.
    """

    at: Time | None = None
    known_at: Time | None = None
    element: Search = ""
    points: str = ""
    include: Literal["", "elements"] = ""
    format: Literal["json", "arrow"] = "json"
    table: Literal["points", "elements"] = "points"
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class StateItem(msgspec.Struct, gc=False):
    """One point's value; null where it is no number or nothing is known.

    `since` is when the present condition began (out of range, bad quality, stale); null where all is in order, and
    for a moment of the past. After a restart of the twin it is approximate and reaches a day back.
    """

    point: int
    ts: str
    value: float | str | None
    quality: int
    age_s: float | None
    stale: bool
    since: str | None
    lifecycle: str = "commissioned"


class ElementStates(msgspec.Struct):
    """The plan's state of every element, and what scans say of it, by column.

    `codes` says what a number of the plan means, `verdict_codes` one of `verdict`; `deviation_mm` is null where no scan
    measured it.
    """

    codes: list[str]
    global_id: list[str]
    planned: list[int]
    actual: list[int]
    forecast: list[int]
    verdict: list[int]
    deviation_mm: list[float | None]
    verdict_codes: list[str] = msgspec.field(default_factory=lambda: list(VERDICT_CODES))


class StatePage(msgspec.Struct, omit_defaults=True):
    """The values at one moment, and where every drone is; `elements` when asked for."""

    at: str | None
    known_at: str | None
    items: list[StateItem]
    total: int
    next: int | None
    drones: list[DroneView]
    elements: ElementStates | None = None


async def show_state(call: Call[StateQuery, None]) -> StatePage | Response:
    """The state at `at`, now by default."""
    query, twin = call.query, call.twin
    now_us = twin.clock.wall_us()
    at_us = micros(query.at) if query.at else None
    known_us = micros(query.known_at) if query.known_at else None
    if query.format == "arrow" and query.table == "elements":
        return arrow_response(
            await asyncio.to_thread(_element_table, twin, now_us if at_us is None else at_us, known_us)
        )
    wanted = _wanted(twin, query)
    if at_us is None and known_us is None:
        columns = twin.latest(wanted)
    else:
        columns = await asyncio.to_thread(
            twin.store.state_at, at_us if at_us is not None else now_us, known_at_us=known_us, point_ids=wanted
        )
    total = len(columns.point)
    page = rows_of(columns, slice(query.offset, query.offset + query.limit))
    at_us = at_us if at_us is not None else now_us
    if query.format == "arrow":
        return arrow_response(_table(page))
    end = query.offset + query.limit
    items = _items(twin, page, at_us, known_us, now=query.at is None and known_us is None)
    elements = None
    if query.include == "elements":
        elements = await asyncio.to_thread(_element_states, twin, at_us, known_us)
    drones = await _drones(twin, at_us, known_us, now=query.at is None and known_us is None)
    return StatePage(iso(at_us), iso(known_us), items, total, end if end < total else None, drones, elements)


def point_ids(text: str, field: str) -> list[int]:
    """Ids parted by commas; Problem when one is no number or there are too many."""
    parts = text.split(",")
    if len(parts) > PAGE_ITEMS_MAX:
        raise ProblemError(f"{len(parts)} points in one call", field=field, fix=f"at most {PAGE_ITEMS_MAX}")
    try:
        ids = [int(part) for part in parts]
    except ValueError:
        raise ProblemError("point ids are whole numbers", field=field, fix="write points=1,2,3") from None
    if any(not 0 <= i < 2**32 for i in ids):
        raise ProblemError("point ids lie between 0 and 4294967295", field=field, fix="GET /api/v1/points lists them")
    return sorted(set(ids))


def _wanted(twin: Twin, query: StateQuery) -> list[int] | None:
    """The ids asked for, None for all."""
    ids = point_ids(query.points, "points") if query.points else None
    if not query.element:
        return ids
    if query.element not in twin.model:
        fix = "GET /api/v1/elements?q=… finds elements"
        raise NotFoundError(f"no element {query.element[:60]!r}", field="element", fix=fix)
    under = twin.bindings.points_under(query.element)
    return under if ids is None else sorted(set(ids) & set(under))


def _element_states(twin: Twin, at_us: int, known_us: int | None) -> ElementStates:
    """By the order of the model; without a plan all is unknown."""
    plan = twin.plan.at(known_us)
    ids = twin.model.element_ids() if plan is None else plan.element_ids
    verdict, deviation = twin.drones.book.verdicts(ids, at_us, known_us)
    said = {"verdict": verdict.tolist(), "deviation_mm": [None if d != d else round(d, 1) for d in deviation.tolist()]}
    if plan is None:
        nothing = [0] * len(ids)
        return ElementStates(list(CODES), ids, nothing, nothing, nothing, **said)
    codes = {name: found.tolist() for name, found in plan.elements.at(at_us // 1_000_000).items()}
    return ElementStates(list(CODES), ids, **codes, **said)


async def _drones(twin: Twin, at_us: int, known_us: int | None, *, now: bool) -> list[DroneView]:
    """Where every drone is, or was; what is shown beside a pose is of the same moment."""
    if now:
        return await asyncio.to_thread(twin.drones.now.now, twin.latest)
    return await asyncio.to_thread(
        twin.drones.now.at,
        at_us,
        known_us,
        lambda points: twin.store.state_at(at_us, known_at_us=known_us, point_ids=points),
    )


def _element_table(twin: Twin, at_us: int, known_us: int | None) -> pa.Table:
    """The same as an Arrow table."""
    plan = twin.plan.at(known_us)
    if plan is None:
        states = _element_states(twin, at_us, known_us)
        columns = {name: getattr(states, name) for name in ("planned", "actual", "forecast")}
        ids = pa.array(states.global_id, pa.string())
    else:
        columns, ids = plan.elements.at(at_us // 1_000_000), plan.by_element.elements
    verdict, deviation = twin.drones.book.verdicts(ids.to_pylist(), at_us, known_us)
    table = pa.table(
        {"global_id": ids}
        | {name: pa.array(codes, pa.int8()) for name, codes in {**columns, "verdict": verdict}.items()}
        | {"deviation_mm": pa.array(deviation, pa.float64(), mask=np.isnan(deviation))}
    )
    return table.replace_schema_metadata({"codes": ",".join(CODES), "verdict_codes": ",".join(VERDICT_CODES)})


def _items(twin: Twin, page: StateTable, at_us: int, known_us: int | None, *, now: bool) -> list[StateItem]:
    ages = (at_us - page.ts_us) / 1e6
    late = np.nan_to_num(twin.periods_s(page.point), nan=np.inf) * _PERIODS_MISSED + _GRACE_S
    live = (page.quality & HISTORICAL) == 0
    stale = ((page.quality & STALE) != 0) | (live & (ages > late))
    since: list[str | None] = [None] * len(page.point)
    if now:
        fresh_until_us = page.ts_us + np.where(np.isfinite(late), late * 1e6, 0).astype(np.int64)
        began_us = twin.conditions.since_us(page)
        began_us = np.where(stale & (began_us == NO_TIME), fresh_until_us, began_us)
        for row in np.flatnonzero(began_us != NO_TIME).tolist():
            since[row] = iso(int(began_us[row]))
    columns = (page.point.tolist(), iso_times(page.ts_us), table_values(page), page.quality.tolist(), ages.tolist())
    lives = [LIFECYCLES[code] for code in twin.plan.lifecycles(page.point, at_us, known_us).tolist()]
    return list(map(StateItem, *columns, stale.tolist(), since, lives))


def _table(page: StateTable) -> pa.Table:
    return pa.table(
        {
            "point": pa.array(page.point, pa.uint32()),
            "ts": pa.array(page.ts_us, pa.timestamp("us", "UTC")),
            "value": pa.array(page.value, pa.float64()),
            "text": pa.array(page.text, pa.string()),
            "quality": pa.array(page.quality, pa.uint8()),
        }
    )


OPERATIONS = [
    Operation(
        "GET", "/state", show_state, "as-of state", StateQuery, answer=StatePage,
        media=("application/json", ARROW_MEDIA),
    ),
]  # fmt: skip
