"""IDS: official cases decided as their names say, a real model counted by hand, and files that are no IDS."""

import json
import re
import subprocess
import sys
from pathlib import Path

import ifcopenshell
import ifcopenshell.util.element
import pytest

from bim.checks.ids import IDS_LIMITS, check_ids
from bim.errors import ModelError
from bim.limits import ModelLimits
from wire.errors import InputError

ROOT = Path(__file__).resolve().parents[2]

REQUIREMENT = """<?xml version="1.0" encoding="UTF-8"?>
<ids xmlns="http://standards.buildingsmart.org/IDS" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://standards.buildingsmart.org/IDS http://standards.buildingsmart.org/IDS/1.0/ids.xsd">
<info><title>Slabs &amp; walls</title></info>
<specifications><specification name="Slabs have a reference" ifcVersion="IFC2X3 IFC4">
<applicability minOccurs="1" maxOccurs="unbounded"><entity><name><simpleValue>IFCSLAB</simpleValue></name></entity>
</applicability>
<requirements><property dataType="IFCLABEL"><propertySet><simpleValue>Pset_SlabCommon</simpleValue></propertySet>
<baseName><simpleValue>Reference</simpleValue></baseName></property></requirements>
</specification></specifications></ids>"""


def aid4(*arguments):
    command = [sys.executable, "-m", "aid4", "bim", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("folder", ["entity", "classification", "partof", "property"])
@pytest.mark.parametrize("verdict", ["pass", "fail"])
def test_official_cases_end_as_their_names_say(ids_cases, tmp_path, folder, verdict):
    case = sorted((ids_cases / folder).glob(f"{verdict}-*.ids"))[0]
    report = check_ids(case.with_suffix(".ifc"), case, tmp_path)
    assert report.met is (verdict == "pass")
    if verdict == "fail":
        (requirement,) = [one for s in report.specifications for one in s.requirements if not one.met]
        assert requirement.elements[0].reason


def test_a_real_model_is_counted_right_and_reported_in_html_and_json(ifc, tmp_path):
    (tmp_path / "slabs.ids").write_text(REQUIREMENT)
    model = ifc / "duplex.ifc"
    done = aid4(model, "--ids", tmp_path / "slabs.ids", "--out", tmp_path / "out", "--json")
    assert done.returncode == 1, "a requirement is not met"
    known = json.loads(done.stdout)
    (specification,) = known["ids"][0]["specifications"]
    file = ifcopenshell.open(model)
    slabs = file.by_type("IfcSlab")
    sets = {one.GlobalId: ifcopenshell.util.element.get_psets(one).get("Pset_SlabCommon", {}) for one in slabs}
    named = {one for one, values in sets.items() if values.get("Reference")}
    (requirement,) = specification["requirements"]
    assert (specification["applicable"], requirement["passed"]) == (len(slabs), len(named)) == (21, 20)
    assert {one["global_id"] for one in requirement["elements"]} == sets.keys() - named
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["check.json", "slabs.html", "slabs.json"]
    page = (tmp_path / "out" / "slabs.html").read_text()
    assert "Slabs have a reference" in page
    assert "Slabs &amp; walls" in page
    assert not re.search(r"<(link|script|img)[^>]*https?://", page), "a report fetches nothing from anybody"
    assert json.loads((tmp_path / "out" / "slabs.json").read_text()) == known["ids"][0]


def test_a_model_that_meets_everything_exits_with_0(ifc, tmp_path):
    (tmp_path / "slabs.ids").write_text(REQUIREMENT.replace("IFCSLAB", "IFCDOOR").replace("Slab", "Door"))
    done = aid4(ifc / "duplex.ifc", "--ids", tmp_path / "slabs.ids")
    assert done.returncode == 0, done.stdout
    assert "Doors have a reference" in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", "not XML"),
        ("<ids>", "not XML"),
        ("<other/>", "root"),
        ('<ids xmlns="http://standards.buildingsmart.org/IDS"/>', ""),
        (REQUIREMENT.replace("minOccurs", "colour"), ""),
        (REQUIREMENT.replace("?>", '?><!DOCTYPE ids [<!ENTITY x SYSTEM "file:///etc/passwd">]>', 1), "entities"),
    ],
    ids=["text", "cut", "other", "empty", "attribute", "entity"],
)
def test_what_is_no_ids_exits_with_2_and_names_the_file(ifc, tmp_path, text, says):
    path = tmp_path / "bad.ids"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        check_ids(ifc / "georef" / "geolocation-unit1.ifc", path, tmp_path / "out")
    assert refused.value.file == str(path)
    assert says in refused.value.problem
    assert refused.value.fix


def test_a_model_that_cannot_be_read_is_refused_as_everywhere(ifc, tmp_path):
    (tmp_path / "slabs.ids").write_text(REQUIREMENT)
    with pytest.raises(ModelError) as refused:
        check_ids(ifc / "errorfile.ifc", tmp_path / "slabs.ids", tmp_path / "out")
    assert refused.value.reason == "malformed"


def test_a_pattern_that_never_ends_is_stopped_by_the_clock(ifc, tmp_path):
    start, end = REQUIREMENT.index("<requirements>"), REQUIREMENT.index("</requirements>")
    pattern = "<xs:restriction base='xs:string'><xs:pattern value='(((.+)+)+)+!'/></xs:restriction>"
    asked = f"<attribute><name><simpleValue>Name</simpleValue></name><value>{pattern}</value></attribute>"
    slow = f"{REQUIREMENT[:start]}<requirements>{asked}{REQUIREMENT[end:]}"
    (tmp_path / "slow.ids").write_text(slow)
    with pytest.raises(ModelError) as refused:
        check_ids(ifc / "duplex.ifc", tmp_path / "slow.ids", tmp_path / "out", ModelLimits(wall_s=8, cpu_s=4))
    assert refused.value.reason in ("time", "failed")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_bounds_of_a_check_are_those_of_a_reader_and_more():
    assert IDS_LIMITS.memory_bytes >= ModelLimits().memory_bytes
