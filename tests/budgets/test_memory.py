"""The memory that DESIGN §12 allows, measured on real processes under traffic, and what a gateway must not load."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.health import read_status
from edge.sources import BUILT_IN
from twin.client import RemoteTwin
from wire.catalogue import Point, to_batch
from wire.errors import Aid4Error
from wire.messages import Ack, EpochSpan, Hello, Status, decode, encode
from wire.mqtt import Link, LinkConfig, Message
from wire.ranges import Ranges
from wire.records import CLASS_CONTROL, Stamp, pack, pack_split
from wire.schemas import CATALOGUE, READINGS, schema
from wire.topics import down, parse, up

HEAVY = {"duckdb", "ifcopenshell", "open3d"}
TRAFFIC_S = 10.0
POINTS, ROWS, READINGS_SENT = 10_000, 10_000, 4_000_000
FLOOD_READINGS = 5_000_000  # 50,000 records: as many as the spool's index and the uplink's sets grow by in a second
IN_FLIGHT = 40  # records of 10,000 readings, 5 MB
EPOCH = b"\x5a" * 16
TS = schema(READINGS).field("ts").type


@asynccontextmanager
async def meters() -> AsyncIterator[int]:
    """Four Modbus meters on one port; gives the port."""
    devices = [SimDevice(unit, [SimData(0, values=[unit] * 400, datatype=DataType.REGISTERS)]) for unit in range(1, 5)]
    server = ModbusTcpServer(devices, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


def edge_toml(processes: Any, modbus_port: int) -> Path:
    """An agent's configuration with both sources."""
    for name in ("gw", "field"):
        secret = processes.folder / f"{name}.password"
        secret.touch(mode=0o600)
        secret.write_text(processes.user(name).password)
    url = f"mqtt://127.0.0.1:{processes.broker.port}"
    units = ", ".join(f'{{ name = "meter-{n}", unit = {n}, map = "profiles/modbus/sdm630.toml" }}' for n in range(1, 5))
    file: Path = processes.folder / "edge.toml"
    file.write_text(
        f'site = "lab"\nnode = "gw"\n[broker]\nurl = "{url}"\nuser = "gw"\npassword_file = "gw.password"\n'
        f'[[source]]\nkind = "modbus"\nname = "meters"\nurl = "tcp://127.0.0.1:{modbus_port}"\nperiod_s = 0.1\n'
        f"devices = [{units}]\n"
        f'[[source]]\nkind = "mqtt"\nname = "shop"\nurl = "{url}"\nuser = "field"\npassword_file = "field.password"\n'
        'topic = [{ pattern = "shop/{device}/state", payload = "generic" }]\n'
    )
    return file


async def publish(link: Link, seconds: float) -> int:
    """About 500 JSON messages of four values each second, of 50 devices."""
    end_s, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        for _ in range(10):
            values = {"t": 20 + sent % 7, "h": sent % 100, "p": sent * 0.5, "on": sent % 2}
            sent += link.publish(f"shop/dev-{sent % 50}/state", json.dumps(values).encode())
        await asyncio.sleep(0.02)
    return sent


async def test_an_agent_with_modbus_and_mqtt_stays_below_120_mib(processes: Any, memory: Any, port: int) -> None:
    processes.twin(port)
    async with meters() as modbus_port, Link(_as(processes, "field")) as field:
        pid = processes.start("edge", "edge", "run", str(edge_toml(processes, modbus_port)))
        async with asyncio.timeout(30):
            await field.up()
            twin = await answering(port)
        sent = await publish(field, TRAFFIC_S)
        rss = memory.rss_bytes(pid)
        libraries = memory.libraries(pid)
        status = read_status(processes.folder / "spool" / "status.json")
        stored = (await asyncio.to_thread(twin.get, "/site"))["counts"]["readings"]
    assert status is not None
    assert status.uplink.connected, processes.said("edge")
    assert stored > sent > 2_000, processes.said("edge")  # traffic there was, from both sources, all the way
    assert rss < 120 * memory.mib, f"{rss / memory.mib:.0f} MiB"
    assert any("pyarrow" in path for path in libraries)
    assert not [path for path in libraries for name in HEAVY if name in path]


async def test_an_agent_saturated_by_a_flood_stays_below_120_mib(processes: Any, memory: Any, port: int) -> None:
    processes.twin(port)
    async with meters() as modbus_port:
        file = edge_toml(processes, modbus_port)
        flood = f'[[source]]\nkind = "flood"\nname = "flood"\nreadings = {FLOOD_READINGS}\n'
        file.write_text(file.read_text() + "[flush.bulk]\nrows = 100\n" + flood)
        pid = processes.start("edge", "edge", "run", str(file))
        async with asyncio.timeout(60):
            twin = await answering(port)
            while (await asyncio.to_thread(twin.get, "/site"))["counts"]["readings"] < FLOOD_READINGS:
                await asyncio.sleep(0.5)
        peak = memory.rss_bytes(pid, "VmHWM")
    assert peak < 120 * memory.mib, f"{peak / memory.mib:.0f} MiB"


