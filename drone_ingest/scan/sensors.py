"""Where the sensor was for each point: a table of stations, a trajectory, the poses of an E57, or cameras.

All in the cloud's own coordinates, for cloud and stations move together. A point whose place of measurement is not
known gets NaN; it may support an element, and never speaks against one.
"""

import csv
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from drone_ingest.scan.elements import Floats
from drone_ingest.scan.points import ScanPoints
from wire.errors import InputError

__all__ = ["origins_of", "read_station_table", "read_trajectory"]

_BYTES_MAX = 256 << 20
_ROWS_MAX = 5_000_000
_GAP_S = 5.0  # a trajectory with a longer hole says nothing about it
_AWAY_M = 20_000.0  # nothing is measured from farther
_STATION_FIX = "give a CSV with id,x,y,z, the id being the cloud's point_source_id, in the cloud's coordinates"
_TIME_FIX = "give a CSV with time,x,y,z, the time being the cloud's gps_time, in the cloud's coordinates"
_IDS = ("id", "station", "station_id", "point_source_id", "pointsourceid", "source", "scan")
_TIMES = ("time", "gps_time", "gpstime", "gps_time_s", "t", "time_s")


def origins_of(
    points: ScanPoints, stations: Path | None = None, trajectory: Path | None = None, cameras: Path | None = None
) -> tuple[Floats | None, list[str]]:
    """Place of the sensor for each point (n, 3), NaN where unknown, None when nothing is known at all; and warnings.

    Raises InputError for a table that cannot be that of this cloud.
    """
    if stations is not None:
        found, told = _by_station(points, stations)
    elif trajectory is not None:
        found, told = _by_time(points, trajectory)
    elif cameras is not None:
        from drone_ingest.scan.cameras import origins_by_cameras

        found, told = origins_by_cameras(points.xyz, cameras)
    elif points.poses and points.scan is not None:
        found, told = _lookup(points.scan.astype(np.int64), points.poses), []
    else:
        return None, ["nothing says where the sensor stood, so nothing can be called not built"]
    known = np.isfinite(found[:, 0])
    if not known.any():
        return None, [*told, "nothing says where the sensor stood, so nothing can be called not built"]
    away = float(np.median(np.linalg.norm(found[known] - points.xyz[known], axis=1)))
    if away > _AWAY_M:
        file = str(stations or trajectory or cameras or points.file)
        problem = (
            f"the sensor would have stood {away / 1000:,.0f} km from its points: other coordinates, or another unit"
        )
        raise InputError(problem, file=file, fix="give it in the coordinates of the cloud, in metres")
    if not known.all():
        told = [*told, f"of {int((~known).sum())} points nothing says where the sensor stood"]
    return found, told


def read_station_table(path: Path) -> dict[int, tuple[float, float, float]]:
    """`id,x,y,z` → places by id; raises InputError with line and column."""
    rows = _table(path, (_IDS, ("x",), ("y",), ("z",)), _STATION_FIX)
    found: dict[int, tuple[float, float, float]] = {}
    for line, (name, x, y, z) in rows:
        if not math.isfinite(name) or name != int(name):
            raise InputError(f"line {line}: {name} is no station", file=str(path), field="id", fix=_STATION_FIX)
        if int(name) in found:
            raise InputError(
                f"line {line}: station {int(name)} comes twice", file=str(path), field="id", fix=_STATION_FIX
            )
        found[int(name)] = (x, y, z)
    return found


def read_trajectory(path: Path) -> tuple[Floats, Floats]:
    """`time,x,y,z` → times (n,) ascending and places (n, 3); raises InputError."""
    rows = np.array([values for _, values in _table(path, (_TIMES, ("x",), ("y",), ("z",)), _TIME_FIX)], np.float64)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return rows[:, 0], rows[:, 1:]


def _by_station(points: ScanPoints, path: Path) -> tuple[Floats, list[str]]:
    table = read_station_table(path)
    ids = points.station
    if len(table) == 1 and (ids is None or not ids.any()):
        return np.broadcast_to(np.array(next(iter(table.values()))), points.xyz.shape).copy(), []
    if ids is None or not ids.any():
        problem = "its points do not say which station they came from (point_source_id)"
        raise InputError(problem, file=points.file, field="point_source_id", fix="give --trajectory, or export the ids")
    found = _lookup(ids.astype(np.int64), table)
    named, known = set(np.unique(ids).tolist()), set(table)
    if not named & known:
        problem = f"none of the cloud's stations ({_some(named)}) is in it; it has {_some(known)}"
        raise InputError(problem, file=str(path), field="id", fix=_STATION_FIX)
    missing = named - known
    return found, [f"stations {_some(missing)} of the cloud are not in {path.name}"] if missing else []


