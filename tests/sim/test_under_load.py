"""Beside a busy machine: polls part, a gateway that was late asks again, an agent waits for its configuration."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pymodbus.exceptions import ModbusException
from source_reader import Reading

from edge.sources import SourceHealth, running
from sim_devices.park import Park
from wire.clock import SystemClock
from wire.quality import STALE


class _Still(SystemClock):
    """A clock that stands."""

    def monotonic_s(self) -> float:
        return 100.0


async def test_sources_that_began_together_part_and_keep_their_period(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(running.asyncio, "sleep", note)
    paces = [running.Pace(_Still(), 1.0, SourceHealth(), f"lights-{n}") for n in range(40)]
    for pace in paces:
        await pace.rest()
    first = sorted(slept)
    assert 1.0 <= first[0] < 1.2 < 1.8 < first[-1] < 2.0
    assert max(sum(at <= one < at + 0.1 for one in first) for at in first) <= 10, "no crowd in one tenth of a second"
    slept.clear()
    for pace in paces:
        await pace.rest()
    assert sorted(slept) == pytest.approx([one + 1.0 for one in first]), "the clock stood, so a turn is a period later"
    plain = running.Pace(_Still(), 900.0, SourceHealth(), "meter")
    slept.clear()
    await plain.rest()
    assert 900.0 <= slept[0] <= 905.0


@pytest.mark.parametrize(("late_s", "is_blamed"), [(0.5, False), (0.0, True)], ids=["gateway", "device"])
async def test_a_device_is_not_called_silent_because_its_gateway_was_not_let_run(
    site_dir: Path, monkeypatch: pytest.MonkeyPatch, late_s: float, is_blamed: bool
) -> None:
    async with Park(site_dir, 7, only=["ahu-1"]) as park:
        (table,) = park.edge_config()["source"]
        async with Reading(table | {"timeout_s": 0.2, "period_s": 0.1}) as reading:
            await reading.until(lambda: bool(reading.rows))
            read, times = reading.source._read, [0]

            async def starved(*block: Any) -> Any:
                times[0] += 1
                if times[0] == 1:
                    time.sleep(late_s)  # nothing of this process runs meanwhile
                    raise ModbusException("No response received")
                return await read(*block)

            monkeypatch.setattr(reading.source, "_read", starved)
            asked = times[0]
            await reading.until(lambda: times[0] > asked + 3)
            assert any(row.quality & STALE for row in reading.rows) == is_blamed
            assert reading.health.errors.get("late", 0) == (0 if is_blamed else 1)
            assert reading.health.errors.get("read", 0) == (1 if is_blamed else 0)


async def test_an_agent_gets_ready_and_waits_for_its_configuration(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    command = [sys.executable, "-m", "aid4", "edge", "run", str(file), "--wait"]
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await process.wait()
    file.write_text('site = "x"\n')  # no node: it is read and refused
    _, told = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 2
    assert "node" in told.decode()
