"""Triangles as polygons in plan, against areas and shapes worked out by hand."""

import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely

from bim.plans.section import blocks, level_faces, outline, section, tidy

ROOT = Path(__file__).resolve().parents[2]
SIDES = np.array(  # of a box whose corners are numbered by bits x, y, z; counter-clockwise seen from outside
    [
        [0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
        [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5],
    ],
    np.int32,
)  # fmt: skip


def box(x, y, z, *, inside_out=False):
    """A box between (x0, x1), (y0, y1), (z0, z1)."""
    corners = np.array([[x[i & 1], y[i >> 1 & 1], z[i >> 2 & 1]] for i in range(8)], dtype=np.float64)
    return corners, SIDES[:, ::-1] if inside_out else SIDES


def joined(*parts):
    """Several bodies as one element."""
    vertices = np.vstack([corners for corners, _ in parts])
    starts = np.cumsum([0, *(len(corners) for corners, _ in parts[:-1])])
    return vertices, np.vstack([sides + start for (_, sides), start in zip(parts, starts, strict=True)])


@pytest.mark.parametrize("inside_out", [False, True])
def test_a_box_is_cut_to_its_rectangle_whichever_way_it_looks(inside_out):
    cut = section(*box((1, 5), (2, 4), (0, 3), inside_out=inside_out), 1.2)
    assert cut.bounds == (1, 2, 5, 4)
    assert cut.area == pytest.approx(8.0)


def test_a_plane_beside_the_body_cuts_nothing():
    body = box((1, 5), (2, 4), (0, 3))
    assert section(*body, 3.5).is_empty
    assert section(*body, -0.5).is_empty


@pytest.mark.parametrize("z", [1.5, 2.0])
def test_a_plane_through_corners_is_no_special_case(z):
    vertices, sides = joined(box((0, 4), (0, 1), (0, 2)), box((0, 4), (0, 1), (1.5, 3)))
    assert section(vertices, sides, z).area == pytest.approx(4.0)


def test_a_hollow_body_keeps_its_hole():
    shaft = joined(box((0, 6), (0, 6), (0, 3)), box((1, 5), (1, 5), (0, 3), inside_out=True))
    cut = section(*shaft, 1.0)
    assert cut.area == pytest.approx(36 - 16)
    assert not cut.contains(shapely.Point(3, 3))


def test_bodies_that_overlap_are_one_area():
    cut = section(*joined(box((0, 4), (0, 2), (0, 3)), box((3, 6), (0, 2), (0, 3))), 1.0)
    assert cut.area == pytest.approx(12.0)
    assert len(cut.geoms) == 1


def test_an_open_surface_is_a_thin_strip_along_its_trace():
    vertices = np.array([[0, 0, 0], [8, 0, 0], [8, 0, 3], [0, 0, 3]], dtype=np.float64)
    cut = section(vertices, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 1.0)
    assert cut.area == pytest.approx(8 * 0.01, rel=0.01)


def test_a_cylinder_is_cut_to_its_circle():
    turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    ring = np.column_stack([np.cos(turn), np.sin(turn)])
    vertices = np.vstack([np.column_stack([ring, np.zeros(48)]), np.column_stack([ring, np.full(48, 4.0)])])
    sides = [[i, (i + 1) % 48, 48 + i] for i in range(48)] + [
        [(i + 1) % 48, 48 + (i + 1) % 48, 48 + i] for i in range(48)
    ]
    cut = section(vertices, np.array(sides, np.int32), 1.7)
    assert cut.area == pytest.approx(48 / 2 * math.sin(2 * math.pi / 48), rel=1e-4)


def test_the_shadow_of_a_table_is_its_top_and_of_an_arch_its_whole():
    legs = [box((x, x + 0.1), (y, y + 0.1), (0, 0.7)) for x in (0, 1.5) for y in (0, 0.7)]
    assert outline(*joined(*legs, box((0, 1.6), (0, 0.8), (0.7, 0.75)))).area == pytest.approx(1.6 * 0.8)


def test_the_treads_of_a_stair_are_one_face_each():
    steps = [box((i * 0.3, (i + 1) * 0.3), (0, 1.0), (0, (i + 1) * 0.18)) for i in range(5)]
    faces = level_faces(*joined(*steps), -math.inf, math.inf)
    assert [round(face.area, 6) for face in faces] == [0.3] * 5


def test_an_opening_gets_the_box_along_its_own_edges():
    turn = math.radians(30)
    turned = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    vertices, sides = joined(
        box((0, 0.05), (0, 0.1), (0, 2)), box((0.95, 1.0), (0, 0.1), (0, 2)), box((0, 1), (0.04, 0.06), (0, 2))
    )
    vertices[:, :2] = vertices[:, :2] @ turned
    [block] = blocks(section(vertices, sides, 1.0), reach_m=0.25, deepest_m=0.8)
    assert block.area == pytest.approx(1.0 * 0.1, rel=0.03)
    assert blocks(section(*box((0, 5), (0, 5), (0, 2)), 1.0), reach_m=0.25, deepest_m=0.8) == []


def test_specks_and_needless_corners_go():
    ring = [(0, 0), (1, 0), (2, 0.0005), (3, 0), (3, 2), (0, 2)]
    plain = tidy(shapely.MultiPolygon([shapely.Polygon(ring), shapely.box(9, 9, 9.001, 9.001)]))
    assert len(plain.geoms) == 1
    assert len(plain.geoms[0].exterior.coords) == 5


def test_a_triangle_soup_never_raises():
    dice = random.Random(8)
    for seed in range(150):
        maker = np.random.default_rng(seed)
        vertices = np.round(maker.uniform(-3, 3, (dice.randint(3, 30), 3)), dice.choice([0, 1, 6]))
        triangles = maker.integers(0, len(vertices), (dice.randint(1, 60), 3)).astype(np.int32)
        for shape in (section(vertices, triangles, 0.0), outline(vertices, triangles)):
            assert tidy(shape).is_empty or tidy(shape).area > 0


def test_the_commands_load_neither_shapely_nor_proj():
    script = (
        "import sys, bim.cli, twin.place; print([m for m in ('shapely', 'pyproj', 'ifcopenshell') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