def _by_time(points: ScanPoints, path: Path) -> tuple[Floats, list[str]]:
    if points.gps_time_s is None:
        problem = "its points have no time, so no trajectory can place the sensor"
        raise InputError(problem, file=points.file, field="gps_time", fix="give --stations, or export the times")
    times, places = read_trajectory(path)
    when = points.gps_time_s
    after = np.clip(np.searchsorted(times, when), 1, max(len(times) - 1, 1))
    inside = (when >= times[0] - _GAP_S) & (when <= times[-1] + _GAP_S)
    if len(times) > 1:
        # within a hole only what is near one of its ends is known
        first, last = times[after - 1], times[after]
        inside &= (last - first <= _GAP_S) | (np.minimum(np.abs(when - first), np.abs(last - when)) <= _GAP_S / 10)
    found = np.column_stack([np.interp(when, times, places[:, axis]) for axis in range(3)])
    found[~inside] = np.nan
    if not inside.any():
        problem = f"it covers {times[0]:.0f} to {times[-1]:.0f} s; the cloud {when.min():.0f} to {when.max():.0f} s"
        raise InputError(problem, file=str(path), field="time", fix=_TIME_FIX)
    return found, []


def _lookup(ids: np.ndarray[tuple[int], np.dtype[np.int64]], table: dict[int, tuple[float, float, float]]) -> Floats:
    keys = np.array(sorted(table), np.int64)
    places = np.array([table[key] for key in keys.tolist()], np.float64)
    at = np.clip(np.searchsorted(keys, ids), 0, len(keys) - 1)
    found = places[at]
    found[keys[at] != ids] = np.nan
    return found


def _table(
    path: Path, columns: tuple[tuple[str, ...], ...], fix: str
) -> list[tuple[int, tuple[float, float, float, float]]]:
    """Line number and four numbers of each row; the first line may name the columns, else they are the first four."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError(f"more than {_BYTES_MAX >> 20} MiB", file=str(path), fix=fix)
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix=fix) from error
    lines = text.splitlines()
    head = lines[0] if lines else ""
    try:
        rows = [
            (line, row)
            for line, row in enumerate(csv.reader(lines, delimiter=max(",;\t ", key=head.count)), 1)
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise InputError(str(error), file=str(path), fix=fix) from error
    if not rows or len(rows) > _ROWS_MAX:
        raise InputError("it is empty" if not rows else f"more than {_ROWS_MAX} rows", file=str(path), fix=fix)
    places = _columns(rows[0][1], columns, path, fix)
    if places is None:
        places = [0, 1, 2, 3]
    else:
        rows = rows[1:]
    if not rows:
        raise InputError("it has no row", file=str(path), fix=fix)
    found = []
    for line, row in rows:
        a, b, c, d = (
            _number(row, place, names[0], line, path, fix) for place, names in zip(places, columns, strict=True)
        )
        found.append((line, (a, b, c, d)))
    return found


def _columns(row: list[str], columns: tuple[tuple[str, ...], ...], path: Path, fix: str) -> list[int] | None:
    names = [cell.strip().lower().replace(" ", "_").removesuffix("_m") for cell in row]
    if len(row) >= 4 and all(_is_number(cell) for cell in row[:4]):
        return None
    places = []
    for aliases in columns:
        place = next((names.index(one) for one in aliases if one in names), None)
        if place is None:
            raise InputError(f"no column {aliases[0]}", file=str(path), field=aliases[0], fix=fix)
        places.append(place)
    return places


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(row: list[str], place: int, name: str, line: int, path: Path, fix: str) -> float:
    text = row[place].strip() if place < len(row) else ""
    if not _is_number(text) or not math.isfinite(float(text)):
        raise InputError(f"line {line}: {text[:40]!r} is no number", file=str(path), field=name, fix=fix)
    return float(text)


def _some(ids: Iterable[int]) -> str:
    listed = sorted(ids)
    return ", ".join(map(str, listed[:5])) + (f" … {listed[-1]}" if len(listed) > 5 else "")
