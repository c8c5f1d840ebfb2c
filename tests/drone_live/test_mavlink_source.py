"""The MAVLink source against the simulated drone, and against pymavlink where it must be somebody else's bytes."""

import asyncio
import os
import pty
import socket
import tomllib
import tty
from pathlib import Path
from typing import Any

import msgspec
import pytest

import edge.sources.mavlink as module
from drone_ingest.mavlink.dialect import LIVE
from drone_ingest.mavlink.encode import encode
from edge.sources import SourceError
from wire.clock import Clock, ManualClock
from wire.errors import ConfigError
from wire.quality import BAD, NOT_A_NUMBER, STALE

KEY = bytes(range(32))


def frames(*said: tuple[str, dict[str, Any]], system: int = 1, seq: int = 0, signer: Any = None) -> list[bytes]:
    return [
        encode(name, fields, system=system, component=1, seq=seq + at, signer=signer, dialect_name=LIVE,
               now_us=1_790_000_000_000_000)
        for at, (name, fields) in enumerate(said)
    ]  # fmt: skip


BEAT = ("HEARTBEAT", {"type": 2, "autopilot": 3, "base_mode": 81, "custom_mode": 5, "system_status": 4})


class Sender:
    """Datagrams of a vehicle that says what a test wants."""

    def __init__(self, port: int) -> None:
        self.socket, self.to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), ("127.0.0.1", port)

    def say(self, datagrams: list[bytes]) -> None:
        for one in datagrams:
            self.socket.sendto(one, self.to)


