"""Users' SQL must not harm ingest: how long a record waits for its commit, without and with hostile queries.

A gateway, reduced to its half of the delivery, sends records of 100 readings at a steady pace through a real broker to
a real twin that holds millions of rows. Measured is the time from handing a record to the link to the acknowledgement
that names it: the way there, the wait for the commit, the transaction, the way back.
"""

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from aid4.bench.children import Children, python
from aid4.broker import Broker, free_port
from aid4.broker_users import BrokerUser, node_user, twin_user
from aid4.twin_client import TwinClient
from wire.catalogue import Point, to_batch
from wire.errors import Aid4Error
from wire.messages import Ack, EpochSpan, Hello, Status, decode, encode
from wire.mqtt import Link, LinkConfig, Message
from wire.ranges import Ranges
from wire.records import CLASS_CONTROL, Stamp, pack, pack_split
from wire.schemas import CATALOGUE, READINGS, schema
from wire.topics import down, parse, up

__all__ = ["hostile_sql"]

SITE, NODE = "bench", "gw-1"
POINTS = 1_000
ROWS, PERIOD_S = 100, 0.02  # 5,000 readings a second in 50 records
HELD_ROWS = 2_000_000  # in the twin before the measurement
HELD_RECORD, HELD_IN_FLIGHT = 10_000, 20
SETTLE_S = 2.0  # until the pace is steady
UNACKED_S_MAX = 60.0
ASK_AGAIN_S = 0.5
_TS = schema(READINGS).field("ts").type


def hostile_sql(*, seconds: float, quiet: bool) -> dict[str, Any]:
    """Measure a third of `seconds` without and the rest with hostile queries; returns what `--json` prints."""
    users = [twin_user(SITE), node_user(SITE, NODE)]
    with (
        tempfile.TemporaryDirectory(prefix="aid4-sql-") as name,
        Broker(Path(name) / "broker", users) as broker,
        Children(Path(name)) as children,
    ):
        port = free_port()
        _start_twin(Path(name), children, broker.port, users[0], port)
        node = LinkConfig("127.0.0.1", broker.port, NODE, users[1].password)
        calm, stormy, counts = asyncio.run(_measure(node, children, port, seconds, quiet=quiet))
    return {
        "p50_ms_quiet": round(statistics.median(calm), 1),
        "p50_ms_hostile": round(statistics.median(stormy), 1),
        "p99_ms_quiet": round(_p99(calm), 1),
        "p99_ms_hostile": round(_p99(stormy), 1),
        "ratio": round(_p99(stormy) / _p99(calm), 2),
        **counts,
    }


async def _measure(
    config: LinkConfig, children: Children, port: int, seconds: float, *, quiet: bool
) -> tuple[list[float], list[float], dict[str, int]]:
    async with Link(config) as link:
        gateway = _Gateway(link)
        twin = TwinClient(port)
        async with asyncio.timeout(60):
            while not await twin.ready():
                if children.ended():
                    raise Aid4Error(f"the twin does not start:\n{children.output('twin')}")
                await asyncio.sleep(0.1)
            await gateway.introduce()
            _say(quiet, f"filling the twin with {HELD_ROWS:,} readings")
            await gateway.fill(HELD_ROWS)
        await gateway.pace(SETTLE_S)
        _say(quiet, "quiet")
        calm = await gateway.pace(seconds / 3)
        _say(quiet, "hostile queries")
        arguments = (twin.url.rstrip("/"), str(seconds * 2 / 3))
        children.start("users", python("-m", "aid4.bench.hostile_client", *arguments))
        stormy = await gateway.pace(seconds * 2 / 3)
        async with asyncio.timeout(UNACKED_S_MAX):
            await gateway.drained()
        await asyncio.to_thread(children.wait, "users", 30.0)
        counts: dict[str, int] = json.loads(children.output("users", 1))
        return calm, stormy, counts


