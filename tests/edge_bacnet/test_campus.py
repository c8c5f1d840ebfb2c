"""Controllers, heat meters and the P1 port of the campus, served by the park and read with the tables it gives."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from source_reader import Reading

from sim_devices.park import Park
from sim_devices.site import load_site

CAMPUS = Path(__file__).parents[2] / "configs" / "sites" / "campus"
KINDS = ("floor-controller", "heat-meter", "p1-meter")


async def test_controllers_meters_and_ports_of_the_campus_are_read_as_the_park_shows_them() -> None:
    site = load_site(CAMPUS)
    chosen = [next(device for device in site.devices if device.kind == kind) for kind in KINDS]
    keys = {f"{device.name}/{metric.name}" for device in chosen for metric in site.metrics(device)}
    assert sum(device.kind == "floor-controller" for device in chosen for _ in site.metrics(device)) >= 38
    async with Park(CAMPUS, 7, only=[device.name for device in chosen]) as park, AsyncExitStack() as stack:
        tables = park.edge_config()["source"]
        assert {table["kind"] for table in tables} == {"bacnet", "mbus", "dsmr"}
        reads = [await stack.enter_async_context(Reading(table)) for table in tables]
        await reads[0].until(lambda: keys <= {row.key for read in reads for row in read.rows if not row.quality})
        shown = park.shown()
        for read in reads:
            for key in keys & {row.key for row in read.rows}:
                unit = read.point(key).unit
                assert read.value(key) == pytest.approx(float(shown[key]), rel=0.2, abs=2.0), (key, unit)
        units = {point.key: point.unit for read in reads for point in read.source.points()}
        for device in chosen:
            for metric in site.metrics(device):
                assert units[f"{device.name}/{metric.name}"] == metric.unit
