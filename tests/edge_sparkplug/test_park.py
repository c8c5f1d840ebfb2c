"""The LoRaWAN stations, Sparkplug line and HTTP counter of the park, through the sources, to the physics's values."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sim_devices.park import Broker, Park

CAMPUS = Path(__file__).parents[2] / "configs" / "sites" / "campus"
GENEROUS_S = 90.0
NAMES = ["soil-lora-1", "soil-lora-2", "valve-lora-1", "weather-lora-1", "packer-1", "gate-1"]
NOON_US = 1_750_000_000_000_000
FINEST = {"%": 0.51, "Cel": 0.06, "hPa": 0.06, "deg": 0.6, "kPa": 0.6, "uS/cm": 0.6, "mm": 0.01, "1": 0.6}


async def collect(source: Any, taken: Any) -> None:
    async for batch in source.batches():
        taken.add(source, batch)


async def test_every_point_arrives_and_a_command_comes_back(tools: Any, broker: Any, tmp_path: Path) -> None:
    takens, sources, readers = [], [], []
    async with Park(CAMPUS, 7, speed=1e-6, broker=Broker(port=broker.port), start_us=NOON_US, only=NAMES) as park:
        tables = park.edge_config()["source"]
        assert sorted(table["kind"] for table in tables) == ["http-json", "lorawan", "sparkplug"]
        async with asyncio.TaskGroup() as running:
            for table in tables:
                source, taken = (
                    tools.make(table | {"ack_s": 60} if "prefix" in table else table, tmp_path),
                    tools.Taken(),
                )
                sources.append(await source.__aenter__())
                takens.append(taken)
                readers.append(running.create_task(collect(source, taken)))
            wanted = {f"{d.name}/{m.name}": m for d, m in park.site.points() if d.name in NAMES}
            try:
                async with asyncio.timeout(GENEROUS_S):
                    while not all(any(taken.values(key) for taken in takens) for key in wanted):
                        await asyncio.sleep(0.05)
            except TimeoutError:
                pytest.fail(f"missing: {[key for key in wanted if not any(t.values(key) for t in takens)]}")
            points = {point.key: point for source in sources for point in source.points()}
            for key, metric in wanted.items():
                point, truth = points[key], park.campus.values()[key]
                told = (point.kind, point.unit, point.low, point.high, point.point_class, point.writable)
                assert told == (
                    metric.kind, metric.unit, metric.low, metric.high, metric.point_class, metric.writable
                ), key  # fmt: skip
                assert point.space_hint
                shown = next(taken.values(key)[-1] for taken in takens if taken.values(key))
                if isinstance(truth, str):
                    assert shown == truth
                else:
                    assert shown == pytest.approx(truth, abs=FINEST.get(metric.unit, 0.06)), key
            for key, value, held in (("packer-1/speed_setpoint", 64.0, 64.0), ("valve-lora-1/valve_1", "open", "open")):
                source = next(one for one in sources if key in {point.key for point in one.points()})
                async with asyncio.timeout(GENEROUS_S):
                    await source.write(points[key], value)
                    while park.campus.values()[key] != held:
                        await asyncio.sleep(0.05)
            for reader in readers:
                reader.cancel()
        for source in sources:
            await source.__aexit__(None, None, None)
