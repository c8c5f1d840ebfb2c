"""Scores as a table: one row a stream and row of it, with an explanation beside the score that opened an episode."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from inference.runtime.episodes import Event
from inference.windows import Floats

__all__ = ["SCORES", "Part", "score_table"]

_TS = pa.timestamp("us", tz="UTC")
SCORES = pa.schema(
    [
        ("point", pa.uint32()), ("ts", _TS), ("score", pa.float64()), ("alarm", pa.bool_()), ("channels", pa.string()),
        ("nearest_from", _TS), ("nearest_to", _TS),
    ]
)  # fmt: skip


class Part(NamedTuple):
    """What one row of some streams came to, by slot."""

    slot: NDArray[np.intp]
    ts_us: int
    score: Floats
    alarm: NDArray[np.bool_]


def score_table(parts: Sequence[Part], point_of: NDArray[np.uint32], events: Sequence[Event]) -> pa.Table:
    """`SCORES`; `channels` is JSON of `Channel`s, `nearest_*` when the point looked most like it does now."""
    if not parts:
        return SCORES.empty_table()
    ids = point_of[np.concatenate([part.slot for part in parts])]
    ts = np.concatenate([np.full(len(part.slot), part.ts_us, np.int64) for part in parts])
    channels, nearest = _told(events, ids, ts)
    columns = [
        pa.array(ids), pa.array(ts).view(_TS), pa.array(np.concatenate([part.score for part in parts])),
        pa.array(np.concatenate([part.alarm for part in parts])), channels, *nearest,
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=SCORES)


def _told(events: Sequence[Event], ids: NDArray[np.uint32], ts: NDArray[np.int64]) -> tuple[pa.Array, list[pa.Array]]:
    """Explanations beside the newest score of the point that leads each episode."""
    count = len(ids)
    opened = [event for event in events if event.kind == "opened" and event.channels]
    if not opened:
        return pa.nulls(count, pa.string()), [pa.nulls(count, _TS)] * 2
    texts: list[str | None] = [None] * count
    spans: list[list[int | None]] = [[None] * count, [None] * count]
    for event in opened:
        rows = np.flatnonzero(ids == event.channels[0].point)
        if not len(rows):
            continue
        at = int(rows[np.argmin(np.abs(ts[rows] - event.ts_us))])
        texts[at] = msgspec.json.encode(event.channels).decode()
        if event.nearest is not None:
            spans[0][at], spans[1][at] = event.nearest
    return pa.array(texts, pa.string()), [pa.array(span, pa.int64()).cast(_TS) for span in spans]
