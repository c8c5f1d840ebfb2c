"""Derived points: a small language of formulas over other points, the same on a gateway, in the twin, in detectors.

```toml
[[derived]]
metric = "filter_resistance"
unit = "Pa.s2/m6"                                    # stated by the author; nothing is converted
expression = "filter_pressure / supply_air_flow ** 2"
when = "supply_air_flow > 500"                       # elsewhere the value is unknown
```
| part | means |
|---|---|
| `supply_air_flow`, `"ahu-1/supply_air_flow"` | a value by its name; quoted where the name is no identifier |
| `+ - * / // % **`, unary `-` | on float64; a division by zero, an overflow, a root of -1 are unknown (NaN) |
| `< <= > >= == !=`, `and or not` | 1, 0 or unknown; `0 and unknown` is 0, `1 or unknown` is 1; `a < b < c` chains |
| `a if c else b` | by value; unknown where `c` is |
| `abs min max clip sqrt exp log log10 floor ceil round sign hypot` | `clip(x, low, high)`; others as numpy has them |
| `known(x)`, `either(x, y, …)`, `mean(x, …)` | whether x is known; the first that is; the mean of those that are |

Parsed with `ast`, walked once against a whitelist, run as numpy calls on whole arrays: nothing is compiled, no name
outside the table is ever looked up, no attribute, index, call of a value, loop or text operation exists.
"""

import ast
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from wire.errors import InputError
from wire.limits import NAME_CHARS_MAX

__all__ = ["CHARS_MAX", "Derived", "Expression", "Formula", "formula_of", "parse"]

CHARS_MAX: Final = 500  # a formula a person can check; longer ones are programs
NODES_MAX: Final = 150  # operations of one formula, which bounds what one evaluation costs
NAMES_MAX: Final = 32
NAME_CHARS: Final = 3 * NAME_CHARS_MAX + 2  # node/device/metric
DEPTH_MAX: Final = 40

Floats = NDArray[np.float64]
Values = Mapping[str, ArrayLike]
_Run = Callable[[Mapping[str, Floats]], Floats]


