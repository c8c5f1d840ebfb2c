"""The real plan of a real building (157 tasks of MS Project, 3,569 elements), against a count by other code."""

import csv
import io
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from tests.twin_plan.conftest import Running, running

_NS = {"p": "http://schemas.microsoft.com/project"}
_ZONE = ZoneInfo("Europe/Amsterdam")
_MOMENTS = ["2015-02-01T00:00:00Z", "2015-06-26T12:00:00Z", "2015-06-25T05:59:59Z", "2015-06-25T06:00:00Z",
            "2015-09-03T14:00:00Z", "2016-01-01T00:00:00Z"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "bim" / "schependomlaan"


@pytest.fixture(scope="module")
def site(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = {
        "time_zone": "Europe/Amsterdam",
        "folder": str(folder),
        "model": {"file": "design.ifc"},
        "schedule": {"file": "planning_msproject.xml", "links": "element_tasks.csv"},
    }
    with running(tmp_path_factory.mktemp("schependomlaan"), config) as found:
        assert (found.model_problem, found.plan_problem) == (None, None)
        yield found


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, list[tuple[datetime, datetime]]]:
    """Element -> start and finish of its tasks in UTC, read with nothing of ours."""
    tasks: dict[tuple[str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    root = ET.parse(folder / "planning_msproject.xml").getroot()
    for task in root.iterfind("p:Tasks/p:Task", _NS):
        if task.findtext("p:IsNull", "0", _NS) == "1" or not task.findtext("p:Name", "", _NS):
            continue
        start, finish = (
            datetime.fromisoformat(str(task.findtext(f"p:{end}", "", _NS))).replace(tzinfo=_ZONE).astimezone(UTC)
            for end in ("Start", "Finish")
        )
        day = str(task.findtext("p:Start", "", _NS))[:10]
        tasks[str(task.findtext("p:Name", "", _NS)).strip(), day].append((start, finish))
    found: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    with (folder / "element_tasks.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            same = tasks.get((row["task_name"].strip(), row["start"]), [])
            if len(same) == 1:
                found[row["GlobalId"]].append(same[0])
    return found


def _state(spans: list[tuple[datetime, datetime]], at: datetime) -> str:
    if not spans:
        return "unknown"
    if at < min(start for start, _ in spans):
        return "not_started"
    return "finished" if at >= max(finish for _, finish in spans) else "in_progress"


@pytest.mark.parametrize("at", _MOMENTS)
def test_every_element_is_what_its_tasks_say_at_any_moment(site: Running, expected: Any, at: str) -> None:
    """Six moments, two of them a second apart around seven in the morning on the site's summer clock."""
    moment = datetime.fromisoformat(at.replace("Z", "+00:00"))
    shown = site.states(at)
    assert len(shown) == 3569
    assert {e: s["planned"] for e, s in shown.items()} == {e: _state(expected.get(e, []), moment) for e in shown}
    counts = Counter(s["planned"] for s in shown.values())
    assert {k: v for k, v in site.get("/schedule", at=at)["counts"]["planned"].items() if v} == dict(counts)


def test_a_second_decides_at_the_start_of_the_working_day(site: Running) -> None:
    before, after = (site.states(at) for at in ("2015-06-25T05:59:59Z", "2015-06-25T06:00:00Z"))
    begun = [e for e in before if before[e]["planned"] != after[e]["planned"]]
    assert begun
    starts = {site.get(f"/elements/{e}")["plan"]["start"] for e in begun}
    assert starts == {"2015-06-25T06:00:00Z"}


def test_the_schedule_has_the_counts_of_the_file(site: Running) -> None:
    page = site.get("/schedule", at="2015-06-26T12:00:00Z", limit=1)
    assert (page["schedule"]["tasks"], page["schedule"]["links"], page["total"]) == (157, 48, 157)
    assert page["schedule"]["format"] == "mspdi"
    coverage = page["coverage"]
    assert coverage["linked"] + coverage["unlinked"] == coverage["elements"] == 3569
    assert coverage["links_to_unknown_tasks"] == ["ST01210", "ST01260"]
    assert sum(page["tasks_counts"]["planned"].values()) == 157


def test_the_unlinked_are_listed_page_by_page(site: Running, expected: Any) -> None:
    found, offset = [], 0
    while offset is not None:
        page = site.get("/schedule/unlinked", limit=700, offset=offset)
        found += [item["id"] for item in page["items"]]
        offset = page["next"]
    assert len(found) == len(set(found)) == site.get("/schedule")["coverage"]["unlinked"]
    assert not set(found) & set(expected)


def test_the_curve_climbs_from_nothing_to_everything(site: Running) -> None:
    curve = site.get("/schedule")["s_curve"]
    assert len(curve["times"]) == len(curve["planned"]) == len(curve["actual"]) == len(curve["forecast"])
    assert curve["times"] == sorted(curve["times"])
    assert curve["planned"] == sorted(curve["planned"])
    assert (curve["planned"][0], curve["planned"][-1]) == (0.0, 1.0)
    assert set(curve["actual"]) == {None}  # the file reports nothing


def test_arrow_and_json_tell_the_same_states(site: Running) -> None:
    answer = site.client.get("/state", params={"at": _MOMENTS[1], "format": "arrow", "table": "elements"})
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    names = table.schema.metadata[b"codes"].decode().split(",")
    told = site.states(_MOMENTS[1])
    assert table["global_id"].to_pylist() == list(told)
    assert [names[code] for code in table["planned"].to_pylist()] == [one["planned"] for one in told.values()]


def test_an_element_names_its_tasks_and_how_they_were_linked(site: Running, expected: Any) -> None:
    items = site.get("/elements", at=_MOMENTS[1], type="IfcSlab", limit=300)["items"]
    assert {item["id"] for item in items if item["plan"]} == {item["id"] for item in items} & set(expected)
    for item in items:
        if item["plan"]:
            spans = expected[item["id"]]
            first = min(start for start, _ in spans).strftime("%Y-%m-%dT%H:%M:%SZ")
            last = max(finish for _, finish in spans).strftime("%Y-%m-%dT%H:%M:%SZ")
            assert (item["plan"]["start"], item["plan"]["finish"]) == (first, last)
            assert {task["how"] for task in item["plan"]["tasks"]} == {"file"}
            assert len(item["plan"]["tasks"]) == len(spans)


def test_a_task_shows_its_neighbours_and_elements(site: Running, folder: Path) -> None:
    root = ET.parse(folder / "planning_msproject.xml").getroot()
    before: dict[str, set[str]] = defaultdict(set)
    for task in root.iterfind("p:Tasks/p:Task", _NS):
        for link in task.iterfind("p:PredecessorLink", _NS):
            before[str(task.findtext("p:UID", "", _NS))].add(str(link.findtext("p:PredecessorUID", "", _NS)))
    name = next(uid for uid, found in before.items() if found)
    task = site.get(f"/tasks/{name}", at=_MOMENTS[1])
    assert {link["task"] for link in task["links_in"]} == set(task["predecessors"]) == before[name]
    assert task["elements"] == len(task["element_ids"])


def test_the_schedules_tasks_are_found_by_words(site: Running) -> None:
    page = site.get("/schedule", q="kozijnen")
    assert page["items"]
    assert page["total"] == len(page["items"])
    assert all("kozijnen" in item["name"].lower() for item in page["items"])


def test_tasks_and_links_are_tables_of_sql(site: Running) -> None:
    sql = (
        "SELECT count(*), min(planned_start), (SELECT count(*) FROM element_tasks), (SELECT count(*) FROM task_links),"
        " (SELECT count(*) FROM schedule_revisions WHERE known_to IS NULL) FROM tasks"
    )
    [[tasks, first, links, network, revisions]] = site.post("/query", {"sql": sql}, 200)["rows"]
    assert (tasks, network, revisions) == (157, 48, 1)
    assert links == sum(site.get("/schedule")["coverage"]["by_how"].values())
    assert datetime.fromisoformat(str(first)).astimezone(UTC) == datetime(2015, 2, 19, 7, tzinfo=UTC)


def test_before_the_twin_had_a_plan_nothing_was_known(site: Running) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    page = site.get("/schedule", known_at=yesterday)
    assert page["schedule"] is None
    assert set(page["counts"]["planned"].values()) == {0, 3569}
    assert {one["planned"] for one in site.states(_MOMENTS[1], known_at=yesterday).values()} == {"unknown"}
