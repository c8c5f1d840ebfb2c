"""Every real model of the data folder, against counts taken from its text by independent code."""

import re

import pytest

WHOLE = [
    "ifc/AC20-FZK-Haus.ifc",
    "ifc/Duplex_Electrical.ifc",
    "ifc/ISSUE_021_Mini_Project.ifc",
    "ifc/Ifc4_SampleHouse.ifc",
    "ifc/Office_A_20110811.ifc",
    "ifc/construction_scheduling_task_ifc4.ifc",
    "ifc/duplex.ifc",
    "ifc/georef/geolocation-mapconversion.ifc",
    "ifc/georef/geolocation-unit1.ifc",
    "ifc/georef/geolocation-unit2.ifc",
    "ifc/georef/geolocation.ifc",
    "ifc/japanese_ac16_unicode.ifc",
    "ifc/tested_sample_project.ifc",
    "ifc/whale_LargeBuilding.ifc",
    "schependomlaan/design.ifc",
    "schependomlaan/sub_facade_brackets_JORDAHL.ifc",
    "schependomlaan/sub_floor1_GEELEN.ifc",
    "schependomlaan/sub_stairs_MULTICOM.ifc",
    "schependomlaan/sub_steel_BERNTS.ifc",
    "schependomlaan/sub_walls_gf_XELLA.ifc",
]
# classes that are products or groups in every schema; what the text has of them the tables must have
MUST_HAVE = """
IfcProject IfcSite IfcBuilding IfcBuildingStorey IfcSpace IfcZone IfcSystem IfcDistributionSystem IfcGroup IfcWall
IfcWallStandardCase IfcSlab IfcDoor IfcWindow IfcBeam IfcColumn IfcMember IfcPlate IfcCovering IfcRailing IfcStair
IfcStairFlight IfcRoof IfcRamp IfcFooting IfcPile IfcCurtainWall IfcBuildingElementProxy IfcBuildingElementPart
IfcFlowTerminal IfcFlowSegment IfcFlowFitting IfcFlowController IfcDistributionControlElement IfcDistributionPort
IfcFurnishingElement IfcFurniture IfcOpeningElement IfcElementAssembly IfcMechanicalFastener IfcFastener
IfcReinforcingBar IfcDiscreteAccessory IfcAnnotation IfcGrid IfcActuator IfcSensor IfcElectricalElement
""".split()  # noqa: SIM905 - sixty quoted names read worse


@pytest.fixture(params=WHOLE)
def model(request, shared_data, read, statements):
    path = shared_data / "bim" / request.param
    return read(path), statements(path)


def test_every_instance_of_the_text_was_parsed(model):
    loaded, text = model
    assert loaded.summary.counts.instances == sum(text.classes.values())


def test_elements_of_each_class_are_as_many_as_in_the_text(model):
    loaded, text = model
    types = loaded.summary.counts.types
    assert {name.upper(): count for name, count in types.items()} == {
        name.upper(): text.classes[name.upper()] for name in types
    }
    assert {name for name in MUST_HAVE if text.classes[name.upper()]} <= set(types)


def test_nothing_is_lost(model):
    loaded, _ = model
    assert loaded.summary.lost == []
    assert loaded.tables["elements"].num_rows == sum(loaded.summary.counts.types.values())


def test_containment_pairs_are_as_many_as_in_the_text(model):
    loaded, text = model
    lists = [
        re.findall(r"\(([#\d,\s]+)\)", body[1:]) for body in text.bodies.get("IFCRELCONTAINEDINSPATIALSTRUCTURE", [])
    ]
    written = sum(part.count("#") for parts in lists for part in parts)
    assert loaded.tables["relations"]["kind"].to_pylist().count("contains") == written


def test_global_ids_are_unique_and_relations_point_into_the_tables(model):
    loaded, _ = model
    ids = loaded.tables["elements"]["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    for name, column in (("relations", "source"), ("relations", "target"), ("psets", "element")):
        assert set(loaded.tables[name][column].to_pylist()) <= set(ids)
    for column in ("parent", "storey", "space"):
        assert set(loaded.tables["elements"][column].drop_null().to_pylist()) <= set(ids)


def test_an_element_stands_in_the_storey_of_its_space(model):
    loaded, _ = model
    storeys = {row["id"]: row["storey"] for row in loaded.rows(type="IfcSpace")}
    for row in loaded.rows(category="element"):
        if row["space"] is not None:
            assert row["storey"] == storeys[row["space"]]


def test_every_space_of_a_model_with_spaces_has_a_footprint(model):
    loaded, _ = model
    counts = loaded.summary.counts
    assert counts.spaces_with_footprint == counts.spaces
