"""From records to rows: what is stored, once, under the right point, and what is refused and why."""

import struct
from typing import Any

import numpy as np
import pytest
from fastcrc import crc32

from twin import ledger
from wire.catalogue import Point
from wire.quality import NOT_A_NUMBER, OUT_OF_RANGE, TIME_SUSPECT

T0 = 1_750_000_000_000_000
DAY = 86_400_000_000
COUNT = "SELECT count(*) FROM readings_warm"


def resealed(record: bytes, at: int, value: bytes) -> bytes:
    """The record with a header field changed and its CRC made right again."""
    changed = record[:at] + value + record[at + len(value) :]
    return changed[:4] + struct.pack("<I", crc32.iscsi(changed[8:])) + changed[8:]


def test_readings_land_under_global_ids_with_their_time_value_and_quality(bench: Any, agent: Any) -> None:
    records = [agent.catalogue(agent.points(3))]
    records += agent.readings([2, 0, 1], [T0, T0 + 1, T0 + 2], [1.5, -2.0, 3.0], [0, 8, 0])
    bench.take(records)
    rows = bench.sql(
        "SELECT device || '/' || metric, epoch_us(ts), value, quality, epoch_us(recv)"
        " FROM readings_warm JOIN points ON point = id ORDER BY ts"
    )
    assert rows == [
        ("dev/m2", T0, 1.5, 0, T0),
        ("dev/m0", T0 + 1, -2.0, 8, T0),
        ("dev/m1", T0 + 2, 3.0, 0, T0),
    ]
    assert bench.ranges() == [(1, 2)]


def test_a_record_that_comes_twice_is_stored_once(bench: Any, agent: Any) -> None:
    records = [agent.catalogue(agent.points(4)), *agent.readings(range(4), [T0] * 4, range(4), rows=2)]
    bench.take(records)
    bench.take(records)
    bench.take([*records[1:], *records[1:]])
    assert bench.sql(COUNT) == [(4,)]
    assert bench.absorber.counts["records_duplicate"] == 7


def test_many_records_of_many_nodes_in_one_batch_keep_their_points_apart(bench: Any, agent: Any) -> None:
    agents = [agent.sibling(node=f"gw{n}", epoch=bytes([n]) * 16) for n in range(1, 6)]
    for other in agents:
        bench.take([other.catalogue(other.points(100))], other.node)
    for round_ in range(3):
        for other in agents:
            number = int(other.node[2:])
            value = np.full(100, number * 1_000.0) + np.arange(100)
            bench.take(other.readings(range(100), [T0 + round_] * 100, value, rows=7), other.node)
    rows = bench.sql("SELECT node, metric, value FROM readings_warm JOIN points ON point = id")
    assert len(rows) == 1_500
    assert all(value == int(node[2:]) * 1_000 + int(metric[1:]) for node, metric, value in rows)


def test_data_before_its_catalogue_waits_and_never_becomes_another_point(bench: Any, agent: Any) -> None:
    first = agent.catalogue(agent.points(1))
    before = agent.readings([0], [T0], [1.0])
    second = agent.catalogue([Point(id=0, device="other", metric="m9")])
    after = agent.readings([0], [T0 + 1], [2.0])
    outcome = bench.take([first, *after])
    assert outcome.intake.ask == {"gw1"}
    assert bench.sql(COUNT) == [(0,)]
    bench.take([*after, *before, second])
    rows = bench.sql("SELECT metric, value FROM readings_warm JOIN points ON point = id ORDER BY value")
    assert rows == [("m0", 1.0), ("m9", 2.0)]


def test_a_new_start_of_the_agent_keeps_its_points_ids(bench: Any, agent: Any) -> None:
    bench.take([agent.catalogue(agent.points(2)), *agent.readings([0, 1], [T0, T0], [1, 2])])
    again = agent.sibling(epoch=b"\x22" * 16)
    bench.take([again.catalogue(list(reversed(again.points(3)))), *again.readings([1], [T0 + 5], [7])])
    assert bench.sql("SELECT count(*), max(id) FROM points") == [(3, 3)]
    assert bench.store.points.by_key["gw1/dev/m2"].id == 3
    row = bench.store.points.by_key["gw1/dev/m1"]
    assert bench.sql(f"SELECT value FROM readings_warm WHERE point = {row.id} ORDER BY ts") == [(2,), (7,)]


