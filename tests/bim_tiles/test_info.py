"""`aid4 bim info` and `aid4 bim tiles`, as people run them, over every IFC file of the data folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KEYS = [
    "schema", "products", "with_geometry", "lost", "spaces", "storeys", "crs", "origin", "true_north_deg",
    "georeference", "warnings",
]  # fmt: skip
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "bim"
REFUSED = {"errorfile.ifc"}


def aid4(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "aid4", "bim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_folder_of_models_is_there(shared_data):
    assert shared_data / "bim" == DATA
    assert len(list(DATA.rglob("*.ifc"))) >= 20


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.ifc")), ids=lambda path: path.name)
def test_info_of_every_file_tells_what_has_geometry_or_refuses(path, represented):
    done = aid4("info", path, "--json")
    if path.name in REFUSED:
        assert done.returncode == 2
        assert str(path) in done.stderr
        assert done.stdout == ""
        return
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout)
    assert set(KEYS) <= set(known)
    expected = represented(str(path.relative_to(DATA)))
    lost = [one["global_id"] for one in known["lost"]]
    assert all(set(one) == {"global_id", "reason"} and one["reason"] for one in known["lost"])
    assert known["with_geometry"] + len(lost) == len(expected)
    assert set(lost) <= set(expected)
    assert known["products"] >= len(expected)


def test_tiles_prints_its_tileset(tmp_path, shared_data):
    done = aid4("tiles", shared_data / "bim" / "ifc" / "georef" / "geolocation.ifc", "--out", tmp_path / "t", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads((tmp_path / "t" / "tileset.json").read_text())
    assert done.stderr == ""


def test_tiles_of_a_broken_file_exit_with_2(tmp_path, shared_data):
    done = aid4("tiles", shared_data / "bim" / "ifc" / "errorfile.ifc", "--out", tmp_path)
    assert done.returncode == 2
    assert "errorfile.ifc" in done.stderr
    assert "fix:" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_url_is_refused_and_not_fetched(tmp_path):
    done = aid4("info", "https://example.invalid/model.ifc", "--json")
    assert done.returncode == 2
    assert "not fetched" in done.stderr
