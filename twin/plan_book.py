"""The twin's plan: what is live in memory, what was known before at a moment's notice, and the life of points."""

import threading
from collections import OrderedDict
from functools import partial
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from bim.schedule.tables import Schedule
from bim.schedule.timeline import NEVER
from twin.bindings import Bindings
from twin.lookup import first
from twin.model import Model
from twin.models import Models
from twin.plan import Plan, PlanRules
from twin.plan_clock import SiteClock
from twin.plan_lifecycle import COMMISSIONED, INSTALLED, LIFECYCLES, Verified
from twin.plan_links import Found, LinkInputs, current_names, find_links, keep_links
from twin.plan_store import Live, PlanStore, StoredSchedule
from twin.plan_table import write_tasks
from twin.siteconfig import SiteConfig
from twin.store import Store
from wire.errors import Aid4Error

__all__ = ["Lifecycle", "PlanBook"]

_log = structlog.get_logger("twin.plan")
_REMEMBERED = 4  # plans of former moments of knowledge; each holds its tasks and links
_HOLDERS_MAX = 16  # a sensor in a unit in an assembly: deeper is a loop
_LINKS_OF = "plan_links_of"  # key of `meta`: from what the table element_links was made


class Lifecycle(msgspec.Struct, frozen=True):
    """What a point is in its life; `how` is the date set that says so, `element` the one whose tasks decide."""

    state: str
    how: str  # actual | forecast | planned | no plan
    element: str | None = None
    until: str | None = None  # when it is expected to become more; null when nothing says


class _MadeOf(msgspec.Struct, frozen=True):
    """What the table element_links was made of: when its inputs last changed, and the model that rules saw."""

    inputs_us: int
    model: int


