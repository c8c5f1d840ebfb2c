"""`aid4 edge doctor`: each source is reached and answers, or why not and what to do, against real peers."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config import load
from edge.doctor_sources import sources
from edge.findings import Finding
from edge.health import write_status
from sim_devices.servers.bacnet import BacnetServer
from sim_devices.servers.mbus import MbusMeter
from sim_devices.site import Device, Metric
from wire.messages import Health, SourceFigures, SpoolFigures, UplinkFigures

ENERGY = Metric("energy", unit="kW.h")


@asynccontextmanager
async def serving(device: Any) -> AsyncIterator[Any]:
    async with asyncio.TaskGroup() as tasks:
        await device.start(tasks)
        await device.publish({"energy": 12.0})
        try:
            yield device
        finally:
            await device.close()


def meter() -> MbusMeter:
    return MbusMeter(Device("heat-1", "heat_meter", "mbus", "cellar"), (ENERGY,), address=5)


async def found(folder: Path, *tables: str) -> dict[str, Finding]:
    text = 'site = "s"\nnode = "n"\n' + "".join(f"[[source]]\n{table}\n" for table in tables)
    (folder / "edge.toml").write_text(text)
    return {one.what.removeprefix("source "): one for one in await sources(load(folder / "edge.toml"))}


def mbus(port: int, name: str = "heat", address: int = 5) -> str:
    meters = f'[{{ name = "{name}-m", address = {address} }}]'
    return f'kind = "mbus"\nname = "{name}"\nurl = "tcp://127.0.0.1:{port}"\ntimeout_s = 0.5\nmeters = {meters}'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_devices_that_answer_are_told_with_their_latency(tmp_path: Path) -> None:
    ahu = BacnetServer(
        Device("ahu", "ahu", "bacnet", "plant"), (ENERGY,), written=lambda metric, value: None, instance=1001
    )
    async with serving(meter()) as heat, serving(ahu):
        where = f'[{{ name = "ahu", address = "127.0.0.1:{ahu.port}" }}]'
        plant = f'kind = "bacnet"\nname = "plant"\nbind = "127.0.0.1:0"\ndevices = {where}'
        findings = await found(tmp_path, mbus(heat.port), plant, 'kind = "host"\nname = "self"\nperiod_s = 0.1')
    assert all(finding.good for finding in findings.values()), findings
    assert f"127.0.0.1:{heat.port} is reached in" in findings["heat"].detail
    assert "answers: " in findings["heat"].detail
    assert findings["plant"].detail.startswith("answers: ")
    assert findings["self"].detail.startswith("answers: ")


async def test_each_way_to_be_silent_has_its_own_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.doctor_sources.ANSWER_S", 3.0)
    modbus = 'kind = "modbus"\nname = "serial"\nmap = "sunspec"\nurl = "rtu:///dev/no-such-port"'
    named = 'kind = "modbus"\nname = "named"\nmap = "sunspec"\nurl = "tcp://no-such-host.invalid:502"'
    off = 'kind = "modbus"\nname = "off"\nenabled = false\nmap = "sunspec"\nurl = "tcp://127.0.0.1:1"'
    async with serving(meter()) as heat:
        findings = await found(
            tmp_path, modbus, named, off, mbus(free_port(), "refused"), mbus(heat.port, "elsewhere", address=9)
        )
    assert not any(finding.good for finding in findings.values())
    assert "adapter plugged in" in findings["serial"].fix
    assert "name service" in findings["named"].fix
    assert "nothing listens at that port" in findings["refused"].fix
    assert "is reached in" in findings["elsewhere"].detail
    assert "--probe --mbus" in findings["elsewhere"].fix
    assert "off" not in findings


async def test_a_gateways_own_pins_and_buses_are_looked_for_and_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = 'kind = "gpio"\nname = "gone"\nchip = "/dev/gpiochip77"\nlines = [{ line = 1, mode = "output" }]'
    node = tmp_path / "gpiochip0"
    node.touch()
    there, profile = gone.replace("/dev/gpiochip77", str(node)).replace("gone", "there"), "profiles/i2c/sht3x.toml"
    bus = f'kind = "i2c"\nname = "bus"\nbus = "/dev/i2c-77"\ndevices = [{{ name = "a", profile = "{profile}" }}]'
    findings = await found(tmp_path, gone, there, bus)
    assert "ls /dev/gpiochip*" in findings["gone"].fix
    assert findings["there"].good, "opening it would move its outputs"
    assert "i2c_arm" in findings["bus"].fix
    monkeypatch.setattr("edge.doctor_sources.os.access", lambda *_: False)
    findings = await found(tmp_path, there)
    assert "usermod -aG gpio" in findings["there"].fix


def status(folder: Path, **figures: Any) -> None:
    """What an agent that runs now (this process) left."""
    (folder / "spool").mkdir(exist_ok=True)
    now_us = time.time_ns() // 1_000
    told = SourceFigures(kind="mbus", **{"state": "running", "received": 7, "last_us": now_us - 2_000_000} | figures)
    host: dict[str, float | int | str] = {"pid": os.getpid()}
    health = Health(ts_us=now_us, sources={"heat": told}, spool=SpoolFigures(), uplink=UplinkFigures(), host=host)
    write_status(folder / "spool" / "status.json", health)


async def test_a_running_agent_is_believed_and_its_device_is_not_asked_again(tmp_path: Path) -> None:
    async with serving(meter()) as heat:
        status(tmp_path)
        good = (await found(tmp_path, mbus(heat.port)))["heat"]
        assert good.good
        assert good.detail.startswith("7 readings received, the newest 2 s ago")
        assert heat.asked == 0
    status(tmp_path, state="waiting", why="connect: nobody there")
    bad = (await found(tmp_path, mbus(heat.port)))["heat"]
    assert not bad.good
    assert bad.detail == f"connect: nobody there; 127.0.0.1:{heat.port} refuses"
    assert "nothing listens" in bad.fix


async def test_the_status_of_an_agent_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    async with serving(meter()) as heat:
        status(tmp_path, state="failed", why="burnt down")
        path = tmp_path / "spool" / "status.json"
        path.write_text(path.read_text().replace(f'"pid":{os.getpid()}', '"pid":4194305'))
        assert (await found(tmp_path, mbus(heat.port)))["heat"].good
        assert heat.asked > 0


async def test_a_primary_host_is_only_looked_for_since_nodes_would_hand_it_what_they_keep(
    tmp_path: Path, broker_url: str
) -> None:
    plant = f'kind = "sparkplug"\nname = "plant"\nurl = "{broker_url}"\nhost_id = "aid4"'
    finding = (await found(tmp_path, plant))["plant"]
    for _ in range(100):
        if finding.good:
            break
        await asyncio.sleep(0.2)  # until the broker listens
        finding = (await found(tmp_path, plant))["plant"]
    assert finding.good
    assert finding.detail.endswith("only a running agent hears it")
