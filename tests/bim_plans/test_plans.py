"""Storey plans of real buildings: every wall, door, window and room where independent code says it is."""

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from bim.cli import bim
from bim.open import load_tables, read_model
from bim.plans import storey_plans
from bim.tables import ELEMENTS, table_of
from bim.tiles import build_tiles, load_meshes

SVG = "{http://www.w3.org/2000/svg}"
CLASSES = {"space", "wall", "door", "window", "stair", "column", "slab", "furniture", "equipment"}
NUMBER = r"-?(?:\d+\.?\d*|\.\d+)"


def rings(path: str) -> list[np.ndarray]:
    """The rings of a path's data (M, l, h, v, z), by the SVG specification."""
    found: list[np.ndarray] = []
    ring: list[tuple[float, float]] = []
    x = y = 0.0
    for letter, rest in re.findall(r"([Mlhvz])([^Mlhvz]*)", path):
        numbers = [float(one) for one in re.findall(NUMBER, rest)]
        if letter == "M":
            x, y = numbers
            ring = [(x, y)]
        elif letter == "z":
            found.append(np.array(ring))
        else:
            dx = numbers[0] if letter in "lh" else 0.0
            dy = numbers[-1] if letter in "lv" else 0.0
            x, y = x + dx, y + dy
            ring.append((x, y))
    return found


def area(path: str) -> float:
    """Of all rings together; holes run the other way."""
    total = 0.0
    for ring in rings(path):
        x, y = ring.T
        total += float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return abs(total)


@pytest.fixture(scope="session")
def drawn(shared_data, tmp_path_factory):
    """Draws the plans of a real model once: meshes, elements, plans by storey."""
    known = {}

    def drawing(name: str) -> SimpleNamespace:
        if name not in known:
            path, out = shared_data / "bim" / name, tmp_path_factory.mktemp("plan")
            read_model(path, out / "tables")
            tables = load_tables(out / "tables")
            elements = tables["elements"]
            build_tiles(path, out, plans=False)
            meshes = load_meshes(out)
            plans = storey_plans(meshes, elements, out)
            rows = {row["id"]: row for row in elements.to_pylist()}
            roots = {plan["storey"]: ET.parse(out / plan["file"]).getroot() for plan in plans}
            known[name] = SimpleNamespace(
                meshes=meshes, rows=rows, psets=tables["psets"], plans=plans, roots=roots, out=out
            )
        return known[name]

    return drawing


FILES = ["ifc/Office_A_20110811.ifc", "ifc/duplex.ifc", "ifc/AC20-FZK-Haus.ifc", "schependomlaan/design.ifc"]


@pytest.mark.parametrize("name", FILES)
def test_a_plan_is_small_plain_svg_that_the_page_can_style(drawn, name):
    model = drawn(name)
    assert model.plans
    for plan in model.plans:
        root = model.roots[plan["storey"]]
        text = (model.out / plan["file"]).read_text()
        assert len(text) < 100_000
        assert "style" not in text
        assert "script" not in text
        x, y, width, height = map(float, root.attrib["viewBox"].split())
        x0, y0, x1, y1 = plan["bounds_m"]
        assert (x, y, width, height) == pytest.approx((x0 - 0.5, -y1 - 0.5, x1 - x0 + 1, y1 - y0 + 1), abs=0.002)
        groups = root.findall(f"{SVG}g")
        assert {group.attrib["class"] for group in groups} <= CLASSES
        assert len({group.attrib["class"] for group in groups}) == len(groups)
        for group in groups:
            for path in group:
                assert path.attrib["class"] == group.attrib["class"]
                assert path.attrib["data-id"] in model.rows
                points = np.vstack(rings(path.attrib["d"]))
                assert points[:, 0].min() >= x0 - 0.002
                assert points[:, 0].max() <= x1 + 0.002
                assert points[:, 1].min() >= -y1 - 0.002
                assert points[:, 1].max() <= -y0 + 0.002


def shown(model, storey: str, layer: str) -> set[str]:
    return {path.attrib["data-id"] for path in model.roots[storey].findall(f"{SVG}g[@class='{layer}']/{SVG}path")}


@pytest.mark.parametrize("name", FILES[:3])
def test_every_door_window_and_room_of_a_storey_is_in_its_plan(drawn, name):
    model = drawn(name)
    for layer, kind in (("door", "IfcDoor"), ("window", "IfcWindow"), ("space", "IfcSpace")):
        for storey in model.roots:
            there = {
                mesh.global_id
                for mesh in model.meshes
                if mesh.type == kind and mesh.storey == storey and len(mesh.triangles)
            }
            assert there <= shown(model, storey, layer)


