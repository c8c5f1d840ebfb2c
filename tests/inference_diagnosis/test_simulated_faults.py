"""Faults of the simulated park, each with the cause that its label names: what is found must point at it."""

import copy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from inference.diagnosis import Edge, Graph, Node, Symptom, diagnose
from sim_devices.campus import Campus
from sim_devices.damage import KINDS
from sim_devices.faults import DEVICE_FAULTS, LINK_FAULTS, Fault, Faults, Scenario
from sim_devices.site import Site, load_site

WORKDAY_US = int(datetime(2026, 6, 10, 8, 0, tzinfo=UTC).timestamp() * 1e6)  # 10:00 on site
WINTER_US = int(datetime(2026, 1, 14, 8, 0, tzinfo=UTC).timestamp() * 1e6)
STEPS = 90  # of a minute
CHANNELS_MAX = 8  # of an explanation

# label -> (device, causes a technician accepts, when)
DAMAGE: dict[str, tuple[str, set[str], int]] = {
    "fouled-filter": ("ahu-1", {"filter_fouled"}, WORKDAY_US),
    "belt-slip": ("ahu-1", {"fan_failed"}, WORKDAY_US),
    "blocked-coil": ("ahu-1", {"heating_coil_blocked", "heat_supply_weak"}, WINTER_US),
    "stuck-valve": ("ahu-1", {"heating_valve_leaking", "coil_valve_stuck", "cooling_coil_blocked"}, WORKDAY_US),
    "open-window": ("room-lab", {"window_open"}, WINTER_US),
    "stuck-radiator": ("room-lab", {"room_overheated"}, WINTER_US),
    "soiling": ("pv-inverter", {"panels_soiled", "string_lost"}, WORKDAY_US),
    "string-loss": ("pv-inverter", {"string_lost", "panels_soiled"}, WORKDAY_US),
    "inverter-trip": ("pv-inverter", {"inverter_tripped"}, WORKDAY_US),
    "hot-cell": ("battery", {"battery_cooling_failed"}, WORKDAY_US),
    "bearing-wear": ("mill-1", {"spindle_bearing_worn"}, WORKDAY_US),
    "tool-wear": ("mill-1", {"tool_worn"}, WORKDAY_US),
    "coolant-loss": ("mill-1", {"coolant_lacking"}, WORKDAY_US),
    "oil-cooling": ("transformer", {"transformer_cooling_weak"}, WORKDAY_US),
}


KEPT = {"ahu-1", "heat-pump", "room-lab", "pv-inverter", "battery", "mill-1", "main-meter", "weather"}


