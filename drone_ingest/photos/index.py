"""Photos of a folder on the model: a row each with its pose, what each shows, and those that could not be placed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import drone_ingest
from bim.geo.frame import SiteFrame
from drone_ingest.found import Photo
from drone_ingest.photos.given_poses import GivenPose, given_for
from drone_ingest.photos.pose import CameraPose, pose_of
from drone_ingest.photos.seen import PHOTO_ELEMENTS, PhotoScene
from wire.errors import InputError

__all__ = ["PHOTOS", "Index", "Placed", "index_photos", "photo_files", "place", "write_index"]

_SUFFIXES = frozenset({".jpg", ".jpeg", ".dng", ".tif", ".tiff", ".png"})
_FILES_MAX = 20_000
_NEAR_M = 5_000.0  # a photo from further away shows nothing of it
_TS = pa.timestamp("us", tz="UTC")

PHOTOS = pa.schema(
    [
        pa.field("photo", pa.string(), nullable=False),
        pa.field("ts", _TS),
        pa.field("x_m", pa.float64(), nullable=False), pa.field("y_m", pa.float64(), nullable=False),
        pa.field("z_m", pa.float64(), nullable=False),
        pa.field("yaw_deg", pa.float64(), nullable=False), pa.field("pitch_deg", pa.float64(), nullable=False),
        pa.field("sigma_m", pa.float64(), nullable=False),
        pa.field("how", pa.string(), nullable=False),
        pa.field("pose", pa.string(), nullable=False),  # JSON of a CameraPose
        pa.field("footprint_m", pa.list_(pa.list_(pa.float64()))),  # four corners
        pa.field("elements", pa.int32(), nullable=False),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Placed:
    """A photo with its pose, and when it was taken."""

    photo: Photo
    pose: CameraPose
    ts: Any  # datetime, None when the photo does not know


@dataclass(frozen=True, slots=True)
class Index:
    """Tables PHOTOS and PHOTO_ELEMENTS, the poses, and why others are missing (InputError.as_problem)."""

    photos: pa.Table
    elements: pa.Table
    placed: list[Placed]
    without: list[dict[str, str]]


def photo_files(places: Sequence[Path]) -> list[Path]:
    """Pictures in folders, and files as they are named; raises InputError when there are none or far too many."""
    found: list[Path] = []
    for one in places:
        inside = sorted(path for path in one.rglob("*") if path.suffix.lower() in _SUFFIXES) if one.is_dir() else [one]
        found += inside
        if len(found) > _FILES_MAX:
            raise InputError(f"more than {_FILES_MAX} pictures", file=str(one), fix="give one flight at a time")
    if not found:
        raise InputError("there is no picture", file=str(places[0]) if places else "", fix="give .jpg, .dng or .tif")
    return found


def place(
    file: Path, frame: SiteFrame | None, takeoff_m: float | None = None, given: dict[str, GivenPose] | None = None
) -> Placed:
    """One photo in the model: by a given pose, else by its own EXIF and XMP. Raises InputError."""
    photo = drone_ingest.read(file)
    if not isinstance(photo, Photo):
        raise InputError("it is no photo", file=str(file), fix="give .jpg, .dng or .tif")
    ts = photo.position["ts"][0].as_py()
    known = given_for(given, photo.file) if given is not None else None
    if known is not None:
        return Placed(photo, known(photo), ts)
    if frame is None:
        fix = "give --site or --place for the model's place on Earth, or a row of --poses"
        raise InputError("the model's place on Earth is not known", file=str(file), fix=fix)
    return Placed(photo, pose_of(photo, frame, takeoff_m), ts)


def index_photos(
    files: Sequence[Path],
    scene: PhotoScene,
    frame: SiteFrame | None,
    *,
    takeoff_m: float | None = None,
    given: dict[str, GivenPose] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Index:
    """Every file placed and looked at; those that cannot be are listed with the reason."""
    placed, without, rows, tables = [], [], [], [PHOTO_ELEMENTS.empty_table()]
    for file in files:
        try:
            one = place(file, frame, takeoff_m, given)
            _check_near(one.pose, scene)
        except InputError as error:
            without.append({**error.as_problem(), "file": file.name})
        else:
            seen = scene.look(one.pose)
            placed.append(one)
            tables.append(seen.elements)
            rows.append(_row(one, seen.footprint_m, len(seen.elements)))
        if progress is not None:
            progress(1)
    return Index(pa.Table.from_pylist(rows, schema=PHOTOS), pa.concat_tables(tables), placed, without)


def _check_near(pose: CameraPose, scene: PhotoScene) -> None:
    away = scene.scene.distance_m(np.array([pose.eye_m]))[0]
    if away > _NEAR_M:
        fix = "give the photos of this site; or --site, --place or --poses that say where the model lies"
        raise InputError(f"it was taken {away / 1000:.0f} km from the model", file=pose.photo, field="GPS", fix=fix)


def write_index(index: Index, folder: Path) -> list[str]:
    """photos.parquet and photo_elements.parquet in a folder; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(index.photos, folder / "photos.parquet")
    pq.write_table(index.elements, folder / "photo_elements.parquet")
    return ["photos.parquet", "photo_elements.parquet"]


def _row(one: Placed, footprint: list[list[float]] | None, elements: int) -> dict[str, Any]:
    pose = one.pose
    x, y, z = pose.eye_m
    return {
        "photo": pose.photo, "ts": one.ts, "x_m": x, "y_m": y, "z_m": z, "yaw_deg": pose.yaw_deg,
        "pitch_deg": pose.pitch_deg, "sigma_m": pose.sigma_m, "how": pose.how,
        "pose": msgspec.json.encode(pose).decode(), "footprint_m": footprint, "elements": elements,
    }  # fmt: skip
