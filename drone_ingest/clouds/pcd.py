"""PCD of the Point Cloud Library: ASCII, binary and binary_compressed (LZF), with the pose of the sensor.

`VIEWPOINT tx ty tz qw qx qy qz` is where the sensor stood. PCL packs a colour into the bits of one float `rgb`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clouds.columns import points_batch, rows_at_once
from drone_ingest.clouds.ply import batch_of, column_of
from drone_ingest.clouds.text_points import text_rows
from drone_ingest.damage import Notes
from drone_ingest.door import Progress
from drone_ingest.found import Cloud, CloudScan
from drone_ingest.limits import MIB, DroneLimits
from wire.errors import InputError

__all__ = ["read_pcd"]

_FIX = "export the cloud again"
_LINES_MAX = 200
_PACKED_BYTES_MAX = 512 * MIB  # columns of a compressed PCD lie one behind the other and are unpacked at once
_WORDS = ("VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA")


@dataclass(frozen=True, slots=True)
class _Head:
    encoding: str
    points: int
    dtype: np.dtype[Any]
    data_at: int
    lines: int


def read_pcd(path: Path, limits: DroneLimits, progress: Progress) -> Cloud:
    """The head of a PCD, its points on demand; raises InputError."""
    with path.open("rb") as file:
        words, data_at, lines = _words(file)
    head = _head(words, data_at, lines, str(path), limits)
    names = [name for name in head.dtype.names or () if not head.dtype[name].shape]
    columns = [name for name in dict.fromkeys(map(column_of, names)) if name]
    if not {"x", "y", "z"} <= set(columns):
        raise InputError("its points have no x, y and z", file=str(path), field="FIELDS", fix=_FIX)
    if "rgb" in names or "rgba" in names:
        columns += ["red", "green", "blue"]
    notes = Notes(limits.warnings)
    return Cloud(
        kind="pcd", file=path.name, notes=notes, points=head.points, height_datum="unknown", columns=columns,
        scans=_scans(words.get("VIEWPOINT", []), head.points),
        chunks=lambda: _chunks(path, head, notes, limits.chunk_points),
    )  # fmt: skip


def _words(file: BinaryIO) -> tuple[dict[str, list[str]], int, int]:
    words: dict[str, list[str]] = {}
    for number in range(1, _LINES_MAX):
        line = file.readline(65_536).decode("latin-1")
        name, *rest = line.split() or [""]
        if name in _WORDS:
            words.setdefault(name, rest)
        if name == "DATA" or not line:
            return words, file.tell(), number
    return words, file.tell(), _LINES_MAX


def _head(words: dict[str, list[str]], data_at: int, lines: int, file: str, limits: DroneLimits) -> _Head:
    names = words.get("FIELDS", [])
    try:
        sizes = [int(one) for one in words["SIZE"]]
        counts = [int(one) for one in words.get("COUNT", ["1"] * len(names))]
        kinds = ["iuf"["IUF".index(one)] for one in words["TYPE"]]
        points = int((words.get("POINTS") or words["WIDTH"])[0])
        encoding = words["DATA"][0]
        fields: list[Any] = []
        for row, (name, kind, size, count) in enumerate(zip(names, kinds, sizes, counts, strict=True)):
            if not 1 <= count <= limits.fields or not 1 <= size <= 8:
                raise ValueError("a field of a size that cannot be")
            unique = name if name != "_" else f"_{row}"  # PCL names padding like that
            fields.append((unique, f"<{kind}{size}") if count == 1 else (unique, f"<{kind}{size}", (count,)))
        dtype = np.dtype(fields)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InputError(
            f"its head cannot be read: {error}", file=file, field="FIELDS, SIZE, TYPE", fix=_FIX
        ) from error
    if encoding not in ("ascii", "binary", "binary_compressed") or not 0 <= points <= limits.points:
        raise InputError(f"{points} points as {encoding[:40]} are not read", file=file, field="DATA", fix=_FIX)
    return _Head(encoding, points, dtype, data_at, lines)


def _scans(viewpoint: list[str], points: int) -> list[CloudScan]:
    try:
        x, y, z, *rotation = (float(one) for one in viewpoint)
    except ValueError:
        return []
    if len(rotation) != 4 or [x, y, z, *rotation] == [0, 0, 0, 1, 0, 0, 0]:
        return []  # the default says nothing
    return [CloudScan(index=0, points=points, position=(x, y, z), rotation=(*rotation,))]  # type: ignore[arg-type]


def _chunks(path: Path, head: _Head, notes: Notes, chunk_points: int) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        file.seek(head.data_at)
        if head.encoding == "ascii":
            if any(head.dtype[name].shape for name in head.dtype.names or ()):
                notes.damage(head.lines, "line", "fields of many values in a text file are not read")
                return
            yield from (
                _batch(rows) for rows in text_rows(file, head.dtype, head.points, head.lines, notes, chunk_points)
            )
        elif head.encoding == "binary":
            left, step = head.points, rows_at_once(chunk_points, head.dtype.itemsize)
            while left:
                data = file.read(min(left, step) * head.dtype.itemsize)
                rows = np.frombuffer(data, head.dtype, len(data) // head.dtype.itemsize)
                if not len(rows):
                    at = head.data_at + (head.points - left) * head.dtype.itemsize
                    notes.damage(at, "byte", "the points are cut", left)
                    return
                yield _batch(rows)
                left -= len(rows)
        else:
            rows = _unpacked(file, head, notes)
            for start in range(0, len(rows), chunk_points):
                yield _batch(rows[start : start + chunk_points])


def _batch(rows: NDArray[Any]) -> pa.RecordBatch:
    name = next((one for one in ("rgb", "rgba") if one in (rows.dtype.names or ())), None)
    batch = batch_of(rows)
    if name is None or rows.dtype[name].itemsize != 4 or rows.dtype[name].shape:
        return batch
    bits = np.ascontiguousarray(rows[name]).view(np.uint32)
    columns = {column: batch[column].to_numpy() for column in batch.schema.names}
    columns |= {color: (bits >> shift & 0xFF).astype(np.uint16) * 257 for color, shift in
                (("red", 16), ("green", 8), ("blue", 0))}  # fmt: skip
    return points_batch(columns)


def _unpacked(file: BinaryIO, head: _Head, notes: Notes) -> NDArray[Any]:
    """The points of a compressed file: columns one behind the other; those of a cut file are not whole points."""
    sizes = file.read(8)
    packed, size = struct.unpack("<II", sizes) if len(sizes) == 8 else (0, 0)
    if not 0 < size <= _PACKED_BYTES_MAX or size != head.points * head.dtype.itemsize:
        notes.damage(head.data_at, "byte", f"compressed points of {size} bytes that are not {head.points} points")
        return np.empty(0, head.dtype)
    rows = np.zeros(head.points, head.dtype)
    data = unpack_lzf(file.read(packed), size)
    if len(data) < size:
        notes.damage(head.data_at + 8, "byte", "the compressed points break off; their columns are no whole points")
        return rows[:0]
    at = 0
    for name in head.dtype.names or ():
        part = head.dtype[name]
        length = part.itemsize * len(rows)
        rows[name] = np.frombuffer(data[at : at + length], part, len(rows))
        at += length
    return rows


def unpack_lzf(data: bytes, size_max: int) -> bytes:
    """LZF (M. Lehmann): literal runs and back references; what can be unpacked of broken data, never more than
    `size_max` bytes."""
    out, at, end = bytearray(), 0, len(data)
    while at < end and len(out) < size_max:
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            if at >= end:
                break
            length += data[at]
            at += 1
        if at >= end:
            break
        distance = ((control & 0x1F) << 8 | data[at]) + 1
        at += 1
        start = len(out) - distance
        if start < 0:
            break
        length += 2
        piece = bytes(out[start : start + length])
        out += (piece * (length // len(piece) + 1))[:length]
    return bytes(out[:size_max])
