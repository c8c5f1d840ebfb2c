"""A real Modbus client reads what the physics says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pymodbus.client import AsyncModbusTcpClient

from sim_devices.park import Park
from sim_devices.servers.modbus import ModbusServer
from sim_devices.servers.registers import Register, load_register_map
from sim_devices.site import Site

SLOW = 1e-6  # simulated time stands still, so that what is read can be compared with what is


@pytest_asyncio.fixture
async def park(site: Site, site_dir: Path, start_us: int) -> AsyncIterator[Park]:
    names = [device.name for device in site.devices if device.protocol in ("modbus", "sunspec")]
    async with Park(site_dir, seed=7, speed=SLOW, start_us=start_us, only=names) as park:
        yield park


def _server(park: Park, name: str) -> ModbusServer:
    server = next(server for server in park.servers if server.device.name == name)
    assert isinstance(server, ModbusServer)
    return server


async def _connect(park: Park, name: str) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient("127.0.0.1", port=_server(park, name).port, timeout=2, retries=0)
    assert await client.connect()
    return client


async def _read(client: AsyncModbusTcpClient, register: Register) -> float:
    read = client.read_input_registers if register.table == "input" else client.read_holding_registers
    answer = await read(register.address, count=register.words)
    assert not answer.isError()
    return register.decode(answer.registers)


def test_a_register_map_covers_every_metric_of_its_kind_once_without_overlap(site: Site) -> None:
    for kind in {device.kind for device in site.devices if device.protocol in ("modbus", "sunspec")}:
        registers = load_register_map(kind).registers
        assert sorted(register.metric for register in registers) == sorted(m.name for m in site.kinds[kind].metrics)
        taken = [register.address + offset for register in registers for offset in range(register.words)]
        assert len(taken) == len(set(taken))
        writable = {metric.name for metric in site.kinds[kind].metrics if metric.writable}
        assert {register.metric for register in registers if register.writable} == writable


async def test_every_register_shows_the_physics_within_its_resolution(park: Park) -> None:
    for device in park.site.devices:
        if device.protocol not in ("modbus", "sunspec"):
            continue
        client = await _connect(park, device.name)
        for register in load_register_map(device.kind).registers:
            truth = park.campus.values()[f"{device.name}/{register.metric}"]
            shown = await _read(client, register)
            if isinstance(truth, str):
                assert register.states[str(int(shown))] == truth
            elif register.type == "f32":
                assert shown == pytest.approx(truth, rel=1e-6)
            else:
                assert abs(shown - truth) <= register.scale / 2 + 1e-9, (device.name, register.metric)
        client.close()


async def test_addresses_outside_the_map_answer_exception_2(park: Park) -> None:
    client = await _connect(park, "ahu-1")
    for address, count in ((5000, 1), (50, 2), (110, 10)):
        answer = await client.read_holding_registers(address, count=count)
        assert answer.isError()
        assert answer.exception_code == 2
    client.close()


async def test_coils_answer_that_there_are_none(park: Park) -> None:
    client = await _connect(park, "ahu-1")
    answer = await client.read_coils(100, count=1)
    assert answer.isError()
    assert answer.exception_code in (1, 2)
    client.close()


async def test_a_setpoint_is_written_and_one_out_of_range_answers_exception_3(park: Park) -> None:
    client = await _connect(park, "room-lab")
    assert not (await client.write_register(0, 2350)).isError()
    assert park.campus.values()["room-lab/temperature_setpoint"] == pytest.approx(23.5)
    answer = await client.write_register(0, 9900)
    assert answer.isError()
    assert answer.exception_code == 3
    assert (await client.read_holding_registers(0, count=1)).registers == [2350]
    client.close()


async def test_a_measurement_cannot_be_written(park: Park) -> None:
    client = await _connect(park, "room-lab")
    assert (await client.write_register(16, 2350)).isError()
    client.close()


async def test_a_cut_device_refuses_and_comes_back_on_its_port(park: Park) -> None:
    server = _server(park, "room-server")
    port = server.port
    client = await _connect(park, "room-server")
    await server.cut()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await server.start(park._tasks)
    again = await _connect(park, "room-server")
    assert server.port == port
    assert not (await again.read_holding_registers(16, count=1)).isError()
    client.close()
    again.close()


@pytest.mark.parametrize("kind", ["i16", "u16", "i32", "u32", "f32"])
def test_a_missing_value_is_not_a_number_of_any_type(kind: str) -> None:
    register = Register("x", 0, kind, scale=0.1)  # type: ignore[arg-type]
    assert register.decode(register.encode(None)) != register.decode(register.encode(None))
    assert register.decode(register.encode(12.3)) == pytest.approx(12.3)


def test_a_value_beyond_the_type_is_held_at_its_end_and_never_reads_as_missing() -> None:
    register = Register("x", 0, "i16", scale=0.01)
    assert register.decode(register.encode(1e6)) == pytest.approx(327.67)
    assert register.decode(register.encode(-1e6)) == pytest.approx(-327.67)
