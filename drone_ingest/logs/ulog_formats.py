"""Formats of a ULog: `name:type field;type[n] field;…`, nested ones flattened into one numpy layout."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.arrow_columns import fixed_lists, texts

__all__ = ["Topic", "fields_of", "topic_of", "topic_table"]

_TYPES = {
    "int8_t": "i1", "uint8_t": "u1", "int16_t": "<i2", "uint16_t": "<u2", "int32_t": "<i4", "uint32_t": "<u4",
    "int64_t": "<i8", "uint64_t": "<u8", "float": "<f4", "double": "<f8", "bool": "i1", "char": "S1",
}  # fmt: skip
_DEPTH_MAX = 8
_ARRAY_MAX = 65_535
Fields = list[tuple[str, int, str]]
"""(type, 0 or array length, name)"""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a subscription logs: table name, layout without trailing padding, the size it may have with padding."""

    name: str
    dtype: np.dtype[Any]
    size_max: int

    @property
    def has_time(self) -> bool:
        """Whether it has the uint64 `timestamp` that nearly every topic has."""
        return "timestamp" in (self.dtype.names or ()) and self.dtype["timestamp"] == np.dtype("<u8")


def fields_of(text: str) -> tuple[str, Fields]:
    """Name and fields of one FORMAT message; raises ValueError."""
    name, colon, rest = text.partition(":")
    if not name or not colon:
        raise ValueError("a format has no name")
    fields: Fields = []
    for part in filter(None, rest.split(";")):
        kind, space, field = part.partition(" ")
        base, bracket, size = kind.partition("[")
        length = int(size.removesuffix("]")) if bracket else 0
        if not space or not field or not base or not 0 <= length <= _ARRAY_MAX:
            raise ValueError(f"field {part[:40]!r} of format {name[:40]} cannot be read")
        fields.append((base, length, field))
    return name, fields


def topic_of(name: str, instance: int, formats: dict[str, Fields], fields_max: int) -> Topic:
    """The layout of a subscription; raises ValueError when a format is missing, endless or larger than any."""
    leaves: list[tuple[str, int, str]] = []
    _flatten("", name, formats, leaves, [fields_max], 0)
    size = sum(_size(one) for one in leaves)
    while leaves and leaves[-1][2].startswith("_padding"):
        leaves.pop()
    if not leaves or len({one[2] for one in leaves}) != len(leaves) or size > _ARRAY_MAX:
        raise ValueError(f"format {name[:40]} contradicts itself")
    dtype = np.dtype([(field, _numpy(kind, length)) for kind, length, field in leaves])
    return Topic(name if not instance else f"{name}#{instance}", dtype, size)


def _flatten(prefix: str, name: str, formats: dict[str, Fields], leaves: Fields, left: list[int], depth: int) -> None:
    """Fields of a format, those of nested ones with it; `left` is the budget of fields and visits: a format of nothing,
    nested in arrays of arrays, would be visited for ever."""
    if name not in formats or depth > _DEPTH_MAX:
        raise ValueError(f"format {name[:40]} is not described")
    for kind, length, field in formats[name]:
        parts = [field]
        if kind not in _TYPES and length:
            parts = [f"{field}[{row}]" for row in range(min(length, left[0] + 1))]
        left[0] -= len(parts)
        if left[0] < 0:
            raise ValueError(f"format {name[:40]} has too many fields")
        if kind in _TYPES:
            leaves.append((kind, length, prefix + field))
            continue
        for part in parts:
            _flatten(f"{prefix}{part}.", kind, formats, leaves, left, depth + 1)


def _size(one: tuple[str, int, str]) -> int:
    return np.dtype(_TYPES[one[0]]).itemsize * max(one[1], 1)


def _numpy(kind: str, length: int) -> Any:
    if kind == "char":
        return f"S{max(length, 1)}"
    return (_TYPES[kind], (length,)) if length else _TYPES[kind]


def topic_table(rows: NDArray[Any], topic: Topic) -> pa.RecordBatch:
    """Rows of one topic: `_t_us` (its `timestamp`), then the fields; arrays are lists, text ends at a zero byte."""
    assert topic.dtype.names is not None
    at = np.zeros(len(rows), np.int64)
    if topic.has_time:
        at = np.minimum(rows["timestamp"], 1 << 62).astype(np.int64)
    columns: dict[str, pa.Array] = {"_t_us": pa.array(at)}
    for name in topic.dtype.names:
        values = rows[name]
        if values.dtype.kind == "S":
            columns[name] = texts(values)
        else:
            columns[name] = fixed_lists(values) if values.ndim == 2 else pa.array(np.ascontiguousarray(values))
    return pa.RecordBatch.from_pydict(columns)
