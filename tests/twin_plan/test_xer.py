"""Real P6 and MS Project files through a twin, against the files' own columns."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.twin_plan.conftest import Running

_FILES = [
    "mpxj_PredecessorCalendar.xer",
    "mpxj_percent-complete-8.4.xer",
    "mpxj_task-links-project2019-mspdi.xml",
    "mpxj_assignment-assignments-project2019-mspdi.xml",
]
_NS = {"p": "http://schemas.microsoft.com/project"}


def _rows(path: Path) -> dict[str, tuple[str, str]]:
    """Id of each task of work -> planned start and finish in UTC, as the file writes them for a Slovak site."""
    if path.suffix == ".xml":
        tasks = ET.parse(path).getroot().iterfind("p:Tasks/p:Task", _NS)
        rows = [[str(task.findtext(f"p:{name}", "", _NS)) for name in ("UID", "Start", "Finish")] for task in tasks]
        return {uid: (_utc(start), _utc(finish)) for uid, start, finish in rows if start}
    table, names, found = "", list[str](), {}
    for line in path.read_text("cp1252").splitlines():
        head, *cells = line.split("\t")
        if head == "%T":
            table = cells[0]
        elif head == "%F":
            names = cells
        elif head == "%R" and table == "TASK":
            row = dict(zip(names, cells, strict=False))
            found[row["task_id"]] = (_utc(row["target_start_date"]), _utc(row["target_end_date"]))
    return found


def _utc(text: str) -> str:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Bratislava"))
    return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("name", _FILES)
def test_planned_dates_are_those_of_the_file(house: Running, shared_data: Path, name: str) -> None:
    path = shared_data / "bim" / "schedules" / name
    house.schedule(path.read_bytes(), name)
    page = house.get("/schedule", limit=500)
    found = {item["id"]: (item["planned_start"], item["planned_finish"]) for item in page["items"]}
    expected = _rows(path)
    assert page["schedule"]["tasks"] == len(found) == page["total"]
    assert {task: dates for task, dates in found.items() if task in expected} == expected
    assert page["schedule"]["format"] == ("xer" if path.suffix == ".xer" else "mspdi")
    assert page["schedule"]["file"] == name


def test_what_a_p6_file_reports_is_actual_and_what_it_does_not_is_open(house: Running, shared_data: Path) -> None:
    """Status of each task by the letters that P6 writes, on the day of its data date."""
    path = shared_data / "bim" / "schedules" / "mpxj_percent-complete-8.4.xer"
    house.schedule(path.read_bytes(), path.name)
    names, status = list[str](), {}
    for line in path.read_text("cp1252").splitlines():
        head, *cells = line.split("\t")
        if head == "%F" and "status_code" in cells and "task_code" in cells:
            names = cells
        elif head == "%R" and names and len(cells) >= len(names) - 2:
            row = dict(zip(names, cells, strict=False))
            if row.get("status_code", "").startswith("TK_"):
                status[row["task_id"]] = row["status_code"]
    page = house.get("/schedule", at="2026-01-01T00:00:00Z")
    words = {"TK_NotStart": "not_started", "TK_Active": "in_progress", "TK_Complete": "finished"}
    assert {item["id"]: item["actual"] for item in page["items"]} == {task: words[one] for task, one in status.items()}
    assert page["schedule"]["data_date"] is not None
    late = {one["task"] for one in page["late"]}
    assert late >= {task for task, one in status.items() if one != "TK_Complete"}
