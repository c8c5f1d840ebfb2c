"""A cloud as levels that a browser draws: the first shows the whole in a moment, each further one adds points.

`L<k>.bin` holds records of 12 bytes, little-endian: uint16 x, y, z, 0 and uint8 r, g, b, a. A place is
`bounds_m[:3] + (x, y, z) * scale_m` in model axes, relative to the origin of the tile set. Level k has one point in
each cube of its spacing in which no earlier level has one; the last takes what is left.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import drone_ingest
from drone_ingest.found import Cloud
from wire.errors import InputError

__all__ = ["LEVELS_FILE", "RECORD", "CloudLevels", "Level", "build_levels"]

LEVELS_FILE = "levels.json"
RECORD = np.dtype([("xyz", "<u2", 3), ("pad", "<u2"), ("rgba", "u1", 4)])
_VERSION = 1
_POINTS_MAX = 4_000_000  # 48 MB for the page; held in memory while levels are made
_LEVELS_MAX = 8
_CUBES = 128  # along the longest side in the first level: some ten thousand points
_REST = 0.2  # of all points: few enough for the last level
_STEPS = 65_535
_KEEP, _ROOM = 0.0005, 0.1  # outside these quantiles by more than a share of the size lies what was measured nowhere
_GREY = 176


class Level(msgspec.Struct, frozen=True):
    """One file; `spacing_m` is about how far its points and those of earlier levels are apart."""

    file: str
    points: int
    spacing_m: float


class CloudLevels(msgspec.Struct, frozen=True, kw_only=True):
    """levels.json. `points` are in the levels, `of` in the cloud; `left_out` lay far away from all others."""

    version: int = _VERSION
    points: int
    of: int
    left_out: int
    bounds_m: tuple[float, ...]
    scale_m: tuple[float, ...]
    levels: list[Level]


def build_levels(
    cloud: Cloud | Path,
    transform: NDArray[np.float64],
    origin_m: NDArray[np.float64],
    out_dir: Path,
    *,
    points_max: int = _POINTS_MAX,
    progress: Callable[[int], None] | None = None,
) -> CloudLevels:
    """Write the levels of a cloud into `out_dir`, levels.json last; a larger cloud is thinned evenly to `points_max`.

    `transform` (4x4) leads from the cloud to model metres. Reads the cloud once, in chunks: memory is that of
    `points_max` points (about 120 bytes each) and one chunk. Raises InputError when it has no point.
    """
    given = drone_ingest.read(cloud) if isinstance(cloud, Path) else cloud
    if not isinstance(given, Cloud):
        raise InputError("it is no cloud", file=str(cloud), fix="give a .las, .laz, .ply, .pcd or .e57 file")
    places, colors, count = _collected(given, np.asarray(transform, np.float64), origin_m, points_max, progress)
    near = _near(places)
    places, colors = places[near], colors[near]
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    scale = np.maximum(high - low, 1e-6) / _STEPS
    records = np.zeros(len(places), RECORD)
    records["xyz"] = np.round((places - low) / scale).clip(0, _STEPS)
    records["rgba"][:, :3], records["rgba"][:, 3] = colors, 255
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / LEVELS_FILE).unlink(missing_ok=True)
    levels = []
    for number, (rows, spacing_m) in enumerate(_levels(places - low, float((high - low).max()))):
        levels.append(Level(f"L{number}.bin", len(rows), spacing_m))
        (out_dir / levels[-1].file).write_bytes(records[rows].tobytes())
    known = CloudLevels(
        points=len(places), of=count, left_out=int((~near).sum()), bounds_m=(*low.tolist(), *high.tolist()),
        scale_m=tuple(scale.tolist()), levels=levels,
    )  # fmt: skip
    (out_dir / LEVELS_FILE).write_bytes(msgspec.json.encode(known))
    return known


def _collected(
    cloud: Cloud,
    transform: NDArray[np.float64],
    origin_m: NDArray[np.float64],
    points_max: int,
    progress: Callable[[int], None] | None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], int]:
    """Up to `points_max` places relative to the origin, their colours, and how many points the cloud has."""
    share = min(points_max / max(cloud.points, 1), 1.0)
    rng = np.random.default_rng(0)  # the same cloud gives the same levels
    places: list[NDArray[np.float32]] = []
    colors: list[NDArray[np.uint8]] = []
    count = kept = 0
    for batch in cloud.chunks():
        xyz = np.stack([batch[name].to_numpy() for name in "xyz"], axis=1)
        chosen = np.isfinite(xyz).all(axis=1)
        if share < 1:
            chosen &= rng.random(len(xyz)) < share
        rows = np.flatnonzero(chosen)[: points_max - kept]
        moved = xyz[rows] @ transform[:3, :3].T + transform[:3, 3] - origin_m
        places.append(moved.astype(np.float32))
        colors.append(_colors(batch, rows))
        count, kept = count + batch.num_rows, kept + len(rows)
        if progress is not None:
            progress(batch.num_rows)
    if not kept:
        raise InputError("it has no point", file=cloud.file, fix="export the cloud again")
    return np.concatenate(places), np.concatenate(colors), count


def _colors(batch: pa.RecordBatch, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """r, g, b of points: their own, else their intensity as grey, else one grey."""
    names = set(batch.schema.names)
    if {"red", "green", "blue"} <= names:
        wide = np.stack([batch[name].to_numpy()[rows] for name in ("red", "green", "blue")], axis=1)
        return (wide >> 8).astype(np.uint8)
    if "intensity" in names and len(rows):
        strong = batch["intensity"].to_numpy()[rows].astype(np.float64)
        grey = 40 + 200 * np.sqrt(np.clip(strong / max(float(np.quantile(strong, 0.98)), 1.0), 0, 1))
        return np.repeat(grey.astype(np.uint8)[:, None], 3, axis=1)
    return np.full((len(rows), 3), _GREY, np.uint8)


def _near(places: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which points are not far outside of all others: one stray point shall not cost the rest its resolution."""
    low, high = np.quantile(places, [_KEEP, 1 - _KEEP], axis=0)
    room = _ROOM * float((high - low).max()) + 1.0
    near: NDArray[np.bool_] = ((places >= low - room) & (places <= high + room)).all(axis=1)
    return near


def _levels(places: NDArray[np.floating], size_m: float) -> list[tuple[NDArray[np.int64], float]]:
    """Rows and spacing of each level; every row is in one."""
    spacing_m = max(size_m / _CUBES, 1e-3)
    left = np.arange(len(places))
    found: list[tuple[NDArray[np.int64], float]] = []
    taken = np.empty(0, np.int64)
    while len(found) < _LEVELS_MAX - 1 and len(left) > _REST * len(places):
        known = np.unique(_cubes(places[taken], spacing_m))
        cubes, first = np.unique(_cubes(places[left], spacing_m), return_index=True)
        new = np.sort(first[~np.isin(cubes, known, assume_unique=True)])
        found.append((left[new], spacing_m))
        taken = np.concatenate([taken, left[new]])
        left = np.delete(left, new)
        spacing_m /= 2
    if len(left):
        found.append((left, spacing_m))
    return found


def _cubes(places: NDArray[np.floating], spacing_m: float) -> NDArray[np.int64]:
    cells = (places / spacing_m).astype(np.int64)
    packed: NDArray[np.int64] = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    return packed
