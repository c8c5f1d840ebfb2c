"""`aid4 bench ifc` counts what it says: its made model is what it claims, its losses are counted by id."""

import re

import ifcopenshell

from aid4.bench.ifc import ifc
from aid4.bench.made_model import write_model


def test_the_made_model_is_whole_and_the_same_for_one_seed(tmp_path):
    one, two = tmp_path / "one.ifc", tmp_path / "two.ifc"
    write_model(one, 1_200)
    write_model(two, 1_200)
    assert one.read_bytes() == two.read_bytes()
    model = ifcopenshell.open(str(one))
    products = [each for each in model.by_type("IfcElement") if each.Representation]
    assert len(products) == len({each.GlobalId for each in products}) == 1_200
    assert len(model.by_type("IfcBuildingStorey")) == 2
    numbers = re.findall(r"^#(\d+)=", one.read_text(), re.MULTILINE)
    assert len(numbers) == len(set(numbers))


def test_a_run_over_two_files_counts_every_element(shared_data):
    names = ["georef/geolocation.ifc", "construction_scheduling_task_ifc4.ifc", "errorfile.ifc"]
    found = ifc([shared_data / "bim" / "ifc" / name for name in names], ["files", "made"], elements=300)
    rows = {row["file"]: row for row in found["files"]["files"]}
    assert rows["geolocation.ifc"]["elements"] == 8
    assert rows["construction_scheduling_task_ifc4.ifc"]["lost_named"] == 2
    assert "refused" in rows["errorfile.ifc"]
    assert found["files"]["lost_silently"] == found["files"]["lost_beside_opencascade"] == 0
    made = found["made"]
    assert (made["elements"], made["meshes"], made["lost_silently"]) == (300, 300, 0)
    assert 0 < made["tiles_bytes"] < 300 * 400
    assert 0 < made["memory_mib"] < 1536
