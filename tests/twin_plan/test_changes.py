"""Schedules and links as changes: preview, activate, revert, what was known when; all over HTTP."""

from datetime import datetime
from typing import Any

from tests.twin_plan.conftest import SLAB, WALLS, Running, csv_plan

_FIRST = csv_plan(
    f"A,Slab,2026-06-01,2026-06-05,,,,,{SLAB}",
    f"B,Wall 1,2026-06-08,2026-06-12,,A,,,{WALLS[0]}",
    f"C,Wall 2,2026-06-15,2026-06-19,,B,,,{WALLS[1]}",
)
_LATER = csv_plan(  # everything a month later, C is gone, D is new
    f"A,Slab,2026-07-01,2026-07-03,,,,,{SLAB}",
    f"B,Wall 1,2026-07-06,2026-07-10,,A,,,{WALLS[0]}",
    f"D,Wall 3,2026-07-13,2026-07-17,,B,,,{WALLS[2]}",
)
_JUNE = "2026-06-10T10:00:00Z"


def _planned(house: Running, at: str, **more: Any) -> dict[str, str]:
    return {e: s["planned"] for e, s in house.states(at, **more).items() if s["planned"] != "unknown"}


def test_an_ifc_schedule_is_taken_from_the_model_when_no_file_is_named(
    twin_at: Any, tmp_path: Any, small_ifc: Any
) -> None:
    with twin_at(tmp_path, {"time_zone": "Europe/Bratislava", "model": {"file": str(small_ifc)}}) as twin:
        page = twin.get("/schedule", at="2010-09-20T10:00:00Z")
        assert (page["schedule"]["format"], page["schedule"]["tasks"], page["schedule"]["links"]) == ("ifc", 8, 7)
        assert twin.states("2010-09-20T10:00:00Z")[SLAB]["planned"] == "in_progress"
        [slab] = twin.get(f"/elements/{SLAB}")["plan"]["tasks"]
        assert (slab["name"], slab["how"], slab["confidence"]) == ("Slab #1", "ifc", 1.0)


def test_a_preview_shows_what_would_change_and_changes_nothing(house: Running) -> None:
    house.schedule(_FIRST)
    before = house.get("/schedule", at=_JUNE)
    proposed = house.post("/changes", {"kind": "schedule", "body": {"upload": house.upload("later.csv", _LATER)}})
    rows = {(row["op"], row["path"]): row for row in proposed["diff"]}
    assert ("add", "/tasks/D") in rows
    assert ("remove", "/tasks/C") in rows
    moved = rows["replace", "/tasks/A/planned_start"]
    assert (moved["old"], moved["new"]) == ("2026-06-01T00:00:00", "2026-07-01T00:00:00")
    coverage = rows["replace", "/coverage"]
    assert (coverage["old"]["linked"], coverage["new"]["linked"], coverage["new"]["elements"]) == (3, 3, 5)
    assert set(rows["replace", "/coverage/unlinked"]["new"]) == {WALLS[1], WALLS[3]}
    after = house.get("/schedule", at=_JUNE)
    assert {**after, "at": None} == {**before, "at": None}


def test_what_the_plan_of_then_said_about_today_can_be_asked(house: Running) -> None:
    nothing = house.now()
    house.schedule(_FIRST)
    first = house.now()
    later = house.schedule(_LATER)
    second = house.now()
    house.post(f"/changes/{later}/revert", {}, 200)
    third = house.now()
    june = {SLAB: "finished", WALLS[0]: "in_progress", WALLS[1]: "not_started"}
    july = {SLAB: "not_started", WALLS[0]: "not_started", WALLS[2]: "not_started"}
    for known, told in ((nothing, {}), (first, june), (second, july), (third, june), (None, june)):
        more = {} if known is None else {"known_at": known}
        assert _planned(house, _JUNE, **more) == told
        tasks = {item["id"] for item in house.get("/schedule", **more)["items"]}
        assert tasks == ({"A", "B", "C"} if told == june else {"A", "B", "D"} if told else set())
        plan = house.get(f"/elements/{WALLS[2]}", at=_JUNE, **more)["plan"]
        assert (plan is not None) is (told == july)


def test_of_the_oldest_revisions_nothing_is_known_any_more(house: Running, monkeypatch: Any) -> None:
    """Two that were live stay, with their links; what was before them is as before the first plan."""
    monkeypatch.setattr("twin.plan_store._KEPT_LIVE", 2)
    moments = []
    for month in range(1, 6):
        house.schedule(csv_plan(f"A{month},Slab,2026-0{month}-01,2026-0{month}-05,,,,,{SLAB}"))
        moments.append(house.now())
    house.post("/changes", {"kind": "schedule", "body": {"upload": house.upload("later.csv", _LATER)}})
    found = [house.get("/schedule", known_at=known)["schedule"] for known in moments]
    assert [one and one["revision"] for one in found] == [None, None, None, 4, 5]
    assert house.states(_JUNE, known_at=moments[3])[SLAB]["planned"] == "finished"
    links = house.twin.store.writer.run(lambda c: c.execute("SELECT task FROM element_links ORDER BY 1").fetchall())
    assert links == [("A4",), ("A5",)]


