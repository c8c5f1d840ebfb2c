"""Several files of one site make one model; checked against the files themselves, read by other means."""

import json
import math
import subprocess
import sys
import uuid
from pathlib import Path

import ifcopenshell
import ifcopenshell.geom
import ifcopenshell.guid
import ifcopenshell.util.placement
import ifcopenshell.util.unit
import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from bim.federation.merge import federate
from bim.federation.parts import PartPlace
from bim.georeference import Georeference, ProjectedCrs, SiteOrigin
from bim.global_id import compressed, is_global_id
from bim.tables import ELEMENTS
from wire.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def changed(part, change, name="changed.ifc", **fields):
    """A part whose rows went through `change`; relations and properties stay."""
    table = pa.Table.from_pylist([change(row) for row in part.elements.to_pylist()], schema=ELEMENTS)
    return replace(part, name=name, sha256=name, **({"elements": table} | fields))


@pytest.fixture(scope="module")
def duplex(part):
    return federate([part("ifc/duplex.ifc"), part("ifc/Duplex_Electrical.ifc")])


def rows_of(federation):
    return federation.elements.to_pylist()


def whole(federation) -> bool:
    """Every id once, and every reference to an id of the model."""
    rows = rows_of(federation)
    known = {row["id"] for row in rows}
    references = {row[name] for row in rows for name in ("parent", "storey", "space") if row[name]}
    ends = {one for name in ("source", "target") for one in federation.relations[name].to_pylist()}
    owners = set(federation.psets["element"].to_pylist())
    return len(known) == len(rows) and references <= known and ends <= known and owners <= known


def test_the_electrical_model_stands_in_the_rooms_of_the_architecture(duplex, bim_data):
    architecture = ifcopenshell.open(bim_data / "ifc" / "duplex.ifc")
    electrical = ifcopenshell.open(bim_data / "ifc" / "Duplex_Electrical.ifc")
    boxes = {}
    settings = ifcopenshell.geom.settings()
    for space in architecture.by_type("IfcSpace"):
        shape = ifcopenshell.geom.create_shape(settings, space)
        points = np.array(shape.geometry.verts).reshape(-1, 3)
        points = points @ np.array(shape.transformation.matrix).reshape(4, 4, order="F")[:3, :3].T
        points += np.array(shape.transformation.matrix).reshape(4, 4, order="F")[:3, 3]
        boxes[space.GlobalId] = (points.min(0) - 0.06, points.max(0) + 0.06)
    scale = ifcopenshell.util.unit.calculate_unit_scale(electrical)
    placed = [row for row in rows_of(duplex) if row["source"] == "Duplex_Electrical.ifc" and row["space"]]
    assert len(placed) == 60, "58 by position, and two that stood in a room of their own file already"
    for row in placed:
        product = electrical.by_guid(row["id"])
        at = ifcopenshell.util.placement.get_local_placement(product.ObjectPlacement)[:3, 3] * scale
        low, high = boxes[row["space"]]
        assert (low <= at).all(), row["name"]
        assert (at <= high).all(), row["name"]


def test_nothing_is_lost_and_everything_holds_together(duplex, part):
    assert whole(duplex)
    names = ("ifc/duplex.ifc", "ifc/Duplex_Electrical.ifc")
    assert duplex.elements.num_rows == sum(part(name).elements.num_rows for name in names) - len(duplex.places)
    assert {row["source"] for row in rows_of(duplex)} == {"duplex.ifc", "Duplex_Electrical.ifc"}


def test_storeys_of_one_level_are_one_and_the_others_stay(duplex):
    storeys = sorted(row["name"] for row in rows_of(duplex) if row["type"] == "IfcBuildingStorey")
    assert storeys == ["Level 1", "Level 2", "Roof", "T/FDN"]
    assert {one.how for one in duplex.places if one.type == "IfcBuildingStorey"} == {"name and elevation"}


def test_real_trades_keep_their_own_storeys_where_nothing_says_which_they_are(part, bim_data):
    names = ["design", *(f"sub_{name}" for name in ("facade_brackets_JORDAHL", "stairs_MULTICOM", "walls_gf_XELLA"))]
    site = federate([part(f"schependomlaan/{name}.ifc") for name in names])
    assert whole(site)
    merged = {(one.part.split("_")[-1], one.name): one.into_name for one in site.places if "Storey" in one.type}
    assert merged == {
        ("JORDAHL.ifc", "00"): "00 begane grond",
        ("JORDAHL.ifc", "01"): "01 eerste verdieping",
    }
    assert sum(row["type"] == "IfcProject" for row in rows_of(site)) == 1


