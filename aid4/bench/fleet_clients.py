"""A process full of agents' links: each is the agent's own uplink and connection, above a spool in memory.

`python -m aid4.bench.fleet_clients ORDER`, a JSON file (`Order`). Each client connects, says hello, declares one point,
has one reading, and one more after each loss of its broker. What they do stands in the file that the order names
(`FleetStatus`, JSON), written anew all the time. The one thing that differs from an agent: a client looks at its clock
every `TICK_S`, not ten times a second, since five thousand share one core.
"""

import asyncio
import gc
import os
import resource
import sys
import time
from array import array
from pathlib import Path

import msgspec
import pyarrow as pa

from edge.uplink import Uplink
from edge.uplink_core import UplinkCore
from wire.catalogue import Point, to_batch
from wire.clock import SystemClock, boot_id
from wire.mqtt import LinkConfig, TlsConfig
from wire.ranges import Range
from wire.records import CLASS_BULK, CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, schema

__all__ = ["SITE", "FleetStatus", "Order", "raise_file_limit"]

LOOPBACK, SITE = "127.0.0.1", "fleet"
TICK_S = 2.0
STATUS_S = 0.25
FIRST_PER_S = 250  # how many connect for the first time in a second; afterwards nobody holds them back
READ_BYTES = 4_096  # of a socket at once: an agent's 256 KiB each would be 2.6 GB here


class Order(msgspec.Struct, frozen=True):
    """Who connects where: nodes with their passwords, or with certificates `<trust>/<node>.pem` of `<trust>/ca.pem`."""

    port: int
    passwords: dict[str, str]
    file: str
    trust: str = ""


class FleetStatus(msgspec.Struct):
    """`ready` clients are connected and subscribed now, the twin has `answered` so many of them and committed
    everything of `drained`; the times are when the last of them became so, on the monotonic clock of this machine."""

    ready: int = 0
    answered: int = 0
    drained: int = 0
    drops: int = 0
    failures: int = 0
    readings: int = 0
    ready_s: float = 0.0
    answered_s: float = 0.0
    drained_s: float = 0.0
    cpu_s: float = 0.0
    rss_mib: float = 0.0
    errors: dict[str, int] = {}


def raise_file_limit() -> int:
    """As many open files as the system lets this process have; their number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class _Client:
    """One agent's uplink, and in memory what an agent has on disk."""

    generation = 1

    def __init__(self, node: str, link: LinkConfig, clock: SystemClock) -> None:
        self._epoch, self._boot, self._clock = os.urandom(16), boot_id(), clock
        self._records: list[bytes] = []
        self.core = UplinkCore(int.from_bytes(os.urandom(7)), "fleet")
        self.uplink = Uplink(link, SITE, node, self.core, clock, lambda *_: None, tick_s=TICK_S)
        self.uplink.spool = self
        self._append(to_batch([Point(id=0, device="fleet", metric="value")]), CATALOGUE, CLASS_CONTROL)
        self.core.declared(self._epoch, 1)
        self.measure()
        self.seen_connects = 0

    @property
    def readings(self) -> int:
        """How many it has had."""
        return len(self._records) - 1

    def measure(self) -> None:
        """One reading more."""
        at = pa.array([self._clock.wall_us()]).view(pa.timestamp("us", tz="UTC"))
        columns = [pa.array([0], pa.uint32()), at, pa.array([float(self.readings)]), pa.array([0], pa.uint8())]
        self._append(pa.RecordBatch.from_arrays(columns, schema=schema(READINGS)), READINGS, CLASS_BULK)

    def cached(self, _epoch: bytes, lo: int, hi: int) -> list[bytes]:
        """Records, as a spool's."""
        return self._records[lo - 1 : hi]

    def read(self, _epoch: bytes, lo: int, hi: int) -> list[tuple[int, bytes]]:
        """Records with their numbers, as a spool's."""
        return list(enumerate(self._records[lo - 1 : hi], lo))

    def lose(self, _epoch: bytes, _gaps: list[Range], why: str) -> None:
        """Memory loses nothing."""
        raise AssertionError(why)

    def _append(self, batch: pa.RecordBatch, schema_id: int, cls: int) -> None:
        now_us, mono_us = self._clock.wall_us(), round(self._clock.monotonic_s() * 1e6)
        stamp, seq = Stamp(self._epoch, self.generation, self._boot, now_us, mono_us, cls, 0), len(self._records) + 1
        self._records.append(pack(batch, schema_id=schema_id, stamp=stamp, seq=seq))
        self.core.appended(self._epoch, seq, array("I", [len(self._records[-1])]))


class _Fleet:
    """The clients of this process, and what they did so far."""

    def __init__(self, order: Order) -> None:
        self._status, trust = FleetStatus(), Path(order.trust)
        self._clients, clock = [], SystemClock()
        for node, password in order.passwords.items():
            tls = TlsConfig(trust / "ca.pem", trust / f"{node}.pem") if order.trust else None
            user = "" if order.trust else node
            link = LinkConfig(LOOPBACK, order.port, user, password, node, tls, read_bytes=READ_BYTES)
            self._clients.append(_Client(node, link, clock))

    async def live(self, file: Path) -> None:
        """All of them, until the bench is gone."""
        fresh = file.with_suffix(".new")
        async with asyncio.TaskGroup() as tasks:
            for number, client in enumerate(self._clients):
                tasks.create_task(_join(client, number / FIRST_PER_S))
            while os.getppid() != 1:
                fresh.write_bytes(msgspec.json.encode(self._look()))
                fresh.replace(file)
                await asyncio.sleep(STATUS_S)
            raise SystemExit(1)

    def _look(self) -> FleetStatus:
        now, before = FleetStatus(), self._status
        for client in self._clients:
            stats, core = client.uplink.link_stats, client.core
            connected = core.is_connected
            now.failures += stats.failures
            now.drops += stats.connects - connected
            now.ready += connected
            now.answered += core.answered
            now.drained += core.answered and not core.pending_bytes
            if not connected and stats.connects > client.seen_connects:
                client.seen_connects = stats.connects
                client.measure()
            if stats.last_error and not connected:
                now.errors[stats.last_error] = now.errors.get(stats.last_error, 0) + 1
            now.readings += client.readings
        at_s = time.monotonic()
        for name in ("ready", "answered", "drained"):
            more = getattr(now, name) > getattr(before, name)
            setattr(now, f"{name}_s", at_s if more else getattr(before, f"{name}_s"))
        used = resource.getrusage(resource.RUSAGE_SELF)
        now.cpu_s, now.rss_mib = used.ru_utime + used.ru_stime, used.ru_maxrss / 1_024
        self._status = now
        return now


async def _join(client: _Client, first_s: float) -> None:
    await asyncio.sleep(first_s)
    await client.uplink.run()


if __name__ == "__main__":
    raise_file_limit()
    ordered = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Order)
    fleet = _Fleet(ordered)
    gc.freeze()  # a full collection over five thousand clients would stop all of them
    asyncio.run(fleet.live(Path(ordered.file)))
