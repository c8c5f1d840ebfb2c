"""A real twin with a small lab, a process of its own so that a test can kill it: prints its URL, feeds itself live.

Usage: python lab_twin.py DATA_DIR PORT
"""

import asyncio
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bim.tables import ELEMENTS, PSETS, RELATIONS, table_of
from twin.absorb import Absorber, Batch
from twin.core import Twin
from twin.models import ModelTables
from twin.reconcile import Reconciler
from twin.server import TwinConfig, serve
from twin.siteconfig import site_from_dict
from wire.catalogue import Point, to_batch
from wire.quality import BAD
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, STATES, schema

ROOMS = [("101", "Open office"), ("102", "Meeting room"), ("103", "Server room"), ("104", "Laboratory")]
METRICS = [("temperature", "Cel", 18.0, 27.0), ("co2", "[ppm]", 400.0, 1_000.0), ("power", "kW", None, None)]
MODES = ["heating", "idle", "cooling"]
HOT, BROKEN, SILENT, MODE, LOOSE = 6, 7, 9, 90, 95  # points with something to see
HISTORY_S = 7_200
DAY_S = 86_400
COMPARED, BELOW = 0, 3.0  # a point that read so much less at the same hours of the day before
TS = pa.timestamp("us", tz="UTC")


def points() -> list[Point]:
    """Three values a room, a text point, and one that nothing binds."""
    found = [
        Point(
            id=at * 3 + column, device=f"room-{number}", metric=metric, unit=unit, low=low, high=high,
            period_s=1.0, point_class=metric, space_hint=number,
        )
        for at, (number, _) in enumerate(ROOMS)
        for column, (metric, unit, low, high) in enumerate(METRICS)
    ]  # fmt: skip
    mode = Point(id=MODE, device="room-101", metric="mode", kind="state", declared="text", space_hint="101")
    return [*found, mode, Point(id=LOOSE, device="crane", metric="load", unit="kg", low=0, high=500, period_s=1.0)]


def model() -> ModelTables:
    """A site, a building, two storeys, four rooms."""
    rows = [
        _element("site-guid", "IfcSite", "Campus"),
        _element("house-guid", "IfcBuilding", "Living lab", parent="site-guid"),
        _element("floor-guid", "IfcBuildingStorey", "Ground floor", parent="house-guid"),
        *(
            _element(f"room-{room}-guid", "IfcSpace", room, long_name=name, parent="floor-guid", storey="floor-guid")
            for room, name in ROOMS
        ),
    ]
    numbered = [row | {"step": at} for at, row in enumerate(rows, 1)]
    properties = [
        {"element": "room-101-guid", "pset": "Pset_SpaceCommon", "name": "Reference", "value": "A-101", "unit": "",
         "value_type": "IfcIdentifier", "kind": "property", "source": "occurrence"},
    ]  # fmt: skip
    tables = table_of(numbered, ELEMENTS), table_of(properties, PSETS), table_of([], RELATIONS)
    return ModelTables("lab.ifc", "IFC4", "a" * 64, *tables, [])


class Agent:
    """Hands records to the twin as its ingest would."""

    def __init__(self, twin: Twin) -> None:
        self.twin, self.seq, self.epoch = twin, 0, time.time_ns().to_bytes(16, "big")
        self._absorber = Absorber(twin.site.name, Reconciler(boot=1), twin.store.points, twin.store.state)
        self._absorber.on_rows = twin.alarms.service.leave

    def catalogue(self) -> None:
        self._take(to_batch(points()), CATALOGUE, cls=CLASS_CONTROL)
        self.twin.refresh()

    def readings(self, point: Any, ts_s: Any, value: Any, quality: Any = 0) -> None:
        rows = np.broadcast_arrays(point, ts_s, value, quality)
        arrays = [
            pa.array(rows[0].ravel().astype(np.uint32)),
            pa.array((rows[1].ravel() * 1e6).astype(np.int64)).view(TS),
            pa.array(rows[2].ravel().astype(float)),
            pa.array(rows[3].ravel().astype(np.uint8)),
        ]
        self._take(pa.RecordBatch.from_arrays(arrays, schema=schema(READINGS)), READINGS)

    def mode(self, ts_s: float, value: str) -> None:
        columns = {"point": [MODE], "ts": pa.array([int(ts_s * 1e6)]).view(TS), "value": [value], "quality": [0]}
        self._take(pa.RecordBatch.from_pydict(columns, schema=schema(STATES)), STATES)

    def _take(self, batch: pa.RecordBatch, schema_id: int, **stamp: Any) -> None:
        self.seq += 1
        made = Stamp(epoch=self.epoch, generation=1, boot=1, clock_us=0, mono_us=0, **stamp)
        work = Batch(["gw"], [pack(batch, schema_id=schema_id, stamp=made, seq=self.seq)])
        work.recv_us = self.twin.clock.wall_us()
        submit = self.twin.store.writer.submit
        submit(lambda connection: self._absorber.absorb(connection, work), then=self._absorber.committed).result(30)