def listening(tools: Any, folder: Path, clock: Clock | None = None, **more: Any) -> tuple[Any, int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    table = {"kind": "mavlink", "name": "air", "url": f"udpin://127.0.0.1:{port}", "devices": {"1": "drone-1"}}
    return tools.make_source({**table, **more}, folder, clock), port


async def opened(source: Any) -> None:
    async with asyncio.timeout(30):
        while source._transport is None:
            await asyncio.sleep(0.01)


async def test_sample_config_reads_a_drone_that_flies_and_takes_its_commands(tools: Any, tmp_path: Path) -> None:
    (part,) = [part for part in (module.__doc__ or "").split("\n\n") if part.startswith("[[source]]")]
    (sample,) = tomllib.loads(part)["source"]
    around = msgspec.structs.replace(tools.SPEC, mission_m=((80.0, 0.0, 15.0), (80.0, 80.0, 15.0), (0.0, 80.0, 15.0)))
    async with tools.flying(around, pace=2.0) as drone:
        sample |= {"url": f"udpout://127.0.0.1:{drone.server.port}", "commands": [*sample["commands"], "start"]}
        async with tools.make_source(sample, tmp_path) as source:
            heard = tools.Heard(source)
            await heard.until(lambda h: h.values("drone-1/battery_charge"))
            command = next(point for point in source.points() if point.key == "drone-1/command")
            assert (command.declared, command.meta["values"][0]) == ("enum", "return_home")
            with pytest.raises(SourceError, match="denied"):
                await with_reading(heard, source.write(command, "return_home"))
            await with_reading(heard, source.write(command, "start"))
            await heard.until(lambda h: any(one["alt_m"] > 243 for one in h.poses))
            await heard.until(lambda h: "waypoint" in h.kinds())
            await with_reading(heard, source.write(command, "hold"))
            await heard.until(lambda h: "BRAKE" in h.values("drone-1/mode"))
            await with_reading(heard, source.write(command, "return_home"))
            await heard.until(lambda h: "RTL" in h.values("drone-1/mode"))
            drone.pace = 30.0
            await heard.until(lambda h: "disarmed" in h.kinds())
            assert {"armed", "mode", "waypoint", "status", "disarmed"} <= set(heard.kinds())
            assert set(heard.values("drone-1/flight_state")) >= {"in_air", "on_ground"}
            assert {"AUTO", "BRAKE", "RTL"} <= set(heard.values("drone-1/mode"))
            assert {one["datum"] for one in heard.poses} == {1}, "heights are above mean sea level"
            assert max(heard.values("drone-1/climb_rate")) > 0.5
            assert not any(quality & BAD for *_, quality in heard.rows)
            assert source.health.state == "running"
            assert set(source.health.errors) == {"write"}, source.health
            assert source.health.sent == len(heard.rows) + len(heard.poses)


async def with_reading(heard: Any, work: Any) -> None:
    """Do it while the source is being read, as the agent does."""
    task = asyncio.create_task(work)
    await heard.until(lambda h: task.done())
    task.result()


async def test_a_lost_link_makes_every_point_stale_within_a_poll_and_comes_back(tools: Any, tmp_path: Path) -> None:
    async with tools.flying() as drone:
        table = {**drone.server.source(), "link_loss_s": 1.5}
        async with tools.make_source(table, tmp_path) as source:
            heard = tools.Heard(source)
            await heard.until(lambda h: h.values("drone-1/wind_speed") and h.values("drone-1/mode"))
            await drone.server.cut()
            await heard.until(lambda h: h.rows[-1][3] & STALE and h.rows[-1][0] == "drone-1/flight_state")
            assert "link_lost" in heard.kinds()
            stale = {key for key, *_, quality in heard.rows if quality & STALE}
            assert all(key in stale for key, *_ in heard.rows if "/messages_" not in key)
            assert source.health.state == "waiting"
            assert "heartbeat" in source.health.why
            command = next(point for point in source.points() if point.writable)
            with pytest.raises(SourceError, match="no link"):
                await source.write(command, "hold")
            await drone.server.start(drone.tasks)
            await heard.until(lambda h: "link_back" in h.kinds() and not h.rows[-1][3] & STALE)
            assert source.health.state == "running"


async def test_what_is_not_signed_with_the_key_is_refused_and_counted(tools: Any, tmp_path: Path) -> None:
    from drone_ingest.mavlink.signing import Signer

    (tmp_path / "drone.key").write_text(KEY.hex())
    source, port = listening(tools, tmp_path, ManualClock(1_790_000_000_000_000), key_file="drone.key")
    async with source:
        await opened(source)
        sender, heard = Sender(port), tools.Heard(source)
        sender.say(frames(BEAT))
        await heard.until(lambda h: source.health.errors.get("unsigned"))
        sender.say(frames(BEAT, signer=Signer(bytes(32))))
        await heard.until(lambda h: source.health.errors.get("wrong"))
        assert source.points() == []
        good = frames(BEAT, ("SYS_STATUS", {"battery_remaining": 80}), signer=Signer(KEY))
        sender.say(good)
        await heard.until(lambda h: h.values("drone-1/battery_charge") == [80])
        sender.say(good)
        await heard.until(lambda h: source.health.errors.get("replayed") == 2)
        assert heard.values("drone-1/battery_charge") == [80]


async def test_several_systems_are_several_devices_and_one_id_twice_is_one_device(tools: Any, tmp_path: Path) -> None:
    source, port = listening(tools, tmp_path, request=False)
    async with source:
        await opened(source)
        one, other, heard = Sender(port), Sender(port), tools.Heard(source)
        one.say(frames(BEAT, ("SYS_STATUS", {"battery_remaining": 51})))
        other.say(frames(BEAT, ("SYS_STATUS", {"battery_remaining": 52}), system=7))
        await heard.until(lambda h: h.values("air-7/battery_charge") and h.values("drone-1/battery_charge"))
        other.say(frames(BEAT, ("SYS_STATUS", {"battery_remaining": 99}), system=1))
        await heard.until(lambda h: source.health.errors.get("duplicate"))
        assert heard.values("drone-1/battery_charge") == [51]
        one.say(frames(BEAT, ("SYS_STATUS", {"battery_remaining": 50}), seq=2))
        await heard.until(lambda h: h.values("drone-1/battery_charge") == [51, 50])


async def test_ground_stations_and_cameras_on_the_link_are_no_devices(tools: Any, tmp_path: Path) -> None:
    source, port = listening(tools, tmp_path, request=False)
    station = ("HEARTBEAT", {"type": 6, "autopilot": 8, "system_status": 4})
    async with source:
        await opened(source)
        first, second, drone, heard = Sender(port), Sender(port), Sender(port), tools.Heard(source)
        first.say(frames(station, ("SYS_STATUS", {"battery_remaining": 5}), system=255))
        second.say(frames(station, ("COMMAND_LONG", {"target_system": 1, "command": 400}), system=250))
        drone.say(frames(BEAT, ("COMMAND_ACK", {"command": 20, "result": 0, "target_system": 255})))
        await heard.until(lambda h: h.values("drone-1/mode"))
        assert {one["device"] for one in heard.events} == {"drone-1"}
        assert {point.device for point in source.points()} <= {"drone-1", "air"}
        command = next(point for point in source.points() if point.key == "drone-1/command")
        asked = asyncio.create_task(source.write(command, "return_home"))
        await heard.until(lambda h: source._commander._waiting)
        drone.say(frames(("COMMAND_ACK", {"command": 20, "result": 0, "target_system": 255}), seq=2))
        drone.say(frames(("COMMAND_ACK", {"command": 20, "result": 4, "target_system": 254}), seq=3))
        await heard.until(lambda h: asked.done())
        with pytest.raises(SourceError, match="it failed"):
            asked.result()


async def test_what_mavlink_calls_unknown_is_unknown_and_gaps_are_counted(tools: Any, tmp_path: Path) -> None:
    source, port = listening(tools, tmp_path, request=False)
    known = {"battery_remaining": 80, "voltage_battery": 22_000, "current_battery": 100}
    unknown = {"battery_remaining": -1, "voltage_battery": 65_535, "current_battery": -1}
    async with source:
        await opened(source)
        sender, heard = Sender(port), tools.Heard(source)
        sender.say(frames(BEAT, ("SYS_STATUS", unknown), ("GPS_RAW_INT", {"satellites_visible": 255, "fix_type": 3})))
        await heard.until(lambda h: h.values("drone-1/gps_fix"))
        assert not {"drone-1/battery_charge", "drone-1/gps_satellites"} & {point.key for point in source.points()}
        sender.say(frames(("SYS_STATUS", known), ("SYS_STATUS", unknown), ("SYS_STATUS", unknown), seq=13))
        await heard.until(lambda h: len(h.values("drone-1/battery_charge")) == 2)
        charge = [(value, quality) for key, _, value, quality in heard.rows if key == "drone-1/battery_charge"]
        assert charge[0] == (80.0, 0)
        assert charge[1][1] == NOT_A_NUMBER
        source._counts_s = -1e9
        await heard.until(lambda h: 10.0 in h.values("air/messages_lost"))


async def test_positions_that_cannot_be_are_flagged_until_they_agree(tools: Any, tmp_path: Path) -> None:
    source, port = listening(tools, tmp_path, request=False)

    def at(lat: float) -> tuple[str, dict[str, Any]]:
        return "GLOBAL_POSITION_INT", {"lat": round(lat * 1e7), "lon": 181_680_000, "alt": 250_000}

    async with source:
        await opened(source)
        sender, heard = Sender(port), tools.Heard(source)
        sender.say(frames(BEAT, at(48.963), at(52.0), at(48.9631), at(200.0), ("GLOBAL_POSITION_INT", {"alt": 5})))
        await heard.until(lambda h: len(h.poses) == 3)
        assert [one["quality"] for one in heard.poses] == [0, BAD, 0]
        assert source.health.errors == {"position": 1}
        sender.say(frames(*[at(10.0 + 1e-6 * step) for step in range(12)], seq=5))
        await heard.until(lambda h: len(h.poses) == 15)
        assert [one["quality"] for one in heard.poses[3:]] == [BAD] * 9 + [0] * 3


async def test_a_step_of_the_clock_is_no_lost_link_and_hides_none(tools: Any, tmp_path: Path) -> None:
    clock = ManualClock()
    source, port = listening(tools, tmp_path, clock, request=False, devices={})
    async with source:
        await opened(source)
        sender, heard = Sender(port), tools.Heard(source)
        for jump in (0, 3_600_000_000, -7_200_000_000):
            clock.jump(jump)
            before = len(heard.values("air-1/cpu_load"))
            sender.say(frames(BEAT, ("SYS_STATUS", {"load": 300}), seq=before))
            await heard.until(lambda h, before=before: len(h.values("air-1/cpu_load")) > before)
            clock.advance(4.0)
        assert "link_lost" not in heard.kinds("air-1")
        times = [us for key, us, *_ in heard.rows if key == "air-1/cpu_load"]
        assert abs(times[1] - times[0] - 3_604_000_000) < 2_000_000
        assert abs(times[2] - times[1] + 7_196_000_000) < 2_000_000
        clock.advance(1.5)
        await heard.until(lambda h: "link_lost" in h.kinds("air-1"))


async def test_events_tell_of_fence_battery_failsafe_and_waypoints(tools: Any, tmp_path: Path) -> None:
    source, port = listening(tools, tmp_path, request=False)
    critical = ("HEARTBEAT", {**BEAT[1], "system_status": 5})
    async with source:
        await opened(source)
        sender, heard = Sender(port), tools.Heard(source)
        sender.say(frames(
            BEAT, ("FENCE_STATUS", {"breach_status": 1, "breach_type": 3}), ("BATTERY_STATUS", {"charge_state": 2}),
            ("BATTERY_STATUS", {"charge_state": 3}), critical, ("MISSION_ITEM_REACHED", {"seq": 4}),
            ("STATUSTEXT", {"severity": 4, "text": "wind is strong"}), ("HEARTBEAT", {**BEAT[1], "base_mode": 209}),
        ))  # fmt: skip
        await heard.until(lambda h: "armed" in h.kinds())
        kinds = {one["kind"]: one for one in heard.events}
        assert {"connected", "mode", "fence", "battery", "failsafe", "waypoint", "status", "armed"} <= set(kinds)
        assert (kinds["fence"]["severity"], kinds["waypoint"]["severity"], kinds["status"]["severity"]) == (3, 0, 2)
        assert kinds["status"]["message"] == "wind is strong"


async def test_tcp_and_a_serial_line_carry_the_same(tools: Any, tmp_path: Path) -> None:
    said = b"".join(frames(BEAT, ("SYS_STATUS", {"battery_remaining": 64})))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        tools.make_source({"kind": "mavlink", "name": "air", "url": f"tcp://127.0.0.1:{port}"}, tmp_path) as source,
    ):
        heard = tools.Heard(source)
        await heard.until(lambda h: h.values("air-1/battery_charge") == [64])
        await heard.until(lambda h: "link_lost" in h.kinds("air-1"))
        assert "connect" in source.health.errors
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    url = f"serial://{os.ttyname(theirs)}?baudrate=115200"
    async with tools.make_source({"kind": "mavlink", "name": "air", "url": url}, tmp_path) as source:
        await opened(source)
        heard = tools.Heard(source)
        os.write(ours, said)
        await heard.until(lambda h: h.values("air-1/battery_charge") == [64])
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"url": "udp://x:1"}, "url"), ({"url": "udpin://:5"}, "url"), ({"url": "serial://"}, "url"),
        ({"url": "tcp://h:1?baudrate=1"}, "url"), ({"url": "tcp://h:99999"}, "url"),
        ({"url": "tcp://h", "devices": {"0": "a"}}, "devices"), ({"url": "tcp://h", "devices": {"x": "a"}}, "devices"),
        ({"url": "tcp://h", "devices": {"1": "a", "2": "a"}}, "devices"),
        ({"url": "tcp://h", "key_file": "k"}, "key_file"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_is_refused_by_its_field(
    tools: Any, tmp_path: Path, table: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        tools.make_source({"kind": "mavlink", "name": "air", **table}, tmp_path)
    assert refused.value.field == field
    assert refused.value.fix
