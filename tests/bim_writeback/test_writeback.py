"""Copies of real models with sensors, dates and verdicts, read again by the IFC library and by our own reader."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import ifcopenshell
import ifcopenshell.geom
import ifcopenshell.util.element
import ifcopenshell.util.placement
import ifcopenshell.util.unit
import ifcopenshell.validate
import numpy as np
import pytest

from bim.binding import PointRef, bind
from bim.model_index import ModelIndex
from bim.open import load_tables, read_model
from bim.writeback.rows import Actual, Job, SensorRow, Verdict, read_actuals, read_verdicts
from bim.writeback.run import write_back
from wire.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def box_of(product) -> tuple[np.ndarray, np.ndarray]:
    settings = ifcopenshell.geom.settings()
    settings.set("use-world-coords", True)
    points = np.array(ifcopenshell.geom.create_shape(settings, product).geometry.verts).reshape(-1, 3)
    return points.min(0), points.max(0)


def place_of(product) -> np.ndarray:
    scale = ifcopenshell.util.unit.calculate_unit_scale(product.file)
    return ifcopenshell.util.placement.get_local_placement(product.ObjectPlacement)[:3, 3] * scale


def errors(path: Path) -> list[str]:
    logger = ifcopenshell.validate.json_logger()
    ifcopenshell.validate.validate(ifcopenshell.open(path), logger)
    return [str(one) for one in logger.statements]


@pytest.mark.parametrize("name", ["Duplex_Electrical.ifc", "AC20-FZK-Haus.ifc"], ids=["2x3 feet", "4"])
def test_sensors_stand_in_their_rooms_and_carry_their_points(ifc, tmp_path, name):
    original = ifc / name
    before = digest(original)
    source = ifcopenshell.open(original)
    spaces = source.by_type("IfcSpace")[:6]
    rows = [
        SensorRow(key=f"gw/room-{i}/temp", element=space.GlobalId, space=space.GlobalId, point_class="temperature",
                  unit="Cel", brick="Temperature_Sensor", label=f"Room {i}")
        for i, space in enumerate(spaces)
    ]  # fmt: skip
    low, high = box_of(spaces[0])
    given = tuple(float(one) for one in low + (high - low) * (0.4, 0.5, 0.6))
    rows.append(
        SensorRow(key="gw/corner/wind", element=spaces[0].GlobalId, space=spaces[0].GlobalId,
                  point_class="wind_speed", position_m=given)
    )  # fmt: skip
    out = tmp_path / "copy.ifc"
    report = write_back(original, out, Job(sensors=rows))
    assert digest(original) == before
    assert (report.sensors_added, report.skipped, report.new_errors) == (len(rows), [], [])
    copy = ifcopenshell.open(out)
    assert errors(out) == errors(original)
    wanted = "IfcDistributionControlElement" if copy.schema == "IFC2X3" else "IfcSensor"
    made = {one.Tag: one for one in copy.by_type(wanted) if one.Tag and one.Tag.startswith("gw/")}
    assert made.keys() == {row.key for row in rows}
    for row in rows:
        sensor = made[row.key]
        assert ifcopenshell.util.element.get_container(sensor).GlobalId == row.space
        values = ifcopenshell.util.element.get_psets(sensor)["Pset_AID4"]
        assert values["PointKey"] == row.key
        low, high = box_of(copy.by_guid(row.space))
        assert (place_of(sensor) >= low - 1e-6).all()
        assert (place_of(sensor) <= high + 1e-6).all()
        shown = box_of(sensor)
        assert shown[1] - shown[0] == pytest.approx([0.08, 0.08, 0.08], abs=1e-6)
    assert place_of(made["gw/corner/wind"]) == pytest.approx(given, abs=1e-6)
    kind = ifcopenshell.util.element.get_predefined_type(made["gw/room-0/temp"])
    assert kind == "TEMPERATURESENSOR"


def test_our_own_reader_binds_the_points_to_the_sensors_written(ifc, tmp_path):
    original = ifc / "duplex.ifc"
    space = ifcopenshell.open(original).by_type("IfcSpace")[4].GlobalId
    rows = [SensorRow(key="gw/a/co2", element=space, space=space, point_class="co2")]
    write_back(original, tmp_path / "copy.ifc", Job(sensors=rows, validate=False))
    summary = read_model(tmp_path / "copy.ifc", tmp_path / "out")
    assert summary.warnings == []
    elements = load_tables(tmp_path / "out")["elements"]
    report = bind([PointRef(id=1, node="gw", device="a", metric="co2")], ModelIndex.from_table(elements))
    (binding,) = report.bindings
    assert (binding.how, binding.confidence, binding.space) == ("ifc", 1.0, space)
    row = next(one for one in elements.to_pylist() if one["id"] == binding.element)
    assert row["role"] == "sensor"


def test_writing_twice_changes_nothing(ifc, tmp_path):
    original = ifc / "duplex.ifc"
    space = ifcopenshell.open(original).by_type("IfcSpace")[0].GlobalId
    job = Job(sensors=[SensorRow(key="gw/a/co2", element=space, space=space, point_class="co2")], validate=False)
    write_back(original, tmp_path / "one.ifc", job)
    report = write_back(tmp_path / "one.ifc", tmp_path / "two.ifc", job)
    assert (report.sensors_added, report.sensors_kept) == (0, 1)
    one, two = (ifcopenshell.open(tmp_path / name) for name in ("one.ifc", "two.ifc"))
    assert len(list(one)) == len(list(two))


def test_points_of_sensors_that_are_there_become_keys_on_them(ifc, tmp_path):
    original = ifc / "Duplex_Electrical.ifc"
    source = ifcopenshell.open(original)
    control = source.by_type("IfcDistributionControlElement")[0]
    rows = [
        SensorRow(key=f"gw/panel/{metric}", element=control.GlobalId, point_class=kind)
        for metric, kind in (("state", "status"), ("go", "valve_command"), ("temp", "temperature"))
    ]
    report = write_back(original, tmp_path / "copy.ifc", Job(sensors=rows, validate=False))
    assert (report.keys_added, report.sensors_added) == (3, 0)
    copy = ifcopenshell.open(tmp_path / "copy.ifc")
    keys = ifcopenshell.util.element.get_psets(copy.by_guid(control.GlobalId))["Pset_AID4"]["PointKey"]
    assert keys == "gw/panel/state;gw/panel/go;gw/panel/temp"
    names = [one.RelatingPropertyDefinition.Name for one in copy.by_guid(control.GlobalId).IsDefinedBy
             if one.is_a("IfcRelDefinesByProperties")]  # fmt: skip
    assert names.count("Pset_AID4") == 1, "IFC wants the names of an element's sets to differ"


def test_a_set_shared_by_elements_is_changed_for_one_only(ifc, tmp_path):
    path = tmp_path / "shared.ifc"
    model = ifcopenshell.open(ifc / "AC20-FZK-Haus.ifc")
    doors = model.by_type("IfcDoor")[:2]
    value = model.create_entity(
        "IfcPropertySingleValue", Name="Verdict", NominalValue=model.create_entity("IfcLabel", "unknown")
    )
    pset = model.create_entity("IfcPropertySet", ifcopenshell.guid.new(), None, "Pset_AID4_Progress", None, [value])
    model.create_entity("IfcRelDefinesByProperties", ifcopenshell.guid.new(), None, None, None, doors, pset)
    model.write(str(path))
    job = Job(verdicts=[Verdict(element=doors[0].GlobalId, verdict="built")], validate=False)
    write_back(path, tmp_path / "copy.ifc", job)
    copy = ifcopenshell.open(tmp_path / "copy.ifc")
    found = [ifcopenshell.util.element.get_psets(copy.by_guid(one.GlobalId))["Pset_AID4_Progress"] for one in doors]
    assert [one["Verdict"] for one in found] == ["built", "unknown"]


def test_actual_dates_reach_the_tasks(ifc, tmp_path):
    original = ifc / "construction_scheduling_task_ifc4.ifc"
    source = ifcopenshell.open(original)
    tasks = source.by_type("IfcTask")
    first, second = tasks[0], tasks[1]
    job = Job(
        actuals=[
            Actual(task=first.GlobalId, start="2026-03-01T08:00:00", finish="2026-03-09T17:00:00"),
            Actual(task=second.GlobalId, start="2026-03-02T08:00:00", percent=40.0),
            Actual(task="no such task", start="2026-03-02T08:00:00"),
        ]
    )
    report = write_back(original, tmp_path / "copy.ifc", job)
    assert (report.tasks_dated, len(report.skipped), report.new_errors) == (2, 1, [])
    copy = ifcopenshell.open(tmp_path / "copy.ifc")
    times = [copy.by_guid(one.GlobalId).TaskTime for one in (first, second)]
    assert (times[0].ActualStart, times[0].ActualFinish) == ("2026-03-01T08:00:00", "2026-03-09T17:00:00")
    assert (times[1].ActualStart, times[1].Completion) == ("2026-03-02T08:00:00", 0.4)
    others = {one.GlobalId: one.TaskTime and one.TaskTime.ActualStart for one in tasks[2:]}
    assert {one: copy.by_guid(one).TaskTime and copy.by_guid(one).TaskTime.ActualStart for one in others} == others


@pytest.mark.parametrize("name", ["duplex.ifc", "AC20-FZK-Haus.ifc"])
def test_verdicts_and_dates_of_elements_are_properties(ifc, tmp_path, name):
    original = ifc / name
    wall = ifcopenshell.open(original).by_type("IfcWall")[0].GlobalId
    job = Job(
        verdicts=[Verdict(element=wall, verdict="built", at="2026-06-01T10:00:00", probability=0.97, scan="flight 7")],
        actuals=[Actual(element=wall, finish="2026-05-30T00:00:00")],
    )
    report = write_back(original, tmp_path / "copy.ifc", job)
    assert (report.verdicts, report.elements_dated, report.new_errors) == (1, 1, [])
    copy = ifcopenshell.open(tmp_path / "copy.ifc")
    values = ifcopenshell.util.element.get_psets(copy.by_guid(wall))
    kept = {name: value for name, value in values["Pset_AID4_Progress"].items() if name != "id"}
    assert kept == {
        "Verdict": "built", "VerdictTime": "2026-06-01T10:00:00", "VerdictProbability": 0.97,
        "VerdictScan": "flight 7", "ActualFinish": "2026-05-30T00:00:00",
    }  # fmt: skip


def test_the_original_is_never_written_over(ifc, tmp_path):
    path = tmp_path / "model.ifc"
    path.write_bytes((ifc / "georef" / "geolocation-unit1.ifc").read_bytes())
    link = tmp_path / "link.ifc"
    link.symlink_to(path)
    for out in (path, link, tmp_path / "copy.txt", tmp_path / "no" / "copy.ifc"):
        with pytest.raises(InputError):
            write_back(path, out, Job())
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.ifc", "model.ifc"]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_actuals, "task,start\n,2026-01-01\n"),
        (read_actuals, "task,start\nA,yesterday\n"),
        (read_actuals, "task,start,finish\nA,2026-02-01,2026-01-01\n"),
        (read_actuals, "task,percent\nA,101\n"),
        (read_actuals, "task\nA\n"),
        (read_verdicts, "element,verdict\nA,perhaps\n"),
        (read_verdicts, "element,verdict\n,built\n"),
        (read_verdicts, "element,verdict,probability\nA,built,nan\n"),
        (read_verdicts, '"'),
        (read_verdicts, "element,verdict\n\xff,built\n"),
    ],
)
def test_rows_that_say_nothing_sensible_are_refused_by_name(tmp_path, read, text):
    (tmp_path / "x.csv").write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as refused:
        read(tmp_path / "x.csv")
    assert refused.value.file.endswith("x.csv")
    assert refused.value.fix


def test_the_latest_verdict_of_an_element_stands(tmp_path):
    (tmp_path / "v.csv").write_text(
        "element,verdict,at\nA,built,2026-06-02\nA,unknown,2026-06-01\nB,not built,2026-06-01\n"
    )
    assert [(one.element, one.verdict) for one in read_verdicts(tmp_path / "v.csv")] == [
        ("A", "built"), ("B", "not_built"),
    ]  # fmt: skip


def aid4(*arguments):
    command = [sys.executable, "-m", "aid4", "bim", "writeback", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_command_writes_bound_points_and_names_the_others(ifc, tmp_path):
    points = tmp_path / "p.csv"
    points.write_text("node,device,metric,point_class,space_hint\ngw,room,co2,co2,118\ngw,lost,co2,co2,no such room\n")
    model, out = ifc / "Office_A_20110811.ifc", tmp_path / "copy.ifc"
    done = aid4(model, out, "--points", points, "--no-validate", "--json")
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout)
    assert known["sensors_added"] == 1
    assert "gw/lost/co2" in known["skipped"][0]
    assert known["sha256"] == digest(out)
    assert aid4(model, model, "--points", points).returncode == 2
    assert aid4(model, out).returncode == 2
