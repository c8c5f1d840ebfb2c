"""Brick: every name is one of the vocabulary, what is exported is read back by an RDF library, and by us."""

import json
import random
import subprocess
import sys
from pathlib import Path

import brickschema
import pyarrow as pa
import pytest
import rdflib
from rdflib import OWL, RDF, RDFS, URIRef

from bim.binding import PointRef, bind
from bim.brick.equipment import EQUIPMENT, PLACES, brick_class
from bim.brick.export import turtle
from bim.brick.points import BrickPoint
from bim.brick.read import read_brick
from bim.brick.tags import tags_of
from bim.model_index import ModelIndex
from bim.open import load_tables, read_model
from bim.tables import ELEMENTS
from wire.errors import InputError
from wire.point_classes import POINT_CLASSES

ROOT = Path(__file__).resolve().parents[2]
BRICK = rdflib.Namespace("https://brickschema.org/schema/Brick#")
REF = rdflib.Namespace("https://brickschema.org/schema/Brick/ref#")
OURS = {
    *(rule.brick for rule in POINT_CLASSES.values()), *EQUIPMENT.values(), *PLACES.values(), "Point",
}  # fmt: skip


@pytest.fixture(scope="module", params=["1.4", "1.5"])
def vocabulary(request) -> rdflib.Graph:
    graph = rdflib.Graph()
    graph.parse(Path(brickschema.__file__).parent / "ontologies" / request.param / "Brick.ttl")
    return graph


def test_every_class_of_ours_is_a_class_of_brick(vocabulary):
    classes = set(vocabulary.subjects(RDF.type, OWL.Class))
    assert {name for name in OURS if BRICK[name] not in classes} == set()
    old = {name for name in OURS if (BRICK[name], OWL.deprecated, None) in vocabulary}
    assert old <= set(PLACES.values()), "Brick left its places to RealEstateCore; the export writes both names"


def test_points_are_points_and_equipment_is_equipment(vocabulary):
    def under(name: str, top: str) -> bool:
        return BRICK[top] in set(vocabulary.transitive_objects(BRICK[name], RDFS.subClassOf))

    assert {rule.brick for rule in POINT_CLASSES.values() if not under(rule.brick, "Point")} == set()
    assert {name for name in EQUIPMENT.values() if not under(name, "Equipment")} == set()


def test_tags_are_those_of_the_vocabulary(vocabulary):
    tag = "https://brickschema.org/schema/BrickTag#"
    wrong = {}
    for name in sorted(OURS - {"Point", "Equipment"}):
        stated = {str(one).removeprefix(tag) for one in vocabulary.objects(BRICK[name], BRICK.hasAssociatedTag)}
        if not set(tags_of(name)) >= stated:
            wrong[name] = (sorted(stated), tags_of(name))
    assert wrong == {}
    assert tags_of("") == []


def test_a_real_models_equipment_gets_a_class_by_its_type(shared_data, tmp_path):
    read_model(shared_data / "bim" / "ifc" / "Duplex_Electrical.ifc", tmp_path)
    rows = load_tables(tmp_path)["elements"].to_pylist()
    classes = {row["type_class"]: brick_class(row) for row in rows if row["category"] == "element"}
    assert classes["IfcLightFixtureType"] == "Luminaire"
    bare = {row["type"] for row in rows if row["role"] and not brick_class(row)}
    assert bare == set()


@pytest.fixture(scope="module")
def office(shared_data, tmp_path_factory) -> pa.Table:
    out = tmp_path_factory.mktemp("office")
    read_model(shared_data / "bim" / "ifc" / "Office_A_20110811.ifc", out)
    return load_tables(out)["elements"]


def some_points(table: pa.Table) -> list[PointRef]:
    rows = table.to_pylist()
    terminals = [row for row in rows if row["type"] == "IfcFlowTerminal"][:12]
    spaces = [row for row in rows if row["type"] == "IfcSpace"][:5]
    points = [
        PointRef(
            id=i, node="gw-1", device=f"dev-{i}", metric="temp", element_hint=row["id"], point_class="temperature",
            unit="Cel", label='odd "label"\n\\',
        )
        for i, row in enumerate([*terminals, *spaces])
    ]  # fmt: skip
    return [*points, PointRef(id=99, node="gw-1", device="lost", metric="x")]


def test_the_export_is_brick_to_an_rdf_library(office, tmp_path):
    points = some_points(office)
    report = bind(points, ModelIndex.from_table(office))
    text = "".join(turtle("office a", office, points, report.bindings))
    graph = rdflib.Graph().parse(data=text, format="turtle")
    ids = {str(value) for value in graph.objects(None, REF.ifcGlobalID)}
    spaces = {row["id"] for row in office.to_pylist() if row["type"] == "IfcSpace"}
    assert spaces <= ids <= set(office["id"].to_pylist())
    sensors = set(graph.subjects(RDF.type, BRICK.Temperature_Sensor))
    assert len(sensors) == 17
    assert {str(one) for one in graph.objects(None, REF.hasTimeseriesId)} == {point.key for point in points}
    for sensor in sensors:
        assert str(graph.value(sensor, BRICK.hasUnit)) == "http://qudt.org/vocab/unit/DEG_C"
        assert str(graph.value(sensor, RDFS.label)) == 'odd "label"\n\\'
        where = graph.value(sensor, BRICK.isPointOf) or graph.value(sensor, BRICK.hasLocation)
        assert isinstance(where, URIRef)
        assert graph.value(where, REF.hasExternalReference) is not None
    assert text == "".join(turtle("office a", office, reversed(points), report.bindings))


