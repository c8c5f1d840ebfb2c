"""A real twin on a free loopback port, its store filled through the ingest's own write path."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from bim.tables import ELEMENTS, PSETS, RELATIONS, table_of
from twin.absorb import Absorber, Batch
from twin.core import Twin
from twin.models import ModelTables
from twin.reconcile import Reconciler
from twin.server import TwinConfig, serve
from twin.siteconfig import SiteConfig, site_from_dict
from wire.catalogue import Point, to_batch
from wire.quality import STALE
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, EVENTS, READINGS, STATES, schema

EPOCH = b"\x07" * 16
TS = pa.timestamp("us", tz="UTC")
HOSTILE = '<script>alert("x")</script>\u202e; DROP TABLE points; --'

POINTS = [
    Point(id=0, device="meter", metric="power", unit="kW", low=0, high=100, period_s=1.0, label="Power"),
    Point(id=1, device="meter", metric="energy", unit="kW.h", element_hint="meter-1-guid"),
    Point(id=2, device="ahu", metric="mode", kind="state", declared="text", space_hint="101"),
    Point(id=3, device="ahu", metric="setpoint", unit="Cel", declared="f32", writable=True, low=15, high=30),
    Point(id=4, device="ahu", metric="fan", declared="bool", writable=True),
    Point(id=5, device="lost", metric="nobody", label=HOSTILE, meta={"note": HOSTILE}),
    Point(id=6, device="ahu", metric="stage", declared="u8", writable=True),
    Point(id=7, device="ahu", metric="program", declared="enum", writable=True, meta={"values": ["day", "night"]}),
]


def element(guid: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    """A row of the elements table."""
    spatial = kind in {"IfcSite", "IfcBuilding", "IfcBuildingStorey", "IfcSpace"}
    row = {field.name: "" for field in ELEMENTS if not field.nullable and field.type == pa.string()}
    row |= {field.name: [] for field in ELEMENTS if not field.nullable and pa.types.is_list(field.type)}
    row |= {"id": guid, "step": 1, "type": kind, "name": name, "has_shape": False}
    return row | {"category": "spatial" if spatial else "element"} | more


ROWS = [
    element("site-guid", "IfcSite", "Campus"),
    element("house-guid", "IfcBuilding", "House", parent="site-guid"),
    element("floor-guid", "IfcBuildingStorey", "Ground floor", parent="house-guid"),
    element("room-guid", "IfcSpace", "101", long_name="Plant room", parent="floor-guid", storey="floor-guid"),
    element("meter-1-guid", "IfcSensor", "Meter 1", parent="room-guid", storey="floor-guid", space="room-guid"),
    element("door-guid", "IfcDoor", HOSTILE, parent="floor-guid", storey="floor-guid"),
]


def model_tables(rows: list[dict[str, Any]], sha256: str = "a" * 64) -> ModelTables:
    """Rows as bim's child would deliver them."""
    numbered = [row | {"step": at} for at, row in enumerate(rows, 1)]
    properties = [
        {"element": "meter-1-guid", "pset": "Pset_Meter", "name": "Maker", "value": HOSTILE, "unit": "",
         "value_type": "IfcLabel", "kind": "property", "source": "occurrence"},
        {"element": "room-guid", "pset": "Qto_SpaceBaseQuantities", "name": "Area", "value": "12.5", "number": 12.5,
         "unit": "m2", "value_type": "IfcAreaMeasure", "kind": "quantity", "source": "occurrence"},
    ]  # fmt: skip
    tables = table_of(numbered, ELEMENTS), table_of(properties, PSETS), table_of([], RELATIONS)
    return ModelTables("house.ifc", "IFC4", sha256, *tables, [])


