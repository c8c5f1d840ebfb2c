"""A house of boxes with layers, a plan of it, and scans of it by the simulator, whose truth is known."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bim.tiles.meshes import MESHES_FILE, ElementMesh, MeshWriter
from drone_ingest.scan.job import ScanJob
from drone_ingest.simulate import Disturbance, Sensor, orbit_stations, simulate_scan, write_scan
from drone_ingest.simulate.clutter import boxes


def box(name: str, kind: str, middle: Sequence[float], size: Sequence[float], color: int = 0xC0C0C0FF) -> ElementMesh:
    vertices, triangles = boxes(np.array([middle], float), np.array([size], float), np.zeros(1))
    return ElementMesh(name, kind, "storey", vertices, triangles.astype(np.int32), np.full(12, color, np.uint32))


HOUSE = [
    box("slab", "IfcSlab", (0, 0, -0.1), (12, 9, 0.2)),
    box("south", "IfcWall", (0, -4, 1.5), (10, 0.3, 3)),
    box("north", "IfcWall", (0, 4, 1.5), (10, 0.3, 3)),
    box("west", "IfcWall", (-5, 0, 1.5), (0.3, 7.6, 3)),
    box("east", "IfcWall", (5, 0, 1.5), (0.3, 7.6, 3)),
    box("cladding-south", "IfcCovering", (0, -4.19, 1.5), (10, 0.08, 3)),
    box("cladding-north", "IfcCovering", (0, 4.19, 1.5), (10, 0.08, 3)),
    box("roof", "IfcRoof", (0, 0, 3.1), (10.6, 8.9, 0.2)),
    box("parapet", "IfcWall", (0, -4.3, 3.5), (10.6, 0.2, 0.6)),
    box("annex", "IfcWall", (7.5, 0, 1.2), (0.3, 6, 2.4)),
    box("tower", "IfcColumn", (-7.5, 2, 2.5), (0.6, 0.6, 5)),
    box("core", "IfcColumn", (0, 0, 1.5), (0.5, 0.5, 3)),
    box("shed", "IfcWall", (7.5, -6, 1.0), (2, 0.3, 2)),
    box("room", "IfcSpace", (0, 0, 1.5), (9.4, 7.4, 3)),
]
PLAN = {one.global_id: 3 for one in HOUSE if one.type != "IfcSpace"} | {"tower": 1, "shed": 2, "cladding-north": 3}
STANDS = set(PLAN) - {"annex", "cladding-north", "shed", "tower"}
NEAR = orbit_stations(np.concatenate([one.vertices for one in HOUSE]), 12)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with meshes.arrow and planned.parquet of HOUSE."""
    folder = tmp_path_factory.mktemp("house")
    with MeshWriter(folder / MESHES_FILE, np.zeros(3)) as writer:
        for one in HOUSE:
            writer.write(one, "made")
    pq.write_table(
        pa.table({"global_id": list(PLAN), "planned": pa.array(list(PLAN.values()), pa.uint8())}),
        folder / "planned.parquet",
    )
    return folder


Scanned = Callable[..., ScanJob]


@pytest.fixture(scope="session")
def scanned(house: Path, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """A job about a scan of what stands; keywords go to the Disturbance."""

    def scan(
        stands: Collection[str] = STANDS,
        name: str = "scan.las",
        points: int = 60_000,
        sigma_m: float = 0.01,
        **how: object,
    ) -> ScanJob:
        folder = tmp_path_factory.mktemp("scan")
        disturbance = Disturbance(outlier_share=0.01, **how)  # type: ignore[arg-type]
        sensor = Sensor(points=points, sigma_m=sigma_m)
        write_scan(
            simulate_scan(HOUSE, stands, NEAR, sensor, disturbance, seed=5), folder / name, folder / "stations.csv",
            trajectory=folder / "trajectory.csv",
        )  # fmt: skip
        return ScanJob(
            cloud=str(folder / name), meshes=str(house), planned=str(house / "planned.parquet"), at="2026-06-01",
            stations=str(folder / "stations.csv"), out_dir=str(folder / "out"),
        )  # fmt: skip

    return scan
