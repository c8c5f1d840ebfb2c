"""The count of `aid4 run`: exact, point by point, from files that nobody has open."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from aid4.account import Ledger, compare, ledger_of, spooled
from edge.segments import SEGMENT_HEADER, SEGMENT_MAGIC
from twin.database import Database
from wire.catalogue import Point, to_batch
from wire.ranges import Ranges
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, schema

EPOCH = bytes(range(16))


def readings(points: list[int]) -> pa.RecordBatch:
    count = len(points)
    columns = [
        pa.array(points, pa.uint32()),
        pa.array(np.arange(count) + 1_700_000_000_000_000).cast(pa.timestamp("us", "UTC")),
        pa.array(np.arange(count, dtype=np.float64)),
        pa.array(np.zeros(count, np.uint8)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))


def write_spool(spool: Path, records: list[bytes]) -> None:
    folder = spool / EPOCH.hex()
    folder.mkdir(parents=True)
    body = b"".join(records)
    (folder / f"{1:020d}.seg").write_bytes(SEGMENT_HEADER.pack(SEGMENT_MAGIC, EPOCH, 1) + body)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    now = time.time_ns() // 1_000
    control = Stamp(EPOCH, 1, 5, now, 0, CLASS_CONTROL)
    points = [Point(id=0, device="d", metric="a"), Point(id=1, device="d", metric="b")]
    second = [*points, Point(id=2, device="e", metric="c")]
    write_spool(
        tmp_path,
        [
            pack(to_batch(points), schema_id=CATALOGUE, stamp=control, seq=1),
            pack(readings([0, 0, 1]), schema_id=READINGS, stamp=Stamp(EPOCH, 1, 5, now, 0), seq=2),
            pack(to_batch(second), schema_id=CATALOGUE, stamp=Stamp(EPOCH, 2, 5, now, 0, CLASS_CONTROL), seq=3),
            pack(readings([2, 2, 2, 0]), schema_id=READINGS, stamp=Stamp(EPOCH, 2, 5, now, 0), seq=4),
        ],
    )
    return tmp_path


def test_the_spool_is_counted_by_point_and_generation(spool: Path) -> None:
    found = spooled(spool, "n1", {})
    assert found == {(READINGS, "n1/d/a"): 3, (READINGS, "n1/d/b"): 1, (READINGS, "n1/e/c"): 3}


def test_what_was_committed_before_the_run_is_left_out(spool: Path) -> None:
    before = Ranges()
    before.add(1, 2)
    assert spooled(spool, "n1", {EPOCH: before}) == {(READINGS, "n1/d/a"): 1, (READINGS, "n1/e/c"): 3}


def test_the_database_is_counted_at_rest(tmp_path: Path) -> None:
    assert ledger_of(tmp_path / "none") == Ledger()
    with Database(tmp_path) as database:
        connection = database.connection
        connection.execute(
            "INSERT INTO points SELECT i, 's', 'n1', 'd', 'm' || i, 'value', '', '', NULL, NULL, 'f64', false,"
            " '', '', '', NULL, '{}' FROM range(1, 3) t(i)"
        )
        connection.execute("INSERT INTO readings_warm SELECT 1, now(), 1.0, 0, now() FROM range(5)")
        connection.execute("INSERT INTO states_warm SELECT 2, now(), 'x', 0, now() FROM range(2)")
        connection.execute("INSERT INTO committed VALUES ('s', 'n1', ?, 1, 4), ('s', 'n1', ?, 6, 6)", [EPOCH, EPOCH])
    found = ledger_of(tmp_path)
    assert found.rows == {(1, "n1/d/m1"): 5, (2, "n1/d/m2"): 2}
    assert list(found.committed[EPOCH]) == [(1, 4), (6, 6)]
    assert (found.quarantined, found.gaps) == (0, 0)


def test_a_lost_and_a_doubled_reading_do_not_hide_each_other() -> None:
    before = Ledger(Counter({(1, "a"): 10}))
    after = Ledger(Counter({(1, "a"): 10 + 4, (1, "b"): 6}))
    tally = compare(Counter({(1, "a"): 5, (1, "b"): 5}), before, after)
    assert (tally.accepted, tally.stored, tally.lost, tally.duplicated) == (10, 10, 1, 1)