def test_a_reverted_schedule_leaves_an_audit_and_its_interval(house: Running) -> None:
    change = house.schedule(_FIRST)
    house.post(f"/changes/{change}/revert", {}, 200)
    assert house.get("/schedule")["schedule"] is None
    sql = "SELECT known_from < known_to FROM schedule_revisions"
    assert house.post("/query", {"sql": sql}, 200)["rows"] == [[True]]
    audit = house.post("/query", {"sql": 'SELECT what FROM audit ORDER BY "at"'}, 200)["rows"]
    assert [row[0] for row in audit][-3:] == ["change proposed", "change active", "change reverted"]


def test_an_older_schedule_cannot_be_reverted_from_under_a_newer_one(house: Running) -> None:
    first = house.schedule(_FIRST)
    house.schedule(_LATER)
    house.post(f"/changes/{first}/revert", {}, 409)
    assert house.get("/schedule")["schedule"]["revision"] == 2


def test_people_link_and_cut_elements(house: Running) -> None:
    house.schedule(_FIRST)
    body = {"set": [{"task": "Wall 2", "element": WALLS[3]}], "clear": [{"task": "A", "element": SLAB}]}
    proposed = house.post("/changes", {"kind": "links", "body": body})
    ops = {
        (row["op"], row["path"], row["old"] or row["new"]) for row in proposed["diff"] if "element_tasks" in row["path"]
    }
    assert ops == {("add", f"/element_tasks/{WALLS[3]}", "C"), ("remove", f"/element_tasks/{SLAB}", "A")}
    before = house.now()
    house.post(f"/changes/{proposed['id']}/activate", {}, 200)
    assert _planned(house, _JUNE) == {WALLS[0]: "in_progress", WALLS[1]: "not_started", WALLS[3]: "not_started"}
    assert house.get(f"/elements/{WALLS[3]}")["plan"]["tasks"][0]["how"] == "set"
    assert _planned(house, _JUNE, known_at=before)[SLAB] == "finished"
    house.post(f"/changes/{proposed['id']}/revert", {}, 200)
    assert _planned(house, _JUNE) == {SLAB: "finished", WALLS[0]: "in_progress", WALLS[1]: "not_started"}


def test_links_of_people_follow_into_the_next_revision_of_the_schedule(house: Running) -> None:
    house.schedule(_FIRST)
    house.change("links", {"set": [{"task": "B", "element": WALLS[3]}]})
    house.schedule(_LATER)
    assert house.get(f"/elements/{WALLS[3]}")["plan"]["start"] == "2026-07-05T22:00:00Z"


def test_a_later_decision_about_the_same_pair_must_be_reverted_first(house: Running) -> None:
    house.schedule(_FIRST)
    first = house.change("links", {"set": [{"task": "B", "element": WALLS[3]}]})
    second = house.change("links", {"clear": [{"task": "B", "element": WALLS[3]}]})
    house.post(f"/changes/{first}/revert", {}, 409)
    house.post(f"/changes/{second}/revert", {}, 200)
    assert house.get(f"/elements/{WALLS[3]}")["plan"] is not None
    house.post(f"/changes/{first}/revert", {}, 200)
    assert house.get(f"/elements/{WALLS[3]}")["plan"] is None


def test_rules_link_by_type_and_can_be_taken_back(house: Running) -> None:
    house.schedule(b"id,name,start,finish\nW,All walls,2026-06-08,2026-06-12\nS,Slabs,2026-06-01,2026-06-05\n")
    assert house.get("/schedule")["coverage"]["linked"] == 0
    rules = """
        [[task_link]]
        task = { name = "*walls*" }
        element = { type = "IfcWall*" }
    """
    change = house.change("links", {"rules": rules})
    assert _planned(house, _JUNE) == dict.fromkeys(WALLS, "in_progress")
    task = house.get(f"/elements/{WALLS[0]}")["plan"]["tasks"][0]
    assert (task["how"], task["confidence"]) == ("rule", 0.7)
    house.post(f"/changes/{change}/revert", {}, 200)
    assert _planned(house, _JUNE) == {}


