"""Contacts, pulses and relays at a chip that stands in the kernel's place and speaks gpiod's own types."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from gpio_chip import GpioChip
from source_reader import Reading, sample

from edge.sources import SourceError
from wire.errors import ConfigError
from wire.quality import STALE

GUARD, METER, PUMP = 17, 3, 22


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GpioChip:
    made = GpioChip(str(tmp_path / "gpiochip0"), ("a", "b", "c", "GPIO27"))
    made.install(monkeypatch)
    return made


def table(chip: GpioChip, **more: Any) -> dict[str, Any]:
    (found,) = sample("edge.sources.gpio")
    return found | {"chip": chip.path, "period_s": 0.05} | more


async def test_the_sample_config_reads_a_contact_and_a_meter_and_drives_a_pump(chip: GpioChip, tmp_path: Path) -> None:
    chip.levels[GUARD] = True  # with its pull-up: the contact is open
    async with Reading(table(chip), tmp_path) as read:
        await read.until(lambda: read.value("panel/guard_closed") == "false")
        await read.until(lambda: read.value("panel/energy") == 5120.5)
        pump = read.point("panel/pump")
        with pytest.raises(SourceError, match="only while guard_closed"):
            await read.source.write(pump, "true")
        chip.drive(GUARD, False)
        await read.until(lambda: read.value("panel/guard_closed") == "true")
        await read.source.write(pump, "true")
        assert chip.levels[PUMP]
        await read.until(lambda: read.value("panel/pump") == "true")
        chip.pulse(METER, 250)
        await read.until(lambda: read.value("panel/energy") == 5120.75)
        chip.drive(GUARD, True)
        await read.until(lambda: read.value("panel/pump") == "false")
        assert not chip.levels[PUMP], "a guard that opens stops the pump at once"
        assert [one["kind"] for one in read.events] == ["output_released"]
        with pytest.raises(SourceError, match="takes true and false"):
            await read.source.write(pump, "maybe")
    assert json.loads((tmp_path / "panel-pulses.json").read_text()) == {"energy": 250}
    async with Reading(table(chip), tmp_path) as read:
        await read.until(lambda: read.value("panel/energy") == 5120.75)


async def test_an_output_falls_when_its_time_is_over_and_when_the_source_is_left(
    chip: GpioChip, tmp_path: Path
) -> None:
    lines = [
        {"line": 5, "metric": "valve", "mode": "output", "hold_s": 0.2},
        {"line": 6, "metric": "alarm", "mode": "output", "safe": True, "active_low": True},
    ]
    async with Reading(table(chip, lines=lines), tmp_path) as read:
        await read.until(lambda: read.value("panel/alarm") == "true")
        assert not chip.levels[6], "on is low for a relay that is active low"
        await read.source.write(read.point("panel/valve"), True)
        await read.until(
            lambda: [row.value for row in read.rows if row.key == "panel/valve"] == ["false", "true", "false"]
        )
        await read.source.write(read.point("panel/alarm"), "false")
        assert chip.levels[6]
    assert not chip.levels[6], "left at its safe level"


async def test_no_pulse_is_lost_when_the_kernels_queue_runs_over(chip: GpioChip, tmp_path: Path) -> None:
    lines = [{"line": 1, "metric": "water", "mode": "pulses", "per_unit": 10}, {"line": 2, "metric": "bounce"}]
    async with Reading(table(chip, lines=lines, keep=""), tmp_path) as read:
        await read.until(lambda: read.value("panel/water") == 0.0)
        chip.pulse(1, 5_000)  # 1,024 of them stay in the queue
        await read.until(lambda: read.value("panel/water") == 500.0)
        assert read.health.discarded == 0
        chip.pulse(2, 600)
        wanted = 1 + 2 * 600
        await read.until(lambda: _heard(read) + read.health.discarded == wanted)
        assert read.health.discarded == 2 * 600 - 1_024, "what was not heard is counted"


def _heard(read: Reading) -> int:
    return sum(row.key == "panel/bounce" for row in read.rows)


async def test_a_chip_that_is_pulled_out_is_told_and_opened_again(chip: GpioChip, tmp_path: Path) -> None:
    async with Reading(table(chip), tmp_path) as read:
        await read.until(lambda: read.value("panel/guard_closed") == "true")
        chip.pull()
        await read.until(lambda: bool((row := read.last("panel/guard_closed")) and row.quality == STALE))
        with pytest.raises(SourceError, match="is not open"):
            await read.source.write(read.point("panel/pump"), "true")
        assert read.health.errors["connect"] == 1
        chip.plug()
        await read.until(lambda: read.health.state == "running")


async def test_a_node_that_is_no_chip_is_named_with_its_reason(tmp_path: Path) -> None:
    lines = [{"line": 1}]
    for node, why in (("/dev/null", "No such device"), (str(tmp_path / "gpiochip9"), "No such file")):
        async with Reading({"kind": "gpio", "name": "panel", "chip": node, "lines": lines}, tmp_path) as read:
            await read.until(lambda why=why: why in read.health.why)  # type: ignore[misc]
            assert (read.health.state, read.rows) == ("waiting", [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": [{"line": 1}, {"line": 1, "metric": "b"}]}, "lines[1].line"),
        ({"lines": [{"line": 1, "mode": "output", "only_while": "door"}]}, "lines[0].only_while"),
        ({"lines": [{"line": 1, "metric": "x"}, {"line": 2, "only_while": "x"}]}, "lines[1].only_while"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place(
    change: dict[str, Any], field: str, chip: GpioChip, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        Reading(table(chip, **change), tmp_path)
    assert (caught.value.field, bool(caught.value.fix)) == (field, True)


def test_a_file_of_counts_that_is_torn_is_refused_and_never_taken_for_zero(chip: GpioChip, tmp_path: Path) -> None:
    chance = random.Random(4)
    for torn in (b"", b'{"energy": 25', b'{"energy": -1}', b"[1]", *(chance.randbytes(30) for _ in range(50))):
        (tmp_path / "panel-pulses.json").write_bytes(torn)
        with pytest.raises(ConfigError) as caught:
            Reading(table(chip), tmp_path)
        assert caught.value.field == "keep"
