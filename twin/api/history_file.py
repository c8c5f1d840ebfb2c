"""Series as one Parquet file that a notebook reads without knowing the twin."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from twin.history import Series

__all__ = ["PARQUET_MEDIA", "SCHEMA", "parquet_of"]

PARQUET_MEDIA = "application/vnd.apache.parquet"
_NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("point", _NAME),
        ("unit", _NAME),
        ("ts", pa.timestamp("us", "UTC")),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("quality", pa.uint8()),
    ]
)


def parquet_of(series: Sequence[Series], views: Mapping[int, Any]) -> bytes:
    """The rows of all series, point by point: `point` is its key; a number is in `value`, a state in `text`."""
    parts = [_table(one, views[one.point]) for one in series]
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(parts) if parts else SCHEMA.empty_table(), sink, compression="zstd")
    return sink.getvalue()


def _table(series: Series, view: Any) -> pa.Table:
    rows = len(series.ts_us)
    values = np.asarray(series.values)
    is_number = values.dtype.kind in "fiub"
    none = pa.nulls(rows)
    texts = none if is_number else pa.array([None if one is None else str(one) for one in series.values], pa.string())
    columns = [
        pa.array([view.key] * rows, pa.string()).dictionary_encode(),
        pa.array([view.unit] * rows, pa.string()).dictionary_encode(),
        pa.array(series.ts_us, pa.timestamp("us", "UTC")),
        pa.array(values.astype(np.float64)) if is_number else none,
        texts,
        pa.array(series.quality.astype(np.uint8)),
    ]
    return pa.table([column.cast(field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
