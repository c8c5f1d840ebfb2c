"""Positions of any source into the one POSITIONS table, with what is impossible left out or flagged."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.arrow_columns import nulled
from drone_ingest.damage import Notes
from drone_ingest.found import HEIGHTS, POSITIONS
from wire.quality import BAD, TIME_SUSPECT

__all__ = ["NO_TIME", "bounds", "height_datum", "positions_table", "unknown"]

NO_TIME = np.iinfo(np.int64).min  # in `ts`: not known
_SPEED_M_S_MAX = 300.0  # what jumps faster and further than _JUMP_M was not flown
_JUMP_M = 500.0
_HEIGHT_M = (-1_500.0, 60_000.0)  # from the Dead Sea's mines to balloons
_M_PER_DEG = 111_320.0


def unknown(rows: int) -> NDArray[np.float64]:
    """A column of which nothing is known."""
    return np.full(rows, np.nan)


def positions_table(rows: int, columns: Mapping[str, Any], notes: Notes) -> pa.Table:
    """`rows` positions from numpy columns by name of POSITIONS: NaN, NO_TIME and "" are null, absent columns too.

    Places outside the Earth and the place 0, 0 become null; heights that cannot be and rows that no aircraft could
    have reached in time are flagged BAD. Notes say how many.
    """
    given = {name: np.asarray(values) for name, values in columns.items()}
    quality = np.asarray(given.pop("quality", np.zeros(rows)), np.uint8).copy()
    lat, lon = (np.array(given.get(name, unknown(rows)), np.float64) for name in ("lat_deg", "lon_deg"))
    wrong = _impossible(lat, lon, notes)
    lat[wrong], lon[wrong] = np.nan, np.nan
    given["lat_deg"], given["lon_deg"] = lat, lon
    for name in HEIGHTS.values():
        if name in given:
            quality |= _bad_heights(given[name], notes)
    given["quality"] = quality | _jumps(lat, lon, given, notes)
    return pa.table([_column(given.get(one.name), one, rows) for one in POSITIONS], schema=POSITIONS)


def height_datum(positions: pa.Table) -> str | None:
    """The best datum that a table's heights have, None without heights."""
    known = {datum: len(positions) - positions[name].null_count for datum, name in HEIGHTS.items()}
    most = max(known.values(), default=0)
    return next((datum for datum, count in known.items() if count and count * 2 >= most), None)


def bounds(positions: pa.Table) -> list[float | None] | None:
    """[west, south, low, east, north, high] in degrees and metres of `height_datum`; None without a place."""
    good = positions.filter(pa.array(~_flagged(positions)))
    lon, lat = (_known(good, name) for name in ("lon_deg", "lat_deg"))
    if not len(lon):
        return None
    datum = height_datum(positions)
    height = _known(good, HEIGHTS[datum]) if datum else np.empty(0)
    low, high = (float(height.min()), float(height.max())) if len(height) else (None, None)
    return [float(lon.min()), float(lat.min()), low, float(lon.max()), float(lat.max()), high]


def _flagged(positions: pa.Table) -> NDArray[np.bool_]:
    flagged: NDArray[np.bool_] = (positions["quality"].to_numpy() & BAD) > 0
    return flagged


def _known(positions: pa.Table, name: str) -> NDArray[np.float64]:
    return positions[name].drop_null().to_numpy()  # type: ignore[no-any-return]


def _impossible(lat: NDArray[np.float64], lon: NDArray[np.float64], notes: Notes) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        outside = (np.abs(lat) > 90) | (np.abs(lon) > 180)
        null = (lat == 0) & (lon == 0)
    if outside.any():
        notes.warn(f"{int(outside.sum())} positions lie outside the Earth and were left out")
    if null.any():
        notes.warn(f"{int(null.sum())} positions are 0, 0: the receiver had no fix; left out")
    broken: NDArray[np.bool_] = outside | null | np.isnan(lat) | np.isnan(lon)
    return broken


def _bad_heights(height: NDArray[np.float64], notes: Notes) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore"):
        bad = (height < _HEIGHT_M[0]) | (height > _HEIGHT_M[1])
    if bad.any():
        notes.warn(f"{int(bad.sum())} heights are impossible")
    return np.where(bad, BAD, 0).astype(np.uint8)


def _jumps(
    lat: NDArray[np.float64], lon: NDArray[np.float64], given: Mapping[str, NDArray[Any]], notes: Notes
) -> NDArray[np.uint8]:
    """BAD for rows too far from the ones before, judged for each vehicle by the file's own clock."""
    flags = np.zeros(len(lat), np.uint8)
    t = given.get("t_s")
    if t is None:
        return flags
    vehicle = np.asarray(given.get("vehicle", np.zeros(len(lat))))
    for one in np.unique(vehicle):
        rows = np.flatnonzero((vehicle == one) & np.isfinite(lat) & np.isfinite(t.astype(np.float64)))
        bad = rows[_unreachable(lat[rows], lon[rows], t[rows].astype(np.float64))]
        flags[bad] = BAD
        back = rows[1:][np.diff(t[rows]) < -1.0]
        flags[back] |= TIME_SUSPECT
        if len(bad):
            notes.warn(f"{len(bad)} positions are impossible: further from the last than anything flies")
    return flags


def _unreachable(lat: NDArray[np.float64], lon: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.int64]:
    if len(lat) < 2:
        return np.empty(0, np.int64)
    jump = _too_fast(lat, lon, t, 1)
    late = np.flatnonzero(jump[1:] & jump[:-1]) + 1  # out and back again: only the row between is wrong
    fine = late[~_too_fast(lat, lon, t, 2)[late - 1]] if len(lat) > 2 else late[:0]
    jump[fine] = False
    return np.flatnonzero(jump) + 1


def _too_fast(
    lat: NDArray[np.float64], lon: NDArray[np.float64], t: NDArray[np.float64], step: int
) -> NDArray[np.bool_]:
    east = (lon[step:] - lon[:-step] + 180) % 360 - 180
    east *= np.cos(np.radians((lat[step:] + lat[:-step]) / 2))
    far_m = _M_PER_DEG * np.hypot(lat[step:] - lat[:-step], east)
    fast: NDArray[np.bool_] = (far_m > _JUMP_M) & (far_m > _SPEED_M_S_MAX * np.maximum(np.abs(t[step:] - t[:-step]), 1))
    return fast


def _column(values: NDArray[Any] | None, one: pa.Field, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, one.type)
    if pa.types.is_timestamp(one.type):
        known = values != NO_TIME
        return pa.array(np.where(known, values, 0).astype(np.int64), mask=~known).cast(one.type)
    if pa.types.is_string(one.type):
        return pa.array([str(value) or None for value in values.tolist()], one.type)
    if one.name == "quality":
        return pa.array(values.astype(np.uint8))
    return nulled(values.astype(np.float64), np.ones(rows, bool), one.type)
