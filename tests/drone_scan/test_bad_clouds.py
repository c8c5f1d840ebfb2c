"""Clouds and priors that are of no use: refused with what to do, or taken for what is whole in them."""

import builtins
import ctypes
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from drone_ingest.scan import rays
from drone_ingest.scan.combine import Seen, combine
from drone_ingest.scan.job import ScanJob, run_job
from drone_ingest.scan.points import read_points
from drone_ingest.scan.prior import Prior, parse_prior
from wire.errors import InputError, UserError

PLY = "ply\nformat ascii 1.0\nelement vertex {n}\nproperty double x\nproperty double y\nproperty double z\nend_header\n"


def ply(path: Path, rows: list[str]) -> Path:
    path.write_text(PLY.format(n=len(rows)) + "\n".join(rows) + "\n")
    return path


def test_points_that_are_no_numbers_are_left_out_and_told(tmp_path: Path) -> None:
    found = read_points(ply(tmp_path / "a.ply", ["0 0 0", "nan 1 1", "2 2 inf", "3 3 3"]))
    assert found.xyz.tolist() == [[0, 0, 0], [3, 3, 3]]
    assert any("2 points" in one for one in found.warnings)


def test_a_cloud_without_any_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_points(ply(tmp_path / "none.ply", []))
    with pytest.raises(InputError, match="none of its points"):
        read_points(ply(tmp_path / "nan.ply", ["nan nan nan"] * 3))


def test_a_large_cloud_is_thinned_evenly_and_told(tmp_path: Path) -> None:
    path = ply(tmp_path / "a.ply", [f"{at} 0 0" for at in range(2000)])
    found = read_points(path, most=500)
    assert 350 < len(found.xyz) < 650
    assert found.total == 2000
    assert abs(found.xyz[:, 0].mean() - 1000) < 100
    assert any("random" in one for one in found.warnings)


def test_millimetres_are_named_and_read_when_the_unit_is_said(
    house: Path, scanned: Callable[..., ScanJob], tmp_path: Path
) -> None:
    points = read_points(Path(scanned(points=8_000, name="a.ply").cloud)).xyz
    path = ply(tmp_path / "mm.ply", [f"{x * 1000:.1f} {y * 1000:.1f} {z * 1000:.1f}" for x, y, z in points.tolist()])
    job = ScanJob(cloud=str(path), meshes=str(house), out_dir=str(tmp_path / "out"))
    result, _ = run_job(job)
    assert not result.accepted
    assert "--unit-m" in result.reasons[0].fix
    said, _ = run_job(msgspec.structs.replace(job, unit_m=0.001))
    assert "unit" not in {one.code for one in said.reasons}


@pytest.mark.parametrize(
    ("text", "prior"),
    [
        (None, None),
        ("none", Prior()),
        ("rtk", Prior(kind="rtk")),
        ("given:1,2,3", Prior(kind="given", shift=(1, 2, 3))),
        ("1,2,3,45", Prior(kind="given", shift=(1, 2, 3), yaw_deg=45)),
        ("gcp:points.csv", Prior(kind="gcp", file="points.csv")),
        ('{"kind": "given", "shift": [1, 2, 3]}', Prior(kind="given", shift=(1, 2, 3))),
    ],
)
def test_priors_as_people_write_them(text: str | None, prior: Prior | None) -> None:
    assert parse_prior(text) == prior


@pytest.mark.parametrize(
    "text", ["given:", "given:1,2", "1,2,nan", "nowhere.json", '{"kind": "magic"}', '{"matrix": [[2]]}']
)
def test_priors_that_are_none_are_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_prior(text)
    assert "given:X,Y,Z" in caught.value.fix


def test_a_matrix_with_scale_is_no_prior(tmp_path: Path) -> None:
    path = tmp_path / "m.txt"
    np.savetxt(path, np.diag([2.0, 2, 2, 1]))
    with pytest.raises(InputError, match="rigid"):
        parse_prior(str(path))
    np.savetxt(path, np.eye(4))
    assert parse_prior(str(path)) == Prior(kind="given", matrix=np.eye(4).tolist())


def test_a_missing_system_library_is_named_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def broken(name: str, *rest: Any, **more: Any) -> Any:
        if name == "open3d":
            raise ImportError("libusb-1.0.so.0: cannot open shared object file: No such file or directory")
        return real(name, *rest, **more)

    def absent(library: str) -> None:
        if library == "libEGL.so.1":
            raise OSError(library)

    monkeypatch.setattr(builtins, "__import__", broken)
    monkeypatch.setattr(ctypes, "CDLL", absent)
    with pytest.raises(UserError, match=r"libusb-1\.0\.so\.0") as caught:
        rays.load_open3d()
    assert caught.value.fix == "apt-get install libusb-1.0-0 libegl1"


def test_every_package_for_rays_is_installed_by_the_build() -> None:
    text = (Path(__file__).resolve().parents[2] / ".ci" / "run").read_text()
    assert {"libusb-1.0-0", "libgl1", "libegl1", "libx11-6", "libudev1"} <= set(text.split())


def test_scans_are_combined_by_time_and_what_saw_nothing_changes_nothing() -> None:
    days = [datetime(2026, 1, day) for day in range(1, 6)]
    seen = [
        Seen(days[0], "not built", 0.05), Seen(days[2], "built", 0.9, "second"), Seen(days[1], "unknown", 0.5),
        Seen(days[3], "built", 0.9, "third"), Seen(days[4], "unknown", 0.5),
    ]  # fmt: skip
    found = combine(seen)
    assert (found.verdict, found.scan, found.built_by, found.missing_at) == ("built", "third", days[2], days[0])
    assert found.p_built == pytest.approx(81 / 82)
    assert combine(seen[:1]).verdict == "not built"
    assert combine([]) == combine([Seen(days[0], "unknown", 0.5)])
    assert combine([*seen, Seen(days[4], "not built", 0.1, "torn down")]).verdict == "not built"
