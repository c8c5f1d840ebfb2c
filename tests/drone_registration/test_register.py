"""A fit is accepted when it is right, and refused with what to measure when it cannot be known to be."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bim.tiles.meshes import ElementMesh
from drone_ingest.registration.control import motion_of, read_controls, residuals_m
from drone_ingest.registration.noise import noise_m
from drone_ingest.registration.refine import Controls
from drone_ingest.registration.register import Registration, register
from drone_ingest.registration.rigid import IDENTITY, about_z, apply, kabsch, moved_m, small_motion
from drone_ingest.scan.elements import Elements, Floats
from drone_ingest.simulate.clutter import boxes
from wire.errors import InputError

SIGMA_M = 0.01


def box(name: str, middle: Sequence[float], size: Sequence[float]) -> ElementMesh:
    vertices, triangles = boxes(np.array([middle], float), np.array([size], float), np.zeros(1))
    return ElementMesh(name, "IfcWall", None, vertices, triangles.astype(np.int32), np.full(12, 0xFF, np.uint32))


HALL = [
    box("floor", (0, 0, -0.1), (14, 9, 0.2)),
    box("a", (0, -4, 1.5), (12, 0.3, 3)),
    box("b", (-6, 0, 2.0), (0.3, 8, 4)),
    box("c", (2, 3, 1.0), (3, 0.4, 2)),
    box("d", (5, -1, 1.25), (0.5, 2, 2.5)),
]
CORNERS = np.array([[-7, -4.5, -0.2], [7, 4.5, 4.0], [-7, 4.5, 0.0]])


def measured(meshes: Sequence[ElementMesh], rays: int = 60_000, seed: int = 2) -> tuple[Floats, Floats]:
    """Points with noise and the places they were measured from: rays at random into the hall from six places."""
    scene = Elements(meshes, {})
    rng = np.random.default_rng(seed)
    eyes = np.array([[-15, -12, 3], [15, -12, 6], [15, 12, 3], [-15, 12, 8], [0, -16, 10], [1, 14, 12]], float)
    origins = eyes[rng.integers(0, len(eyes), rays)]
    away = rng.uniform([-7, -4.5, -0.2], [7, 4.5, 4], (rays, 3)) - origins
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    crossed = scene.crossings(origins, away)
    far = np.full(rays, np.inf)
    np.minimum.at(far, crossed.ray, crossed.t_m)
    hit = np.isfinite(far)
    far = far[hit] + rng.normal(0, SIGMA_M, int(hit.sum()))
    return origins[hit] + far[:, None] * away[hit], origins[hit]


def laid(meshes: Sequence[ElementMesh], points: Floats, origins: Floats | None, **how: object) -> Registration:
    return register(Elements(meshes, {}), points, origins, IDENTITY, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hall() -> tuple[Floats, Floats]:
    return measured(HALL)


def test_a_metre_and_half_a_degree_off_comes_back_within_five_millimetres(hall: tuple[Floats, Floats]) -> None:
    truth = small_motion(np.radians([0.2, -0.15, 0.55]), np.array([0.7, -0.6, 0.25]), np.zeros(3))
    back = np.linalg.inv(truth)
    found = laid(HALL, apply(back, hall[0]), apply(back, hall[1]))
    assert found.accepted, found.reasons
    assert moved_m(found.motion, truth, CORNERS) < 0.005


def test_without_sensor_places_it_still_comes_back(hall: tuple[Floats, Floats]) -> None:
    truth = about_z(0.4, np.array([0.4, 0.3, -0.1]), np.zeros(3))
    found = laid(HALL, apply(np.linalg.inv(truth), hall[0]), None)
    assert found.accepted, found.reasons
    assert moved_m(found.motion, truth, CORNERS) < 0.01


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ten_centimetres_off_is_refused_by_its_axis_when_nothing_is_fitted(
    hall: tuple[Floats, Floats], axis: int
) -> None:
    shift = np.zeros(3)
    shift[axis] = 0.1
    found = laid(HALL, hall[0] + shift, hall[1] + shift, fit=False)
    assert not found.accepted
    assert np.array_equal(found.motion, IDENTITY)
    assert f"along {'xyz'[axis]}" in found.reasons[0].text


def test_three_centimetres_off_is_accepted_and_told(hall: tuple[Floats, Floats]) -> None:
    shift = np.array([0.03, 0.0, 0.0])
    found = laid(HALL, hall[0] + shift, hall[1] + shift, fit=False)
    assert found.accepted, found.reasons
    assert found.judgement is not None
    assert found.judgement.offset_m == pytest.approx(0.03, abs=0.006)


def test_a_cloud_of_another_building_is_refused(hall: tuple[Floats, Floats]) -> None:
    other = [
        box("p", (1, 2, 2.5), (9, 0.3, 5)),
        box("q", (-2, -1, 1.2), (0.4, 4, 2.4)),
        box("r", (0, 0, 3), (8, 6, 0.3)),
    ]
    points, origins = measured(other, seed=4)
    assert not laid(HALL, points, origins).accepted
    assert not laid(HALL, points, None).accepted
    assert not laid(HALL, apply(about_z(90, np.zeros(3), np.zeros(3)), hall[0]), None, fit=False).accepted


def test_a_half_finished_building_is_laid_on_its_whole_model_without_a_plan(hall: tuple[Floats, Floats]) -> None:
    """Of what the model has, storeys and a wing do not stand yet; rays pass through all of them."""
    later = [
        box("upper", (0, 0, 4.6), (12, 8, 0.3)), box("e", (0, -4, 6.2), (12, 0.3, 3)), box("f", (6, 0, 2), (0.3, 8, 4)),
        box("g", (0, 4, 2), (12, 0.3, 4)), box("h", (-3, -4.4, 1.5), (5, 0.1, 3)),
    ]  # fmt: skip
    truth = about_z(0.4, np.array([0.5, -0.4, 0.15]), np.zeros(3))
    back = np.linalg.inv(truth)
    found = laid([*HALL, *later], apply(back, hall[0]), apply(back, hall[1]), all_stand=False)
    assert found.accepted, found.reasons
    assert moved_m(found.motion, truth, CORNERS) < 0.01
    other = [
        box("p", (1, 2, 2.5), (9, 0.3, 5)),
        box("q", (-2, -1, 1.2), (0.4, 4, 2.4)),
        box("r", (0, 0, 3), (8, 6, 0.3)),
    ]
    assert not laid([*HALL, *later], *measured(other, seed=4), all_stand=False).accepted


WALLS_ALONG_X = [box("floor", (0, 0, -0.1), (60, 9, 0.2)), box("long", (0, 2, 1.5), (60, 0.3, 3))]


def test_an_axis_that_nothing_shows_is_named_and_control_points_lead_to_acceptance() -> None:
    """A floor and a wall without an end in sight: x is anyone's guess."""
    points, origins = measured(WALLS_ALONG_X)
    shift = np.array([0.5, 0.1, 0.0])
    refused = laid(WALLS_ALONG_X, points - shift, origins - shift)
    assert not refused.accepted
    reason = next(one for one in refused.reasons if one.code == "unobservable")
    assert reason.text == "x unobservable"
    assert "add two control points" in reason.fix
    model = np.array([[-6.0, 1.85, 2.0], [6.0, 1.85, 0.5]])
    found = laid(WALLS_ALONG_X, points - shift, origins - shift, controls=Controls(["N1", "N2"], model - shift, model))
    assert found.accepted, found.reasons
    assert np.allclose(found.motion[:3, 3], shift, atol=0.01)


