"""Real twins in threads of their own, asked over HTTP, that take in real files of drones."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bim.tiles import load_meshes
from drone_ingest.simulate import Disturbance, Sensor, orbit_stations, simulate_scan, write_scan
from tests.twin_plan.conftest import Running, csv_plan, running

WAIT_S = 120.0  # for an event; far more than any of them takes on a busy machine
ENDED = ("done", "refused", "failed")


class Drones(Running):
    """A served twin, and how drones talk to it."""

    def send(self, data: bytes | Path, name: str = "", status: int = 202, **params: Any) -> Any:
        """Upload a file; the answer."""
        name = name or (data.name if isinstance(data, Path) else "")
        content = data.read_bytes() if isinstance(data, Path) else data
        answer = self.client.post("/uploads", params={"name": name, **params}, content=content)
        assert answer.status_code == status, answer.text
        return answer.json()

    def commit(self, group: str, status: int = 202, **params: Any) -> Any:
        """Commit a group; the answer."""
        answer = self.client.post(f"/uploads/{group}/commit", params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def ended(self, upload: str) -> dict[str, Any]:
        """The upload once it is done, refused or failed."""
        return until(lambda: one if (one := self.get(f"/uploads/{upload}"))["state"] in ENDED else None)


def until(look: Callable[[], Any]) -> Any:
    """What `look` gives once it gives something."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {WAIT_S} s")


@contextmanager
def flying(data_dir: Path, **site: Any) -> Iterator[Drones]:
    """A twin until the block ends."""
    with running(data_dir, site) as found:
        assert found.model_problem is None
        drones = Drones(found.twin, found.url, None, None)
        with drones.client:
            yield drones


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Drones]:
    """A twin without a model."""
    with flying(tmp_path / "data") as found:
        yield found


@pytest.fixture(scope="session")
def logs(shared_data: Path) -> Path:
    """Real files of drones."""
    return shared_data / "drone"


SLAB = "20WrgxqpbDtferON_k1P2X"  # elements of construction_scheduling_task_ifc4.ifc
WALLS = ["26tmERtwL8G8UQn5BoglEh", "2qqyx9mIf27vQuEGt7ts8$", "0edwXkNgP03AySQjQQlat2", "27D5wuD5z86hr07xvbZLKW"]
PLAN = csv_plan(
    f"T1,Slab,2026-06-01,2026-06-05,,,,,{SLAB}",
    *(f"T2,Walls,2026-06-08,2026-06-12,,,,,{wall}" for wall in WALLS[:2]),
    *(f"T3,More walls,2026-09-01,2026-09-05,,,,,{wall}" for wall in WALLS[2:]),
)


@pytest.fixture(scope="session")
def house_data(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """A data directory with a small real model, its tiles and a plan by hand: a slab, two walls, two later walls."""
    folder = tmp_path_factory.mktemp("house")
    model = shared_data / "bim" / "ifc" / "construction_scheduling_task_ifc4.ifc"
    with flying(folder / "data", model={"file": str(model)}, folder=str(folder)) as twin:
        twin.change("schedule", {"upload": twin.upload("plan.csv", PLAN)})
        until(lambda: True if twin.client.get("/tiles").status_code == 200 else None)
    return folder / "data"


@pytest.fixture
def house(tmp_path: Path, house_data: Path) -> Iterator[Drones]:
    """The small house."""
    shutil.copytree(house_data, tmp_path / "data")
    with flying(tmp_path / "data", folder=str(tmp_path)) as found:
        yield found


@pytest.fixture(scope="session")
def scan_of(tmp_path_factory: pytest.TempPathFactory, house_data: Path) -> Callable[..., tuple[Path, Path]]:
    """A cloud (.laz) and its station table of the house with these elements standing; simulated, seeded."""
    [tiles] = (house_data / "tiles").iterdir()
    meshes = load_meshes(tiles)
    corners = np.concatenate([mesh.vertices for mesh in meshes])

    def scan(standing: list[str], **disturbed: Any) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("scan")
        stations = orbit_stations(corners, 12)
        sensor, trouble = Sensor(points=60_000, sigma_m=0.005), Disturbance(**disturbed)
        found = simulate_scan(meshes, set(standing), stations, sensor, trouble, seed=3)
        write_scan(found, folder / "cloud.laz", folder / "stations.csv")
        return folder / "cloud.laz", folder / "stations.csv"

    return scan
