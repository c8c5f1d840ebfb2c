"""A drone that is heard live is where it is, and was where it was; its flight runs from arming to disarming."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from websockets.sync.client import connect

from tests.drone_photos.conftest import photo_file
from tests.twin_api.conftest import TS, Feed
from tests.twin_drones.conftest import Drones, until
from wire.catalogue import Point
from wire.schemas import EVENTS, POSES, STATES, schema

POINTS = [
    Point(id=0, device="drone-1", metric="pose", kind="pose"),
    Point(id=1, device="drone-1", metric="mode", kind="state"),
    Point(id=2, device="drone-1", metric="armed", kind="state"),
    Point(id=3, device="drone-1", metric="battery_charge", unit="%"),
]
LAT, LON, ALT = 48.963, 18.165, 260.0


class Vehicle(Feed):
    """A vehicle on a gateway's link, as its records come to the twin."""

    def __init__(self, twin: Drones) -> None:
        super().__init__(twin.twin)
        self._absorber.on_poses = twin.twin.drones.now.take
        self.catalogue(POINTS)

    def poses(self, ts_us: Any, north_m: Any = 0.0, up_m: Any = 0.0) -> None:
        ts = np.atleast_1d(np.asarray(ts_us, np.int64))
        n = len(ts)
        north, up = (np.broadcast_to(np.asarray(one, float), (n,)) for one in (north_m, up_m))
        arrays = [
            pa.array(np.zeros(n, np.uint32)), pa.array(ts).view(TS), pa.array(LAT + north / 111_320.0),
            pa.array(np.full(n, LON)), pa.array(ALT + up), pa.array(np.ones(n, np.uint8)),
            *(pa.array(np.full(n, angle, np.float32)) for angle in (1.0, -2.0, 90.0)), pa.array(np.zeros(n, np.uint8)),
        ]  # fmt: skip
        self._take(pa.RecordBatch.from_arrays(arrays, schema=schema(POSES)), POSES)

    def says(self, point: int, ts_us: int, text: str) -> None:
        columns = {"point": [point], "ts": pa.array([ts_us]).view(TS), "value": [text], "quality": [0]}
        self._take(pa.RecordBatch.from_pydict(columns, schema=schema(STATES)), STATES)

    def happens(self, ts_us: int, kind: str) -> None:
        columns = {
            "ts": pa.array([ts_us]).view(TS), "device": ["drone-1"], "kind": [kind], "severity": [2],
            "point": [None], "message": [kind], "detail": ["{}"],
        }  # fmt: skip
        self._take(pa.RecordBatch.from_pydict(columns, schema=schema(EVENTS)), EVENTS)


def seconds(start_us: int, count: int) -> Any:
    return start_us + np.arange(count) * 1_000_000


@pytest.fixture
def vehicle(twin: Drones) -> Vehicle:
    return Vehicle(twin)


def test_state_has_where_each_drone_is_now_and_where_it_was(twin: Drones, vehicle: Vehicle) -> None:
    now_us = twin.twin.clock.wall_us()
    start_us = now_us - 100_000_000
    vehicle.poses(seconds(start_us, 90), np.arange(90) * 2.0, np.arange(90))
    vehicle.says(1, start_us, "AUTO")
    vehicle.says(2, start_us, "armed")
    vehicle.readings(3, seconds(start_us, 90), 90.0 - np.arange(90) / 10)
    [drone] = twin.get("/state")["drones"]
    assert (drone["device"], drone["mode"], drone["armed"]) == ("drone-1", "AUTO", True)
    assert drone["lat_deg"] == pytest.approx(LAT + 178.0 / 111_320.0)
    assert (drone["alt_m"], drone["datum"], drone["yaw_deg"]) == (ALT + 89, "orthometric", 90.0)
    assert drone["battery"] == pytest.approx(81.1)
    assert drone["x"] is None
    at = np.datetime_as_string(np.datetime64(start_us + 30_500_000, "us")) + "Z"
    [then] = twin.get("/state", at=at)["drones"]
    assert then["alt_m"] == ALT + 30
    assert then["battery"] == pytest.approx(87.0)
    assert then["age_s"] == pytest.approx(0.5)
    before = np.datetime_as_string(np.datetime64(start_us - 1, "us")) + "Z"
    assert twin.get("/state", at=before)["drones"] == []
    unknown = np.datetime_as_string(np.datetime64(now_us - 1, "us")) + "Z"
    assert twin.get("/state", at=at, known_at=unknown)["drones"] == []


