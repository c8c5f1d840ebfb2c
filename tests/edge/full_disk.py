"""Run by a test inside a mount namespace with a tiny disk: fills it, frees it, compares every count."""

import asyncio
import sys
from pathlib import Path

from conftest import opened, put, put_catalogue, put_event, settled  # type: ignore[import-not-found]

from edge.config import SpoolConfig
from edge.epochs import recover
from edge.segments import Disk
from edge.spool_writer import Append
from wire.records import unpack
from wire.schemas import EVENTS, READINGS

BATCHES, ROWS = 1_000, 100


def fill(file: Path) -> None:
    """Take every byte that is left."""
    with file.open("wb", buffering=0) as out:
        try:
            while out.write(bytes(4_096)):
                pass
        except OSError:
            pass


async def main(disk: Path) -> None:
    """Bulk is refused first, the reserve serves events, then they are refused too; all of it is counted."""
    told = {False: 0, True: 0}  # readings by whether they were refused

    def done(append: Append) -> None:
        told[bool(append.refused)] += append.readings

    async with opened(disk / "spool", SpoolConfig(reserve_bytes=65_536, segment_bytes=65_536)) as (spool, _):
        put_catalogue(spool)
        for number in range(BATCHES):
            put(spool, ROWS, first=number * ROWS, done=done)
            if number % 100 == 99:
                put_event(spool, str(number))
            if number % 20 == 0:
                await settled(spool)
        await settled(spool)
        assert told[True] > 0
        assert sum(told.values()) == BATCHES * ROWS
        assert (spool.readings_accepted, spool.readings_refused) == (told[False], told[True])
        fill(disk / "filler")
        put_event(spool, "x" * 9_000)
        put(spool, ROWS)
        await settled(spool)
        assert spool.readings_refused == told[True] + ROWS + 1
        (disk / "filler").unlink()
        put_event(spool, "room again")
        await settled(spool)
        head, epoch = spool.next_seq - 1, spool.epoch
    found = recover(disk / "spool" / epoch.hex(), Disk())
    records = [unpack(data) for _, data in found.epoch.read(1, head)]
    assert sum(header.count for header, _ in records if header.schema_id == READINGS) == told[False]
    texts = [row["message"] for header, rows in records if header.schema_id == EVENTS for row in rows.to_pylist()]
    assert texts == [*(str(number) for number in range(99, BATCHES, 100)), "room again"]
    print("accepted", told[False], "refused", told[True])


asyncio.run(main(Path(sys.argv[1])))
