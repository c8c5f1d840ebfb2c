"""From batches to records: ids, flags, flushing, growing catalogues, and an honest answer to every batch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edge.batcher import Batcher
from edge.config import FlushConfig, SpoolConfig
from edge.sources import Batch
from edge.spool import Spool
from wire import quality
from wire.catalogue import Point, from_batch
from wire.clock import ManualClock
from wire.records import PACKED, PACKED_ZSTD, unpack
from wire.schemas import CATALOGUE, READINGS, STATES, schema

DAY_US = 86_400_000_000


@asynccontextmanager
async def batching(
    lab: Any, folder: Path, clock: Any = None, bulk: FlushConfig | None = None, config: SpoolConfig | None = None
) -> AsyncIterator[tuple[Batcher, Spool]]:
    """A batcher over a real spool."""
    clock = clock or ManualClock()
    async with lab.opened(folder, config, clock) as (spool, _):
        yield Batcher(spool, bulk or FlushConfig(), FlushConfig(), clock, lambda record: None), spool


def rows(values: list[float], ts_us: list[int] | int = 1_700_000_000_000_000, given: int = 0) -> pa.RecordBatch:
    """Readings of point 0."""
    times = ts_us if isinstance(ts_us, list) else [ts_us] * len(values)
    columns = [
        pa.array(np.zeros(len(values), np.uint32)),
        pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        pa.array(values, pa.float64()),
        pa.array(np.full(len(values), given, np.uint8)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))


def records(spool: Spool, schema_id: int = READINGS) -> list[Any]:
    """All decoded records of one schema: (header, batch)."""
    found = [unpack(data) for _, data in spool.read(spool.epoch, 1, spool.next_seq - 1)]
    return [pair for pair in found if pair[0].schema_id == schema_id]


def qualities(spool: Spool) -> list[int]:
    """Quality of all readings in order."""
    return [value for _, batch in records(spool) for value in batch["quality"].to_pylist()]


POINT = Point(id=0, device="dev", metric="m")


async def test_what_is_no_number_and_what_is_out_of_range_is_flagged_and_kept(lab: Any, spool_folder: Path) -> None:
    limited = Point(id=0, device="dev", metric="m", low=0.0, high=10.0)
    async with batching(lab, spool_folder) as (batcher, spool):
        await batcher.put("a", [limited], Batch(READINGS, rows([1.0, float("nan"), float("inf"), -1.0, 11.0, 10.0])))
        batcher.flush()
        await lab.settled(spool)
        bad, out = quality.NOT_A_NUMBER, quality.OUT_OF_RANGE
        assert qualities(spool) == [0, bad, bad, out, out, 0]


async def test_only_times_of_the_future_and_of_an_unset_clock_are_suspect(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    now = clock.wall_us()
    times = [now, now - 20 * 365 * DAY_US, now + DAY_US, now + DAY_US + 1]
    async with batching(lab, spool_folder, clock) as (batcher, spool):
        await batcher.put("a", [POINT], Batch(READINGS, rows([1.0] * 4, times)))
        batcher.flush()
        clock.jump(-now + 3_600_000_000)  # the gateway rebooted in 1970
        await batcher.put("a", [POINT], Batch(READINGS, rows([1.0] * 2, now)))
        await batcher.put("a", [POINT], Batch(READINGS, rows([1.0] * 2, now, given=quality.HISTORICAL)))
        batcher.flush()
        await lab.settled(spool)
        late, past = quality.TIME_SUSPECT, quality.HISTORICAL
        assert qualities(spool) == [0, 0, 0, late, late, late, past, past]


async def test_rows_wait_no_longer_than_their_age(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    async with batching(lab, spool_folder, clock, FlushConfig(age_s=0.1)) as (batcher, spool):
        await batcher.put("a", [POINT], Batch(READINGS, rows([1.0])))
        clock.advance(0.09)
        batcher.flush(only_due=True)
        assert spool.next_seq == 1
        clock.advance(0.02)
        batcher.flush(only_due=True)
        assert spool.next_seq == 3  # a catalogue and one record


async def test_while_nobody_takes_records_they_are_fewer_and_smaller(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    async with batching(lab, spool_folder, clock, FlushConfig(age_s=0.1, age_away_s=2.0)) as (batcher, spool):
        for away in (False, True):
            batcher.away = lambda away=away: away  # type: ignore[misc]
            for _ in range(40):
                await batcher.put("a", [POINT], Batch(READINGS, rows([20.5] * 10)))
                batcher.flush(only_due=True)
                clock.advance(0.1)
            batcher.flush()
            await lab.settled(spool)
        made = [(header.codec, header.count) for header, _ in records(spool)]
        assert sum(count for _, count in made) == 800, "nothing is left out"
        assert {codec for codec, _ in made} == {PACKED, PACKED_ZSTD}
        assert len([codec for codec, _ in made if codec == PACKED]) >= 20
        assert len([codec for codec, _ in made if codec == PACKED_ZSTD]) == 2


async def test_the_flush_task_keeps_that_promise(lab: Any, spool_folder: Path) -> None:
    from wire.clock import SystemClock

    async with batching(lab, spool_folder, SystemClock(), FlushConfig(age_s=0.05)) as (batcher, spool):
        task = asyncio.create_task(batcher.run())
        for number in range(3):
            await batcher.put("a", [POINT], Batch(READINGS, rows([float(number)])))
            await lab.eventually(lambda expected=number: len(records(spool)) == expected + 1)
        task.cancel()


async def test_a_full_record_does_not_wait(lab: Any, spool_folder: Path) -> None:
    async with batching(lab, spool_folder, bulk=FlushConfig(age_s=60, rows=100)) as (batcher, spool):
        await batcher.put("a", lab.points(), Batch(READINGS, lab.readings(1_050)))
        await lab.settled(spool)
        assert [header.count for header, _ in records(spool)] == [100] * 10 + [50]


async def test_points_found_on_the_way_are_declared_before_their_data(lab: Any, spool_folder: Path) -> None:
    async with batching(lab, spool_folder) as (batcher, spool):
        offered = lab.points(1)
        await batcher.put("a", offered, Batch(READINGS, rows([1.0])))
        batcher.flush()
        offered = lab.points(3)
        await batcher.put("a", offered, Batch(READINGS, lab.readings(6, points=3)))
        await batcher.put("b", [Point(id=0, device="other", metric="m")], Batch(READINGS, rows([9.0])))
        batcher.flush()
        batcher.flush()
        await lab.settled(spool)
        found = [(header.seq, header.generation, len(from_batch(b))) for header, b in records(spool, CATALOGUE)]
        assert found == [(1, 1, 1), (3, 2, 4)]
        assert [(header.seq, header.generation) for header, _ in records(spool)] == [(2, 1), (4, 2)]
        keys = {point.id: point.key for point in batcher.catalogue.points}
        assert [keys[at] for at in records(spool)[1][1]["point"].to_pylist()[-1:]] == ["other/m"]


async def test_a_flood_of_new_points_takes_few_catalogues_and_no_row_is_late_or_lost(
    lab: Any, spool_folder: Path
) -> None:
    clock = ManualClock()
    async with batching(lab, spool_folder, clock) as (batcher, spool):
        for number in range(1_000):  # ten a second
            offered = lab.points(number + 1)
            columns = rows([float(number), -float(number)]).columns
            ids = pa.array([number, 0], pa.uint32())
            batch = pa.RecordBatch.from_arrays([ids, *columns[1:]], schema=schema(READINGS))
            await batcher.put("a", offered, Batch(READINGS, batch))
            await batcher.put("a", offered, Batch(READINGS, rows([float(number)])))  # of the oldest point
            clock.advance(0.1)
            batcher.flush(only_due=True)
        batcher.flush()
        await lab.settled(spool)
        assert len(records(spool, CATALOGUE)) < 250
        known: set[int] = set()
        seen: dict[int, list[float]] = {}
        for _, data in spool.read(spool.epoch, 1, spool.next_seq - 1):
            header, batch = unpack(data)
            if header.schema_id == CATALOGUE:
                known = {point.id for point in from_batch(batch)}
                continue
            assert known >= set(batch["point"].to_pylist())
            for row in batch.to_pylist():
                seen.setdefault(row["point"], []).append(row["value"])
        assert [seen[number][0] for number in range(1, 1_000)] == [float(number) for number in range(1, 1_000)]
        assert sum(map(len, seen.values())) == 3_000


async def test_a_point_that_changes_its_unit_is_redeclared_between_its_readings(lab: Any, spool_folder: Path) -> None:
    async with batching(lab, spool_folder) as (batcher, spool):
        await batcher.put("a", [Point(id=0, device="d", metric="m", unit="Cel")], Batch(READINGS, rows([20.0])))
        batcher.catalogue.forget("a")
        await batcher.put("a", [Point(id=0, device="d", metric="m", unit="K")], Batch(READINGS, rows([293.0])))
        batcher.flush()
        await lab.settled(spool)
        units = {header.generation: from_batch(batch)[0].unit for header, batch in records(spool, CATALOGUE)}
        values = {header.generation: batch["value"].to_pylist() for header, batch in records(spool)}
        assert [units[generation] for generation in values] == ["Cel", "K"]
        assert list(values.values()) == [[20.0], [293.0]]


async def test_every_batch_is_answered_with_what_was_refused_of_it(lab: Any, spool_folder: Path) -> None:
    config = SpoolConfig(budget_bytes=40_000, reserve_bytes=0, segment_bytes=4_096)
    answers: list[int] = []
    async with batching(lab, spool_folder, bulk=FlushConfig(rows=100), config=config) as (batcher, spool):
        for number in range(100):
            batch = Batch(READINGS, lab.readings(100, number * 100), answers.append)
            await batcher.put("a", lab.points(), batch)
        await lab.settled(spool)
        assert len(answers) == 100
        assert set(answers) == {0, 100}
        assert sum(answers) == spool.readings_refused
        assert spool.readings_accepted + spool.readings_refused == 10_000


async def test_long_texts_make_shorter_records_and_no_row_is_lost(lab: Any, spool_folder: Path) -> None:
    texts = [("x" * 15_000) if number % 2 else str(number) for number in range(300)]
    columns = [
        pa.array(np.zeros(300, np.uint32)),
        pa.array([1_700_000_000_000_000] * 300, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        pa.array(texts),
        pa.array(np.zeros(300, np.uint8)),
    ]
    state = Point(id=0, device="dev", metric="program", kind="state")
    async with batching(lab, spool_folder) as (batcher, spool):
        await batcher.put("a", [state], Batch(STATES, pa.RecordBatch.from_arrays(columns, schema=schema(STATES))))
        batcher.flush()
        await lab.settled(spool)
        found = [text for _, batch in records(spool, STATES) for text in batch["value"].to_pylist()]
        assert found == texts
        assert batcher.oversize == 0


async def test_a_row_that_no_record_can_hold_is_told_to_its_source_and_counted(lab: Any, spool_folder: Path) -> None:
    state, told = Point(id=0, device="dev", metric="program", kind="state"), []
    async with batching(lab, spool_folder) as (batcher, spool):
        for texts in (["a", "b"], ["c", "x" * 1_000_000, "d", "y" * 1_000_000], ["e"]):
            count = len(texts)
            columns = [
                pa.array(np.zeros(count, np.uint32)),
                pa.array([1_700_000_000_000_000] * count, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
                pa.array(texts),
                pa.array(np.zeros(count, np.uint8)),
            ]
            rows = pa.RecordBatch.from_arrays(columns, schema=schema(STATES))
            await batcher.put("a", [state], Batch(STATES, rows, told.append))
        batcher.flush()
        await lab.settled(spool)
        found = [text for _, batch in records(spool, STATES) for text in batch["value"].to_pylist()]
        assert found == ["a", "b", "c", "d", "e"]
        assert told == [0, 2, 0]
        assert batcher.oversize == 2
        assert spool.readings_accepted == 5


async def test_a_catalogue_that_was_refused_is_written_again(lab: Any, spool_folder: Path) -> None:
    class Full(type(lab.disk())):  # type: ignore[misc]
        full = True

        def write(self, fd: int, buffers: list[bytes]) -> int:
            if self.full:
                raise OSError(28, "no space")
            return int(super().write(fd, buffers))

    disk = Full()
    clock = ManualClock()
    async with lab.opened(spool_folder, SpoolConfig(reserve_bytes=0), clock, disk) as (spool, _):
        batcher = Batcher(spool, FlushConfig(), FlushConfig(), clock, lambda record: None)
        await batcher.put("a", [POINT], Batch(READINGS, rows([1.0])))
        batcher.flush()
        await lab.settled(spool)
        assert spool.readings_refused == 1
        disk.full = False
        await batcher.put("a", [POINT], Batch(READINGS, rows([2.0])))
        batcher.flush()
        await lab.settled(spool)
        ((catalogue, _),) = records(spool, CATALOGUE)
        ((data, batch),) = records(spool)
        assert catalogue.generation == data.generation == 1
        assert catalogue.seq < data.seq
        assert batch["value"].to_pylist() == [2.0]


async def test_a_batch_without_rows_is_answered_at_once(lab: Any, spool_folder: Path) -> None:
    answers: list[int] = []
    async with batching(lab, spool_folder) as (batcher, spool):
        await batcher.put("a", [POINT], Batch(READINGS, rows([]), answers.append))
        assert answers == [0]
        assert spool.next_seq == 1


@pytest.mark.parametrize("codec", ["auto", "arrow", "arrow+zstd", "packed", "packed+zstd"])
async def test_every_codec_gives_the_same_readings_back(lab: Any, spool_folder: Path, codec: str) -> None:
    async with batching(lab, spool_folder, bulk=FlushConfig(rows=100, codec=codec)) as (batcher, spool):  # type: ignore[arg-type]
        await batcher.put("a", lab.points(), Batch(READINGS, lab.readings(250)))
        batcher.flush()
        await lab.settled(spool)
        assert pa.Table.from_batches([batch for _, batch in records(spool)]).equals(
            pa.Table.from_batches([lab.readings(250)])
        )