def test_an_armed_stretch_is_one_flight_and_late_poses_belong_to_it(twin: Drones, vehicle: Vehicle) -> None:
    start_us = twin.twin.clock.wall_us() - 600_000_000
    times, way = seconds(start_us, 120), np.arange(120) * 3.0
    vehicle.poses(times[:20], 0.0)  # on the ground
    vehicle.happens(int(times[20]), "armed")
    vehicle.poses(times[60:90], way[60:90], 20.0)  # the backlog comes behind the newest
    vehicle.happens(int(times[110]), "disarmed")
    first = until(lambda: (twin.get("/flights")["items"] or [None])[0])
    vehicle.poses(times[20:60], way[20:60], 20.0)
    vehicle.poses(times[90:], way[90:], 20.0)
    flight = until(lambda: one if (one := twin.get("/flights")["items"][0])["positions"] == 91 else None)
    assert flight["id"] == first["id"]
    assert (flight["source"], flight["device"], flight["duration_s"]) == ("live", "drone-1", 90.0)
    assert flight["end"] is not None
    assert flight["distance_m"] == pytest.approx(270, rel=0.01)
    assert [one["kind"] for one in flight["events"]] == ["armed", "disarmed"]
    track = twin.get(f"/flights/{flight['id']}")["track"]
    assert track["ts_ms"] == (times[20:111] / 1_000).tolist()
    assert twin.get("/flights", device="nobody")["total"] == 0
    sql = {"sql": "SELECT id, device, positions FROM flights"}
    assert twin.post("/query", sql, 200)["rows"] == [[flight["id"], "drone-1", 91]]


def test_without_arming_it_flies_while_it_moves_and_not_on_its_bench(twin: Drones, vehicle: Vehicle) -> None:
    start_us = twin.twin.clock.wall_us() - 7_200_000_000
    noise = np.random.default_rng(7).normal(0, 0.3, 600)
    vehicle.poses(seconds(start_us, 600), noise)
    moving = np.concatenate([np.zeros(60), np.arange(100) * 4.0, np.full(60, 396.0)])
    vehicle.poses(seconds(start_us + 1_000_000_000, 220), moving, np.minimum(moving, 30.0))
    flight = until(lambda: (twin.get("/flights")["items"] or [None])[0])
    assert twin.get("/flights")["total"] == 1
    assert flight["duration_s"] == pytest.approx(100, abs=3)
    assert flight["height_max_m"] == ALT + 30


def test_a_photo_that_comes_alone_joins_the_flight_on_which_it_was_taken(
    twin: Drones, vehicle: Vehicle, tmp_path: Path
) -> None:
    start_us = twin.twin.clock.wall_us() - 600_000_000
    vehicle.happens(start_us, "armed")
    vehicle.poses(seconds(start_us, 60), np.arange(60) * 3.0)
    vehicle.happens(start_us + 59_000_000, "disarmed")
    flight = until(lambda: (twin.get("/flights")["items"] or [None])[0])
    taken = np.datetime_as_string(np.datetime64(start_us + 30_000_000, "us"), unit="ms") + "Z"
    xmp = {"GpsLatitude": str(LAT), "GpsLongitude": str(LON), "UTCAtExposure": taken}
    done = twin.ended(twin.send(photo_file(tmp_path / "alone.jpg", xmp))["id"])
    assert (done["state"], done["flight"]) == ("done", flight["id"])
    assert [one["name"] for one in twin.get(f"/flights/{flight['id']}")["photos"]] == ["alone.jpg"]
    assert twin.get("/flights")["total"] == 1


def test_a_page_that_asks_for_poses_gets_each_move_and_nothing_else_does(twin: Drones, vehicle: Vehicle) -> None:
    vehicle.poses(twin.twin.clock.wall_us())
    address = twin.url.replace("http", "ws") + "/api/v1/live"
    with connect(address) as wants, connect(address) as other:
        wants.send(json.dumps({"type": "subscribe", "poses": True}))
        other.send(json.dumps({"type": "subscribe", "view": "v", "points": []}))
        first = _poses(wants)
        vehicle.poses(twin.twin.clock.wall_us(), 50.0)
        while (moved := _poses(wants))["items"][0]["lat_deg"] == first["items"][0]["lat_deg"]:
            pass
        assert moved["items"][0]["lat_deg"] == pytest.approx(LAT + 50 / 111_320.0)
        assert moved["items"][0]["device"] == "drone-1"
        other.send(json.dumps({"type": "ping"}))
        kinds = []
        while "pong" not in kinds:
            kinds.append(json.loads(other.recv(timeout=60))["type"])
        assert "poses" not in kinds


def _poses(socket: Any) -> Any:
    while (message := json.loads(socket.recv(timeout=60)))["type"] != "poses":
        pass
    return message
