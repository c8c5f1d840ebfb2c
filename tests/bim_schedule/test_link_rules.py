"""Rules that pair tasks with elements by storey, type, zone and classification, and the report of what is left out."""

import pyarrow as pa
import pytest

from bim.schedule.coverage import coverage
from bim.schedule.element_plan import ElementPlan
from bim.schedule.link_rules import ElementFields, TaskLinkRule, link_by_rules, read_rules
from bim.schedule.progress import Progress
from bim.schedule.read import read_schedule
from bim.tables import ELEMENTS, RELATIONS
from wire.errors import ConfigError

PLAN = """id,name,start,finish,wbs,kind,Storey
S,All,2026-03-02,2026-03-31,A,summary,
T1,Floor ground,2026-03-02,2026-03-06,A.1,,00 Ground
T2,Floor first,2026-03-09,2026-03-13,A.2,,01 [First]
T3,Roof,2026-03-16,2026-03-20,B.1,,
"""


def element(key: str, **more: object) -> dict[str, object]:
    empty = {part.name: "" for part in ELEMENTS if pa.types.is_string(part.type) and not part.nullable}
    lists = {name: [] for name in ("materials", "classifications", "point_keys", "devices")}
    return {**empty, **lists, "id": key, "step": 1, "has_shape": True, "category": "element", **more}


@pytest.fixture
def model() -> ElementFields:
    rows = [
        element("s0", category="spatial", type="IfcBuildingStorey", name="00 Ground"),
        element("s1", category="spatial", type="IfcBuildingStorey", name="01 [First]"),
        element("z", category="group", type="IfcZone", name="East"),
        element("a", type="IfcSlab", name="Slab", storey="s0", materials=["concrete C30"]),
        element("b", type="IfcSlab", name="Slab", storey="s1", classifications=["nl-sfb:23"]),
        element("c", type="IfcWall", name="Wall", storey="s1"),
        element("d", type="IfcRoof", name="Roof"),
    ]
    relations = pa.Table.from_pylist([{"kind": "group", "source": "z", "target": "c"}], schema=RELATIONS)
    return ElementFields(pa.Table.from_pylist(rows, schema=ELEMENTS), relations)


@pytest.fixture
def schedule(written):
    return read_schedule(written("plan.csv", PLAN))


def pairs(match) -> set[tuple[str, str]]:
    return {(row["task"], row["element"]) for row in match.links.to_pylist()}


@pytest.mark.parametrize(
    ("task", "element", "found"),
    [
        ({"name": "floor*"}, {"type": "IfcSlab*", "storey": "{Storey}"}, {("T1", "a"), ("T2", "b")}),
        ({"wbs": "A.2*"}, {"storey": "01*"}, {("T2", "b"), ("T2", "c")}),
        ({"wbs": "A.*"}, {"material": "*C30"}, {("T1", "a"), ("T2", "a")}),
        ({"Storey": "01*"}, {"zone": "east"}, {("T2", "c")}),
        ({"code": "T3"}, {"classification": "*:23"}, {("T3", "b")}),
        ({"code": "T3"}, {"storey": "{Storey}"}, set()),
        ({"name": "all"}, {"type": "*"}, set()),
    ],
)
def test_a_rule_pairs_tasks_with_elements(schedule, model, task, element, found):
    match = link_by_rules(schedule, model, [TaskLinkRule(1, task, element)])
    assert pairs(match) == found
    assert all(row["how"] == "rule" and row["confidence"] < 1 for row in match.links.to_pylist())


def test_what_rules_leave_out_is_listed(schedule, model):
    rules = [TaskLinkRule(1, {"name": "floor*"}, {"type": "IfcSlab", "storey": "{Storey}"})]
    match = link_by_rules(schedule, model, rules)
    plan = ElementPlan.of(Progress.of(schedule), match.links, model.ids)
    report = coverage(plan, match.links, [], None)
    assert (report["total"], report["decided"], report["by_how"]) == (4, 2, {"rule": 2})
    assert [(one["id"], one["reason"]) for one in report["undecided"]] == [("c", "no_task"), ("d", "no_task")]
    assert [one["id"] for one in report["tasks_without_elements"]] == ["T3"]
    assert match.links_by_rule == {1: 2}


def test_rules_are_read_from_toml(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text('[[task_link]]\ntask = { wbs = "A*" }\nelement = { type = "IfcSlab", storey = "{Storey}" }\n')
    (rule,) = read_rules(path)
    assert (rule.task, rule.element["storey"]) == ({"wbs": "A*"}, "{Storey}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[task_link]]\n",
        "[[task_link]]\ntask = { wbs = 1 }\nelement = { type = 'x' }\n",
        "[[task_link]]\ntask = { wbs = 'A' }\nelement = { colour = 'red' }\n",
        "[[task_link]]\ntask = {}\nelement = { type = 'x' }\n",
        "task_link = 3\n",
        "[[",
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_rules(path)
    assert refusal.value.file == str(path)
    assert refusal.value.fix
