"""Every real schedule against counts and dates taken from its text by the plainest means."""

import csv
import re
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bim.schedule.agreement import compare
from bim.schedule.passes import compute
from bim.schedule.work_calendar import Calendars, seconds

XERS = (
    "mpxj_PredecessorCalendar", "mpxj_ProjectDefaultCalendar", "mpxj_SuccessorCalendar", "mpxj_TwentyFourHourCalendar",
    "mpxj_percent-complete-8.4",
)  # fmt: skip
MSPDIS = (
    "schedules/mpxj_assignment-assignments-project2019-mspdi.xml",
    "schedules/mpxj_task-durations-project2019-mspdi.xml",
    "schedules/mpxj_task-links-project2019-mspdi.xml",
    "schependomlaan/planning_msproject.xml",
)
XER_DATES = {
    "planned_start": "target_start_date", "planned_finish": "target_end_date", "actual_start": "act_start_date",
    "actual_finish": "act_end_date", "early_start": "early_start_date", "late_finish": "late_end_date",
}  # fmt: skip
NS = "{http://schemas.microsoft.com/project}"


def plain_xer(path: Path) -> dict[str, list[dict[str, str]]]:
    tables: dict[str, list[dict[str, str]]] = {}
    for line in path.read_text("latin-1").splitlines():
        mark, *cells = line.split("\t")
        if mark == "%T":
            rows = tables.setdefault(cells[0], [])
        elif mark == "%F":
            fields = cells
        elif mark == "%R":
            rows.append(dict(zip(fields, cells, strict=False)))
    return tables


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.mark.parametrize("name", XERS)
def test_an_xer_gives_what_its_text_holds(bim_data, read, name):
    path = bim_data / "schedules" / f"{name}.xer"
    plain, schedule = plain_xer(path), read(path)
    tasks = schedule.tasks.to_pylist()
    assert len(tasks) == len(plain["TASK"]) > 0
    assert schedule.links.num_rows == len(plain.get("TASKPRED", []))
    assert schedule["calendars"].num_rows == len(plain["CALENDAR"])
    assert schedule["wbs"].num_rows == len(plain["PROJWBS"])
    for row, raw in zip(tasks, plain["TASK"], strict=True):
        assert (row["code"], row["name"]) == (raw["task_code"], raw["task_name"])
        assert {key: row[key] for key in XER_DATES} == {key: moment(raw[name]) for key, name in XER_DATES.items()}
        assert (row["duration_h"], row["remaining_h"]) == (
            float(raw["target_drtn_hr_cnt"]),
            float(raw["remain_drtn_hr_cnt"]),
        )
    exceptions = [row for row in schedule["work_times"].to_pylist() if row["first"] is not None]
    assert len(exceptions) == plain["CALENDAR"][0]["clndr_data"].count("(d|")


def test_the_lag_calendar_of_each_xer_is_the_one_in_its_name(bim_data, read):
    rules = [read(bim_data / "schedules" / f"{name}.xer").about.lag_calendar for name in XERS[:4]]
    assert rules == ["predecessor", "project", "successor", "24h"]


def test_percent_complete_is_what_the_activity_is_measured_by(bim_data, read):
    tasks = read(bim_data / "schedules" / "mpxj_percent-complete-8.4.xer").tasks.to_pylist()
    for row in tasks:
        kind, stated = row["name"].rstrip("%").split(" ")
        assert (row["percent_kind"], row["percent"]) == (kind.lower(), float(stated)), row["name"]


def test_names_in_windows_code_pages_are_read_and_the_guess_is_told(bim_data, read):
    about = read(bim_data / "schedules" / "mpxj_percent-complete-8.4.xer").about
    assert about.encoding == "cp1252"
    assert any("cp1252" in line for line in about.warnings)


@pytest.mark.parametrize("name", MSPDIS)
def test_an_mspdi_gives_what_its_text_holds(bim_data, read, name):
    path = bim_data / name
    root, schedule = ET.parse(path).getroot(), read(path)
    nodes = root.findall(f"{NS}Tasks/{NS}Task")
    tasks = schedule.tasks.to_pylist()
    assert len(tasks) == len(nodes) == len(re.findall(r"<Task>", path.read_text("utf-8")))
    assert schedule.links.num_rows == len(root.findall(f".//{NS}PredecessorLink"))
    assert schedule["calendars"].num_rows == len(root.findall(f"{NS}Calendars/{NS}Calendar"))
    assert schedule["assignments"].num_rows == len(root.findall(f"{NS}Assignments/{NS}Assignment"))
    for row, node in zip(tasks, nodes, strict=True):
        for key, tag in (("planned_start", "Start"), ("planned_finish", "Finish"), ("actual_start", "ActualStart")):
            assert row[key] == moment(node.findtext(NS + tag)), (row["id"], tag)
        assert row["duration_h"] == float(re.findall(r"PT(\d+)H0M0S", node.findtext(f"{NS}Duration") or "")[0])
    lags = [float(node.text or 0) for node in root.iter(f"{NS}LinkLag")]
    assert sorted(schedule.links["lag_h"].to_pylist()) == sorted(lag / 600 for lag in lags)


