"""A site's frame from control points: solved, checked, refused with what to measure."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from bim.geo.calibration import calibrate
from bim.geo.control_points import calibrate_site, read_control_points
from bim.geo.frame import SiteFrame
from bim.geo.settings import CalibrationSettings, ControlPoint
from bim.georeference import Georeference
from wire.errors import InputError

EAST, NORTH, HEIGHT, TURN = -487561.214, -1197224.53, 231.42, math.radians(33.0)
SITE = np.array([[0, 0, 0], [120, 5, 0.4], [118, 90, 1.2], [-4, 86, 0.8], [60, 40, 12.0], [30, 75, 6.0]], dtype=float)


def on_map(xyz, scale=1.0):
    c, s = math.cos(TURN), math.sin(TURN)
    x, y, z = np.asarray(xyz, dtype=float).T
    return np.column_stack([EAST + scale * (c * x - s * y), NORTH + scale * (s * x + c * y), HEIGHT + z])


def survey(model=SITE, *, noise_m=0.0, scale=1.0, seed=5, moved=None):
    """Points as a surveyor brings them; `moved` adds a gross error to some."""
    enh = on_map(model, scale) + np.random.default_rng(seed).normal(0, noise_m, (len(model), 3))
    for at, error in (moved or {}).items():
        enh[at] += error
    return [
        ControlPoint(
            name=f"P{i}", x_m=x, y_m=y, z_m=z, easting_m=e, northing_m=n, height_m=h, sigma_m=max(noise_m, 0.002)
        )
        for i, ((x, y, z), (e, n, h)) in enumerate(zip(model.tolist(), enh.tolist(), strict=True))
    ]


def solved(calibration, xyz):
    return np.asarray(xyz) @ np.array(calibration.linear).T + np.array(calibration.offset)


@pytest.mark.parametrize("kind", ["2d", "3d"])
@pytest.mark.parametrize("scale", ["fixed", "free"])
def test_exact_points_give_the_exact_map(kind, scale):
    found = calibrate(survey(scale=0.9999), CalibrationSettings(kind=kind, scale=scale), grid_scale=0.9999)
    if kind == "2d":
        corners = np.array([[500.0, -300.0, 20.0], [0.0, 0.0, 0.0]])
        np.testing.assert_allclose(solved(found, corners), on_map(corners, 0.9999), rtol=0, atol=1e-6)
    assert found.rotation_deg == pytest.approx(33.0, abs=1e-4)
    assert found.scale == pytest.approx(0.9999, abs=1e-5)
    assert found.outliers == []


def test_a_leaning_model_is_stood_up_by_three_dimensions():
    lean = math.radians(2.0)
    tilt = np.array([[math.cos(lean), 0, math.sin(lean)], [0, 1, 0], [-math.sin(lean), 0, math.cos(lean)]])
    points = [
        ControlPoint(
            name=p.name, x_m=x, y_m=y, z_m=z, easting_m=p.easting_m, northing_m=p.northing_m, height_m=p.height_m
        )
        for p, (x, y, z) in zip(survey(), (SITE @ tilt.T).tolist(), strict=True)
    ]
    found = calibrate(points, CalibrationSettings(kind="3d"))
    np.testing.assert_allclose(solved(found, SITE @ tilt.T), on_map(SITE), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="contradict"):
        calibrate(points, CalibrationSettings(kind="2d"))


def test_residuals_are_what_is_measured_minus_what_is_solved():
    points = survey(noise_m=0.008)
    found = calibrate(points, CalibrationSettings(scale="free"))
    away = on_map(SITE) * 0
    for i, point in enumerate(points):
        away[i] = [point.easting_m, point.northing_m, point.height_m]
    away -= solved(found, SITE)
    told = np.array([[r.east_m, r.north_m, r.height_m] for r in found.residuals])
    np.testing.assert_allclose(told, away, rtol=0, atol=1e-9)
    assert found.rms_m == pytest.approx(float(np.sqrt((away[:, :2] ** 2).sum(axis=1).mean())))
    assert abs(told.sum(axis=0)).max() < 1e-6  # equal weights: they cancel
    assert all(r.without_m >= r.plan_m for r in found.residuals)


@pytest.mark.parametrize("bad", [{2: [0.4, -0.3, 0.0]}, {1: [12.0, 0.0, 0.0], 4: [0.0, -3.0, 0.0]}, {3: [0, 0, 0.5]}])
def test_gross_errors_are_named_and_do_not_pull(bad):
    found = calibrate(survey(noise_m=0.005, moved=bad), CalibrationSettings())
    assert found.outliers == [f"P{i}" for i in sorted(bad)]
    corners = np.array([[120.0, 90.0, 3.0], [0.0, 0.0, 0.0]])
    assert np.abs(solved(found, corners) - on_map(corners)).max() < 0.03
    for residual in found.residuals:
        if residual.name in found.outliers:
            assert not residual.used
            assert residual.without_m == pytest.approx(residual.plan_m)


def test_an_error_among_three_points_shows_but_cannot_be_told_whose_it_is():
    with pytest.raises(InputError, match="contradict") as refusal:
        calibrate(survey(SITE[:3], moved={1: [0.6, 0.0, 0.0]}))
    assert "measure one or two points more" in refusal.value.fix


@pytest.mark.parametrize(
    ("model", "settings", "problem", "fix"),
    [
        (SITE[:2], {}, "needs 3", "measure 1 more"),
        (SITE[:3], {"kind": "3d"}, "needs 4", "measure 1 more"),
        (np.array([[i * 30.0, i * 10.0, 0.0] for i in range(5)]), {}, "on a line", "aside"),
        (np.array([[1.0, 1.0, 0.0]] * 4), {}, "the same", "far apart"),
    ],
)
def test_weak_geometry_is_refused_with_what_to_measure(model, settings, problem, fix):
    with pytest.raises(InputError, match=problem) as refusal:
        calibrate(survey(model), CalibrationSettings(**settings))
    assert fix in refusal.value.fix


def test_points_in_one_corner_cannot_carry_a_large_site():
    corner = SITE * 0.05
    with pytest.raises(InputError, match="farthest corner") as refusal:
        calibrate(survey(corner, noise_m=0.01), extent_m=(0.0, 0.0, 0.0, 900.0, 700.0, 20.0))
    assert "around the whole site" in refusal.value.fix
    assert calibrate(survey(noise_m=0.01), extent_m=(0.0, 0.0, 0.0, 120.0, 90.0, 20.0)).edge_sigma_m < 0.05


def test_exchanged_axes_are_recognised():
    swapped = [
        ControlPoint(name=p.name, x_m=p.x_m, y_m=p.y_m, easting_m=p.northing_m, northing_m=p.easting_m)
        for p in survey()
    ]
    with pytest.raises(InputError, match="mirrored") as refusal:
        calibrate(swapped)
    assert "exchange" in refusal.value.fix


def test_two_points_of_one_name_are_refused():
    points = survey()
    with pytest.raises(InputError, match="twice"):
        calibrate([*points, points[0]])


CSV = "name,x_m,y_m,z_m,easting_m,northing_m,height_m,sigma_m\n" + "".join(
    f"{p.name},{p.x_m},{p.y_m},{p.z_m},{p.easting_m!r},{p.northing_m!r},{p.height_m!r},{p.sigma_m}\n" for p in survey()
)


def write(folder: Path, text: str) -> Path:
    path = folder / "control.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_points_come_from_csv_in_either_form(tmp_path):
    plain = read_control_points(write(tmp_path, CSV))
    assert plain == survey()
    german = "\ufeff" + CSV.replace(",", ";").replace(".", ",")
    assert read_control_points(write(tmp_path, german)) == plain
    few = "name\tx_m\ty_m\teasting_m\tnorthing_m\nA\t1\t2\t3\t4\n\n"
    assert read_control_points(write(tmp_path, few)) == [
        ControlPoint(name="A", x_m=1.0, y_m=2.0, easting_m=3.0, northing_m=4.0)
    ]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "name"),
        ("name,x_m,y_m,easting_m\nA,1,2,3\n", "northing_m"),
        (CSV.replace("120.0", "one hundred"), "line 3, x_m"),
        (CSV.replace("120.0", "nan"), "line 3, x_m"),
        (CSV.replace("120.0", "1e99"), "line 3"),
        (CSV.replace("120.0", ""), "line 3, x_m"),
        (CSV.replace("P1,", ",", 1), "line 3"),
    ],
)
def test_a_csv_that_is_wrong_names_the_line_and_the_column(tmp_path, text, field):
    with pytest.raises(InputError) as refusal:
        read_control_points(write(tmp_path, text))
    assert refusal.value.field == field
    assert refusal.value.fix
    assert refusal.value.file.endswith("control.csv")


def test_damaged_csv_is_read_or_refused(tmp_path):
    dice = random.Random(4)
    original, refusals = CSV.encode(), []
    for _ in range(400):
        data = bytearray(original)
        for _ in range(dice.randint(1, 12)):
            at = dice.randrange(len(data))
            data[at : at + dice.randint(0, 3)] = dice.choice([b"\x00", b'"', b",", b"\xff", b"\n", b"9" * 40, b"-"])
        (tmp_path / "control.csv").write_bytes(bytes(data))
        try:
            calibrate(read_control_points(tmp_path / "control.csv"))
        except InputError as refusal:
            refusals.append(refusal)
    assert all(refusal.problem and refusal.fix for refusal in refusals)
    assert 50 < len(refusals) < 400


def test_a_calibrated_site_uses_the_scale_of_its_map_and_replaces_what_the_model_says(tmp_path):
    grid = 0.99990  # of Krovak at Dubnica, roughly; the exact one is asked of the map below
    write(tmp_path, CSV)
    found = calibrate_site(CalibrationSettings(file="control.csv"), folder=tmp_path, crs="EPSG:8353")
    frame = SiteFrame.from_georeference(Georeference(), crs="EPSG:8353", calibration=found)
    np.testing.assert_allclose(frame.to_projected(SITE), on_map(SITE), rtol=0, atol=0.02)
    assert found.scale == pytest.approx(grid, abs=2e-4)
    assert frame.how == f"calibration on 6 control points, rms {found.rms_m * 1000:.0f} mm"
    assert frame.crs == "EPSG:8353"


def test_control_points_without_a_map_are_refused(tmp_path):
    write(tmp_path, CSV)
    with pytest.raises(InputError) as refusal:
        calibrate_site(CalibrationSettings(file="control.csv"), folder=tmp_path, crs=None)
    assert refusal.value.field == "crs"
