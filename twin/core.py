"""The twin of one site: store, model, bindings, changes, commands, SQL and the live hub, joined. No HTTP here."""

import asyncio
import importlib.metadata
import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bim.federation.open import PartFile
from bim.federation.parts import combined_sha256
from inference.registry.figures import ScorerFacts
from twin.access.desk import AccessDesk
from twin.access.oidc import Oidc
from twin.access.people import People
from twin.access.settings import read_settings_file
from twin.alarms.desk import AlarmDesk, AlarmsChange
from twin.basemap import open_basemap
from twin.bindings import Binding, Bindings, Fixed, find_bindings
from twin.change_kinds import BindingsChange, LimitsChange, SiteChange, read_settings
from twin.changes import Change, Changes
from twin.commands import Commands
from twin.commissioning.book import CommissioningBook
from twin.commissioning.change import PointsChange
from twin.commissioning.devices import devices_of
from twin.conditions import LOOK_BACK_US, Bounds, Conditions, began_us
from twin.diagnosis import Diagnosis
from twin.directory import Directory, Limits
from twin.drones import DroneDesk
from twin.fleet.opening import open_fleet
from twin.ingest import Ingest
from twin.live import LiveHub
from twin.model import Model
from twin.model_change import ModelChange
from twin.models import Models, file_sha256
from twin.models_rollout_desk import RolloutDesk
from twin.node_views import NodeStatus, node_statuses, with_certificates
from twin.place import Locator
from twin.plan_actuals import ActualsChange
from twin.plan_book import PlanBook
from twin.plan_changes import LinksChange, PlanFiles, ScheduleChange
from twin.plan_lifecycle import Verified
from twin.plan_site import SitePlan
from twin.points import Overrides
from twin.reports.desk import ReportDesk
from twin.reports.settings import read_reports_file
from twin.rows import TS_US_MAX, TS_US_MIN
from twin.saved_queries import SavedQueries
from twin.scoring import ScoringDesk
from twin.shift import ShiftLog, Snapshot
from twin.shift_snapshot import snapshot_of
from twin.siteconfig import SiteConfig, site_from_dict
from twin.software import open_software
from twin.sql import SqlDesk
from twin.sql_tables import SqlTables
from twin.state import Rows, StateTable
from twin.store import Store
from twin.tiles import Tiles
from twin.times import iso
from twin.trust import TrustDesk
from wire.errors import Aid4Error

__all__ = ["Twin", "Value"]

_FOLLOW_S = 0.25  # how soon a new catalogue is in the directory, and how finely a condition's beginning is seen
_RECALL_WIDTH = 2_000  # buckets of the day in which the beginning of a condition is looked for


class Value(NamedTuple):
    """A point's newest value."""

    ts_us: int
    value: float | str | None
    quality: int


