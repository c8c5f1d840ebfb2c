"""What every source promises, checked against a real peer of each protocol on loopback.

A peer can be started, changed, stopped and started again; a source must not notice more of it than it says.
"""

import asyncio
import io
import shutil
import signal
import socket
import subprocess
import sysconfig
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from asyncua import Server, ua
from pymavlink.dialects.v20 import all as mavlink
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.sources import Source, SourceContext, SourceError, kinds, load_kind
from wire.clock import SystemClock
from wire.mqtt import Link, LinkConfig
from wire.names import is_name
from wire.quality import STALE
from wire.schemas import EVENTS, schema

STOP_S_MAX = 2.0
WAIT_S_MAX = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Peer(Protocol):
    """A device or server that holds one number."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def change(self, value: int) -> None: ...
    def table(self) -> dict[str, Any]: ...


class ModbusPeer:
    def __init__(self, folder: Path) -> None:
        self.port, self.server = free_port(), None
        (folder / "map.toml").write_text('register = [{metric="value",address=0}]')

    async def start(self) -> None:
        data = [SimData(0, values=[1, 0], datatype=DataType.REGISTERS)]
        self.server = ModbusTcpServer([SimDevice(1, data)], address=("127.0.0.1", self.port))
        await self.server.serve_forever(background=True)

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.shutdown()
            self.server = None

    async def change(self, value: int) -> None:
        async with AsyncModbusTcpClient("127.0.0.1", port=self.port) as client:
            await client.write_register(0, value)

    def table(self) -> dict[str, Any]:
        url = f"tcp://127.0.0.1:{self.port}"
        return {"kind": "modbus", "url": url, "map": "map.toml", "period_s": 0.02, "timeout_s": 0.3}


class OpcUaPeer:
    def __init__(self, folder: Path) -> None:
        self.url, self.server = f"opc.tcp://127.0.0.1:{free_port()}", None

    async def start(self) -> None:
        self.server = Server()
        await self.server.init()
        self.server.set_endpoint(self.url)
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await self.server.register_namespace("urn:test")
        self.node = await self.server.nodes.objects.add_variable(
            ua.NodeId("value", 2), "2:value", 1, ua.VariantType.Int32
        )
        await self.server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()
            self.server = None

    async def change(self, value: int) -> None:
        await self.node.write_value(value, ua.VariantType.Int32)

    def table(self) -> dict[str, Any]:
        return {"kind": "opcua", "url": self.url, "nodes": [{"id": "ns=2;s=value"}], "period_s": 0.02, "timeout_s": 1.0}


class MqttPeer:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.process, self.value = folder, free_port(), None, 1

    async def start(self) -> None:
        shutil.rmtree(self.folder / "js", ignore_errors=True)
        path = self.folder / "nats.conf"
        path.write_text(
            f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{self.folder}/js" }}\n'
            f"mqtt {{ host: 127.0.0.1, port: {self.port} }}\n"
        )
        server = str(Path(sysconfig.get_path("scripts")) / "nats-server")
        self.process = subprocess.Popen([server, "-c", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await self.change(self.value)

    async def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    async def change(self, value: int) -> None:
        self.value = value
        async with Link(LinkConfig("127.0.0.1", self.port, client_id="device")) as device:
            async with asyncio.timeout(WAIT_S_MAX):
                await device.up()
                device.publish("plant/value", b"%d" % value, qos=1, retain=True)
                while not device.stats.acknowledged:
                    await asyncio.sleep(0.005)

    def table(self) -> dict[str, Any]:
        rule = {"pattern": "plant/value", "payload": "text", "device": "source"}
        return {"kind": "mqtt", "url": f"mqtt://127.0.0.1:{self.port}", "topic": [rule], "keepalive_s": 1.0}


class DjiPeer(MqttPeer):
    """An aircraft that says how high it is above its take-off, ten times a second."""

    task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await super().start()
        self.task = asyncio.create_task(self._fly())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
        await super().stop()

    async def change(self, value: int) -> None:
        if self.task is None:
            await super().change(value)  # the broker is up once it has taken a message
        self.value = value

    async def _fly(self) -> None:
        async with Link(LinkConfig("127.0.0.1", self.port, client_id="dock")) as dock:
            await dock.up()
            while True:
                dock.publish("thing/product/SN1/osd", b'{"data": {"gear": 1, "elevation": %d}}' % self.value)
                await asyncio.sleep(0.1)

    def table(self) -> dict[str, Any]:
        return {"kind": "dji-dock", "url": f"mqtt://127.0.0.1:{self.port}", "keepalive_s": 1.0, "commands": []}


class MavlinkPeer:
    """A vehicle that says which mission item it is at; UDP, so a stop is mere silence."""

    def __init__(self, folder: Path) -> None:
        self.port, self.value, self.task = free_port(), 1, None
        self.mav = mavlink.MAVLink(io.BytesIO(), srcSystem=1, srcComponent=1)

    async def start(self) -> None:
        self.task = asyncio.create_task(self._fly())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
            self.task = None

    async def change(self, value: int) -> None:
        self.value = value

    async def _fly(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        try:
            while True:
                for message in (self.mav.heartbeat_encode(2, 3, 81, 5, 4), self.mav.mission_current_encode(self.value)):
                    transport.sendto(message.pack(self.mav), ("127.0.0.1", self.port))
                    self.mav.seq = (self.mav.seq + 1) % 256
                await asyncio.sleep(0.05)
        finally:
            transport.close()

    def table(self) -> dict[str, Any]:
        url = f"udpin://127.0.0.1:{self.port}"
        return {"kind": "mavlink", "url": url, "metrics": ["mission_item"], "link_loss_s": 0.5}


class ReplayPeer:
    """A recording: it neither comes nor goes."""

    def __init__(self, folder: Path) -> None:
        rows = "".join(f"2024-01-01T00:{at // 60:02}:{at % 60:02}Z,{at}\n" for at in range(3000))
        (folder / "value.csv").write_text("time,value\n" + rows)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def change(self, value: int) -> None: ...
    def table(self) -> dict[str, Any]:
        return {"kind": "replay", "file": "value.csv", "speed": 10.0, "device": "source"}


PEERS = {"modbus": ModbusPeer, "opcua": OpcUaPeer, "mqtt": MqttPeer, "dji-dock": DjiPeer, "mavlink": MavlinkPeer,
         "replay": ReplayPeer}  # fmt: skip
LIVE = [kind for kind in PEERS if kind != "replay"]


class Taken:
    """What a source gave, with the promises about each batch checked on the way."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows: list[tuple[str, int, Any, int]] = []
        self._known = 0

    async def until(self, enough: Any) -> None:
        stream = self.source.batches()
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                while not enough(self.rows):
                    self.take(await anext(stream))
        except TimeoutError:
            pytest.fail(f"not enough in {WAIT_S_MAX} s: {self.rows[-3:]}, {self.source.health}")
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    def take(self, batch: Any) -> None:
        points = self.source.points()
        assert len(points) >= self._known, "the list of points only grows"
        self._known = len(points)
        assert [point.id for point in points] == list(range(len(points)))
        assert len({point.key for point in points}) == len(points)
        assert all(is_name(point.device) and is_name(point.metric) for point in points)
        assert batch.rows.schema == schema(batch.schema_id)
        batch.rows.validate(full=True)
        if batch.schema_id == EVENTS:  # they are told beside the readings
            return
        ids, times = batch.rows["point"].to_pylist(), batch.rows["ts"].cast("int64").to_pylist()
        values, flags = batch.rows["value"].to_pylist(), batch.rows["quality"].to_pylist()
        self.rows += zip([points[at].key for at in ids], times, values, flags, strict=True)
        assert batch.accepted is not None
        batch.accepted(0)