def test_a_csv_of_links_names_tasks_by_code_and_lists_what_it_cannot_find(house: Running) -> None:
    house.schedule(b"id,name,start,finish\nW,Walls,2026-06-08,2026-06-12\n")
    links = f"GlobalId,task_id\n{WALLS[0]},W\n{WALLS[1]},Walls\n{SLAB},nowhere\n".encode()
    house.change("links", {"upload": house.upload("links.csv", links)})
    assert _planned(house, _JUNE) == dict.fromkeys(WALLS[:2], "in_progress")
    coverage = house.get("/schedule")["coverage"]
    assert coverage["links_to_unknown_tasks"] == ["nowhere"]
    assert {one["id"] for one in coverage["unlinked_items"]} == {SLAB, *WALLS[2:]}


def test_links_given_before_the_schedule_wait_for_it(house: Running) -> None:
    house.change("links", {"upload": house.upload("links.csv", f"GlobalId,task_id\n{SLAB},S\n".encode())})
    assert house.get("/schedule")["schedule"] is None
    house.schedule(b"id,name,start,finish\nS,Slab,2026-06-08,2026-06-12\n")
    assert _planned(house, _JUNE) == {SLAB: "in_progress"}


def test_wrong_bodies_name_the_field_and_the_fix(house: Running) -> None:
    cases: list[tuple[str, dict[str, Any], int]] = [
        ("schedule", {}, 400),
        ("schedule", {"upload": "0" * 64}, 404),
        ("schedule", {"file": "../../etc/passwd"}, 404),
        ("schedule", {"upload": house.upload("x.csv", b"nothing here")}, 400),
        ("links", {}, 400),
        ("links", {"rules": "[[task_link]]\ntask = 3"}, 400),
        ("links", {"rules": "x", "upload": "y"}, 400),
        ("links", {"upload": house.upload("y.csv", b"a,b\n1,2\n")}, 400),
        ("actuals", {"set": [{"task": "A", "percent": 101}]}, 400),
    ]
    for kind, body, status in cases:
        answer = house.client.post("/changes", json={"kind": kind, "body": body})
        assert answer.status_code == status, (kind, body, answer.text)
        problem = answer.json()
        assert problem["detail"]
        assert problem.get("fix"), problem


def test_a_schedule_of_several_projects_is_read_one_at_a_time(house: Running) -> None:
    tables = [
        "ERMHDR\t19.12\t2026-06-01\tProject\tadmin\tadmin\tdb\tProject Management\tEUR",
        "%T\tPROJECT", "%F\tproj_id\tproj_short_name\tclndr_id", "%R\t1\tEast\t10", "%R\t2\tWest\t10",
        "%T\tCALENDAR", "%F\tclndr_id\tclndr_name\tdefault_flag\tclndr_data", "%R\t10\tweek\tY\t",
        "%T\tTASK", ("%F\ttask_id\tproj_id\tclndr_id\ttask_code\ttask_name\ttask_type\tstatus_code\ttarget_start_date"
        "\ttarget_end_date\ttarget_drtn_hr_cnt"),
        "%R\t11\t1\t10\tE1\tEast wall\tTT_Task\tTK_NotStart\t2026-06-08 08:00\t2026-06-12 17:00\t40",
        "%R\t21\t2\t10\tW1\tWest wall\tTT_Task\tTK_NotStart\t2026-06-08 08:00\t2026-06-12 17:00\t40",
        "%T\tTASKPRED", "%F\ttask_pred_id\ttask_id\tpred_task_id\tproj_id\tpred_proj_id\tpred_type\tlag_hr_cnt",
        "%R\t1\t21\t11\t2\t1\tPR_FS\t0", "%E",
    ]  # fmt: skip
    data = "\r\n".join(tables).encode()
    house.schedule(data, "plan.xer", project="West")
    page = house.get("/schedule")
    assert [(item["code"], item["predecessors"]) for item in page["items"]] == [("W1", [])]
    assert page["schedule"]["project"] == "West"
    assert house.get("/tasks/W1")["links_in"] == [
        {"task": "11", "name": "", "type": "FS", "lag_h": 0.0, "lag_kind": "work"}
    ]
    answer = house.client.post(
        "/changes", json={"kind": "schedule", "body": {"upload": house.upload("p.xer", data), "project": "North"}}
    )
    assert answer.status_code >= 400
    assert "East" in answer.json()["fix"]


def test_times_of_the_site_are_answered_in_utc_over_the_change_of_clocks(house: Running) -> None:
    plan = (
        b"id,name,start,finish\nA,Before,2026-03-28T08:00,2026-03-28T16:00\nB,After,2026-03-30T08:00,2026-03-30T16:00\n"
    )
    house.schedule(plan)
    starts = [item["planned_start"] for item in house.get("/schedule")["items"]]
    assert starts == ["2026-03-28T07:00:00Z", "2026-03-30T06:00:00Z"]
    assert [datetime.fromisoformat(one.replace("Z", "+00:00")).hour for one in starts] == [7, 6]
