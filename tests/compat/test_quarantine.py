"""What an older twin could not read: kept whole, committed, and taken in by `aid4 twin requeue` after the upgrade."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from fastcrc import crc32

from aid4.cli import cli
from twin import absorb
from twin.requeue import requeue
from wire import records as wire_records
from wire.records import CODECS, PACKED_ZSTD
from wire.schemas import CATALOGUE, READINGS, STATES

COUNTS = "SELECT (SELECT count(*) FROM readings), (SELECT count(*) FROM states), (SELECT count(*) FROM quarantine)"
OLD = {
    "no states": [STATES],
    "no readings": [READINGS],
    "no catalogues": [CATALOGUE],
    "nothing": [STATES, READINGS, CATALOGUE],
}


def resealed(record: bytes, at: int, value: int) -> bytes:
    """The record with one header byte changed and its CRC made right again."""
    changed = record[:at] + bytes([value]) + record[at + 1 :]
    return changed[:4] + struct.pack("<I", crc32.iscsi(changed[8:])) + changed[8:]


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Makes this twin one that does not know some schemas yet; `monkeypatch.undo` is the upgrade."""

    def forget(schemas: list[int]) -> None:
        known = {key for key in absorb._KNOWN if key[0] not in schemas}
        monkeypatch.setattr(absorb, "_KNOWN", known)
        for name in ("READINGS", "CATALOGUE", "GAP"):
            if getattr(absorb, name) in schemas:
                monkeypatch.setattr(absorb, name, -1)

    return forget


@pytest.mark.parametrize("what", OLD)
def test_records_of_a_newer_agent_are_kept_committed_and_taken_in_after_the_upgrade(
    opened: Any, records: dict[int, bytes], expected: Any, tmp_path: Path, older: Any, monkeypatch: Any, what: str
) -> None:
    payloads, epoch = [records[seq] for seq in sorted(records)], bytes.fromhex(expected["epoch"])
    with opened(tmp_path / "data") as bench:
        older(OLD[what])
        for _ in range(2):
            bench.take(payloads)
        before = bench.sql("FROM quarantine ORDER BY seq")
        assert before
        assert requeue(bench.store).taken == 0
        assert bench.sql("FROM quarantine ORDER BY seq") == before
    monkeypatch.undo()
    with opened(tmp_path / "data") as bench:
        parked = set(records) - {seq for lo, hi in bench.ranges(epoch) for seq in range(lo, hi + 1)}
        assert requeue(bench.store) == (len(before), 0)
        bench.restart()
        bench.take([records[seq] for seq in sorted(parked)])
        assert bench.readings() == expected["readings"]
        assert bench.sql(COUNTS) == [(len(expected["readings"]), len(expected["states"]), 0)]
        assert bench.ranges(epoch) == [(1, 8)]
        assert requeue(bench.store) == (0, 0)
        assert bench.take(payloads).intake.counts["new"] == 0
    with opened(tmp_path / "data") as bench:
        overlaps = "(a.lo, a.hi) <> (b.lo, b.hi) AND a.lo <= b.hi AND b.lo <= a.hi"
        joined = "committed a JOIN committed b USING (node, epoch)"
        assert bench.sql(f"SELECT count(*) FROM {joined} WHERE {overlaps}") == [(0,)]


def test_an_unknown_codec_is_kept_and_taken_in_after_the_upgrade(
    opened: Any, records: dict[int, bytes], expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wire_records.read_header(records[8]).codec == PACKED_ZSTD
    with opened(tmp_path / "data") as bench:
        known = {name: codec for name, codec in CODECS.items() if codec != PACKED_ZSTD}
        monkeypatch.setattr(wire_records, "CODECS", known)
        bench.take([records[seq] for seq in sorted(records)])
        assert bench.sql("SELECT seq, reason, body FROM quarantine") == [(8, "codec", records[8])]
        monkeypatch.undo()
        assert requeue(bench.store) == (1, 0)
        assert bench.readings() == expected["readings"]


def test_a_newer_record_version_is_kept_until_a_twin_that_reads_it(
    opened: Any, records: dict[int, bytes], tmp_path: Path
) -> None:
    newer = resealed(records[7], 8, 2)
    with opened(tmp_path / "data") as bench:
        bench.take([records[1], newer])
        bench.take([newer])
        assert bench.sql("SELECT seq, reason, body FROM quarantine") == [(7, "version", newer)]
        assert requeue(bench.store) == (0, 1)
        assert bench.sql("SELECT seq, reason, body FROM quarantine") == [(7, "version", newer)]


def test_dead_letters_stay_and_the_command_tells_the_figures(golden: Path, opened: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with duckdb.connect(str(folder / "twin.duckdb")) as connection:
        for name in ("schema.sql", "rows.sql"):
            connection.execute((golden / "database-1" / name).read_text())
    shutil.copytree(golden / "database-1" / "cold", folder / "cold")
    answer = CliRunner().invoke(cli, ["twin", "requeue", "--data-dir", str(folder), "--json"])
    assert json.loads(answer.stdout) == {"taken": 0, "left": 1}
    with opened(folder) as bench:
        assert bench.sql("SELECT count(*) FROM quarantine") == [(2,)]
