"""Formulas of derived points: what they say, what they refuse, and that nothing else ever runs."""

import math
import random

import numpy as np
import pytest

from wire.errors import InputError
from wire.expressions import CHARS_MAX, Derived, formula_of, parse

NAN = float("nan")


def said(text: str, **values: object) -> list[float]:
    return parse(text)({name: np.asarray(value, float) for name, value in values.items()}).reshape(-1).tolist()


def test_a_formula_of_a_device_is_computed_over_whole_arrays_and_only_where_its_condition_holds() -> None:
    row = Derived(metric="filter_resistance", expression="dp / flow ** 2", when="flow > 500", unit="1")
    formula = formula_of(row, {"dp", "flow"})
    assert formula.names == ("dp", "flow")
    dp, flow = np.array([100.0, 50.0, 80.0, NAN, 80.0]), np.array([1000.0, 400.0, 800.0, 900.0, NAN])
    found = formula({"dp": dp, "flow": flow})
    np.testing.assert_allclose(found, [1e-4, NAN, 80.0 / 800.0**2, NAN, NAN], equal_nan=True)


def test_formulas_agree_with_python_on_plain_numbers() -> None:
    cases = ["1 + 2 * 3 - -4", "2 ** 3 ** 2", "7 // 2 + 7 % 4", "max(1, 5, 3) + min(2, 9)", "1 < 2 < 3",
             "5 if 2 > 3 else 6", "not 0", "abs(-3.5)", "(1 or 0) and 2 != 3", "round(2.6)"]  # fmt: skip
    for text in cases:
        assert said(text) == [float(eval(text))], text


def test_what_is_not_known_stays_unknown_and_what_decides_anyway_is_decided() -> None:
    assert math.isnan(said("1 / a", a=0.0)[0])
    assert math.isnan(said("sqrt(a)", a=-1.0)[0])
    assert math.isnan(said("exp(a)", a=1e6)[0])
    assert math.isnan(said("a < 1", a=NAN)[0])
    assert said("a < 1 and b", a=NAN, b=0.0) == [0.0]
    assert said("a or b", a=NAN, b=1.0) == [1.0]
    assert math.isnan(said("a or b", a=NAN, b=0.0)[0])
    assert said("known(a) + either(a, b) + mean(a, b)", a=NAN, b=4.0) == [8.0]
    assert math.isnan(said("1 if a > 0 else 2", a=NAN)[0])


def test_a_point_of_another_device_is_quoted_and_a_name_that_is_not_there_is_named() -> None:
    both = parse('supply - "ahu-1/return_air_temperature"', {"supply", "ahu-1/return_air_temperature"})
    assert both({"supply": 20.0, "ahu-1/return_air_temperature": 22.0}).tolist() == -2.0
    with pytest.raises(InputError, match="'suply' is not there") as refused:
        parse("suply * 2", {"supply"}, field="derived[0].expression")
    assert refused.value.field == "derived[0].expression"
    assert "supply" in refused.value.fix


@pytest.mark.parametrize(
    "text",
    ["", "a b", "__import__('os').system('true')", "a.real", "a[0]", "lambda: 1", "[x for x in a]", "f'{a}'", "open(a)",
     "abs(a)(1)", "a := 1", "(1, 2)", "{1: 2}", "a if b", "1j", "b'x'", "None", "...", "abs(*a)", "clip(a, b=1, c=2)",
     "a in b", "a is b", "~a", "a @ b", "a << 2", "exec('1')", "9" * 400, "1e999", "max()", "'" + "x" * 400 + "'",
     "(" * 90 + "1" + ")" * 90 + "+(" * 90, "-" * 300 + "1", "+".join("1" * 160), "+".join(f"a{i}" for i in range(40)),
     "a" * (CHARS_MAX + 1), "''", "'\\n'"],
)  # fmt: skip
def test_what_is_no_formula_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(text, field="here")
    assert refused.value.field == "here"
    assert refused.value.fix


def test_random_texts_are_understood_or_refused_and_cost_little() -> None:
    dice = random.Random(20)
    words = ["a", "b", "1", "2.5", "0", "+", "-", "*", "/", "**", "(", ")", ",", "<", ">", "and", "or", "not", "if",
             "else", "max", "clip", "known", "sqrt", "'x/y'", ".", "[", "]", ":", "=", "lambda", "%"]  # fmt: skip
    understood = 0
    values = {"a": np.linspace(-2, 2, 100), "b": np.full(100, NAN), "x/y": np.arange(100.0)}
    for _ in range(4_000):
        text = " ".join(dice.choices(words, k=dice.randint(1, 9)))
        try:
            formula = parse(text, values)
        except InputError:
            continue
        understood += 1
        found = formula(values)
        assert found.dtype == np.float64
        assert not np.isinf(found).any()
    assert understood > 60
    for _ in range(500):
        raw = bytes(dice.randrange(256) for _ in range(dice.randint(0, 60))).decode("latin-1")
        try:
            parse(raw)
        except InputError:
            continue


def test_powers_of_powers_end_at_once() -> None:
    assert math.isnan(said("9 ** 9 ** 9 ** 9")[0])
