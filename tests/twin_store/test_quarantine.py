"""The quarantine is bounded: the oldest go first, and what goes of a record that was committed is said as a gap."""

import struct
from typing import Any

import pytest
from fastcrc import crc32

from twin import quarantine

T0 = 1_750_000_000_000_000


def of_newer_version(record: bytes) -> bytes:
    """The record in a codec that nobody knows yet, its CRC right."""
    changed = record[:9] + b"\x63" + record[10:]
    return changed[:4] + struct.pack("<I", crc32.iscsi(changed[8:])) + changed[8:]


@pytest.fixture
def unknown(bench: Any, agent: Any) -> list[bytes]:
    """Thirty records (seqs 2 to 31) that this version cannot read; their catalogue is taken."""
    bench.take([agent.catalogue(agent.points(1))])
    return [of_newer_version(r) for r in agent.readings([0] * 30, range(T0, T0 + 30), range(30), rows=1)]


def seqs(bench: Any) -> list[int]:
    return [seq for (seq,) in bench.sql("SELECT seq FROM quarantine ORDER BY seq NULLS FIRST")]


def test_beyond_so_many_rows_the_oldest_are_dropped_and_said_as_a_gap(
    bench: Any, unknown: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "ROWS_MAX", 20)
    for start in range(0, 30, 10):
        bench.clock.advance(1)
        bench.take(unknown[start : start + 10])
    assert seqs(bench) == list(range(14, 32))
    assert bench.sql("SELECT lo, hi, reason FROM gaps") == [(2, 13, "dropped from quarantine")]
    assert bench.absorber.counts["quarantine_dropped"] == 12
    assert bench.ranges() == [(1, 31)], "they stay committed: nobody sends them again"


def test_beyond_so_many_bytes_the_oldest_are_dropped(
    bench: Any, unknown: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "BYTES_MAX", 10 * len(unknown[0]))
    for record in unknown:
        bench.clock.advance(1)
        bench.take([record])
    kept = seqs(bench)
    assert 9 <= len(kept) <= 10
    assert kept == list(range(32 - len(kept), 32))
    assert bench.absorber.counts["quarantine_dropped"] == 30 - len(kept)


def test_dead_letters_go_before_records_that_can_still_be_taken_in(
    bench: Any, unknown: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "ROWS_MAX", 20)
    bench.take(unknown[:15])
    bench.clock.advance(1)
    bench.take([record[:-1] + b"\x00\x00" for record in unknown[15:25]])
    assert [seq for seq in seqs(bench) if seq is not None] == list(range(2, 17))
    assert len(seqs(bench)) == 18
    assert bench.sql("SELECT count(*) FROM gaps") == [(0,)]


def test_the_bound_holds_over_a_restart(bench: Any, unknown: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "ROWS_MAX", 20)
    bench.take(unknown[:20])
    bench.restart()
    bench.take(unknown[20:])
    assert len(seqs(bench)) == 18
