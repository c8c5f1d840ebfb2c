"""Merge what belongs to one flight: the log with UTC and most positions leads, the others are laid on its time.

A file with UTC keeps its own. One with a wall clock without zone is shifted onto the leader (`align.shift_onto`); one
without any time takes the times at which the leader was at its places. Rows that get no time stay in the track with
a null `ts`, and the summary says so.
"""

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drone_ingest.clock import iso_utc
from drone_ingest.found import POSITIONS, Flight, Found, Photo, RemoteIds
from drone_ingest.track.align import Path, nearest_times, shift_onto
from drone_ingest.track.enu import enu
from drone_ingest.track.heights import in_one_datum
from wire.errors import InputError

__all__ = ["Merged", "merge", "write_track"]

_TS = pa.timestamp("us", tz="UTC")
_MOVED_M_MAX = 5_000.0  # between the middles of two files of one flight


@dataclass(frozen=True, slots=True)
class Merged:
    """The track and what is told of it. Columns of the track: those of POSITIONS, then `file`, `height_m`, `datum`,
    `east_m`, `north_m`, `up_m`; rows are in time order, those without a time last."""

    table: pa.Table
    summary: dict[str, Any]


def merge(found: list[Found], origin: tuple[float, float, float] | None = None) -> Merged:
    """One track of the files of one flight; raises InputError when none has a position."""
    warnings = [f"{one.file}: {text}" for one in found for text in one.warnings]
    parts = [(one, table) for one in found if (table := _placed(one)) is not None]
    warnings += [f"{one.file}: no positions" for one in found if all(one is not other for other, _ in parts)]
    if not parts:
        raise InputError("none of the files has a position", fix="give a log, a subtitle track, a table or photos")
    leader = _leader(parts)
    laid = [_laid(one, table, leader, warnings) for one, table in parts]
    table = pa.concat_tables([one.table for one in laid])
    table = table.sort_by([("ts", "ascending"), ("t_s", "ascending")])
    return _with_frames(table, laid, origin, warnings)


def write_track(table: pa.Table, path: FilePath) -> None:
    """The track as one Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")


@dataclass(frozen=True, slots=True)
class _Laid:
    table: pa.Table
    source: dict[str, Any]


def _placed(one: Found) -> pa.Table | None:
    """Positions of a file that say where it was."""
    match one:
        case Flight() | RemoteIds():
            table = one.positions
        case Photo():
            table = one.position
        case _:
            raise InputError("a cloud has no track", file=one.file, fix="give logs, subtitles, tables and photos")
    table = table.filter(pc.is_valid(table["lat_deg"]))
    return table if len(table) else None


def _leader(parts: list[tuple[Found, pa.Table]]) -> pa.Table | None:
    """The table with UTC and the most positions; None when no file knows UTC."""
    timed = [table.filter(pc.is_valid(table["ts"])) for _, table in parts]
    longest = max(timed, key=len)
    return longest if len(longest) > 1 else None


def _laid(one: Found, table: pa.Table, leader: pa.Table | None, warnings: list[str]) -> _Laid:
    how, apart = "utc", None
    shift_us: int | None = None
    if not len(table) - table["ts"].null_count:
        how = "none"
        wall = _wall_us(one, table)
        reference = None if leader is None else _path(leader)
        if reference is not None and wall is not None:
            shift = shift_onto(reference, Path(wall, *_places(table)))
            if shift is not None:
                how, shift_us, apart = "wall clock", shift.us, shift.apart_m
                table = _timed(table, wall + shift.us)
        if reference is not None and how == "none":
            times = nearest_times(reference, *_places(table))
            if (times >= 0).any():
                how = "place"
                table = _timed(table, times)
        if how == "none":
            warnings.append(f"{one.file}: its time could not be laid on the others")
    if leader is not None:
        _check_place(one, table, leader, warnings)
    source = {"file": one.file, "kind": one.kind, "positions": len(table), "aligned": how,
              "shift_s": None if shift_us is None else shift_us / 1e6, "apart_m": apart}  # fmt: skip
    return _Laid(table.append_column("file", pa.array([one.file] * len(table), pa.string())), source)


def _wall_us(one: Found, table: pa.Table) -> NDArray[np.int64] | None:
    """The wall clock of a subtitle track, where it has one a row."""
    cues = one.messages.get("cues") if isinstance(one, Flight) else None
    if cues is None:
        return None
    places = one.positions  # type: ignore[attr-defined]
    wall = cues["wall_us"].filter(pc.is_valid(places["lat_deg"]))
    return None if wall.null_count or len(wall) != len(table) else wall.to_numpy()


def _places(table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy()


def _path(table: pa.Table) -> Path:
    return Path(table["ts"].cast(pa.int64()).to_numpy(), *_places(table))


def _timed(table: pa.Table, times: NDArray[np.int64]) -> pa.Table:
    stamps = pa.array(times, mask=times < 0).cast(_TS)
    return table.set_column(POSITIONS.get_field_index("ts"), POSITIONS.field("ts"), stamps)


def _check_place(one: Found, table: pa.Table, leader: pa.Table, warnings: list[str]) -> None:
    middles = [[float(np.median(part)) for part in _places(other)] for other in (table, leader)]
    apart = enu(np.array([middles[0][0]]), np.array([middles[0][1]]), np.zeros(1), (middles[1][0], middles[1][1], 0.0))
    far_m = float(np.hypot(apart[0, 0], apart[0, 1]))
    if far_m > _MOVED_M_MAX:
        warnings.append(f"{one.file}: it was taken {far_m / 1000:.0f} km away; it is not of this flight")


def _with_frames(
    table: pa.Table, laid: list[_Laid], origin: tuple[float, float, float] | None, warnings: list[str]
) -> Merged:
    one = in_one_datum(table)
    if one.left_out:
        warnings.append(f"{one.left_out} heights are of another datum than {one.datum} and nothing links the two")
    lat, lon = _places(table)
    heights = np.nan_to_num(one.height_m)
    start = origin or (float(lat[0]), float(lon[0]), float(heights[0]))
    local = enu(lat, lon, heights, start)
    known = np.isfinite(one.height_m)
    table = table.append_column("height_m", pa.array(one.height_m, mask=~known))
    table = table.append_column("datum", pa.array(np.where(known, one.datum or "", "").tolist(), pa.string()))
    for column, name in enumerate(("east_m", "north_m")):
        table = table.append_column(name, pa.array(local[:, column]))
    table = table.append_column("up_m", pa.array(local[:, 2], mask=~known))
    stamps = table["ts"].drop_null().cast(pa.int64()).to_numpy()
    seconds = table["t_s"].drop_null().to_numpy() if not len(stamps) else stamps / 1e6
    summary = {
        "positions": len(table),
        "timed": len(stamps),
        "start_utc": iso_utc(int(stamps.min())) if len(stamps) else None,
        "duration_s": round(float(np.ptp(seconds)), 6) if len(seconds) else None,
        "height_datum": one.datum,
        "lifts_m": one.lifts_m,
        "origin": {"lat_deg": start[0], "lon_deg": start[1], "height_m": start[2]},
        "bounds_enu_m": [*local.min(axis=0).round(3).tolist(), *local.max(axis=0).round(3).tolist()],
        "photos": len(table["photo"].drop_null()),
        "sources": [part.source for part in laid],
        "warnings": warnings,
    }
    return Merged(table, summary)