def test_the_real_plan_has_157_tasks_48_links_4_calendars(bim_data, read):
    counts = read(bim_data / "schependomlaan" / "planning_msproject.xml").counts()
    assert (counts["tasks"], counts["links"], counts["calendars"]) == (157, 48, 4)


def test_the_real_plans_durations_follow_from_its_calendars(bim_data, read):
    """Holidays and all: the work between start and finish is the duration that the file states, task by task."""
    schedule = read(bim_data / "schependomlaan" / "planning_msproject.xml")
    tasks = schedule.tasks.to_pylist()
    first, last = (extreme(row["planned_start"] for row in tasks).date() for extreme in (min, max))
    calendars = Calendars(schedule, first, last + timedelta(days=100))
    for row in tasks:
        work = calendars.of(row["calendar"]).between(seconds(row["planned_start"]), seconds(row["planned_finish"]))
        assert work / 3600 == row["duration_h"], row["name"]


def test_the_passes_agree_with_the_real_plan_where_its_dates_follow_from_its_links(bim_data, read):
    """Three tasks hang on start-start links whose lags the export lost; all others come out as the file has them."""
    schedule = read(bim_data / "schependomlaan" / "planning_msproject.xml")
    found = compare(schedule, compute(schedule))
    assert found.against == "planned"
    assert found.compared == {"early_start": 157, "early_finish": 157}
    assert {one.task for one in found.differences} == {"148", "150", "152"}


@pytest.mark.parametrize("name", MSPDIS[:2])
def test_early_late_and_float_of_microsofts_own_files_are_reproduced(bim_data, read, name):
    schedule = read(bim_data / name)
    found = compare(schedule, compute(schedule))
    assert found.against == "early_late"
    assert found.differences == []
    assert sum(found.compared.values()) > 10


def test_links_of_all_four_types_with_lags_give_microsofts_early_dates(bim_data, read):
    """Microsoft gives a task that drives another only by its start the project's end as late finish; we do not."""
    schedule = read(bim_data / MSPDIS[2])
    assert sorted(schedule.links["type"].to_pylist()) == ["FF", "FS", "FS", "FS", "FS", "FS", "SF", "SS"]
    found = compare(schedule, compute(schedule))
    assert found.equal["early_start"] == found.compared["early_start"] == 16
    assert found.equal["early_finish"] == 16
    assert {one.task for one in found.differences} == {"11", "13"}
    assert found.equal["total_float_h"] == 14


def test_the_ifc_schedule_gives_tasks_links_and_the_elements_they_make(bim_data, read):
    path = bim_data / "ifc" / "construction_scheduling_task_ifc4.ifc"
    text, schedule = path.read_text("latin-1"), read(path)
    assert schedule.tasks.num_rows == len(re.findall(r"= IFCTASK\(", text)) == 8
    assert schedule.links.num_rows == len(re.findall(r"= IFCRELSEQUENCE\(", text)) == 7
    assert schedule["element_tasks"].num_rows == len(re.findall(r"= IFCRELASSIGNSTOPRODUCT\(", text)) == 6
    found = compare(schedule, compute(schedule))
    assert {one.field for one in found.differences} == {"total_float_h"}  # one task states 1 h on the critical path
    assert found.equal["early_start"] == found.equal["late_finish"] == 5
    by_name = {row["name"]: row for row in schedule.tasks.to_pylist()}
    assert by_name["Wall #2"]["parent"] == by_name["Wall (Standard)"]["id"]
    assert by_name["Ground Level"]["kind"] == "summary"


@pytest.mark.parametrize("name", ["element_tasks.csv", "eventlog_as_planned.csv"])
def test_a_plan_per_element_gives_its_tasks_once(bim_data, read, name):
    path = bim_data / "schependomlaan" / name
    rows = list(csv.DictReader(path.open(encoding="utf-8-sig")))
    task = "task_id" if "task_id" in rows[0] else "Task"
    schedule = read(path)
    assert schedule.tasks.num_rows == len({row[task] for row in rows}) == 73
    assert schedule["element_tasks"].num_rows == len(rows)
