"""What a photo shows: its pixels cast against what stands, so that what is hidden does not count."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bim.tiles.meshes import ElementMesh
from drone_ingest.photos.pose import CameraPose
from drone_ingest.ray_scene import Floats, RayScene

__all__ = ["PHOTO_ELEMENTS", "PhotoScene", "Seen", "ranked"]

PHOTO_ELEMENTS = pa.schema(
    [
        pa.field("photo", pa.string(), nullable=False),
        pa.field("element", pa.string(), nullable=False),  # GlobalId
        pa.field("share", pa.float64(), nullable=False),  # of the picture
        pa.field("distance_m", pa.float64(), nullable=False),  # of its visible parts, middle one
        pa.field("facing", pa.float64(), nullable=False),  # cosine between view and surface: 1 is head-on
        pa.field("centered", pa.float64(), nullable=False),  # 1 in the middle of the picture, 0 at its corners
        pa.field("pixel_mm", pa.float64(), nullable=False),  # surface that one pixel covers there
    ]
)
_COLUMNS = 160  # rays along the longer side: an element of one part in ten thousand is still met
_LEAST_RAYS = 2
_FAR_M = 500.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One photo: rows of PHOTO_ELEMENTS, largest share first; the four corners of its footprint on what stands or on
    the ground, None where a corner looks past both."""

    elements: pa.Table
    footprint_m: list[list[float]] | None


class PhotoScene:
    """What stands, ready to be looked at; make it once for many photos."""

    def __init__(self, meshes: Sequence[ElementMesh], ground_m: float | None = None) -> None:
        self.global_ids = [one.global_id for one in meshes]
        self.scene = RayScene.of(meshes)
        self.ground_m = float(self.scene.low_m[2]) if ground_m is None else ground_m

    def look(self, pose: CameraPose) -> Seen:
        """Which elements a photo shows."""
        wide, high = pose.lens.width_px, pose.lens.height_px
        step = max(wide, high) / _COLUMNS
        u, v = np.meshgrid(np.arange(step / 2, wide, step), np.arange(step / 2, high, step))
        pixels = np.column_stack([u.ravel(), v.ravel()])
        origins, directions = pose.rays(pixels)
        hits = self.scene.cast(origins, directions)
        kept = np.flatnonzero(hits.hit & (hits.t_m <= _FAR_M))
        rows = []
        owners, counts = np.unique(hits.owner[kept], return_counts=True)
        middle, reach = np.array([wide, high]) / 2, np.hypot(wide, high) / 2
        for owner, count in zip(owners.tolist(), counts.tolist(), strict=True):
            if count < _LEAST_RAYS:
                continue
            mine = kept[hits.owner[kept] == owner]
            distance = float(np.median(hits.t_m[mine]))
            off = np.hypot(*(pixels[mine] - middle).T).mean() / reach
            rows.append(
                {
                    "photo": pose.photo, "element": self.global_ids[owner], "share": count / len(pixels),
                    "distance_m": distance, "facing": float(hits.cosine[mine].mean()), "centered": float(1 - off),
                    "pixel_mm": 1_000 * distance / pose.lens.focal_px,
                }
            )  # fmt: skip
        rows.sort(key=lambda row: (-float(row["share"]), str(row["element"])))
        return Seen(pa.Table.from_pylist(rows, schema=PHOTO_ELEMENTS), self._footprint(pose))

    def _footprint(self, pose: CameraPose) -> list[list[float]] | None:
        wide, high = pose.lens.width_px, pose.lens.height_px
        origins, directions = pose.rays(np.array([[0.0, 0], [wide, 0], [wide, high], [0, high]]))
        t_m = self.scene.cast(origins, directions).t_m
        with np.errstate(divide="ignore", invalid="ignore"):
            ground = (self.ground_m - origins[:, 2]) / directions[:, 2]
        t_m = np.minimum(t_m, np.where((ground > 0) & np.isfinite(ground), ground, np.inf))
        if not (t_m <= _FAR_M).all():
            return None
        corners: Floats = origins + directions * t_m[:, None]
        return [[round(one, 3) for one in corner] for corner in corners.tolist()]


def ranked(tables: Iterable[pa.Table], element: str) -> list[dict[str, Any]]:
    """The photos of an element, the best first: much of it, sharp, head-on, in the middle."""
    rows = [row for table in tables for row in table.filter(pc.field("element") == element).to_pylist()]

    def worth(row: dict[str, Any]) -> float:
        share, pixel_mm = float(row["share"]), float(row["pixel_mm"])
        return math.sqrt(share) * (0.3 + float(row["facing"])) * (0.5 + float(row["centered"])) / (1 + pixel_mm)

    return sorted(rows, key=lambda row: (-worth(row), row["photo"]))