@pytest.fixture(scope="module")
def site() -> Site:
    """A few devices of the campus: its physics without the rest of the park."""
    whole = load_site(Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus")
    return replace(whole, devices=tuple(one for one in whole.devices if one.name in KEPT or one.kind == "transformer"))


@pytest.fixture(scope="module")
def graph(site: Site) -> Graph:
    """Devices as the twin knows them by their Brick classes, without a model."""
    nodes, edges = [], []
    for device in site.devices:
        kind = site.kinds[device.kind]
        nodes.append(Node(id=device.name, kind="asset", type=str(getattr(kind, "brick", "")), name=device.name))
        nodes.append(Node(id=f"device:{device.name}", kind="device", name=device.name))
        edges.append(Edge(source=f"device:{device.name}", target="gateway:gw", kind="via"))
        for metric in site.metrics(device):
            key = f"{device.name}/{metric.name}"
            nodes.append(Node(id=key, kind="point", name=metric.name, point_class=metric.point_class))
            edges += [Edge(source=key, target=device.name, kind="part_of"),
                      Edge(source=key, target=f"device:{device.name}", kind="via")]  # fmt: skip
    return Graph([*nodes, Node(id="gateway:gw", kind="gateway", name="gw")], edges)


@pytest.fixture(scope="module")
def mornings(site: Site) -> dict[int, Campus]:
    """Parks that have warmed up; each case goes on from a copy."""
    return {start_us: Campus(site, 7, start_us) for start_us in (WORKDAY_US, WINTER_US)}


@pytest.fixture(scope="module")
def sound(mornings: dict[int, Campus]) -> dict[int, list[dict[str, object]]]:
    return {start_us: _play(campus, start_us, ()) for start_us, campus in mornings.items()}


def _play(morning: Campus, start_us: int, faults: tuple[Fault, ...]) -> list[dict[str, object]]:
    campus, told = copy.deepcopy(morning), Faults(Scenario("one", faults), start_us)
    rows: list[dict[str, object]] = []
    for _ in range(STEPS):
        told.afflict(campus)
        campus.leap(60.0)
        rows.append(dict(told.shown(campus.values(), campus.now_us)))
    return rows


def _found(
    device: str, sound: list[dict[str, object]], broken: list[dict[str, object]], classes: dict[str, str]
) -> list[Symptom]:
    """Channels of a device that left what they were, in deviations of a sound day; as a perfect detector would tell."""
    found = []
    for key in (key for key in sound[0] if key.startswith(f"{device}/")):
        before, now = [row[key] for row in sound], [row[key] for row in broken]
        if isinstance(before[0], str):
            if before[STEPS // 2 :] != now[STEPS // 2 :]:
                found.append((np.inf, Symptom(point=key, point_class=classes[key])))
            continue
        calm, off = np.array(before, float), np.array(now, float)
        scale = max(float(np.std(calm)), 0.01 * float(np.abs(calm).mean()), 1e-3)
        away = float(np.mean(off[STEPS // 2 :] - calm[STEPS // 2 :])) / scale
        if abs(away) > 0.4:
            found.append(
                (abs(away), Symptom(point=key, point_class=classes[key], direction="high" if away > 0 else "low"))
            )
    most = max(
        (weight for weight, _ in found if np.isfinite(weight)), default=1.0
    )  # a word that changed weighs as much
    found = [(min(weight, most), one) for weight, one in found]
    total = sum(weight for weight, _ in found)
    found.sort(key=lambda pair: -pair[0])
    return [Symptom(**{**_plain(one), "share": weight / total}) for weight, one in found[:CHANNELS_MAX]]


def _plain(one: Symptom) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _classes(site: Site) -> dict[str, str]:
    return {f"{d.name}/{m.name}": m.point_class for d in site.devices for m in site.metrics(d)}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_worn_or_broken_machine_is_named_first(
    what: str, site: Site, graph: Graph, mornings: dict[int, Campus], sound: dict[int, list[dict[str, object]]]
) -> None:
    device, accepted, start_us = DAMAGE[what]
    device = (
        device
        if any(one.name == device for one in site.devices)
        else next(one.name for one in site.devices if one.kind in KINDS[what].devices)
    )
    broken = _play(mornings[start_us], start_us, (Fault(what, device, 0.0, 1e6),))
    found = _found(device, sound[start_us], broken, _classes(site))
    assert found, "the simulation shows nothing"
    causes = diagnose(found, graph)
    told = [(one.cause, one.p) for one in causes]
    assert causes[0].cause in accepted, (told, [(f.point, f.direction, round(f.share, 2)) for f in found])
    assert causes[0].where == device


def test_faults_of_sensors_are_faults_of_sensors(site: Site, graph: Graph) -> None:
    for way, cause in (("stuck", "sensor_stuck"), ("spike", "sensor_disturbed"), ("gap", "sensor_silent")):
        first = diagnose([Symptom(point="main-meter/current_l2", point_class="current", direction=way)], graph)[0]
        assert first.cause == cause


@pytest.mark.parametrize("what", [*DEVICE_FAULTS, *LINK_FAULTS])
def test_a_device_that_is_frozen_or_cut_off_is_one_cause(what: str, site: Site, graph: Graph) -> None:
    way = "gap" if what in LINK_FAULTS else "stuck"
    keys = [
        f"heat-pump/{metric.name}"
        for device in site.devices
        if device.name == "heat-pump"
        for metric in site.metrics(device)
    ]
    first = diagnose([Symptom(point=key, direction=way) for key in keys], graph)[0]
    assert first.cause == ("device_silent" if way == "gap" else "device_frozen")
    assert len(first.points) == len(keys)


def test_a_gateway_of_the_whole_park_that_is_gone_is_one_cause(graph: Graph) -> None:
    keys = [node.id for node in graph.nodes.values() if node.kind == "point"]
    first = diagnose([Symptom(point=key, direction="gap") for key in keys], graph)[0]
    assert first.cause == "gateway_down"
