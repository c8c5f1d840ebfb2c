"""DJI subtitle tracks (`.SRT`): a cue a frame or second, in the grammars of `srt_grammars`.

The video time of a cue is `t_s`; its wall clock is the aircraft's, without a zone, so it is kept in `messages` as
`wall_us` and `ts` stays null. A cue that no grammar reads is reported with its line; a cut last cue too.
"""

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from drone_ingest.damage import Notes
from drone_ingest.found import Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.srt_grammars import COMMON, grammar_of
from drone_ingest.logs.tlog import Progress
from drone_ingest.positions import positions_table

__all__ = ["read_srt"]

_CUE = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,6}) *--> *(\d+):(\d\d):(\d\d)[,.](\d{1,6})")
_WALL = re.compile(r"(\d{4})[.-](\d{1,2})[.-](\d{1,2}) +(\d{1,2}):(\d\d):(\d\d)(?:[,.](\d{3})(?:,?(\d{3}))?)?")
_COUNT = re.compile(r"(?:SrtCnt|FrameCnt) ?: ?(\d+)")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d*)*")
_SHAPES = 200  # cues before the last that show how one looks
_LINE_CHARS_MAX = 4_096
_COLUMNS = (
    "t_s", "wall_us", "lat", "lon", "height", "relative", "gps_height", "satellites", "speed", "climb", "roll",
    "pitch", "yaw", "gimbal_roll", "gimbal_pitch", "gimbal_yaw", "iso", "f_number", "focal_mm", "home_lat", "home_lon",
    "home_height", "distance",
)  # fmt: skip