class PlanBook:
    """Reads and upkeep of the plan. Reads from any thread; `refresh` from one at a time."""

    def __init__(self, store: Store, models: Models) -> None:
        self._store, self._models = store, models
        self.store = PlanStore(store)
        self.live: Plan | None = None
        self.missing: list[str] = []  # tasks that links name and the schedule lacks
        self.problems: list[str] = []  # of the rules
        self.refused: str | None = None  # why the site's schedule or links were not taken in
        self.unusable: str | None = None  # why there is no live plan although a schedule is live
        self.verified = Verified()  # on site, by people
        self._model, self._bindings, self._site = Model(), Bindings(), SiteConfig()
        self._key: tuple[Any, ...] = ("not read yet",)
        self._links_of = _MadeOf(-1, 0)
        self._former: OrderedDict[tuple[Any, ...], Plan | None] = OrderedDict()
        self._turn = threading.Lock()
        self._rows: tuple[Plan | None, NDArray[np.int64]] = (None, np.empty(0, np.int64))

    def refresh(self, model: Model, bindings: Bindings, site: SiteConfig) -> None:
        """After a change of model, bindings, site or plan: links follow, the live plan is made anew if need be."""
        with self._turn:
            self._model, self._bindings, self._site = model, bindings, site
            self._keep_links()
            key = self._key_of(None)
            if key != self._key:
                self._former.clear()
                self.live = self._make_live()
                self._key = key if self._write_tasks(self.live) else ()
            self._rows = (self.live, self._rows_of_points(self.live))

    def at(self, known_us: int | None = None) -> Plan | None:
        """The plan as it was known at a moment, None when there was none."""
        live = self.live
        if known_us is None:
            return live
        key = self._key_of(known_us)
        if key == self._key:
            return live
        with self._turn:
            if key not in self._former:
                self._former[key] = self._make(known_us)
                while len(self._former) > _REMEMBERED:
                    self._former.popitem(last=False)
            self._former.move_to_end(key)
            return self._former[key]

    def lifecycle_of(self, point: int, at_us: int | None = None, known_us: int | None = None) -> Lifecycle:
        """The life of a point at a moment, now by default."""
        plan, now_us = self.at(known_us), self.wall_us()
        at_us = now_us if at_us is None else at_us
        row = self._row(plan, point)
        if plan is None or row < 0:
            return Lifecycle(LIFECYCLES[COMMISSIONED], "no plan")
        future = at_us > now_us
        code = int(plan.lifecycles(at_us // 1_000_000, future=future)[row])
        how, lines = plan.lifecycle_lines(row, future=future)
        if not lines.known[row]:
            return Lifecycle(LIFECYCLES[COMMISSIONED], "no plan")
        until = lines.next_s(row, code)
        text = None if until >= NEVER else f"{np.datetime64(until, 's')}Z"
        if code == INSTALLED and self.verified.at(np.array([point], np.uint32), at_us)[0]:
            return Lifecycle(LIFECYCLES[COMMISSIONED], "verified on site", plan.by_element.elements[row].as_py())
        return Lifecycle(LIFECYCLES[code], how, plan.by_element.elements[row].as_py(), text)

    def lifecycles(
        self, points: NDArray[np.uint32], at_us: int | None = None, known_us: int | None = None
    ) -> NDArray[np.int8]:
        """Codes (LIFECYCLES) of many points at a moment."""
        plan, now_us = self.at(known_us), self.wall_us()
        at_us = now_us if at_us is None else at_us
        codes = np.full(len(points), COMMISSIONED, np.int8)
        if plan is None:
            return codes
        held, rows = self._rows
        if held is not plan:
            rows = self._rows_of_points(plan)
        row = (
            np.where(points < len(rows), rows.take(points, mode="clip"), -1) if len(rows) else np.full(len(points), -1)
        )
        linked = row >= 0
        codes[linked] = plan.lifecycles(at_us // 1_000_000, future=at_us > now_us)[row[linked]]
        codes[(codes == INSTALLED) & self.verified.at(points, at_us)] = COMMISSIONED
        return codes

    def inputs(self, known_us: int | None = None) -> LinkInputs:
        """What the links follow from."""
        file, rules = self.store.live("link_file", known_us), self.store.live("link_rules", known_us)
        return LinkInputs(
            file=self.store.given_links(file.revision) if file else None,
            rules=self.store.rules(rules.revision) if rules else "",
            decisions=self.store.decisions(known_us),
        )

    def find(self, schedule: Schedule, inputs: LinkInputs) -> Found:
        """The links that would follow from these for a schedule and the live model."""
        relations = self._models.relations() if inputs.rules else None
        return find_links(schedule, inputs, self._model, relations)

    def tried(self, stored: StoredSchedule, links: pa.Table, reports: pa.Table | None = None) -> Plan:
        """A plan that is not live, for a preview."""
        reports = self.store.actuals() if reports is None else reports
        never_live = Live(stored.revision, 0)
        return Plan(stored, never_live, links, reports, self._model, self.clock(), self.rules_of())

    def wall_us(self) -> int:
        """Now."""
        return self._store.clock.wall_us()

    def rules_of(self) -> PlanRules:
        """How the site's configuration reads a plan."""
        found = self._site.schedule
        if found is None:
            return PlanRules()
        return PlanRules(tuple(found.umbrella), tuple(found.decides), found.baseline, found.lifecycle)

    def clock(self) -> SiteClock:
        """The site's wall clock."""
        return SiteClock(self._site.time_zone)

    def _key_of(self, known_us: int | None) -> tuple[Any, ...]:
        live = self.store.live("schedule", known_us)
        if live is None:
            return ()
        info = self._model.info
        site = self._site.schedule
        return (live, self.store.stamps(known_us), info and info.revision, self._site.time_zone, repr(site))

    def _make_live(self) -> Plan | None:
        """The live plan; one that cannot be used must not stop the twin, and is told."""
        self.unusable = None
        try:
            return self._make(None)
        except Exception as error:  # noqa: BLE001  (whatever a stored schedule holds, the twin runs)
            self.unusable = f"the live schedule cannot be used: {error or type(error).__name__}"
            _log.warning("the live schedule cannot be used", problem=str(error) or type(error).__name__)
            return None

    def _make(self, known_us: int | None) -> Plan | None:
        live = self.store.live("schedule", known_us)
        if live is None:
            return None
        return Plan(
            self.store.read(live.revision),
            live,
            current_names(self.store.links(known_us), self._model),
            self.store.actuals(known_us),
            self._model,
            self.clock(),
            self.rules_of(),
        )

    def _write_tasks(self, plan: Plan | None) -> bool:
        """Keep the table `tasks` as memory has it; whether that was possible."""
        try:
            self._store.writer.run(lambda connection: write_tasks(connection, plan))
        except Aid4Error:
            return False  # the disk is full: written when it is not
        return True

    def _keep_links(self) -> None:
        """Bring element_links up to what it follows from; nothing to do when that did not change."""
        inputs_us, live = self.store.inputs_us(), self.store.live("schedule")
        rules = self.store.live("link_rules")
        seen = rules or self._model.aliases  # without them links do not depend on the model
        made_of = _MadeOf(inputs_us, self._model.info.revision if seen and self._model.info else 0)
        if made_of == self._links_of:
            return
        links = self.store.links().slice(0, 0)
        self.missing, self.problems = [], []
        if live is not None:
            schedule = self.store.read(live.revision).schedule
            found = self.find(schedule, self.inputs())
            links, self.missing, self.problems = found.links, found.missing, found.problems
        try:
            self._store.writer.run(partial(self._write_links, links, made_of))
        except Aid4Error:
            return  # the disk is full: kept when it is not
        self._links_of = made_of

    def _write_links(self, links: pa.Table, made_of: "_MadeOf", connection: duckdb.DuckDBPyConnection) -> None:
        """Links of a new schedule or link source hold from the moment that one does, those of a new model from now."""
        row = first(connection, "SELECT value FROM meta WHERE key = ?", [_LINKS_OF])
        before = msgspec.json.decode(row[0], type=_MadeOf) if row else _MadeOf(0, 0)
        if before == made_of:
            return
        at_us = made_of.inputs_us if made_of.inputs_us != before.inputs_us else self.wall_us()
        keep_links(connection, links, at_us)
        connection.execute("DELETE FROM meta WHERE key = ?", [_LINKS_OF]).fetchall()
        connection.execute("INSERT INTO meta VALUES (?, ?)", [_LINKS_OF, msgspec.json.encode(made_of).decode()])

    def _rows_of_points(self, plan: Plan | None) -> NDArray[np.int64]:
        """Row of the element whose tasks decide each point's life, by id of the point; −1 for none."""
        if plan is None:
            return np.empty(0, np.int64)
        top = max(self._bindings.by_point, default=0)
        rows = np.full(top + 1, -1, np.int64)
        for point in self._bindings.by_point:
            rows[point] = self._row(plan, point)
        return rows

    def _row(self, plan: Plan | None, point: int) -> int:
        """The element itself, else the nearest of its holders that has tasks."""
        binding = self._bindings.by_point.get(point)
        if plan is None or binding is None:
            return -1
        place: str | None = binding.element or binding.space
        known = plan.life_known
        for _ in range(_HOLDERS_MAX):
            if place is None:
                return -1
            row = plan.element_row.get(place, -1)
            if row >= 0 and known[row]:
                return row
            place = self._model.parent_of(place)
        return -1
