"""The gateway's own figures and thermometers: out of a made machine with known numbers, and out of this one."""

import asyncio
import os
import random
import stat
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from edge.sources import Source, SourceContext, load_kind
from edge.sources.host_figures import Rates, machine, modem_signal, tegra
from wire.clock import SystemClock
from wire.point_classes import check_unit
from wire.quality import BAD, STALE
from wire.units import canonical

TEGRASTATS = (
    "11-23-2026 10:11:12 RAM 2448/7620MB (lfb 3x4MB) SWAP 0/3810MB (cached 0MB) CPU [12%@1510,8%@1510,off,off] "
    "EMC_FREQ 0%@2133 GR3D_FREQ 37%@[611] NVDEC off CPU@45.5C SOC2@43.9C CV0@-256C GPU@44.7C tj@46.2C "
    "VDD_IN 4880mW/4880mW VDD_CPU_GPU_CV 1120mW/1100mW VDD_SOC 1400mW/1400mW"
)
MODEM = (
    '{"modem":{"signal":{"5g":{"error-rate":"--","rsrp":"-95.00","rsrq":"-11.00","snr":"14.50"},'
    '"lte":{"rsrp":"-101.00","rsrq":"-9.00","rssi":"-70.00","snr":"3.00"},"refresh":{"rate":"10"}}}}'
)


def sample(kind: str) -> dict[str, Any]:
    import tomllib

    text = __import__(f"edge.sources.{kind}", fromlist=["__doc__"]).__doc__ or ""
    table = next(part for part in text.split("\n\n") if part.lstrip().startswith("[[source]]"))
    return dict(tomllib.loads(table)["source"][0])


def make(table: dict[str, Any], folder: Path) -> Source:
    row = load_kind(table["kind"])
    return row.create(msgspec.convert(table, row.config), SourceContext(SystemClock(), folder))


