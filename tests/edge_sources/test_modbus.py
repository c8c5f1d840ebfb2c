"""Modbus against pymodbus's own server over TCP, RTU framing and a serial line of two pseudo terminals."""

import asyncio
import math
import os
import pty
import struct
import tty
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.sources import SourceError
from edge.sources.modbus_map import Decoder, ModbusProfile, Register, encode_value, plan_reads
from edge.sources.profiles import PROFILES, load_profile
from wire.errors import ConfigError
from wire.point_classes import check_unit
from wire.quality import BAD, NOT_A_NUMBER, STALE
from wire.units import canonical


def words(address: int, values: Sequence[int]) -> SimData:
    return SimData(address, values=list(values), datatype=DataType.REGISTERS)


def floats(*values: float) -> list[int]:
    return list(struct.unpack(f">{2 * len(values)}H", struct.pack(f">{len(values)}f", *values)))


class Device:
    """A Modbus server of one or more units, that can be cut and started again on its port."""

    def __init__(self, *units: SimDevice, framer: FramerType = FramerType.SOCKET) -> None:
        self.units, self.framer, self.port, self.server = list(units), framer, 0, None
        self.asked: list[tuple[int, int, int]] = []

    async def start(self) -> None:
        self.server = ModbusTcpServer(
            self.units, framer=self.framer, address=("127.0.0.1", self.port), trace_pdu=self._note
        )
        await self.server.serve_forever(background=True)
        self.port = self.server.transport.sockets[0].getsockname()[1]

    def _note(self, sending: bool, pdu: Any) -> Any:
        if not sending:
            self.asked.append((pdu.function_code, pdu.address, getattr(pdu, "count", 0)))
        return pdu

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.shutdown()
            self.server = None


@asynccontextmanager
async def serving(*units: SimDevice, framer: FramerType = FramerType.SOCKET) -> AsyncIterator[Device]:
    device = Device(*units, framer=framer)
    await device.start()
    try:
        yield device
    finally:
        await device.stop()


def meter(unit: int = 1) -> SimDevice:
    values = [0.0] * 38
    for at, value in ((0, 231.5), (26, 4200.25), (35, 50.01), (36, 1234.5)):
        values[at] = value
    return SimDevice(unit, [words(0, floats(*values))])


def sunspec(unit: int) -> SimDevice:
    common = [
        1,
        66,
        *_text("ACME", 16),
        *_text("Sun 3000", 16),
        *_text("", 8),
        *_text("1.2", 8),
        *_text("SN-7", 16),
        unit,
        0,
    ]
    inverter = [0xFFFF] * 52
    inverter[:2] = 103, 50
    for offset, value in (
        (2, 1234),
        (6, -2),
        (14, 8250),
        (15, 0),
        (16, 5001),
        (17, -2),
        (26, 1),
        (38, 4),
        (37, 0x8000),
    ):
        inverter[offset] = value & 0xFFFF
    inverter[24:26] = 0, 999
    for signed in (18, 20, 22, 31, 33, 34, 35, 36):
        inverter[signed] = 0x8000
    controls = [123, 24, 0xFFFF, 0xFFFF, 1, 1000, *[0xFFFF] * 3, 0, *[0] * 13, 0xFFFF, 0, 0]
    assert len(controls) == 26
    controls[23] = -1 & 0xFFFF
    return SimDevice(unit, [words(40_000, [0x5375, 0x6E53, *common, *inverter, *controls, 0xFFFF, 0])])


def _text(text: str, count: int) -> list[int]:
    return list(struct.unpack(f">{count}H", text.encode().ljust(2 * count, b"\0")))


def table(server: Device, **more: Any) -> dict[str, Any]:
    return {
        "kind": "modbus",
        "name": "m",
        "url": f"tcp://127.0.0.1:{server.port}",
        "period_s": 0.02,
        "timeout_s": 0.3,
        **more,
    }


SDM = "profiles/modbus/sdm630.toml"
BMS = "profiles/modbus/bms-controller.toml"


