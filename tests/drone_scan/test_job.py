"""A cloud in, verdicts out: what stands, what is missing, and what nobody could see."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from drone_ingest.door import read
from drone_ingest.found import Cloud
from drone_ingest.scan.job import ScanJob, run_job
from drone_ingest.scan.prior import Prior
from drone_ingest.scan.verdicts import VERDICT_TABLE
from wire.errors import InputError

Scanned = Callable[..., ScanJob]
SEEN = {"slab", "south", "north", "west", "east", "cladding-south", "roof", "parapet"}
"""Of what stands, what can be seen from outside; the south wall hides behind its cladding, but for its ends."""


@pytest.fixture(scope="module")
def plain(scanned: Scanned) -> ScanJob:
    job = scanned(clutter=0.5)
    run_job(job)
    return job


def rows(job: ScanJob) -> dict[str, dict[str, object]]:
    table = pq.read_table(Path(job.out_dir) / "verdicts.parquet")
    return {row["global_id"]: row for row in table.to_pylist()}


def verdicts(job: ScanJob) -> dict[str, str]:
    return {name: str(row["verdict"]) for name, row in rows(job).items()}


def test_what_stands_is_built_and_what_is_missing_is_not(plain: ScanJob) -> None:
    found = verdicts(plain)
    assert {found[name] for name in ("slab", "north", "west", "east", "cladding-south", "roof", "parapet")} == {"built"}
    assert {found[name] for name in ("annex", "cladding-north", "tower", "shed")} == {"not built"}


def test_what_no_ray_reached_is_unknown_and_never_guessed(plain: ScanJob) -> None:
    found = rows(plain)
    assert found["core"]["verdict"] == "unknown"
    assert found["core"]["p_built"] == 0.5
    assert found["core"]["occluded"] > 0  # type: ignore[operator]
    assert found["room"]["verdict"] == "unknown"
    assert found["room"]["seen"] == 0


def test_a_missing_layer_before_a_wall_is_told_from_the_wall(plain: ScanJob) -> None:
    """The cladding would lie 8 cm before the north wall; on the south it is there."""
    found = rows(plain)
    assert found["cladding-north"]["verdict"] == "not built"
    assert found["north"]["verdict"] == "built"
    assert found["cladding-south"]["verdict"] == "built"


def test_the_table_and_the_result_have_the_agreed_form(plain: ScanJob) -> None:
    table = pq.read_table(Path(plain.out_dir) / "verdicts.parquet")
    assert table.schema.names == VERDICT_TABLE.names
    result = json.loads((Path(plain.out_dir) / "result.json").read_bytes())
    keys = "accepted residual_m overlap inliers observability transform reasons counts decided_share points warnings"
    assert {*keys.split(), "simulated"} <= set(result)
    assert result["accepted"]
    assert result["simulated"]
    assert sum(result["counts"].values()) == len(table)
    assert set(result["late"]) == {"annex", "cladding-north"}
    assert result["early"] == []


def test_late_elements_come_with_a_crop_of_the_cloud(plain: ScanJob) -> None:
    crop = read(Path(plain.out_dir) / "evidence" / "cladding-north.ply")
    assert isinstance(crop, Cloud)
    points = np.concatenate([np.column_stack([batch[name].to_numpy() for name in "xyz"]) for batch in crop.chunks()])
    assert np.abs(points[:, 1] - 4.19).max() < 0.6
    assert b"simulated" in (Path(plain.out_dir) / "evidence" / "cladding-north.ply").read_bytes()[:200]


def test_deviation_of_a_displaced_wall_is_told_in_millimetres(scanned: Scanned) -> None:
    """With nothing fitted and the cloud 10 mm off along x, one end lies outside and the other inside its drawing."""
    job = msgspec.structs.replace(scanned(shift_m=(0.01, 0.0, 0.0)), register=False)
    run_job(job)
    found = rows(job)
    assert found["east"]["deviation_mean_mm"] == pytest.approx(10, abs=3)
    assert found["west"]["deviation_mean_mm"] == pytest.approx(-10, abs=3)
    assert found["roof"]["deviation_mean_mm"] == pytest.approx(0, abs=3)


def test_ten_centimetres_off_without_fitting_is_refused_and_everything_is_unknown(scanned: Scanned) -> None:
    job = msgspec.structs.replace(scanned(shift_m=(0.1, 0.0, 0.0)), register=False)
    result, _ = run_job(job)
    assert not result.accepted
    assert "along x" in result.reasons[0].text
    assert "--no-register" in result.reasons[0].fix
    assert set(verdicts(job).values()) == {"unknown"}


def test_three_centimetres_off_raises_no_false_late_element(scanned: Scanned) -> None:
    job = msgspec.structs.replace(scanned(shift_m=(0.03, 0.0, 0.0)), register=False)
    result, _ = run_job(job)
    assert result.accepted
    assert not set(result.late) - {"annex", "cladding-north"}


def test_a_cloud_of_a_map_is_found_by_the_frame_of_the_site(scanned: Scanned) -> None:
    cosine, sine = 0.8, 0.6
    frame = (
        (cosine, -sine, 0.0, 512_300.0), (sine, cosine, 0.0, 5_402_100.0),
        (0.0, 0.0, 1.0, 230.0), (0.0, 0.0, 0.0, 1.0),
    )  # fmt: skip
    job = scanned(georeference=frame)
    lost = msgspec.structs.replace(job, out_dir=job.out_dir + "-lost")
    refused, _ = run_job(lost)
    assert [one.code for one in refused.reasons] == ["coordinates"]
    found, _ = run_job(msgspec.structs.replace(job, site_frame=[list(row) for row in frame]))
    assert found.accepted, found.reasons
    assert np.allclose(np.array(found.transform) @ np.array(frame), np.eye(4), atol=5e-3)
    assert set(found.late) == {"annex", "cladding-north"}


def test_without_a_sensor_place_nothing_is_called_not_built(scanned: Scanned) -> None:
    job = msgspec.structs.replace(scanned(), stations=None)
    result, _ = run_job(job)
    assert result.accepted
    assert "not built" not in verdicts(job).values()
    assert any("where the sensor stood" in one for one in result.warnings)
    assert {name for name, one in verdicts(job).items() if one == "built"} <= {"slab", *SEEN}


def test_a_trajectory_serves_as_well_as_stations(scanned: Scanned, plain: ScanJob) -> None:
    job = scanned(name="scan.ply")
    by_time = msgspec.structs.replace(job, stations=None, trajectory=str(Path(job.cloud).with_name("trajectory.csv")))
    run_job(by_time)
    assert {name for name, one in verdicts(by_time).items() if one == "not built"} >= {"annex", "cladding-north"}


def test_a_scan_from_one_station_judges_only_what_that_station_saw(scanned: Scanned, tmp_path: Path) -> None:
    job = scanned()
    one = tmp_path / "one.csv"
    lines = Path(job.stations or "").read_text().splitlines()
    one.write_text("\n".join(lines[:2]) + "\n")
    run_job(msgspec.structs.replace(job, stations=str(one)))
    found = verdicts(job)
    assert "built" in found.values(), (Path(job.out_dir) / "result.json").read_text()
    wrong = {name for name, said in found.items() if said == "not built"} - {"annex", "cladding-north", "tower", "shed"}
    assert not wrong


def test_the_child_prints_its_progress_and_refuses_with_file_field_and_fix(scanned: Scanned, tmp_path: Path) -> None:
    job = scanned(points=20_000)
    (tmp_path / "job.json").write_bytes(msgspec.json.encode(job))
    command = [sys.executable, "-m", "drone_ingest.scan.job", str(tmp_path / "job.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    shares = [json.loads(line)["share"] for line in done.stdout.splitlines()]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    bad = msgspec.structs.replace(job, cloud=str(tmp_path / "job.json"))
    (tmp_path / "bad.json").write_bytes(msgspec.json.encode(bad))
    done = subprocess.run([*command[:-1], str(tmp_path / "bad.json")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert set(json.loads(done.stderr)) >= {"problem", "file", "fix"}


def test_a_plan_of_another_model_is_refused(scanned: Scanned) -> None:
    with pytest.raises(InputError, match="no element of the model is in the plan"):
        run_job(scanned(points=5_000), planned={"somebody-else": 3})


def test_a_plan_under_which_nothing_stands_yet_is_refused_as_a_result(scanned: Scanned) -> None:
    job = scanned(points=5_000)
    result, _ = run_job(job, planned={"slab": 1, "roof": 1})
    assert [one.code for one in result.reasons] == ["no_plan"]


def test_a_prior_is_taken_as_given(scanned: Scanned) -> None:
    job = scanned(shift_m=(4.0, -3.0, 1.0))
    result, _ = run_job(msgspec.structs.replace(job, prior=Prior(kind="given", shift=(-3.6, 2.7, -0.8))))
    assert result.accepted
    assert np.allclose(np.array(result.transform)[:3, 3], (-4, 3, -1), atol=0.01)