def value(point: int, ts_s: Any) -> Any:
    """What a point measures at a time: smooth, and beyond its limit at HOT for as long as the record reaches.

    The last wave moves the second decimal from one second to the next: without it the value shown stood still for
    up to 16 s at each crest, and a test that waits for the next value failed there.
    """
    times = np.asarray(ts_s)
    wave = np.sin(times / 400 + point) + 0.2 * np.sin(times / 31) + 0.04 * np.sin(times * 1.7)
    if point == LOOSE:
        return 220 + 40 * wave
    base, size = [(22.0, 1.5), (620.0, 120.0), (1.4, 0.4)][point % 3]
    return base + size * wave + (9.0 if point == HOT else 0.0)


async def fill(agent: Agent, now_s: float) -> None:
    """Two hours with a hole of ten minutes in every line, modes of twenty minutes each, and hours of the day before."""
    ages = np.arange(HISTORY_S, 0, -2.0)
    times = now_s - ages[(ages > 3_000) | (ages < 2_400)]
    for point in points():
        if point.kind == "value" and point.id != SILENT:
            shown = times[times < now_s - 600] if point.id == BROKEN else times
            await asyncio.to_thread(agent.readings, point.id, shown, value(point.id, shown))
    day_before = now_s - DAY_S + np.arange(-3_600, 3_600, 10.0)
    await asyncio.to_thread(agent.readings, COMPARED, day_before, value(COMPARED, day_before) - BELOW)
    await asyncio.to_thread(agent.readings, BROKEN, now_s - 300, math.nan, BAD)
    for at in range(6):
        await asyncio.to_thread(agent.mode, now_s - HISTORY_S + at * 1_200, MODES[at % 3])


async def live(agent: Agent) -> None:
    """Every point but the broken and the silent one, once a second."""
    ids = [point.id for point in points() if point.kind == "value" and point.id not in (BROKEN, SILENT)]
    while True:
        now_s = time.time()
        values = [float(value(point, now_s)) for point in ids]
        await asyncio.to_thread(agent.readings, ids, now_s, values)
        await asyncio.sleep(1.0)


async def main(data_dir: Path, port: int) -> None:
    """Serve until killed."""
    site = site_from_dict({"name": "lab", "title": "Lab of Dubnica", "time_zone": "Europe/Bratislava"}, file="test")
    async with serve(TwinConfig(data_dir=data_dir, site=site, port=port)) as served:
        twin = served.twin
        agent = Agent(twin)
        agent.catalogue()
        if not twin.store.time_span():
            revision = await asyncio.to_thread(twin.models.take_in, model())
            await asyncio.to_thread(twin.store.writer.run, lambda c: twin.models.make_live(c, revision))
            await asyncio.to_thread(twin.refresh)
            await fill(agent, time.time())
        print(served.url, flush=True)
        await live(agent)


def _element(guid: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    row = {field.name: "" for field in ELEMENTS if not field.nullable and field.type == pa.string()}
    row |= {field.name: [] for field in ELEMENTS if not field.nullable and pa.types.is_list(field.type)}
    return row | {"id": guid, "type": kind, "name": name, "has_shape": False, "category": "spatial"} | more


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
