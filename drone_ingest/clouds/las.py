"""LAS, LAZ and COPC: points in chunks, decompressed by lazrs, coordinates in the file's own system.

A cut or broken file gives every point before the break: after an error the rest is tried again in smaller steps.
Heads are checked first (`las_head`), and the decompressor runs in a child process, for it trusts what it is told.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clouds.columns import points_batch, rows_at_once
from drone_ingest.clouds.las_head import LasHead, read_head
from drone_ingest.clouds.laz_child import Job
from drone_ingest.clouds.laz_parent import LazChild
from drone_ingest.damage import Notes
from drone_ingest.door import Progress
from drone_ingest.found import Cloud
from drone_ingest.limits import DroneLimits
from wire.errors import InputError

__all__ = ["read_las"]

_STEPS = (50_000, 500, 1)  # points at once; the smaller ones only while looking for the last whole point
_LASZIP_BYTES_MIN = 34
_VARIABLE = 0xFFFFFFFF  # points of a chunk, in the record of the compressor
_CHUNKS_ROOM = 8  # bytes that the shortest chunk of a table takes


def read_las(path: Path, limits: DroneLimits, progress: Progress) -> Cloud:
    """The head of a cloud, its points on demand; raises InputError."""
    head = read_head(path, limits)
    notes = Notes(limits.warnings)
    for doubt in head.doubts:
        notes.damage(path.stat().st_size, "byte", doubt)
    names = [name for name in ("intensity", "red", "green", "blue", "gps_time_s", "point_source_id", "classification")
             if name in (head.dtype.names or ())]  # fmt: skip
    kind = "copc" if head.copc else "laz" if head.laszip is not None else "las"
    return Cloud(
        kind=kind, file=path.name, notes=notes, points=head.points, bounds=head.bounds, crs=head.reference.crs,
        height_datum=head.reference.height_datum, unit_m=head.reference.unit_m,
        height_unit_m=head.reference.height_unit_m, columns=["x", "y", "z", *names, "return_number"],
        gps_epoch_s=1e9 if head.gps_adjusted and "gps_time_s" in names else None,
        chunks=lambda: _chunks(path, head, notes, limits.chunk_points),
    )  # fmt: skip


def _chunks(path: Path, head: LasHead, notes: Notes, chunk_points: int) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        records = (
            _raw(file, head, notes, chunk_points) if head.laszip is None else _packed(file, head, notes, chunk_points)
        )
        for rows in records:
            if len(rows):
                yield _batch(rows, head)


def _batch(rows: NDArray[Any], head: LasHead) -> pa.RecordBatch:
    columns: dict[str, NDArray[Any]] = {}
    with np.errstate(over="ignore", invalid="ignore"):  # a broken head may have scales of 1e300
        for name, scale, offset in zip("xyz", head.scale, head.offset, strict=True):
            columns[name] = rows[name] * scale + offset
    for name in rows.dtype.names or ():
        if name not in columns:
            columns[name] = rows[name]
    old = head.format < 6
    columns["return_number"] = rows["flags"] & (0x07 if old else 0x0F)
    if old:
        columns["classification"] = rows["classification"] & 0x1F
    return points_batch(columns)


def _raw(file: BinaryIO, head: LasHead, notes: Notes, chunk_points: int) -> Iterator[NDArray[Any]]:
    file.seek(head.data_at)
    left, step = head.points, rows_at_once(chunk_points, head.dtype.itemsize)
    while left:
        data = file.read(min(left, step) * head.dtype.itemsize)
        rows = np.frombuffer(data, head.dtype, len(data) // head.dtype.itemsize)
        if not len(rows):
            if not notes.damages:
                notes.damage(
                    head.data_at + (head.points - left) * head.dtype.itemsize, "byte", "the points are cut", left
                )
            return
        yield rows
        left -= len(rows)


def _packed(file: BinaryIO, head: LasHead, notes: Notes, chunk_points: int) -> Iterator[NDArray[Any]]:
    problem = _table_problem(file, head)
    if problem:
        notes.damage(head.data_at, "byte", problem)
        if _chunk_points(head) == _VARIABLE:
            return  # chunks of unequal size cannot be found without their table
    if importlib.util.find_spec("lazrs") is None:
        raise ModuleNotFoundError("No module named 'lazrs'", name="lazrs")
    done, words = 0, ""
    for step in _STEPS:
        job = Job(
            file.name, head.data_at, head.laszip or b"", head.dtype.itemsize, head.points, done, step, bool(problem)
        )
        with LazChild(job, rows_at_once(chunk_points, head.dtype.itemsize)) as child:
            for data in child.records():
                yield np.frombuffer(data, head.dtype)
                done += len(data) // head.dtype.itemsize
        if done >= head.points:
            return
        words = child.words
    notes.damage(head.data_at, "byte", f"the points break off after {done} ({words}); they begin", head.points - done)


def _chunk_points(head: LasHead) -> int:
    return int.from_bytes((head.laszip or b"")[12:16], "little")


def _table_problem(file: BinaryIO, head: LasHead) -> str | None:
    """Why the table of chunks cannot be believed; the decompressor would reserve memory for whatever it says."""
    assert head.laszip is not None
    if len(head.laszip) < _LASZIP_BYTES_MIN:
        raise InputError("the record of its compressor is cut", field="laszip", fix="save it again")
    size = _size(file)
    file.seek(head.data_at)
    at = int.from_bytes(file.read(8), "little", signed=True)
    if at == -1:
        file.seek(-8, 2)
        at = int.from_bytes(file.read(8), "little", signed=True)
    if not head.data_at + 8 <= at <= size - 8:
        return "the table of chunks is missing: the file is cut"
    file.seek(at)
    chunks = int.from_bytes(file.read(8)[4:], "little")
    if chunks > max(head.points, 1) or chunks * _CHUNKS_ROOM > size * 8:
        return f"the table of chunks promises {chunks} of them"
    return None


def _size(file: BinaryIO) -> int:
    here = file.tell()
    size = file.seek(0, 2)
    file.seek(here)
    return size