@asynccontextmanager
async def peer_of(kind: str, folder: Path) -> AsyncIterator[Peer]:
    peer: Peer = PEERS[kind](folder)
    try:
        yield peer
    finally:
        await peer.stop()


def make(peer: Peer, folder: Path) -> Source:
    table = {"name": "source", **peer.table()}
    row = load_kind(table["kind"])
    return row.create(msgspec.convert(table, row.config), SourceContext(SystemClock(), folder))


async def wait_for(condition: Any) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        while not condition():
            await asyncio.sleep(0.01)


def good(rows: list[tuple[str, int, Any, int]]) -> list[Any]:
    return [value for _, _, value, quality in rows if not quality & STALE]


def test_every_kind_is_checked_here() -> None:
    assert set(PEERS) <= set(kinds())


@pytest.mark.parametrize("kind", PEERS)
async def test_a_source_starts_counts_and_stops_in_time(kind: str, tmp_path: Path) -> None:
    async with peer_of(kind, tmp_path) as peer:
        await peer.start()
        source = make(peer, tmp_path)
        assert source.health.state == "starting"
        async with source:
            taken = Taken(source)
            await taken.until(lambda rows: len(rows) >= 1)
            assert source.health.state == "running"
            assert source.health.last_us > 0
            assert source.health.sent == len(taken.rows)
            assert source.health.received >= source.health.sent + source.health.discarded
            with pytest.raises(SourceError):
                await source.write(source.points()[0], 1.0)
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < STOP_S_MAX


