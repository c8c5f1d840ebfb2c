"""The spool on real files: accepted means there after anything; damage and losses are named, never silent."""

from pathlib import Path
from typing import Any

from wire.records import unpack


async def test_what_was_appended_is_read_back_byte_for_byte(lab: Any, spool_folder: Path) -> None:
    async with lab.opened(spool_folder) as (spool, _):
        lab.put_catalogue(spool)
        lab.put(spool, 100)
        await lab.settled(spool)
        found = spool.read(spool.epoch, 1, 11)
        assert [seq for seq, _ in found] == list(range(1, 12))
        assert [data for _, data in found] == spool.cached(spool.epoch, 1, 11)
        assert unpack(found[1][1])[1].equals(lab.readings(10))
