"""What a series of positions says of its flight: length, box, heights, and where one flight ends. Pure, vectorised."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["GAP_US", "STILL_US", "Cut", "Shape", "cut_flights", "distance_m", "shape_of", "thinned"]

GAP_US = 60_000_000  # without a pose for so long, the vehicle landed out of sight or another flight began
STILL_US = 300_000_000  # a vehicle that hovers so long without moving is on the ground
_MOVED_M = 3.0  # a receiver at rest wanders less from second to second
_FLOWN_M = 10.0  # a box smaller than that, with no arming known, is a vehicle on its bench
_FLOWN_US = 3_000_000
_M_PER_DEG = 111_320.0
_SECOND_US = 1_000_000

Times = NDArray[np.int64]
Places = NDArray[np.float64]


class Shape(NamedTuple):
    """Figures of one flight; heights NaN where none is known."""

    distance_m: float
    west: float
    south: float
    east: float
    north: float
    height_max_m: float


class Cut(NamedTuple):
    """Rows [first, last) of one flight; `ended` where disarming or a long rest on the ground closes it."""

    first: int
    last: int
    ended: bool


def shape_of(ts_us: Times, lat_deg: Places, lon_deg: Places, alt_m: Places) -> Shape:
    """Of at least one position, in the order of time."""
    known = alt_m[np.isfinite(alt_m)]
    return Shape(
        distance_m(ts_us, lat_deg, lon_deg),
        float(lon_deg.min()),
        float(lat_deg.min()),
        float(lon_deg.max()),
        float(lat_deg.max()),
        float(known.max()) if len(known) else np.nan,
    )


def distance_m(ts_us: Times, lat_deg: Places, lon_deg: Places) -> float:
    """Along the ground, from the first position of each second to that of the next: noise of 10 Hz is no way flown."""
    rows = np.flatnonzero(np.append(True, np.diff(ts_us // _SECOND_US) != 0))
    return float(_steps_m(lat_deg[rows], lon_deg[rows]).sum())


def thinned(rows: int, most: int) -> NDArray[np.int64]:
    """At most so many row numbers, evenly, the first and the last among them."""
    if rows <= most:
        return np.arange(rows)
    return np.unique(np.linspace(0, rows - 1, max(most, 2)).round().astype(np.int64))


def cut_flights(
    ts_us: Times, lat_deg: Places, lon_deg: Places, alt_m: Places, armings: list[tuple[int, bool]]
) -> list[Cut]:
    """The flights in poses of one vehicle, in the order of time.

    `armings` are (time, armed) of its events in order, from before the poses if known. Where they say when it was
    armed, a flight lasts from arming to disarming; elsewhere while it moves. A silence of GAP_US ends each.
    """
    found: list[Cut] = []
    for first, last in _pieces(ts_us):
        piece = slice(first, last)
        if armings:
            cuts = _armed_ranges(ts_us[piece], armings)
        else:
            ranges = _moving_ranges(ts_us[piece], lat_deg[piece], lon_deg[piece], alt_m[piece])
            cuts = [Cut(*one, ts_us[last - 1] - ts_us[first + one[1] - 1] > STILL_US) for one in ranges]
        found += [Cut(first + one.first, first + one.last, one.ended) for one in cuts if one.last > one.first]
    return found


def _pieces(ts_us: Times) -> list[tuple[int, int]]:
    if not len(ts_us):
        return []
    cuts = (np.flatnonzero(np.diff(ts_us) > GAP_US) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(ts_us)], strict=True))


def _armed_ranges(ts_us: Times, armings: list[tuple[int, bool]]) -> list[Cut]:
    ranges: list[Cut] = []
    since: int | None = None
    for at_us, armed in armings:
        row = int(np.searchsorted(ts_us, at_us))
        if armed and since is None:
            since = row
        elif not armed and since is not None:
            ranges.append(Cut(since, int(np.searchsorted(ts_us, at_us, side="right")), True))
            since = None
    if since is not None:
        ranges.append(Cut(since, len(ts_us), False))
    return ranges


def _moving_ranges(ts_us: Times, lat_deg: Places, lon_deg: Places, alt_m: Places) -> list[tuple[int, int]]:
    """From the first to the last movement, parted where it stands still for STILL_US; nothing for a bench."""
    seconds = np.flatnonzero(np.append(True, np.diff(ts_us // _SECOND_US) != 0))
    if len(seconds) < 2:
        return []
    flat = _steps_m(lat_deg[seconds], lon_deg[seconds])
    climb = np.abs(np.nan_to_num(np.diff(alt_m[seconds])))
    moves = seconds[1:][np.hypot(flat, climb) > _MOVED_M / 3]
    if not len(moves):
        return []
    parts = np.split(moves, np.flatnonzero(np.diff(ts_us[moves]) > STILL_US) + 1)
    ranges = [(max(0, int(part[0]) - 1), int(part[-1]) + 1) for part in parts]
    return [one for one in ranges if _was_flown(ts_us, lat_deg, lon_deg, alt_m, one)]


def _was_flown(ts_us: Times, lat_deg: Places, lon_deg: Places, alt_m: Places, rows: tuple[int, int]) -> bool:
    one = slice(*rows)
    heights = alt_m[one][np.isfinite(alt_m[one])]
    wide = _steps_m(
        np.array([lat_deg[one].min(), lat_deg[one].max()]), np.array([lon_deg[one].min(), lon_deg[one].max()])
    )
    tall = float(np.ptp(heights)) if len(heights) else 0.0
    return bool(ts_us[rows[1] - 1] - ts_us[rows[0]] >= _FLOWN_US and max(float(wide[0]), tall) >= _FLOWN_M)


def _steps_m(lat_deg: Places, lon_deg: Places) -> Places:
    east = (np.diff(lon_deg) + 180) % 360 - 180
    east = east * np.cos(np.radians((lat_deg[1:] + lat_deg[:-1]) / 2))
    steps: Places = _M_PER_DEG * np.hypot(np.diff(lat_deg), east)
    return steps
