"""Tags of TIFF directories, as EXIF, TIFF and DNG have them; bounded, and deaf to what is broken.

A tag whose values lie outside the data or whose type is unknown is left out and noted; directories are visited once.
"""

import struct
from typing import Protocol

from drone_ingest.damage import Notes

__all__ = ["Bytes", "Tags", "rational", "read_tags", "text"]

Value = bytes | list[int] | list[float] | list[tuple[int, int]]
Tags = dict[int, Value]
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_CODES = {3: "H", 4: "I", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_VALUE_BYTES_MAX = 1 << 20  # an XMP packet; the strips of the picture are not read
EXIF_IFD, GPS_IFD, SUB_IFDS = 0x8769, 0x8825, 0x014A


class Bytes(Protocol):
    """bytes or mmap."""

    def __getitem__(self, key: slice, /) -> bytes: ...
    def __len__(self) -> int: ...


def read_tags(data: Bytes, tags_max: int, notes: Notes) -> dict[str, Tags]:
    """Directories "main", "exif" and "gps" of a TIFF structure that begins at byte 0 of `data`."""
    order = {b"II": "<", b"MM": ">"}.get(data[0:2])
    if order is None or len(data) < 8:
        notes.damage(0, "byte", "no TIFF header")
        return {}
    found = {"main": _directory(data, order, _u32(data, 4, order), tags_max, notes)}
    for name, pointer in (("exif", EXIF_IFD), ("gps", GPS_IFD)):
        where = found["main"].get(pointer)
        if isinstance(where, list) and where and isinstance(where[0], int):
            found[name] = _directory(data, order, where[0], tags_max, notes)
    return found


def _directory(data: Bytes, order: str, at: int, tags_max: int, notes: Notes) -> Tags:
    head = data[at : at + 2]
    if len(head) < 2 or at < 8:
        notes.damage(min(at, len(data)), "byte", "a directory of tags lies outside the file")
        return {}
    count = struct.unpack(order + "H", head)[0]
    tags: Tags = {}
    for row in range(min(count, tags_max)):
        place = at + 2 + 12 * row
        entry = data[place : place + 12]
        if len(entry) < 12:
            notes.damage(len(data), "byte", "the directory of tags is cut")
            break
        number, kind, values, _ = struct.unpack(order + "HHII", entry)
        value = _value(data, order, kind, values, place)
        if value is None:
            notes.damage(place, "byte", f"tag {number:#06x} has no readable value")
        else:
            tags.setdefault(number, value)
    return tags


def _value(data: Bytes, order: str, kind: int, count: int, place: int) -> Value | None:
    size = _SIZES.get(kind, 0) * count
    if not size:
        return None if kind not in _SIZES else b""
    at = place + 8 if size <= 4 else _u32(data, place + 8, order)
    if size > _VALUE_BYTES_MAX:
        return b"" if at < len(data) else None  # the picture itself
    raw = data[at : at + size]
    if len(raw) < size:
        return None
    if kind in (5, 10):
        numbers = struct.unpack(f"{order}{2 * count}{'I' if kind == 5 else 'i'}", raw)
        return list(zip(numbers[::2], numbers[1::2], strict=True))
    code = _CODES.get(kind)
    return bytes(raw) if code is None else list(struct.unpack(f"{order}{count}{code}", raw))


def _u32(data: Bytes, at: int, order: str) -> int:
    raw = data[at : at + 4]
    return struct.unpack(order + "I", raw)[0] if len(raw) == 4 else 0


def text(tags: Tags, number: int) -> str:
    """An ASCII tag, "" when it is not there."""
    value = tags.get(number)
    return value.partition(b"\0")[0].decode("utf-8", "replace").strip()[:500] if isinstance(value, bytes) else ""


def rational(tags: Tags, number: int) -> list[float]:
    """A tag of numbers or rationals as floats; those divided by zero are left out."""
    value = tags.get(number)
    if value is None or isinstance(value, bytes):
        return [float(one) for one in value] if isinstance(value, bytes) and len(value) == 1 else []
    pairs = [one if isinstance(one, tuple) else (one, 1) for one in value]
    return [above / below for above, below in pairs if below]
