"""The campus's work schedule: its logic and calendar hold, and at the data date the park is as the brief says."""

import tomllib
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

import ifcopenshell
import pytest

from bim.campus.author import author_site
from bim.campus.loading import load_layout
from bim.campus.plan import Dated
from bim.campus.plan_days import Link, WorkDays, easter, floats, schedule
from bim.campus.plan_table import load_plan
from bim.schedule.element_plan import ElementPlan
from bim.schedule.progress import Progress
from bim.schedule.read import read_schedule
from bim.schedule.report import network_report

CAMPUS = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
DATA_DATE = date(2026, 6, 15)
# days off at sites in Slovakia within the plan, by the calendar of the ministry
HOLIDAYS = {
    date(2025, 4, 18), date(2025, 4, 21), date(2025, 5, 1), date(2025, 5, 8), date(2025, 8, 29), date(2025, 9, 1),
    date(2025, 9, 15), date(2025, 11, 17), date(2025, 12, 24), date(2025, 12, 25), date(2025, 12, 26),
    date(2026, 1, 1), date(2026, 1, 6), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 8),
}  # fmt: skip


def _tasks(model: ifcopenshell.file) -> dict[str, ifcopenshell.entity_instance]:
    return {one.Identification: one for one in model.by_type("IfcTask")}


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_it_has_more_than_120_tasks_linked_to_elements(model: ifcopenshell.file) -> None:
    tasks = _tasks(model)
    leaves = [one for one in tasks.values() if not one.IsNestedBy]
    assert len(leaves) >= 120
    assert sum(one.IsMilestone for one in leaves) >= 8
    worked = [one for one in leaves if one.OperatesOn]
    assert len(worked) >= 120
    assert len(model.by_type("IfcRelSequence")) >= 200


def test_nearly_every_element_has_a_task_and_none_has_many(model: ifcopenshell.file) -> None:
    count = Counter(one.id() for rel in model.by_type("IfcRelAssignsToProcess") for one in rel.RelatedObjects)
    drawn = [
        one
        for one in model.by_type("IfcElement")
        if one.Representation and not one.is_a("IfcVehicle") and not one.is_a("IfcOpeningElement")
    ]
    assert [one.Name for one in drawn if not count[one.id()]] == []
    assert max(count.values()) <= 3  # installed, commissioned, handed over


def test_every_date_is_a_working_day_at_the_start_or_the_close_of_the_shift(model: ifcopenshell.file) -> None:
    for task in _tasks(model).values():
        time = task.TaskTime
        for name in ("ScheduleStart", "ScheduleFinish", "EarlyStart", "EarlyFinish", "ActualStart", "ActualFinish"):
            text = getattr(time, name)
            if text:
                day = _when(text).date()
                assert day.weekday() < 5, (task.Name, name, text)
                assert day not in HOLIDAYS, (task.Name, name, text)
                assert text[11:] in ("07:00:00", "15:30:00")


def test_the_calendar_names_every_holiday_within_the_plan(model: ifcopenshell.file) -> None:
    (calendar,) = model.by_type("IfcWorkCalendar")
    days = {date.fromisoformat(one.StartDate) for one in calendar.ExceptionTimes}
    assert days >= HOLIDAYS
    (weekly,) = calendar.WorkingTimes
    assert weekly.RecurrencePattern.WeekdayComponent == (1, 2, 3, 4, 5)
    assert [(one.StartTime, one.EndTime) for one in weekly.RecurrencePattern.TimePeriods] == [
        ("07:00:00", "11:30:00"),
        ("12:00:00", "15:30:00"),
    ]


@pytest.mark.parametrize(("start", "finish"), [("ScheduleStart", "ScheduleFinish"), ("EarlyStart", "EarlyFinish")])
def test_no_task_starts_before_what_it_waits_for(model: ifcopenshell.file, start: str, finish: str) -> None:
    for link in model.by_type("IfcRelSequence"):
        before, after = link.RelatingProcess.TaskTime, link.RelatedProcess.TaskTime
        match link.SequenceType:
            case "FINISH_START":
                assert _when(getattr(after, start)) >= _when(getattr(before, finish))
            case "START_START":
                assert _when(getattr(after, start)) >= _when(getattr(before, start))
            case "FINISH_FINISH":
                assert _when(getattr(after, finish)) >= _when(getattr(before, finish))


def test_actual_dates_lie_before_the_data_date_and_agree_with_status_and_percent(model: ifcopenshell.file) -> None:
    now = datetime(2026, 6, 15, 7)
    for task in _tasks(model).values():
        time = task.TaskTime
        assert _when(time.StatusTime) == now
        begun, over = time.ActualStart is not None, time.ActualFinish is not None
        assert begun == (_when(time.EarlyStart) < now)
        assert over == (_when(time.EarlyFinish) < now)
        assert task.Status == ("FINISHED" if over else "STARTED" if begun else "NOTSTARTED")
        if over:
            assert time.Completion == 1.0
        elif begun:
            assert 0.0 < time.Completion < 1.0
            assert task.IsNestedBy or time.RemainingTime
        else:
            assert time.Completion is None


