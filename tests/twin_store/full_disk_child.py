"""Run by test_faults in a mount namespace: a twin on a small disk that fills up, an agent that goes on sending.

Arguments: the data directory, the broker's port, DuckDB's checkpoint_threshold. Prints what happened as JSON.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from twin.ingest import Ingest
from twin.store import Store
from wire.catalogue import Point, to_batch
from wire.messages import Ack, decode
from wire.mqtt import Link, LinkConfig, Message
from wire.ranges import Ranges
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, schema
from wire.topics import down, up

EPOCH, ROWS, SITE, NODE = b"\x05" * 16, 4_000, "lab", "gw"


def record(seq: int) -> bytes:
    """Readings that do not compress; their sum is checked by their count and their point."""
    rng = np.random.default_rng(seq)
    ts = pa.array(rng.integers(1_750_000_000_000_000, 1_760_000_000_000_000, ROWS))
    columns = [
        np.zeros(ROWS, np.uint32),
        ts.view(pa.timestamp("us", "UTC")),
        rng.random(ROWS),
        np.zeros(ROWS, np.uint8),
    ]
    batch = pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=schema(READINGS))
    return pack(batch, schema_id=READINGS, stamp=Stamp(EPOCH, 1, 1, 0, 0), seq=seq)


async def main(folder: Path, port: int, threshold: str) -> dict[str, object]:
    config = LinkConfig("127.0.0.1", port, user="u", password="secret")
    filler = folder / "filler"
    filler.write_bytes(bytes(16 << 20))
    committed = Ranges()

    def on_messages(messages: list[Message]) -> None:
        for message in messages:
            for lo, hi in decode(Ack, message.payload).ranges:
                committed.add(lo, hi)

    found: dict[str, object] = {}
    with Store.open(folder / "data", site=SITE, checkpoint_threshold=threshold) as store:
        ingest = Ingest(store, lambda: Link(config), SITE)
        task = asyncio.create_task(ingest.run())
        async with Link(config) as link:
            link.on_messages = on_messages
            await link.subscribe([(down(SITE, NODE, "ack"), 0)])
            while not (link.connected and ingest.link.connected):
                await asyncio.sleep(0.01)
            stamp = Stamp(EPOCH, 1, 1, 0, 0, CLASS_CONTROL)
            points = to_batch([Point(id=0, device="d", metric="m")])
            records = {1: pack(points, schema_id=CATALOGUE, stamp=stamp, seq=1)}
            while ingest.degraded is None:
                seq = len(records) + 1
                records[seq] = record(seq)
                link.publish(up(SITE, NODE, "data"), records[1])
                link.publish(up(SITE, NODE, "data"), records[seq])
                await asyncio.sleep(0.02)
            found["degraded"] = ingest.degraded
            await asyncio.sleep(1.0)
            stopped = committed.count
            await asyncio.sleep(1.0)
            found["still_degraded"] = ingest.degraded is not None and committed.count == stopped
            filler.unlink()
            while committed.to_list() != [(1, len(records))]:
                for lo, hi in committed.missing(1, len(records)):
                    for seq in range(lo, hi + 1):
                        link.publish(up(SITE, NODE, "data"), records[seq])
                await asyncio.sleep(0.5)
        found["recovered"] = ingest.degraded is None
        found["reopened"] = store.writer.reopened
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with store.cursor() as cursor:
            row = cursor.execute("SELECT count(*), count(DISTINCT value) FROM readings").fetchone()
    return found | {"sent": (len(records) - 1) * ROWS, "stored": row[0], "distinct": row[1]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))))
