"""Actual dates that people report: kept beside the file's, the forecast of what follows moves with them."""

from typing import Any

from tests.twin_plan.conftest import SLAB, WALLS, Running, csv_plan

# Monday 1 June 2026; five working days each, one after the other
_CHAIN = csv_plan(
    f"A,Slab,2026-06-01T08:00,2026-06-05T17:00,5d,,,,{SLAB}",
    f"B,Wall 1,2026-06-08T08:00,2026-06-12T17:00,5d,A,,,{WALLS[0]}",
    f"C,Wall 2,2026-06-15T08:00,2026-06-19T17:00,5d,B,,,{WALLS[1]}",
    f"X,Wall 3,2026-06-08T08:00,2026-06-12T17:00,5d,,,,{WALLS[2]}",
)
_SUNDAY = "2026-06-14T10:00:00Z"


def _dates(house: Running, *names: str, **more: Any) -> dict[str, tuple[str | None, ...]]:
    items = house.get("/schedule", **more)["items"]
    return {item["id"]: tuple(item[name] for name in names) for item in items}


def test_a_late_finish_moves_everything_that_waits_for_it_and_nothing_else(house: Running) -> None:
    """A ends on Wednesday 10 June instead of Friday 5: B works Thursday 11 to Wednesday 17, C until Wednesday 24."""
    house.schedule(_CHAIN)
    assert _dates(house, "actual_start")["A"] == (None,)
    body = {"set": [{"task": "A", "start": "2026-06-01T08:00", "finish": "2026-06-10T17:00"}]}
    proposed = house.post("/changes", {"kind": "actuals", "body": body})
    assert proposed["problems"] == []
    moved = {row["path"] for row in proposed["diff"] if "forecast_finish" in row["path"]}
    assert moved == {f"/tasks/{task}/forecast_finish" for task in "ABC"}
    house.post(f"/changes/{proposed['id']}/activate", {}, 200)
    found = _dates(house, "planned_finish", "actual_finish", "forecast_start", "forecast_finish")
    assert found["A"] == (
        "2026-06-05T15:00:00Z",
        "2026-06-10T15:00:00Z",
        "2026-06-01T06:00:00Z",
        "2026-06-10T15:00:00Z",
    )
    assert found["B"] == ("2026-06-12T15:00:00Z", None, "2026-06-11T06:00:00Z", "2026-06-17T15:00:00Z")
    assert found["C"] == ("2026-06-19T15:00:00Z", None, "2026-06-18T06:00:00Z", "2026-06-24T15:00:00Z")
    assert found["X"] == ("2026-06-12T15:00:00Z", None, "2026-06-08T06:00:00Z", "2026-06-12T15:00:00Z")


def test_elements_tell_what_was_planned_what_is_and_what_is_expected(house: Running) -> None:
    house.schedule(_CHAIN)
    house.change("actuals", {"set": [{"task": "A", "start": "2026-06-01T08:00", "finish": "2026-06-10T17:00"}]})
    states = house.states("2026-06-09T10:00:00Z")
    assert states[SLAB] == {"planned": "finished", "actual": "in_progress", "forecast": "in_progress"}
    assert states[WALLS[0]] == {"planned": "in_progress", "actual": "unknown", "forecast": "not_started"}
    plan = house.get(f"/elements/{SLAB}", at=_SUNDAY)["plan"]
    assert (plan["actual_start"], plan["actual_finish"]) == ("2026-06-01T06:00:00Z", "2026-06-10T15:00:00Z")
    assert plan["days_late"] == 5.0  # Friday 5 to Wednesday 10
    late = {one["task"]: one for one in house.get("/schedule", at=_SUNDAY)["late"]}
    assert set(late) == {"A"}  # of the others nobody said anything
    assert (late["A"]["why"], late["A"]["days_late"], late["A"]["elements"]) == ("finished_late", 5.0, 1)


