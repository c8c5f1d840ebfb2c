"""The work schedule of an authored park: what was agreed, what happened up to the data date, what is expected now.

Three passes over the same network: agreed durations (ScheduleStart, ScheduleFinish: the baseline); the same with the
plan's delays and the scatter of real work; and the second cut at the data date, before which dates are actual and
after which they are early dates of what remains. Times are wall-clock times of the site.
"""

from calendar import monthrange
from datetime import date, timedelta
from hashlib import sha1

from bim.campus.layout import Layout
from bim.campus.model import Built, Model
from bim.campus.plan_days import Link, Span, WorkDays, easter, floats, schedule
from bim.campus.plan_table import Holiday, Plan, Task
from bim.campus.step import Enum, Ref, Typed
from wire.errors import ConfigError

__all__ = ["Dated", "elements_of", "write_plan"]

_HORIZON_YEARS, _HORIZON_DAYS = 30, 6_500  # working days laid out; a plan beyond that is refused
_HOURS_A_DAY = 8
_SCATTER = 5  # a task in so many takes a day longer than agreed
_SEQUENCES = {"FS": Enum("FINISH_START"), "SS": Enum("START_START"), "FF": Enum("FINISH_FINISH")}
_WEEKDAYS = (1, 2, 3, 4, 5)


class Dated:
    """A plan with its dates: spans by task code as agreed and as it went, floats, and the number of the data date."""

    def __init__(self, plan: Plan, tasks: list[Task], data_date: date) -> None:
        self.plan, self.tasks = plan, tasks
        monday = data_date - timedelta(days=data_date.weekday())
        self.start = monday - timedelta(weeks=plan.weeks_before)
        self.holidays = _holidays(plan.holidays, self.start.year, self.start.year + _HORIZON_YEARS)
        self.work_days = WorkDays(self.start, _HORIZON_DAYS, [day for day, _ in self.holidays])
        self.now = self.work_days.number(data_date)
        self.days = {task.code: task.work.days for task in tasks}
        self.links: dict[str, tuple[Link, ...]] = {task.code: task.links for task in tasks}
        self.agreed = schedule(self.days, self.links, {})
        longer = {delay.task: delay.extra_days for delay in plan.delays}
        self.real_days = {
            code: days + longer.get(code, 0) + (days > 1 and _dice(code) == 0) for code, days in self.days.items()
        }
        late = {delay.task: delay.start_days for delay in plan.delays}
        self.real = schedule(self.real_days, self.links, late)
        for code, span in self.real.items():  # nobody knows yet how long the works ahead will really take
            if span.first >= self.now:
                self.real_days[code] = self.days[code]
        self.real = schedule(self.real_days, self.links, late)
        if max(span.last for span in self.real.values()) >= _HORIZON_DAYS:
            problem = f"the works take more than {_HORIZON_YEARS} years"
            raise ConfigError(problem, file="plan.toml", field="work.days", fix="shorten the works")
        self.floats = floats(self.real_days, self.links, self.real)

    def started(self, code: str) -> bool:
        """Whether a task had begun when the data date dawned."""
        return self.real[code].first < self.now

    def finished(self, code: str) -> bool:
        """Whether it was done by then."""
        return self.real[code].last < self.now


def write_plan(model: Model, layout: Layout, dated: Dated, made: dict[str, list[Ref]]) -> int:
    """Work plan, schedule, calendar, summaries, tasks, links and assignments; returns how many tasks there are."""
    writer = _Writer(model, dated)
    schedule_ref = writer.frame()
    tops: list[Ref] = []
    groups = [("", -1), *((one.code, number) for one in layout.buildings for number in range(-1, len(one.storeys)))]
    names = {one.code: one for one in layout.buildings}
    summaries: dict[tuple[str, int], Ref] = {}
    for building, storey in groups:
        own = [task for task in dated.tasks if (task.building, task.storey) == (building, storey)]
        below = [task for task in dated.tasks if task.building == building and building]
        if not (own or (building and storey < 0 and below)):
            continue
        if not building:
            code, name = "S", "Site works and infrastructure"
        elif storey < 0:
            code, name = building, names[building].name
        else:
            code, name = f"{building}{storey}", names[building].storeys[storey].name
        spanned = below if building and storey < 0 else own
        summary = writer.summary(code, name, spanned)
        summaries[building, storey] = summary
        children = [writer.task(task) for task in own]
        if storey >= 0:
            writer.nest(f"storey/{code}", summaries[building, -1], [summary])
        else:
            tops.append(summary)
        if children:
            writer.nest(f"tasks/{code}", summary, children)
    model.relate("IfcRelAssignsToControl", "plan/tasks", tops, None, schedule_ref)
    writer.link()
    writer.assign(made)
    return len(writer.refs) + len(summaries)


