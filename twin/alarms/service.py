"""What can be wrong, looked at several times a second: readings, silence, gateways, lost data, the plan.

Runs in a thread of its own beside ingest, which only leaves its readings here. After a start it looks at all that was
stored since it last wrote down how far it had come, so no accepted reading goes by unseen.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from twin.alarms.alike import AlikeAlarms
from twin.alarms.book import AlarmBook, Report
from twin.alarms.classes import OWN_CLASSES
from twin.alarms.rules import PointAlarm, Rules, alarms_of
from twin.alarms.states import Alarm, Definition, Step
from twin.alarms.watch import PointWatch, Turn
from twin.directory import Directory
from twin.lookup import first
from twin.node_views import NodeStatus
from twin.plan_book import PlanBook
from twin.plan_lifecycle import COMMISSIONED, LIFECYCLES
from twin.plan_views import late_of
from twin.state import Rows
from twin.store import Store
from wire.clock import Clock
from wire.errors import Aid4Error

__all__ = ["AlarmService"]

PERIOD_S: Final = 0.2
_SLOW_S: Final = 1.0  # silence, gateways, shelves
_PLAN_S: Final = 5.0
_ROWS_QUEUED_MAX: Final = 8_000_000  # beyond, the newest value of each point decides
_CATCH_UP_ROWS_MAX: Final = 5_000_000
CLOCK_OFF_S_MAX: Final = 5.0  # beyond, what happened first is told wrongly, and shifts look mixed up
_AWAY_US: Final = 5_000_000  # a gateway that reconnects at once rings nothing
_MARK = "alarms_seen_us"
_OVERDUE = {"late_start", "late_finish"}  # what was finished late, or will be, needs nobody today
_CLASS = {one.name: one for one in OWN_CLASSES}


class AlarmService:
    """`leave` is called by ingest after each commit; `run` until cancelled. `step` is one look, in any one thread."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        book: AlarmBook,
        *,
        rules: Callable[[], Rules],
        directory: Callable[[], Directory],
        nodes: Callable[[], list[NodeStatus]],
        plan: PlanBook,
    ) -> None:
        self.book = book
        self._store, self._clock, self._plan = store, clock, plan
        self._rules, self._directory, self._nodes = rules, directory, nodes
        self._alike = AlikeAlarms(book, rules, directory)
        self._queue: deque[Rows] = deque()
        self._queued, self._missed = 0, False
        self._turn = threading.Lock()
        self._watch: PointWatch | None = None
        self._made_of: tuple[Directory, Rules] | None = None
        self._due_s = {"slow": 0.0, "plan": 0.0}
        self._away_us: dict[str, int] = {}  # gateways that are not there, and since when
        self._mute: set[str] = set()  # devices that say nothing at all
        self._lifecycles: dict[int, str] = {}
        self._seen_us, self._written_us = 0, 0
        self._gaps_us = clock.wall_us()
        self.problem = ""

    @property
    def watched(self) -> int:
        """How many alarms points have."""
        return len(self._watch.alarms) if self._watch else 0

    def leave(self, rows: Rows) -> None:
        """Readings that were committed; quick, called by the writer's thread."""
        if self._queued > _ROWS_QUEUED_MAX:
            self._missed = True
            return
        self._queue.append(rows)
        self._queued += len(rows.point)

    async def run(self) -> None:
        """Look again and again; a failure is told and tried again."""
        while True:
            try:
                await asyncio.to_thread(self.step)
                self.problem = ""
            except (Aid4Error, duckdb.Error) as error:
                self.problem = str(error)[:300]
            await asyncio.sleep(PERIOD_S)

    def step(self) -> list[Step]:
        """One look at everything that is due; returns what it changed."""
        with self._turn:
            now_us, now_s = self._clock.wall_us(), self._clock.monotonic_s()
            steps = self._renew(now_us)
            watch = self._watch
            assert watch is not None
            turns = self._take(watch)
            turns += watch.tick(now_us)
            is_slow, is_plan = now_s >= self._due_s["slow"], now_s >= self._due_s["plan"]
            if is_slow:
                self._due_s["slow"] = now_s + _SLOW_S
                steps += self._look_at_nodes(now_us) + self._look_at_gaps(now_us)
                heard_us = self._store.state.ages(watch.stale_points)
                steps += self._look_at_devices(watch, heard_us, now_us)
                turns += watch.silent(now_us, heard_us)
            if is_plan:
                self._due_s["plan"] = now_s + _PLAN_S
                steps += self._look_at_plan(now_us)
                self._write_mark()
            told = self._tell(turns, now_us)
            steps += told
            if is_slow:
                steps += self._alike.end(now_us)
            if is_slow or is_plan or told:  # after what is over, so that it does not ring once more
                steps += self._silence(now_us) + self._end_shelves(now_us)
            return steps

    # -- readings

    def _renew(self, now_us: int) -> list[Step]:
        """Follow the directory and the rules; a point that lost an alarm returns it."""
        made_of = (self._directory(), self._rules())
        if self._made_of is not None and all(a is b for a, b in zip(made_of, self._made_of, strict=True)):
            return []
        before, is_first = self._watch, self._made_of is None
        alarms = list(alarms_of(made_of[0].views, made_of[1]))
        self._watch = PointWatch(alarms, self.book.active_keys("point"))
        self._made_of = made_of
        self._due_s["plan"] = 0.0
        gone = (before.keys if before else self.book.active_keys("point")) - self._watch.keys
        steps = self.book.retire(gone, now_us)
        self._lifecycles = self._lives(alarms)
        turns: list[Turn] = []
        if is_first:
            turns = [turn for turn in self._catch_up(self._watch) if not self._is_known(turn)]
        turns += self._look_at_newest(self._watch)
        return steps + self._tell(turns, now_us)

    def _tell(self, turns: Iterable[Turn], now_us: int) -> list[Step]:
        """What readings turned, but once for all alike devices and for both limits of one side."""
        reports = [_report(turn) for turn in turns]
        steps = self._alike.fold(reports, now_us, self.why_silent)
        steps += self.book.conditions(reports, self.why_silent)
        return steps + self._alike.step_back((one.definition for one in reports if not one.active), now_us)

    def _take(self, watch: PointWatch) -> list[Turn]:
        turns: list[Turn] = []
        while self._queue:
            rows = self._queue.popleft()
            self._queued -= len(rows.point)
            turns += watch.take(rows)
            self._seen_us = max(self._seen_us, rows.recv_us)
        if self._missed:
            self._missed = False
            turns += self._look_at_newest(watch)
        return turns

    def _look_at_newest(self, watch: PointWatch) -> list[Turn]:
        table = self._store.state.snapshot()
        now_us = self._clock.wall_us()
        is_text = np.fromiter((text is not None for text in table.text), bool, len(table.text))
        numbers, texts = table.take(~is_text), table.take(is_text)
        turns = watch.take(Rows(numbers.point, numbers.ts_us, numbers.value, numbers.quality, now_us))
        return turns + watch.take(Rows(texts.point, texts.ts_us, texts.value, texts.quality, now_us, texts.text))

    def _catch_up(self, watch: PointWatch) -> list[Turn]:
        """What was stored after the last look before this start."""
        with self._store.cursor() as cursor:
            row = first(cursor, "SELECT value FROM meta WHERE key = ?", [_MARK])
            if row is None:
                return []
            turns: list[Turn] = []
            for table, is_text in (("readings_warm", False), ("states_warm", True)):
                found = cursor.execute(
                    "SELECT point, epoch_us(ts) AS ts, value, quality FROM "  # noqa: S608  (fixed names)
                    f"(FROM {table} WHERE recv > make_timestamptz(?::BIGINT) ORDER BY recv LIMIT ?)",
                    [int(row[0]), _CATCH_UP_ROWS_MAX],
                ).fetchnumpy()
                turns += watch.take(_rows(found, self._clock.wall_us(), is_text=is_text))
        return turns

    def _is_known(self, turn: Turn) -> bool:
        """Whether the journal has it already: what was seen just before the end is seen again."""
        alarm = self.book.find(turn.alarm.definition.key)
        if alarm is None:
            return False
        last_us = alarm.raised_us if turn.active else alarm.returned_us
        return last_us is not None and turn.at_us <= last_us

    def _write_mark(self) -> None:
        if self._seen_us <= self._written_us:
            return
        self._written_us = self._seen_us

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute("DELETE FROM meta WHERE key = ?", [_MARK])
            connection.execute("INSERT INTO meta VALUES (?, ?)", [_MARK, str(self._seen_us)])

        self._store.writer.submit(work)

    # -- the rest

    def _look_at_nodes(self, now_us: int) -> list[Step]:
        nodes = self._nodes()
        away = {node.node: self._away_us.get(node.node, now_us) for node in nodes if not node.online}
        self._away_us = away
        reports = []
        for node in nodes:
            definition = _definition("node", node.node, "offline", "gateway", text=node.why_silent or "")
            if node.online or now_us - away[node.node] >= _AWAY_US:
                reports.append(Report(definition, not node.online, away.get(node.node, now_us)))
            off_s = node.clock_ahead_s
            if node.online and off_s is not None:
                wrong = _definition("node", node.node, "clock", "clock")
                reports.append(Report(wrong, abs(off_s) > CLOCK_OFF_S_MAX, now_us, round(off_s, 1)))
            double = _definition("node", node.node, "twice", "certificate", text=(node.twice and node.why_silent) or "")
            reports.append(Report(double, node.twice, now_us))
            if (state := node.certificate.state) != "none":
                ending = _definition("node", node.node, "certificate", "certificate")
                reports.append(Report(ending, state in {"expiring", "expired"}, now_us))
        return self.book.conditions(reports)

    def _look_at_devices(self, watch: PointWatch, heard_us: NDArray[np.int64], now_us: int) -> list[Step]:
        """A device of which nothing, or not all, is heard is one alarm, however many points it has."""
        mute = {stale.group: (stale, since_us) for stale, since_us in watch.mute(now_us, heard_us)}
        partly = {stale.group: (stale, since_us) for stale, since_us in watch.partly_mute(now_us, heard_us)}
        ringing = self.book.active_keys("device")
        reports = []
        for group, (stale, since_us) in (partly | mute).items():
            definition = _of_device(stale, "partly")
            if group in mute and definition.key not in ringing:
                definition = _of_device(stale, "silent")
            reports.append(Report(definition, True, since_us))
        self._mute = {report.definition.group for report in reports}
        known = {report.definition.key for report in reports}
        over = [self.book.find(key) for key in ringing - known]
        reports += [Report(alarm.definition, False, now_us) for alarm in over if alarm is not None]
        return self.book.conditions(reports, self.why_silent)

    def _look_at_gaps(self, now_us: int) -> list[Step]:
        """Data that is gone for good rings once: it returns at once, and somebody must see it."""
        with self._store.cursor() as cursor:
            rows = cursor.execute(
                "SELECT node, sum(readings)::DOUBLE, max(epoch_us(recv)) FROM gaps"
                " WHERE recv > make_timestamptz(?::BIGINT) GROUP BY node",
                [self._gaps_us],
            ).fetchall()
        reports = []
        for node, readings, recv_us in rows:
            self._gaps_us = max(self._gaps_us, recv_us)
            definition = _definition("node", node, "gap", "data")
            reports += [Report(definition, True, recv_us, readings), Report(definition, False, now_us, readings)]
        return self.book.conditions(reports)

    def _look_at_plan(self, now_us: int) -> list[Step]:
        """Tasks behind their plan, and points whose element came to life."""
        assert self._watch is not None
        self._lifecycles = self._lives(self._watch.alarms)
        plan = self._plan.live
        late = late_of(plan, now_us)[0] if plan is not None else []
        late = [task for task in late if task.why in _OVERDUE]
        reports = [
            Report(
                _definition("task", task.task, "late", "schedule", text=task.name), True, now_us, round(task.days_late)
            )
            for task in late
        ]
        keys = {report.definition.key for report in reports}
        over = [self.book.find(key) for key in self.book.active_keys("task") - keys]
        reports += [Report(alarm.definition, False, now_us) for alarm in over if alarm is not None]
        return self.book.conditions(reports)

    def _lives(self, alarms: Iterable[PointAlarm]) -> dict[int, str]:
        """Points whose element is not commissioned yet, with what it is."""
        points = np.unique(np.array([alarm.point for alarm in alarms], np.uint32))
        codes = self._plan.lifecycles(points)
        early = codes < COMMISSIONED
        return dict(zip(points[early].tolist(), [LIFECYCLES[code] for code in codes[early].tolist()], strict=True))

    def why_silent(self, definition: Definition) -> str:
        """Why an alarm must not ring by design: its element is not in use yet, or its cause rings already."""
        if definition.point is not None and (life := self._lifecycles.get(definition.point)):
            return f"not commissioned: {life}"
        node = definition.group.partition("/")[0]
        if definition.kind in ("stale", "silent", "partly") and node in self._away_us:
            return f"gateway {node} is offline"
        if definition.kind == "stale" and definition.group in self._mute:
            return f"device {definition.group.partition('/')[2]} is silent, or several of its points are"
        return self._alike.why_silent(definition) if definition.source == "point" else ""

    def _silence(self, now_us: int) -> list[Step]:
        """Bring what is silent by design up to date."""
        due = [
            alarm.id
            for alarm in self.book.all()
            if alarm.definition.source in ("point", "device", "detector")
            and alarm.suppressed_why != self.why_silent(alarm.definition)
        ]
        return self.book.act(due, lambda alarm: alarm.suppress(now_us, self.why_silent(alarm.definition)))

    def _end_shelves(self, now_us: int) -> list[Step]:
        def over(alarm: Alarm) -> bool:
            return alarm.shelved_until_us is not None and alarm.shelved_until_us <= now_us

        due = [alarm.id for alarm in self.book.all() if over(alarm)]
        return self.book.act(due, lambda alarm: alarm.unshelve(now_us, "", "its time is over") if over(alarm) else None)


def _report(turn: Turn) -> Report:
    return Report(turn.alarm.definition, turn.active, turn.at_us, turn.value)


def _definition(source: str, name: str, kind: str, class_name: str, *, text: str = "") -> Definition:
    meaning = _CLASS[class_name]
    return Definition(
        key=f"{source}:{name}:{kind}", kind=kind, source=source, priority=meaning.priority, group=name, text=text,
        consequence=meaning.consequence, action=meaning.action, respond_min=meaning.respond_min,
    )  # fmt: skip


def _of_device(stale: Definition, kind: str) -> Definition:
    """The alarm of a device, at the place of one of its points that are silent."""
    named = _definition("device", stale.group, kind, "communication", text=stale.group.partition("/")[2])
    return msgspec.structs.replace(named, point=stale.point, element=stale.element)


def _rows(column: dict[str, Any], recv_us: int, *, is_text: bool) -> Rows:
    value = np.full(len(column["point"]), np.nan) if is_text else column["value"]
    texts = column["value"] if is_text else None
    return Rows(column["point"], column["ts"], value, column["quality"], recv_us, texts)
