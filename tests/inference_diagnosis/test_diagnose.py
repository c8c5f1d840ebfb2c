"""From findings to the cause that a technician would name, at the place where it is."""

import string

import msgspec
import pytest

from inference.diagnosis import Edge, Graph, Node, Symptom, diagnose
from inference.diagnosis.rules import load_rules
from inference.diagnosis.texts import LANGUAGES, load_texts, retell

# kind of machine (Brick class), findings as metric: (class, direction), the cause that must lead
AHU = "Air_Handling_Unit"
CASES = [
    (AHU, {"filter_pressure": ("pressure", "high"), "supply_air_flow": ("flow", "low")}, "filter_fouled"),
    (AHU, {"supply_air_temperature": ("temperature", "low"), "heating_valve": ("valve_command", "high")},
     {"heating_coil_blocked"}),
    (AHU, {"supply_air_temperature": ("temperature", "high"), "cooling_valve": ("valve_command", "high")},
     {"cooling_coil_blocked", "heating_valve_leaking"}),
    (AHU, {"mixed_air_temperature": ("temperature", "high"), "outdoor_air_damper": ("damper", "stuck")},
     "outdoor_damper_stuck"),
    (AHU, {"supply_air_flow": ("flow", "low"), "power": ("power", "low"),
                           "filter_pressure": ("pressure", "low")}, "fan_failed"),
    ("Heat_Pump", {"cop": ("ratio", "low"), "heat_output": ("thermal_power", "low")}, "refrigerant_low"),
    ("Chiller", {"water_flow": ("flow", "low"), "return_water_temperature": ("temperature", "high")},
     "circulation_weak"),
    ("PV_Inverter", {"cabinet_temperature": ("temperature", "high"), "ac_power": ("power", "low")},
     "inverter_derating"),
    ("PV_Inverter", {"dc_current": ("current", "low"), "dc_power": ("power", "low"), "ac_power": ("power", "low")},
     {"string_lost", "panels_soiled"}),
    ("Battery", {"cell_temperature": ("temperature", "high")}, "battery_cooling_failed"),
    ("Electric_Vehicle_Charging_Station", {"power": ("power", "low"), "current": ("current", "low"),
                                           "connector_state": ("mode", "")}, "charger_stopped"),
    ("Water_Pump", {"pressure": ("pressure", "low"), "flow": ("flow", "high")}, "pipe_leaking"),
    ("Water_Pump", {"bearing_temperature": ("temperature", "high"), "vibration": ("vibration", "high")},
     "pump_bearing_worn"),
    ("Water_Valve", {"flow": ("flow", "low"), "pressure": ("pressure", "high")}, "discharge_blocked"),
    ("Machine_Tool", {"vibration": ("vibration", "high"), "spindle_temperature": ("temperature", "high")},
     "spindle_bearing_worn"),
    ("Machine_Tool", {"spindle_load": ("load", "high"), "power": ("power", "high")}, "tool_worn"),
    ("Machine_Tool", {"coolant_flow": ("flow", "low"), "spindle_temperature": ("temperature", "high")},
     "coolant_lacking"),
    ("Drone", {"motor_3_output": ("", "high"), "roll": ("angle", "noisy")}, "motor_lost"),
    ("Drone", {"gps_hdop": ("", "high"), "satellites": ("count", "low")}, "gps_disturbed"),
    ("Drone", {"battery_voltage": ("voltage", "low"), "battery": ("battery_charge", "low")}, "flight_battery_weak"),
]  # fmt: skip


def _machine(brick: str, found: dict[str, tuple[str, str]]) -> tuple[list[Symptom], Graph]:
    """The findings, and a machine that has as many quiet points beside them."""
    quiet = [Node(id=f"gw/m-1/spare_{i}", kind="point", name=f"spare_{i}") for i in range(len(found) + 2)]
    asset = Node(id="M1", kind="asset", type=brick, name="m-1")
    edges = [Edge(source=node.id, target="M1", kind="part_of") for node in quiet]
    symptoms = [
        Symptom(point=f"gw/m-1/{metric}", point_class=kind, direction=way, element="M1", element_type=brick)
        for metric, (kind, way) in found.items()
    ]
    return symptoms, Graph([asset, *quiet], edges)


def named(value: object) -> str:
    return str(sorted(value) if isinstance(value, set) else value)[:24]


@pytest.mark.parametrize(("brick", "found", "cause"), CASES, ids=named)
def test_the_first_cause_is_the_one_a_technician_would_name(
    brick: str, found: dict[str, tuple[str, str]], cause: str | set[str]
) -> None:
    first, *rest = diagnose(*_machine(brick, found))
    assert first.cause in ({cause} if isinstance(cause, str) else cause), [(c.cause, c.p) for c in (first, *rest)]
    assert first.evidence
    assert first.action
    assert sum(one.p for one in (first, *rest)) <= 1.0 + 1e-6


def _line(gateways: int, devices: int, points: int) -> list[str]:
    return [f"gw-{g}/dev-{d}/m{p}" for g in range(gateways) for d in range(devices) for p in range(points)]


