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
    full = [part for part in parts if len(part.point)]
    if not full:
        return Candidates(*(np.empty(0, kind) for kind in _EMPTY))
    rows = Candidates(*(np.concatenate(column) for column in zip(*full, strict=True)))
    order = np.lexsort((rows.recv_us, rows.ts_us, rows.point))
    point = rows.point[order]
    return _take(rows, order[np.append(point[1:] != point[:-1], True)])


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
    row = cursor.execute("SELECT max(at_us) FROM keyframes WHERE kind = ? AND at_us <= ?", [kind, at_us]).fetchone()
    start_us = row[0] if row and row[0] is not None else -(2**63)
    found = cursor.execute(
        f"SELECT point, epoch_us(ts) AS ts, {_VALUE[kind]} AS value, quality, epoch_us(recv) AS recv FROM keyframes"  # noqa: S608
        " WHERE kind = ? AND at_us = ?",
        [kind, start_us],
    ).fetchnumpy()
    return start_us, _candidates(found)


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