class _Gateway:
    """Sends records and keeps how long each waited for its acknowledgement, in ms."""

    def __init__(self, link: Link) -> None:
        self._link, self._epoch, self._seq = link, bytes([0x5A]) * 16, 1
        self._sent_s: dict[int, float] = {}
        self._waited_ms: dict[int, float] = {}
        self._rng = np.random.default_rng(7)
        link.on_messages = self._heard

    def _heard(self, messages: list[Message]) -> None:
        now_s = time.monotonic()
        for message in messages:
            if parse(message.topic).kind != "ack":
                continue
            done = Ranges(decode(Ack, message.payload).ranges)
            for seq in [seq for seq in self._sent_s if seq in done]:
                self._waited_ms[seq] = (now_s - self._sent_s.pop(seq)) * 1e3

    async def introduce(self) -> None:
        """Status, hello and catalogue, until the twin has them: it may not hear the broker yet."""
        await self._link.subscribe([(down(SITE, NODE, "+"), 0)])
        await self._link.up()
        points = [Point(id=at, device=f"d{at // 100}", metric=f"m{at % 100}", unit="kW") for at in range(POINTS)]
        stamp = Stamp(self._epoch, 1, 5, 0, 0, CLASS_CONTROL)
        record = pack(to_batch(points), schema_id=CATALOGUE, stamp=stamp, seq=1)
        self._sent_s[1] = time.monotonic()
        while 1 in self._sent_s:
            self._link.publish(up(SITE, NODE, "status"), encode(Status(True, 5, time.time_ns() // 1_000)), retain=True)
            self._link.publish(up(SITE, NODE, "hello"), encode(Hello(5, [EpochSpan(self._epoch.hex(), 1, 1, [1])], 1)))
            self._link.publish(up(SITE, NODE, "data"), record)
            await asyncio.sleep(ASK_AGAIN_S)

    async def fill(self, rows: int) -> None:
        """Send so many readings as fast as they are acknowledged."""
        for _ in range(rows // HELD_RECORD):
            self._send(HELD_RECORD)
            while len(self._sent_s) >= HELD_IN_FLIGHT:  # noqa: ASYNC110 - acknowledgements end it
                await asyncio.sleep(0.005)
        await self.drained()

    async def pace(self, seconds: float) -> list[float]:
        """Send a record each PERIOD_S; the waits of these records, in ms, those not yet over at what they are now."""
        first, due_s = self._seq + 1, time.monotonic()
        end_s = due_s + seconds
        while due_s < end_s:
            self._send(ROWS)
            due_s += PERIOD_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        now_s = time.monotonic()
        open_ms = {seq: (now_s - sent_s) * 1e3 for seq, sent_s in self._sent_s.items()}
        return [self._waited_ms.get(seq, open_ms.get(seq, 0.0)) for seq in range(first, self._seq + 1)]

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        while self._sent_s:  # noqa: ASYNC110 - acknowledgements end it
            await asyncio.sleep(0.01)

    def _send(self, rows: int) -> None:
        ids = np.arange(rows, dtype=np.uint32) % POINTS
        now_us = np.full(rows, time.time_ns() // 1_000) - np.arange(rows)[::-1]
        columns = [
            ids,
            pa.array(now_us).view(_TS),
            np.round(self._rng.normal(20, 5, rows), 2),
            np.zeros(rows, np.uint8),
        ]
        batch = pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema(READINGS))
        self._seq += 1
        stamp = Stamp(self._epoch, 1, 5, int(now_us[-1]), 0)
        [record] = pack_split(batch, rows, schema_id=READINGS, stamp=stamp, first_seq=self._seq)
        self._sent_s[self._seq] = time.monotonic()
        self._link.publish(up(SITE, NODE, "data"), record)


def _start_twin(folder: Path, children: Children, broker_port: int, user: BrokerUser, port: int) -> None:
    site = folder / "site"
    site.mkdir()
    (site / "site.toml").write_text(f'name = "{SITE}"\ntitle = "Bench"\ntime_zone = "UTC"\n')
    command = python("-m", "aid4", "twin", "serve", "--data-dir", str(folder / "twin"), "--site", str(site))
    command += ["--port", str(port), "--broker", f"mqtt://{user.name}@127.0.0.1:{broker_port}"]
    children.start("twin", command, env={"AID4_BROKER_PASSWORD": user.password})


def _p99(waits_ms: list[float]) -> float:
    return float(np.percentile(waits_ms, 99))


def _say(quiet: bool, text: str) -> None:
    click.echo(text, err=quiet)
