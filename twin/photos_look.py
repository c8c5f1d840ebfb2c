"""Photos on the live model: where each camera stood, what it saw, and where a click on one lies.

Poses follow from what a photo says of itself and the frame of the site; what it saw is found by casting its pixels
against what stands, in a bounded child. A photo without a pose stays a picture of its flight.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from bim.child_process import run_child
from bim.geo.frame import SiteFrame
from bim.tiles.meshes import load_meshes
from drone_ingest.damage import Notes
from drone_ingest.found import POSITIONS, Photo
from drone_ingest.photos.defects import Anchor, anchor
from drone_ingest.photos.pick import Picker
from drone_ingest.photos.pose import CameraPose, pose_of
from drone_ingest.simulate.site import is_body
from twin.store import Store
from twin.uploads_jobs import PhotoFound
from twin.uploads_work import why
from wire.errors import InputError, UserError

__all__ = ["PhotoGround", "PhotoLook", "anchored", "photo_from"]

_log = structlog.get_logger("twin.photos")
_LOOK_S_MAX = 1_800.0


class PhotoGround(msgspec.Struct, frozen=True):
    """What photos of one moment look at: a tile set's folder, and the elements that stand (None: all)."""

    meshes: Path
    standing: list[str] | None


class _Seen(msgspec.Struct, frozen=True):
    photo: str
    footprint_m: list[list[float]] | None


class _Result(msgspec.Struct, frozen=True):
    photos: list[_Seen]


class PhotoLook:
    """Called by the worker after a group's photos were kept. `ground` gives what they look at, None without a model."""

    def __init__(
        self,
        store: Store,
        *,
        frame: Callable[[], SiteFrame | None],
        ground: Callable[[int | None], PhotoGround | None],
    ) -> None:
        self._store, self._frame, self._ground = store, frame, ground

    def __call__(self, photos: list[PhotoFound], work: Path, check: Callable[[], None]) -> None:
        """Find and keep poses, footprints and elements of photos; what cannot be found is left out."""
        frame = self._frame()
        poses = [] if frame is None or frame.crs is None else _poses(photos, frame)
        if not poses:
            return
        ground = self._ground(next((one.ts_us for one in photos if one.ts_us is not None), None))
        result, elements = _Result([]), None
        if ground is not None:
            result, elements = self._seen(poses, ground, work, check)
        footprints = {one.photo: one.footprint_m for one in result.photos}

        def transact(connection: duckdb.DuckDBPyConnection) -> None:
            for pose in poses:
                corners = footprints.get(pose.photo)
                text = "" if corners is None else msgspec.json.encode(corners).decode()
                connection.execute(
                    "UPDATE photos SET pose = ?, footprint = ? WHERE id = ? AND known_to IS NULL",
                    [msgspec.json.encode(pose).decode(), text, pose.photo],
                ).fetchall()
                connection.execute("DELETE FROM photo_elements WHERE photo = ?", [pose.photo]).fetchall()
            if elements is not None and elements.num_rows:
                connection.register("seen", elements)
                connection.execute("INSERT INTO photo_elements BY NAME SELECT * FROM seen").fetchall()
                connection.unregister("seen")

        self._store.writer.run(transact)

    def _seen(
        self, poses: list[CameraPose], ground: PhotoGround, work: Path, check: Callable[[], None]
    ) -> tuple[_Result, pa.Table | None]:
        folder = work / "photos"
        folder.mkdir()
        job = {"poses": poses, "meshes": str(ground.meshes), "standing": ground.standing, "out_dir": str(folder)}
        (folder / "job.json").write_bytes(msgspec.json.encode(job))
        code = run_child("twin.uploads_child", ["photos", str(folder / "job.json")], folder, _LOOK_S_MAX, check)
        if code != 0:
            _log.warning("what photos saw is not known", problem=why(code, folder))
            return _Result([]), None
        result = msgspec.json.decode((folder / "result.json").read_bytes(), type=_Result)
        return result, pq.read_table(folder / "photo_elements.parquet").select(
            ["photo", "element", "share", "distance_m"]
        )


def photo_from(found: PhotoFound) -> Photo:
    """A photo again, as far as its pose needs it; its upload's id stands for its name."""
    facts = found.facts
    return Photo(
        kind="photo", file=found.id, notes=Notes(), position=pa.Table.from_pylist([facts.row], schema=POSITIONS),
        width_px=found.width_px, height_px=found.height_px, focal_mm=found.focal_mm, focal_35mm=found.focal_35mm,
        make=facts.make, model=facts.model, rtk=facts.rtk, tags=facts.tags,
    )  # fmt: skip


def anchored(pose: str, tiles: Path, box_px: tuple[float, float, float, float]) -> Anchor:
    """Where a box on a photo lies, by the pose that is kept of it; InputError when it meets nothing."""
    return anchor(msgspec.json.decode(pose, type=CameraPose), box_px, _picker(tiles))


@functools.lru_cache(maxsize=1)
def _picker(tiles: Path) -> Picker:
    """Of the model that was asked last."""
    try:
        return Picker([one for one in load_meshes(tiles) if is_body(one)])
    except InputError as refusal:
        raise InputError("the model has no geometry", field="model", fix=refusal.fix) from refusal


def _poses(photos: list[PhotoFound], frame: SiteFrame) -> list[CameraPose]:
    poses = []
    for photo in photos:
        if not photo.facts.row:
            continue
        try:
            poses.append(pose_of(photo_from(photo), frame))
        except UserError as refusal:
            _log.info("a photo has no pose", photo=photo.id, problem=refusal.problem)
    return poses
