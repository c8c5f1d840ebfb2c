"""Backup while rows arrive, restore with verification, and the healing of what a restored twin lacks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.backup import restore, verify
from twin.store import Store
from wire.clock import ManualClock
from wire.errors import InputError, UserError

T0, DAY_US = 1_750_000_000_000_000, 86_400_000_000


@pytest.fixture
def filled(bench: Any, agent: Any, clock: ManualClock) -> Any:
    """A store with cold files, warm rows, states and a gap."""
    bench.take([agent.catalogue(agent.points(3)), agent.states([2], [T0], ["on"])])
    bench.take([*agent.readings([0, 1] * 50, range(T0, T0 + 100), range(100)), agent.gap(b"\x09" * 16, 1, 4)])
    clock.jump(300 * DAY_US)
    bench.store.compact(force=True)
    bench.take(agent.readings([0, 1], [T0 + 500, T0 + 501], [5, 6]))
    return bench


def everything(store: Store) -> dict[str, Any]:
    with store.cursor() as cursor:
        tables = ("points", "catalogues", "committed", "gaps", "quarantine", "readings", "states", "keyframes")
        found = {table: sorted(cursor.execute(f"FROM {table}").fetchall(), key=repr) for table in tables}
    return found | {"state": repr([column.tolist() for column in store.state.snapshot()])}


def test_a_restored_backup_is_the_store_as_it_was(filled: Any, tmp_path: Path, clock: ManualClock) -> None:
    before = everything(filled.store)
    summary = filled.store.backup(tmp_path / "backup")
    assert summary.readings == 102
    assert verify(tmp_path / "backup") == summary
    restore(tmp_path / "backup", tmp_path / "again")
    with Store.open(tmp_path / "again", site="lab", clock=clock) as again:
        assert everything(again) == before


def test_a_backup_holds_whole_transactions_although_rows_arrive(
    bench: Any, agent: Any, tmp_path: Path, clock: ManualClock, in_thread: Any
) -> None:
    bench.take([agent.catalogue(agent.points(2))])

    def arrive() -> None:
        bench.take(agent.readings([0, 1], [T0 + agent.seq] * 2, [agent.seq] * 2, rows=1))

    with in_thread(arrive):
        for number in range(3):
            bench.store.backup(tmp_path / f"b{number}")
    for number in range(3):
        restore(tmp_path / f"b{number}", tmp_path / f"r{number}")
        with Store.open(tmp_path / f"r{number}", site="lab", clock=clock) as again, again.cursor() as cursor:
            rows = cursor.execute("SELECT count(*) FROM readings").fetchone()
            seqs = cursor.execute("SELECT sum(hi - lo + 1) - 1 FROM committed").fetchone()
            assert rows == seqs
    assert bench.sql("SELECT count(*) FROM readings") == [(agent.seq - 1,)]


def test_a_restored_twin_takes_again_what_came_after_the_backup(
    filled: Any, agent: Any, tmp_path: Path, clock: ManualClock
) -> None:
    filled.store.backup(tmp_path / "backup")
    later = agent.readings([0] * 10, range(T0 + 900, T0 + 910), range(10), rows=2)
    filled.take(later)
    restore(tmp_path / "backup", tmp_path / "again")
    with Store.open(tmp_path / "again", site="lab", clock=clock) as again:
        bench = type(filled)(again, clock)
        bench.take(later)
        bench.take(later)
        assert everything(again)["readings"] == everything(filled.store)["readings"]


def test_compaction_after_a_backup_does_not_touch_the_backup(
    filled: Any, agent: Any, tmp_path: Path, clock: ManualClock
) -> None:
    filled.store.backup(tmp_path / "backup")
    filled.take(agent.readings([1] * 30, range(T0 + 2_000, T0 + 2_030), np.zeros(30)))
    filled.store.compact(force=True)
    clock.advance(1_000)
    filled.store.tend()
    assert verify(tmp_path / "backup").readings == 102
    assert filled.sql("SELECT count(*) FROM readings") == [(132,)]


def test_a_changed_or_missing_file_is_named(filled: Any, tmp_path: Path) -> None:
    filled.store.backup(tmp_path / "backup")
    (cold, *_) = sorted((tmp_path / "backup" / "cold").rglob("*.parquet"))
    data = cold.read_bytes()
    cold.unlink()  # a hard link: the store's own file must not change
    with pytest.raises(InputError, match="missing or was changed") as missing:
        restore(tmp_path / "backup", tmp_path / "again")
    assert missing.value.file == str(cold)
    cold.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match="missing or was changed"):
        verify(tmp_path / "backup")
    assert not (tmp_path / "again").exists()


def test_a_half_made_backup_and_a_list_that_leads_elsewhere_are_refused(filled: Any, tmp_path: Path) -> None:
    filled.store.backup(tmp_path / "backup")
    listing = tmp_path / "backup" / "backup.json"
    content = json.loads(listing.read_text())
    content["files"][0]["file"] = "../data/twin.duckdb"
    listing.write_text(json.dumps(content))
    with pytest.raises(InputError, match="leads out"):
        verify(tmp_path / "backup")
    listing.unlink()
    with pytest.raises(InputError, match="no complete backup"):
        verify(tmp_path / "backup")


def test_nothing_is_overwritten(filled: Any, tmp_path: Path) -> None:
    filled.store.backup(tmp_path / "backup")
    with pytest.raises(InputError, match="not empty"):
        filled.store.backup(tmp_path / "backup")
    with pytest.raises(UserError, match="not empty"):
        restore(tmp_path / "backup", filled.store.data_dir)
