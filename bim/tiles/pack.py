"""From meshes in the spool to the files of a tile set: tiles, feature table, meshes and storey plans."""

import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bim.damage import text
from bim.tables import write_table
from bim.tiles.cells import Cell, divide
from bim.tiles.glb import Surface, glb_of
from bim.tiles.kernels import Found
from bim.tiles.limits import TileLimits
from bim.tiles.measure import measure
from bim.tiles.meshes import MESHES_FILE, ElementMesh, MeshWriter, load_meshes
from bim.tiles.places import Places, Product
from bim.tiles.spool import Mesh, Spool, SpoolReader
from bim.tiles.tileset import FEATURES_FILE, Plan, Tile

__all__ = ["FEATURES", "Pack"]

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
_SPACE_ALPHA_MAX = 0x40  # a room is a tint, whatever its file says


class Pack:
    """Writes the files into one folder; what became of it stands in the attributes."""

    def __init__(
        self,
        out_dir: Path,
        places: Places,
        found: dict[int, Found],
        limits: TileLimits,
        tell: Callable[[int, int], None],
    ) -> None:
        self._out_dir, self._limits, self._tell = out_dir, limits, tell
        self._elements = places.elements
        self._products = [places.products[step] for step in found]
        self._found = list(found.values())
        self._bounds = np.array([one.entry.bounds_m for one in self._found]).reshape(-1, 2, 3)
        self._origin = _origin(self._bounds)
        self._storeys = [storey[0] for storey in places.storeys]
        self._columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ("tile", "area_m2", "volume_m3", "color")}
        self.kernels = dict(Counter(one.kernel for one in self._found))
        self.not_drawn = dict(Counter(product.type for product in self._products if not product.drawn))
        self.features = sum(product.drawn for product in self._products)
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
        return _extent(self._bounds[[product.drawn for product in self._products]], self._origin)

    def write(self, spool: Spool, plans: bool) -> None:
        """Write everything but tileset.json."""
        order: list[int] = []
        done = 0
        with spool.reader() as reader, MeshWriter(self._out_dir / MESHES_FILE, self._origin) as writer:
            for cell in self._cells():
                order += cell.rows.tolist()
                meshes = self._meshes(reader, cell.rows.tolist(), writer)
                self._write_tile(cell, meshes)
                done += len(cell.rows)
                self._tell(done, len(self._found))
            for row, product in enumerate(self._products):
                if not product.drawn:
                    self._meshes(reader, [row], writer)
        spool.path.unlink()
        self._write_features(order)
        if plans:
            self._write_plans()

    def _cells(self) -> list[Cell]:
        drawn = np.flatnonzero([product.drawn for product in self._products])
        number = {global_id: at for at, global_id in enumerate(self._storeys)}
        storey = np.array([number.get(self._products[row].storey or "", -1) for row in drawn], np.int64)
        centers = self._bounds[drawn].mean(axis=1)[:, :2] - self._origin[:2]
        triangles = np.array([self._found[row].entry.triangles for row in drawn], np.int64)
        cells = divide(
            storey,
            centers,
            triangles,
            cell_m=self._limits.cell_m,
            elements_max=self._limits.tile_elements,
            triangles_max=self._limits.tile_triangles,
        )
        return [Cell(cell.storey, cell.cell, drawn[cell.rows]) for cell in cells]

    def _meshes(self, reader: SpoolReader, rows: list[int], writer: MeshWriter) -> list[Mesh]:
        """Meshes of some elements, which also go to meshes.arrow."""
        meshes = [reader.mesh(self._found[row].entry) for row in rows]
        for row, mesh in zip(rows, meshes, strict=True):
            product = self._products[row]
            element = ElementMesh(product.global_id, product.type, product.storey, *mesh)
            writer.write(element, self._found[row].kernel)
        return meshes

    def _write_tile(self, cell: Cell, meshes: list[Mesh]) -> None:
        products = [self._products[row] for row in cell.rows.tolist()]
        number = len(self.tiles)
        data = glb_of(_surfaces(meshes, products, self._origin), len(meshes))
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
        products = [self._products[row] for row in order]
        bounds = (self._bounds[order] - self._origin).astype(np.float32).reshape(-1, 6)
        measured = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in self._columns.items()}
        columns = {
            "global_id": [product.global_id for product in products],
            "type": [product.type for product in products],
            "storey": [product.storey for product in products],
            "kernel": [self._found[row].kernel for row in order],
            **{name: bounds[:, at] for at, name in enumerate(FEATURES.names[4:10])},
            **measured,
        }
        columns["volume_m3"] = pa.array(measured["volume_m3"].astype(np.float32), from_pandas=True)
        arrays = [pa.array(columns[one.name]).cast(one.type) for one in FEATURES]
        write_table(pa.Table.from_arrays(arrays, schema=FEATURES), self._out_dir / FEATURES_FILE)

    def _write_plans(self) -> None:
        """Storey plans; a plan that cannot be drawn is told and costs no tile."""
        if importlib.util.find_spec("bim.plans") is None:
            return
        try:
            module = importlib.import_module("bim.plans")
            drawn = module.storey_plans(load_meshes(self._out_dir), self._elements, self._out_dir)
            self.plans = msgspec.convert(drawn, list[Plan])
        except Exception as error:  # noqa: BLE001  (geometry of any file passes through here)
            self.warnings.append(text(f"no storey plans: {type(error).__name__}: {error}"))