def test_a_control_point_that_contradicts_the_cloud_is_named(hall: tuple[Floats, Floats]) -> None:
    places = np.array([[-6.0, -4.0, 3.0], [6.0, -4.0, 3.0], [2.0, 3.0, 2.0], [5.0, -1.0, 2.5]])
    wrong = places.copy()
    wrong[3, 0] += 0.8
    found = laid(HALL, *hall, controls=Controls(["A", "B", "C", "D"], places, wrong))
    assert any("control point D" in one.text for one in found.reasons)


def test_units_and_coordinates_that_cannot_be_are_named(hall: tuple[Floats, Floats]) -> None:
    assert [one.code for one in laid(HALL, hall[0] * 1000, None).reasons] == ["unit"]
    far = hall[0] + np.array([512_000.0, 5_402_000.0, 200.0])
    assert [one.code for one in laid(HALL, far, None).reasons] == ["coordinates"]
    assert [one.code for one in laid(HALL, hall[0][:0], None).reasons] == ["empty"]
    assert [one.code for one in laid(HALL, hall[0] + 60.0, None).reasons] == ["no_overlap"]


def test_noise_is_measured_from_the_cloud_itself() -> None:
    rng = np.random.default_rng(1)
    flat = np.column_stack([rng.uniform(0, 4, 40_000), rng.uniform(0, 4, 40_000), rng.normal(0, 0.02, 40_000)])
    assert noise_m(flat) == pytest.approx(0.02, rel=0.25)
    assert noise_m(flat[:10]) == 0.02


def test_kabsch_finds_the_motion_of_points_exactly() -> None:
    rng = np.random.default_rng(3)
    truth = small_motion(np.array([0.3, -0.2, 1.0]), np.array([5.0, 6.0, 7.0]), np.ones(3))
    places = rng.normal(size=(7, 3))
    assert np.allclose(kabsch(places, apply(truth, places)), truth, atol=1e-12)
    two = Controls(["1", "2"], places[:2], places[:2] + np.array([1, 2, 3]))
    assert np.allclose(motion_of(two, IDENTITY)[:3, 3], [1, 2, 3])
    assert np.allclose(residuals_m(two, motion_of(two, IDENTITY)), 0, atol=1e-12)


def test_control_points_are_read_with_and_without_a_head(tmp_path: Path) -> None:
    file = tmp_path / "gcp.csv"
    file.write_text("id;cloud_x;cloud_y;cloud_z;model_x;model_y;model_z\nN1;1;2;3;4;5;6\n")
    assert read_controls(file).model_m.tolist() == [[4, 5, 6]]
    file.write_text("N1,1,2,3,4,5,6\nN2,1,2,3,4,5,7\n")
    assert read_controls(file).ids == ["N1", "N2"]


@pytest.mark.parametrize(
    "text", ["", "id,x\n1,2\n", "id,cloud_x,cloud_y,cloud_z,model_x,model_y,model_z\nN1,1,2,3,4,5,nan\n"]
)
def test_control_points_that_are_none_are_refused_with_the_fix(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gcp.csv"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_controls(file)
    assert "cloud_x" in caught.value.fix


def test_mangled_control_points_are_read_or_refused_and_never_crash(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    sound = b"id,cloud_x,cloud_y,cloud_z,model_x,model_y,model_z\nN1,1,2,3,4,5,6\nN2,7,8,9,1,2,3\n"
    file = tmp_path / "gcp.csv"
    for _ in range(150):
        broken = bytearray(sound[: rng.integers(1, len(sound) + 1)])
        for place in rng.integers(0, len(broken), 3):
            broken[place] = rng.integers(0, 256)
        file.write_bytes(broken)
        if (found := _read(file)) is not None:
            assert np.isfinite(found.cloud_m).all()
            assert len(found.ids) == len(found.model_m)


def _read(file: Path) -> Controls | None:
    try:
        return read_controls(file)
    except InputError as error:
        return None if error.fix else pytest.fail("refused without a fix")