def test_what_should_run_and_does_not_is_late_and_pushes_what_follows(house: Running) -> None:
    house.schedule(_CHAIN)
    body = [{"task": "A", "start": "2026-06-01T08:00", "finish": "2026-06-05T17:00"}, {"task": "B"}]
    house.change("actuals", {"set": body})
    late = {one["task"]: one for one in house.get("/schedule", at="2026-06-13T15:00:00Z")["late"]}
    assert (late["B"]["why"], late["B"]["days_late"]) == ("late_finish", 1.0)
    assert house.states(_SUNDAY)[WALLS[0]] == {"planned": "finished", "actual": "not_started", "forecast": "finished"}


def test_a_percentage_says_how_much_is_left(house: Running) -> None:
    """B began on Wednesday 10 June and has 40 of its 40 hours less 20 percent: it ends on Tuesday 16."""
    house.schedule(_CHAIN)
    done = {"task": "A", "start": "2026-06-01T08:00", "finish": "2026-06-05T17:00"}
    house.change("actuals", {"set": [done, {"task": "B", "start": "2026-06-10T08:00", "percent": 20}]})
    found = _dates(house, "percent", "actual_start", "actual_finish", "forecast_finish")
    assert found["B"] == (20.0, "2026-06-10T06:00:00Z", None, "2026-06-16T15:00:00Z")
    assert found["C"][3] == "2026-06-23T15:00:00Z"


def test_reports_outlive_a_new_revision_and_can_be_taken_back(house: Running) -> None:
    house.schedule(_CHAIN)
    change = house.change("actuals", {"set": [{"task": "A", "start": "2026-06-02T08:00"}]})
    house.schedule(_CHAIN.replace(b"Wall 3", b"Wall three"))
    assert _dates(house, "actual_start")["A"] == ("2026-06-02T06:00:00Z",)
    house.post(f"/changes/{change}/revert", {}, 200)
    assert _dates(house, "actual_start", "forecast_finish")["A"] == (None, "2026-06-05T15:00:00Z")


def test_clearing_gives_a_task_back_to_its_file(house: Running) -> None:
    plan = csv_plan(f"A,Slab,2026-06-01T08:00,2026-06-05T17:00,5d,,2026-06-01T08:00,2026-06-05T17:00,{SLAB}")
    house.schedule(plan)
    house.change("actuals", {"set": [{"task": "A"}]})  # it has not begun, whatever the file says
    before = house.now()
    assert house.states(_SUNDAY)[SLAB]["actual"] == "not_started"
    house.change("actuals", {"clear": ["A"]})
    assert house.states(_SUNDAY)[SLAB]["actual"] == "finished"
    assert house.states(_SUNDAY, known_at=before)[SLAB]["actual"] == "not_started"
    sql = "SELECT actual_finish IS NOT NULL, reported FROM tasks WHERE id = 'A'"
    assert house.post("/query", {"sql": sql}, 200)["rows"] == [[True, False]]


def test_nonsense_is_a_problem_of_the_preview_and_cannot_be_activated(house: Running) -> None:
    house.schedule(_CHAIN)
    cases = {
        "not one task": {"task": "nobody", "start": "2026-06-01"},
        "not a date": {"task": "A", "start": "yesterday"},
        "before it begins": {"task": "A", "start": "2026-06-05", "finish": "2026-06-01"},
        "needs its start": {"task": "A", "finish": "2026-06-01"},
        "percentage needs": {"task": "A", "percent": 10},
        "lies in the future": {"task": "A", "start": "2196-06-05"},
    }
    for words, report in cases.items():
        proposed = house.post("/changes", {"kind": "actuals", "body": {"set": [report]}})
        assert any(words in problem for problem in proposed["problems"]), (words, proposed)
        house.post(f"/changes/{proposed['id']}/activate", {}, 409)


def test_an_element_of_two_tasks_is_finished_only_when_both_are_known_to_be(house: Running) -> None:
    house.schedule(
        csv_plan(
            f"A,Mason,2026-06-01T08:00,2026-06-05T17:00,5d,,,,{SLAB}",
            f"B,Plaster,2026-06-08T08:00,2026-06-12T17:00,5d,A,,,{SLAB}",
        )
    )
    house.change("actuals", {"set": [{"task": "A", "start": "2026-06-01T08:00", "finish": "2026-06-05T17:00"}]})
    assert house.states(_SUNDAY)[SLAB]["actual"] == "in_progress"
