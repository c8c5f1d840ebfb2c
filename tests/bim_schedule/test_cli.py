"""`aid4 bim schedule` and `aid4 bim state` as a person and as a program use them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bim.cli import bim
from wire.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def aid4(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aid4", "bim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_schedule_prints_one_document(bim_data, tmp_path):
    plan = bim_data / "schependomlaan" / "planning_msproject.xml"
    done = aid4("schedule", plan, "--json", "--out", tmp_path / "tables")
    known = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (known["tasks"], known["links"], known["lags"], known["calendars"]) == (157, 48, 1, 4)
    assert (known["start"], known["finish"]) == ("2015-02-19T08:00:00", "2015-12-17T16:00:00")
    assert known["project"]["start"] == "2015-02-18T08:00:00"
    assert len(known["items"]) == 157
    assert known["network"]["agreement_ratio"] > 0.98
    assert (tmp_path / "tables" / "tasks.arrow").exists()


def test_schedule_reads_for_people_too(bim_data):
    done = aid4("schedule", bim_data / "schedules" / "mpxj_task-links-project2019-mspdi.xml")
    assert "tasks: 17" in done.stdout
    assert "agreement_ratio" in done.stdout


def test_schedule_tells_what_changed_since_a_revision(tmp_path):
    old, new = tmp_path / "june.csv", tmp_path / "july.csv"
    old.write_text("id,start,finish\nA,2026-06-01,2026-06-05\n")
    new.write_text("id,start,finish\nA,2026-06-01,2026-06-09\nB,2026-06-10,2026-06-12\n")
    known = json.loads(aid4("schedule", new, "--against", old, "--json").stdout)
    assert known["changes"]["added"] == ["B"]
    assert [one["shift_days"] for one in known["changes"]["changed"] if one["field"] == "planned_finish"] == [4.0]
    assert "changes: 1 added, 0 removed" in aid4("schedule", new, "--against", old).stdout


def test_state_gives_every_element_that_a_task_decides_and_lists_the_others(bim_data):
    folder = bim_data / "schependomlaan"
    links = folder / "element_tasks.csv"
    done = aid4("state", "--ifc", folder / "design.ifc", "--links", links, "--at", "2015-06-26", "--json")
    known = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    own = {row["GlobalId"] for row in csv.DictReader(links.open(encoding="utf-8")) if row["task_id"] != "ST01260"}
    assert {one["id"] for one in known["elements"]} == own
    assert {one["state"] for one in known["elements"]} == {"not_started", "in_progress", "finished"}
    assert known["umbrellas"] == ["ST01260"]
    assert known["decided"] + len(known["undecided"]) == known["total"]
    assert {one["reason"] for one in known["undecided"]} == {"only_umbrella", "no_task"}
    assert known["links_to_unknown_elements"] == []


def test_state_takes_the_plan_that_the_model_itself_holds(bim_data):
    model = bim_data / "ifc" / "construction_scheduling_task_ifc4.ifc"
    known = json.loads(aid4("state", "--ifc", model, "--at", "2010-09-22T12:00", "--json").stdout)
    assert known["by_how"] == {"ifc": 6}
    assert sorted(one["state"] for one in known["elements"]) == ["finished"] * 2 + ["in_progress"] + ["not_started"] * 2


def test_state_by_rules_names_what_no_rule_reaches(bim_data, tmp_path):
    rules, plan = tmp_path / "rules.toml", tmp_path / "plan.csv"
    rules.write_text('[[task_link]]\ntask = { name = "walls" }\nelement = { type = "IfcWall*" }\n')
    plan.write_text("id,name,start,finish\nT1,Walls,2026-03-02,2026-03-06\n")
    model = bim_data / "ifc" / "construction_scheduling_task_ifc4.ifc"
    done = aid4("state", "--ifc", model, "--schedule", plan, "--rules", rules, "--at", "2026-03-04")
    assert done.returncode == 0
    assert "4 of 5 elements have a task" in done.stdout
    assert "4 in_progress" in done.stdout
    assert "IfcSlab" in done.stderr
    assert "no_task" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("schedule", "nowhere.xer"),
        ("schedule", "README.md"),
        ("schedule", "{plan}", "--baseline", "3"),
        ("schedule", "{plan}", "--at", "someday"),
        ("schedule", "{plan}", "--time-zone", "Mars/Olympus"),
        ("state", "--ifc", "{model}", "--links", "nowhere.csv"),
        ("state", "--ifc", "nowhere.ifc", "--links", "{links}"),
        ("state", "--ifc", "{model}", "--schedule", "{plan}"),
        ("state", "--ifc", "{model}", "--schedule", "{plan}", "--links", "{links}"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_fix(bim_data, arguments):
    places = {
        "plan": bim_data / "schependomlaan" / "planning_msproject.xml",
        "links": bim_data / "schependomlaan" / "element_tasks.csv",
        "model": bim_data / "ifc" / "construction_scheduling_task_ifc4.ifc",
    }
    with pytest.raises(UserError) as refusal:
        bim.main([one.format(**places) for one in arguments], standalone_mode=False)
    assert refusal.value.fix


def test_a_refusal_exits_with_2_and_prints_the_fix(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("id,start\nA,2026-02-30\n")
    done = aid4("schedule", path)
    assert done.returncode == 2
    assert "line 2, start" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr
