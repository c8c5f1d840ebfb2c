"""The head of a LAS or LAZ file: public header, variable length records, coordinate system, point layout.

Every count and offset is checked against the file's size before it is used: LAS 1.0 to 1.4, point formats 0 to 10.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from drone_ingest.clouds.las_reference import Reference, reference_of
from drone_ingest.limits import DroneLimits
from wire.errors import InputError

__all__ = ["LasHead", "read_head"]

_FIX = "export the cloud again"
_HEADER_MIN = 227
_HEADER_MAX = 375
_EVLRS_MAX = 1_000
_VLRS_MAX = 10_000
_CORE = [("x", "<i4"), ("y", "<i4"), ("z", "<i4"), ("intensity", "<u2")]
_OLD = [*_CORE, ("flags", "u1"), ("classification", "u1"), ("angle", "i1"), ("user", "u1"), ("point_source_id", "<u2")]
_NEW = [*_CORE, ("flags", "u1"), ("flags2", "u1"), ("classification", "u1"), ("user", "u1"), ("angle", "<i2"),
        ("point_source_id", "<u2"), ("gps_time_s", "<f8")]  # fmt: skip
_TIME = [("gps_time_s", "<f8")]
_RGB = [("red", "<u2"), ("green", "<u2"), ("blue", "<u2")]
_WAVE = [("wave", "V29")]
_FORMATS: dict[int, list[tuple[str, str]]] = {
    0: _OLD, 1: _OLD + _TIME, 2: _OLD + _RGB, 3: _OLD + _TIME + _RGB, 4: _OLD + _TIME + _WAVE,
    5: _OLD + _TIME + _RGB + _WAVE, 6: _NEW, 7: _NEW + _RGB, 8: [*_NEW, *_RGB, ("nir", "<u2")], 9: _NEW + _WAVE,
    10: [*_NEW, *_RGB, ("nir", "<u2"), *_WAVE],
}  # fmt: skip


@dataclass(slots=True)
class LasHead:
    """What the head says, checked for sense."""

    version: str
    format: int
    points: int
    dtype: np.dtype[Any]  # of one record, with unnamed extra bytes
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    bounds: list[float]
    data_at: int  # first byte of the points
    laszip: bytes | None  # record of the compressor
    copc: bool
    gps_adjusted: bool  # gps_time is GPS seconds less 10⁹, else seconds of a week that is not said
    reference: Reference
    created: str
    doubts: list[str] = field(default_factory=list)


def read_head(path: Path, limits: DroneLimits) -> LasHead:
    """The head; raises InputError naming what cannot be."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(_HEADER_MAX)
        if len(header) < _HEADER_MIN:
            raise InputError("it ends inside its header", file=str(path), fix=_FIX)
        major, minor = header[24], header[25]
        head_size, data_at, vlr_count = struct.unpack_from("<HII", header, 94)
        format_byte, record_bytes, points = struct.unpack_from("<BHI", header, 104)
        if major != 1 or minor > 4:
            raise InputError(
                f"LAS {major}.{minor} is not known", file=str(path), field="version", fix="save as LAS 1.4"
            )
        if minor == 4 and len(header) == _HEADER_MAX:
            points = struct.unpack_from("<Q", header, 247)[0] or points
        if not _HEADER_MIN <= head_size <= data_at <= size:
            raise InputError("its header contradicts the size of the file", file=str(path), field="offset", fix=_FIX)
        if data_at > limits.header_bytes or vlr_count > _VLRS_MAX:
            raise InputError("its records before the points are larger than any", file=str(path), fix=_FIX)
        vlrs = _vlrs(file, head_size, data_at, vlr_count)
        cut_at = _cut_records(file, header, size) if minor == 4 and len(header) == _HEADER_MAX else None
    dtype = _layout(format_byte & 0x3F, record_bytes, str(path))
    numbers = struct.unpack_from("<12d", header, 131)
    head = LasHead(
        version=f"{major}.{minor}", format=format_byte & 0x3F, points=points, dtype=dtype,
        scale=numbers[0:3], offset=numbers[3:6],
        bounds=[*numbers[7:12:2], *numbers[6:12:2]], data_at=data_at,
        laszip=vlrs.get(("laszip encoded", 22204)), copc=("copc", 1) in vlrs,
        gps_adjusted=bool(struct.unpack_from("<H", header, 6)[0] & 1), reference=reference_of(vlrs),
        created="{1:04d}-{0:03d}".format(*struct.unpack_from("<HH", header, 90)),
    )  # fmt: skip
    if not all(np.isfinite(numbers)) or not all(head.scale):
        raise InputError("its scales and offsets are no numbers", file=str(path), field="scale", fix=_FIX)
    if bool(format_byte & 0xC0) != (head.laszip is not None):
        raise InputError("it says it is compressed but not how", file=str(path), field="laszip", fix=_FIX)
    _check_points(head, size, str(path), limits)
    if cut_at is not None:
        head.doubts.append(f"its extended records at byte {cut_at} reach beyond its end")
    return head


def _vlrs(file: BinaryIO, start: int, end: int, count: int) -> dict[tuple[str, int], bytes]:
    """Variable length records by user and number; a broken one ends them."""
    file.seek(start)
    data = file.read(end - start)
    found: dict[tuple[str, int], bytes] = {}
    at = 0
    for _ in range(count):
        if at + 54 > len(data):
            break
        user, number, length = struct.unpack_from("<2x16sHH", data, at)
        found.setdefault((user.partition(b"\0")[0].decode("latin-1"), number), data[at + 54 : at + 54 + length])
        at += 54 + length
    return found


def _cut_records(file: BinaryIO, header: bytes, size: int) -> int | None:
    """Where the first extended record begins that the file does not hold whole; None when all are there."""
    at, count = struct.unpack_from("<QI", header, 235)
    for _ in range(min(count, _EVLRS_MAX)):
        if at + 60 > size:
            return int(at)
        file.seek(at + 20)
        end = at + 60 + int.from_bytes(file.read(8), "little")
        if end > size:
            return int(at)
        at = end
    return None


def _layout(number: int, record_bytes: int, file: str) -> np.dtype[Any]:
    fields = _FORMATS.get(number)
    if fields is None:
        raise InputError(f"point format {number} is not known", file=file, field="point format", fix="save as LAS 1.4")
    size = np.dtype(fields).itemsize
    if record_bytes < size:
        problem = f"a record of {record_bytes} bytes is shorter than point format {number}"
        raise InputError(problem, file=file, field="record length", fix=_FIX)
    return np.dtype([*fields, ("extra", f"V{record_bytes - size}")] if record_bytes > size else fields)


def _check_points(head: LasHead, size: int, file: str, limits: DroneLimits) -> None:
    if head.points > limits.points:
        problem = f"it promises {head.points} points; clouds are read up to {limits.points}"
        raise InputError(problem, file=file, field="point count", fix="split or thin it")
    room = size - head.data_at
    if head.laszip is None:
        whole = room // head.dtype.itemsize
        if whole < head.points:
            head.doubts.append(f"it promises {head.points} points and has room for {whole}")
    elif head.points > room * 64:  # a repeated point takes a fraction of a bit in theory, never so little
        problem = f"it promises {head.points} points in {room} bytes"
        raise InputError(problem, file=file, field="point count", fix=_FIX)
