"""Events of a live vehicle, from frames that pymavlink packs."""

import io
from typing import Any

from pymavlink.dialects.v20 import all as dialect

from drone_ingest.mavlink.stream import MavlinkStream
from drone_ingest.mavlink.vehicle_events import LINK_LOST_US, VehicleEvents

_COPTER, _GCS, _ARDUPILOT, _NONE = 2, 6, 3, 8
_LOITER, _RTL = 5, 6


class _Link:
    """A vehicle, a ground station and our decoder, with a clock that the test moves."""

    def __init__(self) -> None:
        self.vehicle = dialect.MAVLink(io.BytesIO(), srcSystem=1, srcComponent=1)
        self.station = dialect.MAVLink(io.BytesIO(), srcSystem=255, srcComponent=190)
        self.stream, self.events, self.now_us = MavlinkStream(), VehicleEvents(), 1_000_000

    def say(self, *messages: Any, after_s: float = 1.0) -> list[tuple[str, str]]:
        self.now_us += round(after_s * 1e6)
        data = b"".join(bytes(one.pack(self.vehicle)) for one in messages)
        return [(one.kind, one.text) for one in self.events.take(self.stream.feed(data, self.now_us), self.now_us)]

    def beat(self, mode: int = _LOITER, *, armed: bool = False) -> Any:
        return self.vehicle.heartbeat_encode(_COPTER, _ARDUPILOT, 81 | (128 if armed else 0), mode, 4)


def test_arming_and_modes_are_told_when_they_change_and_only_then() -> None:
    link = _Link()
    assert link.say(link.beat()) == [("connected", "vehicle 1 is on the link"), ("mode", "LOITER")]
    assert link.say(link.beat()) == []
    assert link.say(link.beat(armed=True)) == [("armed", "")]
    assert link.say(link.beat(_RTL, armed=True), link.beat(_RTL, armed=True)) == [("mode", "RTL")]
    assert link.say(link.beat(_RTL)) == [("disarmed", "")]


def test_silence_is_a_lost_link_once_and_its_end_is_told() -> None:
    link = _Link()
    link.say(link.beat())
    assert link.say(after_s=LINK_LOST_US / 1e6 + 0.1) == [("link_lost", "no heartbeat of vehicle 1 for 5 s")]
    assert link.say(after_s=10) == []
    assert link.events.systems == {1: False}
    assert link.say(link.beat(), after_s=1) == [("link_back", "vehicle 1 is back after 16.1 s")]
    assert link.events.systems == {1: True}


def test_a_ground_station_is_no_vehicle() -> None:
    link = _Link()
    heartbeat = link.station.heartbeat_encode(_GCS, _NONE, 0, 0, 4)
    batches = link.stream.feed(bytes(heartbeat.pack(link.station)), link.now_us)
    assert link.events.take(batches, link.now_us) == []
    assert link.events.systems == {}


def test_fence_battery_status_and_waypoints_are_events() -> None:
    link = _Link()
    link.say(link.beat())
    outside = link.vehicle.fence_status_encode(1, 1, 3, 1_000, 0)
    assert link.say(outside, outside) == [("fence", "outside the fence")]
    assert link.say(link.vehicle.fence_status_encode(0, 1, 0, 2_000, 0)) == [("fence_clear", "inside the fence again")]
    low = link.vehicle.battery_status_encode(0, 0, 0, 0, [22_000] + [65_535] * 9, -1, -1, -1, 18, 0, 2)
    assert link.say(low, link.beat()) == [("battery", "battery is low")]
    assert link.say(low, link.beat()) == []
    text = link.vehicle.statustext_encode(2, b"EKF variance")
    reached = link.vehicle.mission_item_reached_encode(4)
    assert link.say(text, reached, link.beat()) == [("status", "EKF variance"), ("waypoint", "waypoint 4 reached")]


def test_a_restart_in_flight_is_told() -> None:
    link = _Link()
    link.say(link.beat(), link.vehicle.system_time_encode(0, 600_000))
    told = link.say(link.beat(), link.vehicle.system_time_encode(0, 3_000))
    assert told == [("restarted", "the autopilot restarted: its time since boot went back")]
