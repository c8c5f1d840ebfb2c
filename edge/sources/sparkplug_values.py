"""What a Sparkplug value is worth: numbers, words, the parts of arrays, data sets and templates, and back again.

Pure. `ValueRefusedError` says why a value cannot be what its data type says; `LeftOutError` that its type is no point.
"""

import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from edge.sources.sparkplug_message import TYPES
from wire.errors import Aid4Error
from wire.quality import BAD, STALE

__all__ = [
    "INTEGERS", "LeftOutError", "Part", "ValueRefusedError", "parts", "properties", "put", "quality_of", "type_for",
]  # fmt: skip

PARTS_MAX: Final = 256  # points of one array, data set or template; more is a table, not a few quantities
DEPTH_MAX: Final = 4  # of templates in templates
INTEGERS: Final = {  # bits, signed
    "Int8": (8, True), "Int16": (16, True), "Int32": (32, True), "Int64": (64, True), "UInt8": (8, False),
    "UInt16": (16, False), "UInt32": (32, False), "UInt64": (64, False),
}  # fmt: skip
_WORDS: Final = frozenset({"String", "Text", "UUID"})
_ARRAYS: Final = {  # element type, struct code
    "Int8Array": ("Int8", "b"), "Int16Array": ("Int16", "h"), "Int32Array": ("Int32", "i"),
    "Int64Array": ("Int64", "q"), "UInt8Array": ("UInt8", "B"), "UInt16Array": ("UInt16", "H"),
    "UInt32Array": ("UInt32", "I"), "UInt64Array": ("UInt64", "Q"), "FloatArray": ("Float", "f"),
    "DoubleArray": ("Double", "d"), "DateTimeArray": ("DateTime", "q"),
}  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATETIME_MS_MIN, _DATETIME_MS_MAX = -62_135_596_800_000, 253_402_300_799_999
_GOOD, _STALE_CODE = 192, 500


class ValueRefusedError(Aid4Error):
    """A value that is not what its data type says."""


class LeftOutError(Aid4Error):
    """A data type that has no place among points; says why."""


class Part(NamedTuple):
    """One quantity in a metric: what its name adds to the metric's, its type, its value (None: the node has none)."""

    suffix: str
    type: str
    value: float | str | None


def parts(metric: Any, kind: str) -> Iterator[Part]:
    """The quantities of a metric of the data type `kind`."""
    if metric.is_null:
        if kind in INTEGERS or kind in ("Float", "Double", "Boolean", "DateTime") or kind in _WORDS:
            yield Part("", kind, None)
        return
    if kind in _ARRAYS or kind in ("BooleanArray", "StringArray"):
        yield from _array(metric, kind)
    elif kind == "DataSet":
        yield from _data_set(metric)
    elif kind == "Template":
        yield from _template(metric, "", 0)
    else:
        yield Part("", kind, _scalar(metric, kind))


def properties(metric: Any) -> dict[str, float | str | bool]:
    """The scalar properties of a metric by key; others, and what is null, are passed over."""
    found: dict[str, float | str | bool] = {}
    held = metric.properties
    for key, value in zip(held.keys, held.values, strict=False):
        field = value.WhichOneof("value")
        kind = TYPES.get(value.type, "Unknown")
        if value.is_null or field is None or field.startswith("propertyset"):
            continue
        raw = getattr(value, field)
        if kind in INTEGERS and field in ("int_value", "long_value"):
            raw = _whole(raw, *INTEGERS[kind], field)
        found[key] = raw
    return found


def quality_of(code: float | str | bool) -> int:
    """The property `Quality` as our flags: 192 to 255 is good, 500 stale, all else bad."""
    if isinstance(code, bool) or not isinstance(code, int | float):
        return BAD
    if code == _STALE_CODE:
        return STALE
    return 0 if _GOOD <= code < 256 else BAD


def type_for(kind: str, value: float | str | bool) -> float | str | bool:
    """A command's value as the data type wants it; ValueRefusedError when it cannot be that."""
    if kind == "Boolean":
        words = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}
        found = words.get(str(value).lower())
        if found is None:
            raise ValueRefusedError(f"{value!r} is neither true nor false")
        return found
    if kind in _WORDS:
        return str(value)
    if isinstance(value, str | bool) or not math.isfinite(value):
        raise ValueRefusedError(f"{value!r} is no number")
    if kind in INTEGERS:
        bits, signed = INTEGERS[kind]
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if value != int(value) or not low <= value <= high:
            raise ValueRefusedError(f"{value} is no {kind}")
        return int(value)
    if kind == "Float" and abs(value) > 3.4028235e38:
        raise ValueRefusedError(f"{value} is no Float")
    if kind in ("Float", "Double"):
        return float(value)
    raise ValueRefusedError(f"a {kind} cannot be commanded")


def put(metric: Any, kind: str, value: float | str | bool) -> None:
    """Set `datatype` and the value field of a metric from what `type_for` gave."""
    metric.datatype = next(number for number, name in TYPES.items() if name == kind)
    if kind in INTEGERS:
        bits, _ = INTEGERS[kind]
        wide = 64 if bits == 64 else 32
        setattr(metric, "long_value" if wide == 64 else "int_value", int(value) & ((1 << wide) - 1))
    elif kind == "Boolean":
        metric.boolean_value = bool(value)
    elif kind == "Float":
        metric.float_value = float(value)
    elif kind == "Double":
        metric.double_value = float(value)
    else:
        metric.string_value = str(value)


