"""A cloud in memory as far as verdicts need it: coordinates in metres, and what tells which ray a point came by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drone_ingest.door import read
from drone_ingest.found import Cloud
from drone_ingest.limits import DroneLimits
from drone_ingest.scan.elements import Floats
from wire.errors import InputError

__all__ = ["POINTS_MAX", "ScanPoints", "read_points"]

POINTS_MAX = 4_000_000  # of a larger cloud a random part of so many is used: 100 MB, and no verdict needs more
_SEED = 11
_SIMULATED = b"AID4 simulated"  # in the head of a cloud that nobody measured
_HEAD_BYTES = 4_096


@dataclass(slots=True)
class ScanPoints:
    """Points (n, 3) in metres in the cloud's own axes; columns that the file has not are None."""

    file: str
    xyz: Floats
    total: int  # points of the file
    station: NDArray[np.uint16] | None = None
    gps_time_s: Floats | None = None
    scan: NDArray[np.uint32] | None = None
    poses: dict[int, tuple[float, float, float]] = field(default_factory=dict)  # of E57 scans, metres
    crs: str | None = None
    simulated: bool = False
    warnings: list[str] = field(default_factory=list)


def read_points(
    path: Path, *, unit_m: float | None = None, most: int = POINTS_MAX, progress: Callable[[int], None] | None = None
) -> ScanPoints:
    """Read a cloud; raises InputError when it is none or has no point with coordinates."""
    limits = DroneLimits()
    cloud = read(path, limits)
    if not isinstance(cloud, Cloud):
        raise InputError(f"it is a {cloud.kind}, not a cloud", file=str(path), fix="give a .las, .laz, .ply or .e57")
    unit = _unit(cloud, unit_m, path)
    parts: dict[str, list[NDArray[Any]]] = {}
    rng = np.random.default_rng(_SEED)
    share, total, strange = min(1.0, most / max(cloud.points, 1)), 0, 0
    for batch in cloud.chunks():
        total += batch.num_rows
        xyz = np.column_stack([batch[name].to_numpy() for name in "xyz"]) * unit
        keep: NDArray[np.bool_] = np.isfinite(xyz.sum(axis=1))
        strange += int((~keep).sum())
        if share < 1.0:
            keep &= rng.random(batch.num_rows) < share
        parts.setdefault("xyz", []).append(xyz[keep])
        for name in ("point_source_id", "gps_time_s", "scan"):
            if name in batch.schema.names:
                parts.setdefault(name, []).append(batch[name].to_numpy()[keep])
        if progress is not None:
            progress(batch.num_rows)
    found = {name: np.concatenate(part) for name, part in parts.items()}
    if not len(found.get("xyz", ())):
        raise InputError("none of its points has coordinates", file=str(path), fix="export the cloud again")
    return ScanPoints(
        file=str(path), xyz=found["xyz"].astype(np.float64), total=total, station=_as(found, "point_source_id", "u2"),
        gps_time_s=_as(found, "gps_time_s", "f8"), scan=_as(found, "scan", "u4"), crs=cloud.crs,
        poses={one.index: _metres(one.position, unit) for one in cloud.scans if one.position is not None},
        simulated=_is_simulated(path), warnings=[*cloud.warnings, *_told(strange, share, total)],
    )  # fmt: skip


def _unit(cloud: Cloud, unit_m: float | None, path: Path) -> Floats:
    if unit_m is not None:
        return np.full(3, unit_m)
    if cloud.crs is not None and cloud.unit_m is None and cloud.bounds is not None and _like_degrees(cloud.bounds):
        problem = f"its coordinates are degrees ({cloud.crs})"
        raise InputError(problem, file=str(path), fix="export it in a projected system, in metres")
    flat = cloud.unit_m or 1.0
    return np.array([flat, flat, cloud.height_unit_m or flat])


def _like_degrees(bounds: list[float]) -> bool:
    return max(abs(bounds[0]), abs(bounds[3])) <= 180 and max(abs(bounds[1]), abs(bounds[4])) <= 90


def _as(found: dict[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any] | None:
    return found[name].astype(kind) if name in found else None


def _metres(place: tuple[float, float, float], unit: Floats) -> tuple[float, float, float]:
    x, y, z = (np.array(place) * unit).tolist()
    return x, y, z


def _is_simulated(path: Path) -> bool:
    with path.open("rb") as file:
        return _SIMULATED in file.read(_HEAD_BYTES)


def _told(strange: int, share: float, total: int) -> list[str]:
    told = [f"{strange} points without coordinates were left out"] if strange else []
    if share < 1.0:
        told.append(f"a random {share:.0%} of the {total} points was used")
    return told
