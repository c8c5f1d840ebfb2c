"""Frames of `/live`: the values of a view that changed, as JSON columns or as an Arrow stream."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from twin.state import StateTable

__all__ = ["columns_json", "rows_of", "split_states", "stream_bytes", "table_values", "values_frame"]

_SCHEMA = pa.schema(
    [("point", pa.uint32()), ("ts", pa.timestamp("us")), ("value", pa.float64()), ("quality", pa.uint8())]
)


def table_values(table: StateTable) -> list[float | str | None]:
    """The values as JSON takes them: texts of states, numbers, null for what is no number."""
    finite = np.isfinite(table.value)
    values: list[float | str | None] = table.value.tolist()
    for row in np.flatnonzero(~finite).tolist():
        values[row] = table.text[row]
    return values


def split_states(table: StateTable) -> tuple[StateTable, StateTable]:
    """The numbers and the states of a table, each in its order."""
    is_text = np.fromiter((text is not None for text in table.text), bool, len(table.text))
    return rows_of(table, ~is_text), rows_of(table, is_text)


def columns_json(table: StateTable) -> bytes:
    """`"p":[…],"t":[…],"v":[…],"q":[…]` without braces: the part of a frame that many sockets share."""
    columns: dict[str, Any] = {
        "p": table.point.tolist(),
        "t": (table.ts_us / 1_000).tolist(),
        "v": table_values(table),
        "q": table.quality.tolist(),
    }
    return msgspec.json.encode(columns)[1:-1]


def values_frame(columns: bytes, *, view: str, ts: str, dropped: int) -> bytes:
    """A whole text frame around shared columns."""
    head = msgspec.json.encode({"type": "values", "view": view, "ts": ts, "dropped": dropped})
    return head[:-1] + b"," + columns + b"}"


def stream_bytes(table: StateTable) -> bytes:
    """An Arrow IPC stream of one batch."""
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(table.point, pa.uint32()),
            pa.array(table.ts_us, pa.timestamp("us")),
            pa.array(table.value, pa.float64()),
            pa.array(table.quality, pa.uint8()),
        ],
        schema=_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA, options=pa.ipc.IpcWriteOptions(use_threads=False)) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def rows_of(table: StateTable, which: Any) -> StateTable:
    """Some rows: a slice, a mask or positions."""
    return StateTable(*(column[which] for column in table))
