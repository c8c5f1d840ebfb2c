"""The `packed` body of readings: plain columns, each as narrow as it can be without loss.

A body is a 24-byte descriptor and four columns, all little-endian:

| field | bytes | meaning |
|---|---|---|
| `point_base` | 4 | added to every point offset |
| `ts_unit` | 4 | microseconds a time step |
| `ts_base` | 8 | added to every time offset, µs since 1970 |
| `value_code` | 1 | 8: float64; 4: float32; 1, 2 or 5: decimals, steps above `value_base` in 1, 2 or 4 bytes |
| `ts_code` | 1 | bytes of a time offset: 0 (all equal `ts_base`), 2, 4 or 8 (signed) |
| `point_code` | 1 | bytes of a point offset: 0 (all equal `point_base`), 2 or 4 |
| `quality_code` | 1 | 1: a byte a reading, 0: all equal `quality` |
| `quality` | 1 | the one quality |
| `places` | 1 | decimals only: a step is 10^-places, at most 6 |
| reserved | 2 | zero |
| `value_base` | 8 | decimals only: the step from which offsets count, signed |
| columns | n × bytes | value, time, point, quality |

What devices send has few digits: 21.37 is 2137 steps of 0.01. Only what comes back bit for bit is written so; else
float32 where that is exact, else float64.

Records of one shape are packed and unpacked together, as one structured numpy array, so that a hundred
small records cost little more than one large one.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wire.errors import RecordError
from wire.limits import RECORD_ROWS_MAX

__all__ = [
    "DESCRIPTOR_BYTES",
    "Columns",
    "Layout",
    "body_bytes",
    "columns_of",
    "choose",
    "fill",
    "layouts_of",
    "read",
]

DESCRIPTOR_BYTES = 24
_DESCRIPTOR = np.dtype(
    [
        ("point_base", "<u4"), ("ts_unit", "<u4"), ("ts_base", "<i8"), ("value_code", "u1"), ("ts_code", "u1"),
        ("point_code", "u1"), ("quality_code", "u1"), ("quality", "u1"), ("places", "u1"), ("reserved", "u1", 2),
    ]
)  # fmt: skip
_VALUE = {8: "<f8", 4: "<f4", 1: "u1", 2: "<u2", 5: "<u4"}
_DECIMALS = (1, 2, 5)
_VALUE_BYTES = {code: np.dtype(kind).itemsize for code, kind in _VALUE.items()}
_BASE_BYTES = 8
PLACES_MAX = 6
_STEPS_MAX = 2.0**53  # above it a float64 has no steps of one
_SAMPLE = 16  # values that decide most cases
_TS = {0: None, 2: "<u2", 4: "<u4", 8: "<i8"}
_POINT = {0: None, 2: "<u2", 4: "<u4"}
_QUALITY = {0: None, 1: "u1"}
assert _DESCRIPTOR.itemsize == DESCRIPTOR_BYTES


class Columns(NamedTuple):
    """Readings as four arrays of one length: uint32, int64 (µs), float64, uint8."""

    point: NDArray[np.uint32]
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]

    def part(self, start: int, stop: int) -> "Columns":
        """Rows `start` to `stop`, without copying."""
        return Columns(self.point[start:stop], self.ts[start:stop], self.value[start:stop], self.quality[start:stop])


class Layout(NamedTuple):
    """The widths of a body's columns, and its row count."""

    rows: int
    value: int
    ts: int
    point: int
    quality: int
    ts_unit: int
    places: int = 0
    value_base: float = 0.0  # of what is written; what is read has one in each record


def columns_of(batch: pa.RecordBatch) -> Columns:
    """The columns of a readings@1 batch without copying; RecordError when it holds nulls."""
    if any(column.null_count for column in batch.columns):
        raise RecordError("body", "a reading may not be null")
    point, ts, value, quality = batch.columns
    return Columns(
        point.to_numpy(zero_copy_only=False),
        ts.view(pa.int64()).to_numpy(zero_copy_only=False),
        value.to_numpy(zero_copy_only=False),
        quality.to_numpy(zero_copy_only=False),
    )


def body_bytes(layout: Layout) -> int:
    """Size of a body of this layout."""
    width = _VALUE_BYTES[layout.value] + layout.ts + layout.point + layout.quality
    return DESCRIPTOR_BYTES + _BASE_BYTES * (layout.value in _DECIMALS) + layout.rows * width


