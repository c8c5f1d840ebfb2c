"""What the tests of the agent share: a spool on real files, a listener that remembers, batches of readings."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from edge.config import SpoolConfig
from edge.segments import Disk
from edge.spool import Spool
from edge.spool_writer import Append
from edge.uplink_core import UplinkCore
from wire.catalogue import Point, to_batch
from wire.clock import Clock, SystemClock
from wire.records import CLASS_BULK, CLASS_CONTROL, CLASS_EVENT, pack, pack_split
from wire.schemas import CATALOGUE, EVENTS, READINGS, schema


def readings(count: int, first: int = 0, points: int = 4) -> pa.RecordBatch:
    """`count` readings with values first, first + 1, …"""
    at = np.arange(first, first + count)
    columns = [
        pa.array((at % points).astype(np.uint32)),
        pa.array(1_700_000_000_000_000 + at * 1_000, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        pa.array(at.astype(np.float64)),
        pa.array(np.zeros(count, np.uint8)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))


def points(count: int = 4) -> list[Point]:
    """Points `dev/m0`, `dev/m1`, …"""
    return [Point(id=at, device="dev", metric=f"m{at}") for at in range(count)]


def put(
    spool: Spool, count: int, *, rows: int = 10, first: int = 0, done: Callable[[Append], None] | None = None
) -> None:
    """Append one batch of readings, in records of `rows`."""
    records = pack_split(
        readings(count, first), rows, schema_id=READINGS, stamp=spool.stamp(CLASS_BULK), first_seq=spool.next_seq
    )
    spool.append(records, readings=count, cls=CLASS_BULK, done=done)


def put_event(spool: Spool, text: str, done: Callable[[Append], None] | None = None) -> None:
    """Append one event."""
    row = {
        "ts": 1_700_000_000_000_000, "device": "dev", "kind": "test", "severity": 1, "point": None, "message": text,
        "detail": "{}",
    }  # fmt: skip
    batch = pa.RecordBatch.from_pylist([row], schema=schema(EVENTS))
    record = pack(batch, schema_id=EVENTS, stamp=spool.stamp(CLASS_EVENT), seq=spool.next_seq)
    spool.append([record], readings=1, cls=CLASS_EVENT, done=done)


def put_catalogue(spool: Spool, count: int = 4) -> None:
    """Append a catalogue record."""
    spool.generation += 1
    record = pack(to_batch(points(count)), schema_id=CATALOGUE, stamp=spool.stamp(CLASS_CONTROL), seq=spool.next_seq)
    spool.append([record], readings=0, cls=CLASS_CONTROL, catalogue=True)


@asynccontextmanager
async def opened(
    folder: Path, config: SpoolConfig | None = None, clock: Clock | None = None, disk: Disk | None = None
) -> AsyncIterator[tuple[Spool, UplinkCore]]:
    """A spool with a core as its listener."""
    core = UplinkCore(boot=1)
    async with Spool(folder, config or SpoolConfig(reserve_bytes=0), clock or SystemClock(), core, disk) as spool:
        yield spool, core


async def settled(spool: Spool) -> None:
    """Wait until all that was appended is durable or refused."""
    while spool._queued_bytes:
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.01)


@pytest.fixture
def spool_folder(tmp_path: Path) -> Path:
    """An empty folder for a spool."""
    return tmp_path / "spool"


class Lab:
    """The functions above, for tests that import nothing from here."""

    readings = staticmethod(readings)
    points = staticmethod(points)
    put = staticmethod(put)
    put_event = staticmethod(put_event)
    put_catalogue = staticmethod(put_catalogue)
    opened = staticmethod(opened)
    settled = staticmethod(settled)


@pytest.fixture
def lab() -> type[Lab]:
    """How to make and fill a spool."""
    return Lab