def read_srt(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """One subtitle track."""
    notes = Notes(limits.warnings)
    raw = path.read_bytes()
    progress(len(raw))
    lines = raw.decode("utf-8", "replace").replace("\ufeff", "").splitlines()
    cues = _Cues()
    blocks = list(_blocks(lines))
    missing = _cut_off(blocks)
    for line, block in blocks:
        row = _cue(block)
        if missing and line == blocks[-1][0]:
            notes.damage(line, "line", f"the last cue is cut ({' '.join(block)[-60:]!r})")
            if "#" in missing or block[-1][-1:] in "0123456789.,+-":
                continue  # its last number may be half of one
        if row is None:
            notes.damage(line, "line", f"a cue that no grammar reads ({' '.join(block)[:60]!r})")
        else:
            cues.add(line, row)
    flight = Flight(kind="srt", file=path.name, notes=notes, records=len(cues.lines))
    if cues.lines:
        _fill(flight, cues)
    return flight


class _Cues:
    """What was read, in columns: an hour of cues as dicts would take half a gigabyte."""

    def __init__(self) -> None:
        self.columns = {name: array("d") for name in _COLUMNS}
        self.lines, self.grammars = array("q"), list[str]()

    def add(self, line: int, row: dict[str, Any]) -> None:
        for name, values in self.columns.items():
            value = row.get(name)
            values.append(math.nan if value is None else value)
        self.lines.append(line)
        self.grammars.append(row["grammar"])


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Cues without their number: the line they begin in (1 is the first), their lines; some files have no `-->`."""
    block: list[str] = []
    start = 0
    for number, line in enumerate(lines, 1):
        line = line.strip()[:_LINE_CHARS_MAX]
        if not line:
            if block:
                yield start, block
                block = []
        elif block and line.isdigit() and number < len(lines) and _CUE.search(lines[number]):
            yield start, block  # the empty line between is missing
            block = []
        elif not (line.isdigit() and not block):
            if not block:
                start = number
            block.append(line)
    if block:
        yield start, block


def _cut_off(blocks: list[tuple[int, list[str]]]) -> str:
    """What the last cue lacks when it is only the beginning of one, with # for numbers; "" when it is whole."""
    if len(blocks) < 2:
        return ""
    shapes = {_NUMBER.sub("#", " ".join(block)) for _, block in blocks[-_SHAPES:-1]}
    last = _NUMBER.sub("#", " ".join(blocks[-1][1]))
    longer = [shape for shape in shapes if shape.startswith(last)]
    return "" if last in shapes or not longer else min(longer, key=len)[len(last) :]


def _cue(block: list[str]) -> dict[str, Any] | None:
    text = " ".join(block)
    found = grammar_of(text)
    if found is None:
        return None
    grammar, match = found
    row: dict[str, Any] = {"grammar": grammar.name, "height_column": grammar.height}
    for name, value in zip(grammar.groups, match.groups(), strict=True):
        if name and value is not None:
            row[name] = float(value)
    for pattern, names in COMMON:
        other = pattern.search(text)
        if other is not None:
            for name, value in zip(names, other.groups(), strict=True):
                if value is not None:
                    row.setdefault(name, float(value))
    times = _CUE.search(block[0])
    if times is not None:
        row["t_s"] = _seconds(times.groups()[:4])
    row["wall_us"] = _wall_us(text)
    _unscale(row)
    return row


def _seconds(parts: tuple[str, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours) * 3_600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")


def _wall_us(text: str) -> int | None:
    match = _WALL.search(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, ms, us = (int(part or 0) for part in match.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second, ms * 1_000 + us, tzinfo=UTC)
    except ValueError:
        return None
    return round(moment.timestamp() * 1e6)


def _unscale(row: dict[str, Any]) -> None:
    """`fnum : 280` is f/2.8 and `focal_len : 240` is 24 mm."""
    if row.get("f_number", 0) >= 100:
        row["f_number"] /= 100
    if row.get("focal_mm", 0) >= 100:
        row["focal_mm"] /= 10
    if row.get("gps_height") == 0.0:
        del row["gps_height"]  # the Matrice writes 0.0M when it has no height


def _fill(flight: Flight, cues: _Cues) -> None:
    columns = {name: np.array(values) for name, values in cues.columns.items()}
    grammars, count = Counter(cues.grammars), len(cues.lines)
    t_s, wall = columns["t_s"], columns["wall_us"]
    if not np.isfinite(t_s).any() and np.isfinite(wall).any():
        t_s = (wall - np.nanmin(wall)) / 1e6
    given = {
        "t_s": t_s,
        "lat_deg": columns["lat"], "lon_deg": columns["lon"], "alt_takeoff_m": columns["relative"],
        "alt_unknown_m": np.where(np.isfinite(columns["height"]), columns["height"], columns["gps_height"]),
        "vel_d_m_s": -columns["climb"], "satellites": columns["satellites"],
        "source": np.array(cues.grammars),
    }  # fmt: skip
    given |= {f"{name}_deg": columns[name] for name in ("roll", "pitch", "yaw")}
    given |= {f"gimbal_{name}_deg": columns[f"gimbal_{name}"] for name in ("roll", "pitch", "yaw")}
    for name in ("yaw_deg", "gimbal_yaw_deg"):
        given[name] %= 360
    flight.positions = positions_table(count, given, flight.notes)
    table = {name: pa.array(columns[name], from_pandas=True) for name in _COLUMNS}
    table["wall_us"] = table["wall_us"].cast(pa.int64())
    table |= {
        "line": pa.array(np.array(cues.lines)),
        "grammar": pa.array(cues.grammars),
    }
    flight.messages = {"cues": pa.table(table)}
    flight.info = {"grammar": ", ".join(f"{name} ({times})" for name, times in grammars.most_common())}
    known = t_s[np.isfinite(t_s)]
    if len(known):
        flight.span_s = (float(known.min()), float(known.max()))
    if len(grammars) > 1:
        flight.notes.warn(f"it holds cues of {len(grammars)} aircraft or grammars: {flight.info['grammar']}")
    if np.isfinite(wall).any():
        flight.notes.warn("its wall clock has no time zone: UTC is unknown")
        _note_wall(wall[np.isfinite(wall)], flight.notes)


def _note_wall(wall: np.ndarray[Any, Any], notes: Notes) -> None:
    steps = np.diff(wall) / 1e6
    wrong = np.flatnonzero((steps < -1) | (steps > 3_600))
    if len(wrong):
        notes.warn(f"the wall clock steps {len(wrong)} times, first at cue {wrong[0] + 2} by {steps[wrong[0]]:.0f} s")
