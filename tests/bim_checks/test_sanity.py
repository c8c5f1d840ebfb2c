"""What every model should be: faults that we put into a real model by text are found, and none that is not there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bim.checks.sanity import CHECKS, sanity
from bim.open import load_tables, read_model


@pytest.fixture
def findings(tmp_path):
    def of(path, change=lambda text: text):
        copy = tmp_path / "model.ifc"
        copy.write_text(change(path.read_text("latin-1")), "latin-1")
        summary = read_model(copy, tmp_path / "out")
        return {one.check: one for one in sanity(summary, load_tables(tmp_path / "out")["elements"])}

    return of


def ids_of(text: str, ifc_class: str) -> list[str]:
    return re.findall(rf"={ifc_class}\('([^']{{22}})'", text)


@pytest.mark.parametrize("name", ["duplex.ifc", "Office_A_20110811.ifc", "whale_LargeBuilding.ifc"])
def test_a_sound_model_has_no_error_and_no_warning(ifc, findings, name):
    assert {one.severity for one in findings(ifc / name).values()} <= {"note"}


def test_a_global_id_that_stands_twice_is_an_error(ifc, findings):
    text = (ifc / "duplex.ifc").read_text("latin-1")
    first, second = ids_of(text, "IFCSPACE")[:2]
    found = findings(ifc / "duplex.ifc", lambda text: text.replace(f"'{second}'", f"'{first}'"))
    assert found["duplicate_global_id"].severity == "error"
    assert found["duplicate_global_id"].elements == [first]


def test_malformed_global_ids_of_a_real_file_are_counted(shared_data, findings):
    path = shared_data / "bim" / "schependomlaan" / "sub_floor1_GEELEN.ifc"
    bad = [
        one for one in re.findall(r"=\s*IFC\w+\s*\(\s*'([^']{22})'", path.read_text("latin-1")) if one[0] not in "0123"
    ]
    found = findings(path)["malformed_global_id"]
    assert 300 < found.count <= len(bad)
    assert set(found.elements) <= set(bad)


def test_a_model_without_units_or_project_is_an_error(ifc, findings):
    found = findings(
        ifc / "duplex.ifc", lambda text: re.sub(r"=IFCSIUNIT\(\*,\.LENGTHUNIT\.", "=IFCSIUNIT(*,.X.", text)
    )
    assert "no_length_unit" in found


def test_a_wrong_length_unit_shows(ifc, findings):
    def change(text: str) -> str:
        return text.replace("=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.)", "=IFCSIUNIT(*,.LENGTHUNIT.,.MILLI.,.METRE.)")

    found = findings(ifc / "duplex.ifc", change)
    assert found["size_of_model"].severity == "warning"
    assert "storey_height" in found or "storeys_of_one_level" in found


def test_elements_that_hang_nowhere_and_storeys_without_height_show(ifc, findings):
    def change(text: str) -> str:
        text = re.sub(r"=IFCRELCONTAINEDINSPATIALSTRUCTURE\(('[^']*',#\d+,\$,\$),\([^)]*\)",
                      r"=IFCRELCONTAINEDINSPATIALSTRUCTURE(\1,()", text)  # fmt: skip
        return re.sub(r"(=IFCBUILDINGSTOREY\(.*,)[-\d.E]+\);", r"\1$);", text)

    found = findings(ifc / "duplex.ifc", change)
    assert found["element_without_storey"].count > 100
    assert found["storey_without_elevation"].count == 4


def test_spaces_without_a_shape_have_no_outline(ifc, findings):
    def change(text: str) -> str:
        return re.sub(r"(=IFCSPACE\('[^']*',#\d+,'[^']*','',\$,#\d+,)#\d+", r"\1$", text)

    count = len(ids_of((ifc / "duplex.ifc").read_text("latin-1"), "IFCSPACE"))
    assert findings(ifc / "duplex.ifc", change)["space_without_footprint"].count == count


def test_parts_that_hold_each_other_are_a_ring(ifc, findings):
    def change(text: str) -> str:
        relations = re.findall(r"#\d+=IFCRELAGGREGATES\('[^']*',#\d+,\$,\$,(#\d+),\((#\d+)[,)]", text)
        whole, part = relations[1]
        history = re.search(r"#(\d+)=IFCOWNERHISTORY", text)[1]
        ring = f"#9999999=IFCRELAGGREGATES('0000000000000000000001',#{history},$,$,{part},({whole}));\nENDSEC;\nEND-ISO"
        return text.replace("ENDSEC;\nEND-ISO", ring)

    found = findings(ifc / "duplex.ifc", change)
    assert "ring_of_containment" not in found or found["ring_of_containment"].severity == "error"


def test_sensors_of_a_real_electrical_model_lack_points(ifc, findings):
    found = findings(ifc / "Duplex_Electrical.ifc")["sensor_without_point"]
    assert (found.severity, found.count) == ("note", 3)


def test_a_park_of_several_houses_and_things_outdoors_is_sound(tmp_path):
    site = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
    command = [sys.executable, "-m", "aid4", "bim", "sample", str(tmp_path / "park.ifc"), "--site", str(site)]
    subprocess.run(command, check=True, capture_output=True)
    summary = read_model(tmp_path / "park.ifc", tmp_path / "out")
    found = sanity(summary, load_tables(tmp_path / "out")["elements"])
    assert {one.check: one.message for one in found if one.severity == "error"} == {}
    assert "element_without_storey" not in {one.check for one in found}
    assert "storeys_of_one_level" not in {one.check for one in found}


def test_every_check_is_in_the_table():
    assert len(CHECKS) >= 10
