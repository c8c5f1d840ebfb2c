"""The building authored by code: valid IFC4, the same bytes each time, and every point of the campus has its place."""

import re
import subprocess
import sys
from pathlib import Path

import ifcopenshell
import ifcopenshell.validate
import pytest

from bim.authored import author_building, write_sample
from bim.authored_shell import walls_of
from bim.binding import PointRef, bind
from bim.building_plan import load_plan
from bim.model_index import ModelIndex
from wire.errors import ConfigError
from wire.point_classes import check_unit

ROOT = Path(__file__).resolve().parents[2]
CAMPUS = ROOT / "configs" / "sites" / "campus"


@pytest.fixture(scope="module")
def plan():
    return load_plan(CAMPUS)


@pytest.fixture(scope="module")
def sample(plan, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "campus.ifc"
    write_sample(plan, path)
    return path


@pytest.fixture(scope="module")
def points(plan) -> list[PointRef]:
    pairs = [(device, metric) for device in plan.devices for metric in plan.kinds[device.kind].metrics]
    return [PointRef(id=n, node="gw-1", device=d.name, metric=m.name) for n, (d, m) in enumerate(pairs)]


def test_it_is_valid_to_the_letter_and_the_rules_of_the_schema(sample):
    log = ifcopenshell.validate.json_logger()
    ifcopenshell.validate.validate(ifcopenshell.open(str(sample)), log, express_rules=True)
    assert log.statements == []


def test_two_processes_write_the_same_bytes(plan, sample):
    script = (
        "import sys; from pathlib import Path; from bim.authored import author_building;"
        "from bim.building_plan import load_plan;"
        "sys.stdout.write(author_building(load_plan(Path(sys.argv[1]))))"
    )
    other = subprocess.run([sys.executable, "-c", script, CAMPUS], capture_output=True, check=True, cwd=ROOT)
    assert other.stdout == sample.read_bytes()


def test_another_seed_changes_the_ids_and_nothing_else(plan):
    first, second = author_building(plan, 1), author_building(plan, 2)
    assert first != second
    ids = re.compile(r"'[0-3][0-9A-Za-z_$]{21}'")
    assert ids.sub("''", first) == ids.sub("''", second)


def test_it_has_storeys_rooms_and_devices(sample, read, plan):
    counts = read(sample).summary.counts
    assert (counts.storeys, counts.spaces) == (3, len(plan.spaces))
    assert counts.spaces_with_footprint == counts.spaces
    assert counts.without_storey == 0
    assert counts.types["IfcSensor"] >= 25
    assert {"IfcWall", "IfcSlab", "IfcDoor", "IfcWindow", "IfcFlowMeter", "IfcUnitaryEquipment"} <= set(counts.types)


def test_it_lies_at_dubnica(sample, read):
    place = read(sample).summary.georeference
    assert place.crs.name == "EPSG:8353"
    assert (place.site.latitude_deg, place.site.longitude_deg) == (pytest.approx(48.963), pytest.approx(18.168))
    assert place.kind == "map_conversion"
    assert place.already_in_map_coordinates is False


def test_every_point_of_the_campus_is_bound_by_the_model(sample, read, points, plan):
    model = read(sample)
    report = bind(points, ModelIndex.from_table(model.tables["elements"]))
    assert report.unbound == []
    assert report.by_how == {"ifc": len(points)}
    spaces = {row["id"]: row["long_name"] for row in model.rows(type="IfcSpace")}
    device_space = {device.name: device.space for device in plan.devices}
    bound = {one.point_id: one for one in report.bindings}
    for point in points:
        assert spaces[bound[point.id].space] == device_space[point.device]


def test_room_measurements_are_bound_to_sensors_of_their_own(sample, read, points):
    model = read(sample)
    report = bind(points, ModelIndex.from_table(model.tables["elements"]))
    sensors = {row["id"] for row in model.rows(type="IfcSensor")}
    own = [one for one in report.bindings if one.element in sensors and "PointKey" in one.detail]
    assert len(own) == len({one.element for one in own}) >= 25


def test_sensors_stand_inside_the_room_that_contains_them(sample, read):
    model = read(sample)
    index = ModelIndex.from_table(model.tables["elements"])
    sensors = model.rows(role="sensor")
    assert len(sensors) >= 25
    for row in sensors:
        assert index.space_at(row["x_m"], row["y_m"], row["z_m"]).id == row["space"]


def test_every_unit_of_the_campus_fits_its_class():
    import tomllib

    kinds = tomllib.loads((CAMPUS / "devices.toml").read_text())["kind"]
    for kind in kinds.values():
        for metric in kind["metrics"]:
            assert check_unit(metric["class"], metric.get("unit", "")) == metric.get("unit", "")


def test_walls_between_two_rooms_are_one_wall():
    walls = walls_of([(0, 0, 4, 3), (4, 0, 8, 3)])
    assert len(walls) == 7
    shared = [wall for wall in walls if not wall.outer]
    assert [(wall.along_x, wall.at, wall.start, wall.end) for wall in shared] == [(False, 4, 0, 3)]


def test_a_plan_that_names_a_missing_space_says_so(tmp_path):
    text = (CAMPUS / "devices.toml").read_text().replace('space = "Plant room"', 'space = "Nowhere"', 1)
    (tmp_path / "devices.toml").write_text(text)
    with pytest.raises(ConfigError, match="no space 'Nowhere'") as caught:
        load_plan(tmp_path)
    assert caught.value.fix


def test_a_folder_without_a_plan_says_so(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_plan(tmp_path)
