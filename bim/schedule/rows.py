"""The rows of a schedule's tables, one class a table; the Arrow schemas of `bim.schedule.tables` follow from them.

Times are naive wall clock (Arrow `timestamp[s]`). Durations are hours: working hours on the row's calendar unless its
kind is `elapsed`. `line` is where the row stands in its file (0: the format has no lines). "" and null mean that
the file does not say.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

__all__ = [
    "Assignment",
    "Baseline",
    "Calendar",
    "Code",
    "ElementTask",
    "Link",
    "Resource",
    "Task",
    "Wbs",
    "WorkTime",
]


@dataclass(slots=True, kw_only=True)
class Task:
    """One activity, milestone or summary.

    Three date sets: `planned_*` is what was agreed (P6 planned dates; in MS Project the saved baseline, and without
    one the schedule itself: `planned_from` says which), `actual_*` what happened, `forecast_*` what the schedule now
    expects of the rest (actual dates where they exist). `early_*`, `late_*`, floats and `critical` are those that the
    file states; those that we compute are in the tables of `bim.schedule.network`.
    """

    id: str  # unique in the schedule: task_id, UID, ObjectId, GlobalId
    code: str = ""  # what people call it: activity id, row number, identification
    name: str = ""
    project: str = ""
    kind: str = "task"  # task | start_milestone | finish_milestone | summary | level_of_effort
    parent: str | None = None  # id of the summary task that holds it
    wbs: str | None = None  # id of its row in `wbs`
    wbs_code: str = ""  # full code, "A.1.2"
    outline: int = 0  # level in the outline, 0 = top
    calendar: str | None = None  # null: the schedule's default
    active: bool = True  # inactive tasks stay in the file and decide nothing
    manual: bool = False  # dates were typed, the network does not move them
    purpose: str = ""  # IFC: CONSTRUCTION, INSTALLATION, DEMOLITION, …
    status: str = "not_started"  # not_started | in_progress | finished
    percent: float | None = None  # complete, 0 … 100, by `percent_kind`
    percent_kind: str = ""  # duration | physical | units
    duration_h: float | None = None
    duration_kind: str = "work"  # work | elapsed
    remaining_h: float | None = None
    planned_start: datetime | None = None
    planned_finish: datetime | None = None
    planned_from: str = ""  # target | baseline | schedule
    actual_start: datetime | None = None
    actual_finish: datetime | None = None
    forecast_start: datetime | None = None
    forecast_finish: datetime | None = None
    suspended: datetime | None = None
    resumed: datetime | None = None
    early_start: datetime | None = None
    early_finish: datetime | None = None
    late_start: datetime | None = None
    late_finish: datetime | None = None
    total_float_h: float | None = None
    free_float_h: float | None = None
    critical: bool | None = None
    constraint: str = ""  # see CONSTRAINTS of bim.schedule.constraints
    constraint_at: datetime | None = None
    constraint2: str = ""
    constraint2_at: datetime | None = None
    deadline: datetime | None = None
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Link:
    """`successor` waits for `predecessor`. Where one end is not in the file it is null and `outside` names it."""

    predecessor: str | None
    successor: str | None
    type: str = "FS"  # FS | SS | FF | SF
    lag_h: float = 0.0  # negative: a lead; with kind percent it is percent of the predecessor's duration
    lag_kind: str = "work"  # work | elapsed | percent | elapsed_percent
    outside: str = ""
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Calendar:
    """When work is done; its times are in WorkTime rows, those it lacks are its base's."""

    id: str
    name: str = ""
    base: str | None = None
    default: bool = False
    scope: str = "global"  # global | project | resource
    hours_per_day: float | None = None
    hours_per_week: float | None = None
    line: int = 0


@dataclass(slots=True, kw_only=True)
class WorkTime:
    """Working times of a weekday (`weekday`), of one stretch of days (`first` … `last`, an exception), or of a weekday
    within a stretch (both). An exception beats a stretch's weekday, which beats the plain weekday."""

    calendar: str
    weekday: int | None = None  # 0 = Monday … 6 = Sunday
    first: date | None = None
    last: date | None = None
    minutes: list[int] = field(default_factory=list)  # opens, closes, opens, closes, …; empty: no work
    name: str = ""
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Baseline:
    """Dates of a task as they stood in a saved plan."""

    task: str
    name: str  # "0" … "10" in MS Project, the project's name in P6
    start: datetime | None = None
    finish: datetime | None = None
    duration_h: float | None = None
    work_h: float | None = None
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Wbs:
    """A node of the work breakdown."""

    id: str
    parent: str | None = None
    project: str = ""
    code: str = ""
    name: str = ""
    path: str = ""  # codes from the top, "A.1.2"
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Code:
    """A code or a field of its own that a task carries: activity code, outline code, user field."""

    task: str
    type: str  # "Storey", "Zone", …
    value: str
    text: str = ""  # what the value means
    kind: str = "code"  # code | field
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Resource:
    """Who or what does the work."""

    id: str
    code: str = ""
    name: str = ""
    kind: str = "labour"  # labour | equipment | material | cost
    calendar: str | None = None
    unit: str = ""
    max_units: float | None = None  # 1 = one full
    line: int = 0


@dataclass(slots=True, kw_only=True)
class Assignment:
    """What of a resource a task uses; hours for labour and equipment, the resource's unit for material."""

    task: str
    resource: str | None = None  # null: not assigned yet
    units: float | None = None
    planned: float | None = None
    actual: float | None = None
    remaining: float | None = None
    start: datetime | None = None
    finish: datetime | None = None
    line: int = 0


@dataclass(slots=True, kw_only=True)
class ElementTask:
    """A task that builds, needs or removes an element, how that is known and how sure it is."""

    element: str  # GlobalId
    task: str
    how: str  # ifc | file | rule
    role: str = "output"  # output: the task makes it; input: the task needs it
    confidence: float = 1.0
    detail: str = ""
    line: int = 0
