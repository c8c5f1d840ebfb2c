"""`aid4 drone plan`, as a pilot calls it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aid4.cli import cli
from drone_ingest.mission.files import read_mission


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["drone", "plan", *map(str, words)])
    return done.exit_code, done.output


def test_a_real_house_is_planned_written_read_and_checked(shared_data: Path, tiles: Path, tmp_path: Path) -> None:
    house = shared_data / "bim" / "ifc" / "duplex.ifc"
    code, text = run("--ifc", house, "--type", "IfcWall", "--gsd-mm", 3, "--tiles", tiles, "--out", tmp_path, "--json")
    assert code == 0, text
    known = json.loads(text)
    assert known["coverage"]["share"] > 0.9
    assert known["violations"] == []
    assert known["coverage"]["hidden"]
    assert any("take-off" in line for line in known["warnings"])
    files = [Path(path) for path in known["flights"][0]["files"]]
    assert [path.suffix for path in files] == [".plan", ".waypoints", ".kmz"]
    counts = {len(read_mission(path).waypoints) for path in files}
    assert counts == {known["flights"][0]["waypoints"]}
    for path in files[1:]:
        code, text = run(path, "--ifc", house, "--tiles", tiles, "--clearance", 2.4, "--json")
        assert code == 0, text
        assert json.loads(text)["violations"] == []
    code, text = run(files[0], "--json")
    assert json.loads(text)["flights"][0]["photos"] == known["stations"]
    code, text = run(files[0], "--ifc", house, "--tiles", tiles, "--clearance", 40, "--json")
    assert code == 1
    assert json.loads(text)["violations"][0]["why"] == "clearance"


def test_late_elements_of_the_real_plan_are_pictured(shared_data: Path, tiles: Path) -> None:
    folder = shared_data / "bim" / "schependomlaan"
    code, text = run(
        "--ifc", folder / "design.ifc", "--place", "51.84,5.83,20", "--late", "--links", folder / "element_tasks.csv",
        "--at", "2015-05-01", "--gsd-mm", 6, "--overlap", 0.5, "--tiles", tiles, "--json",
    )  # fmt: skip
    assert code == 0, text
    known = json.loads(text)
    assert known["at"].startswith("2015-05-01")
    assert known["coverage"]["seen"] > 20
    assert known["violations"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--type", "IfcUnicorn"), "its storeys are"),
        (("--camera", "pinhole"), "dji-m3e"),
        (("--home", "1,2"), "X,Y,Z"),
        (("--gsd-mm", "0"), "gsd_m"),
        (("--fence", "nowhere.json"), "cannot be read"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_fix(
    shared_data: Path, tiles: Path, words: tuple[str, ...], said: str
) -> None:
    code, text = run("--ifc", shared_data / "bim" / "ifc" / "duplex.ifc", "--tiles", tiles, *words)
    assert code == 2
    assert said in text


def test_nothing_to_do_is_a_usage_error() -> None:
    code, text = run()
    assert code == 2
    assert "give --ifc" in text
