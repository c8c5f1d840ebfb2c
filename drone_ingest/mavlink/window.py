"""One window of a log or link: frames found, checked and decoded by message, into Arrow record batches.

Columns of a batch: `_t_us` (int64, the prefix of a .tlog or the time of receipt), `_system`, `_component`, `_seq`
(uint8), then the fields in the order of the dialect with its units as Arrow metadata. Arrays are fixed-size lists,
text ends at its first zero byte. Truncated payloads of MAVLink 2 are filled with zeros, as the standard says.
"""

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.arrow_columns import fixed_lists, texts
from drone_ingest.mavlink.checksum import checksums_hold
from drone_ingest.mavlink.dialect import Field, Layout, dialect
from drone_ingest.mavlink.frames import V1, Extras, scan

__all__ = ["Accept", "Heads", "Marks", "Window", "decode_window", "extras_of"]


@dataclass(frozen=True, slots=True)
class Marks:
    """When the bytes of a window without stamps came in: from each of `starts` on, at the time beside it."""

    starts: NDArray[np.int64]
    t_us: NDArray[np.int64]

    def at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Times of places."""
        return self.t_us[np.maximum(np.searchsorted(self.starts, places, side="right") - 1, 0)]


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of frames (n,): where they begin, where payload and checksum lie, who sent them."""

    at: NDArray[np.int64]  # magic byte
    body: NDArray[np.int64]  # payload
    length: NDArray[np.int64]
    message: NDArray[np.int64]
    system: NDArray[np.uint8]
    component: NDArray[np.uint8]
    seq: NDArray[np.uint8]
    signed: NDArray[np.bool_]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Heads":
        """Some of them."""
        return Heads(*(getattr(self, name)[rows] for name in self.__slots__))


Accept = Callable[[bytes, Heads], NDArray[np.bool_]]


@dataclass(slots=True)
class Window:
    """What one window gave: batches by message name; byte places are relative to the window."""

    used: int = 0
    batches: dict[str, pa.RecordBatch] = field(default_factory=dict)
    heads: Heads | None = None  # of the frames that hold, in their order
    strangers: Heads | None = None  # frames of messages that the dialect lacks: nothing but their place is known
    messages: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    bad: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # records whose checksum is wrong
    unknown: Counter[int] = field(default_factory=Counter)  # frames by message id that the dialect lacks
    tried: int = 0


@functools.cache
def extras_of(name: str) -> Extras:
    """crc_extra by message id of a dialect."""
    layouts = dialect(name)
    extras = np.full(max(layouts) + 1, -1, np.int32)
    for number, layout in layouts.items():
        extras[number] = layout.crc_extra
    return extras


def decode_window(
    window: bytes,
    *,
    name: str,
    prefix: int,
    final: bool,
    tries: int,
    marks: Marks | None = None,
    accept: Accept | None = None,
) -> Window:
    """Decode the records of `window`; see `frames.scan`. `marks` are the times of receipt where no
    prefix has them; without either `_t_us` is 0. `accept` says which
    of the frames are taken, of those that the dialect cannot check too (signatures)."""
    extras = extras_of(name)
    found = scan(window, prefix, extras, final=final, tries=tries)
    result = Window(used=found.used, gaps=found.gaps, tried=found.tried)
    if not len(found.offsets):
        return result
    data = np.frombuffer(window, np.uint8)
    heads = _heads(data, found.offsets + prefix)
    known = heads.message < len(extras)
    extra = extras[np.where(known, heads.message, 0)]
    known &= extra >= 0
    result.unknown = Counter(heads.message[~known].tolist())
    right = known.copy()
    right[known] = checksums_hold(
        data, heads.at[known], (heads.body + heads.length)[known], extra[known].astype(np.uint8)
    )
    result.bad = found.offsets[known & ~right]
    heads, known = heads.take(right | ~known), known[right | ~known]
    if accept is not None:
        accepted = accept(window, heads)
        heads, known = heads.take(accepted), known[accepted]
    heads, result.strangers = heads.take(known), heads.take(~known)
    stamps = np.zeros(len(heads.at), np.int64)
    if prefix:
        stamps = _stamps(data, heads.at - prefix)
    elif marks is not None:
        stamps = marks.at(heads.at)
    result.heads, result.messages = heads, len(heads.at)
    result.batches = _batches(data, heads, stamps, name)
    return result


def _heads(data: NDArray[np.uint8], at: NDArray[np.int64]) -> Heads:
    first = data[at] == V1
    last = len(data) - 1
    byte = [data[np.minimum(at + step, last)] for step in range(10)]
    number = byte[7].astype(np.int64) | byte[8].astype(np.int64) << 8 | byte[9].astype(np.int64) << 16
    return Heads(
        at=at,
        body=at + np.where(first, 6, 10),
        length=byte[1].astype(np.int64),
        message=np.where(first, byte[5], number),
        system=np.where(first, byte[3], byte[5]),
        component=np.where(first, byte[4], byte[6]),
        seq=np.where(first, byte[2], byte[4]),
        signed=~first & (byte[2] & 1 > 0),
    )


def _stamps(data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    stamps: NDArray[np.int64] = data[at[:, None] + np.arange(8)].view(">u8")[:, 0].astype(np.int64)
    return stamps


def _batches(data: NDArray[np.uint8], heads: Heads, stamps: NDArray[np.int64], name: str) -> dict[str, pa.RecordBatch]:
    layouts = dialect(name)
    order = np.argsort(heads.message, kind="stable")
    cuts = np.flatnonzero(np.diff(heads.message[order])) + 1
    batches = {}
    for group in np.split(order, cuts):
        if len(group):
            layout = layouts[int(heads.message[group[0]])]
            batches[layout.name] = _batch(data, heads.take(group), stamps[group], layout)
    return batches


def _batch(data: NDArray[np.uint8], heads: Heads, stamps: NDArray[np.int64], layout: Layout) -> pa.RecordBatch:
    size = layout.dtype.itemsize
    column = np.arange(size)
    payload = data[np.minimum(heads.body[:, None] + column, len(data) - 1)]
    short = heads.length < size
    if short.any():
        payload[short] *= column < heads.length[short, None]
    rows = payload.view(layout.dtype)[:, 0] if size else np.empty(len(stamps), layout.dtype)
    columns = [pa.array(stamps), pa.array(heads.system), pa.array(heads.component), pa.array(heads.seq)]
    columns += [_column(rows[one.name], one) for one in layout.fields]
    return pa.RecordBatch.from_arrays(columns, schema=_schema(layout))


@functools.cache
def _schema(layout: Layout) -> pa.Schema:
    fields = [
        pa.field("_t_us", pa.int64()), pa.field("_system", pa.uint8()), pa.field("_component", pa.uint8()),
        pa.field("_seq", pa.uint8()),
    ]  # fmt: skip
    for one in layout.fields:
        kind = pa.string() if one.is_text else pa.from_numpy_dtype(np.dtype(one.code).newbyteorder("="))
        if one.length and not one.is_text:
            kind = pa.list_(kind, one.length)
        fields.append(pa.field(one.name, kind, metadata={"unit": one.unit} if one.unit else None))
    return pa.schema(fields, metadata={"message_id": str(layout.id)})


def _column(values: NDArray[np.generic], one: Field) -> pa.Array:
    if one.is_text:
        return texts(values)
    return fixed_lists(values) if one.length else pa.array(np.ascontiguousarray(values))