async def take(source: Source, enough: Callable[[list[tuple[str, float, int]]], Any]) -> list[tuple[str, float, int]]:
    rows: list[tuple[str, float, int]] = []
    async with asyncio.timeout(60), source, aclosing(source.batches()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            keys = [point.key for point in source.points()]
            columns = (batch.rows[name].to_pylist() for name in ("point", "value", "quality"))
            rows += [(keys[id_], value, flags) for id_, value, flags in zip(*columns, strict=True)]
            if enough(rows):
                return rows
    raise AssertionError("a gateway never ends")


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def pi(root: Path) -> None:
    """A Raspberry Pi with a hot chip, a worn eMMC and one network link."""
    write(root, {
        "proc/stat": "cpu  100 0 100 700 100 0 0 0 0 0\n", "proc/loadavg": "0.52 0.6 0.7 1/200 99\n",
        "proc/uptime": "3600.5 7000.0\n",
        "proc/meminfo": "MemTotal: 4000000 kB\nMemFree: 1 kB\nMemAvailable: 1000000 kB\nSwapTotal: 0 kB\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "sys/class/thermal/thermal_zone0/temp": "81250\n",
        "sys/class/thermal/thermal_zone1/type": "broken\n", "sys/class/thermal/thermal_zone1/temp": "-2147483648\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        "sys/block/mmcblk0/device/life_time": "0x02 0x03\n",
        "sys/class/net/eth0/statistics/rx_bytes": "1000\n", "sys/class/net/eth0/statistics/tx_bytes": "50\n",
        "sys/class/net/lo/statistics/rx_bytes": "9\n",
    })  # fmt: skip


def test_a_raspberry_pi_says_what_ails_it(tmp_path: Path) -> None:
    pi(tmp_path)
    rates = Rates()
    machine(tmp_path, [], rates, 10.0)
    write(tmp_path, {
        "proc/stat": "cpu  160 0 140 790 110 0 0 0 0 0\n",  # 100 busy of 200
        "sys/class/net/eth0/statistics/rx_bytes": "6000\n",
    })  # fmt: skip
    found = {figure.metric: figure.value for figure in machine(tmp_path, [], rates, 14.0)}
    assert found == {
        "cpu_used": 50.0, "load_1min": 0.52, "uptime": 3600.5, "memory_used": 75.0, "temperature_cpu-thermal": 81.25,
        "under_voltage": 1.0, "frequency_capped": 0.0, "throttled": 1.0, "soft_temperature_limit": 0.0,
        "under_voltage_since_start": 1.0, "frequency_capped_since_start": 0.0, "throttled_since_start": 1.0,
        "soft_temperature_limit_since_start": 0.0, "storage_wear_mmcblk0": 30.0,
        "eth0_rx": 6000.0, "eth0_rx_rate": 10_000.0, "eth0_tx": 50.0, "eth0_tx_rate": 0.0,
    }  # fmt: skip


def test_counters_that_start_anew_give_no_rate() -> None:
    rates = Rates()
    assert [rates.of("a", *pair) for pair in ((10, 1), (20, 2), (5, 3), (9, 3), (11, 5))] == [None, 10, None, None, 1]


def test_a_jetson_is_read_from_its_own_words() -> None:
    found = {figure.metric: (figure.value, figure.unit) for figure in tegra(TEGRASTATS)}
    assert found["gpu_used"] == (37.0, "%")
    assert found["memory_used"] == (pytest.approx(100 * 2448 / 7620), "%")
    assert found["temperature_tj"] == (46.2, "Cel")
    assert found["power_vdd_in"] == (4.88, "W")
    assert "temperature_cv0" not in found, "a sensor that is off"
    for figure in tegra(TEGRASTATS):
        assert check_unit(figure.point_class, figure.unit) if figure.point_class else canonical(figure.unit)


def test_a_modem_tells_the_newest_radio_that_hears_something() -> None:
    assert {figure.metric: figure.value for figure in modem_signal(MODEM)} == {
        "modem_rsrp": -95.0, "modem_rsrq": -11.0, "modem_snr": 14.5
    }  # fmt: skip
    lte = modem_signal(MODEM.replace("-95.00", "--").replace("-11.00", "--").replace("14.50", "--"))
    assert {figure.metric: figure.value for figure in lte}["modem_rsrp"] == -101.0


def test_no_text_of_a_program_does_more_than_be_refused() -> None:
    chance = random.Random(7)
    for text, read in ((TEGRASTATS, tegra), (MODEM, modem_signal)):
        for _ in range(300):
            letters = list(text)
            for _ in range(chance.randint(1, 30)):
                letters[chance.randrange(len(letters))] = chr(chance.randrange(1, 300))
            try:
                read("".join(letters[: chance.randint(0, len(letters))]))
            except ValueError:
                continue


async def test_the_sample_config_tells_this_machine_as_others_do(tmp_path: Path) -> None:
    table = sample("host") | {"period_s": 0.2, "disks": [str(tmp_path)]}
    rows = await take(make(table, tmp_path), lambda rows: sum(key.endswith("cpu_used") for key, *_ in rows) >= 2)
    values = {key: value for key, value, _ in rows}
    assert values["gateway/memory_used"] == pytest.approx(psutil.virtual_memory().percent, abs=5)
    disk, usage = next(value for key, value in values.items() if "/disk_" in key), psutil.disk_usage(str(tmp_path))
    assert disk == pytest.approx(100 * (1 - usage.free / usage.total), abs=1)
    assert 0 <= values["gateway/cpu_used"] <= 100
    assert not {flags for *_, flags in rows if flags}


async def test_a_program_that_fails_or_never_ends_stops_nothing(tmp_path: Path) -> None:
    pi(tmp_path)
    endless = tmp_path / "tegrastats"
    endless.write_text(f"#!/bin/sh\necho '{TEGRASTATS}'\nexec sleep 1000\n")
    endless.chmod(endless.stat().st_mode | stat.S_IXUSR)
    table = {"kind": "host", "name": "h", "device": "gw", "period_s": 0.05, "root": str(tmp_path), "disks": [],
             "tegrastats": str(endless), "modem": str(tmp_path / "no-such-program")}  # fmt: skip
    source = make(table, tmp_path)
    rows = await take(source, lambda rows: sum(key == "gw/gpu_used" for key, *_ in rows) >= 2)
    assert ("gw/gpu_used", 37.0, 0) in rows
    assert source.health.errors["modem"] >= 1
    children = [child.name() for child in psutil.Process(os.getpid()).children(recursive=True)]
    assert "sleep" not in children


def slave(value: str, good: str = "YES") -> str:
    return f"4b 01 4b 46 7f ff 05 10 e1 : crc=e1 {good}\n4b 01 4b 46 7f ff 05 10 e1 t={value}\n"


async def test_thermometers_are_read_and_what_they_say_amiss_is_bad(tmp_path: Path) -> None:
    write(tmp_path, {
        "sys/bus/w1/devices/28-00000a1b2c3d/w1_slave": slave("20687"),
        "sys/bus/w1/devices/28-0000000000ff/w1_slave": slave("85000"),
        "sys/bus/w1/devices/10-0000000000aa/w1_slave": slave("-1250", "NO"),
        "sys/bus/w1/devices/w1_bus_master1/name": "w1_bus_master1",
    })  # fmt: skip
    table = {"kind": "onewire", "name": "bus", "device": "cellar", "period_s": 0.05, "root": str(tmp_path)}
    source = make(table, tmp_path)
    rows = await take(source, lambda rows: len(rows) >= 3)
    found = {key: (value, flags) for key, value, flags in rows}
    assert found["cellar/t_28-00000a1b2c3d"] == (20.687, 0)
    assert found["cellar/t_28-0000000000ff"] == (85.0, BAD)
    assert found["cellar/t_10-0000000000aa"][1] & BAD
    assert source.health.errors["read"] >= 2


async def test_the_sample_config_of_thermometers_and_a_broken_wire(tmp_path: Path) -> None:
    name = "sys/bus/w1/devices/28-00000a1b2c3d/w1_slave"
    write(tmp_path, {name: slave("95000")})
    source = make(sample("onewire") | {"period_s": 0.05, "root": str(tmp_path)}, tmp_path)

    def cut(rows: list[tuple[str, float, int]]) -> bool:
        (tmp_path / name).unlink(missing_ok=True)
        return bool(rows[-1][2] & STALE)

    rows = await take(source, cut)
    assert rows[0][:2] == ("cellar/supply_temperature", 95.0)
    assert rows[0][2], "above its range"
    assert rows[-1][1] == 95.0
    assert sum(bool(flags & STALE) for *_, flags in rows) == 1
    assert "no thermometer" in source.health.why