def test_nothing_that_edge_run_can_import_loads_a_heavy_library() -> None:
    """All sources too, whichever of them a configuration names."""
    modules = sorted({target.partition(":")[0] for target in BUILT_IN.values()})
    code = (
        f"import aid4.cli, edge.cli, edge.agent, edge.doctor, wire.mqtt, {', '.join(modules)}, sys; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"pyarrow", "pymodbus"} <= loaded
    assert not loaded & (HEAVY | {"twin", "bim", "sim_devices", "pandas", "starlette"})


class Gateway:
    """An agent reduced to its half of the delivery: sends records, as many as are acknowledged."""

    def __init__(self, link: Link) -> None:
        self.link, self.seq, self.acked = link, 1, Ranges()
        link.on_messages = self._heard

    def _heard(self, messages: list[Message]) -> None:
        for message in messages:
            if parse(message.topic).kind == "ack":
                ack = decode(Ack, message.payload)
                for lo, hi in ack.ranges:
                    self.acked.add(lo, hi)

    async def introduce(self) -> None:
        """Hello and catalogue, until the twin has them: it may not hear the broker yet."""
        await self.link.subscribe([(down("lab", "gw", "+"), 0)])
        await self.link.up()
        hello = encode(Hello(5, [EpochSpan(EPOCH.hex(), 1, 1, [1])], 1))
        points = [Point(id=at, device=f"d{at // 100}", metric=f"m{at % 100}", unit="kW") for at in range(POINTS)]
        stamp = Stamp(EPOCH, 1, 5, 0, 0, CLASS_CONTROL)
        record = pack(to_batch(points), schema_id=CATALOGUE, stamp=stamp, seq=1)
        while 1 not in self.acked:
            self.link.publish(up("lab", "gw", "status"), encode(Status(True, 5, time.time_ns() // 1_000)), retain=True)
            self.link.publish(up("lab", "gw", "hello"), hello)
            self.link.publish(up("lab", "gw", "data"), record)
            await asyncio.sleep(0.5)

    async def send(self, readings: int) -> None:
        """So many readings of all points, one each second."""
        rng, now_us = np.random.default_rng(7), time.time_ns() // 1_000
        for turn in range(readings // POINTS):
            columns = [
                pa.array(np.arange(POINTS, dtype=np.uint32)),
                pa.array(np.full(POINTS, now_us - (readings // POINTS - turn) * 1_000_000)).view(TS),
                pa.array(np.round(rng.normal(20, 5, POINTS), 2)),
                pa.array(np.zeros(POINTS, np.uint8)),
            ]
            batch = pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))
            records = pack_split(
                batch, ROWS, schema_id=READINGS, stamp=Stamp(EPOCH, 1, 5, 0, 0), first_seq=self.seq + 1
            )
            self.seq += len(records)
            self.link.publish_many(up("lab", "gw", "data"), records)
            while sum(hi - lo + 1 for lo, hi in self.acked.missing(1, self.seq)) > IN_FLIGHT:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)
        while self.acked.missing(1, self.seq):
            await asyncio.sleep(0.05)


async def test_a_twin_with_10_000_points_stays_below_600_mib(processes: Any, memory: Any, port: int) -> None:
    pid = processes.twin(port)
    async with Link(_as(processes, "gw")) as link:
        gateway = Gateway(link)
        async with asyncio.timeout(60):
            twin = await answering(port)
            await gateway.introduce()
            await gateway.send(READINGS_SENT)
        await asyncio.to_thread(look_around, twin)
        rss = memory.rss_bytes(pid)
    assert rss < 600 * memory.mib, f"{rss / memory.mib:.0f} MiB"


def look_around(twin: RemoteTwin) -> None:
    """What pages and scripts ask of a twin, and that it is all there."""
    counts = twin.get("/site")["counts"]
    assert (counts["points"], counts["readings"]) == (POINTS, READINGS_SENT)
    assert len(twin.get("/points", limit=POINTS)["items"]) == POINTS
    assert len(twin.get("/state", limit=POINTS)["items"]) == POINTS
    past = datetime.now(UTC) - timedelta(seconds=60)
    assert len(twin.get("/state", limit=POINTS, at=past.isoformat().replace("+00:00", "Z"))["items"]) == POINTS
    assert twin.get("/history", point=77, width=100)["series"][0]["source_rows"] == READINGS_SENT // POINTS
    assert twin.post("/query", {"sql": "SELECT count(*) FROM readings"})["rows"] == [[READINGS_SENT]]


async def answering(port: int) -> RemoteTwin:
    """The twin, once it answers."""
    twin = RemoteTwin(f"http://127.0.0.1:{port}")
    while True:
        try:
            await asyncio.to_thread(twin.get, "/site")
        except Aid4Error:
            await asyncio.sleep(0.2)
        else:
            return twin


def _as(processes: Any, name: str) -> LinkConfig:
    user = processes.user(name)
    return LinkConfig("127.0.0.1", processes.broker.port, user.name, user.password)
