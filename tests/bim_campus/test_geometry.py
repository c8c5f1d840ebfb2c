"""Where things stand: computed from the file's own placements by the IFC library, never by the code that wrote them."""

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import ifcopenshell
import ifcopenshell.geom
import ifcopenshell.util.element as elements
import ifcopenshell.util.placement as placements
import numpy as np
import pytest

from wire.device_tables import read_devices

CAMPUS = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
Boxes = dict[str, tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def boxes(model: ifcopenshell.file) -> Boxes:
    """Lowest and highest corner of every drawn element, by a kernel of the IFC library."""
    settings = ifcopenshell.geom.settings()
    settings.set("use-world-coords", True)
    found: Boxes = {}
    shapes = ifcopenshell.geom.iterator(
        settings,
        model,
        1,
        exclude=model.by_type("IfcOpeningElement"),
        geometry_library="hybrid-cgal-simple-opencascade",
    )
    assert shapes.initialize()
    while True:
        shape = shapes.get()
        points = np.array(shape.geometry.verts).reshape(-1, 3)
        if len(points):
            found[shape.guid] = (points.min(0), points.max(0))
        if not shapes.next():
            return found


def _matrix(one: Any) -> np.ndarray:
    return placements.get_local_placement(one.ObjectPlacement)


def test_everything_that_has_a_shape_can_be_drawn(model: ifcopenshell.file, boxes: Boxes) -> None:
    shaped = [one for one in model.by_type("IfcProduct") if one.Representation and not one.is_a("IfcOpeningElement")]
    assert [one.Name for one in shaped if one.GlobalId not in boxes] == []
    assert len(shaped) > 5000


def test_nothing_lies_outside_of_the_terrain(model: ifcopenshell.file, boxes: Boxes) -> None:
    (terrain,) = [one for one in model.by_type("IfcGeographicElement") if one.PredefinedType == "TERRAIN"]
    low, high = boxes[terrain.GlobalId]
    for one in model.by_type("IfcElement"):
        if one.GlobalId in boxes:
            least, most = boxes[one.GlobalId]
            assert (least[:2] >= low[:2] - 0.5).all(), one.Name
            assert (most[:2] <= high[:2] + 0.5).all(), one.Name
            assert least[2] > -6.0, one.Name
            assert most[2] < 20.0, one.Name


def test_buildings_stand_on_the_ground_and_do_not_touch_each_other(model: ifcopenshell.file, boxes: Boxes) -> None:
    around = {}
    for building in model.by_type("IfcBuilding"):
        inside = [boxes[one.GlobalId] for one in elements.get_decomposition(building) if one.GlobalId in boxes]
        around[building.Name] = (np.min([low for low, _ in inside], 0), np.max([high for _, high in inside], 0))
        assert around[building.Name][0][2] < 0.0 < around[building.Name][1][2]
    names = sorted(around)
    for number, name in enumerate(names):
        for other in names[number + 1 :]:
            apart = np.maximum(around[name][0] - around[other][1], around[other][0] - around[name][1])[:2].max()
            assert apart > 3.0, (name, other)


def test_windows_fit_their_walls_and_miss_the_columns(model: ifcopenshell.file, boxes: Boxes) -> None:
    columns = defaultdict(list)
    for column in model.by_type("IfcColumn"):
        columns[elements.get_container(column).GlobalId].append(boxes[column.GlobalId])
    count = 0
    for window in model.by_type("IfcWindow"):
        if not window.FillsVoids:
            continue
        wall = window.FillsVoids[0].RelatingOpeningElement.VoidsElements[0].RelatingBuildingElement
        low, high = boxes[window.GlobalId]
        assert (low >= boxes[wall.GlobalId][0] - 1e-3).all(), window.Name
        assert (high <= boxes[wall.GlobalId][1] + 1e-3).all(), window.Name
        for least, most in columns[elements.get_container(window).GlobalId]:
            assert not ((low < most - 1e-3) & (high > least + 1e-3)).all(), window.Name
        count += 1
    assert count > 100


def test_a_wall_is_cut_where_its_window_is(model: ifcopenshell.file) -> None:
    settings = ifcopenshell.geom.settings()
    wall = next(one for one in model.by_type("IfcWall") if len(one.HasOpenings) >= 3)
    shape = ifcopenshell.geom.create_shape(settings, wall)
    corners = np.array(shape.geometry.verts).reshape(-1, 3)[np.array(shape.geometry.faces).reshape(-1, 3)]
    volume = float(np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum()) / 6.0
    solid = wall.Representation.Representations[0].Items[0]
    whole = solid.SweptArea.XDim * solid.SweptArea.YDim * solid.Depth
    cut = sum(
        rel.RelatedOpeningElement.HasFillings[0].RelatedBuildingElement.OverallWidth
        * rel.RelatedOpeningElement.HasFillings[0].RelatedBuildingElement.OverallHeight
        * solid.SweptArea.YDim
        for rel in wall.HasOpenings
    )
    assert volume == pytest.approx(whole - cut, rel=1e-6)


def test_sensors_stand_in_the_room_that_the_layout_gives_their_device(model: ifcopenshell.file) -> None:
    layout = tomllib.loads((CAMPUS / "layout.toml").read_text())
    devices = {one["name"]: one for one in read_devices(CAMPUS)["device"]}
    rooms = {one["name"]: (one["rect_m"], (0.0, 0.0)) for one in layout["outdoor"]}
    for building in layout["building"]:
        for storey in building["storey"]:
            rooms |= {room["name"]: (room["rect_m"], building["at_m"]) for room in storey["rooms"]}
    sensors = [one for one in model.by_type("IfcSensor") if "/" in (one.Tag or "")]
    assert len(sensors) >= 200
    for sensor in sensors:
        (x0, y0, x1, y1), (at_x, at_y) = rooms[devices[sensor.Tag.partition("/")[0]]["space"]]
        x, y, _ = _matrix(sensor)[:3, 3]
        assert x0 <= x - at_x <= x1, sensor.Tag
        assert y0 <= y - at_y <= y1, sensor.Tag


def test_joined_ports_are_at_one_place(model: ifcopenshell.file) -> None:
    joints = model.by_type("IfcRelConnectsPorts")
    assert len(joints) > 100
    for joint in joints:
        ends = [_matrix(port)[:3, 3] for port in (joint.RelatingPort, joint.RelatedPort)]
        assert np.linalg.norm(ends[0] - ends[1]) < 1e-6
        assert (joint.RelatingPort.FlowDirection, joint.RelatedPort.FlowDirection) == ("SOURCE", "SINK")
        assert joint.RelatingPort.SystemType == joint.RelatedPort.SystemType


def test_every_item_that_is_drawn_has_a_colour(model: ifcopenshell.file) -> None:
    styled = {one.Item.id() for one in model.by_type("IfcStyledItem")}
    solids = [*model.by_type("IfcExtrudedAreaSolid"), *model.by_type("IfcTriangulatedFaceSet")]
    assert {one.id() for one in solids} == styled
