"""The switch and the supply of the campus over SNMP, and its drone as the receiver of Remote ID hears it."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from source_reader import Reading

from sim_devices.park import Park
from sim_devices.servers.snmp import SnmpObject, load_objects

FINEST = {"V": 0.51, "Hz": 0.06, "Cel": 0.51, "s": 15.0, "By": 1.5e9, "W": 60.0, "%": 5.0}


async def test_switch_supply_and_drone_are_read_as_the_park_shows_them(site_dir: Path) -> None:
    """Everything that the tables of the park promise, with units, limits and values; the drone in its dock."""
    async with Park(site_dir, 7, only=["switch-1", "ups-1", "sky-1", "drone-1"]) as park, AsyncExitStack() as stack:
        tables = {table["kind"]: table for table in park.edge_config()["source"] if table["kind"] != "mavlink"}
        assert set(tables) == {"snmp", "remote-id"}
        agents = [table | {"timeout_s": 30.0} for table in park.edge_config()["source"] if table["kind"] == "snmp"]
        reads = [await stack.enter_async_context(Reading(table)) for table in [*agents, tables["remote-id"]]]
        wanted = {f"{device.name}/{metric.name}": metric for device, metric in park.site.points() if metric.name}
        wanted = {key: metric for key, metric in wanted.items() if key.partition("/")[0] in ("switch-1", "ups-1")}
        sky = {f"1d4a8survey01/{metric}" for metric in ("speed", "climb_rate", "height", "status", "signal")}
        seen = {*wanted, *sky}
        await reads[0].until(lambda: seen <= {row.key for read in reads for row in read.rows if not row.quality})
        shown = park.shown()
        for read in reads:
            for key in {row.key for row in read.rows} & set(wanted):
                point, metric = read.point(key), wanted[key]
                told = (point.kind, point.unit, point.low, point.high, point.point_class, point.space_hint)
                assert told == (
                    metric.kind, metric.unit, metric.low, metric.high, metric.point_class, "Server room"
                ), key  # fmt: skip
                if metric.kind == "state":
                    assert read.value(key) == shown[key]
                else:
                    assert read.value(key) == pytest.approx(float(shown[key] or 0), abs=FINEST.get(metric.unit, 0)), key
        drone = park.drones[0]
        assert abs(reads[-1].value("1d4a8survey01/height") - (drone.place.up - drone.home.up)) < 3.0
        assert reads[-1].value("1d4a8survey01/status") == "ground"


async def test_a_cut_switch_is_silent_and_comes_back_at_its_port(site_dir: Path) -> None:
    async with Park(site_dir, 7, only=["switch-1"]) as park, AsyncExitStack() as stack:
        server = park.servers[0]
        port = server.port
        (table,) = park.edge_config()["source"]
        reading = await stack.enter_async_context(Reading(table | {"period_s": 0.2, "timeout_s": 0.5, "retries": 0}))
        await reading.until(lambda: any(row.key == "switch-1/uptime" and not row.quality for row in reading.rows))
        await server.cut()
        await reading.until(lambda: reading.rows[-1].quality)
        await server.start(park._tasks)
        assert server.port == port
        await reading.until(lambda: not reading.rows[-1].quality)


def test_every_object_stands_once_in_its_map_and_numbers_wrap_as_the_standard_has_it() -> None:
    for kind in ("network-switch", "ups"):
        objects = load_objects(kind)
        assert len({one.oid for one in objects}) == len({one.metric for one in objects}) == len(objects)
    ticks = SnmpObject("uptime", "1.3.6.1.2.1.1.3.0", "ticks", 0.01)
    assert int(ticks.encode(497.2 * 86_400)) == round(497.2 * 8_640_000) % 2**32 < 10_000_000
    assert int(SnmpObject("x", "1.3.6", "integer", states={"5": "battery"}).encode("battery")) == 5
