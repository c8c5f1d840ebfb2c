"""Known values of real models: names, units, properties, types, materials, places."""

import math

import ifcopenshell
import ifcopenshell.util.placement
import ifcopenshell.util.unit
import numpy as np
import pytest

from bim.outline import signed_area


def test_japanese_names_come_through(ifc, read):
    names = {row["name"] for row in read(ifc / "japanese_ac16_unicode.ifc").rows()}
    assert any(any("\u3040" <= letter <= "\u9fff" for letter in name) for name in names)


def test_a_space_has_its_number_name_and_storey(ifc, read):
    model = read(ifc / "Office_A_20110811.ifc")
    (room,) = model.rows(type="IfcSpace", name="118")
    assert room["long_name"] == "MECH RM"
    (storey,) = model.rows(id=room["storey"])
    assert (storey["type"], storey["name"]) == ("IfcBuildingStorey", "Level 1")


def test_levels_in_feet_become_metres(ifc, read):
    levels = {
        row["name"]: row["elevation_m"] for row in read(ifc / "Duplex_Electrical.ifc").rows(type="IfcBuildingStorey")
    }
    assert levels["Level 2"] == pytest.approx(10.1706036745419 * 0.3048)


@pytest.mark.parametrize("name", ["Office_A_20110811", "duplex", "Duplex_Electrical", "ISSUE_021_Mini_Project"])
def test_positions_agree_with_the_library_on_every_product(ifc, read, name):
    file = ifcopenshell.open(str(ifc / f"{name}.ifc"))
    metre = ifcopenshell.util.unit.calculate_unit_scale(file)
    ours = {row["id"]: (row["x_m"], row["y_m"], row["z_m"]) for row in read(ifc / f"{name}.ifc").rows()}
    products = [one for one in file.by_type("IfcProduct") if one.ObjectPlacement is not None]
    theirs = [ifcopenshell.util.placement.get_local_placement(one.ObjectPlacement)[:3, 3] * metre for one in products]
    assert len(products) > 100
    np.testing.assert_allclose([ours[one.GlobalId] for one in products], theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "pset", "area"),
    [
        ("AC20-FZK-Haus", "BaseQuantities", "GrossFloorArea"),  # faces of a solid
        ("Ifc4_SampleHouse", "BaseQuantities", "GrossFloorArea"),  # extrusions, millimetres
        ("whale_LargeBuilding", "BaseQuantities", "GrossFloorArea"),
        ("Duplex_Electrical", "GSA Space Areas", "GSA BIM Area"),  # feet
    ],
)
def test_footprints_have_the_area_that_the_file_states(ifc, read, name, pset, area):
    model = read(ifc / f"{name}.ifc")
    stated = {
        row["element"]: row["number"]
        for row in model.tables["psets"].to_pylist()
        if row["pset"] == pset and row["name"] == area
    }
    rooms = model.rows(type="IfcSpace")
    areas = {room["id"]: abs(signed_area(np.array(room["footprint_m"]).reshape(-1, 2))) for room in rooms}
    assert areas
    assert areas == pytest.approx({key: stated[key] for key in areas}, rel=0.001)


def test_a_stairwell_made_of_its_side_pulled_across_has_a_footprint(ifc, read):
    rooms = read(ifc / "duplex.ifc").rows(type="IfcSpace", long_name="Stair")
    areas = [abs(signed_area(np.array(room["footprint_m"]).reshape(-1, 2))) for room in rooms]
    assert areas == pytest.approx([4.92], rel=0.3)  # the file states it to the middle of the walls


def test_an_elements_own_property_replaces_that_of_its_type(ifc, read):
    model = read(ifc / "Ifc4_SampleHouse.ifc")
    seen = set()
    for row in model.tables["psets"].select(["element", "pset", "name", "source"]).to_pylist():
        key = (row["element"], row["pset"], row["name"])
        if row["source"] == "type":
            assert key not in seen
        seen.add(key)
    assert {"occurrence", "type"} == set(model.tables["psets"]["source"].to_pylist())


def test_materials_and_types_are_read(ifc, read):
    model = read(ifc / "duplex.ifc")
    walls = model.rows(type="IfcWallStandardCase")
    assert sum(bool(row["materials"]) for row in walls) == len(walls)
    doors = model.rows(type="IfcDoor")
    assert all(row["type_name"] and row["type_class"] for row in doors)


def test_a_door_belongs_to_its_storey_and_an_opening_to_its_wall(ifc, read):
    model = read(ifc / "duplex.ifc")
    hosts = {row["id"]: row["type"] for row in model.rows(category="element")}
    openings = model.rows(category="opening")
    assert {"IfcWallStandardCase", "IfcSlab", "IfcRoof"} <= {hosts[row["parent"]] for row in openings}
    assert all(row["storey"] for row in model.rows(type="IfcDoor"))


def test_latitude_and_longitude_of_a_site_are_read(ifc, read):
    site = read(ifc / "AC20-FZK-Haus.ifc").summary.georeference.site
    assert (site.latitude_deg, site.longitude_deg) == (pytest.approx(49.100435), pytest.approx(8.436539))
    assert site.elevation_m == pytest.approx(110.0)


def test_map_conversion_is_in_metres_whatever_the_units(ifc, read):
    for name in ("geolocation-mapconversion", "geolocation-unit1", "geolocation-unit2"):
        path = ifc / "georef" / f"{name}.ifc"
        file = ifcopenshell.open(str(path))
        (conversion,) = file.by_type("IfcMapConversion")
        place = read(path).summary.georeference
        unit = conversion.TargetCRS.MapUnit
        metre = ifcopenshell.util.unit.calculate_unit_scale(file) if unit is None else _metres_of(unit)
        assert place.kind == "map_conversion"
        assert place.eastings_m == pytest.approx(conversion.Eastings * metre, abs=1e-6)
        assert place.northings_m == pytest.approx(conversion.Northings * metre, abs=1e-6)
        assert place.height_m == pytest.approx(conversion.OrthogonalHeight * metre, abs=1e-6)


def _metres_of(unit) -> float:
    if unit.is_a("IfcConversionBasedUnit"):
        return unit.ConversionFactor.ValueComponent.wrappedValue * _metres_of(unit.ConversionFactor.UnitComponent)
    return {None: 1.0, "MILLI": 1e-3, "CENTI": 1e-2, "KILO": 1e3}[unit.Prefix]


def test_a_model_without_place_on_earth_says_so(ifc, read):
    place = read(ifc / "construction_scheduling_task_ifc4.ifc").summary.georeference
    assert place.kind == "none"
    assert place.crs is None
    assert not math.isnan(place.scale)
