"""How elements are divided into tiles, and how much they measure; against plain loops."""

import numpy as np
import pytest

from bim.tiles.cells import divide
from bim.tiles.measure import measure

BOX = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], float)
SIDES = [(0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4), (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6),
         (1, 3, 5), (3, 7, 5)]  # fmt: skip


@pytest.fixture
def elements():
    dice = np.random.default_rng(3)
    storey = dice.integers(-1, 4, 5000)
    centers = dice.uniform(-200, 200, (5000, 2))
    return storey, centers, np.where(dice.random(5000) < 0.01, 500.0, 2.0), dice.integers(1, 4000, 5000)


def test_every_element_is_in_one_tile_of_its_storey_and_cell_within_the_bounds(elements):
    storey, centers, spans, triangles = elements
    cells = divide(storey, centers, spans, triangles, cell_m=64.0, elements_max=40, triangles_max=30_000)
    rows = np.concatenate([cell.rows for cell in cells])
    assert sorted(rows.tolist()) == list(range(5000))
    for cell in cells:
        assert {int(storey[row]) for row in cell.rows} == {cell.storey}
        for row in cell.rows:
            assert (int(centers[row, 0] // 64), int(centers[row, 1] // 64)) == cell.cell
        assert len({bool(spans[row] > 64) for row in cell.rows}) == 1, "terrain is apart"
        assert len(cell.rows) <= 40
        assert sum(int(triangles[row]) for row in cell.rows) <= 30_000 or len(cell.rows) == 1


def test_nothing_makes_no_tile():
    none = np.zeros(0, np.int64)
    assert divide(none, np.zeros((0, 2)), np.zeros(0), none, cell_m=64.0, elements_max=2, triangles_max=2) == []


def test_strays_far_outside_are_kept(elements):
    storey, centers, spans, triangles = elements
    centers[7] = 1e12, -1e12
    cells = divide(storey, centers, spans, triangles, cell_m=64.0, elements_max=400, triangles_max=300_000)
    assert sum(len(cell.rows) for cell in cells) == 5000


def test_a_closed_mesh_far_away_has_its_exact_volume_and_an_open_one_none():
    scale, far = np.array([4.0, 0.2, 3.0]), np.array([4.2e5, 1.2e6, 300.0])
    vertices = np.concatenate([BOX * scale + far, BOX * scale])
    triangles = np.array([*SIDES, *(np.array(SIDES[:-1]) + 8)], np.int64)
    area, volume = measure(vertices, triangles, np.array([0, 12]))
    assert volume[0] == pytest.approx(2.4, rel=1e-6)
    assert area[0] == pytest.approx(2 * (4 * 0.2 + 4 * 3 + 0.2 * 3), rel=1e-6)
    assert np.isnan(volume[1])