def test_a_changed_unit_or_limit_is_taken_over_and_survives_a_restart(bench: Any, agent: Any) -> None:
    bench.take([agent.catalogue(agent.points(1, unit="Cel"))])
    bench.take([agent.catalogue(agent.points(1, unit="K", low=0.0, meta={"a": [1]}))])
    assert bench.sql("SELECT unit, low, meta FROM points") == [("K", 0.0, '{"a":[1]}')]
    with bench.store.cursor() as cursor:
        bench.store.points.load(cursor)
    row = bench.store.points.by_key["gw1/dev/m0"]
    assert (row.unit, row.low, row.high, row.meta) == ("K", 0.0, None, {"a": [1]})


def test_after_a_restart_data_of_a_known_generation_is_read_from_its_kept_catalogue(bench: Any, agent: Any) -> None:
    bench.take([agent.catalogue(agent.points(5))])
    bench.restart()
    bench.take(agent.readings([4], [T0], [4.5]))
    assert bench.sql("SELECT metric FROM readings_warm JOIN points ON point = id") == [("m4",)]


def test_sparse_point_ids_are_mapped_too(bench: Any, agent: Any) -> None:
    sparse = [Point(id=4_000_000_000, device="d", metric="far"), Point(id=7, device="d", metric="near")]
    bench.take([agent.catalogue(sparse), *agent.readings([4_000_000_000, 7], [T0, T0], [1, 2])])
    rows = bench.sql("SELECT metric, value FROM readings_warm JOIN points ON point = id ORDER BY value")
    assert rows == [("far", 1.0), ("near", 2.0)]


def test_hostile_numbers_and_times_are_stored_flagged(bench: Any, agent: Any) -> None:
    value = [np.nan, np.inf, 99.0, 5.0, 5.0, 5.0]
    ts = [T0, T0, T0, T0 + 2 * DAY, 2**62, -(2**62)]
    bench.take([agent.catalogue(agent.points(1, low=0.0, high=10.0)), *agent.readings([0] * 6, ts, value)])
    flags = [quality for (quality,) in bench.sql("SELECT quality FROM readings_warm")]
    assert flags == [NOT_A_NUMBER, NOT_A_NUMBER, OUT_OF_RANGE, TIME_SUSPECT, TIME_SUSPECT, TIME_SUSPECT]
    assert bench.sql("SELECT min(year(ts)), max(year(ts)) FROM readings_warm") == [(1, 9999)]


def test_a_corrupt_record_is_not_committed_and_harms_no_neighbour(bench: Any, agent: Any) -> None:
    records = [agent.catalogue(agent.points(1)), *agent.readings([0] * 30, [T0] * 30, range(30), rows=10)]
    broken = records[2][:-3] + b"\xff" + records[2][-2:]
    bench.take([records[0], records[1], broken, records[3], b"AID4", b""])
    assert bench.sql(COUNT) == [(20,)]
    assert bench.ranges() == [(1, 2), (4, 4)]
    assert bench.absorber.counts["dead_letters"] == 3
    bench.take([records[2]])
    assert bench.sql(COUNT) == [(30,)]
    assert bench.ranges() == [(1, 4)]


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [(8, b"\x02", "version"), (9, b"\x63", "codec"), (10, b"\xfa", "schema"), (11, b"\x09", "schema")],
)
def test_what_this_version_cannot_read_is_kept_and_committed_once(
    bench: Any, agent: Any, at: int, value: bytes, reason: str
) -> None:
    catalogue, good, unknown = agent.catalogue(agent.points(1)), *agent.readings([0, 0], [T0, T0], [1, 2], rows=1)
    unknown = resealed(unknown, at, value)
    bench.take([catalogue, unknown, good])
    bench.take([unknown])
    assert bench.ranges() == [(1, 3)]
    assert bench.sql(COUNT) == [(1,)]
    assert bench.sql("SELECT seq, reason, body FROM quarantine") == [(3, reason, unknown)]