def test_what_is_exported_places_points_that_know_nothing_themselves(office, tmp_path):
    points = some_points(office)
    before = bind(points, ModelIndex.from_table(office))
    path = tmp_path / "park.ttl"
    path.write_text("".join(turtle("office", office, points, before.bindings)), encoding="utf-8")
    named = {one.name: one for one in read_brick(path)}
    bare = [PointRef(id=point.id, node=point.node, device=point.device, metric=point.metric) for point in points]
    after = bind(bare, ModelIndex.from_table(office), (), named)
    assert {one.point_id: one.element for one in after.bindings} == {
        one.point_id: one.element for one in before.bindings
    }
    assert {one.how for one in after.bindings} == {"ifc"}
    assert [one.point_id for one in after.unbound] == [99]


FOREIGN = """
@prefix brick: <https://brickschema.org/schema/Brick#> .
@prefix ref: <https://brickschema.org/schema/Brick/ref#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix b: <urn:bldg#> .
b:ahu a brick:AHU ; brick:hasPoint b:sat ; ref:hasExternalReference [ a ref:IFCReference ; ref:ifcGlobalID "AHU-ID" ] .
b:sat a brick:Supply_Air_Temperature_Sensor ; rdfs:label "ahu-1/supply" .
b:room a brick:Room ; ref:hasExternalReference [ ref:ifcGlobalID "ROOM-ID" ] .
b:co2 a brick:CO2_Sensor ; brick:hasLocation b:room ; ref:hasExternalReference [ ref:hasTimeseriesId "gw/room/co2" ] .
b:t a brick:Temperature_Sensor ; ref:hasExternalReference [ ref:ifcGlobalID "T-ID" ; ref:hasTimeseriesId "gw/t/v" ] .
b:nowhere a brick:Temperature_Sensor ; rdfs:label "gw/nowhere/v" .
"""


def test_files_of_other_tools_are_read(tmp_path):
    (tmp_path / "x.ttl").write_text(FOREIGN)
    assert read_brick(tmp_path / "x.ttl") == [
        BrickPoint(name="ahu-1/supply", brick="Supply_Air_Temperature_Sensor", element="AHU-ID", how="hasPoint"),
        BrickPoint(name="gw/room/co2", brick="CO2_Sensor", element="ROOM-ID", how="hasLocation"),
        BrickPoint(name="gw/t/v", brick="Temperature_Sensor", element="T-ID", how="ref:ifcGlobalID"),
    ]


def test_an_element_that_the_model_lacks_is_a_reason():
    named = {"d/m": BrickPoint(name="d/m", brick="Point", element="gone", how="isPointOf")}
    point = PointRef(id=1, node="n", device="d", metric="m")
    report = bind([point], ModelIndex.from_table(ELEMENTS.empty_table()), (), named)
    assert "gone, which the model lacks" in report.unbound[0].reason


@pytest.mark.parametrize("text", ["@prefix", "<a> <b> .", "\x00", "\xff\xfe", "a" * 100])
def test_what_is_no_turtle_is_refused(tmp_path, text):
    path = tmp_path / "x.ttl"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as refused:
        read_brick(path)
    assert refused.value.file == str(path)
    assert refused.value.fix


def test_other_endings_and_missing_files_are_refused(tmp_path):
    for name in ("x.jsonld", "x.rdf", "missing.ttl"):
        with pytest.raises(InputError):
            read_brick(tmp_path / name)


def test_damaged_files_are_read_or_refused(tmp_path):
    dice, path = random.Random(3), tmp_path / "x.ttl"
    for _ in range(300):
        data = bytearray(FOREIGN.encode())
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(bytes(data))
        try:
            read_brick(path)
        except InputError as error:
            refusal = error
            assert refusal.fix


def test_the_command_binds_by_brick_and_lists_what_has_no_point(shared_data, tmp_path):
    model = shared_data / "bim" / "ifc" / "Duplex_Electrical.ifc"
    read_model(model, tmp_path / "out")
    rows = load_tables(tmp_path / "out")["elements"].to_pylist()
    controls = [row["id"] for row in rows if row["role"]]
    (tmp_path / "b.ttl").write_text(
        '@prefix brick: <https://brickschema.org/schema/Brick#> .\n'
        '@prefix ref: <https://brickschema.org/schema/Brick/ref#> .\n'
        f'<urn:p> a brick:Status ; ref:hasExternalReference [ ref:ifcGlobalID "{controls[0]}" ; '
        'ref:hasTimeseriesId "gw/fire/state" ] .\n'
    )  # fmt: skip
    (tmp_path / "p.csv").write_text("node,device,metric,point_class\ngw,fire,state,status\ngw,stray,m,\n")
    command = [sys.executable, "-m", "aid4", "bim", "bind", model, "--points", tmp_path / "p.csv", "--json"]
    command += ["--brick-in", tmp_path / "b.ttl", "--brick", tmp_path / "out.ttl"]
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=True, cwd=ROOT)
    known = json.loads(done.stdout)
    (binding,) = known["bindings"]
    assert (binding["element"], binding["how"], binding["brick"]) == (controls[0], "ifc", "Status")
    assert [one["key"] for one in known["unbound"]] == ["gw/stray/m"]
    assert sorted(one["id"] for one in known["elements_without_points"]) == sorted(controls[1:])
    graph = rdflib.Graph().parse(tmp_path / "out.ttl", format="turtle")
    assert len(set(graph.subjects(RDF.type, BRICK.Luminaire))) > 0
