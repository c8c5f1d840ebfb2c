"""How far resumable sources got: how many rows of each of their streams the spool has accepted, in order.

The spool itself is the truth. Every record of a stream carries the stream's number in its header, and of a stream
nothing is taken after a refusal, so what the spool holds is always the stream's beginning. `positions.json` only says
where to start counting: *rows* were accepted up to record *seq* of an epoch, and every later record of that number adds
its own. It is written before a stream's first record of an epoch, now and then, and before a segment is deleted; a
crash at any moment, of the process or of the machine, therefore costs no row and doubles none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from edge.segments import Disk, scan, write_whole
from edge.sources import Stream
from wire.errors import RecordError

if TYPE_CHECKING:
    from edge.spool import Spool
    from edge.spool_writer import Append

__all__ = ["Positions", "SourcePosition"]

FILE: Final = "positions.json"
SAVE_PERIOD_S: Final = 10.0  # what was written since is read again after a crash: seconds of the spool, not hours
SETTLE_PAUSE_S: Final = 0.005


class Mark(msgspec.Struct):
    """`rows` of stream `number` were accepted, those in records up to `seq` counted."""

    number: int
    seq: int
    rows: int


class Note(msgspec.Struct):
    """The streams of one source, by schema id, in one epoch. Another `identity` is another stream of rows."""

    identity: str
    epoch: str
    marks: dict[int, Mark]


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """What the agent lends a source by way of `SourceContext.position`."""

    spool: Spool
    source: str

    async def resume(self, identity: str, schemas: Sequence[int]) -> dict[int, Stream]:
        """See `edge.sources.Position`."""
        return await self.spool.positions.resume(self.spool, self.source, identity, schemas)


class Positions:
    """The positions of all sources of one spool. `load` may block; the rest belongs to the event loop."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder, self._disk = folder, disk
        self._notes: dict[str, Note] = {}
        self._marks: dict[int, Mark] = {}  # of the running epoch, by number
        self._numbers: dict[tuple[str, int], int] = {}
        self._open: dict[int, int] = {}  # rows offered and not settled, by number
        self.is_dirty = False  # more was accepted than the file says
        self._due_s = 0.0

    def load(self) -> None:
        """Read the notes of earlier starts and count what the spool has beyond them."""
        try:
            self._notes = msgspec.json.decode((self._folder / FILE).read_bytes(), type=dict[str, Note])
        except (OSError, msgspec.MsgspecError):
            return
        for note in self._notes.values():
            _count(self._folder / note.epoch, note.marks.values())

    async def resume(self, spool: Spool, source: str, identity: str, schemas: Sequence[int]) -> dict[int, Stream]:
        """The streams of a source that starts, once nothing of an earlier start of it is on its way any more."""
        numbers = {schema: self._number(source, schema) for schema in schemas}
        while any(self._open.get(number) for number in numbers.values()):  # noqa: ASYNC110 - the batcher's age ends it
            await asyncio.sleep(SETTLE_PAUSE_S)
        before = self._notes.get(source)
        rows = {} if before is None or before.identity != identity else {s: m.rows for s, m in before.marks.items()}
        seq = spool.next_seq - 1
        marks = {schema: Mark(number, seq, rows.get(schema, 0)) for schema, number in numbers.items()}
        self._notes[source] = Note(identity, spool.epoch.hex(), marks)
        self._marks |= {mark.number: mark for mark in marks.values()}
        await spool.open_streams(list(numbers.values()))
        return {schema: Stream(mark.number, mark.rows) for schema, mark in marks.items()}

    def offered(self, stream: int, rows: int) -> None:
        """Rows of a stream wait for the disk."""
        self._open[stream] = self._open.get(stream, 0) + rows

    def settled(self, append: Append) -> None:
        """Rows of a stream are durable or refused."""
        self._open[append.stream] -= append.readings
        if not append.refused:
            mark = self._marks[append.stream]
            mark.rows, mark.seq = mark.rows + append.readings, append.last_seq
            self.is_dirty = True

    def passed(self, stream: int, rows: int) -> None:
        """Rows of a stream that no record can hold will not be asked for again."""
        if stream:
            self._open[stream] -= rows
            self._marks[stream].rows += rows

    def is_due(self, now_s: float) -> bool:
        """Whether to save for the time alone; asked once a second."""
        if not self.is_dirty or now_s < self._due_s:
            return False
        self._due_s = now_s + SAVE_PERIOD_S
        return True

    def job(self) -> Callable[[], None]:
        """What writes the positions as they are now; any thread may call it."""
        data = msgspec.json.encode(self._notes)
        self.is_dirty = False

        def save() -> None:
            try:
                write_whole(self._disk, self._folder / FILE, data)
            except OSError:
                self.is_dirty = True
                raise

        return save

    def close(self) -> None:
        """Save what the file does not say yet."""
        if self.is_dirty:
            self.job()()

    def _number(self, source: str, schema: int) -> int:
        return self._numbers.setdefault((source, schema), len(self._numbers) + 1)


def _count(folder: Path, marks: Iterable[Mark]) -> None:
    """Add the rows of an epoch's records that the marks have not counted."""
    by_number = {mark.number: mark for mark in marks}
    counted = min((mark.seq for mark in by_number.values()), default=0)
    paths = sorted(path for path in folder.glob("*.seg") if path.stem.isdigit())
    above = counted
    for path, following in zip_longest(paths, paths[1:]):
        if following is not None and int(following.stem) <= counted + 1:
            continue
        try:
            frames = scan(path.read_bytes(), bytes.fromhex(folder.name)).frames
        except RecordError:  # of a newer agent: what it accepted cannot be known
            continue
        for frame in frames:
            mark = by_number.get(frame.stream)
            if frame.seq > above and mark is not None and frame.seq > mark.seq:
                mark.rows += frame.rows
            above = max(above, frame.seq)
    for mark in by_number.values():
        mark.seq = max(mark.seq, above)