def test_walls_are_drawn_where_triangles_cross_the_plane_and_nowhere_else(drawn):
    model = drawn("ifc/Office_A_20110811.ifc")
    for storey, floor in (("27TOPmxCrDgPimmYCM5828", 0.0), ("27TOPmxCrDgPimmYCM58C9", 4.267221)):
        cut = {
            mesh.global_id
            for mesh in model.meshes
            if mesh.type.startswith("IfcWall") and mesh.vertices[:, 2].min() < floor + 1.2 < mesh.vertices[:, 2].max()
        }
        assert shown(model, storey, "wall") <= cut | {m.global_id for m in model.meshes if m.type == "IfcCovering"}
        missing = cut - shown(model, storey, "wall")
        assert len(cut) > 150
        assert missing == set()


def room_areas(model) -> dict[str, float]:
    return {
        path.attrib["data-id"]: area(path.attrib["d"])
        for root in model.roots.values()
        for path in root.findall(f"{SVG}g[@class='space']/{SVG}path")
    }


def test_rooms_have_the_area_that_their_author_states(drawn):
    model = drawn("ifc/AC20-FZK-Haus.ifc")
    stated = {row["element"]: row["number"] for row in model.psets.to_pylist() if row["name"] == "GrossFloorArea"}
    rooms = room_areas(model)
    assert len(rooms) == 7
    for room, found in rooms.items():
        assert found == pytest.approx(stated[room], rel=0.01)


@pytest.mark.parametrize("name", FILES[:2])
def test_rooms_have_the_area_of_the_profiles_that_the_file_extrudes(drawn, name):
    """Revit states areas to the middle of walls, so the outline is taken from the file's own profiles."""
    model = drawn(name)
    rooms = room_areas(model)
    off = []
    for room, found in rooms.items():
        x, y = np.array(model.rows[room]["footprint_m"]).reshape(-1, 2).T
        expected = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
        off.append(abs(found / expected - 1))
    assert len(off) == sum(1 for row in model.rows.values() if row["type"] == "IfcSpace")
    assert np.quantile(off, 0.9) < 0.01  # an outline has no holes, a plan has


def test_a_room_is_named_and_its_label_stands_in_it(drawn):
    model = drawn("ifc/AC20-FZK-Haus.ifc")
    names = []
    for root in model.roots.values():
        for path in root.findall(f"{SVG}g[@class='space']/{SVG}path"):
            names.append(path.find(f"{SVG}title").text)
            x, y = float(path.attrib["data-x"]), float(path.attrib["data-y"])
            low, high = rings(path.attrib["d"])[0].min(axis=0), rings(path.attrib["d"])[0].max(axis=0)
            assert low[0] < x < high[0]
            assert low[1] < y < high[1]
    assert any("Wohnen" in name for name in names)


def test_storeys_stand_in_order_and_their_floors_where_the_doors_stand(drawn):
    model = drawn("schependomlaan/design.ifc")
    names = [model.rows[plan["storey"]]["name"] for plan in model.plans]
    assert names == sorted(names, key=lambda name: int(name.split()[0]))
    counts = Counter(len(shown(model, storey, "window")) > 5 for storey in model.roots)
    assert counts[True] >= 4  # four storeys with windows, though the file gives three of them one elevation


def test_a_window_as_large_as_the_house_is_no_window(drawn):
    model = drawn("schependomlaan/design.ifc")
    for root in model.roots.values():
        for path in root.findall(f"{SVG}g[@class='window']/{SVG}path"):
            assert area(path.attrib["d"]) < 6.0


def row(guid: str, kind: str, **more):
    base = {one.name: "" for one in ELEMENTS if not one.nullable and str(one.type) == "string"}
    base |= {one.name: [] for one in ELEMENTS if not one.nullable and str(one.type).startswith("list")}
    return base | {"id": guid, "step": 1, "type": kind, "has_shape": True} | more


