"""The drone of the campus: where it flies on Earth, its faults with their labels, its dock and what the dock brings."""

import asyncio
import json
import math
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np
import pytest

from bim.geo.site import frame_of, read_geography
from bim.open import read_model
from sim_devices.drone import scan_job
from sim_devices.drone.autopilot import LAND_MODE, RTL, Autopilot, Faulty
from sim_devices.drone.dock import Dock
from sim_devices.drone.surveyor import Surveyor
from sim_devices.drone.table import Place3
from sim_devices.faults import Faults, load_scenario
from sim_devices.park import Park
from sim_devices.site import load_site
from wire.errors import ConfigError

SITE_DIR = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
SCENARIO = Path(scan_job.__file__).parents[2] / "configs" / "scenarios" / "open" / "drone.toml"
WIND = Place3(2.0, 1.0, 0.0)
START_US = 1_781_064_000_000_000


@pytest.fixture(scope="module")
def campus_ifc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from click.testing import CliRunner

    from bim.cli import bim

    path = tmp_path_factory.mktemp("model") / "campus.ifc"
    done = CliRunner().invoke(bim, ["sample", str(path), "--site", str(SITE_DIR)])
    assert done.exit_code == 0, done.output
    return path


def the_drone() -> Autopilot:
    site = load_site(SITE_DIR)
    return Autopilot(site.drones[0], site.place.frame, 7)


def test_the_drone_flies_where_the_model_lies_to_five_centimetres(campus_ifc: Path, tmp_path: Path) -> None:
    frame = frame_of(read_model(str(campus_ifc), tmp_path).georeference, read_geography(SITE_DIR))
    ours = load_site(SITE_DIR).place.frame
    grid = np.array([[0.0, 0.0, 0.0], [200.0, 150.0, 30.0], [-60.0, 140.0, 10.0], [170.0, 20.0, 0.0]])
    wanted = frame.to_wgs84(grid)
    for (x, y, up), (lat, lon, height) in zip(grid.tolist(), wanted.tolist(), strict=True):
        found = ours.to_earth(ours.from_grid(x, y, up))
        north_m = (found[0] - lat) * 111_200
        east_m = (found[1] - lon) * 111_200 * math.cos(math.radians(lat))
        assert math.hypot(north_m, east_m) < 0.05
        assert abs(found[2] - height) < 0.01
        back = ours.from_earth(*found)
        assert ours.to_grid(back) == pytest.approx((x, y), abs=1e-6)


def fly(pilot: Autopilot, dock: Dock, seconds: float, faulty: Any = lambda time_s: Faulty()) -> list[Place3]:
    places = []
    for _ in range(round(seconds * 10)):
        pilot.faulty = faulty(pilot.time_s)
        pilot.step(0.1, WIND)
        dock.step(0.1)
        places.append(pilot.air.place)
    return places


def test_its_first_flight_starts_within_twenty_seconds_takes_minutes_and_stays_clear_of_houses() -> None:
    pilot, landed = the_drone(), list[list[Place3]]()
    site = load_site(SITE_DIR)
    dock = Dock(pilot, landed.append)
    fly(pilot, dock, 20.0)
    assert pilot.airborne
    started_s = pilot.time_s
    while not landed and pilot.time_s < 400:
        fly(pilot, dock, 1.0)
    assert 120 < pilot.time_s - started_s < 240
    x, y = np.array([pilot.frame.to_grid(place) for place in landed[0]]).T
    assert x.max() - x.min() > 150, "around the whole campus"
    assert y.max() - y.min() > 50
    houses = {space.building: space for space in site.spaces.values() if space.building}
    assert len(houses) == 4
    assert min(place.up for place in landed[0][10:-10]) > 14.0, "above every roof of the site"
    assert 0.8 < pilot.air.charge < 0.98
    fly(pilot, dock, 900)
    assert pilot.flights == 2, "it charges and flies again"


def test_a_climbing_or_fast_drone_drains_its_battery_more_than_a_hovering_one() -> None:
    from sim_devices.drone.airframe import Airframe

    def used(velocity: Place3) -> float:
        frame = Airframe(Place3(0, 0, 50), 100.0)
        for _ in range(600):
            frame.fly(0.1, velocity, None, Place3(0, 0, 0))
        return 100.0 - frame.left_wh

    hover = used(Place3(0, 0, 0))
    assert used(Place3(5, 0, 0)) < hover < used(Place3(0, 0, 2)) < used(Place3(15, 0, 2))


def test_a_low_battery_a_fence_and_a_lost_station_bring_it_home() -> None:
    for what in ("battery", "fence", "link"):
        pilot, said = the_drone(), list[str]()
        pilot.say = lambda severity, text, said=said: said.append(text)
        if what == "fence":
            pilot.spec = msgspec.structs.replace(pilot.spec, fence_m=(100.0, 0.0, 260.0, 210.0))
        dock = Dock(pilot)
        fly(pilot, dock, 40.0)
        assert pilot.airborne
        if what == "battery":
            pilot.air.left_wh = 0.2 * pilot.air.capacity_wh
        if what == "link":
            pilot.since_heard_s = 0.0
        while pilot.mode != RTL and pilot.time_s < 140:
            fly(pilot, dock, 1.0)
        assert pilot.failsafe == what, said
        fly(pilot, dock, 120.0)
        assert not pilot.airborne
        assert math.dist(pilot.air.place, pilot.home) < 3.0, what
        assert pilot.failsafe == what or pilot.failsafe == ""