def test_a_file_exported_twice_is_one_model_and_each_id_is_reported(part):
    first = part("ifc/duplex.ifc")
    again = changed(first, lambda row: row, "again.ifc")
    both = federate([first, again])
    assert both.elements.num_rows == first.elements.num_rows
    assert {one.verdict for one in both.duplicates} == {"same"}
    assert len(both.duplicates) == first.elements.num_rows
    assert {one.wins for one in both.duplicates} == {"duplex.ifc"}
    assert both.psets.num_rows == len({(r["element"], r["pset"], r["name"]) for r in first.psets.to_pylist()})


def test_two_elements_of_one_id_are_both_kept_under_names_that_stay(part):
    first = part("ifc/duplex.ifc")
    doors = [row["id"] for row in first.elements.to_pylist() if row["type"] == "IfcDoor"]
    away = changed(first, lambda row: row | {"x_m": row["x_m"] + 3} if row["id"] in doors else row)
    both = federate([first, away])
    clashes = [one for one in both.duplicates if one.verdict == "clash"]
    assert sorted(one.id for one in clashes) == sorted(doors)
    assert all(is_global_id(one.kept) and "3.00 m apart" in one.reason for one in clashes)
    assert both.elements.num_rows == first.elements.num_rows + len(doors)
    assert whole(both)
    assert [one.kept for one in federate([first, away]).duplicates] == [one.kept for one in both.duplicates]


def test_the_later_file_adds_the_properties_that_the_first_one_lacks(part):
    first = part("ifc/duplex.ifc")
    bare = changed(first, lambda row: row, "bare.ifc", psets=first.psets.slice(0, 0))
    both = federate([bare, first])
    assert both.psets.num_rows == len({(r["element"], r["pset"], r["name"]) for r in first.psets.to_pylist()})


def turned(row, angle_deg, shift):
    """By hand: turned about the origin, then moved."""
    if row["x_m"] is None:
        return row
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    x, y = row["x_m"], row["y_m"]
    new = {"x_m": c * x - s * y + shift[0], "y_m": s * x + c * y + shift[1], "z_m": row["z_m"] + shift[2]}
    up = {name: None if row[name] is None else row[name] + shift[2] for name in ("elevation_m", "z_min_m", "z_max_m")}
    outline = None
    if row["footprint_m"]:
        pairs = zip(row["footprint_m"][::2], row["footprint_m"][1::2], strict=True)
        outline = [v for a, b in pairs for v in (c * a - s * b + shift[0], s * a + c * b + shift[1])]
    return row | new | up | {"footprint_m": outline}


def places_of(federation, source):
    return {row["id"]: (row["x_m"], row["y_m"], row["z_m"]) for row in rows_of(federation) if row["source"] == source}


def test_a_place_that_a_person_gives_is_where_the_file_lies(part, duplex):
    electrical = part("ifc/Duplex_Electrical.ifc")
    # the file drawn elsewhere, and told how to come back: R(-30) (p' - shift) = R(-30) p' + offset
    away = changed(electrical, lambda row: turned(row, 30, (100, -50, 7)), electrical.name)
    c, s = math.cos(math.radians(-30)), math.sin(math.radians(-30))
    offset = (-(c * 100 - s * -50), -(s * 100 + c * -50), -7.0)
    given = replace(away, place=PartPlace(offset, -30))
    both = federate([part("ifc/duplex.ifc"), given])
    expected = places_of(duplex, electrical.name)
    assert places_of(both, electrical.name).keys() == expected.keys()
    for one, at in places_of(both, electrical.name).items():
        assert at == pytest.approx(expected[one], abs=1e-9)
    assert both.parts[1].placed_in_spaces >= 58, "on the edge of a room rounding decides"


def on_map(east, north, height, angle_deg, crs="EPSG:8353"):
    turn = math.radians(angle_deg)
    return Georeference(
        kind="map_conversion", eastings_m=east, northings_m=north, height_m=height,
        x_axis_abscissa=math.cos(turn), x_axis_ordinate=math.sin(turn), crs=ProjectedCrs(name=crs),
    )  # fmt: skip


def test_two_files_with_map_conversions_meet_on_the_map(part):
    first = replace(part("ifc/duplex.ifc"), georeference=on_map(-487258.0, -1200000.0, 240.0, 17.0))
    second = replace(part("ifc/Duplex_Electrical.ifc"), georeference=on_map(-487200.0, -1200010.0, 243.5, 47.0))
    both = federate([first, second])
    assert both.alignments[1].how == "map conversion"
    assert both.alignments[1].rotate_deg == pytest.approx(30)
    # a point of the second file, by hand: to the map with its own conversion, then back with the first one's
    row = next(r for r in second.elements.to_pylist() if r["type"] == "IfcFlowTerminal")
    c, s = math.cos(math.radians(47)), math.sin(math.radians(47))
    east = -487200.0 + c * row["x_m"] - s * row["y_m"] + 487258.0
    north = -1200010.0 + s * row["x_m"] + c * row["y_m"] + 1200000.0
    c, s = math.cos(math.radians(17)), math.sin(math.radians(17))
    x, y, z = places_of(both, "Duplex_Electrical.ifc")[row["id"]]
    assert (x, y, z) == pytest.approx((c * east + s * north, -s * east + c * north, row["z_m"] + 3.5), abs=1e-6)
    assert any("is it of this site" in warning for warning in both.warnings), "58 m away is not in the house"


