"""A site's `plan.toml`: the works of its construction, from which the tasks of its work schedule are made.

A work is written once and becomes a task of the site, of every building of some form, or of every storey of those.
`after` names works: of the same storey, else of the same building, else of the site; `below:` is the storey below,
`top:` the highest, `all:` every storey, `A:` a building by its code. ` SS+3`, ` FF+2` or ` FS+5` may follow.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bim.campus.catalogue import TRADES
from bim.campus.layout import Building, Layout, read_table
from bim.campus.plan_days import Link
from wire.errors import ConfigError

__all__ = ["Holiday", "Plan", "Task", "load_plan", "tasks_of", "without_empty"]

_WORKS_MAX = 2_000
_LAG_DIGITS_MAX = 3
_Clock = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Holiday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day off each year: a day of a month, or so many days after Easter Sunday, or one date."""

    name: str
    month: Annotated[int, Meta(ge=1, le=12)] | None = None
    day: Annotated[int, Meta(ge=1, le=31)] | None = None
    easter: Annotated[int, Meta(ge=-100, le=100)] | None = None
    dates: list[date] = []


class Work(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of work; without days it is a milestone. It works on the elements of its trades."""

    key: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,40}$")]
    name: str
    scope: Literal["site", "building", "storey"] = "site"
    forms: list[str] = []
    only: list[str] = []  # codes of buildings
    days: Annotated[int, Meta(ge=0, le=400)] = 0
    after: list[str] = []
    trades: list[str] = []
    spaces: bool = False  # it works on the rooms themselves
    purpose: Literal["CONSTRUCTION", "INSTALLATION", "TESTING", "INSPECTION", "LOGISTIC"] = "CONSTRUCTION"


class Delay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened to one task: it started later, or took longer, than was agreed."""

    task: str
    start_days: Annotated[int, Meta(ge=0, le=400)] = 0
    extra_days: Annotated[int, Meta(ge=0, le=400)] = 0
    why: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole table."""

    name: str
    code: str
    calendar: str
    weeks_before: Annotated[int, Meta(ge=0, le=500)]  # works begin on the Monday so long before the data date
    shift: tuple[_Clock, _Clock, _Clock, _Clock]
    holidays: list[Holiday] = []
    starts: dict[str, list[str]] = {}  # building code: what its first work waits for
    works: Annotated[list[Work], Meta(max_length=_WORKS_MAX)] = msgspec.field(name="work")
    delays: list[Delay] = msgspec.field(name="delay", default_factory=list)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task: its place in the outline, what it waits for, and what it works on."""

    code: str
    name: str
    work: Work
    building: str = ""
    storey: int = -1
    links: tuple[Link, ...] = ()


def load_plan(folder: Path, layout: Layout) -> tuple[Plan, list[Task]] | None:
    """The plan of a site's folder and its tasks, None where it has none; raises ConfigError."""
    path = folder / "plan.toml"
    if not path.is_file():
        return None
    plan = read_table(path, Plan)
    for work in plan.works:
        for trade in work.trades:
            if trade not in TRADES:
                fix = f"use one of {', '.join(sorted(TRADES))}"
                raise ConfigError(f"no trade {trade!r}", file=str(path), field=f"work {work.key}", fix=fix)
    return plan, tasks_of(plan, layout, str(path))


def tasks_of(plan: Plan, layout: Layout, file: str) -> list[Task]:
    """Tasks in an order in which each comes after what it waits for; raises ConfigError for a loop."""
    buildings = {one.code: one for one in layout.buildings}
    found: dict[str, Task] = {}
    for work in plan.works:
        for building, storey in _places(work, layout.buildings):
            task = _task(work, buildings.get(building), storey)
            if task.code in found:
                raise ConfigError(f"two works make {task.code}", file=file, field="work.key", fix="rename one")
            found[task.code] = task
    linked = {}
    for code, task in found.items():
        after = list(task.work.after)
        if task.work.key == _first_key(plan, task):
            after += plan.starts.get(task.building, [])
        links = tuple(link for text in after for link in _links(text, task, found, buildings, file))
        linked[code] = msgspec.structs.replace(task, links=links)
    for delay in plan.delays:
        if delay.task not in linked:
            raise ConfigError(f"no task {delay.task!r}", file=file, field="delay.task", fix="name a task by its code")
    return _in_order(linked, file)


def without_empty(tasks: list[Task], empty: set[str]) -> list[Task]:
    """The tasks but those of `empty`; what waited for one of these waits for what it waited for."""
    kept: list[Task] = []
    bridges: dict[str, tuple[Link, ...]] = {}
    for task in tasks:
        links: list[Link] = []
        for link in task.links:
            links += bridges.get(link.before, (link,))
        links = list(dict.fromkeys(links))
        if task.code in empty:
            bridges[task.code] = tuple(link._replace(type="FS") for link in links)
        else:
            kept.append(msgspec.structs.replace(task, links=tuple(links)))
    return kept


def _places(work: Work, buildings: list[Building]) -> list[tuple[str, int]]:
    if work.scope == "site":
        return [("", -1)]
    fitting = [
        one
        for one in buildings
        if (not work.forms or one.form in work.forms) and (not work.only or one.code in work.only)
    ]
    if work.scope == "building":
        return [(one.code, -1) for one in fitting]
    return [(one.code, storey) for one in fitting for storey in range(len(one.storeys))]


def _task(work: Work, building: Building | None, storey: int) -> Task:
    place = "S" if building is None else building.code if storey < 0 else f"{building.code}{storey}"
    where = "" if building is None else building.name if storey < 0 else building.storeys[storey].name
    name = f"{work.name}, {where}" if where else work.name
    code = "" if building is None else building.code
    return Task(code=f"{place}.{work.key}", name=name, work=work, building=code, storey=storey)


def _first_key(plan: Plan, task: Task) -> str:
    """The work with which a building begins."""
    return next((one.key for one in plan.works if one.scope == "building" and not one.after), "")


def _links(text: str, task: Task, found: dict[str, Task], buildings: dict[str, Building], file: str) -> list[Link]:
    """The links of one entry of `after`; a work that this place has not is waited for nowhere."""
    name, _, rest = text.partition(" ")
    kind, _, lag = rest.partition("+") if rest else ("FS", "", "0")
    if kind not in ("FS", "SS", "FF") or not (lag or "0").isdecimal() or len(lag) > _LAG_DIGITS_MAX:
        raise ConfigError(f"{text!r} is no link", file=file, field=task.code, fix="write work, work SS+3, or work FF+2")
    where, _, key = name.rpartition(":")
    building, storey = task.building, task.storey
    top = len(buildings[building].storeys) if building else 0
    match where:
        case "below":
            codes = [f"{building}{storey - 1}.{key}"] if storey > 0 else []
        case "top":
            codes = [f"{building}{top - 1}.{key}"]
        case "all":
            codes = [f"{building}{number}.{key}" for number in range(top)]
        case "":
            codes = [code for code in (f"{building}{storey}.{key}", f"{building}.{key}", f"S.{key}") if code in found]
            if not codes:
                raise ConfigError(f"no work {key!r}", file=file, field=task.code, fix="name a work of the same place")
            codes = codes[:1]
        case _:
            codes = [f"{where}.{key}"]
            if codes[0] not in found:
                raise ConfigError(f"no task {codes[0]!r}", file=file, field=task.code, fix="name one that exists")
    return [Link(code, kind, int(lag or 0)) for code in codes if code in found]


def _in_order(tasks: dict[str, Task], file: str) -> list[Task]:
    """Kahn's order, stable."""
    done: dict[str, Task] = {}
    waiting = dict(tasks)
    while waiting:
        ready = [code for code, task in waiting.items() if all(link.before in done for link in task.links)]
        if not ready:
            problem = f"{', '.join(list(waiting)[:5])} wait for each other"
            raise ConfigError(problem, file=file, field="work.after", fix="take one link away")
        for code in ready:
            done[code] = waiting.pop(code)
    return list(done.values())
