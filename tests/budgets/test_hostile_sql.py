"""`aid4 bench sql`, short: users' worst SQL is refused or stopped, and every reading is committed meanwhile."""

import json

from click.testing import CliRunner

from aid4.bench import bench


def test_while_users_send_hostile_sql_every_record_is_committed() -> None:
    done = CliRunner().invoke(bench, ["sql", "--seconds", "6", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == {
        "p50_ms_quiet", "p50_ms_hostile", "p99_ms_quiet", "p99_ms_hostile", "ratio", "queries", "answered", "refused",
        "interrupted",
    }  # fmt: skip
    assert found["queries"] == found["answered"] + found["refused"] + found["interrupted"]
    assert found["refused"] > 0
    assert found["interrupted"] > 0
    assert 0 < found["p50_ms_quiet"] <= found["p99_ms_quiet"]
    assert found["p99_ms_hostile"] < 2_000