def test_most_of_the_park_is_handed_over_and_one_upper_storey_is_in_progress(campus_file: Path) -> None:
    found = read_schedule(str(campus_file))
    plan = ElementPlan.of(Progress.of(found), found["element_tasks"])
    actual = Counter(plan.table(datetime(2026, 6, 15, 7))["actual"].to_pylist())
    total = sum(actual.values())
    assert actual["finished"] / total > 0.85
    assert 0.02 < actual["in_progress"] / total < 0.12
    assert actual["not_started"] > 50
    assert plan.umbrellas == []
    rows = {row["code"]: row for row in found.tasks.to_pylist()}
    assert {rows[code]["status"] for code in ("A", "C", "D", "B0", "B1")} == {"finished"}
    assert rows["B2"]["status"] == "in_progress"
    open_ = {code for code, row in rows.items() if row["status"] == "in_progress" and row["kind"] == "task"}
    assert open_
    assert {code.partition(".")[0] for code in open_} == {"B2"}


def test_some_works_are_late_and_the_readers_network_agrees_with_every_date(campus_file: Path) -> None:
    found = read_schedule(str(campus_file))
    late = Progress.of(found).late(datetime(2026, 6, 15, 7)).to_pylist()
    overdue = {row["code"] for row in late if row["why"] == "late_finish"}
    assert {"B2.ducts", "B2.finishes"} <= overdue
    assert {code.partition(".")[0] for code in overdue} == {"B2"}
    network = network_report(found)
    assert network["agreement_ratio"] == 1.0
    names = {row["id"]: row["code"] for row in found.tasks.to_pylist()}
    path = [names[one] for one in network["critical_path"]]
    assert path
    assert "S.completion" in path
    assert "B2.handover" in path


def test_the_s_curves_rise_from_nothing_to_all(campus_file: Path) -> None:
    curve = Progress.of(read_schedule(str(campus_file))).s_curve(80).to_pylist()
    for name in ("planned", "forecast"):
        values = [row[name] for row in curve]
        assert values == sorted(values)
        assert (values[0], values[-1]) == (pytest.approx(0.0, abs=0.01), pytest.approx(1.0))
    today = [row for row in curve if row["at"] <= datetime(2026, 6, 15)][-1]
    assert today["actual"] < today["planned"]


@pytest.mark.parametrize("weeks", [0, 7, 19, 28, 33, 41, 60, 104])
def test_the_story_is_the_same_in_any_week_of_the_year(weeks: int) -> None:
    layout = load_layout(CAMPUS)
    plan, tasks = load_plan(CAMPUS, layout) or pytest.fail("no plan")
    dated = Dated(plan, tasks, date(2026, 1, 5) + timedelta(weeks=weeks))
    handed = [code for code in dated.real if code.endswith(".handover")]
    done = {code for code in handed if dated.finished(code)}
    assert set(handed) - done <= {"B1.handover", "B2.handover"}
    assert not dated.finished("B2.handover")
    assert dated.started("B2.partitions")
    assert any(dated.started(c) and not dated.finished(c) for c in dated.real if c.startswith("B2."))


def test_another_data_date_moves_the_plan_and_no_element(campus) -> None:
    def parts(text: str) -> tuple[list[str], list[str]]:
        lines = text.splitlines()
        plan = [one for one in lines if "IFCTASKTIME(" in one or "IFCWORK" in one]
        return plan, [one for one in lines if "IFCWALL(" in one or "IFCSENSOR(" in one]

    later = parts(author_site(CAMPUS, seed=4, data_date=DATA_DATE + timedelta(days=28)).text)
    now = parts(campus.text)
    assert later[1] == now[1]
    assert later[0] != now[0]


def test_delays_say_why_things_are_late() -> None:
    table = tomllib.loads((CAMPUS / "plan.toml").read_text(encoding="utf-8"))
    assert all(one["why"] for one in table["delay"])


def test_spans_of_a_small_network_worked_by_hand() -> None:
    days = {"a": 3, "b": 2, "c": 4, "d": 0, "e": 1}
    links = {
        "b": [Link("a", "FS", 1)],  # a 0-2, one day of lag, b 4-5
        "c": [Link("a", "SS", 2)],  # c 2-5
        "d": [Link("b", "FS", 0), Link("c", "FS", 0)],  # a milestone at the close of day 5
        "e": [Link("d", "FS", 0)],  # e 6
    }
    spans = schedule(days, links, {})
    assert {name: tuple(span) for name, span in spans.items()} == {
        "a": (0, 2), "b": (4, 5), "c": (2, 5), "d": (5, 5), "e": (6, 6)
    }  # fmt: skip
    assert floats(days, links, spans) == {"a": 0, "b": 0, "c": 0, "d": 0, "e": 0}
    late = schedule(days, links, {"b": 2})
    assert tuple(late["e"]) == (8, 8)
    assert floats(days, links, late)["c"] == 2


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2027, 3, 28), (2038, 4, 25)]
)
def test_easter_falls_where_the_almanac_has_it(year: int, month: int, day: int) -> None:
    assert easter(year) == date(year, month, day)


def test_working_days_leave_out_weekends_and_holidays() -> None:
    days = WorkDays(date(2026, 4, 1), 10, [date(2026, 4, 3), date(2026, 4, 6)])
    assert [days.day(n).day for n in range(4)] == [1, 2, 7, 8]
    assert days.number(date(2026, 4, 4)) == 2


def test_hand_over_concerns_rooms_and_devices(model: ifcopenshell.file) -> None:
    classes = defaultdict(set)
    for rel in model.by_type("IfcRelAssignsToProcess"):
        code = rel.RelatingProcess.Identification
        if code.endswith(".handover"):
            classes[code] |= {one.is_a() for one in rel.RelatedObjects}
    assert len(classes) == 9
    assert all("IfcSpace" in found and "IfcWall" not in found for found in classes.values())