def _scalar(item: Any, kind: str) -> float | str:
    """The one value of a metric, cell or parameter; booleans and times become words."""
    field = item.WhichOneof("value")
    if field is None:
        raise ValueRefusedError(f"a {kind} without a value")
    raw = getattr(item, field)
    if kind in INTEGERS and field in ("int_value", "long_value"):
        return float(_whole(raw, *INTEGERS[kind], field))
    if kind in ("Float", "Double") and field in ("float_value", "double_value"):
        return float(raw)
    if kind == "Boolean" and field == "boolean_value":
        return "true" if raw else "false"
    if kind in _WORDS and field == "string_value":
        return str(raw)
    if kind == "DateTime" and field == "long_value":
        return _instant(raw)
    if kind in ("Bytes", "File", "PropertySet", "PropertySetList", "Unknown") or kind not in TYPES.values():
        raise LeftOutError(f"a {kind} is no point")
    raise ValueRefusedError(f"a {kind} in {field}")


def _whole(raw: int, bits: int, signed: bool, field: str) -> int:
    """An integer of `bits` bits; a negative one stands as two's complement of its own or of its field's width."""
    if not signed:
        if raw >> bits:
            raise ValueRefusedError(f"{raw} is no number of {bits} bits")
        return raw
    width = 64 if field == "long_value" else 32
    if raw < 1 << (bits - 1):
        return raw
    if raw < 1 << bits:
        return raw - (1 << bits)
    if bits < width and raw >= (1 << width) - (1 << (bits - 1)):
        return raw - (1 << width)
    if width == 64 and bits <= 32 and (1 << 32) - (1 << (bits - 1)) <= raw < 1 << 32:
        return raw - (1 << 32)
    raise ValueRefusedError(f"{raw} is no number of {bits} bits")


def _instant(ms: int) -> str:
    """Milliseconds since 1970, which may stand as two's complement, in ISO 8601."""
    signed = ms - (1 << 64) if ms >> 63 else ms
    if not _DATETIME_MS_MIN <= signed <= _DATETIME_MS_MAX:
        raise ValueRefusedError(f"{signed} ms is no time")
    return (_EPOCH + timedelta(milliseconds=signed)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _array(metric: Any, kind: str) -> Iterator[Part]:
    """The elements of an array, which stands little-endian in `bytes_value`."""
    if metric.WhichOneof("value") != "bytes_value":
        raise ValueRefusedError(f"a {kind} without bytes")
    raw = metric.bytes_value
    if kind == "BooleanArray":
        yield from _booleans(raw)
        return
    if kind == "StringArray":
        if raw and raw[-1]:
            raise ValueRefusedError("a StringArray whose last text does not end")
        texts = raw.split(b"\0")[:-1]
        _few(len(texts))
        try:
            words = [text.decode() for text in texts]
        except UnicodeDecodeError as error:
            raise ValueRefusedError("a StringArray that is not UTF-8") from error
        yield from (Part(f"_{at}", "String", word) for at, word in enumerate(words))
        return
    element, code = _ARRAYS[kind]
    size = struct.calcsize(f"<{code}")
    count, rest = divmod(len(raw), size)
    if rest:
        raise ValueRefusedError(f"{len(raw)} bytes are no whole {kind}")
    _few(count)
    for at, value in enumerate(struct.unpack(f"<{count}{code}", raw)):
        yield Part(f"_{at}", element, _instant(value % (1 << 64)) if element == "DateTime" else float(value))


def _booleans(raw: bytes) -> Iterator[Part]:
    """A BooleanArray: how many (uint32), then eight a byte, the first in the highest bit."""
    if len(raw) < 4:
        raise ValueRefusedError("a BooleanArray without its length")
    (count,) = struct.unpack_from("<I", raw)
    _few(count)
    if len(raw) != 4 + (count + 7) // 8:
        raise ValueRefusedError(f"a BooleanArray of {count} in {len(raw)} bytes")
    for at in range(count):
        yield Part(f"_{at}", "Boolean", "true" if raw[4 + at // 8] >> (7 - at % 8) & 1 else "false")


def _data_set(metric: Any) -> Iterator[Part]:
    """The cells of a data set: `_column` of the only row, else `_row_column`."""
    if metric.WhichOneof("value") != "dataset_value":
        raise ValueRefusedError("a DataSet without its rows")
    table = metric.dataset_value
    width = len(table.columns)
    if table.num_of_columns != width or len(table.types) != width or any(len(r.elements) != width for r in table.rows):
        raise ValueRefusedError("a DataSet whose columns, types and rows do not match")
    _few(width * len(table.rows))
    for at, row in enumerate(table.rows):
        lead = f"_{at}" if len(table.rows) > 1 else ""
        for column, number, cell in zip(table.columns, table.types, row.elements, strict=True):
            kind = TYPES.get(number, "Unknown")
            value = None if cell.WhichOneof("value") is None else _scalar(cell, kind)
            yield Part(f"{lead}_{column}", kind, value)


def _template(metric: Any, lead: str, depth: int) -> Iterator[Part]:
    """The members of a template instance, down to `DEPTH_MAX`."""
    if metric.WhichOneof("value") != "template_value":
        raise ValueRefusedError("a Template without its value")
    template = metric.template_value
    if template.is_definition:
        raise LeftOutError("a definition of a template is no point")
    if depth >= DEPTH_MAX:
        raise LeftOutError(f"templates nested deeper than {DEPTH_MAX}")
    _few(len(template.metrics))
    for member in template.metrics:
        name, kind = f"{lead}_{member.name}", TYPES.get(member.datatype, "Unknown")
        if kind == "Template" and not member.is_null:
            yield from _template(member, name, depth + 1)
        elif kind not in ("Bytes", "File", "Unknown"):
            for part in parts(member, kind):
                yield part._replace(suffix=name + part.suffix)


def _few(count: int) -> None:
    if count > PARTS_MAX:
        raise LeftOutError(f"{count} values in one metric, at most {PARTS_MAX}")
