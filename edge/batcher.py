"""From the batches of sources to records: final ids, quality flags, and a flush by age, rows or bytes."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.catalogue import NodeCatalogue, pack_catalogue
from edge.config import FlushConfig
from edge.sources import Batch
from edge.spool import Spool
from edge.spool_writer import Append
from wire import quality
from wire.catalogue import Point
from wire.clock import Clock
from wire.errors import RecordError
from wire.limits import CLOCK_TRUSTED_FROM_US, RECORD_ROWS_MAX, TIME_AHEAD_S_MAX
from wire.records import CLASS_BULK, CLASS_CONTROL, CLASS_EVENT, CODECS, PACKED_ZSTD, pack_split
from wire.schemas import EVENTS, READINGS, schema

__all__ = ["Batcher"]

DECLARE_S_A_POINT: Final = 0.002  # a catalogue of 10,000 points is some 150 KB: not more often than every 5 s
DECLARE_S_MAX: Final = 5.0
PART_ROWS_MAX: Final = RECORD_ROWS_MAX  # a larger batch of a source is taken in parts, so that the disk keeps pace


@dataclass(slots=True)
class _Promise:
    """The answer that a source's batch waits for: its parts still open, readings refused so far."""

    parts: int
    answer: Callable[[int], None] | None
    recorded: Callable[[bytes, int, int], None] | None
    refused: int = 0

    def settle(self, refused: int) -> None:
        self.parts -= 1
        self.refused += refused
        if self.parts == 0 and self.answer is not None:
            self.answer(self.refused)


@dataclass(slots=True)
class _Lane:
    """Rows of one schema that wait to become records."""

    schema_id: int
    cls: int
    policy: FlushConfig
    young: bool  # some of points that no catalogue record names yet
    stream: int = 0  # rows of a resumable stream keep their order and share records with no others
    batches: list[pa.RecordBatch] = field(default_factory=list)
    promises: list[tuple[int, _Promise]] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    since_s: float = 0.0


