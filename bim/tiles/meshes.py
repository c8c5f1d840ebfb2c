"""Meshes of elements: what tiles, storey plans, clash checks and scan verdicts are made from.

`meshes.arrow` beside the tiles holds one row an element: vertices as float32 x, y, z, … relative to the origin in
its metadata (so a millimetre stays a millimetre on any site), triangles as indices into the row's own vertices,
one colour a triangle. Every product with a representation is there or in the tile set's `lost`; openings too.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wire.errors import InputError

__all__ = ["MESHES", "MESHES_FILE", "ElementMesh", "MeshWriter", "Meshes", "load_meshes"]

MESHES_FILE = "meshes.arrow"
MESHES = pa.schema(
    [
        pa.field("global_id", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),  # IfcWall, …
        pa.field("storey", pa.string()),  # GlobalId
        pa.field("kernel", pa.string(), nullable=False),
        pa.field("vertices", pa.large_list(pa.float32()), nullable=False),
        pa.field("triangles", pa.large_list(pa.uint32()), nullable=False),
        pa.field("colors", pa.large_list(pa.uint32()), nullable=False),  # 0xRRGGBBAA (sRGB)
    ]
)
_ORIGIN = b"origin_m"
_BATCH_BYTES = 8 << 20  # vertices and triangles held before they are written


@dataclass(frozen=True, slots=True)
class ElementMesh:
    """One element's triangles in model metres, z up; seen from outside counter-clockwise where its file is sound."""

    global_id: str
    type: str
    storey: str | None
    vertices: NDArray[np.float64]  # (n, 3)
    triangles: NDArray[np.int32]  # (m, 3)
    triangle_colors: NDArray[np.uint32]  # (m,), 0xRRGGBBAA (sRGB)


class Meshes(Sequence[ElementMesh]):
    """The rows of one meshes.arrow, each made when it is asked for; the file stays mapped."""

    def __init__(self, table: pa.Table, origin_m: NDArray[np.float64]) -> None:
        self.origin_m = origin_m
        self.global_ids: list[str] = table["global_id"].to_pylist()
        self.types: list[str] = table["type"].to_pylist()
        self.storeys: list[str | None] = table["storey"].to_pylist()
        self._row = {global_id: row for row, global_id in enumerate(self.global_ids)}
        self._chunks = [
            [batch.column(name) for name in ("vertices", "triangles", "colors")] for batch in table.to_batches()
        ]
        self._starts = np.cumsum([0, *(len(chunk[0]) for chunk in self._chunks)])

    def __len__(self) -> int:
        return len(self.global_ids)

    def __contains__(self, global_id: object) -> bool:
        return global_id in self._row

    @overload
    def __getitem__(self, row: int) -> ElementMesh: ...
    @overload
    def __getitem__(self, row: slice) -> list[ElementMesh]: ...
    def __getitem__(self, row: int | slice) -> ElementMesh | list[ElementMesh]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row %= len(self)
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        vertices, triangles, colors = (_values(part, row - int(self._starts[chunk])) for part in self._chunks[chunk])
        return ElementMesh(
            self.global_ids[row],
            self.types[row],
            self.storeys[row],
            vertices.reshape(-1, 3).astype(np.float64) + self.origin_m,
            triangles.reshape(-1, 3).astype(np.int32),
            colors,
        )

    def __iter__(self) -> Iterator[ElementMesh]:
        return (self[row] for row in range(len(self)))

    def of(self, global_id: str) -> ElementMesh | None:
        """The mesh of one element, None when it has none."""
        row = self._row.get(global_id)
        return None if row is None else self[row]


def load_meshes(folder: Path) -> Meshes:
    """Meshes of a tile set's folder; raises InputError when there are none or the file is damaged."""
    path = folder / MESHES_FILE
    fix = "build the tiles of this model again: aid4 bim tiles FILE --out DIR"
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
        origin = np.array(json.loads((table.schema.metadata or {})[_ORIGIN]), np.float64)
        if not table.schema.equals(MESHES) or origin.shape != (3,):
            raise ValueError("it has another schema")
        _check_indices(table)
    except (OSError, KeyError, ValueError) as error:  # pa.ArrowInvalid is a ValueError
        raise InputError(f"no whole meshes: {error}", file=str(path), fix=fix) from error
    return Meshes(table, origin)


class MeshWriter:
    """Writes meshes.arrow row by row; a context manager."""

    def __init__(self, path: Path, origin_m: NDArray[np.float64]) -> None:
        self._schema = MESHES.with_metadata({_ORIGIN: json.dumps(origin_m.tolist())})
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)
        self._origin = origin_m
        self._rows: list[tuple[ElementMesh, str]] = []
        self._held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()
        self._writer.close()
        self._sink.close()

    def write(self, mesh: ElementMesh, kernel: str) -> None:
        """Add one row."""
        self._rows.append((mesh, kernel))
        self._held_bytes += mesh.vertices.nbytes + mesh.triangles.nbytes
        if self._held_bytes > _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        meshes = [mesh for mesh, _ in self._rows]
        columns = [
            pa.array([mesh.global_id for mesh in meshes], pa.string()),
            pa.array([mesh.type for mesh in meshes], pa.string()),
            pa.array([mesh.storey for mesh in meshes], pa.string()),
            pa.array([kernel for _, kernel in self._rows], pa.string()),
            _lists([(mesh.vertices - self._origin).astype(np.float32).ravel() for mesh in meshes], pa.float32()),
            _lists([mesh.triangles.astype(np.uint32).ravel() for mesh in meshes], pa.uint32()),
            _lists([mesh.triangle_colors for mesh in meshes], pa.uint32()),
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._rows, self._held_bytes = [], 0


def _lists(parts: list[NDArray[Any]], kind: pa.DataType) -> pa.Array:
    offsets = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(parts), kind))


def _values(column: pa.Array, row: int) -> NDArray[Any]:
    start, end = column.offsets[row].as_py(), column.offsets[row + 1].as_py()
    found: NDArray[Any] = column.values.slice(start, end - start).to_numpy(zero_copy_only=False)
    return found


def _check_indices(table: pa.Table) -> None:
    """Triangles point into their own vertices: who computes with them need not look again."""
    for batch in table.to_batches():
        vertices, triangles = batch.column("vertices"), batch.column("triangles")
        counts = np.diff(vertices.offsets.to_numpy()) // 3
        per_row = np.diff(triangles.offsets.to_numpy())
        indices = triangles.values.to_numpy()[triangles.offsets[0].as_py() : triangles.offsets[-1].as_py()]
        if (indices >= np.repeat(counts, per_row)).any() or (per_row % 3).any():
            raise ValueError("a triangle points outside its element")
