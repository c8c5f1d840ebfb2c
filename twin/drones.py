"""What drones and scanners bring, joined: uploads and their worker, flights, scans. One desk a twin, no HTTP here."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import structlog

from bim.geo.frame import SiteFrame
from twin.alarms.desk import AlarmDesk
from twin.drones_retention import forget_old
from twin.flights import Flights
from twin.flights_live import LiveFlights
from twin.flights_now import Drones
from twin.flights_place import Places
from twin.model import Model
from twin.photos_look import PhotoGround, PhotoLook
from twin.photos_marks import PhotoMarks
from twin.plan import CODES
from twin.plan_book import PlanBook
from twin.retention import Policies
from twin.scans import Scans
from twin.scans_book import ScanBook
from twin.scans_combine import BUILT, NOT_BUILT
from twin.scans_judge import ScanGround, ScanJudge
from twin.store import Store
from twin.tiles import Failed, Ready, Tiles
from twin.uploads_disk import DroneFolders
from twin.uploads_groups import Uploads
from twin.uploads_intake import Intake
from twin.uploads_work import UploadWork
from wire.errors import Aid4Error, InputError

__all__ = ["DroneDesk"]

_log = structlog.get_logger("twin.drones")
_FOLLOW_S = 5.0
_NOT_STARTED = CODES.index("not_started")
_RETAIN_S = 3_600.0


class DroneDesk:
    """`run` until cancelled."""

    def __init__(
        self,
        store: Store,
        *,
        model: Callable[[], Model],
        tiles: Callable[[], Tiles],
        plan: PlanBook,
        alarms: AlarmDesk,
        frame: Callable[[], SiteFrame | None],
        policies: Callable[[], Policies],
    ) -> None:
        self._policies = policies
        self._store, self._tiles, self._plan, self._frame = store, tiles, plan, frame
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.folders = DroneFolders(store.data_dir)
        self.places = Places(frame)
        self.marks = PhotoMarks(store)
        self.flights, self.scans, self.uploads = Flights(store), Scans(store), Uploads(store)
        self.book = ScanBook(store, self.scans, model=model, plan=plan, alarms=alarms)
        judge = ScanJudge(store, self.uploads, self.scans, self.folders, self._ground, self.flights.flown, self._judged)
        look = PhotoLook(store, frame=frame, ground=self._photo_ground)
        self.work = UploadWork(store, self.uploads, self.folders, self.flights, judge, look)
        self.now = Drones(store, self.flights, self.places)
        self.live = LiveFlights(store, self.now)
        self.now.heard = self.live.hear
        self.intake = Intake(store, self.uploads, self.folders, self.flights, self.scans)

    async def run(self) -> None:
        """Work on what was uploaded, and follow the flights of live vehicles, until cancelled."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._tidy)
        self.intake.ready.set()
        async with asyncio.TaskGroup() as both:
            both.create_task(self.work.run(), name="drones.uploads")
            both.create_task(self.live.run(), name="drones.flights")
            both.create_task(self._follow(), name="drones.progress")
            both.create_task(self._retain(), name="drones.retention")

    async def remove(self, upload: str) -> list[str]:
        """Cancel or undo an upload and its group; ids of its files."""
        row = await asyncio.to_thread(self.uploads.row, upload)
        await self.work.cut(row.group)
        removed = await self.intake.remove(row)
        self._news.set()
        return removed

    def tile_folder(self, key: str) -> Path | None:
        """The tiles that a scan was judged by, if they are still kept."""
        folder = self._store.data_dir / "tiles" / key
        return folder if (folder / "tileset.json").is_file() else None

    async def _follow(self) -> None:
        """What scans say of the plan follows scans, plan and model within seconds."""
        while True:
            try:
                await asyncio.to_thread(self.book.refresh)
            except Exception as error:  # noqa: BLE001  (whatever a plan or a scan holds, the twin runs)
                _log.warning("what scans say of the plan waits", problem=str(error)[:300])
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FOLLOW_S):
                    await self._news.wait()

    async def _retain(self) -> None:
        """Let go what is no longer kept, once an hour."""
        while True:
            await asyncio.sleep(_RETAIN_S)
            try:
                await asyncio.to_thread(self.forget_old)
            except (Aid4Error, duckdb.Error, OSError) as error:
                _log.warning("old files of drones wait", problem=str(error)[:300])

    def forget_old(self) -> dict[str, int]:
        """What the site's policy no longer keeps; how many of each. Blocking."""
        return forget_old(self._store, self.folders, self._policies(), self._store.clock.wall_us())

    def _tidy(self) -> None:
        try:
            self.folders.prepare()
            self.now.load()
            self.folders.remove_strays(self.uploads.files_kept(), self.scans.ids())
        except (Aid4Error, duckdb.Error, OSError) as error:  # the disk is full: the twin runs all the same
            _log.warning("the folder of drones was not put in order", problem=str(error)[:300])

    def _ground(self, at_us: int) -> ScanGround | None:
        """What a cloud of this moment is judged against; None while it is being made."""
        current = self._tiles().current
        if current is None:
            fix = "bring a model: POST /api/v1/changes of kind model; then commit the group again"
            raise InputError("there is no model to judge it against", field="model", fix=fix)
        if isinstance(current, Failed):
            raise InputError(f"the model has no geometry: {current.problem}", field="model", fix=current.fix)
        if not isinstance(current, Ready):
            return None
        folder = self._store.data_dir / "tiles" / current.key
        plan = self._plan.live
        planned = None
        if plan is not None and plan.element_ids:
            codes = pa.array(plan.elements.at(at_us // 1_000_000)["planned"], pa.int8()).cast(pa.uint8())
            planned = pa.table({"global_id": pa.array(plan.element_ids, pa.string()), "planned": codes})
        revision = plan.live.revision if plan is not None else None
        frame = self._frame()
        return ScanGround(folder, current.key, revision, planned, None if frame is None else _matrix(frame))

    def _photo_ground(self, at_us: int | None) -> PhotoGround | None:
        """What photos of a moment look at: what stands by scans, else what had begun by the plan, else all."""
        current, plan = self._tiles().current, self._plan.live
        if not isinstance(current, Ready):
            return None
        folder = self._store.data_dir / "tiles" / current.key
        at_us = self._store.clock.wall_us() if at_us is None else at_us
        if plan is None or not plan.element_ids:
            return PhotoGround(folder, None)
        codes = plan.elements.at(at_us // 1_000_000)["planned"]
        verdict, _ = self.book.verdicts(plan.element_ids, at_us, None)
        stands = (verdict == BUILT) | ((verdict != NOT_BUILT) & (codes != _NOT_STARTED))
        return PhotoGround(folder, [plan.element_ids[row] for row in np.flatnonzero(stands).tolist()])

    def _judged(self) -> None:
        """A scan was kept: in the worker's thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._news.set)


def _matrix(frame: SiteFrame) -> list[list[float]] | None:
    """Model metres → map as 4x4, for what knows no frames; the map between them is linear."""
    if frame.crs is None:
        return None
    base = frame.to_projected(np.vstack([np.zeros(3), np.eye(3)]))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = (base[1:] - base[0]).T, base[0]
    rows: list[list[float]] = matrix.tolist()
    return rows
