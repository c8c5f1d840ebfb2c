"""The order of the binding, what each stage needs, and the reasons of what stays unbound. No file, no process."""

import pytest

from bim.bind_rules import BindRule, read_rules
from bim.binding import PointRef, bind
from bim.footprint import Footprint
from bim.model_index import ModelIndex
from bim.tables import ELEMENTS
from wire.errors import ConfigError

LAB, MECH_1, MECH_2, PUMP, METER = "LAB", "MECH1", "MECH2", "PUMP", "METER"


def row(id_: str, type_: str, name: str = "", **more) -> dict:
    blank = {field.name: [] if str(field.type).startswith("list") else "" for field in ELEMENTS if not field.nullable}
    category = "spatial" if type_ == "IfcSpace" else "element"
    return {**blank, "space": None, "id": id_, "type": type_, "category": category, "name": name, **more}


@pytest.fixture
def model() -> ModelIndex:
    rows = [
        row(LAB, "IfcSpace", "101", long_name="Laboratory"),
        row(MECH_1, "IfcSpace", "118", long_name="MECH RM"),
        row(MECH_2, "IfcSpace", "219", long_name="MECH RM"),
        row(PUMP, "IfcPump", "Pump 7", tag="P-7", space=MECH_1),
        row(METER, "IfcFlowMeter", "Meter", space=LAB, devices=["meter-1"], point_keys=["meter-1/power"]),
        row("V1", "IfcValve", "Valve"),
        row("V2", "IfcValve", "Valve", tag="valve"),
        row("HOLE", "IfcOpeningElement", "pump-9", category="opening"),
    ]
    square = [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)]
    import numpy as np

    return ModelIndex(rows, {LAB: Footprint(np.array(square), 0.0, 2.5)})


def point(device: str, metric: str = "m", **more) -> PointRef:
    return PointRef(id=1, node="gw", device=device, metric=metric, **more)


def only(report):
    assert len(report.bindings) + len(report.unbound) == 1
    return report.bindings[0] if report.bindings else report.unbound[0]


def test_the_catalogues_global_id_comes_first(model):
    found = only(bind([point("meter-1", "power", element_hint=PUMP)], model))
    assert (found.element, found.space, found.how, found.confidence) == (PUMP, MECH_1, "ifc", 1.0)


def test_the_models_point_key_comes_before_its_device(model):
    found = only(bind([point("meter-1", "power")], model))
    assert (found.element, found.confidence) == (METER, 1.0)
    assert "PointKey" in found.detail
    found = only(bind([point("meter-1", "voltage")], model))
    assert (found.element, found.confidence) == (METER, 0.95)
    assert "Device" in found.detail


def test_the_model_comes_before_the_config(model):
    found = only(bind([point("meter-1")], model, [BindRule(points="*", space="101")]))
    assert (found.element, found.how) == (METER, "ifc")


def test_the_config_comes_before_rules_and_position(model):
    rules = [BindRule(points="gw/x-118/*", space="101")]
    found = only(bind([point("x-118", position_m=(1, 1, 1))], model, rules))
    assert (found.element, found.space, found.how) == (LAB, LAB, "config")


@pytest.mark.parametrize("name", ["118", "118 mech rm", "118  MECH RM", "MECH1"])
def test_a_space_is_named_by_number_both_or_id(model, name):
    found = only(bind([point("okuma")], model, [BindRule(points="*/okuma/*", space=name)]))
    assert (found.element, found.how) == (MECH_1, "config")


def test_a_name_that_two_spaces_have_binds_nothing_and_names_both(model):
    missing = only(bind([point("okuma")], model, [BindRule(points="*/okuma/*", space="MECH RM")]))
    assert "2 spaces are called like 'MECH RM'" in missing.reason
    assert "118 MECH RM" in missing.reason
    assert "219 MECH RM" in missing.reason


def test_a_space_that_is_not_there_is_named(model):
    missing = only(bind([point("okuma")], model, [BindRule(points="*", space="Attic")]))
    assert missing.reason == "bind[0]: the model has no space called 'Attic'"