def test_a_body_that_does_not_decode_is_kept_and_committed(bench: Any, agent: Any) -> None:
    records = [agent.catalogue(agent.points(1)), *agent.readings([0, 0], [T0, T0 + 1], [1, 2], rows=1)]
    bad = resealed(records[1], 80 + 16, b"\x07")  # a value code that cannot be
    bench.take([records[0], bad, records[2]])
    assert bench.ranges() == [(1, 3)]
    assert bench.sql("SELECT value FROM readings_warm") == [(2.0,)]
    assert [row["reason"] for row in bench.store.quarantined()] == ["body"]


def test_a_record_that_names_unknown_points_is_quarantined_whole(bench: Any, agent: Any) -> None:
    records = [agent.catalogue(agent.points(2)), *agent.readings([0, 9, 1, 1], [T0] * 4, range(4), rows=2)]
    bench.take(records)
    assert bench.sql("SELECT value FROM readings_warm ORDER BY 1") == [(2.0,), (3.0,)]
    assert bench.ranges() == [(1, 3)]
    assert bench.absorber.counts["quarantined"] == 1


def test_states_events_and_gaps_are_stored(bench: Any, agent: Any) -> None:
    kinds = [Point(id=0, device="d", metric="mode", kind="state"), Point(id=1, device="d", metric="m")]
    records = [agent.catalogue(kinds), agent.states([0, 0], [T0, T0 + 1], ["idle", "設定"])]
    records += [agent.event(T0 + 2, "overload", 1), agent.event(T0 + 3, "door", None)]
    records += [agent.gap(b"\x33" * 16, 5, 9, "corrupt", 40)]
    bench.take(records)
    assert bench.sql("SELECT value FROM states_warm ORDER BY ts") == [("idle",), ("設定",)]
    assert [(row["message"], row["point"]) for row in bench.store.events(T0, T0 + 10)] == [
        ("door", None),
        ("overload", 2),
    ]
    assert bench.sql("SELECT lo, hi, reason, readings FROM gaps") == [(5, 9, "corrupt", 40)]
    assert bench.ranges(epoch=b"\x33" * 16) == [(5, 9)]
    table = bench.store.state.snapshot()
    assert table.text.tolist() == ["設定"]
    assert table.ts_us.tolist() == [T0 + 1]


def test_old_data_never_replaces_a_newer_live_value(bench: Any, agent: Any) -> None:
    bench.take([agent.catalogue(agent.points(2)), *agent.readings([0, 1], [T0, T0], [1, 1])])
    version = bench.store.state.version
    bench.take(agent.readings([0, 1, 1, 1], [T0 - 5, T0 + 9, T0 + 3, T0 + 9], [2, 3, 4, 5]))
    table = bench.store.state.snapshot()
    assert table.value.tolist() == [1.0, 5.0]
    assert table.ts_us.tolist() == [T0, T0 + 9]
    assert bench.store.state.changed(version).tolist() == [2]
    assert bench.store.state.changed(bench.store.state.version).tolist() == []


def test_a_time_far_ahead_does_not_freeze_the_live_value(bench: Any, agent: Any) -> None:
    bench.take([agent.catalogue(agent.points(1)), *agent.readings([0], [T0 + 400 * DAY], [1])])
    bench.clock.advance(1)
    bench.take(agent.readings([0], [T0 + 1_000_000], [2]))
    assert bench.store.state.snapshot().value.tolist() == [2.0]


def test_the_ledger_is_joined_while_the_twin_runs_so_that_it_never_grows_without_bound(
    bench: Any, agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.absorber._appended_max = 20
    bench.take([agent.catalogue(agent.points(1))])
    for at in range(60):
        bench.take(agent.readings([0], [T0 + at], [at]))
    assert bench.sql("SELECT count(*) <= 41, sum(hi - lo + 1)::INT FROM committed") == [(True, 61)]
    monkeypatch.setattr("twin.ledger.APPENDED_MAX", 1)
    bench.store.writer.run(lambda connection: ledger.merge(connection, "lab"))
    assert bench.sql("SELECT lo, hi FROM committed") == [(1, 61)]
    bench.restart()
    assert bench.ranges() == [(1, 61)]


def test_flags_are_counted(bench: Any, agent: Any) -> None:
    bench.take([agent.catalogue(agent.points(1)), *agent.readings([0] * 3, [T0] * 3, [1, np.nan, np.inf], [8, 0, 0])])
    assert bench.absorber.counts["flagged_not_a_number"] == 2
    assert bench.absorber.counts["flagged_bad"] == 1
