"""The tables that the park hands out are what the agent's sources accept, and through them come the park's values."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.sources import Source, SourceContext, load_kind
from sim_devices.park import Broker, Park
from sim_devices.readouts import Value
from sim_devices.servers import mqtt
from sim_devices.site import Metric
from wire.catalogue import Point
from wire.clock import SystemClock

Read = dict[str, tuple[Point, Value]]


@pytest.fixture
def make_park(site_dir: Path, start_us: int, broker_port: int, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Park]:
    """A park at noon whose time stands still, so that what is read can be compared with what is."""
    monkeypatch.setattr(mqtt, "FULL_EVERY_S", 0.5)  # the agent comes after the devices' first word
    noon_us = start_us + 6 * 3_600_000_000
    return partial(Park, site_dir, 7, speed=1e-6, broker=Broker(port=broker_port), start_us=noon_us)


async def _read(table: dict[str, Any], folder: Path, keys: set[str]) -> Read:
    """The first value of these points of one source."""
    kind = load_kind(table["kind"])
    config = msgspec.convert({name: value for name, value in table.items() if value is not None}, kind.config)
    read: Read = {}
    source: Source = kind.create(config, SourceContext(clock=SystemClock(), folder=folder))
    async with source, asyncio.timeout(120):
        async for batch in source.batches():
            points = source.points()
            told = (
                batch.rows.to_pydict() if "value" in batch.rows.schema.names else {"point": [], "value": []}
            )  # or events
            for number, value in zip(told["point"], told["value"], strict=True):
                read.setdefault(points[number].key, (points[number], value))
            if batch.accepted:
                batch.accepted(0)
            if keys <= read.keys():
                break
    return read


def _same(metric: Metric, truth: Value, shown: Value) -> bool:
    """Whether a device of this resolution may show `shown`."""
    if isinstance(truth, str):
        return shown == truth
    finest = {"i16": 0.06, "u16": 0.6, "u32": 0.006}.get(
        metric.declared, 0.51 if metric.unit in ("[ppm]", "deg") else 0.06
    )
    return abs(float(shown) - float(truth)) <= max(finest, 1e-6 * abs(float(truth)))


async def test_every_point_of_the_site_arrives_with_its_name_unit_limits_and_value(
    make_park: Callable[..., Park], tmp_path: Path
) -> None:
    read: Read = {}
    async with make_park() as park:
        told_elsewhere = ("mavlink", "lorawan", "sparkplug")  # tests/drone_live, tests/edge_sparkplug/test_park.py
        points = [(device, metric) for device, metric in park.site.points() if device.protocol not in told_elsewhere]
        wanted = {f"{device.name}/{metric.name}": metric for device, metric in points}
        tables = [table for table in park.edge_config()["source"] if table["kind"] not in told_elsewhere]
        for table in tables:
            shared = table["kind"] in ("mqtt", "bacnet", "ocpp")  # one source hears them all
            names = {d.name for d in park.site.devices if d.protocol == table["kind"]} if shared else {table["name"]}
            read |= await _read(table, tmp_path, {key for key in wanted if key.partition("/")[0] in names})
    assert set(wanted) <= read.keys()
    values, wrong = park.campus.values(), {}
    told_anew = {  # a session of a charger begins for an agent with the first word of it that the agent hears
        f"{device.name}/{metric}"
        for device, _ in points
        if device.protocol == "ocpp"
        for metric in ("session_energy", "connector_state")
    }
    whole_amperes = {f"{device.name}/{metric.name}" for device, metric in points if device.protocol == "dsmr"}
    for key, metric in wanted.items():
        point, shown = read[key]
        assert (point.unit, point.low, point.high) == (metric.unit, metric.low, metric.high), key
        told = (point.kind, point.writable, point.point_class)
        assert told == (metric.kind, metric.writable, metric.point_class), key
        assert point.space_hint
        rounded = key in whole_amperes and metric.unit == "A" and abs(float(shown) - float(values[key])) <= 0.51
        if key not in told_anew and not rounded and not _same(metric, values[key], shown):
            wrong[key] = (values[key], shown)
    assert wrong == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("room-lab/temperature_setpoint", 23.5),
        ("heat-pump/supply_water_temperature_setpoint", 41.0),
        ("room-office/temperature_setpoint", 22.5),
        ("charger-1/current_limit", 16.0),
    ],
)
async def test_a_command_through_the_agent_reaches_the_device(
    make_park: Callable[..., Park], tmp_path: Path, key: str, value: float
) -> None:
    async with make_park(only=[key.partition("/")[0]]) as park:
        (table,) = park.edge_config()["source"]
        kind = load_kind(table["kind"])
        source = kind.create(msgspec.convert(table, kind.config), SourceContext(clock=SystemClock(), folder=tmp_path))
        writing: asyncio.Task[None] | None = None
        async with source, asyncio.timeout(90):
            async for batch in source.batches():  # goes on beside the command, as in an agent
                if batch.accepted:
                    batch.accepted(0)
                point = next((point for point in source.points() if point.key == key), None)
                if point is not None and writing is None:
                    writing = asyncio.create_task(source.write(point, value))
                if writing is not None and writing.done():
                    break
            assert writing is not None
            await writing
            while park.campus.values()[key] != pytest.approx(value):
                await asyncio.sleep(0.05)