def test_files_of_two_maps_are_refused_with_the_fix(part):
    first = replace(part("ifc/duplex.ifc"), georeference=on_map(0.5, 1, 2, 0, "EPSG:8353"))
    second = replace(part("ifc/Duplex_Electrical.ifc"), georeference=on_map(0.5, 1, 2, 0, "EPSG:3826"))
    with pytest.raises(InputError) as refused:
        federate([first, second])
    assert refused.value.file == "Duplex_Electrical.ifc"
    assert "offset_m" in refused.value.fix


def test_a_file_whose_site_is_placed_elsewhere_is_moved_onto_it(part, duplex):
    electrical = part("ifc/Duplex_Electrical.ifc")
    site = electrical.georeference.site
    moved_site = SiteOrigin(
        id=site.id, latitude_deg=site.latitude_deg, longitude_deg=site.longitude_deg, x_m=5000.0, y_m=-700.0, z_m=0.0
    )
    far = changed(
        electrical,
        lambda row: turned(row, 0, (5000, -700, 0)),
        electrical.name,
        georeference=Georeference(kind="site", site=moved_site),
    )
    both = federate([part("ifc/duplex.ifc"), far])
    assert both.alignments[1].how == "site placement"
    expected = places_of(duplex, electrical.name)
    for one, at in places_of(both, electrical.name).items():
        assert at == pytest.approx(expected[one], abs=1e-6)


def test_heights_of_another_zero_are_brought_to_storeys_of_the_same_name(part, duplex):
    electrical = part("ifc/Duplex_Electrical.ifc")
    high = changed(electrical, lambda row: turned(row, 0, (0, 0, 212.4)), electrical.name)
    both = federate([part("ifc/duplex.ifc"), high])
    assert both.alignments[1].storeys_raised_m == pytest.approx(-212.4)
    assert both.parts[1].placed_in_spaces == 58


def test_a_file_of_another_site_is_told(part):
    electrical = part("ifc/Duplex_Electrical.ifc")
    away = changed(electrical, lambda row: turned(row, 0, (900, 900, 0)), electrical.name)
    both = federate([part("ifc/duplex.ifc"), away])
    assert both.alignments[1].inside_ratio == 0
    assert both.alignments[1].confidence <= 0.3
    assert any("of this site" in warning for warning in both.warnings)


def test_one_file_is_itself(part):
    alone = federate([part("ifc/duplex.ifc")])
    assert alone.sha256 == part("ifc/duplex.ifc").sha256
    assert alone.elements.drop(["source"]).equals(part("ifc/duplex.ifc").elements.drop(["source"]))


def test_our_global_ids_are_those_of_the_library():
    dice = np.random.default_rng(5)
    for _ in range(200):
        value = uuid.UUID(bytes=dice.bytes(16))
        assert compressed(value) == ifcopenshell.guid.compress(value.hex)
        assert is_global_id(compressed(value))


def aid4(*arguments):
    command = [sys.executable, "-m", "aid4", "bim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_info_of_several_files_reports_duplicates_and_alignments(bim_data, tmp_path):
    copy = tmp_path / "copy.ifc"
    text = (bim_data / "ifc" / "georef" / "geolocation-unit1.ifc").read_text()
    copy.write_text(text.replace("FILE_NAME('", "FILE_NAME('again", 1))
    done = aid4("info", bim_data / "ifc" / "georef" / "geolocation-unit1.ifc", copy, "--json")
    known = json.loads(done.stdout)
    assert known["files"] == ["geolocation-unit1.ifc", "copy.ifc"]
    assert len(known["duplicates"]) == known["elements"] > 0
    assert {one["verdict"] for one in known["duplicates"]} == {"same"}
    assert known["alignments"][0]["how"] == "first file"
    assert len(known["parts"]) == 2


def test_info_refuses_when_one_of_the_files_is_no_model(bim_data, tmp_path):
    bad = tmp_path / "bad.ifc"
    bad.write_text("nothing")
    done = aid4("info", bim_data / "ifc" / "duplex.ifc", bad)
    assert done.returncode == 2
    assert str(bad) in done.stderr