class Derived(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `[[derived]]`: a point that is computed from others of the same device, or of those it quotes."""

    metric: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
    expression: Annotated[str, Meta(min_length=1, max_length=CHARS_MAX)]
    unit: Annotated[str, Meta(max_length=NAME_CHARS_MAX)] = "1"
    when: Annotated[str, Meta(max_length=CHARS_MAX)] = ""
    label: Annotated[str, Meta(max_length=200)] = ""
    brick: Annotated[str, Meta(pattern=r"^([A-Z][A-Za-z0-9._]{1,99})?$")] = ""  # class of Brick


class Expression:
    """A formula that was understood; `names` are the values it needs, in the order of their first mention."""

    __slots__ = ("_run", "names", "text")

    def __init__(self, text: str, names: tuple[str, ...], run: _Run) -> None:
        self.text, self.names, self._run = text, names, run

    def __call__(self, values: Values) -> Floats:
        """Over scalars or arrays of one shape (broadcast as numpy does); NaN is unknown, and so is what is not finite.

        Raises KeyError when a name is missing."""
        given = {name: np.asarray(values[name], np.float64) for name in self.names}
        with np.errstate(all="ignore"):
            found = _finite(self._run(given))
        shape = found.shape
        if any(one.shape != shape for one in given.values()):
            shape = np.broadcast_shapes(shape, *(one.shape for one in given.values()))
        return found if found.shape == shape else np.array(np.broadcast_to(found, shape))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


class Formula:
    """An expression and the condition under which it holds."""

    __slots__ = ("expression", "names", "when")

    def __init__(self, expression: Expression, when: Expression | None = None) -> None:
        self.expression, self.when = expression, when
        self.names = tuple(dict.fromkeys([*expression.names, *(when.names if when else ())]))

    def __call__(self, values: Values) -> Floats:
        """The expression where the condition holds, NaN elsewhere, also where the condition is unknown."""
        found = self.expression(values)
        if self.when is None:
            return found
        gate = self.when(values)
        with np.errstate(invalid="ignore"):
            return np.where((gate != 0.0) & np.isfinite(gate), found, np.nan)


def formula_of(row: Derived, known: Collection[str] | None = None, *, field: str = "derived") -> Formula:
    """A row of `[[derived]]` understood. InputError with the field; `known` are the names there are."""
    when = parse(row.when, known, field=f"{field}.when") if row.when.strip() else None
    return Formula(parse(row.expression, known, field=f"{field}.expression"), when)


def parse(text: str, known: Collection[str] | None = None, *, field: str = "expression") -> Expression:
    """Understand one formula. InputError says what is not allowed, and where; `known` are the names there are."""
    if len(text) > CHARS_MAX:
        raise InputError(f"longer than {CHARS_MAX} characters", field=field, fix="split it into several derived points")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        told = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise InputError(
            f"no formula: {told}", field=field, fix="see wire/expressions.py for what is allowed"
        ) from None
    reader = _Reader(field)
    run = reader.read(tree, 0)
    for name in reader.names if known is not None else ():
        if known is not None and name not in known:
            near = ", ".join(sorted(known)[:8])
            raise InputError(
                f"{name!r} is not there", field=field, fix=f"use one of: {near}" if near else "name a point"
            )
    return Expression(text, tuple(reader.names), run)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _binary(function: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Floats]:
    return lambda one, other: _finite(np.asarray(function(one, other), np.float64))


def _compare(function: Callable[[Floats, Floats], NDArray[np.bool_]]) -> Callable[[Floats, Floats], Floats]:
    return lambda one, other: np.where(np.isnan(one) | np.isnan(other), np.nan, function(one, other))


def _and(one: Floats, other: Floats) -> Floats:
    no = (one == 0.0) | (other == 0.0)
    return np.where(no, 0.0, np.where(np.isnan(one) | np.isnan(other), np.nan, 1.0))


def _or(one: Floats, other: Floats) -> Floats:
    yes = (~np.isnan(one) & (one != 0.0)) | (~np.isnan(other) & (other != 0.0))
    return np.where(yes, 1.0, np.where(np.isnan(one) | np.isnan(other), np.nan, 0.0))


def _not(value: Floats) -> Floats:
    return np.where(np.isnan(value), np.nan, value == 0.0)


def _where(gate: Floats, yes: Floats, no: Floats) -> Floats:
    return np.where(np.isnan(gate), np.nan, np.where(gate != 0.0, yes, no))


def _either(*given: Floats) -> Floats:
    found = given[0]
    for other in given[1:]:
        found = np.where(np.isnan(found), other, found)
    return found


def _mean(*given: Floats) -> Floats:
    stack = np.stack(np.broadcast_arrays(*given))
    have = np.isfinite(stack)
    return np.asarray(np.where(have, stack, 0.0).sum(axis=0) / np.where(have.any(axis=0), have.sum(axis=0), np.nan))


def _fold(function: Callable[[Floats, Floats], Floats]) -> Callable[..., Floats]:
    def run(*given: Floats) -> Floats:
        found = given[0]
        for other in given[1:]:
            found = function(found, other)
        return found

    return run


_BINARY: Final[Mapping[type[ast.operator], Callable[[Floats, Floats], Floats]]] = {
    ast.Add: np.add,  # what overflows here is found at the end
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: _binary(np.divide),
    ast.FloorDiv: _binary(np.floor_divide),
    ast.Mod: _binary(np.mod),
    ast.Pow: _binary(np.power),
}
_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Floats, Floats], Floats]]] = {
    ast.Lt: _compare(np.less),
    ast.LtE: _compare(np.less_equal),
    ast.Gt: _compare(np.greater),
    ast.GtE: _compare(np.greater_equal),
    ast.Eq: _compare(np.equal),
    ast.NotEq: _compare(np.not_equal),
}
_MANY: Final = 16
_FUNCTIONS: Final[Mapping[str, tuple[int, int, Callable[..., Floats]]]] = {  # least and most arguments
    "abs": (1, 1, np.abs),
    "sqrt": (1, 1, np.sqrt),
    "exp": (1, 1, np.exp),
    "log": (1, 1, np.log),
    "log10": (1, 1, np.log10),
    "floor": (1, 1, np.floor),
    "ceil": (1, 1, np.ceil),
    "round": (1, 1, np.rint),
    "sign": (1, 1, np.sign),
    "hypot": (2, 2, np.hypot),
    "min": (2, _MANY, _fold(np.minimum)),
    "max": (2, _MANY, _fold(np.maximum)),
    "clip": (3, 3, lambda value, low, high: np.minimum(np.maximum(value, low), high)),
    "known": (1, 1, lambda value: np.isfinite(value).astype(np.float64)),
    "either": (2, _MANY, _either),
    "mean": (1, _MANY, _mean),
}


class _Reader:
    """Walks a tree once; what it does not know it refuses."""

    def __init__(self, field: str) -> None:
        self.names: dict[str, None] = {}
        self._field, self._nodes = field, 0

    def read(self, node: ast.AST, depth: int) -> _Run:
        self._nodes += 1
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise self._refuse("too long", "split it into several derived points")
        match node:
            case ast.Constant(value=bool()):
                return _constant(float(node.value))  # type: ignore[arg-type]
            case ast.Constant(value=int() | float()):
                return self._number(node.value)  # type: ignore[arg-type]
            case ast.Constant(value=str()):
                return self._name(str(node.value))
            case ast.Name():
                return self._name(node.id)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not()):
                return self._unary(node, depth)
            case ast.BinOp() if type(node.op) in _BINARY:
                return self._pair(_BINARY[type(node.op)], node.left, node.right, depth)
            case ast.BoolOp():
                return self._joined(_and if isinstance(node.op, ast.And) else _or, node.values, depth)
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.IfExp():
                return self._called(_where, [node.test, node.body, node.orelse], depth)
            case ast.Call(func=ast.Name(), keywords=[]):
                return self._function(node, depth)
            case _:
                raise self._refuse(f"{type(node).__name__.lower()} is not allowed", "use numbers, names and + - * / **")

    def _number(self, value: float) -> _Run:
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if not np.isfinite(number):
            raise self._refuse("a number beyond all bounds", "write a number")
        return _constant(number)

    def _name(self, name: str) -> _Run:
        if not 0 < len(name) <= NAME_CHARS or not name.isprintable():
            raise self._refuse("that is no name of a point", "write device/metric in quotes")
        self.names.setdefault(name)
        if len(self.names) > NAMES_MAX:
            raise self._refuse(f"more than {NAMES_MAX} points", "split it into several derived points")
        return lambda values: values[name]

    def _unary(self, node: ast.UnaryOp, depth: int) -> _Run:
        inner = self.read(node.operand, depth + 1)
        if isinstance(node.op, ast.Not):
            return lambda values: _not(inner(values))
        return (lambda values: np.negative(inner(values))) if isinstance(node.op, ast.USub) else inner

    def _pair(self, function: Callable[[Floats, Floats], Floats], one: ast.AST, other: ast.AST, depth: int) -> _Run:
        return self._called(function, [one, other], depth)

    def _joined(self, function: Callable[[Floats, Floats], Floats], parts: list[ast.expr], depth: int) -> _Run:
        return self._called(_fold(function), parts, depth)

    def _comparison(self, node: ast.Compare, depth: int) -> _Run:
        kinds = [_COMPARE.get(type(op)) for op in node.ops]
        if None in kinds:
            raise self._refuse("that comparison is not allowed", "use < <= > >= == !=")
        sides = [self.read(part, depth + 1) for part in (node.left, *node.comparators)]
        steps = [kind for kind in kinds if kind is not None]

        def run(values: Mapping[str, Floats]) -> Floats:
            given = [side(values) for side in sides]
            return _fold(_and)(*(step(given[at], given[at + 1]) for at, step in enumerate(steps)))

        return run

    def _function(self, node: ast.Call, depth: int) -> _Run:
        assert isinstance(node.func, ast.Name)
        known = _FUNCTIONS.get(node.func.id)
        if known is None:
            raise self._refuse(f"there is no function {node.func.id!r}", f"use one of: {', '.join(sorted(_FUNCTIONS))}")
        least, most, function = known
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self._refuse(f"{node.func.id} takes {wanted} arguments", "count them")
        return self._called(lambda *given: _finite(np.asarray(function(*given), np.float64)), node.args, depth)

    def _called(self, function: Callable[..., Floats], parts: list[ast.AST] | list[ast.expr], depth: int) -> _Run:
        runs = [self.read(part, depth + 1) for part in parts]
        return lambda values: function(*(run(values) for run in runs))

    def _refuse(self, problem: str, fix: str) -> InputError:
        return InputError(problem, field=self._field, fix=fix)


def _constant(value: float) -> _Run:
    held = np.float64(value)
    return lambda _: np.asarray(held)
