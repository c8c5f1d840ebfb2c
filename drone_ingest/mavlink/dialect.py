"""The messages of a dialect as numpy layouts, from the tables that pymavlink generates from MAVLink's XML.

`LIVE` is the exception: our own table of what a live link says, which needs no pymavlink.
"""

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from drone_ingest.mavlink.live_dialect import Definition, definitions

__all__ = ["DEFAULT", "LIVE", "Field", "Layout", "dialect"]

DEFAULT = "all"  # every message id of every dialect; ids do not clash
LIVE = "live"
_CODES = {
    "int8_t": "i1", "uint8_t": "u1", "int16_t": "<i2", "uint16_t": "<u2", "int32_t": "<i4", "uint32_t": "<u4",
    "int64_t": "<i8", "uint64_t": "<u8", "float": "<f4", "double": "<f8", "char": "S1",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its numpy type on the wire, 0 or the length of its array, its unit as MAVLink writes it."""

    name: str
    code: str
    length: int
    unit: str

    @property
    def is_text(self) -> bool:
        """char[n]."""
        return self.code == "S1"


@dataclass(frozen=True, slots=True)
class Layout:
    """One message: `dtype` is its whole payload in wire order, extension fields included."""

    id: int
    name: str
    crc_extra: int
    dtype: np.dtype[Any]
    fields: tuple[Field, ...]  # in the order of the definition


@functools.cache
def dialect(name: str = DEFAULT) -> Mapping[int, Layout]:
    """Layouts by message id; raises ModuleNotFoundError when there is no such dialect."""
    if name == LIVE:
        return MappingProxyType({one.id: _defined(one) for one in definitions()})
    module = importlib.import_module(f"pymavlink.dialects.v20.{name}")
    return MappingProxyType({number: _layout(message) for number, message in module.mavlink_map.items()})


def _defined(one: Definition) -> Layout:
    fields = {
        name: Field(name, "S1" if kind == "c" else kind if kind[1] == "1" else f"<{kind}", length, unit)
        for name, kind, length, unit in one.fields
    }
    dtype = np.dtype([(name, _wire_type(fields[name])) for name in one.wire_order()])
    return Layout(one.id, one.name, one.crc_extra(), dtype, tuple(fields.values()))


def _layout(message: Any) -> Layout:
    types = dict(zip(message.fieldnames, message.fieldtypes, strict=True))
    lengths = dict(zip(message.ordered_fieldnames, message.array_lengths, strict=True))
    fields = {
        name: Field(name, _CODES[types[name]], lengths[name], message.fieldunits_by_name.get(name, ""))
        for name in message.fieldnames
    }
    dtype = np.dtype([(name, _wire_type(fields[name])) for name in message.ordered_fieldnames])
    assert dtype.itemsize == message.unpacker.size, message.msgname
    return Layout(message.id, message.msgname, message.crc_extra, dtype, tuple(fields.values()))


def _wire_type(one: Field) -> Any:
    if one.is_text:
        return f"S{max(one.length, 1)}"
    return (one.code, (one.length,)) if one.length else one.code
