"""`aid4 drone simulate`, as a person calls it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import drone_ingest
from aid4.cli import cli
from drone_ingest.simulate import read_stations
from wire.errors import InputError


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["drone", "simulate", *map(str, words)])
    return done.exit_code, done.output


def test_the_real_building_is_scanned_as_planned_with_what_is_late_and_early(
    shared_data: Path, tiles: Path, tmp_path: Path
) -> None:
    folder = shared_data / "bim" / "schependomlaan"
    out = tmp_path / "scan.laz"
    code, text = run(
        "--ifc", folder / "design.ifc", "--links", folder / "element_tasks.csv", "--at", "2015-07-24", "--late", 0.06,
        "--early", 0.02, "--points", 20_000, "--stations", 6, "--seed", 3, "--tiles", tiles, "--out", out, "--json",
    )  # fmt: skip
    assert code == 0, text
    known = json.loads(text)
    assert known["simulated"] is True
    assert len(known["late"]) / known["planned"] == pytest.approx(0.06, abs=0.03)
    assert known["built"] == known["planned"] - len(known["late"]) + len(known["early"])
    truth = json.loads(Path(known["files"]["truth.json"]).read_text())
    assert not set(known["late"]) & set(truth["labels"])
    assert set(known["early"]) <= set(truth["labels"])
    assert sum(batch.num_rows for batch in drone_ingest.read(out).chunks()) == known["points"]
    assert len(Path(known["files"]["stations.csv"]).read_text().splitlines()) == 7


def test_a_scan_without_plan_has_everything_and_takes_stations_from_a_table(
    shared_data: Path, tiles: Path, tmp_path: Path
) -> None:
    (tmp_path / "places.csv").write_text("id,x,y,z\n7,-15,0,2\n8,25,-20,8\n")
    house = shared_data / "bim" / "ifc" / "Ifc4_SampleHouse.ifc"
    code, text = run(
        "--ifc", house, "--flight", tmp_path / "places.csv", "--points", 5_000, "--tiles", tiles,
        "--out", tmp_path / "scan.ply",
    )  # fmt: skip
    assert code == 0, text
    assert "simulated: 5000 points from 2 stations" in text


@pytest.mark.parametrize(
    ("table", "field"),
    [("a,b\n1,2\n", "line 1"), ("id,x,y,z\n1,2,three,4\n", "line 2"), ("id,x,y,z\n1,2\n", "line 2"), ("x,y,z\n", "")],
)
def test_a_bad_table_of_stations_is_refused_with_its_line(tmp_path: Path, table: str, field: str) -> None:
    (tmp_path / "places.csv").write_text(table)
    with pytest.raises(InputError) as refused:
        read_stations(tmp_path / "places.csv")
    assert refused.value.field == field
    assert refused.value.fix


def test_a_day_before_the_first_task_is_refused(shared_data: Path, tiles: Path, tmp_path: Path) -> None:
    folder = shared_data / "bim" / "schependomlaan"
    code, text = run(
        "--ifc", folder / "design.ifc", "--links", folder / "element_tasks.csv", "--at", "2001-01-01",
        "--tiles", tiles, "--out", tmp_path / "s.laz",
    )  # fmt: skip
    assert code == 2
    assert "give a later date" in text


def test_a_planned_mission_is_flown_and_its_pictures_become_a_cloud(
    shared_data: Path, tiles: Path, tmp_path: Path
) -> None:
    house = shared_data / "bim" / "ifc" / "duplex.ifc"
    words = ["--ifc", house, "--type", "IfcWall", "--tiles", tiles]
    done = CliRunner().invoke(cli, ["drone", "plan", *map(str, words), "--out", str(tmp_path), "--json"])
    planned = json.loads(done.stdout)
    code, text = run(
        "--ifc", house, "--flight", tmp_path / "mission-1.plan", "--sensor", "photogrammetry", "--points", 20_000,
        "--tiles", tiles, "--out", tmp_path / "cloud.laz", "--json",
    )  # fmt: skip
    assert code == 0, text
    known = json.loads(text)
    assert known["stations"] == planned["flights"][0]["photos"]
    assert known["of"]["element"] > 3_000
    truth = json.loads(Path(known["files"]["truth.json"]).read_text())
    hit = set(truth["labels"][: truth["elements"]])
    assert {one["global_id"] for one in planned["coverage"]["items"]} <= hit
