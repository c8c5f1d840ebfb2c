"""The self-description of a dataflash log: FMT records become numpy layouts, FMTU, UNIT and MULT their units."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.arrow_columns import fixed_lists, texts

__all__ = ["FMT", "FMT_ID", "HEAD_BYTES", "Format", "columns_of", "format_of"]

HEAD_BYTES = 3  # A3 95 and the type
FMT_ID = 128
_SIZES = 255
_TYPES: dict[str, tuple[str, float | None]] = {  # numpy type and divisor
    "a": ("(32,)<i2", None), "b": ("i1", None), "B": ("u1", None), "h": ("<i2", None), "H": ("<u2", None),
    "i": ("<i4", None), "I": ("<u4", None), "f": ("<f4", None), "n": ("S4", None), "N": ("S16", None),
    "Z": ("S64", None), "c": ("<i2", 100.0), "C": ("<u2", 100.0), "e": ("<i4", 100.0), "E": ("<u4", 100.0),
    "L": ("<i4", 1e7), "d": ("<f8", None), "M": ("i1", None), "q": ("<i8", None), "Q": ("<u8", None),
    "g": ("<f2", None),
}  # fmt: skip


@dataclass(slots=True)
class Format:
    """One type of record: its name, whole length with head, layout behind the head, divisors by column."""

    id: int
    name: str
    length: int
    dtype: np.dtype[Any]
    columns: list[str]
    divisors: list[float | None]
    units: dict[str, str] = field(default_factory=dict)


FMT = Format(
    FMT_ID, "FMT", 89,
    np.dtype([("Type", "u1"), ("Length", "u1"), ("Name", "S4"), ("Format", "S16"), ("Columns", "S64")]),
    ["Type", "Length", "Name", "Format", "Columns"], [None] * 5,
)  # fmt: skip


def format_of(number: int, length: int, name: str, codes: str, columns: str) -> Format | None:
    """A format from the fields of its FMT record; None when it contradicts itself or has a code nobody knows."""
    names = columns.split(",") if columns else []
    if not name or len(names) != len(codes) or len(set(names)) != len(names):
        return None
    if any(code not in _TYPES for code in codes) or not all(names):
        return None
    dtype = np.dtype([(column, _TYPES[code][0]) for column, code in zip(names, codes, strict=True)])
    if dtype.itemsize + HEAD_BYTES != length or length > _SIZES:
        return None
    return Format(number, name, length, dtype, names, [_TYPES[code][1] for code in codes])


def columns_of(rows: NDArray[Any], one: Format) -> dict[str, pa.Array]:
    """Records of one format as Arrow columns, divisors applied as the log's readers do."""
    found = {}
    for name, divisor in zip(one.columns, one.divisors, strict=True):
        values = rows[name]
        if values.dtype.kind == "S":
            found[name] = texts(values)
        elif values.ndim == 2:
            found[name] = fixed_lists(values)
        elif divisor is not None:
            found[name] = pa.array(values.astype(np.float64) / divisor)
        else:
            found[name] = pa.array(np.ascontiguousarray(values))
    return found
