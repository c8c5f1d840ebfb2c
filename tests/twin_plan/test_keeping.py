"""The plan outlives restarts, backups and moves to another twin, with all that was known before."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.twin_plan.conftest import SLAB, WALLS, Running, csv_plan
from twin.backup import backup, restore
from twin.store import Store
from twin.transfer import export_to, import_from

_FIRST = csv_plan(f"A,Slab,2026-06-01,2026-06-05,,,,,{SLAB}")
_LATER = csv_plan(f"A,Slab,2026-07-01,2026-07-05,,,,,{SLAB}")
_AT = "2026-06-10T10:00:00Z"
_SITE = {"time_zone": "Europe/Bratislava"}


def _fill(twin: Running) -> dict[str, str]:
    """Two revisions, a link and a report of people; the moments between."""
    twin.schedule(_FIRST)
    moments = {"first": twin.now()}
    twin.schedule(_LATER)
    moments["later"] = twin.now()
    twin.change("links", {"set": [{"task": "A", "element": WALLS[0]}]})
    twin.change("actuals", {"set": [{"task": "A", "start": "2026-06-02", "finish": "2026-06-04"}]})
    return moments


def _check(twin: Running, moments: dict[str, str]) -> None:
    """All is known, and since when."""
    assert twin.states(_AT, known_at=moments["first"])[SLAB]["planned"] == "finished"
    assert twin.states(_AT, known_at=moments["later"])[SLAB]["planned"] == "not_started"
    now = twin.states(_AT)
    assert now[SLAB] == {"planned": "not_started", "actual": "finished", "forecast": "finished"}
    assert now[WALLS[0]] == now[SLAB]
    assert twin.states(_AT, known_at=moments["later"])[WALLS[0]]["planned"] == "unknown"


@pytest.fixture
def site(small_ifc: Path, tmp_path: Path) -> dict[str, Any]:
    return _SITE | {"model": {"file": str(small_ifc)}, "schedule": {"file": "none.csv"}, "folder": str(tmp_path)}


def test_a_restart_knows_all_that_was_known(twin_at: Any, tmp_path: Path, site: dict[str, Any]) -> None:
    with twin_at(tmp_path / "data", site) as twin:
        moments = _fill(twin)
        changes = twin.get("/changes")["total"]
    with twin_at(tmp_path / "data", site) as twin:
        _check(twin, moments)
        assert twin.get("/changes")["total"] == changes  # nothing was taken in again


def test_a_plan_of_people_outlives_a_restart_until_the_sites_file_changes(
    twin_at: Any, tmp_path: Path, site: dict[str, Any]
) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_bytes(_FIRST)
    site = site | {"schedule": {"file": "plan.csv"}}
    with twin_at(tmp_path / "data", site) as twin:
        twin.schedule(_LATER)
    with twin_at(tmp_path / "data", site) as twin:
        assert twin.get("/schedule")["items"][0]["planned_start"] == "2026-06-30T22:00:00Z"
    plan.write_bytes(_FIRST.replace(b"Slab", b"Slabs"))
    with twin_at(tmp_path / "data", site) as twin:
        [task] = twin.get("/schedule")["items"]
        assert (task["name"], task["planned_start"]) == ("Slabs", "2026-05-31T22:00:00Z")


def test_a_restored_backup_knows_the_plan(twin_at: Any, tmp_path: Path, site: dict[str, Any]) -> None:
    with twin_at(tmp_path / "data", site) as twin:
        moments = _fill(twin)
        backup(twin.twin.store, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")
    with twin_at(tmp_path / "again", site) as twin:
        _check(twin, moments)


def test_an_export_carries_the_plan_into_another_twin(twin_at: Any, tmp_path: Path, site: dict[str, Any]) -> None:
    with twin_at(tmp_path / "data", site) as twin:
        moments = _fill(twin)
        made = export_to(twin.twin.store, tmp_path / "export")
    assert (made.rows["tasks"], made.rows["element_tasks"], made.rows["schedules"]) == (1, 2, 2)
    [row] = pq.read_table(tmp_path / "export" / "tasks.parquet").to_pylist()
    assert row["planned_start"].isoformat() == "2026-06-30T22:00:00+00:00"
    with Store.open(tmp_path / "other", site="lab") as store:
        assert import_from(store, tmp_path / "export")["schedules"] == 2
        assert import_from(store, tmp_path / "export")["schedules"] == 0  # it has one now
    with twin_at(tmp_path / "other", site) as twin:
        _check(twin, moments)