class Twin:
    """An async context manager around an open Store; without `ingest` it shows what is stored."""

    def __init__(self, store: Store, site: SiteConfig, *, ingest: Ingest | None = None) -> None:
        self.store, self.clock = store, store.clock
        self.uploads = store.data_dir / "uploads"
        self.upload_names: dict[str, str] = {}  # by digest, as far as they came since the start
        self.ingest = ingest
        self.version = _version()
        self._site_file = self.site = site
        folder = Path(site.folder) if site.folder else None
        self.basemap = open_basemap(site.folder, site.basemap)
        access = read_settings_file(folder)
        self.access = AccessDesk(store, store.clock, lambda: access)
        self.people = People(self.access, site.name)
        self.trust = TrustDesk(store.data_dir, site.name, store.clock, self.access.note)
        self.oidc = Oidc(lambda: access, self.people, lambda: folder)
        self._limits: dict[str, Limits] = {}
        self._fixed: dict[str, Fixed] = {}
        self._points_version = self._poses_version = -1
        self._turn = threading.Lock()
        self.models = Models(store)
        self.locator = Locator()
        self.plan = PlanBook(store, self.models)
        self.commissioning = CommissioningBook(store, store.clock)
        self.model = Model()
        self.bindings = Bindings()
        self.directory = Directory([], self.bindings, {})
        self.alarms = AlarmDesk(
            store, site=lambda: self.site, directory=lambda: self.directory, nodes=self._certified, plan=self.plan
        )
        self.diagnosis = Diagnosis(lambda: self.model, lambda: self.directory, self.models.relations)
        self.rollouts = RolloutDesk(
            store,
            self.clock,
            changes=self._all_changes,
            send=ingest.send if ingest else lambda _node, _kind, _message: False,
            told=ingest.told_models if ingest else dict,
            scorer=self._scorer_facts,
        )
        self.fleet = open_fleet(store, ingest, self.rollouts.wanted, self.alarms)
        self.software = open_software(store, ingest, self.rollouts, self.fleet)
        self.scoring = ScoringDesk(
            store,
            alarms=self.alarms,
            directory=lambda: self.directory,
            diagnosis=self.diagnosis,
            models=self.rollouts.local,
        )
        self.refresh()
        self.model_change = ModelChange(
            self.models,
            uploads=self.uploads,
            site_folder=lambda: self.site.folder,
            model=lambda: self.model,
            directory=lambda: self.directory,
            rebind=self._bind,
            refresh=self.refresh,
        )
        self.tiles = Tiles(store, model=lambda: self.model, uploads=self.uploads, site_folder=lambda: self.site.folder)
        self.drones = DroneDesk(
            store,
            model=lambda: self.model,
            tiles=lambda: self.tiles,
            plan=self.plan,
            alarms=self.alarms,
            frame=lambda: self.locator.frame(self.model, self.site),
            policies=lambda: self.site.retention,
        )
        files = PlanFiles(self.uploads, self.upload_names, lambda: self.site.folder)
        schedule = ScheduleChange(self.plan, files, self.refresh)
        links = LinksChange(self.plan, files, self.refresh)
        bindings = BindingsChange(self.refresh, lambda: self.directory, lambda: self.model, self._found_for)
        limits = LimitsChange(self.refresh, lambda: self.directory)
        self.points_change = PointsChange(self.refresh, limits, bindings)
        self.changes = Changes(
            store,
            {
                "schedule": schedule,
                "links": links,
                "actuals": ActualsChange(self.plan, self.refresh),
                "bindings": bindings,
                "alarms": AlarmsChange(self.refresh, self.alarms, lambda: self.directory),
                "rollout": self.rollouts.change,
                "limits": limits,
                "points": self.points_change,
                "site": SiteChange(self.refresh, lambda: self.site),
                "model": self.model_change,
            },
        )
        self._site_plan = SitePlan(self.plan, self.changes, schedule, links)
        self.commands = Commands(store, self.clock, ingest.command if ingest else None)
        if ingest is not None:
            ingest.on_reply = self.commands.take_reply
            ingest.absorber.on_rows = self._leave_rows
            ingest.absorber.on_poses = self.drones.now.take
        self.conditions = Conditions(store.state, lambda: self._bounds)
        self.live = LiveHub(store.state, status=self.status, now=self.now_text, poses=self._poses)
        self.saved = SavedQueries(store)
        self.shift = ShiftLog(store, store.clock, self._snapshot)
        self.reports = ReportDesk(self, read_reports_file(folder))
        self.sql = SqlDesk(store.data_dir / "sql", SqlTables(store))

    async def __aenter__(self) -> Self:
        await self.sql.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.sql.__aexit__(*error)

    def _leave_rows(self, rows: Rows) -> None:
        """Committed readings, in the writer's thread: to those who watch them."""
        self.alarms.service.leave(rows)
        self.scoring.leave(rows)

    async def follow(self) -> None:
        """Keep up with catalogue, values and the clock until cancelled."""
        while True:
            await self._recall()
            await asyncio.sleep(_FOLLOW_S)
            self.commands.expire()
            if self.store.points.version != self._points_version:
                await asyncio.to_thread(self.refresh)

    async def _recall(self) -> None:
        """What turned abnormal unseen: since when?"""
        points = self.conditions.doubtful()
        if len(points):
            table = self.store.state.snapshot(points)
            self.conditions.recall(await asyncio.to_thread(self._began, table))

    def _began(self, table: StateTable) -> dict[int, int]:
        found: dict[int, int] = {}
        for point, ts_us in zip(table.point.tolist(), table.ts_us.tolist(), strict=True):
            [series] = self.store.history([point], ts_us - LOOK_BACK_US, ts_us + 1, width=_RECALL_WIDTH)
            began = began_us(series, self._bounds)
            if began is not None:
                found[point] = began
        return found

    def _all_changes(self) -> Changes:
        return self.changes

    def _scorer_facts(self) -> ScorerFacts | None:
        """Of the twin's own scorer, for the roll-out of models."""
        desk = self.scoring
        if desk.pid is None:
            return None
        figures = desk.figures()
        status = desk.status()
        crashes = max(figures.get("failures", 0), 0)
        return ScorerFacts(not desk.problem, crashes, status["tick_s"], figures, tuple(status["notes"]))

    def refresh(self) -> None:
        """Read model, settings and points anew and bind again; what readers hold stays whole."""
        with self._turn:
            self._points_version = self.store.points.version
            with self.store.cursor() as cursor:
                self._read_settings(cursor)
                self.alarms.refresh(cursor)
            active = self.models.active_revision()
            if active != (self.model.info.revision if self.model.info else None):
                self.model = self.models.active()
            self.bindings = self._bind(self.model)
            self.directory = Directory(self.store.points.all(), self.bindings, self._limits)
            self._periods = _periods(self.directory)
            self._bounds = Bounds.of(self.directory)
            self._write_bindings()
            self.plan.refresh(self.model, self.bindings, self.site)
            self.follow_commissioning()

    def follow_commissioning(self) -> None:
        """Tell the plan which points stand commissioned because all of their device were verified on site."""
        groups = [[view.id for view in views] for views in devices_of(self.directory).values()]
        self.plan.verified = Verified(*self.commissioning.since_us(groups))

    async def bring_plan(self, model: Path | None) -> str | None:
        """Make the site's schedule and links live where they are new; the problem when a part is refused."""
        return await self._site_plan.bring(self.site, model)

    async def bring_model(self, *files: Path | PartFile, by: str = "start") -> Change | None:
        """Make these files the live model unless they are; the change, or None when nothing was to do."""
        parts = [file if isinstance(file, PartFile) else PartFile(file) for file in files]
        self.tiles.know(part.path for part in parts)
        hashes = await asyncio.to_thread(lambda: [(file_sha256(part.path), part.place) for part in parts])
        if self.model.info is not None and self.model.info.sha256 == combined_sha256(hashes):
            return None
        preview = await asyncio.to_thread(self.model_change.preview_files, parts)
        change = await self.changes.keep("model", preview, note=" + ".join(part.path.name for part in parts), by=by)
        return await self.changes.activate(change.id, by=by)

    def latest(self, points: list[int] | None) -> StateTable:
        """Newest values, of these points or of all."""
        return self.store.state.snapshot(None if points is None else np.array(points, np.uint32))

    def last_value(self, point: int) -> Value | None:
        """Newest value of one point."""
        table = self.latest([point])
        if not len(table.point):
            return None
        number = float(table.value[0])
        value = table.text[0] if table.text[0] is not None else number if np.isfinite(number) else None
        return Value(int(table.ts_us[0]), value, int(table.quality[0]))

    def periods_s(self, points: NDArray[np.uint32]) -> NDArray[np.float64]:
        """How often each point reports, NaN where it reports by exception."""
        known = self._periods
        return np.where(points < len(known), known.take(points, mode="clip"), np.nan)

    def status(self) -> dict[str, Any]:
        """The `state` message of /live."""
        nodes = {node.node: {"online": node.online, "why_silent": node.why_silent} for node in self.nodes()}
        alarms = self.alarms.summary()
        return {
            "type": "state", "connected": self.connected, "degraded": self.degraded, "nodes": nodes, "alarms": alarms,
            "scoring": self.scoring.problem or None,
        }  # fmt: skip

    async def _poses(self, anyway: bool) -> bytes | None:
        """The `poses` message of /live; None where no drone said anything since it was last asked."""
        version = self.drones.now.version
        if not anyway and version == self._poses_version:
            return None
        self._poses_version = version
        items = await asyncio.to_thread(self.drones.now.now, self.latest)
        return msgspec.json.encode({"type": "poses", "items": items})

    def nodes(self) -> list[NodeStatus]:
        """The agents, as GET /nodes shows them."""
        return node_statuses(self.ingest, self.clock.wall_us()) if self.ingest is not None else []

    def _certified(self) -> list[NodeStatus]:
        return with_certificates(self.nodes(), self.trust.views(), unheard=False)

    def _snapshot(self) -> Snapshot:
        known = self.directory.by_id
        return snapshot_of(self.alarms.book, self.nodes(), lambda point: known[point].label if point in known else "")

    def events(self, from_us: int | None, to_us: int | None, limit: int) -> list[dict[str, Any]]:
        """Events of a range, newest first; open where it is None."""
        start = TS_US_MIN if from_us is None else from_us
        return self.store.events(start, TS_US_MAX if to_us is None else to_us, limit=limit)

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self.ingest is not None and self.ingest.link.connected

    @property
    def degraded(self) -> str | None:
        """Why the twin cannot store what arrives; None when it can."""
        return self.store.writer.degraded

    def now_text(self) -> str:
        """Now, ISO 8601."""
        return str(iso(self.clock.wall_us()))

    def _read_settings(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._limits = msgspec.convert(read_settings(cursor, "limits"), type=dict[str, Limits])
        self.store.points.limits = self._overrides()
        self._fixed = msgspec.convert(read_settings(cursor, "bindings"), type=dict[str, Fixed])
        changed = read_settings(cursor, "site")
        if changed:
            plain = msgspec.to_builtins(self._site_file) | {"rules": []} | changed
            self.site = site_from_dict(plain, file="changes of kind site")
        else:
            self.site = self._site_file

    def _overrides(self) -> Overrides | None:
        """What ingest flags readings by; None where no limit was ever changed, which costs nothing."""
        by_key = self.store.points.by_key
        found = {by_key[key].id: (own.low, own.high) for key, own in self._limits.items() if key in by_key}
        return Overrides(found) if found else None

    def _bind(self, model: Model) -> Bindings:
        return find_bindings(self.store.points.all(), model, self.site.rules, self._fixed, self.site.brick_points)

    def _found_for(self, key: str) -> Binding | None:
        point = self.store.points.by_key[key]
        found = find_bindings([point], self.model, self.site.rules, {}, self.site.brick_points)
        return found.by_point.get(point.id)

    def _write_bindings(self) -> None:
        """Keep the table `bindings` as memory has it: SQL, backups and exports read it there."""
        rows = sorted(self.bindings.by_point.values(), key=lambda one: one.point_id)
        names = ("element", "space", "how", "confidence", "detail")
        columns = {name: [getattr(row, name) for row in rows] for name in names}
        kinds = {"confidence": pa.float64()}
        table = pa.table(
            {"point": pa.array([row.point_id for row in rows], pa.uint32())}
            | {name: pa.array(column, kinds.get(name, pa.string())) for name, column in columns.items()}
        )

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute("DELETE FROM bindings")
            connection.register("new_bindings", table)
            connection.execute("INSERT INTO bindings BY NAME SELECT * FROM new_bindings")
            connection.unregister("new_bindings")

        try:
            self.store.writer.run(work)
        except Aid4Error:
            self._points_version = -1  # the disk is full: written when it is not


def _version() -> str:
    try:
        return importlib.metadata.version("aid4")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _periods(directory: Directory) -> NDArray[np.float64]:
    top = max((view.id for view in directory.views), default=0)
    periods = np.full(top + 1, np.nan)
    for view in directory.views:
        if view.period_s is not None:
            periods[view.id] = view.period_s
    return periods
