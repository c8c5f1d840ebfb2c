"""What the plan says about tasks and elements at a moment, against the plan file itself."""

import csv
from collections import defaultdict
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from bim.schedule.element_plan import ElementPlan, resolve_tasks
from bim.schedule.errors import ScheduleError
from bim.schedule.progress import Progress
from bim.schedule.read import read_schedule
from bim.schedule.rows import ElementTask
from bim.schedule.tables import table_of
from bim.schedule.timeline import STATES
from bim.schedule.times import parse_at

UMBRELLA = "ST01260"


@pytest.fixture(scope="module")
def plan(bim_data, read) -> ElementPlan:
    schedule = read(bim_data / "schependomlaan" / "element_tasks.csv")
    return ElementPlan.of(Progress.of(schedule), schedule["element_tasks"])


def spelled(plan: ElementPlan, codes: np.ndarray) -> dict[str, str]:
    return {one: STATES[code] for one, code in zip(plan.elements.to_pylist(), codes.tolist(), strict=True)}


def state_on(day: str, tasks: list[tuple[str, str]]) -> str:
    if all(finish <= day for _, finish in tasks):
        return "finished"
    return "not_started" if all(start > day for start, _ in tasks) else "in_progress"


@pytest.mark.parametrize("day", ["2015-02-25", "2015-03-04", "2015-06-26", "2015-07-10", "2015-09-17", "2016-01-01"])
def test_every_element_is_what_the_plan_file_says_and_the_umbrella_decides_none(bim_data, plan, day):
    rows = csv.DictReader((bim_data / "schependomlaan" / "element_tasks.csv").open(encoding="utf-8"))
    tasks = defaultdict(list)
    for row in rows:
        if row["task_id"] != UMBRELLA:
            tasks[row["GlobalId"]].append((row["start"], row["finish"]))
    said = {element: state_on(day, own) for element, own in tasks.items()}
    found = spelled(plan, plan.planned_state(parse_at(day)))
    assert {one: state for one, state in found.items() if state != "unknown"} == said
    assert {one for one, state in found.items() if state == "unknown"} == set(plan.umbrella_only)
    assert plan.umbrellas == [UMBRELLA]


def test_a_person_may_overrule_which_task_is_an_umbrella(bim_data, read):
    schedule = read(bim_data / "schependomlaan" / "element_tasks.csv")
    progress, links = Progress.of(schedule), schedule["element_tasks"]
    assert ElementPlan.of(progress, links, never=[UMBRELLA]).umbrella_only == []
    two = ElementPlan.of(progress, links, always=["ST01050"])
    assert set(two.umbrellas) == {"ST01050", UMBRELLA}


def test_a_small_model_whose_one_task_builds_all_of_it_has_no_umbrella(written):
    text = "GlobalId,task_id,start,finish\n" + "".join(f"{n:022},T,2026-03-02,2026-03-06\n" for n in range(50))
    schedule = read_schedule(written("one.csv", text))
    plan = ElementPlan.of(Progress.of(schedule), schedule["element_tasks"])
    assert plan.umbrellas == []
    assert set(spelled(plan, plan.planned_state(datetime(2026, 3, 4))).values()) == {"in_progress"}


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        ("2026-03-01", "not_started"),
        ("2026-03-01T23:59:59", "not_started"),
        ("2026-03-02T00:00:00", "in_progress"),
        ("2026-03-06T17:00:00", "in_progress"),
        ("2026-03-06", "finished"),
    ],
)
def test_a_planned_day_lasts_to_its_end_and_a_date_asks_for_the_close_of_the_day(written, moment, state):
    schedule = read_schedule(written("d.csv", "id,start,finish\nT,2026-03-02,2026-03-06\n"))
    assert STATES[Progress.of(schedule).planned_state(parse_at(moment))[0]] == state


