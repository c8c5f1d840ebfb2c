"""PLY: ASCII and binary of either byte order; the `vertex` element, streamed. Faces are passed over.

Names met in the field: `x y z`, `red green blue` or `diffuse_*`, `nx ny nz`, `intensity` and `scalar_intensity`,
`scalar_GpsTime` (CloudCompare writes `scalar_` before everything).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clouds.columns import color16, points_batch, rows_at_once
from drone_ingest.clouds.text_points import text_rows
from drone_ingest.damage import Notes
from drone_ingest.door import Progress
from drone_ingest.found import Cloud
from drone_ingest.limits import DroneLimits
from wire.errors import InputError

__all__ = ["NAMES", "batch_of", "read_ply"]

_FIX = "export the cloud again"
_LINES_MAX = 2_000
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
NAMES = {
    "x": "x", "y": "y", "z": "z", "nx": "nx", "ny": "ny", "nz": "nz", "normal_x": "nx", "normal_y": "ny",
    "normal_z": "nz", "point_source_id": "point_source_id", "station": "point_source_id",
    "station_id": "point_source_id",
    "red": "red", "green": "green", "blue": "blue", "r": "red", "g": "green", "b": "blue",
    "diffuse_red": "red", "diffuse_green": "green", "diffuse_blue": "blue", "intensity": "intensity",
    "gpstime": "gps_time_s", "gps_time": "gps_time_s", "pointsourceid": "point_source_id",
    "classification": "classification",
}  # fmt: skip
"""Names of properties, small and without `scalar_`, → columns."""


@dataclass(frozen=True, slots=True)
class _Head:
    binary: bool
    points: int
    dtype: np.dtype[Any]
    data_at: int  # first byte of the vertices
    lines: int  # of the header, and of what comes before the vertices in text


def read_ply(path: Path, limits: DroneLimits, progress: Progress) -> Cloud:
    """The head of a PLY, its vertices on demand; raises InputError."""
    with path.open("rb") as file:
        head = _read_head(file, path, limits)
    notes = Notes(limits.warnings)
    columns = [name for name in dict.fromkeys(map(column_of, head.dtype.names or ())) if name]
    if not {"x", "y", "z"} <= set(columns):
        raise InputError("its vertices have no x, y and z", file=str(path), field="vertex", fix=_FIX)
    return Cloud(
        kind="ply", file=path.name, notes=notes, points=head.points, height_datum="unknown", columns=columns,
        chunks=lambda: _chunks(path, head, notes, limits.chunk_points),
    )  # fmt: skip


def column_of(name: str) -> str | None:
    """The column that a property fills, None for one that means nothing to us."""
    return NAMES.get(name.lower().removeprefix("scalar_"))


def _read_head(file: BinaryIO, path: Path, limits: DroneLimits) -> _Head:
    encoding, points, fields, before, element, lines = "", -1, [], 0, "", 0
    while lines < _LINES_MAX:
        lines += 1
        words = file.readline(1_024).decode("latin-1").split()
        match words:
            case ["end_header"]:
                break
            case ["format", name, *_]:
                encoding = name
            case ["element", name, count] if count.isdigit():
                if name == "vertex":
                    points = int(count)
                elif points < 0 and int(count):
                    before = -1  # elements of unknown length lie before the vertices
                element = name
            case ["property", kind, name] if element == "vertex" and kind in _TYPES:
                fields.append((name, _TYPES[kind]))
            case ["property", *_] if element == "vertex":
                raise InputError(
                    f"a vertex with {' '.join(words[1:])[:60]}", file=str(path), field="property", fix=_FIX
                )
            case [] if not file.tell() < path.stat().st_size:
                break
    orders = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
    if encoding not in orders or points < 0 or before or len({name for name, _ in fields}) != len(fields):
        raise InputError(
            "its head does not describe vertices that come first", file=str(path), field="header", fix=_FIX
        )
    if points > limits.points or len(fields) > limits.fields:
        raise InputError(f"it promises {points} points", file=str(path), field="element vertex", fix="split or thin it")
    order = orders[encoding]
    dtype = np.dtype([(name, order + code if code[1] != "1" else code) for name, code in fields])
    return _Head(encoding != "ascii", points, dtype, file.tell(), lines)


def _chunks(path: Path, head: _Head, notes: Notes, chunk_points: int) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        file.seek(head.data_at)
        if not head.binary:
            for rows in text_rows(file, head.dtype, head.points, head.lines, notes, chunk_points):
                yield batch_of(rows)
            return
        left, step = head.points, rows_at_once(chunk_points, head.dtype.itemsize)
        while left:
            data = file.read(min(left, step) * head.dtype.itemsize)
            rows = np.frombuffer(data, head.dtype, len(data) // head.dtype.itemsize)
            if not len(rows):
                at = head.data_at + (head.points - left) * head.dtype.itemsize
                notes.damage(at, "byte", "the points are cut", left)
                return
            yield batch_of(rows)
            left -= len(rows)


def batch_of(rows: NDArray[Any]) -> pa.RecordBatch:
    """Rows of named properties as points."""
    columns: dict[str, NDArray[Any]] = {}
    for name in rows.dtype.names or ():
        target = column_of(name)
        if target is None or target in columns or rows.dtype[name].shape:
            continue
        values = rows[name].astype(rows.dtype[name].newbyteorder("="))
        if target in ("red", "green", "blue"):
            values = color16(_unit(values))
        elif target in ("intensity", "point_source_id", "classification"):
            values = _bounded(values, 255 if target == "classification" else 65_535)
        columns[target] = values
    return points_batch(columns)


def _unit(values: NDArray[Any]) -> NDArray[Any]:
    """Colours between 0 and 1 as 0 to 255."""
    if values.dtype.kind != "f":
        return values
    values = np.nan_to_num(values)
    return values * 255 if len(values) and values.max() <= 1 else values


def _bounded(values: NDArray[Any], high: int) -> NDArray[np.uint16]:
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
        values = values * high if len(values) and 0 < values.max() <= 1 else values
    bounded: NDArray[np.uint16] = np.clip(values, 0, high).astype(np.uint16)
    return bounded
