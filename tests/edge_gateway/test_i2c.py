"""Sensor tables against the worked examples of their data sheets, and on an adapter in the kernel's place."""

import random
import struct
from pathlib import Path
from typing import Any

import fastcrc
import pytest
from i2c_kernel import I2cKernel, Registers
from source_reader import Reading, sample

from edge.sources.i2c_formulas import bme280
from edge.sources.i2c_table import I2cProfile, TableError, decoded, without_crc
from edge.sources.profiles import PROFILES, load_profile
from wire.errors import ConfigError
from wire.point_classes import check_unit
from wire.quality import BAD, STALE

PT = struct.pack("<HhhH8h", 27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
HUMID = (75, 355, 0, 0x14, 0x2E, 0x03, 30)  # H1 to H6 as registers of a real BME280
CALIBRATION = PT + bytes(1) + struct.pack("<BhBbBbb", *HUMID)


def sht(temperature: int, humidity: int) -> bytes:
    words = [temperature.to_bytes(2, "big"), humidity.to_bytes(2, "big")]
    return b"".join(word + bytes([fastcrc.crc8.nrsc_5(word)]) for word in words)


def raw(pressure: int, temperature: int, humidity: int) -> bytes:
    return (pressure << 4).to_bytes(3, "big") + (temperature << 4).to_bytes(3, "big") + humidity.to_bytes(2, "big")


def told(name: str, *answers: bytes) -> dict[str, Any]:
    profile = load_profile(f"profiles/i2c/{name}.toml", Path(), I2cProfile).checked(name)
    values: dict[str, Any] = {}
    for read, answer in zip(profile.read, answers, strict=True):
        values |= decoded(read, answer, b"")
    return values


def test_the_worked_examples_of_the_data_sheets_come_out() -> None:
    assert told("ina219", bytes.fromhex("5d98"), bytes.fromhex("07d0")) == pytest.approx(
        {"voltage": 11.98, "current": 0.2}
    )  # 11.98 V, 20 mV over the shunt (SBOS448, §8.6)
    assert told("ads1115", *[bytes.fromhex(word) for word in ("7fff", "8000", "0001", "ffff")]) == pytest.approx(
        {"voltage_1": 4.095875, "voltage_2": -4.096, "voltage_3": 125e-6, "voltage_4": -125e-6}
    )  # ±full scale and one step (SBAS444, table 8-3)
    assert without_crc(bytes.fromhex("beef92")) == bytes.fromhex("beef")  # Sensirion's own vector
    found = bme280(CALIBRATION, raw(415_148, 519_888, 0x8000))  # Bosch, BST-BMP280-DS001 §3.12
    assert found == {"temperature": pytest.approx(25.08, abs=0.005), "pressure": pytest.approx(1006.5327, abs=5e-4)}
    assert bme280(CALIBRATION, raw(0x80000, 0x80000, 0x8000)) == {}, "what the chip skipped is not told"


def test_humidity_is_that_of_boschs_integer_formula() -> None:
    chance = random.Random(3)
    for _ in range(500):
        adc_t, adc_h = chance.randrange(420_000, 620_000), chance.randrange(20_000, 45_000)
        found = bme280(CALIBRATION, raw(0x80000, adc_t, adc_h))["humidity"]
        assert found == pytest.approx(_humidity_int(adc_t, adc_h), abs=0.05)


def _humidity_int(adc_t: int, adc_h: int) -> float:
    """bme280_compensate_H_int32 of the data sheet, §4.2.3, line by line."""
    one = (((adc_t >> 3) - (27504 << 1)) * 26435) >> 11
    two = ((((adc_t >> 4) - 27504) * ((adc_t >> 4) - 27504)) >> 12) * -1000 >> 14
    h1, h2, h3, e4, e5, e6, h6 = HUMID
    h4, h5 = (e4 << 4) | (e5 & 0x0F), (e6 << 4) | (e5 >> 4)
    v = one + two - 76_800
    v = (((adc_h << 14) - (h4 << 20) - h5 * v + 16_384) >> 15) * (
        ((((((v * h6) >> 10) * (((v * h3) >> 11) + 32_768)) >> 10) + 2_097_152) * h2 + 8_192) >> 14
    )
    v -= ((((v >> 15) * (v >> 15)) >> 7) * h1) >> 4
    return (min(max(v, 0), 419_430_400) >> 12) / 1_024


@pytest.mark.parametrize("path", sorted((PROFILES / "profiles/i2c").glob("*.toml")), ids=lambda path: path.stem)
def test_every_table_has_units_that_fit_its_classes(path: Path) -> None:
    profile = load_profile(str(path), Path(), I2cProfile).checked(path.name)
    fields = [field for read in profile.read for field in read.fields]
    assert len({field.metric for field in fields}) == len(fields) > 0
    for field in fields:
        check_unit(field.point_class, field.unit)


async def test_the_sample_config_reads_two_chips_and_tells_which_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    air, supply = Registers({0x24: sht(26_214, 32_768)}), Registers({0x02: bytes.fromhex("5d98"), 0x01: b"\x07\xd0"})
    air.read = lambda count: air.registers[0x24][:count]  # type: ignore[method-assign]  # it names no register
    kernel = I2cKernel(tmp_path / "i2c-1", {0x44: air, 0x40: supply})
    kernel.install(monkeypatch)
    kernel.plug()
    (table,) = sample("edge.sources.i2c")
    async with Reading(table | {"bus": str(kernel.path), "period_s": 0.1}, tmp_path) as read:
        await read.until(lambda: read.value("supply/current") is not None)
        assert read.value("air/temperature") == pytest.approx(25.0, abs=0.003)
        assert read.value("air/humidity") == pytest.approx(50.0, abs=0.001)
        assert read.value("supply/current") == pytest.approx(0.02), "times 0.1 for another shunt"
        assert read.point("supply/current").high == 3
        assert supply.written == [bytes.fromhex("00399f")], "set up once"
        del kernel.chips[0x40]
        await read.until(lambda: bool((row := read.last("supply/voltage")) and row.quality == STALE))
        assert "supply at 0x40: Remote I/O error" in read.health.why
        assert read.health.state == "running", "the other one answers"
        kernel.chips[0x40] = supply
        await read.until(lambda: bool((row := read.last("supply/voltage")) and row.quality == 0))
        assert len(supply.written) == 2, "set up anew"
        supply.registers[0x02] = bytes.fromhex("5d99")  # its overflow bit
        await read.until(lambda: bool((row := read.last("supply/voltage")) and row.quality & BAD))


async def test_another_chip_at_the_address_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = I2cKernel(tmp_path / "i2c-1", {0x76: Registers({0xD0: b"\x58"})})
    kernel.install(monkeypatch)
    kernel.plug()
    devices = [{"name": "air", "profile": "profiles/i2c/bme280.toml"}]
    table = {"kind": "i2c", "name": "c", "bus": str(kernel.path), "period_s": 0.1, "devices": devices}
    async with Reading(table, tmp_path) as read:
        await read.until(lambda: "says 58 and is no Bosch BME280" in read.health.why)
        assert read.rows == []


def test_noise_becomes_a_number_or_is_refused_and_nothing_else() -> None:
    chance = random.Random(9)
    profiles = [load_profile(f"profiles/i2c/{name}.toml", Path(), I2cProfile) for name in ("sht3x", "bme280", "ina219")]
    refused = 0
    for _ in range(3_000):
        read = chance.choice(chance.choice(profiles).read)
        size = read.bytes if chance.random() < 0.8 else chance.randrange(64)
        try:
            values = decoded(read, chance.randbytes(size), chance.randbytes(33))
        except TableError:
            refused += 1
            continue
        assert set(values) == {field.metric for field in read.fields}
        assert all(value is None or isinstance(value, float) for value in values.values())
    assert refused > 1_000, "what is too short, too long, or fails its checksum"


@pytest.mark.parametrize(
    ("devices", "field"),
    [
        ([{"name": "a", "profile": "profiles/i2c/sht3x.toml"}] * 2, "devices[1].address"),
        ([{"name": "a", "profile": "profiles/i2c/sht9.toml"}], "profile"),
        ([{"name": "a", "profile": "profiles/i2c/sht3x.toml", "points": [{"metric": "co2"}]}], "devices.points"),
    ],
)
def test_a_wrong_config_names_its_place(devices: list[dict[str, Any]], field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Reading({"kind": "i2c", "name": "c", "bus": "/dev/i2c-1", "devices": devices}, tmp_path)
    assert (caught.value.field, bool(caught.value.fix)) == (field, True)
