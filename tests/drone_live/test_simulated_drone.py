"""The simulated drone against pymavlink as a foreign ground station."""

import asyncio
import math
from typing import Any

import pytest


def _places(tools: Any, *grid: tuple[float, float]) -> list[tuple[float, float]]:
    return [tools.FRAME.to_earth(tools.FRAME.from_grid(*place))[:2] for place in grid]


async def _station(work: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments)


async def test_a_foreign_station_uploads_a_mission_arms_flies_it_and_sees_it_end(tools: Any) -> None:
    (a, b) = _places(tools, (25.0, 5.0), (25.0, 30.0))
    items = [(6, 22, 0, 0, 0, 12.0), (6, 16, 0, *a, 12.0), (3, 16, 0, *b, 16.0), (6, 20, 0, 0, 0, 0)]

    def fly(port: int) -> dict[str, Any]:
        station = tools.GroundStation(port)
        try:
            station.beat()
            beat = station.wait("HEARTBEAT")
            assert station.upload(items) == 0
            assert [one.command for one in station.download()] == [22, 16, 16, 20]
            assert station.command(300) == 2, "a vehicle that is not armed starts no mission"
            assert station.command(400, 1) == 0
            assert station.command(300) == 0
            reached, places, low = [], [], []
            while True:
                told = station.wait(["MISSION_ITEM_REACHED", "GLOBAL_POSITION_INT", "HEARTBEAT", "SYS_STATUS"])
                if told.get_type() == "MISSION_ITEM_REACHED":
                    reached.append(told.seq)
                elif told.get_type() == "GLOBAL_POSITION_INT":
                    places.append((told.lat / 1e7, told.lon / 1e7, told.relative_alt / 1e3, told.alt / 1e3))
                elif told.get_type() == "SYS_STATUS":
                    low.append(told.battery_remaining)
                elif reached == [0, 1, 2] and not told.base_mode & 128:
                    return {"beat": beat, "places": places, "texts": station.texts, "battery": low}
        finally:
            station.close()

    async with tools.flying() as drone:
        seen = await _station(fly, drone.server.port)
    assert (seen["beat"].type, seen["beat"].autopilot) == (2, 3)
    assert max(up for *_, up, _ in seen["places"]) > 25.0, "it comes home at the height of its way home"
    assert all(abs(sea - up - 233.0) < 2.0 for *_, up, sea in seen["places"])
    nearest = min(math.dist((lat, lon), b) for lat, lon, *_ in seen["places"]) * 111_320
    assert nearest < 4.0
    assert seen["battery"][0] > seen["battery"][-1]
    assert "Mission complete" in seen["texts"]


async def test_a_mission_that_cannot_be_flown_is_refused_and_leaves_the_one_before(tools: Any) -> None:
    ((lat, lon),) = _places(tools, (5.0, 5.0))

    def talk(port: int) -> tuple[list[int], list[int]]:
        station = tools.GroundStation(port)
        try:
            results = [
                station.upload([(6, 22, 0, 0, 0, 10.0), (6, 9_999, 0, lat, lon, 10.0)]),
                station.upload([(9, 16, 0, lat, lon, 10.0)]),
                station.upload([(6, 16, 0, 91.0, lon, 10.0)]),
            ]
            station.link.mav.mission_count_send(1, 1, 5_000, 0)
            results.append(int(station.wait("MISSION_ACK").type))
            before = [one.command for one in station.download()]
            station.link.mav.mission_set_current_send(1, 1, 2)
            assert station.wait("MISSION_CURRENT", lambda one: one.seq == 2).seq == 2
            station.link.mav.mission_clear_all_send(1, 1, 0)
            results.append(int(station.wait("MISSION_ACK").type))
            assert station.download() == []
            return results, before
        finally:
            station.close()

    async with tools.flying() as drone:
        results, before = await _station(talk, drone.server.port)
    assert results == [3, 2, 5, 4, 0]  # unsupported, frame, invalid, no space, accepted
    assert before == [22, 178, 16, 16, 20]


async def test_an_upload_that_stalls_is_asked_for_again_and_then_dropped(tools: Any) -> None:
    def stall(port: int) -> list[Any]:
        station = tools.GroundStation(port)
        try:
            station.link.mav.mission_count_send(1, 1, 3, 0)
            asked = 0
            while True:
                told = station.wait(["MISSION_REQUEST_INT", "MISSION_ACK"])
                if told.get_type() == "MISSION_ACK":
                    return [asked, told.type, len(station.download())]
                asked += 1
        finally:
            station.close()

    async with tools.flying() as drone:
        asked, result, left = await _station(stall, drone.server.port)
    assert (asked, result, left) == (6, 15, 5)


async def test_two_ground_stations_at_once_each_hear_the_drone_and_their_own_answers(tools: Any) -> None:
    def second(port: int) -> tuple[int, int]:
        station = tools.GroundStation(port, 250)
        try:
            position = station.wait("GLOBAL_POSITION_INT", lambda one: one.relative_alt > 5_000)
            other = station.command(31_000)
            return position.relative_alt, other
        finally:
            station.close()

    async with tools.flying() as drone:
        height, results = await asyncio.gather(
            _station(second, drone.server.port), _station(_up_and_home, tools, drone.server.port)
        )
    assert height[0] > 5_000
    assert height[1] == 3, "an unknown command is said to be unsupported"
    assert results == [0, 0, 0]


def _up_and_home(tools: Any, port: int) -> list[int]:
    station = tools.GroundStation(port)
    try:
        results = [station.command(400, 1), station.command(22, 0, 0, 0, 0, 0, 0, 10)]
        station.wait("GLOBAL_POSITION_INT", lambda one: one.relative_alt > 7_000)
        return [*results, station.command(20)]
    finally:
        station.close()


async def test_a_signing_drone_obeys_nobody_without_the_key(tools: Any) -> None:
    key = bytes(range(32))

    def talk(port: int) -> int:
        stranger, friend = tools.GroundStation(port, 200), tools.GroundStation(port, 255, key)
        try:
            stranger.beat()
            stranger.link.mav.command_long_send(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0)
            assert stranger.link.recv_match(blocking=True, timeout=1.0) is None
            return friend.command(400, 1)
        finally:
            stranger.close()
            friend.close()

    async with tools.flying(key=key) as drone:
        assert await _station(talk, drone.server.port) == 0
        assert drone.pilot.armed


@pytest.mark.parametrize("seed", [1, 2])
def test_one_seed_and_one_wind_give_one_flight(tools: Any, seed: int) -> None:
    from sim_devices.drone.autopilot import Autopilot
    from sim_devices.drone.dock import Dock
    from sim_devices.drone.table import Place3

    def track(seed: int) -> list[Any]:
        pilot = Autopilot(tools.SPEC, tools.FRAME, seed)
        dock, places = Dock(pilot), []
        for _ in range(1_200):
            pilot.step(0.1, Place3(3.0, 1.0, 0.0))
            dock.step(0.1)
            places.append(pilot.place)
        assert pilot.flights == 1
        assert not pilot.armed
        return places

    assert track(seed) == track(seed)
    assert track(seed) != track(seed + 10)
