"""Real twins in threads of their own, asked over HTTP; a small real model with hand-written schedules."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from twin.core import Twin
from twin.server import TwinConfig, serve
from twin.siteconfig import site_from_dict
from wire.catalogue import Point

SLAB = "20WrgxqpbDtferON_k1P2X"  # elements of construction_scheduling_task_ifc4.ifc
WALLS = ["26tmERtwL8G8UQn5BoglEh", "2qqyx9mIf27vQuEGt7ts8$", "0edwXkNgP03AySQjQQlat2", "27D5wuD5z86hr07xvbZLKW"]


class Running:
    """A served twin and a client; `plan_problem` is what was refused at the start."""

    def __init__(self, twin: Twin, url: str, plan_problem: str | None, model_problem: str | None) -> None:
        self.twin, self.url = twin, url
        self.plan_problem, self.model_problem = plan_problem, model_problem
        self.client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a call that must succeed."""
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        """The JSON of a call that must answer `status`."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def upload(self, name: str, data: bytes) -> str:
        """The id of a file that was sent."""
        answer = self.client.post("/uploads", params={"name": name}, content=data)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def change(self, kind: str, body: dict[str, Any]) -> int:
        """Propose and activate; the number of the change."""
        proposed = self.post("/changes", {"kind": kind, "body": body})
        assert proposed["problems"] == []
        self.post(f"/changes/{proposed['id']}/activate", {}, 200)
        return int(proposed["id"])

    def schedule(self, data: bytes, name: str = "plan.csv", **more: Any) -> int:
        """Upload a schedule and make it live."""
        return self.change("schedule", {"upload": self.upload(name, data), **more})

    def now(self) -> str:
        """The twin's clock, as text with microseconds."""
        return self.twin.now_text()

    def states(self, at: str, **more: Any) -> dict[str, dict[str, str]]:
        """GlobalId -> planned, actual and forecast by name."""
        found = self.get("/state", at=at, include="elements", **more)["elements"]
        names = found["codes"]
        sets = ("planned", "actual", "forecast")
        rows = zip(found["global_id"], *(found[name] for name in sets), strict=True)
        return {row[0]: dict(zip(sets, (names[code] for code in row[1:]), strict=True)) for row in rows}

    def add_points(self, points: list[Point]) -> dict[str, int]:
        """A catalogue, as ingest would take it in; ids by key."""
        store = self.twin.store
        draft = store.points.draft(self.twin.site.name)
        draft.enter("gw", points, newest=False)
        store.writer.run(draft.write)
        store.writer.run(store.points.load)
        self.twin.refresh()
        return {key: point.id for key, point in store.points.by_key.items()}


@contextmanager
def running(data_dir: Path, site: dict[str, Any]) -> Iterator[Running]:
    """A twin until the block ends; it has taken in its site by then."""
    box: dict[str, Any] = {}
    ready, stop = threading.Event(), threading.Event()

    async def live() -> None:
        config = TwinConfig(data_dir=data_dir, site=site_from_dict({"name": "lab", **site}, file="test"), port=0)
        async with serve(config) as served:
            model, plan = await served.model, await served.plan
            box["twin"] = Running(served.twin, served.url, plan, model)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    def work() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001  (told to the test)
            box["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="twin under test", daemon=True)
    thread.start()
    ready.wait(120)
    try:
        if "error" in box:
            raise box["error"]
        with box["twin"].client:
            yield box["twin"]
    finally:
        stop.set()
        thread.join(20)


@pytest.fixture(scope="session")
def small_ifc(shared_data: Path) -> Path:
    """Five elements with a work schedule inside."""
    return shared_data / "bim" / "ifc" / "construction_scheduling_task_ifc4.ifc"


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory, small_ifc: Path) -> Path:
    """A data directory with the small model in it, read once."""
    folder = tmp_path_factory.mktemp("small")
    site = {"model": {"file": str(small_ifc)}, "schedule": {"file": "none.csv"}, "folder": str(folder)}
    with running(folder / "data", site) as found:
        assert found.model_problem is None
    return folder / "data"


@pytest.fixture
def house(tmp_path: Path, small_data: Path) -> Iterator[Running]:
    """The small model in Bratislava, without a plan."""
    shutil.copytree(small_data, tmp_path / "data")
    with running(tmp_path / "data", {"time_zone": "Europe/Bratislava", "folder": str(tmp_path)}) as found:
        yield found


@pytest.fixture(scope="session")
def twin_at() -> Callable[..., Any]:
    """`running`, for tests that start several."""
    return running


def csv_plan(*rows: str) -> bytes:
    """Tasks with an element each, as a CSV."""
    head = "id,name,start,finish,duration,predecessors,actual_start,actual_finish,GlobalId"
    return "\n".join([head, *rows, ""]).encode()