def test_three_date_sets_tell_three_stories(xer, written):
    plan = xer(data_date="2026-03-04 17:00")
    times = {"target_start_date": "2026-03-02 08:00", "target_end_date": "2026-03-03 17:00"}
    plan.task("late", 16, status_code="TK_Active", act_start_date="2026-03-04 08:00", remain_drtn_hr_cnt=8,
              reend_date="2026-03-05 17:00", **times)  # fmt: skip
    plan.task("done", 16, status_code="TK_Complete", act_start_date="2026-03-02 08:00", act_end_date="2026-03-04 12:00",
              remain_drtn_hr_cnt=0, **times)  # fmt: skip
    plan.task("idle", 16, **times)
    progress = Progress.of(read_schedule(written("three.xer", plan.text())))
    now = datetime(2026, 3, 4, 17)
    spelled_out = {name: [STATES[c] for c in codes] for name, codes in
                   (("planned", progress.planned_state(now)), ("actual", progress.actual_state(now)),
                    ("forecast", progress.forecast(datetime(2026, 3, 5, 18))))}  # fmt: skip
    assert spelled_out == {
        "planned": ["finished"] * 3,
        "actual": ["in_progress", "finished", "not_started"],
        "forecast": ["finished", "finished", "finished"],
    }
    late = {row["code"]: row for row in progress.late(now).to_pylist()}
    assert {code: row["why"] for code, row in late.items()} == {
        "late": "late_finish", "done": "finished_late", "idle": "late_finish",
    }  # fmt: skip
    assert (late["done"]["delay_h"], late["late"]["delay_h"]) == (4, 16)


def test_where_nothing_was_reported_nothing_is_claimed(plan):
    assert set(spelled(plan, plan.actual_state(parse_at("2015-12-01"))).values()) == {"unknown"}
    assert plan.progress.late(parse_at("2015-12-01")).num_rows == 0


def test_the_s_curve_rises_from_nothing_to_all_and_stops_at_the_data_date(bim_data, read):
    schedule = read(bim_data / "schedules" / "mpxj_assignment-assignments-project2019-mspdi.xml")
    rows = Progress.of(schedule).s_curve(21).to_pylist()
    planned = [row["planned"] for row in rows]
    assert planned == sorted(planned)
    assert (planned[0], planned[-1]) == (0, pytest.approx(1))
    reported = [row["actual"] for row in rows if row["actual"] is not None]
    assert 0 < len(reported) < len(rows)


def test_a_baseline_plans_when_it_is_asked_for(written):
    text = "id,start,finish,baseline_start,baseline_finish\nA,2026-04-01,2026-04-10,2026-03-01,2026-03-10\n"
    schedule = read_schedule(written("b.csv", text))
    moment = parse_at("2026-03-15")
    assert STATES[Progress.of(schedule).planned_state(moment)[0]] == "not_started"
    assert STATES[Progress.of(schedule, "0").planned_state(moment)[0]] == "finished"
    with pytest.raises(ScheduleError, match="no baseline '7'"):
        Progress.of(schedule, "7")


def test_links_may_name_a_task_by_its_code(xer, written):
    plan = xer()
    plan.task("77", 8, task_code="A100")
    schedule = read_schedule(written("p.xer", plan.text()))
    links = table_of([ElementTask(element="e", task=name, how="file") for name in ("A100", "77", "B")], ElementTask)
    table, missing = resolve_tasks(links, schedule)
    assert table["task"].to_pylist() == ["77", "77"]
    assert missing == ["B"]


def test_a_hundred_thousand_elements_are_what_a_loop_would_say(written):
    """The arrays against the plainest loop, on links in no order, with elements that nobody links."""
    dice = np.random.default_rng(3)
    days = dice.integers(0, 300, (1000, 2))
    first = date(2026, 1, 1)
    spans = [(first + timedelta(days=int(min(pair))), first + timedelta(days=int(max(pair)))) for pair in days]
    text = "id,start,finish\n" + "".join(f"T{n},{start},{finish}\n" for n, (start, finish) in enumerate(spans))
    schedule = read_schedule(written("big.csv", text))
    elements = [f"e{n}" for n in range(100_000)]
    pairs = list(zip(dice.integers(0, 90_000, 200_000).tolist(), dice.integers(0, 1000, 200_000).tolist(), strict=True))
    columns = {"element": [elements[e] for e, _ in pairs], "task": [f"T{t}" for _, t in pairs]}
    links = pa.table(columns)
    plan = ElementPlan.of(Progress.of(schedule), links, elements)
    codes = plan.planned_state(parse_at("2026-05-20"))
    tasks = defaultdict(list)
    for element, task in pairs:
        tasks[element].append(sorted(days[task].tolist()))
    asked = (date(2026, 5, 20) - first).days
    for element in range(0, 100_000, 97):
        own = tasks.get(element, [])
        want = 3 if not own else 2 if all(b <= asked for _, b in own) else 0 if all(a > asked for a, _ in own) else 1
        assert codes[element] == want
