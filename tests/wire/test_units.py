"""Units and point classes: a closed vocabulary whose conversions are right."""

import pytest

from wire.errors import UserError
from wire.point_classes import POINT_CLASSES, check_unit
from wire.units import ALIASES, UNITS, canonical, convert


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (100.0, "°C", "[degF]", 212.0),
        (32.0, "°F", "Cel", 0.0),
        (1.0, "kWh", "J", 3.6e6),
        (36.0, "km/h", "m/s", 10.0),
        (1.0, "bar", "kPa", 100.0),
        (1500.0, "rpm", "Hz", 25.0),
        (400.0, "ppm", "%", 0.04),
    ],
)
def test_units_convert_as_the_textbook_says(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected)


def test_every_alias_names_a_known_unit_and_shadows_none() -> None:
    assert set(ALIASES.values()) <= set(UNITS)
    assert not set(ALIASES) & set(UNITS)


def test_every_point_class_has_at_least_one_unit_of_its_dimension() -> None:
    dimensions = {unit.dimension for unit in UNITS.values()}
    for name, rule in POINT_CLASSES.items():
        assert rule.dimension in dimensions, name
        assert all(UNITS[code].dimension == rule.dimension for code in rule.units), name


def test_a_unit_that_does_not_fit_the_class_is_refused_with_those_that_do() -> None:
    assert check_unit("energy", "kWh") == "kW.h"
    with pytest.raises(UserError) as refused:
        check_unit("temperature", "kWh")
    assert "Cel" in refused.value.fix


@pytest.mark.parametrize("text", ["furlong", "cel", "°"])
def test_an_unknown_unit_is_refused_and_a_known_spelling_accepted(text: str) -> None:
    if text == "°":
        assert canonical(text) == "deg"
        return
    with pytest.raises(UserError):
        canonical(text)


def test_different_dimensions_never_convert() -> None:
    with pytest.raises(UserError, match="measures"):
        convert(1.0, "kW", "kW.h")