def test_a_whole_gateway_that_falls_silent_is_one_cause_and_not_one_a_point() -> None:
    keys = _line(2, 5, 4)
    graph = Graph().with_points(
        (Node(id=k, kind="point", name=k[-2:]), Node(id=k.rsplit("/", 1)[0], kind="asset")) for k in keys
    )
    causes = diagnose([Symptom(point=k, direction="gap") for k in keys if k.startswith("gw-1/")], graph)
    assert (causes[0].cause, causes[0].where) == ("gateway_down", "gateway:gw-1")
    assert causes[0].p > 0.8
    assert len(causes[0].points) == 20


def test_one_silent_device_is_the_device_and_one_silent_point_is_its_wire() -> None:
    keys = _line(1, 5, 4)
    graph = Graph().with_points(
        (Node(id=k, kind="point", name=k[-2:]), Node(id=k.rsplit("/", 1)[0], kind="asset")) for k in keys
    )
    device = diagnose([Symptom(point=k, direction="gap") for k in keys if "/dev-2/" in k], graph)
    assert (device[0].cause, device[0].where) == ("device_silent", "device:gw-0/dev-2")
    point = diagnose([Symptom(point="gw-0/dev-2/m1", direction="gap")], graph)
    assert point[0].cause == "sensor_silent"


def test_a_room_that_cools_because_its_heat_source_does_points_at_the_source() -> None:
    pump = Node(id="HP", kind="asset", type="Heat_Pump", name="heat-pump")
    rooms = [Node(id=f"R{i}", kind="asset", type="Thermostat", name=f"room-{i}") for i in range(3)]
    points = [
        Node(id="gw/heat-pump/supply_water_temperature", kind="point", name="supply_water_temperature",
             point_class="temperature"),
        Node(id="gw/heat-pump/power", kind="point", name="power", point_class="power"),
        Node(id="gw/heat-pump/heat_output", kind="point", name="heat_output", point_class="thermal_power"),
        *(Node(id=f"gw/room-{i}/temperature", kind="point", name="temperature", point_class="temperature")
          for i in range(3)),
    ]  # fmt: skip
    owners = ["HP", "HP", "HP", "R0", "R1", "R2"]
    edges = [Edge(source=p.id, target=o, kind="part_of") for p, o in zip(points, owners, strict=True)]
    edges += [Edge(source="HP", target=room.id, kind="feeds") for room in rooms]
    graph = Graph([pump, *rooms, *points], edges)
    found = [Symptom(point=p.id, direction="low", share=0.5) for p in points]
    causes = diagnose(found, graph)
    assert (causes[0].cause, causes[0].where) == ("compressor_failed", "HP")
    alone = diagnose([Symptom(point="gw/room-1/temperature", direction="low")], graph)
    assert {one.where for one in alone} == {"R1"}


def test_what_contradicts_a_cause_lowers_it_and_is_said() -> None:
    graph = Graph().with_points(
        (
            Node(id=f"gw/mill-1/{name}", kind="point", name=name, point_class=kind),
            Node(id="M", kind="asset", name="mill"),
        )
        for name, kind in (("vibration", "vibration"), ("spindle_temperature", "temperature"), ("power", "power"))
    )
    alone = diagnose([Symptom(point="gw/mill-1/vibration", direction="high")], graph)
    both = diagnose(
        [Symptom(point=f"gw/mill-1/{name}", direction="high") for name in ("vibration", "spindle_temperature")], graph
    )
    p = [next(c.p for c in causes if c.cause == "spindle_bearing_worn") for causes in (alone, both)]
    assert p[0] < p[1]
    said = next(c for c in alone if c.cause == "spindle_bearing_worn")
    assert [e.code for e in said.evidence if e.values["weight"] < 0] == ["sign_quiet"]  # type: ignore[operator]


def test_what_no_cause_explains_is_called_unknown_and_nothing_seen_has_no_cause() -> None:
    assert diagnose([]) == []
    causes = diagnose([Symptom(point="a/b/c", direction="no such way")])
    assert any(one.cause == "unknown" for one in causes)


def test_the_same_findings_in_another_order_have_the_same_causes() -> None:
    symptoms, graph = _machine(AHU, CASES[4][1])
    assert diagnose(symptoms, graph) == diagnose(symptoms[::-1], graph)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cause_has_words_in_every_language(language: str) -> None:
    rules, texts, english = load_rules(), load_texts(language), load_texts("en")
    named = {one.name for one in (*rules.cause, *rules.generic)} | {"unknown"}
    assert set(texts.cause) == named
    assert set(texts.evidence) == set(english.evidence)
    assert set(texts.direction) == set(english.direction)
    ways = {(rule.over, way or "changed") for rule in rules.generic for way in rule.ways}
    assert {f"{over}_{way}" for over, way in ways} <= set(texts.evidence)
    for code, text in texts.evidence.items():
        fields = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert fields == {name for _, name, _, _ in string.Formatter().parse(english.evidence[code]) if name}, code


@pytest.mark.parametrize("language", LANGUAGES)
def test_causes_that_were_kept_are_said_again_in_another_language(language: str) -> None:
    symptoms = [Symptom(point=f"gw/pump/m{n}", direction="gap", share=0.5) for n in range(2)]
    kept = msgspec.to_builtins(diagnose(symptoms))
    assert retell(kept, language) == msgspec.to_builtins(diagnose(symptoms, language=language))
    later = [{"cause": "of a later version", "title": "as it was told", "evidence": []}]
    assert retell(later, language) == later
