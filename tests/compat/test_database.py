"""The twin's database: one of the first schema is opened by today's program and goes on; a newer one is refused."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from aid4.cli import cli
from twin.backup import LIST, restore
from twin.database import FILE, migrations
from wire.errors import InputError, UserError
from wire.messages import EpochSpan, Hello


@pytest.fixture
def first(golden: Path, tmp_path: Path) -> Path:
    """A data directory of schema 1, with warm and cold rows."""
    folder = tmp_path / "data"
    folder.mkdir()
    with duckdb.connect(str(folder / FILE)) as connection:
        for name in ("schema.sql", "rows.sql"):
            connection.execute((golden / "database-1" / name).read_text())
    shutil.copytree(golden / "database-1" / "cold", folder / "cold")
    return folder


def schema_of(folder: Path) -> str:
    with duckdb.connect(str(folder / FILE)) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    assert row is not None
    return str(row[0])


def test_a_published_migration_never_changes(golden: Path) -> None:
    assert migrations()[0] == (1, (golden / "database-1" / "schema.sql").read_text())
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_database_of_the_first_schema_keeps_its_rows_ranges_and_state(
    first: Path, expected: Any, opened: Any
) -> None:
    with opened(first) as bench:
        early = [row for row in expected["readings"] if row[1] < 1_750_000_005_000_000]
        assert bench.readings() == early
        states = bench.sql("SELECT device || '/' || metric, epoch_us(ts), value FROM states JOIN points ON id = point")
        assert sorted(map(list, states)) == expected["states"]
        assert bench.store.missing == []
        epoch = bytes.fromhex(expected["epoch"])
        assert bench.ranges(epoch) == [(1, 7)]
        assert bench.ranges(bytes.fromhex(expected["gap"]["epoch"])) == [(40, 44)]
        live = {point.key: point.id for point in bench.store.points.all()}
        table = bench.store.state.snapshot()
        values = dict(zip(table.point.tolist(), table.value.tolist(), strict=True))
        assert values[live["gw-1/ahu-1/setpoint"]] == 23.0
        assert values[live["gw-1/ahu-1/supply_temperature"]] == 21.123456789
        assert [row[:3] for row in bench.sql("SELECT point, element, how FROM bindings")] == [
            (4, "2O2Fr$t4X7Zf8NOew3FNr2", "config")
        ]
        assert bench.sql('SELECT "by", what FROM audit') == [("anna", "changes.activate")]


def test_after_the_upgrade_what_was_committed_is_not_stored_again_and_what_was_missing_is(
    first: Path, expected: Any, opened: Any, records: dict[int, bytes]
) -> None:
    hello = Hello(78, [EpochSpan(expected["epoch"], 1, 8, [1])], 1, "aid4 0.1.0")
    with opened(first) as bench:
        before = bench.readings()
        outcome = bench.take([records[seq] for seq in sorted(records)], hello)
        assert (outcome.intake.counts["new"], outcome.intake.counts["duplicate"]) == (1, 7)
        late = [row for row in expected["readings"] if row[1] == 1_750_000_006_000_000]
        assert bench.readings() == sorted([*before, *late], key=lambda row: (row[1], row[0]))
        assert bench.ranges(bytes.fromhex(expected["epoch"])) == [(1, 8)]


def test_opening_again_changes_nothing(first: Path, opened: Any) -> None:
    seen = []
    for _ in range(3):
        with opened(first) as bench:
            counts = bench.store.counts()
            tables = bench.sql("SELECT table_name, sql FROM duckdb_tables() ORDER BY 1")
            seen.append((counts, tables, bench.readings(), bench.sql("FROM committed ORDER BY ALL")))
        assert schema_of(first) == str(migrations()[-1][0])
    assert seen[0] == seen[1] == seen[2]


def test_the_first_schema_migrated_is_the_schema_made_new(first: Path, opened: Any, tmp_path: Path) -> None:
    columns = "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() ORDER BY ALL"
    with opened(first) as old, opened(tmp_path / "new") as new:
        assert old.sql(columns) == new.sql(columns)


def test_a_database_of_a_newer_schema_is_refused_and_left_alone(first: Path, opened: Any) -> None:
    with duckdb.connect(str(first / FILE)) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema'")
        connection.execute("CREATE TABLE of_the_future (x INTEGER)")
    known = migrations()[-1][0]
    with pytest.raises(UserError, match=f"schema 999 is newer than this program's {known}") as raised, opened(first):
        pass
    assert "or a newer one" in raised.value.fix
    with duckdb.connect(str(first / FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM readings_warm").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM of_the_future").fetchone() == (0,)
    assert schema_of(first) == "999"
    answer = CliRunner().invoke(cli, ["twin", "compact", "--data-dir", str(first)])
    assert answer.exit_code == 2
    assert "schema 999 is newer" in answer.output


def test_a_backup_of_a_newer_format_is_refused(first: Path, opened: Any, tmp_path: Path) -> None:
    with opened(first) as bench:
        bench.store.backup(tmp_path / "backup")
    listed = tmp_path / "backup" / LIST
    listed.write_text(listed.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(InputError, match="format 2 is newer than this program's 1"):
        restore(tmp_path / "backup", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
