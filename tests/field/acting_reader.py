"""A source read as in `source_reader`, by a reader whose disk can be full or slow, with poses and kinds of events."""

import asyncio
from typing import Any

from source_reader import Reading, Row

from wire.schemas import EVENTS, POSES


class Reader(Reading):
    """`refuse` is a full disk; while `hold` nothing is accepted and nothing more read."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.poses: list[dict[str, Any]] = []
        self.refuse = self.hold = False

    async def _read(self) -> None:
        async for batch in self.source.batches():
            while self.hold:
                await asyncio.sleep(0.02)
            batch.rows.validate(full=True)
            rows = batch.rows.to_pylist()
            if batch.schema_id == EVENTS:
                self.events += rows
            else:
                keys = [self.source.points()[row["point"]].key for row in rows]
                if batch.schema_id == POSES:
                    self.poses += [{**row, "key": key} for row, key in zip(rows, keys, strict=True)]
                else:
                    times = batch.rows["ts"].cast("int64").to_pylist()
                    for row, key, ts_us in zip(rows, keys, times, strict=True):
                        self.rows.append(Row(key, ts_us, row["value"], row["quality"]))
                        self._newest[key] = self.rows[-1]
            if batch.accepted:
                batch.accepted(batch.rows.num_rows if self.refuse else 0)
            self._news.set()

    def values(self, key: str) -> list[Any]:
        """Values of a point in the order they came."""
        return [row.value for row in self.rows if row.key == key]

    def quality(self, key: str) -> int | None:
        """The flags of the newest value of a point."""
        row = self.last(key)
        return row and row.quality

    def kinds(self) -> list[str]:
        """The kinds of the events in their order."""
        return [one["kind"] for one in self.events]