async def test_sample_config_reads_a_meter_and_a_sunspec_inverter(tools: Any, tmp_path: Any) -> None:
    (sample,) = tools.sample("edge.sources.modbus")
    async with serving(meter(1), sunspec(2)) as device:
        sample |= {"url": f"tcp://127.0.0.1:{device.port}", "period_s": 0.02}
        taken = tools.Taken()
        async with tools.make(sample, tmp_path) as source:
            await tools.take_until(source, taken, lambda t: len(t.values("roof/power")) >= 2)
            assert taken.values("main/voltage_l1")[0] == 231.5
            assert taken.values("main/power")[0] == 4200.25
            assert taken.values("roof/power")[0] == 8250.0
            assert taken.values("roof/current")[0] == pytest.approx(12.34)
            assert taken.values("roof/frequency")[0] == pytest.approx(50.01)
            assert taken.values("roof/energy")[0] == 9990.0
            assert taken.values("roof/state")[0] == "mppt"
            assert taken.values("roof/serial")[0] == "SN-7"
            assert taken.values("roof/power_limit")[0] == pytest.approx(100.0)
            assert "roof/temperature_sink" not in {point.key for point in source.points()}, "it is not implemented"
            assert all(not quality for *_, quality in taken.rows)
            assert source.health.sent == len(taken.rows)
            units = {point.key: point.unit for point in source.points()}
            assert (units["main/energy_imported"], units["roof/energy"]) == ("kW.h", "W.h")


async def test_neighbouring_registers_become_one_request(tools: Any, tmp_path: Any) -> None:
    async with serving(meter()) as device:
        taken = tools.Taken()
        async with tools.make(table(device, map=SDM), tmp_path) as source:
            await tools.take_until(source, taken, lambda t: t.batches == 1)
        assert device.asked[:2] == [(4, 0, 18), (4, 52, 24)]
        assert len(taken.rows) == 16


def building(**changes: Any) -> SimDevice:
    async def action(function: int, start: int, address: int, count: int, current: Any, wanted: Any) -> Any:
        return changes["action"](function, address, wanted) if "action" in changes else None

    blocks = (
        [SimData(0, values=[True] + [False] * 15, datatype=DataType.BITS)],
        [SimData(0, values=[True] + [False] * 15, datatype=DataType.BITS)],
        [words(10, [215, 2, 5000])],
        [words(0, [0x8000, (-55) & 0xFFFF, 480]), words(4, [7, 1, 0b1000])],
    )
    return SimDevice(1, blocks, action=action if "action" in changes else None)


async def test_scales_orders_bits_words_and_coils_become_what_they_mean(tools: Any, tmp_path: Any) -> None:
    async with serving(building()) as device:
        taken = tools.Taken()
        async with tools.make(table(device, map=BMS, device="ahu"), tmp_path) as source:
            await tools.take_until(source, taken, lambda t: t.batches == 2)
            assert source.health.errors == {"read": 1}, "the hole at input 3 is refused once, then left out"
    got = {key: (value, quality) for key, _, value, quality in taken.rows}
    assert math.isnan(got["ahu/supply_temperature"][0])
    assert got.pop("ahu/supply_temperature")[1] == NOT_A_NUMBER
    assert got == {
        "ahu/room_temperature": (pytest.approx(-5.5), 0),
        "ahu/humidity": (48.0, 0),
        "ahu/run_time": (65543.0, 0),
        "ahu/fan_alarm": ("normal", 0),
        "ahu/filter_alarm": ("alarm", 0),
        "ahu/setpoint": (21.5, 0),
        "ahu/mode": ("cool", 0),
        "ahu/valve": (50.0, 0),
        "ahu/fan": (1.0, 0),
        "ahu/door": ("open", 0),
    }


async def test_a_write_is_checked_and_reaches_the_device(tools: Any, tmp_path: Any) -> None:
    async with serving(building()) as device, tools.make(table(device, map=BMS), tmp_path) as source:
        points = {point.metric: point for point in source.points()}
        assert points["setpoint"].declared == "f64", "a scaled register takes fractions, whatever it is on the wire"
        taken = tools.Taken()
        await tools.take_until(source, taken, lambda t: t.batches == 2)
        await source.write(points["setpoint"], 18.5)
        await source.write(points["mode"], "auto")
        await source.write(points["fan"], False)
        after = tools.Taken()
        await tools.take_until(source, after, lambda t: t.batches == 2)
        assert after.values("m/setpoint") == [18.5]
        assert after.values("m/mode") == ["auto"]
        assert after.values("m/fan") == [0.0]
        for metric, value, why in (
            ("setpoint", 90.0, "outside"), ("setpoint", "warm", "number"), ("mode", "dance", "one of"),
            ("humidity", 5.0, "no commands"), ("setpoint", float("nan"), "number"),
        ):  # fmt: skip
            with pytest.raises(SourceError, match=why):
                await source.write(points[metric], value)


