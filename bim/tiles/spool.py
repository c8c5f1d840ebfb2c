"""The file into which geometry workers write meshes, one record an element, as they come.

A worker may die at any byte: a record counts when it is there as a whole, and the next worker writes over a torn
tail. Record: header (instance number, vertices, triangles, padding, minimum and maximum of x, y, z), then float64
vertices (n, 3) in model metres, int32 triangles (m, 3), uint32 colours (m,), padded to 8 bytes.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entry", "Mesh", "Spool", "write_mesh"]

_HEADER = struct.Struct("<IIII6d")
_VERTEX_BYTES, _TRIANGLE_BYTES, _COLOR_BYTES = 24, 12, 4


class Mesh(NamedTuple):
    """Geometry of one element in model metres; colours of triangles are 0xRRGGBBAA (sRGB)."""

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int32]
    colors: NDArray[np.uint32]


class Entry(NamedTuple):
    """Where a record is, and what is known without reading its body."""

    step: int
    offset: int
    vertices: int
    triangles: int
    bounds_m: tuple[float, ...]  # minimum and maximum of x, y, z


def write_mesh(fd: int, step: int, mesh: Mesh) -> None:
    """Append one record with a single call."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    header = _HEADER.pack(step, len(mesh.vertices), len(mesh.triangles), 0, *low.tolist(), *high.tolist())
    parts = [header, mesh.vertices.tobytes(), mesh.triangles.tobytes(), mesh.colors.tobytes()]
    parts.append(b"\0" * (-sum(map(len, parts)) % 8))
    left = sum(map(len, parts))
    sent = os.writev(fd, parts)
    while sent < left:  # a signal or a full pipe of the disk may cut a call short
        rest = b"".join(parts)[sent:]
        sent += os.write(fd, rest)


class Spool:
    """Reads what workers have written; the supervisor's side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0
        path.touch()

    def writer(self) -> int:
        """A descriptor that appends; what a dead worker left half is cut away."""
        os.truncate(self.path, self._end)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def size(self) -> int:
        """Bytes in the file, torn tail included: it grows as long as a worker gets on."""
        return self.path.stat().st_size

    def new_entries(self) -> Iterator[Entry]:
        """Whole records since the last call, in order."""
        size = self.size()
        with self.path.open("rb") as file:
            while self._end + _HEADER.size <= size:
                file.seek(self._end)
                step, vertices, triangles, _, *bounds = _HEADER.unpack(file.read(_HEADER.size))
                end = self._end + _length(vertices, triangles)
                if end > size:
                    return
                yield Entry(step, self._end, vertices, triangles, tuple(bounds))
                self._end = end

    def reader(self) -> "SpoolReader":
        """Random access to bodies."""
        return SpoolReader(self.path)


class SpoolReader:
    """The spool mapped into memory; a context manager."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def mesh(self, entry: Entry) -> Mesh:
        """Geometry of one record, copied out of the file."""
        at = entry.offset + _HEADER.size
        vertices = np.frombuffer(self._data, np.float64, entry.vertices * 3, at).reshape(-1, 3).copy()
        at += entry.vertices * _VERTEX_BYTES
        triangles = np.frombuffer(self._data, np.int32, entry.triangles * 3, at).reshape(-1, 3).copy()
        at += entry.triangles * _TRIANGLE_BYTES
        return Mesh(vertices, triangles, np.frombuffer(self._data, np.uint32, entry.triangles, at).copy())


def _length(vertices: int, triangles: int) -> int:
    size = _HEADER.size + vertices * _VERTEX_BYTES + triangles * (_TRIANGLE_BYTES + _COLOR_BYTES)
    return size + -size % 8