class Feed:
    """Plays one agent: hands records to the twin as its ingest would."""

    def __init__(self, twin: Twin, node: str = "gw") -> None:
        self.twin, self.node, self.seq = twin, node, 0
        self._absorber = Absorber(twin.site.name, Reconciler(boot=1), twin.store.points, twin.store.state)
        self._absorber.on_rows = twin.alarms.service.leave

    def catalogue(self, points: list[Point]) -> None:
        self._take(to_batch(points), CATALOGUE, cls=CLASS_CONTROL)
        self.twin.refresh()

    def readings(self, point: Any, ts_us: Any, value: Any, quality: Any = 0) -> None:
        """Local point ids; anything may be one value for all rows."""
        rows = np.broadcast(np.asarray(point), np.asarray(ts_us), np.asarray(value), np.asarray(quality))
        column = [np.broadcast_to(np.asarray(c), rows.shape).ravel() for c in (point, ts_us, value, quality)]
        for start in range(0, rows.size, 40_000):
            cut = [c[start : start + 40_000] for c in column]
            arrays = [
                pa.array(cut[0].astype(np.uint32)), pa.array(cut[1].astype(np.int64)).view(TS),
                pa.array(cut[2].astype(float)), pa.array(cut[3].astype(np.uint8)),
            ]  # fmt: skip
            self._take(pa.RecordBatch.from_arrays(arrays, schema=schema(READINGS)), READINGS)

    def states(self, point: int, ts_us: int, value: str) -> None:
        columns = {"point": [point], "ts": pa.array([ts_us]).view(TS), "value": [value], "quality": [0]}
        self._take(pa.RecordBatch.from_pydict(columns, schema=schema(STATES)), STATES)

    def event(self, ts_us: int, message: str) -> None:
        columns = {
            "ts": pa.array([ts_us]).view(TS), "device": ["meter"], "kind": ["trip"], "severity": [2],
            "point": [None], "message": [message], "detail": ['{"a": 1}'],
        }  # fmt: skip
        self._take(pa.RecordBatch.from_pydict(columns, schema=schema(EVENTS)), EVENTS)

    def _take(self, batch: pa.RecordBatch, schema_id: int, **stamp: Any) -> None:
        self.seq += 1
        made = Stamp(epoch=EPOCH, generation=1, boot=1, clock_us=0, mono_us=0, **stamp)
        work = Batch([self.node], [pack(batch, schema_id=schema_id, stamp=made, seq=self.seq)])
        work.recv_us = self.twin.clock.wall_us()
        submit = self.twin.store.writer.submit
        submit(lambda connection: self._absorber.absorb(connection, work), then=self._absorber.committed).result(30)


class Park:
    """A served twin with a client, and the samples that tests share."""

    hostile, rows = HOSTILE, ROWS
    element, model_tables = staticmethod(element), staticmethod(model_tables)

    def __init__(self, twin: Twin, url: str, client: httpx.AsyncClient) -> None:
        self.twin, self.url, self.client, self.feed = twin, url, client, Feed(twin)

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON of a call that must succeed."""
        answer = await self.client.get(f"/api/v1{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, status: int = 201) -> Any:
        """The JSON of a call that must answer `status`."""
        answer = await self.client.post(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def model(self, rows: list[dict[str, Any]] | None = None, sha256: str = "a" * 64) -> None:
        """Make a small model live."""
        tables = model_tables(rows or ROWS, sha256)
        revision = await asyncio.to_thread(self.twin.models.take_in, tables)
        await asyncio.to_thread(self.twin.store.writer.run, lambda c: self.twin.models.make_live(c, revision))
        await asyncio.to_thread(self.twin.refresh)


@pytest.fixture
def site() -> SiteConfig:
    return site_from_dict(
        {"name": "lab", "title": "Laboratory", "bind": [{"points": "*/meter/power", "space": "Plant room"}]},
        file="test",
    )


@pytest.fixture
async def start(tmp_path: Path, site: SiteConfig) -> AsyncIterator[Callable[..., Any]]:
    """Starts a twin; a twin lives in one task, as its task group wants it."""
    stop = asyncio.Event()
    running: list[asyncio.Task[None]] = []

    async def begin(**options: Any) -> Park:
        ready: asyncio.Future[Park] = asyncio.get_running_loop().create_future()

        async def live() -> None:
            config = TwinConfig(**({"data_dir": tmp_path / "data", "site": site, "port": 0} | options))
            async with serve(config) as served, httpx.AsyncClient(base_url=served.url, timeout=30) as client:
                ready.set_result(Park(served.twin, served.url, client))
                await stop.wait()

        task = asyncio.create_task(live())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await task
        running.append(task)
        return ready.result()

    yield begin
    stop.set()
    for task in running:
        async with asyncio.timeout(5):
            await task


@pytest.fixture
async def empty(start: Callable[..., Any]) -> Park:
    """A twin without points and without a model."""
    park: Park = await start()
    return park


@pytest.fixture
async def park(empty: Park) -> Park:
    """A twin with a catalogue, a model and an hour of readings that end now."""
    await empty.model()
    now_us = empty.twin.clock.wall_us()
    times = now_us - np.arange(3_600, 0, -1) * 1_000_000
    await asyncio.to_thread(empty.feed.catalogue, POINTS)
    await asyncio.to_thread(empty.feed.readings, 0, times, 50 + 40 * np.sin(np.arange(3_600) / 300))
    await asyncio.to_thread(empty.feed.readings, 1, now_us - 60_000_000, float("nan"))
    await asyncio.to_thread(empty.feed.readings, 3, now_us - 5_000_000, 21.5, STALE)
    await asyncio.to_thread(empty.feed.states, 2, now_us - 7_000_000, "HEATING")
    await asyncio.to_thread(empty.feed.event, now_us - 9_000_000, HOSTILE)
    return empty


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
