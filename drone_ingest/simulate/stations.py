"""Where a simulated sensor stands: on an orbit around what stands, or in a table that somebody gives."""

import csv
from pathlib import Path

import numpy as np

from drone_ingest.ray_scene import Floats
from drone_ingest.simulate.sensor import STATIONS_MAX
from wire.errors import InputError

__all__ = ["orbit_stations", "read_stations"]

_AWAY_M, _UP_M = 10.0, 2.0
_BYTES_MAX = 8 << 20


def orbit_stations(corners: Floats, count: int) -> Floats:
    """`count` stations (k, 3) on three rings around points (n, 3): near the ground, at the eaves, above the roof."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    turn = 2 * np.pi * np.arange(count) / count
    ring = np.arange(count) % 3
    reach = np.array([1.0, 1.0, 0.55])[ring, None] * (half[:2] + _AWAY_M)
    height = np.array([low[2] + _UP_M, (low[2] + 2 * high[2]) / 3, high[2] + 1.2 * _AWAY_M])[ring]
    around = middle[:2] + np.stack([np.cos(turn), np.sin(turn)], axis=1) * reach * np.sqrt(1.3)
    return np.column_stack([around, height])


def read_stations(path: Path) -> Floats:
    """A CSV with `x`, `y`, `z` (and what else it has) as (k, 3); raises InputError with the line."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is larger than any table of stations", file=str(path), fix="give id,x,y,z")
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix="give a CSV with id,x,y,z") from error
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if not {"x", "y", "z"} <= set(names):
        raise InputError("its first line does not name x, y and z", file=str(path), field="line 1", fix="id,x,y,z")
    at = [names.index(name) for name in "xyz"]
    places = []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        try:
            places.append([float(row[column]) for column in at])
        except (ValueError, IndexError) as error:
            raise InputError("it is no place", file=str(path), field=f"line {number}", fix="give numbers") from error
    found = np.array(places, np.float64).reshape(-1, 3)
    if not 1 <= len(found) <= STATIONS_MAX or not np.isfinite(found).all() or np.abs(found).max() > 1e9:
        problem = f"{len(found)} stations, or one that is nowhere"
        raise InputError(problem, file=str(path), fix=f"give 1 to {STATIONS_MAX} in metres")
    return found
