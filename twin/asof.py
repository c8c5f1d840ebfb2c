"""The state of every point at any moment: the keyframe before it, and what happened since.

Candidates come from the keyframe, the cold bucket and the warm rows; of each point the one with the newest time
wins, and of equal times the one that arrived last.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from twin.cold import ColdReader, ColdRows, manifest
from twin.state import StateTable

__all__ = ["Candidates", "join_states", "moment", "newest"]

Candidates = ColdRows
_VALUE = {"readings": "value", "states": "text"}
_EMPTY = (np.uint32, np.int64, object, np.uint8, np.int64)


class Moment(NamedTuple):
    """What is asked: the state at `at_us` as far as it was known at `known_at_us` (None: as far as now)."""

    at_us: int
    known_at_us: int | None = None


def moment(
    cursor: duckdb.DuckDBPyConnection, reader: ColdReader, kind: str, at_us: int, known_at_us: int | None = None
) -> Candidates:
    """The last reading of every point at or before `at_us`; the caller holds a transaction open."""
    asked = Moment(at_us, known_at_us)
    start_us, base = _keyframe(cursor, kind, at_us)
    parts = [_warm(cursor, kind, asked)]
    files = manifest(cursor, kind, start_us, at_us)
    if known_at_us is not None:
        unknown = base.recv_us > known_at_us
        parts += _before(cursor, reader, kind, base.point[unknown], start_us, asked)
        base = _take(base, ~unknown)
    parts += [base, *reader.latest(files, start_us, at_us, known_at_us=known_at_us)]
    return newest(parts)


def newest(parts: Sequence[Candidates]) -> Candidates:
    """Of each point the newest candidate, by ascending id."""
    full = [_ascending(part) for part in parts if len(part.point)]
    if not full:
        return Candidates(*(np.empty(0, kind) for kind in _EMPTY))
    if len(full) == 1:
        return full[0]
    size = max(int(part.point[-1]) for part in full) + 1
    ts, recv = np.full(size, np.iinfo(np.int64).min), np.full(size, np.iinfo(np.int64).min)
    value, quality = np.empty(size, full[0].value.dtype), np.empty(size, np.uint8)
    for part in full:  # a few parts, each scattered at once
        theirs = ts[part.point]
        better = (part.ts_us > theirs) | ((part.ts_us == theirs) & (part.recv_us >= recv[part.point]))
        won = _take(part, better)
        ts[won.point], recv[won.point], value[won.point] = won.ts_us, won.recv_us, won.value
        quality[won.point] = won.quality
    point = np.flatnonzero(ts != np.iinfo(np.int64).min)
    return Candidates(point.astype(np.uint32), ts[point], value[point], quality[point], recv[point])


def _ascending(part: Candidates) -> Candidates:
    """The part with one row a point, the newest, by ascending id; most parts are so already."""
    if (part.point[1:] > part.point[:-1]).all():
        return part
    order = np.lexsort((part.recv_us, part.ts_us, part.point))
    point = part.point[order]
    return _take(part, order[np.append(point[1:] != point[:-1], True)])


def join_states(readings: Candidates, states: Candidates) -> tuple[StateTable, NDArray[np.int64]]:
    """Numbers and texts as one table by ascending id, with the receive times."""
    point = np.concatenate([readings.point, states.point])
    value = np.full(len(point), np.nan)
    value[: len(readings.point)] = readings.value.astype(np.float64)
    text = np.full(len(point), None, object)
    text[len(readings.point) :] = states.value
    order = np.argsort(point, kind="stable")
    table = StateTable(
        point[order],
        np.concatenate([readings.ts_us, states.ts_us])[order],
        value[order],
        text[order],
        np.concatenate([readings.quality, states.quality])[order],
    )
    return table, np.concatenate([readings.recv_us, states.recv_us])[order]


def _keyframe(cursor: duckdb.DuckDBPyConnection, kind: str, at_us: int) -> tuple[int, Candidates]:
    """The newest keyframe at or before the moment: its time, and the state then."""
    sql = """
        SELECT at_us, point, epoch_us(ts) AS ts, VALUE AS value, quality, epoch_us(recv) AS recv FROM keyframes
        WHERE kind = $kind AND at_us = (SELECT max(at_us) FROM keyframes WHERE kind = $kind AND at_us <= $at)
    """
    asked = {"kind": kind, "at": at_us}
    found = cursor.execute(sql.replace("VALUE", _VALUE[kind], 1), asked).fetchnumpy()
    return int(found["at_us"][0]) if len(found["at_us"]) else -(2**63), _candidates(found)


def _warm(cursor: duckdb.DuckDBPyConnection, kind: str, asked: Moment) -> Candidates:
    sql = """
        SELECT point, epoch_us(best.ts) AS ts, best.value AS value, best.quality AS quality,
            epoch_us(best.recv) AS recv
        FROM (
            SELECT point,
                arg_max({'ts': ts, 'value': value, 'quality': quality, 'recv': recv}, (ts, recv)) AS best
            FROM WARM
            WHERE ts <= make_timestamptz($at::BIGINT)
                AND ($known IS NULL OR recv <= make_timestamptz($known::BIGINT))
            GROUP BY point
        )
    """
    asked_for = {"at": asked.at_us, "known": asked.known_at_us}
    return _candidates(cursor.execute(sql.replace("WARM", f"{kind}_warm"), asked_for).fetchnumpy())


def _before(
    cursor: duckdb.DuckDBPyConnection,
    reader: ColdReader,
    kind: str,
    points: NDArray[np.uint32],
    start_us: int,
    asked: Moment,
) -> list[Candidates]:
    """Points whose keyframe was not known yet: look further back, until no older file can hold anything newer."""
    found: list[Candidates] = []
    files = sorted(manifest(cursor, kind, hi_us=start_us), key=lambda file: file.hi_us, reverse=True)
    for file in files if len(points) else []:
        best = newest(found)
        if len(best.point) == len(points) and file.hi_us <= best.ts_us.min():
            break
        parts = reader.latest([file], file.lo_us, asked.at_us, known_at_us=asked.known_at_us)
        found += [_take(part, np.isin(part.point, points)) for part in parts]
    return found


def _take(rows: Candidates, which: NDArray[Any]) -> Candidates:
    return Candidates(*(column[which] for column in rows))


def _candidates(found: dict[str, Any]) -> Candidates:
    value = found["value"]
    if isinstance(value, np.ma.MaskedArray):
        value = value.filled(np.nan) if value.dtype.kind == "f" else value.data
    return Candidates(found["point"], found["ts"], value, found["quality"], found["recv"])