def elements_of(
    tasks: list[Task], built: dict[Built, list[Ref]], spaces: dict[tuple[str, int], list[Ref]]
) -> dict[str, list[Ref]]:
    """By task what it works on: the elements of its trades in its place, and the rooms that it hands over."""
    made: dict[str, list[Ref]] = {}
    for task in tasks:
        own = made.setdefault(task.code, [])
        for (building, storey, trade), refs in built.items():
            if trade in task.work.trades and building == task.building and task.storey in (-1, storey):
                own += refs
        for (building, storey), refs in spaces.items() if task.work.spaces else ():
            if building == task.building and task.storey in (-1, storey):
                own += refs
    return made


class _Writer:
    """Writes the entities of one plan."""

    def __init__(self, model: Model, dated: Dated) -> None:
        self._model, self._dated = model, dated
        self._day = dated.work_days.day
        self.refs: dict[str, Ref] = {}

    def frame(self) -> Ref:
        """The work plan, its schedule and the calendar of the site."""
        model, plan = self._model, self._dated.plan
        start = f"{self._dated.start}T{plan.shift[0]}:00"
        end = self._finish(max(span.last for span in self._dated.real.values()))
        created = f"{self._dated.start - timedelta(days=30)}T09:00:00"
        common = (None, created, None, None, None, None, start, end)
        whole = model.file.root(
            "IfcWorkPlan", "plan", model.place.title, None, None, plan.code, *common[1:], Enum("PLANNED")
        )
        own = model.file.root(
            "IfcWorkSchedule", "plan/schedule", plan.name, None, None, f"{plan.code}-01", *common[1:], Enum("PLANNED")
        )
        model.relate("IfcRelAggregates", "plan/schedules", whole, [own])
        model.relate("IfcRelDeclares", "plan/declared", model.project, [whole])
        calendar = self._calendar(plan)
        model.relate("IfcRelAssignsToControl", "plan/calendar", [own], None, calendar)
        self._calendar_ref = calendar
        return own

    def _calendar(self, plan: Plan) -> Ref:
        make = self._model.file.add
        open_, pause, resume, close = (f"{one}:00" for one in plan.shift)
        periods = [make("IfcTimePeriod", open_, pause), make("IfcTimePeriod", resume, close)]
        weekly = make("IfcRecurrencePattern", Enum("WEEKLY"), None, _WEEKDAYS, None, None, None, None, periods)
        week = make("IfcWorkTime", "Working week", None, None, weekly, None, None)
        first, last = self._dated.start, self._day(max(span.last for span in self._dated.real.values()))
        free = [
            make("IfcWorkTime", name, None, None, None, day.isoformat(), day.isoformat())
            for day, name in self._dated.holidays
            if first <= day <= last + timedelta(days=366)
        ]
        return self._model.file.root(
            "IfcWorkCalendar", "plan/calendar", plan.calendar, None, None, "SITE", [week], free, Enum("FIRSTSHIFT")
        )

    def summary(self, code: str, name: str, tasks: list[Task]) -> Ref:
        """A task that holds others; its times span theirs."""
        dated = self._dated
        codes = [task.code for task in tasks]
        agreed = Span(min(dated.agreed[c].first for c in codes), max(dated.agreed[c].last for c in codes))
        real = Span(min(dated.real[c].first for c in codes), max(dated.real[c].last for c in codes))
        weight = sum(dated.days[c] for c in codes)
        done = sum(dated.days[c] * self._share(c) for c in codes) / max(weight, 1)
        over = all(dated.finished(c) for c in codes)
        done = 1.0 if over else min(done, 0.99)
        time = self._time(code, agreed, real, agreed.last - agreed.first + 1, done, None, over=over)
        return self._root(f"summary/{code}", code, name, "CONSTRUCTION", time, milestone=False, share=done)

    def task(self, task: Task) -> Ref:
        """A task of the network."""
        dated, code = self._dated, task.code
        share, over = self._share(code), dated.finished(code)
        time = self._time(
            code, dated.agreed[code], dated.real[code], dated.days[code], share, dated.floats[code], over=over
        )
        ref = self._root(
            f"task/{code}", code, task.name, task.work.purpose, time, milestone=task.work.days == 0, share=share
        )
        self.refs[code] = ref
        return ref

    def nest(self, path: str, above: Ref, below: list[Ref]) -> None:
        """Tasks below a summary."""
        self._model.relate("IfcRelNests", f"plan/{path}", above, below)

    def link(self) -> None:
        """The sequence, and the calendar of every task."""
        model = self._model
        for task in self._dated.tasks:
            for number, link in enumerate(task.links):
                lag = None
                if link.lag_days:
                    hours = Typed("IfcDuration", f"PT{link.lag_days * _HOURS_A_DAY}H")
                    lag = model.file.once("IfcLagTime", None, None, None, hours, Enum("WORKTIME"))
                path = f"plan/link/{link.before}/{task.code}/{number}"
                model.relate(
                    "IfcRelSequence",
                    path,
                    self.refs[link.before],
                    self.refs[task.code],
                    lag,
                    _SEQUENCES[link.type],
                    None,
                )
        model.relate("IfcRelAssignsToControl", "plan/calendars", list(self.refs.values()), None, self._calendar_ref)

    def assign(self, made: dict[str, list[Ref]]) -> None:
        """What each task works on."""
        for code, ref in self.refs.items():
            if made[code]:
                self._model.relate("IfcRelAssignsToProcess", f"plan/work/{code}", made[code], None, ref, None)

    def _root(self, path: str, code: str, name: str, purpose: str, time: Ref, *, milestone: bool, share: float) -> Ref:
        status = "FINISHED" if share >= 1 else "STARTED" if share > 0 else "NOTSTARTED"
        return self._model.file.root(
            "IfcTask", f"plan/{path}", name, None, None, code, None, status, None, milestone, None, time, Enum(purpose)
        )

    def _time(
        self, code: str, agreed: Span, real: Span, days: int, share: float, spare: int | None, *, over: bool
    ) -> Ref:
        dated = self._dated
        instant = days == 0
        begun = real.first < dated.now
        begin = self._finish if instant else self._start
        status = f"{self._day(dated.now)}T{dated.plan.shift[0]}:00"
        left = max(real.last - dated.now + 1, 0) if begun else None
        late_finish = None if spare is None or over else self._finish(real.last + spare)
        late_start = None if spare is None or begun else begin(real.first + spare)
        return self._model.file.add(
            "IfcTaskTime", None, None, None, Enum("WORKTIME"), f"PT{days * _HOURS_A_DAY}H",
            begin(agreed.first), self._finish(agreed.last), begin(real.first), self._finish(real.last),
            late_start, late_finish, None, None if spare is None else f"PT{max(spare, 0) * _HOURS_A_DAY}H",
            None if spare is None else spare <= 0, status, None,
            begin(real.first) if begun else None, self._finish(real.last) if over else None,
            f"PT{left * _HOURS_A_DAY}H" if left and not over else None, share if share > 0 else None,
        )  # fmt: skip

    def _share(self, code: str) -> float:
        """How much of a task was done when the data date dawned."""
        dated, span = self._dated, self._dated.real[code]
        if dated.finished(code):
            return 1.0
        if not dated.started(code):
            return 0.0
        return round((dated.now - span.first) / (span.last - span.first + 1), 2)

    def _start(self, number: int) -> str:
        return f"{self._day(number)}T{self._dated.plan.shift[0]}:00"

    def _finish(self, number: int) -> str:
        return f"{self._day(number)}T{self._dated.plan.shift[3]}:00"


def _holidays(table: list[Holiday], first: int, last: int) -> list[tuple[date, str]]:
    found = []
    for year in range(first, last + 1):
        for one in table:
            if one.easter is not None:
                found.append((easter(year) + timedelta(days=one.easter), one.name))
            elif one.month is not None and one.day is not None and one.day <= monthrange(year, one.month)[1]:
                found.append((date(year, one.month, one.day), one.name))
            found += [(day, one.name) for day in one.dates if day.year == year]
    return sorted(found)


def _dice(code: str) -> int:
    """The same throw for a task in every run."""
    return sha1(code.encode(), usedforsecurity=False).digest()[0] % _SCATTER