@pytest.mark.parametrize("kind", PEERS)
async def test_a_source_stops_in_time_while_it_waits_for_its_next_batch(kind: str, tmp_path: Path) -> None:
    async with peer_of(kind, tmp_path) as peer:
        await peer.start()
        source = make(peer, tmp_path)

        async def read() -> None:
            async with source:
                async for batch in source.batches():
                    if batch.accepted is not None:
                        batch.accepted(0)

        task = asyncio.create_task(read())
        await wait_for(lambda: source.health.sent)
        task.cancel()
        async with asyncio.timeout(STOP_S_MAX):
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("kind", LIVE)
async def test_a_source_waits_for_a_peer_that_comes_late_and_says_why(kind: str, tmp_path: Path) -> None:
    async with peer_of(kind, tmp_path) as peer, make(peer, tmp_path) as source:
        taken = Taken(source)
        reading = asyncio.create_task(taken.until(lambda rows: rows))
        await wait_for(lambda: source.health.why)
        assert source.health.state == "waiting"
        assert taken.rows == []
        await peer.start()
        await reading
        assert good(taken.rows)[0] == 1


@pytest.mark.parametrize("kind", LIVE)
async def test_an_outage_is_told_once_and_brings_nothing_twice(kind: str, tmp_path: Path) -> None:
    async with peer_of(kind, tmp_path) as peer:
        await peer.start()
        async with make(peer, tmp_path) as source:
            taken = Taken(source)
            await taken.until(lambda rows: good(rows)[-1:] == [1])
            for value in (2, 3):
                await peer.change(value)
                await taken.until(lambda rows, value=value: good(rows)[-1:] == [value])
            for outage in (1, 2):
                await peer.stop()
                await taken.until(lambda rows: rows[-1][3] & STALE)
                assert taken.rows[-1][2] == good(taken.rows)[-1], "the last known value is repeated"
                assert source.health.state == "waiting"
                assert source.health.why
                assert source.health.errors
                await peer.start()
                await taken.until(lambda rows: not rows[-1][3] & STALE)
                await peer.change(10 * outage)
                await taken.until(lambda rows, outage=outage: good(rows)[-1] == 10 * outage)
                assert sum(1 for *_, quality in taken.rows if quality & STALE) == outage
        assert len({(key, us) for key, us, *_ in taken.rows}) == len(taken.rows), "no row stands twice"
        assert source.health.sent == len(taken.rows)


@pytest.mark.parametrize("kind", LIVE)
async def test_a_spool_that_takes_nothing_does_not_fill_the_memory(kind: str, tmp_path: Path) -> None:
    async with peer_of(kind, tmp_path) as peer:
        await peer.start()
        async with make(peer, tmp_path) as source:
            stream = source.batches()
            async with asyncio.timeout(WAIT_S_MAX):
                await anext(stream)  # never accepted, and never asked for more
            tracemalloc.start()
            for value in range(2, 12):
                await peer.change(value)
            await asyncio.sleep(0.5)
            grown, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert grown < 4 << 20
            await stream.aclose()  # type: ignore[attr-defined]


async def test_a_finite_source_ends_and_has_sent_all(tmp_path: Path) -> None:
    peer = ReplayPeer(tmp_path)
    table = {"name": "source", **peer.table(), "speed": "max"}
    row = load_kind("replay")
    source = row.create(msgspec.convert(table, row.config), SourceContext(SystemClock(), tmp_path))
    async with source:
        taken = Taken(source)
        async for batch in source.batches():
            taken.take(batch)
    assert good(taken.rows) == list(range(3000))
    assert (source.health.state, source.health.received, source.health.sent) == ("ended", 3000, 3000)
