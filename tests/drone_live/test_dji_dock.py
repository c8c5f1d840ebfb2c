"""DJI's Cloud API over a real broker: a simulated dock, and messages that no dock should send."""

import asyncio
import json
import random
import shutil
import signal
import socket
import subprocess
import sysconfig
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import edge.sources.dji_dock as module
from edge.sources import SourceError, SourceHealth
from edge.sources.dji_fields import AIRCRAFT, DOCK, MODES, STATES
from edge.sources.dji_rows import DjiRows, RefusedError
from sim_devices.servers.dji_dock import DjiDockServer
from sim_devices.servers.mqtt import Broker
from wire.mqtt import Link, LinkConfig
from wire.quality import STALE

DOCK_SN, AIRCRAFT_SN = "4TADKAQ000000J", "1581F6BKB0000001"


class Nats:
    """A broker that can be killed and started again at its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        shutil.rmtree(self.folder / "js", ignore_errors=True)
        path = self.folder / "nats.conf"
        path.write_text(
            f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{self.folder}/js" }}\n'
            f"mqtt {{ host: 127.0.0.1, port: {self.port} }}\n"
        )
        server = str(Path(sysconfig.get_path("scripts")) / "nats-server")
        self._process = subprocess.Popen(
            [server, "-c", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Nats]:
    made = Nats(tmp_path)
    made.start()
    yield made
    made.kill()


async def until_up(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@asynccontextmanager
async def docked(tools: Any, port: int, **more: Any) -> AsyncIterator[tuple[Any, DjiDockServer]]:
    async with tools.flying(tools.SPEC, **more) as drone:
        await drone.server.cut()
        server = DjiDockServer(
            drone.pilot, Broker(port=port), dock_sn=DOCK_SN, aircraft_sn=AIRCRAFT_SN, period_s=0.1
        )  # fmt: skip
        await server.start(drone.tasks)
        try:
            yield drone, server
        finally:
            await server.cut()


def sample() -> dict[str, Any]:
    (part,) = [part for part in (module.__doc__ or "").split("\n\n") if part.startswith("[[source]]")]
    (table,) = tomllib.loads(part)["source"]
    return dict(table)


async def test_sample_config_reads_a_dock_and_its_aircraft_and_commands_it(
    tools: Any, nats: Nats, tmp_path: Path
) -> None:
    await until_up(nats.port)
    table = {**sample(), "url": f"mqtt://127.0.0.1:{nats.port}"}
    async with tools.make_source(table, tmp_path) as source, docked(tools, nats.port, pace=1.0) as (drone, server):
        heard = tools.Heard(source)
        await heard.until(lambda h: h.values("drone-2/battery_charge") and h.values("dock-1/working_voltage"))
        assert server.online, "its update_topo was answered"
        assert heard.values("dock-1/cover")[0] == "closed"
        assert heard.values("dock-1/working_voltage")[0] == pytest.approx(24.1)
        command = next(point for point in source.points() if point.key == "drone-2/command")
        with pytest.raises(SourceError, match="refused"):
            await reading(heard, source.write(command, "return_home"))
        assert drone.pilot.arm() == 0
        assert drone.pilot.start_mission() == 0
        await heard.until(lambda h: any(one["alt_m"] > 240 + 43.5 for one in h.poses))
        await reading(heard, source.write(command, "hold"))
        await reading(heard, source.write(command, "return_home"))
        await heard.until(lambda h: "RETURN_AUTO" in h.values("drone-2/mode"))
        drone.pace = 30.0
        await heard.until(lambda h: "disarmed" in h.kinds("drone-2"))
        assert {one["datum"] for one in heard.poses} == {0}, "DJI's heights are above the ellipsoid"
        assert {"connected", "armed", "mode", "mission", "disarmed"} <= set(heard.kinds("drone-2"))
        assert "WAYLINE" in heard.values("drone-2/mode")
        await heard.until(lambda h: "flighttask_progress" in server.answered)
        assert set(source.health.errors) == {"write"}


async def reading(heard: Any, work: Any) -> None:
    task = asyncio.create_task(work)
    await heard.until(lambda h: task.done())
    task.result()


async def test_a_silent_dock_and_a_dead_broker_make_points_stale_and_both_come_back(
    tools: Any, nats: Nats, tmp_path: Path
) -> None:
    await until_up(nats.port)
    table = {**sample(), "url": f"mqtt://127.0.0.1:{nats.port}", "link_loss_s": 1.5, "keepalive_s": 1.0}
    async with tools.make_source(table, tmp_path) as source:
        heard = tools.Heard(source)
        async with docked(tools, nats.port):
            await heard.until(lambda h: h.values("drone-2/battery_charge"))
        await heard.until(lambda h: "link_lost" in h.kinds("drone-2"))
        gone = {"drone-2/battery_charge", "drone-2/mode", "dock-1/cover"}  # the dock spoke a little longer
        await heard.until(lambda h: gone <= {key for key, *_, quality in h.rows if quality & STALE})
        await heard.until(lambda h: source.health.state == "waiting")
        async with docked(tools, nats.port):
            await heard.until(lambda h: "link_back" in h.kinds("drone-2"))
        nats.kill()
        await heard.until(lambda h: source.health.errors.get("connect"))
        nats.start()
        await until_up(nats.port)
        before = len(heard.values("drone-2/battery_charge"))
        async with docked(tools, nats.port):
            await heard.until(lambda h: len(h.values("drone-2/battery_charge")) > before)


async def test_bad_payloads_are_counted_and_harm_no_other_message(tools: Any, nats: Nats, tmp_path: Path) -> None:
    await until_up(nats.port)
    table = {**sample(), "url": f"mqtt://127.0.0.1:{nats.port}", "link_loss_s": 60.0}
    osd = f"thing/product/{AIRCRAFT_SN}/osd"
    bad = [
        b"", b"{", b"[]", b"null", b'{"data": 5}', b'{"data": {}}', b'{"data": {"nothing": 1}}', b"\xff\xfe{",
        b'{"data":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b'{"data": {"gear": 1' + b" " * 300_000 + b"}}",
    ]  # fmt: skip
    odd = {
        "gear": 1, "battery": {"capacity_percent": "full", "batteries": "x"}, "latitude": 91.0, "longitude": 5.0,
        "mode_code": 99, "horizontal_speed": True, "elevation": 12.0,
    }  # fmt: skip
    async with tools.make_source(table, tmp_path) as source:
        heard = tools.Heard(source)
        async with Link(LinkConfig("127.0.0.1", nats.port, client_id="dock")) as dock, asyncio.timeout(60):
            await dock.up()
            while not source._link.connected:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)  # until the broker knows who subscribes
            for payload in bad:
                dock.publish(osd, payload, qos=1)
            dock.publish(osd, json.dumps({"data": odd}).encode(), qos=1)
            dock.publish(osd, json.dumps({"data": {"gear": 1, "elevation": 13.0}}).encode(), qos=1)
            await heard.until(lambda h: h.values("drone-2/height_above_takeoff") == [12.0, 13.0])
        assert source.health.errors["decode"] == len(bad)
        assert source.health.discarded == len(bad)
        assert source.health.errors["field"] >= 3
        assert heard.poses == []
        assert heard.values("drone-2/mode") == ["99"]


def test_the_tables_name_fields_of_the_published_list_only(shared_data: Path) -> None:
    listed = json.loads((shared_data / "drone/dji_cloud/osd_fields.json").read_text())
    structs = {name: {row["json"] for row in rows} for name, rows in listed["structs"].items()}
    for fields, struct in ((AIRCRAFT, "OsdDockDrone"), (DOCK, "OsdDock")):
        assert {one.path[0] for one in fields} <= structs[struct] | {"wireless_link"}
    assert {path[0] for path, *_ in STATES["dock"]} <= structs["OsdDock"]
    assert {one.path[1] for one in AIRCRAFT if one.path[0] == "battery"} <= structs["DroneBattery"]
    assert {int(code): name for code, name in listed["drone_mode_code"].items()} == dict(enumerate(MODES))


def test_twenty_thousand_mutated_messages_never_raise_anything_but_a_refusal() -> None:
    rng = random.Random(5)
    good = [
        {"gateway": DOCK_SN, "method": "osd", "data": {
            "gear": 1, "latitude": 48.9, "longitude": 18.1, "height": 300.0, "mode_code": 5,
            "battery": {"capacity_percent": 20, "batteries": [{"voltage": 22_000}]}, "is_near_area_limit": 1}},
        {"method": "update_topo", "data": {"sub_devices": [{"sn": AIRCRAFT_SN}]}},
        {"method": "hms", "data": {"list": [{"code": "0x1", "level": 2}]}},
        {"method": "flighttask_progress", "data": {"output": {"status": "ok", "progress": {"percent": 5}}}},
        {"method": "airsense_warning", "data": [{"warning_level": 3}]},
    ]  # fmt: skip
    strange = [None, True, -1, 10**30, "x" * 50, [], {}, [{}], 1e308, {"a": {"b": [1]}}, [None, 5]]

    def mutate(value: Any) -> Any:
        if rng.random() < 0.12:
            return rng.choice(strange)
        if isinstance(value, dict):
            return {key: mutate(one) for key, one in value.items()}
        return [mutate(one) for one in value] if isinstance(value, list) else value

    health = SourceHealth()
    rows = DjiRows(lambda sn: f"d-{sn.lower()}", ("hold",), health)
    refused = 0
    for turn in range(20_000):
        body = mutate(rng.choice(good))
        body = body if isinstance(body, dict) else {"data": body}
        body, way = msgspec.json.decode(msgspec.json.encode(body)), rng.randrange(3)
        try:
            if way == 0:
                rows.status(f"S{turn % 70}", body, turn, changed_only=turn % 2 == 0)
            elif way == 1:
                rows.topology(DOCK_SN, body, turn)
            else:
                rows.event(DOCK_SN, body, turn)
        except RefusedError:
            refused += 1
        if turn % 500 == 0:
            for batch in rows.batches(turn):
                batch.rows.validate(full=True)
    assert 0 < refused < 20_000
    assert len({point.device for point in rows.points.points}) <= 64
