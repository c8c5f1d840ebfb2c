"""`aid4 edge init --probe` against real peers on loopback: what is found, what is written, what is left alone."""

import asyncio
import json
import random
import threading
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server
from click.testing import CliRunner, Result
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.cli import edge
from edge.config import problems
from edge.probing import Found, probe
from edge.probing.mqtt import family, tables
from sim_devices.servers.bacnet import BacnetServer
from sim_devices.servers.mbus import MbusMeter
from sim_devices.servers.opcua import NODES, OpcUaServer
from sim_devices.site import Device, Metric

VALUE = Metric("energy", unit="kW.h")


def unheard(done: int, of: int) -> None:
    """Nobody looks at the progress."""


def init(*arguments: str) -> Result:
    return CliRunner().invoke(edge, ["init", *arguments])


@contextmanager
def meanwhile(peer: AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """A peer in a loop of its own thread, so that a command of ours can run a loop too."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    made: list[Any] = []

    async def serve() -> None:
        async with peer as one:
            made.append(one)
            stop = asyncio.Event()
            made.append(stop)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(60)
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(made[1].set)
        thread.join(60)
        loop.close()


@asynccontextmanager
async def modbus(*units: SimDevice) -> AsyncIterator[int]:
    server = ModbusTcpServer(list(units), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


@asynccontextmanager
async def gateway(*units: SimDevice, silent: bool = False) -> AsyncIterator[int]:
    """A gateway to units on a bus: for those that it does not have it says so, or nothing."""
    there = {unit.id for unit in units}

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                request = await reader.readexactly(7)
                request += await reader.readexactly(int.from_bytes(request[4:6], "big") - 1)
                if request[6] in there:
                    up_writer.write(request)
                    head = await up_reader.readexactly(6)
                    writer.write(head + await up_reader.readexactly(int.from_bytes(head[4:6], "big")))
                elif not silent:
                    writer.write(request[:4] + bytes((0, 3, request[6], request[7] | 0x80, 11)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            up_writer.close()
            writer.close()

    async with modbus(*units) as port:
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]


def text(words: str, count: int) -> list[int]:
    raw = words.encode().ljust(2 * count, b"\0")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, 2 * count, 2)]


def inverter(unit: int) -> SimDevice:
    """The common model and one of an inverter that implements its power alone."""
    common = [1, 66, *text("ACME", 16), *text("Sun 3000", 16), *text("", 8), *text("1.2", 8), *text("SN-7", 16), 1, 0]
    model = [103, 50, *[0xFFFF] * 50]
    model[14:16] = 8250, 0
    for signed in (18, 20, 22, 31, 33, 34, 35, 36):
        model[signed] = 0x8000
    words = [0x5375, 0x6E53, *common, *model, 0xFFFF, 0]
    return SimDevice(unit, [SimData(40_000, values=words, datatype=DataType.REGISTERS)])


def plain(unit: int) -> SimDevice:
    return SimDevice(unit, [SimData(0, values=[1, 2, 3], datatype=DataType.REGISTERS)])


@asynccontextmanager
async def serving(device: Any, values: dict[str, Any]) -> AsyncIterator[Any]:
    async with asyncio.TaskGroup() as tasks:
        await device.start(tasks)
        await device.publish(values)
        try:
            yield device
        finally:
            await device.close()


def test_units_that_describe_themselves_run_and_others_wait_for_their_map(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    with meanwhile(gateway(inverter(3), plain(7))) as port:
        result = init(str(file), "--site", "hall", "--modbus", f"127.0.0.1:{port}", "--json")
    assert result.exit_code == 0, result.output
    (probed,) = json.loads(result.stdout)["probed"]
    assert [one["name"] for one in probed["found"]] == ["unit 3", "unit 7"]
    assert "ACME Sun 3000 SN-7" in probed["found"][0]["detail"]
    assert "does not say" in probed["found"][1]["problem"]
    run, waits = tomllib.loads(file.read_text())["source"]
    assert run["devices"] == [{"name": "modbus-1-u3", "unit": 3, "map": "sunspec"}]
    assert run["url"] == f"tcp://127.0.0.1:{port}"
    assert (waits["enabled"], waits["devices"][0]["unit"]) == (False, 7)
    assert problems(file) == []


async def test_a_device_that_answers_at_every_address_is_one_device() -> None:
    async with modbus(SimDevice(0, inverter(1).simdata)) as port:
        result = await probe("modbus", f"127.0.0.1:{port}", (), unheard)
    assert [one.name for one in result.found] == ["unit 1"]


async def test_what_was_found_within_the_time_counts_and_the_rest_is_told() -> None:
    async with gateway(inverter(1), silent=True) as port:
        result = await probe("modbus", f"127.0.0.1:{port}", (), unheard, seconds=4.0)
    assert [one.name for one in result.found] == ["unit 1"]
    assert result.problem.startswith("stopped after 4 s")
    assert result.tables[0].table["devices"] == [{"name": "modbus-1-u1", "unit": 1, "map": "sunspec"}]


async def test_machines_of_an_opcua_server_become_one_source_of_devices() -> None:
    metrics = (Metric("spindle_speed", unit="/min"), Metric("power", unit="kW"))
    mill = OpcUaServer(Device("mill-1", "machine-tool", "opcua", "hall"), metrics)
    async with serving(mill, {"spindle_speed": 4200.0, "power": 8.0}):
        result = await probe("opcua", mill.url, {"opcua-1"}, unheard)
    assert [one.name for one in result.found] == ["mill-1"]
    assert set(NODES) >= {metric.name for metric in metrics}
    assert [one.table for one in result.tables] == [
        {"kind": "opcua", "name": "opcua-2", "url": mill.url, "machines": True}
    ]


async def test_a_server_without_machines_is_browsed_from_its_only_object() -> None:
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    space = await server.register_namespace("urn:test")
    press = await server.nodes.objects.add_object(space, "Press")
    await press.add_variable(space, "Force", 12.5)
    async with server:
        result = await probe("opcua", f"opc.tcp://127.0.0.1:{server.bserver.port}", (), unheard)
    assert [(one.name, one.detail.partition(", ")[2]) for one in result.found] == [("Press", "1 variables")]
    assert result.tables[0].table["browse"] == press.nodeid.to_string()


async def test_bacnet_devices_stand_by_the_address_that_answered() -> None:
    ahu = BacnetServer(
        Device("ahu", "ahu", "bacnet", "plant"), (VALUE,), written=lambda metric, value: None, instance=1001
    )
    async with serving(ahu, {"energy": 1.0}):
        result = await probe("bacnet", f"127.0.0.1:{ahu.port}", (), unheard)
    (table,) = result.tables
    assert table.table["devices"] == [{"name": "bacnet-1001", "address": f"127.0.0.1:{ahu.port}"}]


async def test_meters_are_named_by_medium_and_number_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.probing.mbus.ANSWER_S", 0.01)
    meter = MbusMeter(Device("m", "heat_meter", "mbus", "cellar"), (VALUE,), address=5)
    steps: list[tuple[int, int]] = []
    async with serving(meter, {"energy": 12.0}):
        result = await probe("mbus", f"tcp://127.0.0.1:{meter.port}", (), lambda *step: steps.append(step))
    assert result.tables[0].table["meters"] == [{"name": f"heat_outlet-{meter.identity}", "address": 5}]
    assert (steps[0], steps[-1]) == ((1, 250), (250, 250))


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("spBv1.0/bottling/DDATA/line-4/filler", ("sparkplug", "")),
        ("application/1/device/a84041000181c3a1/event/up", ("lorawan", "chirpstack")),
        ("zigbee2mqtt/kitchen", ("mqtt", "profiles/mqtt/zigbee2mqtt.toml")),
        ("shellyplus1-a8032abe54dc/events/rpc", ("mqtt", "profiles/mqtt/shelly.toml")),
        ("tele/plug/SENSOR", ("mqtt", "profiles/mqtt/tasmota.toml")),
        ("hall/press-1/force", ("mqtt", "hall")),
        ("homeassistant/sensor/x/config", ("", "")),
        ("$SYS/broker/uptime", ("", "")),
    ],
)
def test_a_topic_tells_its_family(topic: str, expected: tuple[str, str]) -> None:
    assert family(topic) == expected


async def test_a_broker_is_listened_to_and_its_families_told(
    broker_url: str, said: Callable[..., Awaitable[None]]
) -> None:
    await said({"hall/press-1/state": b'{"force": 12.5}', "zigbee2mqtt/kitchen": b'{"temperature": 21.5}'})
    result = await probe("mqtt", broker_url, (), unheard)
    topics = [one.table.get("profile") or one.table["topic"][0]["pattern"] for one in result.tables]
    assert topics == ["hall/{device}/#", "profiles/mqtt/zigbee2mqtt.toml"]
    assert tables("m", broker_url, [Found("t", "", {"kind": "mqtt", "which": "t", "deep": False})])[0].table[
        "topic"
    ] == [{"pattern": "t", "payload": "generic"}]


@pytest.mark.parametrize(
    ("kind", "address", "problem"),
    [
        ("modbus", "127.0.0.1:1", "no connection"),
        ("modbus", "what://x", "is no Modbus address"),
        ("opcua", "opc.tcp://127.0.0.1:1", "failed"),
        ("opcua", "http://127.0.0.1", "is no OPC UA address"),
        ("bacnet", "nowhere at all", "is no BACnet/IP address"),
        ("mbus", "127.0.0.1:1", "127.0.0.1:1"),
        ("mbus", "what://x", "leads nowhere"),
        ("mqtt", "127.0.0.1:1", "mqtt://127.0.0.1:1"),
    ],
)
async def test_what_does_not_answer_says_why_and_how_to_mend_it(kind: str, address: str, problem: str) -> None:
    result = await probe(kind, address, (), unheard)
    assert problem in result.problem.lower() or problem in result.problem
    assert result.fix
    assert result.tables == []


def test_a_file_that_is_there_keeps_every_line_and_gets_what_is_new_once(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    assert init(str(file), "--site", "hall").exit_code == 0
    mine = file.read_text() + "# my own word\n"
    file.write_text(mine)
    with meanwhile(gateway(inverter(3))) as port:
        dry = init(str(file), "--modbus", f"127.0.0.1:{port}", "--dry-run")
        assert dry.exit_code == 0
        assert 'map = "sunspec"' in dry.output
        assert file.read_text() == mine
        assert init(str(file), "--modbus", f"127.0.0.1:{port}").exit_code == 0
        once = file.read_text()
        again = init(str(file), "--modbus", f"127.0.0.1:{port}")
    assert "has it all already" in again.output
    assert file.read_text() == once
    assert once.startswith(mine)
    assert file.with_name("edge.toml.bak").read_text() == mine
    assert [one["kind"] for one in tomllib.loads(once)["source"]] == ["mqtt", "modbus"]
    assert problems(file) == []


def test_a_list_of_sources_in_brackets_is_not_torn(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('site = "s"\nnode = "n"\nsource = [{ kind = "host", name = "host" }]\n')
    with meanwhile(gateway(inverter(3))) as port:
        result = init(str(file), "--modbus", f"127.0.0.1:{port}")
    assert "cannot be added to safely" in str(result.exception)
    assert "modbus" not in file.read_text()


def test_without_addresses_and_without_a_terminal_there_is_nobody_to_ask(tmp_path: Path) -> None:
    result = init(str(tmp_path / "edge.toml"), "--probe")
    assert "nobody to ask" in str(result.exception)
    assert not (tmp_path / "edge.toml").exists()


def test_a_person_at_a_terminal_is_asked_what_is_attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.init_cli._is_terminal", lambda: True)
    file = tmp_path / "edge.toml"
    with meanwhile(gateway(inverter(3))) as port:
        answers = f"127.0.0.1:{port}\n\n\n\n\n"
        result = CliRunner().invoke(edge, ["init", str(file), "--probe"], input=answers)
    assert result.exit_code == 0, result.output
    assert "What is attached?" in result.stderr
    assert "unit 3" in result.stdout
    assert [one["kind"] for one in tomllib.loads(file.read_text())["source"]] == ["modbus"]


@pytest.mark.parametrize("kind", ["modbus", "opcua", "mbus", "mqtt"])
async def test_a_peer_that_talks_nonsense_is_told_and_ends_in_time(kind: str) -> None:
    chance = random.Random(kind)

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4_096):
                writer.write(chance.randbytes(chance.randrange(1, 300)))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        address = f"opc.tcp://127.0.0.1:{port}" if kind == "opcua" else f"127.0.0.1:{port}"
        result = await probe(kind, address, (), unheard, seconds=2.0)
    assert result.problem
    assert result.fix
    assert result.tables == []
