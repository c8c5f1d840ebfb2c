"""Broken and hostile files: refused with the reason, the plan that was live stays live, the twin answers on."""

import os
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bim.schedule.build import Draft, build
from bim.schedule.child import Options
from bim.schedule.errors import ScheduleError
from bim.schedule.limits import ReaderLimits, ScheduleLimits
from bim.schedule.link_csv import read_links
from bim.schedule.open import open_schedule
from bim.schedule.passes import DATES
from bim.schedule.reports import REPORTS, with_reports
from bim.schedule.rows import Calendar, Task
from bim.schedule.tables import About
from tests.twin_plan.conftest import SLAB, Running, csv_plan

_BOMB = b"""<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><Project xmlns="http://schemas.microsoft.com/project"><Name>&c;</Name></Project>"""
_OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<Project xmlns="http://schemas.microsoft.com/project"><Name>&x;</Name></Project>"""
_PLAN = csv_plan(f"A,Slab,2026-06-01,2026-06-05,,,,,{SLAB}")


def _mutants(data: bytes, seed: int, count: int) -> list[bytes]:
    """Cut, doubled, overwritten and shuffled copies."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(copy))
            kind = dice.randrange(4)
            if kind == 0:
                copy[at] = dice.randrange(256)
            elif kind == 1:
                del copy[at : at + dice.randrange(1, 200)]
            elif kind == 2:
                copy[at:at] = copy[at : at + dice.randrange(1, 400)]
            else:
                copy = copy[: max(1, at)]
            if not copy:
                copy = bytearray(b"x")
        found.append(bytes(copy))
    return found


def test_hostile_files_leave_the_live_plan_alone_and_the_twin_answering(house: Running, shared_data: Path) -> None:
    house.schedule(_PLAN)
    live = house.get("/schedule")["schedule"]
    schedules = shared_data / "bim" / "schedules"
    samples = [schedules / "mpxj_percent-complete-8.4.xer", schedules / "mpxj_task-links-project2019-mspdi.xml"]
    bad = [_BOMB, _OUTSIDE, b"", b"\x00" * 5_000, b"ERMHDR\t", b"<Project", b"id,start\n" * 3]
    bad += [mutant for sample in samples for mutant in _mutants(sample.read_bytes(), 7, 5)]
    answers = []
    for number, data in enumerate(bad):
        name = f"bad{number}.{'xer' if data.startswith(b'ERMHDR') else 'xml'}"
        sent = house.client.post("/changes", json={"kind": "schedule", "body": {"upload": house.upload(name, data)}})
        answers.append(sent.status_code)
        if sent.status_code != 201:
            assert sent.status_code == 400, sent.text
            assert sent.json()["fix"], sent.text
        assert house.get("/schedule")["schedule"] == live
    assert answers[:7] == [400] * 7


def test_a_refused_site_file_is_told_and_the_plan_of_before_lives_on(
    twin_at: Any, tmp_path: Path, small_ifc: Path
) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_bytes(_PLAN)
    site = {"folder": str(tmp_path), "model": {"file": str(small_ifc)}, "schedule": {"file": "plan.csv"}}
    with twin_at(tmp_path / "data", site) as twin:
        assert twin.get("/site")["schedule"]["problem"] is None
    plan.write_bytes(_PLAN.replace(b"2026-06-05", b"2026-06-35"))
    with twin_at(tmp_path / "data", site) as twin:
        assert "line 2" in twin.plan_problem
        assert "line 2" in twin.get("/site")["schedule"]["problem"]
        assert twin.get("/schedule")["schedule"]["tasks"] == 1
        assert twin.states("2026-06-03T10:00:00Z")[SLAB]["planned"] == "in_progress"
    plan.write_bytes(_PLAN.replace(b"2026-06-05", b"2026-06-30"))
    with twin_at(tmp_path / "data", site) as twin:
        assert twin.plan_problem is None
        assert twin.get("/schedule")["items"][0]["planned_finish"] == "2026-06-30T23:59:59Z"


