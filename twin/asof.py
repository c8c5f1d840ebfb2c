"""The state of every point at any moment: the keyframe before it, and what happened since.

Candidates come from the keyframe, the cold bucket and the warm rows; of each point the one with the newest time
wins, and of equal times the one that arrived last.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from twin.cold import ColdReader, ColdRows, manifest
from twin.state import StateTable

__all__ = ["Candidates", "Frame", "join_states", "moment", "newest"]

Candidates = ColdRows
_VALUE = {"readings": "value", "states": "text"}
_SINCE = "AND (recv > make_timestamptz($arrived::BIGINT) OR ts > make_timestamptz($frame::BIGINT))"
_EMPTY = (np.uint32, np.int64, object, np.uint8, np.int64)


class Moment(NamedTuple):
    """What is asked: the state at `at_us` as far as it was known at `known_at_us` (None: as far as now)."""

    at_us: int
    known_at_us: int | None = None


class Frame(NamedTuple):
    """The state at `at_us`, of at least all that had arrived by `recv_us` and at most by `known_us`."""

    at_us: int
    recv_us: int
    known_us: int
    state: Candidates


def moment(
    cursor: duckdb.DuckDBPyConnection,
    reader: ColdReader,
    kind: str,
    at_us: int,
    known_at_us: int | None = None,
    *,
    hot: Callable[[int, int | None], Frame | None] = lambda _at, _known: None,
) -> Candidates:
    """The last reading of every point at or before `at_us`; the caller holds a transaction open.

    `hot` may know the state of an earlier moment, of which no question to the database is needed.
    """
    asked = Moment(at_us, known_at_us)
    start_us = _keyframe_us(cursor, kind, at_us)
    frame = hot(at_us, known_at_us)  # after the first query, which fixed what this transaction sees
    if frame is not None and frame.at_us > start_us:
        files = manifest(cursor, kind, frame.at_us, at_us)
        later = reader.latest(files, frame.at_us + 1, at_us, known_at_us=known_at_us)
        return newest([frame.state, *later, _warm(cursor, kind, asked, since=frame)])
    base = _keyframe(cursor, kind, start_us)
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


def _keyframe_us(cursor: duckdb.DuckDBPyConnection, kind: str, at_us: int) -> int:
    """When a keyframe at or before the moment was, the newest or nearly so.

    The buckets of the files around the moment are tried first: the table may have a hundred million rows, of which a
    query for one time reads few.
    """
    for file in manifest(cursor, kind, at_us, at_us)[::-1]:
        start_us = max(file.lo_us, at_us // file.bucket_us * file.bucket_us)
        if cursor.execute("FROM keyframes WHERE kind = ? AND at_us = ? LIMIT 1", [kind, start_us]).fetchone():
            return start_us
    sql = "SELECT max(at_us) FROM keyframes WHERE kind = ? AND at_us <= ?"
    row = cursor.execute(sql, [kind, at_us]).fetchone()
    return -(2**63) if row is None or row[0] is None else int(row[0])


def _keyframe(cursor: duckdb.DuckDBPyConnection, kind: str, at_us: int) -> Candidates:
    """The state that a keyframe holds."""
    sql = f"""
        SELECT point, epoch_us(ts) AS ts, {_VALUE[kind]} AS value, quality, epoch_us(recv) AS recv FROM keyframes
        WHERE kind = ? AND at_us = ?
    """  # noqa: S608
    return _candidates(cursor.execute(sql, [kind, at_us]).fetchnumpy())


def _warm(cursor: duckdb.DuckDBPyConnection, kind: str, asked: Moment, *, since: Frame | None = None) -> Candidates:
    """The newest warm row of every point; with `since` only of those that the frame does not have."""
    sql = f"""
        SELECT point, epoch_us(best.ts) AS ts, best.value AS value, best.quality AS quality,
            epoch_us(best.recv) AS recv
        FROM (
            SELECT point,
                arg_max({{'ts': ts, 'value': value, 'quality': quality, 'recv': recv}}, (ts, recv)) AS best
            FROM {kind}_warm
            WHERE ts <= make_timestamptz($at::BIGINT)
                AND ($known IS NULL OR recv <= make_timestamptz($known::BIGINT))
                {"" if since is None else _SINCE}
            GROUP BY point
        )
    """  # noqa: S608
    asked_for = {"at": asked.at_us, "known": asked.known_at_us}
    if since is not None:
        asked_for |= {"frame": since.at_us, "arrived": since.recv_us}
    return _candidates(cursor.execute(sql, asked_for).fetchnumpy())


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
