"""What drones and scanners bring, joined: uploads and their worker, flights, scans. One desk a twin, no HTTP here."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from bim.geo.frame import SiteFrame
from twin.flights import Flights
from twin.flights_place import Places
from twin.plan_book import PlanBook
from twin.scans import Scans
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
        self, store: Store, *, tiles: Callable[[], Tiles], plan: PlanBook, frame: Callable[[], SiteFrame | None]
    ) -> None:
        self._store, self._tiles, self._plan, self._frame = store, tiles, plan, frame
        self.folders = DroneFolders(store.data_dir)
        self.places = Places(frame)
        self.flights, self.scans, self.uploads = Flights(store), Scans(store), Uploads(store)
        judge = ScanJudge(store, self.uploads, self.scans, self.folders, self._ground, self._judged)
        self.work = UploadWork(store, self.uploads, self.folders, self.flights, judge)
        self.intake = Intake(store, self.uploads, self.folders, self.flights, self.scans)

    async def run(self) -> None:
        """Work on what was uploaded until cancelled."""
        await asyncio.to_thread(self._tidy)
        await self.work.run()

    async def remove(self, upload: str) -> list[str]:
        """Cancel or undo an upload and its group; ids of its files."""
        row = await asyncio.to_thread(self.uploads.row, upload)
        await self.work.cut(row.group)
        removed = await self.intake.remove(row)
        await asyncio.to_thread(self._judged)
        return removed

    def tile_folder(self, key: str) -> Path | None:
        """The tiles that a scan was judged by, if they are still kept."""
        folder = self._store.data_dir / "tiles" / key
        return folder if (folder / "tileset.json").is_file() else None

    def _tidy(self) -> None:
        self.folders.prepare()
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
