"""The past of computed points: by the formula of the catalogue, told as a gateway tells it live."""

import numpy as np
import pytest

from aid4.past_computed import Computed
from wire.catalogue import Point

COLUMNS = {"mill/power": 0, "mill/load": 1, "other/power": 2}


def point(metric: str, point_class: str = "derived", **meta: str) -> Point:
    return Point(id=0, device="mill", metric=metric, unit="1", point_class=point_class, meta=meta)


def test_it_follows_formula_and_condition_and_tells_the_end_of_a_value_once() -> None:
    points = [
        point("power", "power"),
        point("ratio", expression='power / load + "other/power"', when="load > 0"),
        point("twice", expression="2 * ratio"),
    ]
    computed = Computed(points, COLUMNS)
    assert [one.metric for one in computed.points] == ["ratio", "twice"]
    rows = np.array([[6.0, 2.0, 1.0], [8.0, 2.0, 1.0], [8.0, 0.0, 1.0], [8.0, 0.0, 1.0]])
    values, told = computed.of(rows)
    assert values[:2].tolist() == [[4.0, 8.0], [5.0, 10.0]]
    assert np.isnan(values[2:]).all()
    assert told.tolist() == [[True, True]] * 3 + [[False, False]]
    _, told = computed.of(rows[2:])
    assert not told.any(), "it was told at the end of the part before"


@pytest.mark.parametrize("expression", ["missing / load", '"stranger/power" * 2'])
def test_what_has_inputs_without_a_past_has_none(expression: str) -> None:
    computed = Computed([point("x", expression=expression)], COLUMNS)
    values, told = computed.of(np.ones((5, 3)))
    assert (computed.points, values.shape, told.shape) == ([], (5, 0), (5, 0))
