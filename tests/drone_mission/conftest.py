"""A block on a known spot of the Earth."""

import numpy as np
import pytest

from bim.geo.frame import SiteFrame
from bim.geo.settings import Origin
from bim.georeference import Georeference
from bim.tiles import ElementMesh
from drone_ingest.simulate.clutter import boxes


def box(global_id: str, kind: str, middle: tuple[float, float, float], size: tuple[float, float, float]) -> ElementMesh:
    vertices, triangles = boxes(np.array([middle], float), np.array([size], float), np.zeros(1))
    colors = np.full(12, 0xC0C0C0FF, np.uint32)
    return ElementMesh(global_id, kind, "ground", vertices, triangles.astype(np.int32), colors)


@pytest.fixture
def block() -> list[ElementMesh]:
    """A closed block of 20 by 12 by 9 metres, a tower beside it, a core inside."""
    return [
        box("south", "IfcWall", (0, -6, 4.5), (20, 0.4, 9)),
        box("north", "IfcWall", (0, 6, 4.5), (20, 0.4, 9)),
        box("west", "IfcWall", (-10, 0, 4.5), (0.4, 12, 9)),
        box("east", "IfcWall", (10, 0, 4.5), (0.4, 12, 9)),
        box("floor", "IfcSlab", (0, 0, 0.1), (20, 12, 0.2)),
        box("roof", "IfcRoof", (0, 0, 9.1), (20.4, 12.4, 0.2)),
        box("core", "IfcColumn", (0, 0, 4.5), (1, 1, 8)),
        box("tower", "IfcColumn", (0, -22, 15), (2, 2, 30)),
    ]


@pytest.fixture(scope="session")
def frame() -> SiteFrame:
    """The model's origin at Dubnica nad Váhom, y to the north."""
    stated = Georeference(kind="none", true_north_deg=None)
    return SiteFrame.from_georeference(stated, origin=Origin(48.96, 18.17, 250.0), true_north_deg=0.0)
