"""The twin's graph of a park: which points make a machine, what feeds it, read from the building's model."""

from typing import Any

import pyarrow as pa
import pytest

from bim.tables import ELEMENTS, RELATIONS, table_of
from twin.bindings import find_bindings
from twin.diagnosis import Diagnosis, Finding, graph_of
from twin.directory import Directory
from twin.model import Model, ModelInfo
from twin.points import PointRow


def _element(guid: str, kind: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {f.name: "" for f in ELEMENTS if not f.nullable and f.type == pa.string()}
    row |= {f.name: [] for f in ELEMENTS if not f.nullable and pa.types.is_list(f.type)}
    spatial = kind in {"IfcBuilding", "IfcSpace"}
    return row | {"id": guid, "step": 1, "type": kind, "name": guid, "has_shape": False,
                  "category": "spatial" if spatial else "element"} | more  # fmt: skip


ROWS = [
    _element("house", "IfcBuilding"),
    _element("barn", "IfcBuilding"),
    _element("plant", "IfcSpace", parent="house"),
    _element("hall", "IfcSpace", parent="barn"),
    _element("HP", "IfcUnitaryEquipment", brick="Heat_Pump", devices=["heat-pump"], parent="plant", space="plant"),
    _element("AHU", "IfcUnitaryEquipment", brick="Air_Handling_Unit", devices=["ahu-1"], parent="plant", space="plant"),
    _element("T1", "IfcSensor", predefined="TEMPERATURESENSOR", point_keys=["ahu-1/supply_air_temperature"],
             parent="plant", space="plant"),
    _element("R1", "IfcController", brick="Thermostat", devices=["room-1"], parent="plant", space="plant"),
    _element("R2", "IfcController", brick="Thermostat", devices=["room-2"], parent="hall", space="hall"),
    _element("duct", "IfcDuctSegment", parent="plant", space="plant"),
]  # fmt: skip
PORTS = [("AHU", "p1"), ("duct", "p2"), ("duct", "p3"), ("R2", "p4")]
POINTS = [
    ("heat-pump", "supply_water_temperature", "temperature"), ("heat-pump", "power", "power"),
    ("heat-pump", "heat_output", "thermal_power"), ("ahu-1", "supply_air_temperature", "temperature"),
    ("ahu-1", "heating_valve", "valve_command"), ("room-1", "temperature", "temperature"),
    ("room-2", "temperature", "temperature"), ("loose", "level", "ratio"),
]  # fmt: skip


@pytest.fixture
def park() -> tuple[Model, pa.Table, Directory]:
    model = Model(ModelInfo(1, "a.ifc", "IFC4", "a" * 64), table_of(ROWS, ELEMENTS))
    pairs = [("port", element, port) for element, port in PORTS]
    pairs += [("connects", "p1", "p2"), ("connects", "p3", "p4"), ("flow_control", "AHU", "T1")]
    relations = pa.Table.from_pylist([dict(zip(RELATIONS.names, pair, strict=True)) for pair in pairs], RELATIONS)
    points = [
        PointRow(id=at, node="gw", device=device, metric=metric, point_class=kind)
        for at, (device, metric, kind) in enumerate(POINTS, 1)
    ]
    return model, relations, Directory(points, find_bindings(points, model, [], {}), {})


def test_points_belong_to_machines_and_pipes_and_places_say_who_feeds_whom(
    park: tuple[Model, pa.Table, Directory],
) -> None:
    model, relations, directory = park
    graph = graph_of(model, relations, directory.views)
    assert graph.asset_of("gw/ahu-1/supply_air_temperature") == "AHU", "the machine, not the sensor that sits on it"
    assert graph.asset_of("gw/loose/level") == "asset:gw/loose", "what no element stands for is its own machine"
    assert graph.gateway_of(graph.device_of("gw/ahu-1/heating_valve")) == "gateway:gw"
    how = {(edge.source, edge.target): edge.how for edge in graph.edges if edge.kind == "feeds"}
    assert how["AHU", "R2"] == "ports", "through the duct, into another building"
    assert how["HP", "AHU"] == how["HP", "R1"] == "assumed within building"
    assert ("HP", "R2") not in how, "another building has heat of its own"
    assert ("AHU", "R1") in how


def test_what_is_found_downstream_points_at_its_source(park: tuple[Model, pa.Table, Directory]) -> None:
    model, relations, directory = park
    desk = Diagnosis(lambda: model, lambda: directory, lambda: relations)
    found = [Finding(view.key, "low", 0.5) for view in directory.views if view.device in ("heat-pump", "room-1")]
    causes = desk.causes([*found, Finding("gw/ahu-1/supply_air_temperature", "low", 0.5)])
    assert (causes[0].cause, causes[0].where) == ("compressor_failed", "HP")
    assert any(e.code == "sign_down" for e in causes[0].evidence)


def test_the_graph_is_made_once_until_model_or_catalogue_change(park: tuple[Model, pa.Table, Directory]) -> None:
    model, relations, directory = park
    asked = 0

    def read() -> pa.Table:
        nonlocal asked
        asked += 1
        return relations

    desk = Diagnosis(lambda: model, lambda: directory, read)
    assert desk.graph is desk.graph
    assert asked == 1
    first, model = desk.graph, Model(ModelInfo(2, "b.ifc", "IFC4", "b" * 64), table_of(ROWS[:5], ELEMENTS))
    assert desk.graph is not first
    assert desk.causes([Finding("gw/unknown/point", "gap")])[0].cause == "sensor_silent"