def test_the_first_config_that_fits_decides(model):
    rules = [
        BindRule(points="*/a/*", space="Attic"),
        BindRule(points="*", space="101"),
        BindRule(points="*", space="118"),
    ]
    assert only(bind([point("a")], model, rules)).element == LAB


def test_an_element_can_be_given_a_space_of_its_own(model):
    found = only(bind([point("x")], model, [BindRule(points="*", element="P-7", space="101")]))
    assert (found.element, found.space) == (PUMP, LAB)


def test_placeholders_make_it_a_rule(model):
    found = only(bind([point("P-7")], model, [BindRule(points="*", element="{device}")]))
    assert (found.element, found.how, found.confidence) == (PUMP, "rule", 0.8)


def test_the_nodes_own_space_counts_as_config(model):
    found = only(bind([point("x", space_hint="Laboratory")], model))
    assert (found.element, found.how, found.confidence) == (LAB, "config", 0.9)


@pytest.mark.parametrize(
    ("device", "element", "confidence"),
    [
        ("pump-7", PUMP, 0.8),
        ("p-7", PUMP, 0.8),
        ("laboratory", LAB, 0.8),
        ("room-101-co2", LAB, 0.6),
        ("valve", "V2", 0.8),
    ],
)
def test_names_bind_without_any_config(model, device, element, confidence):
    found = only(bind([point(device)], model))
    assert (found.element, found.how, found.confidence) == (element, "rule", confidence)


def test_a_short_number_in_a_name_is_no_room(model):
    assert only(bind([point("ahu-1")], model)).reason == "nothing names its place"


def test_openings_carry_no_points(model):
    assert only(bind([point("pump-9")], model)).reason == "nothing names its place"


def test_the_position_comes_last(model):
    found = only(bind([point("x", position_m=(1.0, 1.0, 1.0))], model))
    assert (found.element, found.how, found.confidence) == (LAB, "space", 0.6)
    missing = only(bind([point("x", position_m=(9.0, 9.0, 9.0))], model))
    assert missing.reason == "no space of the model is at (9, 9, 9) m"


def test_points_can_be_left_unbound_on_purpose(model):
    missing = only(bind([point("meter-1")], model, [BindRule(points="*/meter-*/*", rule="none")]))
    assert missing.reason == "left unbound by the site's config"


def test_config_that_fits_no_point_is_reported(model):
    report = bind([point("x")], model, [BindRule(points="*/okuma/*", space="101")])
    assert report.unused == ["bind[0]: no point matches '*/okuma/*'"]


def test_two_elements_that_claim_one_point_leave_it_to_the_config(model):
    model.by_point_key["x/m"] = [model.by_id["V1"], model.by_id["V2"]]
    missing = only(bind([point("x")], model))
    assert "2 elements claim x/m" in missing.reason
    assert only(bind([point("x")], model, [BindRule(points="*", space="101")])).element == LAB


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"points": "*"}, "bind[0]"),
        ({"points": "*", "space": "A", "rule": "none"}, "bind[0]"),
        ({"points": "", "space": "A"}, "bind[0].points"),
        ({"points": [], "space": "A"}, "bind[0].points"),
        ({"points": "*", "rule": "guess"}, "bind[0].rule"),
        ({"points": "*", "space": "{room}"}, "bind[0]"),
        ({"points": "*", "spaces": "A"}, "bind[0]"),
        ({"space": "A"}, "bind[0]"),
        ({"points": 3, "space": "A"}, "bind[0]"),
    ],
)
def test_a_wrong_table_names_file_field_and_fix(table, field):
    with pytest.raises(ConfigError) as caught:
        read_rules([table], "site.toml")
    assert (caught.value.file, caught.value.field) == ("site.toml", field)
    assert caught.value.fix


def test_the_sample_of_the_docstring_is_valid():
    import textwrap
    import tomllib

    import bim.bind_rules

    sample = textwrap.dedent(bim.bind_rules.__doc__.partition("\n\n")[2])
    assert len(read_rules(tomllib.loads(sample)["bind"], "sample")) == 4
