"""A small building of boxes whose truth is known by heart, and the real one as meshes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bim.tiles import ElementMesh, Meshes, build_tiles, load_meshes
from drone_ingest.simulate.clutter import boxes


def box(
    global_id: str, kind: str, middle: Sequence[float], size: Sequence[float], color: int = 0xC0C0C0FF
) -> ElementMesh:
    vertices, triangles = boxes(np.array([middle], float), np.array([size], float), np.zeros(1))
    return ElementMesh(global_id, kind, "storey", vertices, triangles.astype(np.int32), np.full(12, color, np.uint32))


@pytest.fixture
def hut() -> list[ElementMesh]:
    """Four walls, a slab, a roof, a pane of glass before the south wall, a core that nobody sees, and its room."""
    return [
        box("south", "IfcWall", (0, -4, 1.5), (10, 0.3, 3)),
        box("north", "IfcWall", (0, 4, 1.5), (10, 0.3, 3)),
        box("west", "IfcWall", (-5, 0, 1.5), (0.3, 8, 3)),
        box("east", "IfcWall", (5, 0, 1.5), (0.3, 8, 3)),
        box("slab", "IfcSlab", (0, 0, -0.1), (10, 8, 0.2)),
        box("roof", "IfcRoof", (0, 0, 3.15), (11, 9, 0.3)),
        box("pane", "IfcWindow", (0, -4.6, 1.5), (8, 0.02, 2), 0x88AACC40),
        box("core", "IfcColumn", (0, 0, 1.5), (0.5, 0.5, 3)),
        box("room", "IfcSpace", (0, 0, 1.5), (9.4, 7.4, 3)),
    ]


@pytest.fixture(scope="session")
def real_meshes(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Meshes:
    """The duplex, a real house with windows and rooms."""
    folder = tmp_path_factory.mktemp("tiles")
    build_tiles(shared_data / "bim" / "ifc" / "duplex.ifc", folder, plans=False)
    return load_meshes(folder)
