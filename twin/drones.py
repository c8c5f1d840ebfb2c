"""What drones and scanners bring, joined: uploads and their worker, flights, scans. One desk a twin, no HTTP here."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bim.geo.frame import SiteFrame
from twin.alarms.desk import AlarmDesk
from twin.flights import Flights
from twin.flights_live import LiveFlights
from twin.flights_now import Drones
from twin.flights_place import Places
from twin.model import Model
from twin.plan_book import PlanBook
from twin.scans import Evidence, Scans
from twin.scans_judge import ScanGround, ScanJudge
from twin.store import Store
from twin.tiles import Failed, Ready, Tiles
from twin.uploads_disk import DroneFolders
from twin.uploads_groups import Uploads
from twin.uploads_intake import Intake
from twin.uploads_work import UploadWork
from wire.errors import InputError

__all__ = ["DroneDesk"]


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
    ) -> None:
        self._store, self._model, self._tiles, self._plan, self._frame = store, model, tiles, plan, frame
        self._alarms = alarms
        self._held: tuple[Any, Evidence] | None = None
        self.folders = DroneFolders(store.data_dir)
        self.places = Places(frame)
        self.flights, self.scans, self.uploads = Flights(store), Scans(store), Uploads(store)
        judge = ScanJudge(store, self.uploads, self.scans, self.folders, self._ground, self._judged)
        self.work = UploadWork(store, self.uploads, self.folders, self.flights, judge)
        self.now = Drones(store, self.flights, self.places)
        self.live = LiveFlights(store, self.now)
        self.now.heard = self.live.hear
        self.intake = Intake(store, self.uploads, self.folders, self.flights, self.scans)

    async def run(self) -> None:
        """Work on what was uploaded, and follow the flights of live vehicles, until cancelled."""
        await asyncio.to_thread(self._tidy)
        async with asyncio.TaskGroup() as both:
            both.create_task(self.work.run(), name="drones.uploads")
            both.create_task(self.live.run(), name="drones.flights")

    async def remove(self, upload: str) -> list[str]:
        """Cancel or undo an upload and its group; ids of its files."""
        row = await asyncio.to_thread(self.uploads.row, upload)
        await self.work.cut(row.group)
        removed = await self.intake.remove(row)
        await asyncio.to_thread(self._judged)
        return removed

    def verdicts(
        self, elements: Sequence[str], at_us: int, known_us: int | None
    ) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Of each element at a moment what scans add up to (VERDICT_CODES) and its deviation in mm, NaN for none."""
        codes, deviation = np.zeros(len(elements), np.int8), np.full(len(elements), np.nan)
        stamp = self.scans.stamp(at_us, known_us)
        if not stamp[0]:
            return codes, deviation
        found = self._evidence(stamp, at_us, known_us)
        place = np.array([found.rows.get(element, -1) for element in elements], np.int64)
        known = place >= 0
        codes[known] = found.combined.verdict[place[known]]
        row = np.where(known, found.combined.row[place], -1)
        deviation[row >= 0] = found.deviation_mm[row[row >= 0]]
        return codes, deviation

    def _evidence(self, stamp: tuple[int, int], at_us: int | None, known_us: int | None) -> Evidence:
        """What is known by the same scans is read once."""
        model = self._model()
        held, key = self._held, (stamp, model)
        if held is None or held[0] != key:
            held = self._held = (key, self.scans.evidence(at_us, known_us, model.current))
        return held[1]

    def tile_folder(self, key: str) -> Path | None:
        """The tiles that a scan was judged by, if they are still kept."""
        folder = self._store.data_dir / "tiles" / key
        return folder if (folder / "tileset.json").is_file() else None

    def _tidy(self) -> None:
        self.folders.prepare()
        self.now.load()
        self.folders.remove_strays(self.uploads.files_kept(), self.scans.ids())

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
        planned: dict[str, Any] = {"global_id": pa.array([], pa.string()), "planned": pa.array([], pa.uint8())}
        if plan is not None:
            codes = plan.elements.at(at_us // 1_000_000)["planned"]
            planned = {"global_id": pa.array(plan.element_ids), "planned": pa.array(codes, pa.int8()).cast(pa.uint8())}
        revision = plan.live.revision if plan is not None else None
        return ScanGround(folder, current.key, revision, pa.table(planned), None)

    def _judged(self) -> None:
        """What is known of elements has changed."""