async def test_a_write_that_the_device_refuses_is_an_error(tools: Any, tmp_path: Any) -> None:
    def refuse(function: int, address: int, wanted: Any) -> Any:
        return ExcCodes.ILLEGAL_VALUE if function in (6, 16) else None

    async with serving(building(action=refuse)) as device, tools.make(table(device, map=BMS), tmp_path) as source:
        await tools.take_until(source, tools.Taken(), lambda t: t.batches >= 1)
        with pytest.raises(SourceError, match="exception 3"):
            await source.write(next(p for p in source.points() if p.metric == "setpoint"), 20.0)
        assert source.health.errors["write"] == 1


async def test_a_refused_register_is_bad_and_its_neighbours_live(tools: Any, tmp_path: Any) -> None:
    profile = tmp_path / "x.toml"
    profile.write_text('register = [{metric="a",address=0},{metric="b",address=1},{metric="c",address=2,type="u32"}]')
    async with serving(SimDevice(1, [words(0, [7, 8])])) as device:
        taken = tools.Taken()
        async with tools.make(table(device, map="x.toml"), tmp_path) as source:
            await tools.take_until(source, taken, lambda t: t.batches == 2)
        assert taken.values("m/a") == [7.0, 7.0]
        assert taken.values("m/b") == [8.0, 8.0]
        assert {quality for key, _, _, quality in taken.rows if key == "m/c"} == {BAD | NOT_A_NUMBER}
        assert source.health.errors["read"] >= 2


async def test_link_loss_flags_every_point_stale_once_and_polling_resumes(tools: Any, tmp_path: Any) -> None:
    async with serving(meter()) as device:
        taken = tools.Taken()
        async with tools.make(table(device, map=SDM), tmp_path) as source:
            await tools.take_until(source, taken, lambda t: t.batches >= 2)
            await device.stop()
            taken.rows.clear()
            await tools.take_until(source, taken, lambda t: any(quality & STALE for *_, quality in t.rows))
            stale = [row for row in taken.rows if row[3] & STALE]
            assert {key for key, *_ in stale} == {point.key for point in source.points()}
            assert next(value for key, _, value, _ in stale if key == "m/voltage_l1") == 231.5
            assert (source.health.state, bool(source.health.why)) == ("waiting", True)
            taken.rows.clear()
            with suppress(BaseException):
                await tools.take_until(source, taken, lambda t: False, timeout_s=0.6)
            assert taken.rows == [], "an outage is told once"
            await device.start()
            await tools.take_until(source, taken, lambda t: len(t.rows) >= 32)
            assert {quality for *_, quality in taken.rows} == {0}
            times = [us for key, us, _, _ in taken.rows if key == "m/power"]
            assert len(set(times)) == len(times)


async def test_a_device_that_never_answers_does_not_hold_up_the_stop(tools: Any, tmp_path: Any) -> None:
    silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(30), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    source = tools.make(
        {"kind": "modbus", "name": "m", "url": f"tcp://127.0.0.1:{port}", "map": SDM, "timeout_s": 0.1}, tmp_path
    )

    async def read() -> None:
        async with source:
            async for _ in source.batches():
                raise AssertionError("there is nothing to read")

    task = asyncio.create_task(read())
    async with asyncio.timeout(10):
        while not source.health.errors.get("read"):
            await asyncio.sleep(0.01)
    task.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task
    silent.close()


async def test_rtu_frames_over_tcp(tools: Any, tmp_path: Any) -> None:
    async with serving(meter(7), framer=FramerType.RTU) as device:
        config = table(device, map=SDM, unit=7) | {"url": f"rtu+tcp://127.0.0.1:{device.port}"}
        taken = tools.Taken()
        async with tools.make(config, tmp_path) as source:
            await tools.take_until(source, taken, lambda t: t.batches == 2)
        assert taken.values("m/frequency")[0] == pytest.approx(50.01)


