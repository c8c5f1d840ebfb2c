"""The passes against dates worked out by hand (2 March 2026 is a Monday; 8–12 and 13–17) and against relaxation."""

import random
from datetime import date, datetime, timedelta

import pytest

from bim.schedule.errors import ScheduleError
from bim.schedule.passes import compute
from bim.schedule.read import read_schedule

ORIGIN = date(1899, 12, 30)


def at(day: int, clock: str = "08:00") -> datetime:
    return datetime.fromisoformat(f"2026-03-{day:02}T{clock}")


@pytest.fixture
def dates(written):
    """Computed rows of a schedule by id."""

    def run(text: str, name: str = "s.xer") -> dict[str, dict]:
        return {row["id"]: row for row in compute(read_schedule(written(name, text))).table.to_pylist()}

    return run


@pytest.mark.parametrize(
    ("kind", "lag", "rule", "start", "finish"),
    [
        ("FS", 0, "rcal_Predecessor", at(4), at(4, "17:00")),
        ("FS", 8, "rcal_Predecessor", at(5), at(5, "17:00")),
        ("FS", 8, "rcal_24Hour", at(4), at(4, "17:00")),
        ("FS", 16, "rcal_24Hour", at(4, "09:00"), at(5, "09:00")),
        ("FS", -8, "rcal_Predecessor", at(3), at(3, "17:00")),
        ("SS", 4, "rcal_Predecessor", at(2, "13:00"), at(3, "12:00")),
        ("FF", 4, "rcal_Predecessor", at(3, "13:00"), at(4, "12:00")),
        ("SF", 24, "rcal_Successor", at(4), at(4, "17:00")),
        ("FS", 24, "rcal_ProjDefault", at(9), at(9, "17:00")),
    ],
)
def test_a_task_starts_where_its_link_and_the_lags_calendar_allow(xer, dates, kind, lag, rule, start, finish):
    plan = xer(lag=rule)
    plan.task("A", 16)
    plan.task("B", 8)
    plan.link("A", "B", kind, lag)
    found = dates(plan.text())
    assert (found["A"]["early_start"], found["A"]["early_finish"]) == (at(2), at(3, "17:00"))
    assert (found["B"]["early_start"], found["B"]["early_finish"]) == (start, finish)


def test_weekends_holidays_and_calendars_of_their_own_are_kept(xer, dates):
    holiday = (date(2026, 3, 4) - ORIGIN).days
    plan = xer(exceptions=f"(0||0(d|{holiday})())(0||1(d|{holiday + 3})((0||0(s|08:00|f|12:00)())))")
    plan.task("A", 36)  # Monday, Tuesday, Thursday, Friday, and the Saturday morning that is worked
    plan.task("B", 24, clndr_id=11)
    plan.link("A", "B")
    found = dates(plan.text())
    assert found["A"]["early_finish"] == at(7, "12:00")
    assert (found["B"]["early_start"], found["B"]["early_finish"]) == (at(7, "12:00"), at(8, "12:00"))


def test_float_is_the_work_between_early_and_late_dates(xer, dates):
    plan = xer()
    for key, hours in (("A", 16), ("B", 4), ("C", 4), ("D", 8)):
        plan.task(key, hours)
    plan.link("A", "D")
    plan.link("B", "C")
    plan.link("C", "D")
    found = dates(plan.text())
    assert {key: row["total_float_h"] for key, row in found.items()} == {"A": 0, "B": 8, "C": 8, "D": 0}
    assert {key: row["free_float_h"] for key, row in found.items()} == {"A": 0, "B": 0, "C": 8, "D": 0}
    assert (
        {key for key, row in found.items() if row["critical"]}
        == {"A", "D"}
        == {k for k, r in found.items() if r["longest_path"]}
    )
    assert (found["C"]["late_start"], found["C"]["late_finish"]) == (at(3, "13:00"), at(3, "17:00"))


@pytest.mark.parametrize(
    ("constraint", "on", "start", "total"),
    [
        ("CS_MSOA", "2026-03-05 08:00", at(5), 0),
        ("CS_MEOA", "2026-03-05 17:00", at(5), 0),
        ("CS_MSO", "2026-03-05 08:00", at(5), 0),
        ("CS_MEOB", "2026-03-03 17:00", at(4), -8),
        ("CS_MSOB", "2026-03-03 08:00", at(4), -8),
        ("CS_MANDSTART", "2026-03-03 08:00", at(3), 0),
        ("CS_MANDFIN", "2026-03-03 17:00", at(3), 0),
        ("CS_ALAP", "", at(4), 0),
    ],
)
def test_constraints_are_honoured_as_their_tool_means_them(xer, dates, constraint, on, start, total):
    plan = xer()
    plan.task("A", 16)
    plan.task("B", 8, cstr_type=constraint, cstr_date=on)
    plan.link("A", "B")
    found = dates(plan.text())
    assert found["B"]["early_start"] == start
    assert found["B"]["total_float_h"] == total


def test_progress_moves_only_what_remains(xer, dates):
    plan = xer(data_date="2026-03-04 08:00")
    plan.task("A", 16, status_code="TK_Complete", act_start_date="2026-03-02 08:00", act_end_date="2026-03-02 17:00")
    plan.task("B", 40, remain_drtn_hr_cnt=24, status_code="TK_Active", act_start_date="2026-03-03 08:00")
    plan.task("C", 8)
    plan.link("A", "B")
    plan.link("B", "C")
    found = dates(plan.text())
    assert (found["A"]["early_start"], found["A"]["total_float_h"]) == (at(2), None)
    assert (found["B"]["early_start"], found["B"]["early_finish"]) == (at(3), at(6, "17:00"))
    assert found["C"]["early_start"] == at(9)