def test_labelled_faults_show_in_what_it_says_and_does() -> None:
    site = load_site(SITE_DIR)
    faults = Faults(load_scenario(SCENARIO, site), START_US)
    assert [label["what"] for label in faults.labels()] == ["gps-drift", "link-cut", "motor-loss"]
    assert faults.cut(START_US + 800_000_000) == {"drone-1"}
    pilot = the_drone()
    dock = Dock(pilot)
    off = []
    for _ in range(1_100):
        pilot.faulty = faults.of_drone("drone-1", START_US + round(pilot.time_s * 1e6))
        pilot.step(0.1, WIND)
        dock.step(0.1)
        off.append(pilot.place.east - pilot.air.place.east)
    assert abs(np.mean(off[:300])) < 2.0
    assert off[-1] > 30.0
    fly(pilot, dock, 30.0, lambda time_s: Faulty(motor_lost=pilot.airborne))
    pilot.faulty = Faulty(motor_lost=True)
    fly(pilot, dock, 60.0, lambda time_s: Faulty(motor_lost=True))
    assert pilot.mode == LAND_MODE or not pilot.armed
    assert not pilot.airborne


@pytest.mark.parametrize("fault", [
    {"what": "motor-loss", "device": "main-meter"}, {"what": "gps-drift", "device": "drone-9"},
    {"what": "gps-drift", "device": "drone-1", "metric": "x"},
])  # fmt: skip
def test_a_fault_of_a_drone_that_is_none_is_refused(tmp_path: Path, fault: dict[str, str]) -> None:
    file = tmp_path / "s.toml"
    lines = [f'{name} = "{value}"' for name, value in fault.items()]
    file.write_text("\n".join(['title = "t"', "[[fault]]", *lines, "from_s = 0", "to_s = 1"]))
    with pytest.raises(ConfigError) as refused:
        load_scenario(file, load_site(SITE_DIR))
    assert refused.value.field.startswith("fault[0].")


async def test_the_park_serves_the_drone_and_tells_the_agent_how_to_read_it() -> None:
    async with Park(SITE_DIR, 7, speed=1.0, only=["drone-1"]) as park:
        (table,) = park.edge_config()["source"]
        assert (table["kind"], table["devices"]) == ("mavlink", {"1": "drone-1"})
        assert table["url"].startswith("udpout://127.0.0.1:")


class Twin:
    """A server that takes uploads and remembers them."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes, str]] = []
        twin = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                twin.taken.append((parts.path, query, body, self.headers.get("authorization", "")))
                self.send_response(202)
                self.end_headers()
                self.wfile.write(b'{"group": "g"}')

            def log_message(self, *arguments: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


async def test_after_a_landing_a_child_scans_the_site_with_late_elements_and_sends_it(
    campus_ifc: Path, tmp_path: Path
) -> None:
    pilot = the_drone()
    pilot.spec = msgspec.structs.replace(pilot.spec, scan_points=20_000, scan_stations=6, late=2)
    twin, tracks = Twin(), list[list[Place3]]()
    fly(pilot, Dock(pilot, tracks.append), 200.0)
    places = [(*pilot.frame.to_grid(place), place.up) for place in tracks[0]]
    wish = tmp_path / "dock.json"
    surveyor = Surveyor(wish, "Europe/Bratislava", 7)
    async with asyncio.TaskGroup() as tasks:
        surveyor.landed(pilot.spec, places, tasks)
        assert surveyor._task is None, "nobody has said where the twin is"
        work = {"url": twin.url, "ifc": str(campus_ifc), "work": str(tmp_path / "work"), "token": "secret"}
        wish.write_text(json.dumps(work))
        surveyor.landed(pilot.spec, places, tasks)
        first = surveyor._task
        surveyor.landed(pilot.spec, places, tasks)
        assert surveyor._task is first is not None, "one at a time"
    (done,) = surveyor.done
    assert done["simulated"] is True
    assert len(done["late"]) == 2
    assert 0 < done["points"] <= 20_000
    paths = [path for path, *_ in twin.taken]
    assert paths[:2] == ["/api/v1/uploads"] * 2
    assert paths[2].endswith("/commit")
    queries = [query for _, query, _, _ in twin.taken]
    assert [query.get("kind") for query in queries[:2]] == ["stations", "cloud"]
    assert queries[0]["group"] == queries[1]["group"] == paths[2].split("/")[4]
    assert twin.taken[1][2].startswith(b"LASF")
    assert {authorization for *_, authorization in twin.taken} == {"Bearer secret"}
    twin.server.shutdown()
    twin.server.server_close()
