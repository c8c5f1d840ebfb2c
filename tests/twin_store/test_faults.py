"""Kills, full disks, broken logs, second twins: nothing that was acknowledged is lost, nothing counts twice."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from twin import ledger
from twin.absorb import Batch
from twin.database import Database, StoreLockedError, build, migrations
from twin.store import Store
from twin.writer import StoreUnavailableError
from wire.errors import UserError
from wire.mqtt import LinkConfig

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def _namespace() -> list[str]:
    """How to mount a small disk of our own here."""
    for command in (["unshare", "-m"], ["unshare", "-Urm"]):
        probe = [*command, "mount", "-t", "tmpfs", "none", "/mnt"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return command
    return []


@pytest.mark.parametrize(("threshold", "where"), [("1GB", "write-ahead log"), ("2MB", "checkpoint")])
def test_a_full_disk_stops_acknowledgements_and_the_twin_resumes_by_itself_with_nothing_lost(
    tmp_path: Path, broker: LinkConfig, threshold: str, where: str
) -> None:
    if not (namespace := _namespace()):
        assert not os.environ.get("CI"), "CI must be able to mount a tmpfs"
        pytest.skip("no right to mount a small disk here")
    disk = tmp_path / "disk"
    disk.mkdir()
    child = f'mount -t tmpfs -o size=28m none "$1" && exec "{sys.executable}" "{HERE}/full_disk_child.py" "$@"'
    command = [*namespace, "sh", "-c", child, "sh", str(disk), str(broker.port), threshold]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["degraded"], where
    assert found["still_degraded"]
    assert found["recovered"]
    assert found["stored"] == found["distinct"] == found["sent"]


def test_a_twin_killed_at_any_moment_has_exactly_the_rows_that_its_ranges_count(tmp_path: Path) -> None:
    rng = random.Random(5)
    seq, environment = 2, {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(6):
        command = [sys.executable, str(HERE / "killed_child.py"), str(tmp_path / "data"), str(seq)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout is not None
        last = int(child.stdout.readline())
        killer = threading.Timer(rng.uniform(0.05, 1.0), child.kill)
        killer.start()
        last = max([last, *(int(line) for line in child.stdout if line.endswith("\n"))])
        child.wait()
        with Store.open(tmp_path / "data", site="lab") as store, store.cursor() as cursor:
            spans, known = ledger.load(cursor, "lab")
            committed = sum(hi - lo + 1 for *_, lo, hi in spans) - 1
            row = cursor.execute(
                "SELECT count(*), count(DISTINCT value), min(value), max(value) FROM readings"
            ).fetchone()
            assert row == (committed * 500, committed * 500, 1_000.0, (committed + 2) * 500 - 1.0)
            assert len(known) == 1
            seq = committed + 2
            assert seq > last, "what was acknowledged is there"


def test_a_second_twin_on_the_same_data_is_refused_and_told_why(store: Store) -> None:
    with pytest.raises(StoreLockedError) as refused:
        Store.open(store.data_dir, site="lab").__enter__()
    assert str(os.getpid()) in refused.value.problem
    assert refused.value.fix
    assert store.counts()["readings"] == 0


def test_a_second_process_is_refused_too(store: Store) -> None:
    code = f"from twin.store import Store; Store.open({str(store.data_dir)!r}, site='lab').__enter__()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert "another twin" in done.stderr


def test_a_log_that_cannot_be_replayed_is_put_aside_and_named(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        database.connection.execute("INSERT INTO meta VALUES ('a', 'b')")
        database.connection.execute("CHECKPOINT")
        database.connection.execute("INSERT INTO meta SELECT 'c', repeat('d', 1000) FROM range(50)")
        shutil.copytree(tmp_path, tmp_path / "killed")
    wal = tmp_path / "killed" / "twin.duckdb.wal"
    data = bytearray(wal.read_bytes())
    data[len(data) // 2] ^= 0xFF
    wal.write_bytes(data)
    with Database(tmp_path / "killed") as database:
        assert database.broken_wal is not None
        assert database.broken_wal.read_bytes() == data
        assert database.connection.execute("SELECT value FROM meta WHERE key = 'a'").fetchall() == [("b",)]


def test_a_database_is_whole_before_it_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "twin.new").write_bytes(b"half of an earlier attempt")
    with Database(tmp_path) as database:
        assert database.connection.execute("SELECT count(*) FROM readings_warm").fetchall() == [(0,)]
    assert not (tmp_path / "twin.new").exists()


def test_every_schema_since_the_first_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = migrations()
    assert [number for number, _ in steps] == list(range(1, len(steps) + 1))
    build(tmp_path / "newest.duckdb")
    for count in range(1, len(steps)):
        folder = tmp_path / f"schema{count}"
        folder.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr("twin.database.migrations", lambda count=count: steps[:count])
            build(folder / "twin.duckdb")
        with duckdb.connect(str(folder / "twin.duckdb")) as old:
            old.execute("INSERT INTO committed VALUES ('lab', 'gw', 'e', 1, 7)")
            old.execute("INSERT INTO readings_warm VALUES (1, now(), 2.5, 0, now())")
        with Store.open(folder, site="lab") as store, store.cursor() as cursor:
            assert ledger.load(cursor, "lab")[0] == [("gw", b"e", 1, 7)]
            assert cursor.execute("SELECT value FROM readings").fetchall() == [(2.5,)]
            tables = cursor.execute("SELECT table_name, column_name, data_type FROM duckdb_columns() ORDER BY ALL")
            with duckdb.connect(str(tmp_path / "newest.duckdb"), read_only=True) as newest:
                columns = "SELECT table_name, column_name, data_type FROM duckdb_columns() ORDER BY ALL"
                wanted = {row for row in newest.execute(columns).fetchall() if row[0] not in ("readings", "states")}
            assert wanted <= set(tables.fetchall())


def test_the_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    with Database(tmp_path) as database:
        database.connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema'")
    with pytest.raises(UserError, match="schema 999 is newer") as refused:
        Database(tmp_path).__enter__()
    assert refused.value.fix


def test_work_that_fails_is_rolled_back_and_the_next_goes_on(store: Store) -> None:
    def fails(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("INSERT INTO meta VALUES ('x', 'y')")
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        store.writer.run(fails)
    assert store.writer.degraded is None
    rows = store.writer.run(lambda connection: connection.execute("FROM meta WHERE key = 'x'").fetchall())
    assert rows == []


def test_a_dead_instance_is_opened_anew_and_its_mirrors_are_told(bench: Any, agent: Any) -> None:
    told: list[float] = []
    bench.store.writer.on_doubt.append(lambda: told.append(time.monotonic()))
    bench.take([agent.catalogue(agent.points(1)), *agent.readings([0], [5], [1.0])])

    def dies(connection: duckdb.DuckDBPyConnection) -> None:
        connection.close()
        raise duckdb.FatalException("planted")

    with pytest.raises(StoreUnavailableError):
        bench.store.writer.run(dies)
    assert bench.store.writer.degraded
    assert bench.store.writer.reopened == 1
    assert len(told) == 1
    bench.reread()
    bench.take(agent.readings([0], [6], [2.0]))
    assert bench.store.writer.degraded is None
    assert bench.sql("SELECT count(*) FROM readings") == [(2,)]


def test_what_was_durable_although_the_instance_died_is_in_the_live_values_too(bench: Any, agent: Any) -> None:
    bench.take([agent.catalogue(agent.points(1))])
    (record,) = agent.readings([0], [5], [1.0])

    def dies_after_the_commit(connection: duckdb.DuckDBPyConnection) -> None:
        bench.absorber.absorb(connection, Batch(["gw1"], [record], recv_us=7))
        connection.execute("COMMIT")
        connection.close()
        raise duckdb.FatalException("planted")

    with pytest.raises(StoreUnavailableError):
        bench.store.writer.run(dies_after_the_commit)
    assert bench.store.state.snapshot().value.tolist() == [1.0]
    bench.reread()
    bench.take([record])
    assert bench.sql("SELECT count(*) FROM readings") == [(1,)]