@pytest.mark.parametrize(("override", "finish"), [("N", at(6, "17:00")), ("Y", at(4, "17:00"))])
def test_a_task_begun_out_of_sequence_waits_by_retained_logic_only(xer, dates, override, finish):
    plan = xer(data_date="2026-03-04 08:00")
    plan.tables["SCHEDOPTIONS"][0]["sched_progress_override"] = override
    plan.task("A", 16)
    plan.task("B", 16, remain_drtn_hr_cnt=8, status_code="TK_Active", act_start_date="2026-03-03 08:00")
    plan.link("A", "B")
    assert dates(plan.text())["B"]["early_finish"] == finish


def test_milestones_stand_where_they_belong(xer, dates):
    plan = xer()
    plan.task("A", 8)
    plan.task("done", 0, task_type="TT_FinMile")
    plan.task("go", 0, task_type="TT_Mile")
    plan.task("hammock", 100, task_type="TT_LOE")
    plan.link("A", "done")
    plan.link("done", "go")
    plan.link("A", "hammock", "SS")
    found = dates(plan.text())
    assert found["done"]["early_finish"] == at(2, "17:00")
    assert found["hammock"]["early_start"] is None  # a level of effort drives nothing


def test_links_of_a_summary_hold_for_all_that_it_holds(dates):
    text = (
        "id,parent,kind,duration,predecessors,start\n"
        "S,,summary,,,\na,S,,1d,,2026-03-02\nb,S,,3d,,2026-03-02\n"
        "T,,summary,,S,\nc,T,,1d,,\nd,T,,1d,c,\nlast,,,1d,T,\n"
    )
    found = dates(text, "s.csv")
    assert found["c"]["early_start"].date() == date(2026, 3, 5)
    assert found["last"]["early_start"].date() == date(2026, 3, 7 + 2)
    assert found["a"]["total_float_h"] == 16
    assert found["b"]["critical"]


def test_elapsed_and_percent_lags_and_leads(dates):
    head = "id,duration,predecessors,start\nA,2d,,2026-03-05\n"
    rows = "B,1d,A+2ed,\nC,1d,A+50%,\nD,1d,A FS-1d,\nE,1d,A SS + 1h,\n"
    found = dates(head + rows, "s.csv")
    assert found["B"]["early_start"] == at(9)  # Friday 17:00 and two days round the clock
    assert found["C"]["early_start"] == at(10)
    assert found["D"]["early_start"] == at(6)
    assert found["E"]["early_start"] == at(5, "09:00")


def test_a_loop_is_refused_with_its_tasks(xer, written):
    plan = xer()
    for key in "ABCD":
        plan.task(key, 8)
    for before, after in ("AB", "BC", "CB", "CD"):
        plan.link(before, after)
    with pytest.raises(ScheduleError, match="B → C → B") as refusal:
        compute(read_schedule(written("loop.xer", plan.text())))
    assert refusal.value.reason == "loop"
    assert refusal.value.line > 0


def test_a_calendar_without_work_is_refused_not_searched_for_ever(xer, written):
    plan = xer()
    plan.tables["CALENDAR"][0]["clndr_data"] = "(0||CalendarData()((0||DaysOfWeek()((0||2()())))))"
    plan.task("A", 8)
    with pytest.raises(ScheduleError, match="no working time"):
        compute(read_schedule(written("never.xer", plan.text())))


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_equal_relaxation_to_a_fixed_point(xer, written, seed):
    """An oracle that knows nothing of order: all bounds are applied until nothing moves. Round the clock, in hours."""
    dice = random.Random(seed)
    count, plan = 40, xer(lag="rcal_24Hour")
    hours = [dice.randint(1, 50) for _ in range(count)]
    for key in range(count):
        plan.task(f"T{key}", hours[key], clndr_id=11)
    links = {}
    for _ in range(90):
        a, b = sorted(dice.sample(range(count), 2))
        links[a, b, dice.choice(("FS", "SS", "FF", "SF"))] = dice.randint(-20, 40)
    for (a, b, kind), lag in links.items():
        plan.link(f"T{a}", f"T{b}", kind, lag)
    early, late = relax(hours, links)
    zero = datetime(2026, 3, 2, 8)
    for row in compute(read_schedule(written("r.xer", plan.text()))).table.to_pylist():
        key = int(row["id"][1:])
        assert row["early_start"] == zero + timedelta(hours=early[key])
        assert row["late_finish"] == zero + timedelta(hours=late[key])
        assert row["total_float_h"] == late[key] - hours[key] - early[key]


def relax(hours: list[int], links: dict[tuple[int, int, str], int]) -> tuple[list[int], list[int]]:
    early, moved = [0] * len(hours), True
    while moved:
        moved = False
        for (a, b, kind), lag in links.items():
            anchor = early[a] + (hours[a] if kind[0] == "F" else 0) + lag
            bound = anchor - (hours[b] if kind[1] == "F" else 0)
            if bound > early[b]:
                early[b], moved = bound, True
    end = max(start + work for start, work in zip(early, hours, strict=True))
    late, moved = [end] * len(hours), True
    while moved:
        moved = False
        for (a, b, kind), lag in links.items():
            anchor = late[b] - (hours[b] if kind[1] == "S" else 0) - lag
            bound = anchor + (hours[a] if kind[0] == "S" else 0)
            if bound < late[a]:
                late[a], moved = bound, True
    return early, late
