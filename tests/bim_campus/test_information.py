"""What the model says of its elements: points, devices, systems, types, classes; every point of the campus finds it."""

from collections import Counter
from pathlib import Path
from typing import Any

import ifcopenshell
import ifcopenshell.util.element as elements
import pytest

from bim.binding import PointRef, bind
from bim.campus.walls import walls_of
from bim.model_index import ModelIndex
from bim.open import load_tables, read_model
from wire.device_tables import read_devices
from wire.point_classes import check_unit

SITES = Path(__file__).resolve().parents[2] / "configs" / "sites"


def _table(site: str) -> dict[str, Any]:
    return read_devices(SITES / site)


def test_more_than_two_hundred_sensors_carry_the_key_of_a_point_of_the_table(model: ifcopenshell.file) -> None:
    table = _table("campus")
    wanted = {
        f"{device['name']}/{metric['name']}": metric["sensor"]
        for device in table["device"]
        for metric in table["kind"][device["kind"]]["metrics"]
        if "sensor" in metric
    }
    found = {}
    for sensor in model.by_type("IfcSensor"):
        pset = elements.get_pset(sensor, "Pset_AID4")
        if "PointKey" in pset:
            found[pset["PointKey"]] = sensor.PredefinedType
            assert pset["BrickClass"].startswith("brick:")
    assert found == wanted
    live = {device["name"] for device in table["device"] if not device.get("planned")}
    assert sum(key.partition("/")[0] in live for key in found) >= 200


def test_every_device_is_an_element_with_its_name(model: ifcopenshell.file) -> None:
    names = [elements.get_pset(one, "Pset_AID4", "Device") for one in model.by_type("IfcElement")]
    assert Counter(name for name in names if name) == Counter(device["name"] for device in _table("campus")["device"])


@pytest.mark.parametrize("site", ["campus", "fab", "farm"])
def test_every_unit_of_a_site_fits_its_class(site: str) -> None:
    for kind in _table(site)["kind"].values():
        for metric in kind["metrics"]:
            if metric["class"]:  # a quantity without a class is stored all the same
                assert check_unit(metric["class"], metric.get("unit", "")) == metric.get("unit", "")


def test_every_point_is_bound_by_the_model_to_the_space_of_its_device(campus_file: Path, tmp_path: Path) -> None:
    read_model(campus_file, tmp_path)
    rows = load_tables(tmp_path)["elements"].to_pylist()
    table = _table("campus")
    pairs = [
        (device, metric["name"]) for device in table["device"] for metric in table["kind"][device["kind"]]["metrics"]
    ]
    points = [PointRef(id=n, node="gw-1", device=d["name"], metric=m) for n, (d, m) in enumerate(pairs)]
    report = bind(points, ModelIndex.from_table(load_tables(tmp_path)["elements"]))
    assert report.unbound == []
    assert report.by_how == {"ifc": len(points)}
    spaces = {row["id"]: row["long_name"] for row in rows if row["type"] == "IfcSpace"}
    assert len(spaces) >= 60
    for one in report.bindings:
        device, metric = pairs[one.point_id]
        assert spaces[one.space] == device["space"], (device["name"], metric)


def test_every_building_element_has_a_class_and_a_type(model: ifcopenshell.file) -> None:
    classed = {one.id() for rel in model.by_type("IfcRelAssociatesClassification") for one in rel.RelatedObjects}
    for one in model.by_type("IfcElement"):
        if one.is_a("IfcFeatureElementSubtraction") or one.is_a("IfcVehicle"):
            continue
        assert one.id() in classed, one.Name
    typed = [one for one in model.by_type("IfcDistributionElement") if elements.get_type(one) is None]
    assert typed == []


def test_systems_hold_distribution_elements_and_serve_the_buildings(model: ifcopenshell.file) -> None:
    systems = {one.Name: one for one in model.by_type("IfcDistributionSystem")}
    assert {"Supply air", "Heating water", "Electrical distribution", "Irrigation water"} <= set(systems)
    assert {"Photovoltaics and storage", "Building automation", "Lighting"} <= set(systems)
    for system in systems.values():
        members = system.IsGroupedBy[0].RelatedObjects
        assert all(one.is_a("IfcElement") for one in members)
        assert len(system.ServicesBuildings) == 1


def test_zones_hold_rooms(model: ifcopenshell.file) -> None:
    zones = model.by_type("IfcZone")
    assert len(zones) == len(model.by_type("IfcBuilding"))
    assert all(one.is_a("IfcSpace") for zone in zones for one in zone.IsGroupedBy[0].RelatedObjects)


def test_every_element_is_contained_once(model: ifcopenshell.file) -> None:
    inside = Counter(
        one.id() for rel in model.by_type("IfcRelContainedInSpatialStructure") for one in rel.RelatedElements
    )
    assert max(inside.values()) == 1
    for one in model.by_type("IfcElement"):
        assert inside[one.id()] or one.Decomposes or one.is_a("IfcFeatureElement"), one.Name


def test_walls_between_two_rooms_are_one_wall() -> None:
    walls = walls_of([(0, 0, 4, 3), (4, 0, 8, 3)])
    assert len(walls) == 7
    shared = [wall for wall in walls if not wall.outer]
    assert [(wall.along_x, wall.at, wall.start, wall.end) for wall in shared] == [(False, 4, 0, 3)]
