"""What a model says about sensors, in the forms of IFC2X3, IFC4 and IFC4X3; models written here, read by the child."""

from pathlib import Path

import ifcopenshell
import ifcopenshell.guid
import pytest

from bim.open import load_tables, read_model
from bim.tree import lines_of, tree_of


class Draft:
    """A small model: project, building, storey and one room of 4 by 3 metres at (10, 0), in millimetres."""

    def __init__(self, schema: str) -> None:
        self.file = ifcopenshell.file(schema=schema)
        self.owner = self._owner() if schema == "IFC2X3" else None
        make = self.file.create_entity
        unit = make("IfcSIUnit", None, "LENGTHUNIT", "MILLI", "METRE")
        self.context = make("IfcGeometricRepresentationContext", None, "Model", 3, None, self.axes(0, 0, 0))
        self.project = self.root("IfcProject", Name="P", RepresentationContexts=[self.context])
        self.project.UnitsInContext = make("IfcUnitAssignment", [unit])
        self.building = self.root("IfcBuilding", Name="B", CompositionType="ELEMENT", ObjectPlacement=self.at(0, 0, 0))
        self.storey = self.root(
            "IfcBuildingStorey", Name="S", CompositionType="ELEMENT", ObjectPlacement=self.at(0, 0, 0), Elevation=0.0
        )
        self.room = self.root(
            "IfcSpace",
            Name="101",
            LongName="Lab",
            CompositionType="ELEMENT",
            ObjectPlacement=self.at(10_000, 0, 0),
            Representation=self.box(4000, 3000, 2500),
        )
        if schema == "IFC2X3":
            self.room.InteriorOrExteriorSpace = "INTERNAL"
        for whole, part in ((self.project, self.building), (self.building, self.storey), (self.storey, self.room)):
            self.root("IfcRelAggregates", RelatingObject=whole, RelatedObjects=[part])

    def _owner(self):
        make = self.file.create_entity
        person = make("IfcPersonAndOrganization", make("IfcPerson"), make("IfcOrganization", None, "O"))
        application = make("IfcApplication", person.TheOrganization, "1", "A", "A")
        return make("IfcOwnerHistory", person, application, None, "ADDED", None, None, None, 0)

    def root(self, ifc_class: str, **attributes):
        return self.file.create_entity(ifc_class, ifcopenshell.guid.new(), self.owner, **attributes)

    def axes(self, *at: float):
        point = self.file.create_entity("IfcCartesianPoint", tuple(map(float, at)))
        return self.file.create_entity("IfcAxis2Placement3D", point)

    def at(self, *at: float):
        return self.file.create_entity("IfcLocalPlacement", None, self.axes(*at))

    def box(self, x: float, y: float, z: float):
        make = self.file.create_entity
        middle = make("IfcAxis2Placement2D", make("IfcCartesianPoint", (x / 2, y / 2)))
        profile = make("IfcRectangleProfileDef", "AREA", None, middle, float(x), float(y))
        up = make("IfcDirection", (0.0, 0.0, 1.0))
        solid = make("IfcExtrudedAreaSolid", profile, self.axes(0, 0, 0), up, float(z))
        shape = make("IfcShapeRepresentation", self.context, "Body", "SweptSolid", [solid])
        return make("IfcProductDefinitionShape", None, None, [shape])

    def pset(self, **values: str):
        make = self.file.create_entity
        rows = [make("IfcPropertySingleValue", key, None, make("IfcLabel", value)) for key, value in values.items()]
        return self.root("IfcPropertySet", Name="Pset_AID4", HasProperties=rows)

    def contain(self, place, *elements):
        self.root("IfcRelContainedInSpatialStructure", RelatingStructure=place, RelatedElements=elements)

    def rows(self, folder: Path) -> dict[str, dict]:
        path = folder / "draft.ifc"
        self.file.write(str(path))
        read_model(path, folder / "out")
        return {row["name"]: row for row in load_tables(folder / "out")["elements"].to_pylist()}


@pytest.fixture(params=["IFC2X3", "IFC4", "IFC4X3_ADD2"])
def draft(request) -> Draft:
    return Draft(request.param)


def sensor(draft: Draft, name: str, *at: float):
    old = draft.file.schema == "IFC2X3"
    return draft.root("IfcDistributionControlElement" if old else "IfcSensor", Name=name, ObjectPlacement=draft.at(*at))


def test_a_sensor_is_one_in_every_schema(draft, tmp_path):
    one = sensor(draft, "T1", 11_000, 1000, 1500)
    kind = draft.root("IfcSensorType", Name="Thermometer", PredefinedType="TEMPERATURESENSOR")
    draft.root("IfcRelDefinesByType", RelatedObjects=[one], RelatingType=kind)
    draft.contain(draft.room, one)
    row = draft.rows(tmp_path)["T1"]
    assert (row["role"], row["predefined"]) == ("sensor", "TEMPERATURESENSOR")
    assert (row["type_class"], row["type_name"]) == ("IfcSensorType", "Thermometer")
    assert (row["x_m"], row["y_m"], row["z_m"]) == pytest.approx((11.0, 1.0, 1.5))


