"""A point is planned, installed, commissioned or handed over, from the tasks of its element."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bim.schedule.build import Draft, build
from bim.schedule.limits import ScheduleLimits
from bim.schedule.rows import Task
from bim.schedule.tables import About
from tests.twin_plan.conftest import SLAB, WALLS, Running, csv_plan
from twin.plan_lifecycle import LifecycleRules, task_classes
from wire.catalogue import Point

_PLAN = csv_plan(
    f"I,Mount the unit,2020-06-01,2020-06-05,,,,,{SLAB}",
    f"C,Commissioning of the unit,2020-06-08,2020-06-12,,,,,{SLAB}",
    f"H,Handover to the operator,2020-06-15,2020-06-15,,,,,{SLAB}",
    f"W,Wall,2020-06-01,2020-06-05,,,,,{WALLS[0]}",
)
_POINTS = [
    Point(id=0, device="ahu", metric="power", element_hint=SLAB),
    Point(id=1, device="wall", metric="strain", element_hint=WALLS[0]),
    Point(id=2, device="wall", metric="unplanned", element_hint=WALLS[3]),
    Point(id=3, device="gate", metric="nowhere"),
]
_TIMES = {
    "2020-05-01T10:00:00Z": "planned",
    "2020-06-03T10:00:00Z": "planned",
    "2020-06-07T10:00:00Z": "installed",
    "2020-06-13T10:00:00Z": "commissioned",
    "2020-06-17T10:00:00Z": "handed_over",
}


@pytest.fixture
def points(house: Running) -> dict[str, int]:
    ids = house.add_points(_POINTS)
    house.schedule(_PLAN)
    return ids


def _life(house: Running, **more: Any) -> dict[str, str]:
    return {item["key"]: item["lifecycle"] for item in house.get("/points", **more)["items"]}


def test_a_point_lives_as_its_elements_tasks_go(house: Running, points: dict[str, int]) -> None:
    for at, state in _TIMES.items():
        life = _life(house, at=at)
        assert life["gw/ahu/power"] == state, at
        assert life["gw/wall/unplanned"] == life["gw/gate/nowhere"] == "commissioned"
    told = house.get(f"/points/{points['gw/ahu/power']}", at="2020-06-07T10:00:00Z")["life"]
    assert told == {"state": "installed", "how": "planned", "element": SLAB, "until": "2020-06-12T21:59:59Z"}
    nothing = house.get(f"/points/{points['gw/gate/nowhere']}")["life"]
    assert (nothing["state"], nothing["how"]) == ("commissioned", "no plan")


def test_an_element_without_commissioning_is_commissioned_when_it_stands(house: Running, points: Any) -> None:
    assert _life(house, at="2020-06-05T10:00:00Z")["gw/wall/strain"] == "planned"
    assert _life(house, at="2020-06-06T10:00:00Z")["gw/wall/strain"] == "commissioned"


def test_actual_dates_decide_where_there_are_any(house: Running, points: dict[str, int]) -> None:
    """Planned to be commissioned years ago, but nobody has begun: the point stays planned until somebody reports."""
    house.change("actuals", {"set": [{"task": "I"}, {"task": "C"}, {"task": "H"}]})
    point = points["gw/ahu/power"]
    assert house.get(f"/points/{point}")["life"]["state"] == "planned"
    assert house.get(f"/points/{point}")["life"]["how"] == "actual"
    house.change("actuals", {"set": [{"task": "I", "start": "2020-07-01", "finish": "2020-07-02"}]})
    assert _life(house)["gw/ahu/power"] == "installed"
    assert _life(house, at="2020-07-01T10:00:00Z")["gw/ahu/power"] == "planned"


def test_the_live_state_says_how_far_a_point_is(house: Running, points: dict[str, int]) -> None:
    twin = house.twin
    ids = np.array([points["gw/ahu/power"], points["gw/gate/nowhere"]], np.uint32)
    at_us = 1_591_524_000_000_000  # 2020-06-07T10:00Z
    assert twin.plan.lifecycles(ids, at_us).tolist() == [1, 2]
    assert twin.plan.lifecycle_of(points["gw/ahu/power"], at_us).state == "installed"


def test_what_was_known_then_decides_when_asked(house: Running) -> None:
    house.add_points(_POINTS)
    before = house.now()
    house.schedule(_PLAN)
    at = "2020-06-07T10:00:00Z"
    assert _life(house, at=at, known_at=before)["gw/ahu/power"] == "commissioned"  # no plan was known
    assert _life(house, at=at)["gw/ahu/power"] == "installed"


def test_a_site_names_its_own_tasks_of_commissioning(twin_at: Any, tmp_path: Path, small_ifc: Path) -> None:
    (tmp_path / "plan.csv").write_bytes(
        csv_plan(f"I,Mount,2020-06-01,2020-06-05,,,,,{SLAB}", f"T-9,Witness test,2020-06-08,2020-06-12,,,,,{SLAB}")
    )
    site = {"folder": str(tmp_path), "model": {"file": str(small_ifc)}}
    rules = {"commissioned": ["T-*"]}
    with twin_at(tmp_path / "data", site | {"schedule": {"file": "plan.csv", "lifecycle": rules}}) as twin:
        assert twin.plan_problem is None
        twin.add_points(_POINTS[:1])
        assert _life(twin, at="2020-06-07T10:00:00Z") == {"gw/ahu/power": "installed"}
        assert twin.get("/tasks/T-9")["lifecycle_class"] == "commissioning"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Commissioning AHU 1", "commissioning"),
        ("Pre-commissioning checks", "commissioning"),
        ("Uvedenie do prevádzky VZT", "commissioning"),
        ("Komplexné skúšky a oživenie", "commissioning"),
        ("空調系統試運轉", "commissioning"),
        ("Inbedrijfstellen installaties", "commissioning"),
        ("Inbetriebnahme Lüftung", "commissioning"),
        ("Final handover", "hand-over"),
        ("Odovzdanie stavby", "hand-over"),
        ("竣工驗收", "hand-over"),
        ("Oplevering", "hand-over"),
        ("Abnahme Rohbau", "hand-over"),
        ("Decommissioning of the old boiler", "installation"),
        ("Metselwerk", "installation"),
        ("Pour slab", "installation"),
        ("Plaatsen kozijnen", "installation"),
    ],
)
def test_tasks_are_classed_in_the_languages_of_our_sites(name: str, kind: str) -> None:
    schedule = build(Draft(About(format="csv"), tasks=[Task(id="1", name=name)]), ScheduleLimits())
    classes = ("installation", "commissioning", "hand-over")
    assert classes[task_classes(schedule, LifecycleRules())[0]] == kind


def test_a_handover_of_the_whole_house_counts_although_it_decides_no_element(
    twin_at: Any, tmp_path: Path, small_ifc: Path
) -> None:
    """It is linked to everything and so an umbrella; that it hands over is its name's word."""
    rows = [f"W{n},Build {n},2020-06-01,2020-06-05,,,,,{element}" for n, element in enumerate([SLAB, *WALLS])]
    rows += [f"Z,Handover of the house,2020-01-01,2020-12-31,,,,,{element}" for element in [SLAB, *WALLS]]
    (tmp_path / "plan.csv").write_bytes(csv_plan(*rows))
    site = {"folder": str(tmp_path), "model": {"file": str(small_ifc)}}
    with twin_at(tmp_path / "data", site | {"schedule": {"file": "plan.csv", "umbrella": ["Z"]}}) as twin:
        twin.add_points(_POINTS)
        assert twin.states("2020-06-07T10:00:00Z")[SLAB]["planned"] == "finished"
        assert _life(twin, at="2020-06-04T10:00:00Z")["gw/wall/strain"] == "planned"
        assert _life(twin, at="2020-06-07T10:00:00Z")["gw/wall/strain"] == "commissioned"
        assert _life(twin, at="2021-01-02T10:00:00Z")["gw/wall/strain"] == "handed_over"
        [umbrella] = [task for task in twin.get(f"/elements/{SLAB}")["plan"]["tasks"] if not task["decides"]]
        assert umbrella["id"] == "Z"
