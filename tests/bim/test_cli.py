"""`aid4 bim` as a person and as a program use it, and what importing the room loads."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from bim.campus.author import write_site

ROOT = Path(__file__).resolve().parents[2]
SITES = ROOT / "configs" / "sites"


def aid4(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aid4", "bim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "campus.ifc"
    write_site(SITES / "campus", path, seed=4, data_date=date(2026, 6, 15))
    return path


def test_info_prints_one_document(sample):
    done = aid4("info", sample, "--json")
    known = json.loads(done.stdout)
    assert done.returncode == 0
    assert (known["schema"], known["storeys"], known["lost"]) == ("IFC4X3_ADD2", 9, [])
    assert known["spaces"] >= 60
    assert known["crs"] == "EPSG:8353"
    assert known["origin"]["eastings_m"] == pytest.approx(-487258.58)
    assert known["true_north_deg"] == pytest.approx(16.992)
    assert known["with_geometry"] <= known["products"]


def test_info_reads_for_people_too(sample):
    assert "schema: IFC4X3" in aid4("info", sample).stdout


def test_a_refusal_exits_with_2_and_names_file_and_fix(tmp_path):
    bad = tmp_path / "bad.ifc"
    bad.write_text("nothing")
    done = aid4("info", bad)
    assert done.returncode == 2
    assert str(bad) in done.stderr
    assert "fix:" in done.stderr


def test_tree_shows_rooms_and_on_demand_elements(sample):
    assert "Space 0.01 Lobby" in aid4("tree", sample).stdout
    (project,) = json.loads(aid4("tree", sample, "--elements", "--json").stdout)["roots"]
    (site,) = project["children"]
    lab = next(node for node in site["children"] if node["name"] == "A Smart Energy Lab")
    lobby = next(node for node in lab["children"][0]["children"] if node["name"] == "0.01 Lobby")
    assert {"IfcSensor", "IfcController"} <= {node["type"] for node in lobby["children"]}


def test_sample_writes_the_building(tmp_path, sample):
    out = tmp_path / "x.ifc"
    assert aid4("sample", out).returncode == 0
    assert out.read_bytes() == sample.read_bytes()
    assert aid4("sample", tmp_path / "no" / "x.ifc").returncode == 2


def test_bind_lists_bound_and_unbound(sample, tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("node,device,metric,x_m,y_m,z_m\ngw-1,room-lobby,co2,,,\ngw-1,stray,m,,,\ngw-1,tag,m,15,64,1\n")
    known = json.loads(aid4("bind", sample, "--site", SITES / "campus", "--points", points, "--json").stdout)
    assert known["by_how"] == {"ifc": 1, "space": 1}
    assert [one["key"] for one in known["unbound"]] == ["gw-1/stray/m"]
    points = tmp_path / "points.json"
    points.write_text(json.dumps({"items": [{"node": "gw-1", "device": "main-meter", "metric": "voltage_l1"}]}))
    assert "Pset_AID4.Device" in aid4("bind", sample, "--site", SITES / "campus", "--points", points).stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "node,device\na,b\n"),
        ("p.json", "{"),
        ("p.json", "[1]"),
        ("p.csv", "node,device,metric,id\na,b,c,x\n"),
    ],
)
def test_a_wrong_points_file_exits_with_2(sample, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = aid4("bind", sample, "--site", SITES / "campus", "--points", tmp_path / name)
    assert done.returncode == 2
    assert "fix:" in done.stderr


def test_the_office_config_binds_its_recordings_to_real_rooms(ifc, tmp_path):
    points = tmp_path / "points.csv"
    devices = ["okuma", "mzvav-2-1", "szcav"]
    points.write_text("node,device,metric\n" + "".join(f"gw-1,{device},m\n" for device in devices))
    office = ifc / "Office_A_20110811.ifc"
    known = json.loads(aid4("bind", office, "--site", SITES / "office_a", "--points", points, "--json").stdout)
    assert known["unused"] == []
    assert known["unbound"] == []
    rooms = {one["key"].split("/")[1]: one["detail"].split("'")[1] for one in known["bindings"]}
    assert rooms == {"okuma": "123 ELEV EQ RM", "mzvav-2-1": "118 MECH RM", "szcav": "219 MECH RM"}


@pytest.mark.parametrize("module", ["bim", "bim.open", "bim.binding", "bim.child", "bim.cli", "bim.tables"])
def test_importing_the_room_loads_no_ifc_library(module):
    script = f"import {module}, sys; print('ifcopenshell' in sys.modules, 'duckdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "False"]


def test_importing_the_package_itself_loads_not_even_arrow():
    script = "import bim, sys; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"