def test_hints_of_the_occurrence_and_of_its_type_are_read(draft, tmp_path):
    one = sensor(draft, "T1", 0, 0, 0)
    hint = draft.pset(PointKey="room-101/temperature; room-101/humidity")
    draft.root("IfcRelDefinesByProperties", RelatedObjects=[one], RelatingPropertyDefinition=hint)
    kind = draft.root("IfcSensorType", Name="K", PredefinedType="CO2SENSOR")
    kind.HasPropertySets = [draft.pset(BrickClass="brick:CO2_Sensor", Device="room-101")]
    draft.root("IfcRelDefinesByType", RelatedObjects=[one], RelatingType=kind)
    row = draft.rows(tmp_path)["T1"]
    assert row["point_keys"] == ["room-101/temperature", "room-101/humidity"]
    assert (row["devices"], row["brick"]) == (["room-101"], "CO2_Sensor")


def test_containment_in_the_room_is_best(draft, tmp_path):
    one = sensor(draft, "T1", 0, 0, 0)
    draft.contain(draft.room, one)
    rows = draft.rows(tmp_path)
    assert (rows["T1"]["space"], rows["T1"]["space_how"]) == (rows["101"]["id"], "contained")
    assert rows["T1"]["storey"] == rows["S"]["id"]


def test_a_reference_to_the_room_counts_where_the_storey_contains_it(draft, tmp_path):
    one = sensor(draft, "T1", 0, 0, 0)
    draft.contain(draft.storey, one)
    draft.root("IfcRelReferencedInSpatialStructure", RelatingStructure=draft.room, RelatedElements=[one])
    rows = draft.rows(tmp_path)
    assert (rows["T1"]["space"], rows["T1"]["space_how"]) == (rows["101"]["id"], "referenced")


def test_a_controlled_machine_lends_its_room(draft, tmp_path):
    one, fan = (
        sensor(draft, "T1", 0, 0, 0),
        draft.root("IfcFlowController", Name="Fan", ObjectPlacement=draft.at(0, 0, 0)),
    )
    draft.contain(draft.room, fan)
    draft.root("IfcRelFlowControlElements", RelatedControlElements=[one], RelatingFlowElement=fan)
    rows = draft.rows(tmp_path)
    assert (rows["T1"]["space"], rows["T1"]["space_how"]) == (rows["101"]["id"], "flow")
    assert rows["T1"]["storey_how"] == "space"


def test_the_room_around_its_position_is_found(draft, tmp_path):
    inside, outside = sensor(draft, "in", 11_000, 1000, 1500), sensor(draft, "out", 9000, 1000, 1500)
    wall = draft.root("IfcWall", Name="wall", ObjectPlacement=draft.at(11_000, 1000, 1500))
    draft.contain(draft.storey, inside, outside, wall)
    rows = draft.rows(tmp_path)
    assert (rows["in"]["space"], rows["in"]["space_how"]) == (rows["101"]["id"], "position")
    assert rows["out"]["space"] is None
    assert rows["wall"]["space"] is None


def test_an_assembly_brings_its_parts_into_its_room(draft, tmp_path):
    whole, part = draft.root("IfcFurnishingElement", Name="Rack"), sensor(draft, "T1", 0, 0, 0)
    draft.root("IfcRelAggregates", RelatingObject=whole, RelatedObjects=[part])
    draft.contain(draft.room, whole)
    rows = draft.rows(tmp_path)
    assert rows["T1"]["space"] == rows["101"]["id"]
    assert rows["T1"]["parent"] == rows["Rack"]["id"]


def test_parts_that_hold_each_other_are_still_in_the_tree(draft, tmp_path):
    one, two = sensor(draft, "left", 0, 0, 0), sensor(draft, "right", 0, 0, 0)
    draft.root("IfcRelAggregates", RelatingObject=one, RelatedObjects=[two])
    draft.root("IfcRelAggregates", RelatingObject=two, RelatedObjects=[one])
    draft.rows(tmp_path)
    lines = lines_of(tree_of(load_tables(tmp_path / "out")["elements"]))
    assert sum(line.strip().endswith(("left", "right")) for line in lines) == 2


def test_a_ring_of_parts_ends(draft, tmp_path):
    one, two = sensor(draft, "left", 0, 0, 0), sensor(draft, "right", 0, 0, 0)
    draft.root("IfcRelAggregates", RelatingObject=one, RelatedObjects=[two])
    draft.root("IfcRelAggregates", RelatingObject=two, RelatedObjects=[one])
    rows = draft.rows(tmp_path)
    assert rows["left"]["parent"] == rows["right"]["id"]
    assert rows["left"]["storey"] is None