async def test_rtu_over_a_serial_line(tools: Any, tmp_path: Any) -> None:
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    async with serving(meter(3), framer=FramerType.RTU) as device:
        reader, writer = await asyncio.open_connection("127.0.0.1", device.port)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, lambda: writer.write(os.read(ours, 512)))

        async def answers() -> None:
            while data := await reader.read(512):
                os.write(ours, data)

        pump = asyncio.create_task(answers())
        url = f"rtu://{os.ttyname(theirs)}?baudrate=115200&parity=N"
        taken = tools.Taken()
        async with tools.make(table(device, map=SDM, unit=3) | {"url": url}, tmp_path) as source:
            await tools.take_until(source, taken, lambda t: t.batches == 2)
        loop.remove_reader(ours)
        pump.cancel()
        writer.close()
    os.close(ours)
    os.close(theirs)
    assert taken.values("m/power")[0] == 4200.25


async def test_a_slow_device_is_polled_at_its_own_pace_and_that_is_told(tools: Any, tmp_path: Any) -> None:
    async def slow(*_: Any) -> Any:
        await asyncio.sleep(0.1)

    async with serving(SimDevice(1, [words(0, [7])], action=slow)) as device:
        (tmp_path / "x.toml").write_text('register = [{metric="a",address=0}]')
        source = tools.make(table(device, map="x.toml"), tmp_path)
        async with source:
            await tools.take_until(source, tools.Taken(), lambda t: t.batches == 3)
        assert source.health.errors["overrun"] >= 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://x"}, "url"), ({"url": "rtu:///dev/x?speed=1"}, "url"), ({"map": ""}, "map"),
        ({"map": "profiles/modbus/none.toml"}, "profile"), ({"map": "bad.toml"}, r"register\[0\]"),
    ],
)  # fmt: skip
async def test_a_wrong_config_names_field_and_fix(
    tools: Any, tmp_path: Any, change: dict[str, Any], field: str
) -> None:
    (tmp_path / "bad.toml").write_text('register = [{metric="a",address=70000}]')
    with pytest.raises(ConfigError, match=field) as caught:
        tools.make({"kind": "modbus", "name": "m", "url": "tcp://127.0.0.1:5", "map": SDM} | change, tmp_path)
    assert caught.value.fix


@given(st.sets(st.integers(0, 400), min_size=1, max_size=60), st.integers(2, 125), st.integers(0, 20))
def test_every_register_is_read_once_within_the_limits(addresses: set[int], words_max: int, gap: int) -> None:
    registers = [Register(metric=f"r{address}", address=2 * address, type="f32") for address in addresses]
    blocks = plan_reads(registers, words_max, gap)
    assert sorted(r.metric for block in blocks for r in block.registers) == sorted(r.metric for r in registers)
    for block in blocks:
        assert block.count <= max(words_max, 2)
        for register in block.registers:
            assert block.address <= register.address <= block.address + block.count - 2


@given(
    st.sampled_from(["u16", "i16", "u32", "i32", "f32", "u64", "f64"]),
    st.sampled_from(["big", "little"]), st.sampled_from(["big", "little"]), st.integers(-30_000, 30_000),
)  # fmt: skip
def test_what_is_written_is_what_is_read(kind: Any, word_order: Any, byte_order: Any, value: int) -> None:
    value = abs(value) if kind[0] == "u" else value
    register = Register(
        metric="r", address=3, type=kind, word_order=word_order, byte_order=byte_order, scale=0.5, offset=10
    )
    (block,) = plan_reads([register])
    raw = np.array(encode_value(register, value * 0.5 + 10), dtype=np.uint16)
    assert Decoder(block).values(raw).tolist() == [value * 0.5 + 10]


def test_profiles_of_all_devices_are_legal() -> None:
    files = sorted((PROFILES / "profiles" / "modbus").glob("*.toml"))
    assert {file.stem for file in files} >= {"sdm630", "bms-controller"}
    for file in files:
        profile = load_profile(f"profiles/modbus/{file.name}", PROFILES, ModbusProfile)
        assert plan_reads(profile.resolved())
        for register in profile.registers:
            assert canonical(register.unit) == register.unit, f"{file.name}: {register.unit} is no UCUM code"
            assert not register.point_class or check_unit(register.point_class, register.unit) == register.unit