class Batcher:
    """Feed it with `put`; `run` flushes by age; `declared` gets every catalogue record that became durable."""

    def __init__(
        self, spool: Spool, bulk: FlushConfig, event: FlushConfig, clock: Clock, declared: Callable[[bytes], None]
    ) -> None:
        self.catalogue = NodeCatalogue(getattr(clock, "speed", 1.0))
        self.oversize = 0  # rows that no record can hold
        self.tap: Callable[[str, pa.RecordBatch], None] | None = None  # hears each source's readings, with final ids
        self.listeners: list[Callable[[int, pa.RecordBatch], None]] = []  # hear the rows of each schema, with final ids
        self.away: Callable[[], bool] = bool  # nobody has taken records for long: fewer, larger ones then
        self._spool, self._clock, self._declared = spool, clock, declared
        self._bulk, self._event = bulk, event
        self._lanes: dict[tuple[int, bool, int], _Lane] = {}
        self._declared_points = 0
        self._declared_at_s = -DECLARE_S_MAX
        self._wake = asyncio.Event()
        self._again = False  # the catalogue record of the present generation was refused

    async def put(self, source: str, points: Sequence[Point], batch: Batch) -> None:
        """Take one batch of a source, whose ids index `points`; returns when the next one is welcome."""
        rows = batch.rows
        starts = range(0, rows.num_rows, PART_ROWS_MAX)
        promise = _Promise(max(1, len(starts)), batch.accepted, batch.recorded)
        if not starts:
            promise.settle(0)
        ids = self.catalogue.learn(source, points)
        if self.catalogue.redefined:
            self.redeclare()
        for start in starts:
            part = self._finish(rows.slice(start, PART_ROWS_MAX), batch.schema_id, ids)
            if self.tap is not None and batch.schema_id == READINGS:
                self.tap(source, part)
            for listener in self.listeners:
                listener(batch.schema_id, part)
            lane = self._lane(batch.schema_id, self._is_young(part, batch.schema_id), batch.stream)
            if not lane.rows:
                lane.since_s = self._clock.monotonic_s()
                self._wake.set()
            lane.batches.append(part)
            lane.promises.append((part.num_rows, promise))
            lane.rows += part.num_rows
            lane.bytes += part.nbytes
            if batch.stream:
                self._spool.positions.offered(batch.stream, part.num_rows)
            if lane.rows >= lane.policy.rows or lane.bytes >= lane.policy.bytes:
                self._flush(lane)
            await self._spool.room()

    async def run(self) -> None:
        """Flush by age, until cancelled."""
        while True:
            self._wake.clear()
            waiting = [lane for lane in self._lanes.values() if lane.rows]
            now = self._clock.monotonic_s()
            due_s = min((self._due_s(lane) - now for lane in waiting), default=None)
            if due_s is not None and due_s <= 0:
                self.flush(only_due=True)
                continue
            try:
                async with asyncio.timeout(due_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def flush(self, *, only_due: bool = False) -> None:
        """Make records of what waits, of all lanes or of those whose age is up."""
        now = self._clock.monotonic_s()
        for lane in sorted(self._lanes.values(), key=lambda lane: lane.young):
            if lane.rows and (not only_due or now >= self._due_s(lane)):
                self._flush(lane)

    def declare(self) -> None:
        """Write a catalogue record if points are new, or if the last one was refused."""
        known = self.catalogue
        if not known.points or not (known.changed or self._again):
            return
        self._spool.generation += 0 if self._again else 1
        known.changed = self._again = False
        self._declared_points, self._declared_at_s = len(known.points), self._clock.monotonic_s()
        stamp = self._spool.stamp(CLASS_CONTROL)
        record = pack_catalogue(known.points, stamp, self._spool.next_seq)
        self._spool.append([record], readings=0, cls=CLASS_CONTROL, done=self._catalogue_settled, catalogue=True)
        for lane in self._lanes.values():
            if lane.young and lane.rows:  # before any later row of its points, which are young no more
                self._flush(lane)

    def redeclare(self) -> None:
        """Take over what sources declare anew; what waits was measured under the old definitions and goes first."""
        self.flush()
        self.catalogue.redefine()
        self.declare()

    # -- inside

    def _catalogue_settled(self, append: Append) -> None:
        if append.refused:
            self._again = True
        else:
            self._declared(append.records[0])

    def _lane(self, schema_id: int, young: bool, stream: int) -> _Lane:
        key = (schema_id, young and not stream, stream)
        lane = self._lanes.get(key)
        if lane is None:
            cls, policy = (CLASS_EVENT, self._event) if schema_id == EVENTS else (CLASS_BULK, self._bulk)
            lane = self._lanes[key] = _Lane(schema_id, cls, policy, young, stream)
        lane.young |= young
        return lane

    def _is_young(self, part: pa.RecordBatch, schema_id: int) -> bool:
        """Whether rows must wait for a catalogue record. Events do not wait: theirs is written with them."""
        if not self.catalogue.changed or schema_id == EVENTS:
            return False
        return int(part["point"].to_numpy(zero_copy_only=False).max()) >= self._declared_points

    def _due_s(self, lane: _Lane) -> float:
        """When a lane must be flushed. A flood of new points is declared in few records: each names all of them."""
        away = lane.cls == CLASS_BULK and self.away()
        due_s = lane.since_s + max(lane.policy.age_s, lane.policy.age_away_s if away else 0.0)
        spacing_s = min(DECLARE_S_MAX, len(self.catalogue.points) * DECLARE_S_A_POINT)
        return max(due_s, self._declared_at_s + spacing_s) if lane.young else due_s

    def _finish(self, rows: pa.RecordBatch, schema_id: int, ids: NDArray[np.uint32]) -> pa.RecordBatch:
        """Give rows their final ids and quality flags."""
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        if schema_id == EVENTS:  # not every event has a point
            columns["point"] = pa.array(ids, pa.uint32()).take(columns["point"])
        else:
            columns["point"] = pa.array(ids[columns["point"].to_numpy()])
            columns["quality"] = self._flag(columns, schema_id)
        kind = schema(schema_id)
        return pa.RecordBatch.from_arrays([columns[name] for name in kind.names], schema=kind)

    def _flag(self, columns: dict[str, pa.Array], schema_id: int) -> pa.Array:
        flags = np.zeros(len(columns["ts"]), np.uint8)
        if schema_id == READINGS:
            values = columns["value"].to_numpy(zero_copy_only=False)
            if self.catalogue.has_limits:
                ids = columns["point"].to_numpy(zero_copy_only=False)
                flags |= quality.flag_values(values, *self.catalogue.limits(ids))
            else:
                flags[~np.isfinite(values)] = quality.NOT_A_NUMBER
        given = columns["quality"].to_numpy(zero_copy_only=False)
        ts = columns["ts"].view(pa.int64()).to_numpy(zero_copy_only=False)
        now_us = self._clock.wall_us()
        if now_us >= CLOCK_TRUSTED_FROM_US:
            flags[ts > now_us + TIME_AHEAD_S_MAX * 1_000_000] |= quality.TIME_SUSPECT
        else:  # a recording keeps its own times, whatever this clock says
            flags[(given & quality.HISTORICAL) == 0] |= quality.TIME_SUSPECT
        return pa.array(flags | given) if flags.any() else columns["quality"]

    def _flush(self, lane: _Lane) -> None:
        if lane.young or lane.cls == CLASS_EVENT or self._again:
            self.declare()
        if not lane.rows:  # flushed with its catalogue
            return
        batch = lane.batches[0] if len(lane.batches) == 1 else pa.concat_batches(lane.batches)
        rows = min(lane.policy.rows, max(1, lane.policy.bytes * lane.rows // max(lane.bytes, 1)))
        promises = lane.promises
        lane.batches, lane.promises, lane.rows, lane.bytes = [], [], 0, 0
        lane.young &= not lane.stream
        records, left_out = self._pack(batch, rows, lane, self._spool.next_seq, 0)
        held = batch.num_rows - len(left_out)
        if left_out:
            self.oversize += len(left_out)
            self._spool.positions.passed(lane.stream, len(left_out))

        def settled(append: Append) -> None:
            end = 0
            for count, promise in promises:
                start, end = end, end + count
                if promise.recorded is not None and not append.refused:
                    promise.recorded(self._spool.epoch, append.first_seq, append.last_seq)
                lost = bisect_left(left_out, end) - bisect_left(left_out, start)
                promise.settle(count if append.refused else lost)

        if records:
            self._spool.append(records, readings=held, cls=lane.cls, done=settled, stream=lane.stream)
        else:
            for count, promise in promises:
                promise.settle(count)

    def _pack(
        self, batch: pa.RecordBatch, rows: int, lane: _Lane, first_seq: int, first_row: int
    ) -> tuple[list[bytes], list[int]]:
        """Cut into records of `rows` rows; long texts make them shorter. Also the rows that fit into none."""
        codec = None if lane.policy.codec == "auto" else CODECS[lane.policy.codec]
        if lane.policy.codec == "auto" and lane.schema_id == READINGS and self.away():
            codec = PACKED_ZSTD  # what waits for weeks should be small
        if lane.schema_id != READINGS and lane.policy.codec.startswith("packed"):
            codec = None
        stamp = self._spool.stamp(lane.cls, lane.stream)
        try:
            return pack_split(batch, rows, schema_id=lane.schema_id, stamp=stamp, first_seq=first_seq, codec=codec), []
        except RecordError as error:
            if error.reason != "size":
                raise
        if batch.num_rows == 1:
            return [], [first_row]
        half = max(1, batch.num_rows // 2)
        records, left_out = self._pack(batch.slice(0, half), rows, lane, first_seq, first_row)
        more, also = self._pack(batch.slice(half), rows, lane, first_seq + len(records), first_row + half)
        return records + more, left_out + also