def _origin(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole metres near most elements: a stray far away must not take the precision from the others."""
    return np.zeros(3) if not len(bounds) else np.round(np.median(bounds.mean(axis=1), axis=0))


def _extent(bounds: NDArray[np.float64], origin: NDArray[np.float64]) -> tuple[float, ...]:
    if not len(bounds):
        return (0.0,) * 6
    return (*(bounds[:, 0].min(axis=0) - origin).tolist(), *(bounds[:, 1].max(axis=0) - origin).tolist())


def _surfaces(meshes: list[Mesh], products: list[Product], origin: NDArray[np.float64]) -> list[Surface]:
    """Opaque and blended triangles of a tile; an element of several colours has a vertex for each of them."""
    parts: dict[bool, list[tuple[int, NDArray[np.float64], NDArray[np.int32], int]]] = {False: [], True: []}
    for feature, (mesh, product) in enumerate(zip(meshes, products, strict=True)):
        for color, vertices, triangles in _by_color(mesh):
            shown = _tint(color) if product.type == "IfcSpace" else color
            parts[shown & 0xFF < 0xFF].append((feature, vertices, triangles, shown))
    return [_surface(found, origin, blended) for blended, found in parts.items() if found]


def _by_color(mesh: Mesh) -> list[tuple[int, NDArray[np.float64], NDArray[np.int32]]]:
    first = int(mesh.colors[0])
    if (mesh.colors == first).all():
        return [(first, mesh.vertices, mesh.triangles)]
    found = []
    for color in np.unique(mesh.colors).tolist():
        rows, triangles = np.unique(mesh.triangles[mesh.colors == color], return_inverse=True)
        found.append((color, mesh.vertices[rows], triangles.reshape(-1, 3).astype(np.int32)))
    return found


def _surface(
    parts: list[tuple[int, NDArray[np.float64], NDArray[np.int32], int]], origin: NDArray[np.float64], blended: bool
) -> Surface:
    counts = [len(vertices) for _, vertices, _, _ in parts]
    starts = np.cumsum([0, *counts[:-1]])
    local = np.concatenate([vertices for _, vertices, _, _ in parts]) - origin
    triangles = [part[2] + start for part, start in zip(parts, starts, strict=True)]
    colors = np.repeat(np.array([part[3] for part in parts], ">u4"), counts)  # first byte first: red
    return Surface(
        vertices=np.column_stack([local[:, 0], local[:, 2], -local[:, 1]]),
        triangles=np.concatenate(triangles).astype(np.uint32),
        features=np.repeat(np.array([part[0] for part in parts], np.uint16), counts),
        colors=colors.view(np.uint8).reshape(-1, 4),
        blended=blended,
    )


def _tint(color: int) -> int:
    return color & 0xFFFFFF00 | min(color & 0xFF, _SPACE_ALPHA_MAX)


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