@pytest.mark.parametrize(
    ("reader", "limits", "reason"),
    [
        (ReaderLimits(wall_s=0.02), ScheduleLimits(), "time"),
        (ReaderLimits(memory_bytes=150 << 20), ScheduleLimits(), "memory"),
        (ReaderLimits(output_bytes=20_000), ScheduleLimits(), "too_big"),
        (ReaderLimits(), ScheduleLimits(tasks=100), "too_big"),
        (ReaderLimits(), ScheduleLimits(file_bytes=1_000), "too_big"),
    ],
)
def test_every_bound_of_the_reader_is_a_refusal_with_its_reason(
    shared_data: Path, reader: ReaderLimits, limits: ScheduleLimits, reason: str
) -> None:
    file = shared_data / "bim" / "schependomlaan" / "planning_msproject.xml"
    with pytest.raises(ScheduleError) as refusal:
        open_schedule(file, Options(reader=reader, limits=limits))
    assert refusal.value.reason == reason
    assert refusal.value.fix


def test_the_reader_opens_plain_files_only(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.xml"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "nowhere.xer"):
        with pytest.raises(ScheduleError) as refusal:
            open_schedule(path)
        assert refusal.value.reason == "missing"


def test_a_loop_of_links_is_told_and_the_files_own_dates_are_used(house: Running) -> None:
    house.schedule(
        csv_plan(
            f"A,Slab,2026-06-01,2026-06-05,,B,,,{SLAB}",
            "B,Wall,2026-06-08,2026-06-12,,A,,,20WrgxqpbDtferON_k1P2X",
        )
    )
    page = house.get("/schedule", at="2026-06-03T10:00:00Z")
    assert "wait for each other" in page["schedule"]["problems"][0]
    assert [item["float_h"] for item in page["items"]] == [None, None]
    assert [item["planned"] for item in page["items"]] == ["in_progress", "not_started"]


def test_no_mutant_of_a_link_file_gets_past_its_reader_unseen(tmp_path: Path, shared_data: Path) -> None:
    """What is read has a GlobalId and a task; everything else is refused with a fix."""
    whole = (shared_data / "bim" / "schependomlaan" / "element_tasks.csv").read_bytes()
    path, read, refused = tmp_path / "links.csv", 0, 0
    for mutant in _mutants(whole[:4_000], 11, 400):
        path.write_bytes(mutant)
        try:
            rows = read_links(path).to_pylist()
        except ScheduleError as refusal:
            refused += bool(refusal.fix)
        else:
            read += bool(rows)
            assert all(len(row["element"]) == 22 and row["task"] for row in rows)
    assert read + refused == 400
    assert min(read, refused) > 50


def test_a_report_in_a_plan_of_three_centuries_is_not_followed_and_says_so() -> None:
    """300 calendars over 290 years would take a processor minutes beside ingest; the report itself counts."""
    calendars = [Calendar(id=str(n)) for n in range(300)]
    tasks = [
        Task(
            id=str(n),
            calendar=str(n),
            duration_h=16.0,
            planned_start=datetime(1900 + n % 290, 1, 1, 8),
            planned_finish=datetime(1900 + n % 290, 1, 2, 16),
        )
        for n in range(300)
    ]
    schedule = build(Draft(About(format="csv"), tasks=tasks, calendars=calendars), ScheduleLimits())
    row = {"task": "5", "start": datetime(1905, 2, 1), "finish": datetime(1905, 2, 9), "percent": None}
    told = with_reports(schedule, pa.Table.from_pylist([row], schema=REPORTS), DATES.empty_table())
    assert "too large" in told.problem
    finished = told.schedule.tasks.select(["actual_finish", "forecast_finish"]).to_pylist()
    assert finished[5] == {"actual_finish": datetime(1905, 2, 9), "forecast_finish": datetime(1905, 2, 9)}
    assert finished[6]["actual_finish"] is None


def test_the_ends_of_time_are_moments_like_any_other(house: Running) -> None:
    house.schedule(_PLAN)
    house.change("actuals", {"set": [{"task": "A", "start": "2026-06-01"}]})
    for at, state in (("0001-01-01T00:00:00Z", "not_started"), ("9999-12-31T23:59:59Z", "finished")):
        for known in ({}, {"known_at": "9999-12-31T23:59:59Z"}):
            assert house.states(at, **known)[SLAB]["planned"] == state
            page = house.get("/schedule", at=at, **known)
            assert page["tasks_counts"]["planned"][state] == 1
            assert len(page["late"]) == (state == "finished")
            house.get("/tasks/A", at=at, **known)
            house.get("/points", at=at, **known)
        assert house.states(at, known_at="0001-01-01T00:00:00Z")[SLAB]["planned"] == "unknown"