def block(guid: str, kind: str, storey: str, x: float) -> SimpleNamespace:
    """An element of 5 by 0.3 by 3 m that stands at x."""
    corners = np.array([[x + i % 2 * 5, i // 2 % 2 * 0.3, i // 4 * 3.0] for i in range(8)])
    sides = [
        [0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
        [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5],
    ]  # fmt: skip
    return SimpleNamespace(
        global_id=guid, type=kind, storey=storey, vertices=corners, triangles=np.array(sides, np.int32)
    )


def test_two_houses_of_one_height_keep_their_plans_apart(tmp_path):
    rows, meshes = [row("site", "IfcSite")], []
    for house, x in (("a", 0.0), ("b", 50.0)):
        storey = f"floor-{house}"
        rows.append(row(f"house-{house}", "IfcBuilding", parent="site"))
        rows.append(row(storey, "IfcBuildingStorey", parent=f"house-{house}", elevation_m=0.0))
        rows.append(row(f"wall-{house}", "IfcWall", parent=storey, storey=storey))
        meshes.append(block(f"wall-{house}", "IfcWall", storey, x))
    plans = storey_plans(meshes, table_of(rows, ELEMENTS), tmp_path, origin_m=(0.0, 0.0, 0.0))
    found = {plan["storey"]: re.findall('data-id="([^"]+)"', (tmp_path / plan["file"]).read_text()) for plan in plans}
    assert found == {"floor-a": ["wall-a"], "floor-b": ["wall-b"]}


def test_a_site_gets_a_plan_of_what_stands_in_the_open_and_of_ground_floors(tmp_path):
    rows = [row("site", "IfcSite", name="Park"), row("house", "IfcBuilding", parent="site")]
    meshes = []
    for at, storey in enumerate(("cellar", "ground", "upper")):
        rows.append(row(storey, "IfcBuildingStorey", parent="house", elevation_m=3.0 * (at - 1)))
        rows.append(row(f"wall-{storey}", "IfcWall", parent=storey, storey=storey))
        wall = block(f"wall-{storey}", "IfcWall", storey, 0.0)
        wall.vertices[:, 2] += 3.0 * (at - 1)
        meshes.append(wall)
    for at, kind in enumerate(("IfcPavement", "IfcGeographicElement", "IfcSolarDevice", "IfcOpeningElement")):
        rows.append(row(f"open-{at}", kind, parent="site"))
        meshes.append(block(f"open-{at}", kind, None, 20.0 + 8 * at))
    plans = storey_plans(meshes, table_of(rows, ELEMENTS), tmp_path)
    assert [plan["storey"] for plan in plans] == ["cellar", "ground", "upper", "site"]
    shown = set(re.findall('data-id="([^"]+)"', (tmp_path / plans[-1]["file"]).read_text()))
    assert shown == {"wall-ground", "open-0", "open-1", "open-2"}


def test_a_sensor_under_the_ceiling_is_shown_and_lamps_and_ducts_are_not(tmp_path):
    rows, meshes = [row("floor", "IfcBuildingStorey", elevation_m=0.0)], []
    for at, kind in enumerate(("IfcSensor", "IfcUnitaryEquipment", "IfcDuctSegment", "IfcLightFixture")):
        rows.append(row(f"e{at}", kind, storey="floor"))
        meshes.append(block(f"e{at}", kind, "floor", 0.0))
        meshes[-1].vertices[:, 2] += 2.4
    [plan] = storey_plans(meshes, table_of(rows, ELEMENTS), tmp_path)
    assert re.findall('data-id="([^"]+)"', (tmp_path / plan["file"]).read_text()) == ["e0", "e1"]


def test_hostile_names_stay_text(tmp_path):
    evil = '"><script>alert(1)</script>\x00&amp;'
    rows = [
        row('f"loor', "IfcBuildingStorey", name=evil, elevation_m=0.0),
        row('r"<oom', "IfcSpace", name=evil, storey='f"loor'),
    ]
    [plan] = storey_plans([block('r"<oom', "IfcSpace", 'f"loor', 0.0)], table_of(rows, ELEMENTS), tmp_path)
    root = ET.parse(tmp_path / plan["file"]).getroot()
    assert [one.tag for one in root.iter() if "script" in one.tag] == []
    assert root.find(f"{SVG}g/{SVG}path").attrib["data-id"] == 'r"<oom'


def test_broken_meshes_cost_no_plan(tmp_path):
    rows = [row("floor", "IfcBuildingStorey", elevation_m=0.0)]
    broken = [block(f"wall-{i}", "IfcWall", "floor", 0.0) for i in range(4)]
    broken[0].vertices[3, 1] = np.nan
    broken[1].triangles = np.empty((0, 3), np.int32)
    broken[2].vertices, broken[2].triangles = np.empty((0, 3)), np.empty((0, 3), np.int32)
    [plan] = storey_plans(broken, table_of(rows, ELEMENTS), tmp_path)
    assert re.findall('data-id="([^"]+)"', (tmp_path / plan["file"]).read_text()) == ["wall-3"]


def test_the_command_writes_the_plans_of_a_file(shared_data: Path, tmp_path: Path):
    file = shared_data / "bim/ifc/AC20-FZK-Haus.ifc"
    done = CliRunner().invoke(bim, ["plan", str(file), "--out", str(tmp_path / "plans"), "--json"])
    assert done.exit_code == 0, done.output
    plans = json.loads(done.stdout)["plans"]
    assert [plan["name"] for plan in plans] == ["Erdgeschoss", "Dachgeschoss"]
    for plan in plans:
        ET.parse(tmp_path / "plans" / plan["file"])