def choose(columns: Columns, rows: int) -> Layout:
    """The narrowest lossless layout that fits every run of `rows` readings (the row count divides evenly)."""
    point, ts = columns.point.reshape(-1, rows), columns.ts.reshape(-1, rows)
    point_span = int((point.max(axis=1) - point.min(axis=1)).max())
    low = ts.min(axis=1)
    spans = ts.max(axis=1) - low
    ts_span = int(spans.max()) if (spans >= 0).all() else 2**63  # a span that overflows needs all eight bytes
    quality = columns.quality
    ts_code, ts_unit = _ts_code(ts, low, ts_span)
    value_code, places, value_base = _value_code(columns.value)
    return Layout(
        rows=rows,
        value=value_code,
        ts=ts_code,
        point=0 if point_span == 0 else 2 if point_span < 2**16 else 4,
        quality=0 if (quality == quality[0]).all() else 1,
        ts_unit=ts_unit,
        places=places,
        value_base=value_base,
    )


def fill(out: NDArray[np.void], columns: Columns, layout: Layout) -> None:
    """Write the bodies of k records; `out` is a (k,) array of `body_dtype(layout)`."""
    shape = (len(out), layout.rows)
    point, ts = columns.point.reshape(shape), columns.ts.reshape(shape)
    out["point_base"], out["ts_base"], out["ts_unit"] = point.min(axis=1), ts.min(axis=1), layout.ts_unit
    out["value_code"], out["ts_code"] = layout.value, layout.ts
    out["point_code"], out["quality_code"] = layout.point, layout.quality
    value = columns.value.reshape(shape)
    if layout.value in _DECIMALS:
        steps = np.rint(value * 10.0**layout.places)
        steps -= layout.value_base
        out["value_base"], out["places"], out["value"] = layout.value_base, layout.places, steps
    else:
        out["value"] = value
    if layout.ts:
        offset = ts - out["ts_base"][:, None]
        out["ts"] = offset if layout.ts_unit == 1 else offset // layout.ts_unit
    if layout.point:
        out["point"] = point - out["point_base"][:, None]
    if layout.quality:
        out["quality_column"] = columns.quality.reshape(shape)
    else:
        out["quality"] = columns.quality[0]


def layouts_of(body: bytes | memoryview, rows: int) -> Layout:
    """The layout that a body claims; RecordError when it claims what cannot be or its size does not match."""
    if len(body) < DESCRIPTOR_BYTES or not 0 < rows <= RECORD_ROWS_MAX:
        raise RecordError("body", f"packed body of {len(body)} bytes, {rows} rows")
    claim = np.frombuffer(body, _DESCRIPTOR, 1)[0]
    layout = Layout(
        rows, int(claim["value_code"]), int(claim["ts_code"]), int(claim["point_code"]), int(claim["quality_code"]),
        int(claim["ts_unit"]), int(claim["places"]),
    )  # fmt: skip
    known = layout.value in _VALUE and layout.ts in _TS and layout.point in _POINT and layout.quality in _QUALITY
    known &= layout.places <= (PLACES_MAX if layout.value in _DECIMALS else 0)
    if not known or layout.ts_unit == 0 or body_bytes(layout) != len(body):
        raise RecordError("body", f"packed body of {len(body)} bytes does not fit its descriptor {tuple(layout)}")
    return layout


def read(bodies: NDArray[np.void], layout: Layout) -> Columns:
    """The readings of k bodies of one layout, end to end; `bodies` is a (k,) array of `body_dtype(layout)`."""
    count = len(bodies) * layout.rows
    point = np.empty((len(bodies), layout.rows), np.uint32)
    ts = np.empty((len(bodies), layout.rows), np.int64)
    point[:] = bodies["point_base"][:, None]
    ts[:] = bodies["ts_base"][:, None]
    if layout.point:
        point += bodies["point"]
    if layout.ts:
        step = bodies["ts"] if layout.ts_unit == 1 else bodies["ts"] * np.int64(layout.ts_unit)
        np.add(ts, step, out=ts, casting="unsafe")
    if layout.value in _DECIMALS:
        value = bodies["value"] + bodies["value_base"].astype(np.float64)[:, None]
        if layout.places:
            value /= 10.0**layout.places
        value = value.reshape(count)
    else:
        with np.errstate(invalid="ignore"):  # a signalling NaN from outside
            value = np.ascontiguousarray(bodies["value"], dtype=np.float64).reshape(count)
    if layout.quality:
        quality = np.ascontiguousarray(bodies["quality_column"]).reshape(count)
    else:
        quality = np.repeat(bodies["quality"], layout.rows)
    return Columns(point.reshape(count), ts.reshape(count), value, quality)


