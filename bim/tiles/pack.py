"""From meshes in the spool to the files of a tile set: tiles, feature table, meshes and storey plans."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bim.damage import text
from bim.tables import write_table
from bim.tiles.cells import Cell, divide
from bim.tiles.glb import glb_of
from bim.tiles.kernels import Found
from bim.tiles.limits import TileLimits
from bim.tiles.measure import measure
from bim.tiles.meshes import MESHES_FILE, ElementMesh, MeshWriter, load_meshes
from bim.tiles.places import Places, Product
from bim.tiles.spool import Mesh, Spool, SpoolReader
from bim.tiles.surfaces import surfaces_of
from bim.tiles.tileset import FEATURES_FILE, Lost, Plan, Tile

__all__ = ["FEATURES", "MadePart", "Pack"]

# row = feature; bounds relative to the origin, model axes, metres
FEATURES = pa.schema(
    [
        pa.field("global_id", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("storey", pa.string()),  # GlobalId
        pa.field("tile", pa.uint16(), nullable=False),
        *(pa.field(f"{end}_{axis}", pa.float32(), nullable=False) for end in ("min", "max") for axis in "xyz"),
        pa.field("area_m2", pa.float32(), nullable=False),
        pa.field("volume_m3", pa.float32()),  # null: the mesh is not closed
        pa.field("kernel", pa.string(), nullable=False),
        pa.field("color", pa.uint32(), nullable=False),  # of most triangles: 0xRRGGBBAA (sRGB)
    ]
)


@dataclass(frozen=True, slots=True)
class MadePart:
    """Meshes of one file; `matrix` takes its points to the model, None when they are there."""

    schema: str
    places: Places
    spool: Spool
    found: dict[int, Found]
    lost: list[Lost]
    matrix: NDArray[np.float64] | None
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class _Made:
    """One element with a mesh."""

    product: Product
    found: Found
    part: int


class Pack:
    """Writes the files into one folder; what became of it stands in the attributes."""

    def __init__(
        self, out_dir: Path, parts: list[MadePart], limits: TileLimits, tell: Callable[[int, int], None]
    ) -> None:
        self._out_dir, self._parts, self._limits, self._tell = out_dir, parts, limits, tell
        self._made = [
            _Made(part.places.products[step], one, number)
            for number, part in enumerate(parts)
            for step, one in part.found.items()
        ]
        self._bounds = np.concatenate([_bounds(part) for part in parts])
        self._origin = _origin(self._bounds)
        self._storeys = [storey[0] for storey in parts[0].places.storeys]
        self._columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ("tile", "area_m2", "volume_m3", "color")}
        self.kernels = dict(Counter(one.found.kernel for one in self._made))
        self.not_drawn = dict(Counter(one.product.type for one in self._made if not one.product.drawn))
        self.features = sum(one.product.drawn for one in self._made)
        self.tiles: list[Tile] = []
        self.plans: list[Plan] = []
        self.warnings: list[str] = []

    @property
    def origin_m(self) -> tuple[float, float, float]:
        """Whole metres in the middle of the model."""
        x, y, z = self._origin.tolist()
        return x, y, z

    @property
    def bounds_m(self) -> tuple[float, ...]:
        """Of all that is drawn, relative to the origin."""
        return _extent(self._bounds[[one.product.drawn for one in self._made]], self._origin)

    def write(self, plans: bool) -> None:
        """Write everything but tileset.json."""
        order: list[int] = []
        done = 0
        with ExitStack() as stack, MeshWriter(self._out_dir / MESHES_FILE, self._origin) as writer:
            readers = [stack.enter_context(part.spool.reader()) for part in self._parts]
            for cell in self._cells():
                order += cell.rows.tolist()
                meshes = self._meshes(readers, cell.rows.tolist(), writer)
                self._write_tile(cell, meshes)
                done += len(cell.rows)
                self._tell(done, len(self._made))
            for row, one in enumerate(self._made):
                if not one.product.drawn:
                    self._meshes(readers, [row], writer)
        self._write_features(order)
        if plans:
            self._write_plans()

    def _cells(self) -> list[Cell]:
        drawn = np.flatnonzero([one.product.drawn for one in self._made])
        number = {global_id: at for at, global_id in enumerate(self._storeys)}
        storey = np.array([number.get(self._made[row].product.storey or "", -1) for row in drawn], np.int64)
        centers = self._bounds[drawn].mean(axis=1)[:, :2] - self._origin[:2]
        triangles = np.array([self._made[row].found.entry.triangles for row in drawn], np.int64)
        cells = divide(
            storey,
            centers,
            np.ptp(self._bounds[drawn], axis=1).max(axis=1),
            triangles,
            cell_m=self._limits.cell_m,
            elements_max=self._limits.tile_elements,
            triangles_max=self._limits.tile_triangles,
        )
        return [Cell(cell.storey, cell.cell, drawn[cell.rows]) for cell in cells]

    def _meshes(self, readers: list[SpoolReader], rows: list[int], writer: MeshWriter) -> list[Mesh]:
        """Meshes of some elements in model coordinates, which also go to meshes.arrow."""
        meshes = []
        for row in rows:
            product, found, part = self._made[row].product, self._made[row].found, self._made[row].part
            mesh, matrix = readers[part].mesh(found.entry), self._parts[part].matrix
            if matrix is not None:
                mesh = mesh._replace(vertices=mesh.vertices @ matrix[:3, :3].T + matrix[:3, 3])
                self._bounds[row] = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
            meshes.append(mesh)
            writer.write(ElementMesh(product.global_id, product.type, product.storey, *mesh), found.kernel)
        return meshes

    def _write_tile(self, cell: Cell, meshes: list[Mesh]) -> None:
        products = [self._made[row].product for row in cell.rows.tolist()]
        number = len(self.tiles)
        data = glb_of(surfaces_of(meshes, products, self._origin))
        file = f"t{number:03d}.glb"
        (self._out_dir / file).write_bytes(data)
        area, volume = _measured(meshes)
        for name, values in (
            ("tile", np.full(len(meshes), number)),
            ("area_m2", area),
            ("volume_m3", volume),
            ("color", np.array([_main_color(mesh) for mesh in meshes], np.uint32)),
        ):
            self._columns[name].append(values)
        self.tiles.append(
            Tile(
                file=file,
                bytes=len(data),
                storey=None if cell.storey < 0 else self._storeys[cell.storey],
                cell=cell.cell,
                bounds_m=_extent(self._bounds[cell.rows], self._origin),
                first_feature=sum(tile.features for tile in self.tiles),
                features=len(meshes),
                triangles=sum(len(mesh.triangles) for mesh in meshes),
            )
        )

    def _write_features(self, order: list[int]) -> None:
        products = [self._made[row].product for row in order]
        bounds = (self._bounds[order] - self._origin).astype(np.float32).reshape(-1, 6)
        measured = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in self._columns.items()}
        columns = {
            "global_id": [product.global_id for product in products],
            "type": [product.type for product in products],
            "storey": [product.storey for product in products],
            "kernel": [self._made[row].found.kernel for row in order],
            **{name: bounds[:, at] for at, name in enumerate(FEATURES.names[4:10])},
            **measured,
        }
        columns["volume_m3"] = pa.array(measured["volume_m3"].astype(np.float32), from_pandas=True)
        arrays = [pa.array(columns[one.name]).cast(one.type) for one in FEATURES]
        write_table(pa.Table.from_arrays(arrays, schema=FEATURES), self._out_dir / FEATURES_FILE)

    def _write_plans(self) -> None:
        """Storey plans; a plan that cannot be drawn is told and costs no tile."""
        from bim.plans import storey_plans  # its polygon library costs a fifth of a second to load

        try:
            drawn = storey_plans(load_meshes(self._out_dir), self._parts[0].places.elements, self._out_dir)
            self.plans = msgspec.convert(drawn, list[Plan])
        except Exception as error:  # noqa: BLE001  (geometry of any file passes through here)
            self.warnings.append(text(f"no storey plans: {type(error).__name__}: {error}"))


def _bounds(part: MadePart) -> NDArray[np.float64]:
    """Bounds (n, 2, 3) of a part's elements in model coordinates; of a turned part a little too wide at first."""
    own = np.array([one.entry.bounds_m for one in part.found.values()]).reshape(-1, 2, 3)
    if part.matrix is None:
        return own
    which = np.array(list(np.ndindex(2, 2, 2)))
    corners = own[:, which, np.arange(3)] @ part.matrix[:3, :3].T + part.matrix[:3, 3]
    return np.stack([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _origin(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole metres near most elements: a stray far away must not take the precision from the others."""
    return np.zeros(3) if not len(bounds) else np.round(np.median(bounds.mean(axis=1), axis=0))


def _extent(bounds: NDArray[np.float64], origin: NDArray[np.float64]) -> tuple[float, ...]:
    if not len(bounds):
        return (0.0,) * 6
    return (*(bounds[:, 0].min(axis=0) - origin).tolist(), *(bounds[:, 1].max(axis=0) - origin).tolist())


def _main_color(mesh: Mesh) -> int:
    first = int(mesh.colors[0])
    if (mesh.colors == first).all():
        return first
    colors, counts = np.unique(mesh.colors, return_counts=True)
    return int(colors[counts.argmax()])


def _measured(meshes: list[Mesh]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    triangles = [mesh.triangles.astype(np.int64) + start for mesh, start in zip(meshes, starts, strict=True)]
    firsts = np.cumsum([0, *(len(mesh.triangles) for mesh in meshes[:-1])])
    return measure(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(triangles), firsts)
