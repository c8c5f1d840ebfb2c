"""`aid4 drone register` and `aid4 drone progress` on a real house, from the IFC file to the verdicts."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bim.tiles import build_tiles, load_meshes
from drone_ingest.simulate import Disturbance, Sensor, orbit_stations, simulate_scan, write_scan


def aid4(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aid4", "drone", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def house(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """FZK-Haus with one wall missing, scanned; and a CSV of dates by element."""
    import numpy as np

    folder = tmp_path_factory.mktemp("fzk")
    ifc = next((shared_data / "bim" / "ifc").glob("*FZK*.ifc"))
    build_tiles(ifc, folder / "tiles", plans=False)
    meshes = load_meshes(folder / "tiles")
    solid = [one for one in meshes if one.type not in ("IfcSpace", "IfcOpeningElement", "IfcSite")]
    walls = [one for one in solid if one.type.startswith("IfcWall")]
    missing = max(walls, key=lambda one: float(np.prod(np.ptp(one.vertices, axis=0)) ** (1 / 3)))
    stations = orbit_stations(np.concatenate([one.vertices for one in solid]), 9)
    built = [one.global_id for one in solid if one is not missing]
    scan = simulate_scan(solid, built, stations, Sensor(points=120_000, sigma_m=0.01), Disturbance(), seed=1)
    write_scan(scan, folder / "scan.laz", folder / "stations.csv")
    links = folder / "links.csv"
    rows = [f"{one.global_id},T{at % 7},Build {at % 7},2026-01-05,2026-02-10" for at, one in enumerate(solid)]
    links.write_text("GlobalId,task_id,task_name,start,finish\n" + "\n".join(rows) + "\n")
    (folder / "missing").write_text(missing.global_id)
    return {"ifc": ifc, "scan": folder / "scan.laz", "stations": folder / "stations.csv", "links": links,
            "missing": folder / "missing", "folder": folder}  # fmt: skip


def test_progress_finds_the_wall_that_is_missing(house: dict[str, Path]) -> None:
    out = house["folder"] / "verdicts.parquet"
    done = aid4("progress", house["scan"], "--ifc", house["ifc"], "--links", house["links"], "--at", "2026-03-01",
                "--stations", house["stations"], "--out", out, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout)
    assert known["accepted"]
    assert known["built"] + known["not_built"] + known["unknown"] == pq.read_table(out).num_rows
    assert known["late_elements"] == [house["missing"].read_text()]
    columns = "global_id verdict p_built seen supported pierced occluded planned"
    assert set(columns.split()) <= set(pq.read_table(out).schema.names)


def test_register_prints_what_it_promises_and_a_wrong_prior_is_refused(house: dict[str, Path]) -> None:
    done = aid4("register", house["scan"], "--ifc", house["ifc"], "--prior", "given:0.4,-0.3,0.1,0.3", "--stations",
                house["stations"], "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout)
    assert {"accepted", "residual_m", "overlap", "transform", "reasons"} <= set(known)
    assert known["accepted"], known["reasons"]
    done = aid4("register", house["scan"], "--ifc", house["ifc"], "--prior", "given:300,0,0", "--json")
    assert done.returncode == 0
    assert not json.loads(done.stdout)["accepted"]


def test_bad_arguments_end_with_2_and_the_fix(house: dict[str, Path], tmp_path: Path) -> None:
    done = aid4("progress", tmp_path / "none.las", "--ifc", house["ifc"], "--json")
    assert done.returncode == 2
    done = aid4("register", house["scan"], "--ifc", house["ifc"], "--prior", "magic")
    assert done.returncode == 2
    assert "given:X,Y,Z" in done.stderr
