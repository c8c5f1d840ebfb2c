"""How far a recording was replayed: which rows were accepted before, what is on its way, when all of it is there."""

import asyncio
from functools import partial
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.sources import Batch, Position, SourceError, SourceHealth, Stream
from wire.schemas import READINGS, STATES

__all__ = ["Progress", "identity_of"]

HEAD_BYTES = 1 << 20  # with the size enough to tell recordings apart, and read in a millisecond


def identity_of(path: Path, options: dict[str, object]) -> str:
    """A name for the rows that a file gives, in their order: its size, its beginning, how it is read."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    digest = blake2b(msgspec.json.encode([path.stat().st_size, sorted(options.items())]), digest_size=16)
    digest.update(head)
    return digest.hexdigest()


class Progress:
    """Counts a recording's rows, readings and states each in their own order, through to their acceptance."""

    def __init__(self, health: SourceHealth) -> None:
        self._health = health
        self._streams = {READINGS: Stream(0, 0), STATES: Stream(0, 0)}
        self._passed = {READINGS: 0, STATES: 0}
        self._waiting = self._refused = 0
        self._settled = asyncio.Event()

    async def resume(self, position: Position | None, identity: str) -> None:
        """Learn what was accepted of the recording before."""
        if position is not None:
            self._streams = await position.resume(identity, [READINGS, STATES])

    def left(self, is_text: NDArray[np.bool_]) -> NDArray[np.int64] | None:
        """Indices of the next rows (n,) that are still to be replayed; None when they all are."""
        keep = np.ones(len(is_text), dtype=np.bool_)
        for schema, of_schema in ((READINGS, ~is_text), (STATES, is_text)):
            rows = np.flatnonzero(of_schema)
            before = max(0, self._streams[schema].rows - self._passed[schema])
            keep[rows[:before]] = False
            self._passed[schema] += len(rows)
        return None if keep.all() else np.flatnonzero(keep)

    def batch(self, schema: int, rows: pa.RecordBatch) -> Batch:
        """A batch that is counted; nothing may be offered after rows that were refused."""
        self._check()
        self._waiting += rows.num_rows
        return Batch(schema, rows, partial(self._accepted, rows.num_rows), stream=self._streams[schema].number)

    async def finish(self) -> str:
        """Wait until everything is accepted, and say so; SourceError when some was refused and will be read again."""
        while self._waiting:
            self._settled.clear()
            await self._settled.wait()
        self._check()
        total = sum(self._passed.values())
        word = f"all {total} observations were accepted"
        return word if not self._refused else f"{total - self._refused} of {total} observations were accepted"

    def _accepted(self, rows: int, refused: int) -> None:
        self._waiting -= rows
        self._refused += refused
        self._health.sent += rows - refused
        self._settled.set()

    def _check(self) -> None:
        if self._refused and self._streams[READINGS].number:
            raise SourceError("spool", "the spool is full; the recording goes on there once it has room")