@lru_cache(maxsize=256)
def body_dtype(layout: Layout, offset: int = 0) -> np.dtype[np.void]:
    """Structured type of a whole record whose body starts `offset` bytes in."""
    names, formats, offsets = [], [], []
    for name in _DESCRIPTOR.names or ():
        field, at = _DESCRIPTOR.fields[name][:2]  # type: ignore[index]
        names.append(name)
        formats.append(field)
        offsets.append(offset + at)
    at = offset + DESCRIPTOR_BYTES
    if layout.value in _DECIMALS:
        names.append("value_base")
        formats.append("<i8")
        offsets.append(at)
        at += _BASE_BYTES
    for name, code, table in (
        ("value", layout.value, _VALUE),
        ("ts", layout.ts, _TS),
        ("point", layout.point, _POINT),
        ("quality_column", layout.quality, _QUALITY),
    ):
        kind = table[code]
        if kind is not None:
            names.append(name)
            column = np.dtype((kind, (layout.rows,)))
            formats.append(column)
            offsets.append(at)
            at += column.itemsize
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": at})


class _Steps(NamedTuple):
    """Values as whole numbers of 10^-places: the least of them, and how far the greatest lies above it."""

    places: int
    low: float
    span: float


def _value_code(value: NDArray[np.float64]) -> tuple[int, int, float]:
    """The narrowest lossless form of all values: its code, decimal places and base."""
    steps = _decimals(value)
    if steps is not None and steps.span < 2**16:
        return (1 if steps.span < 2**8 else 2), steps.places, steps.low
    if _fits_float32(value):
        return 4, 0, 0.0
    if steps is not None and steps.span < 2**32:
        return 5, steps.places, steps.low
    return 8, 0, 0.0


def _decimals(value: NDArray[np.float64]) -> _Steps | None:
    """The fewest decimal places with which every value comes back bit for bit; None when more are needed."""
    places = 0
    for part in (value[:_SAMPLE], value):
        while (steps := _in_steps(part, places)) is None:
            places += 1
            if places > PLACES_MAX:
                return None
    return steps


def _in_steps(value: NDArray[np.float64], places: int) -> _Steps | None:
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.rint(value * 10.0**places)
        steps += 0.0  # so that -0.0 does not pass for 0.0
        low, high = float(steps.min()), float(steps.max())
        if not -_STEPS_MAX < low <= high < _STEPS_MAX:  # so it is, too, when one is not a number
            return None
        steps /= 10.0**places
    exact = np.array_equal(steps.view(np.uint64), value.view(np.uint64))
    return _Steps(places, low, high - low) if exact else None


def _fits_float32(value: NDArray[np.float64]) -> bool:
    """Whether every value survives float32 bit for bit; a few samples decide most cases."""
    for part in (value[:_SAMPLE], value):
        with np.errstate(over="ignore", invalid="ignore"):
            back = part.astype(np.float32).astype(np.float64)
        if not np.array_equal(back.view(np.uint64), part.view(np.uint64)):
            return False
    return True


def _ts_code(ts: NDArray[np.int64], low: NDArray[np.int64], span_us: int) -> tuple[int, int]:
    """Bytes and unit of the time offsets: milliseconds where they are exact and save bytes."""
    if span_us == 0:
        return 0, 1
    if span_us < 2**16:
        return 2, 1
    narrow = 2 if span_us < 2**16 * 1_000 else 4 if 2**32 <= span_us < 2**32 * 1_000 else 0
    if narrow and _whole_ms(ts[:, :16] - low[:, None]) and _whole_ms(ts - low[:, None]):
        return narrow, 1_000
    return (4, 1) if span_us < 2**32 else (8, 1)


def _whole_ms(offset: NDArray[np.int64]) -> bool:
    return not (offset % 1_000).any()
