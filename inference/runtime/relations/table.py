"""The table of relations (`relations.toml`), read once and checked."""

import functools
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inference.diagnosis.roles import roles
from wire.errors import ConfigError, InputError
from wire.expressions import Expression, Formula, parse
from wire.point_classes import POINT_CLASSES

__all__ = ["ALWAYS", "GIVEN_MAX", "ROWS_MAX", "Input", "Relation", "load_relations"]

GIVEN_MAX = 6  # regressors: a few days of operation tell no more apart
ROWS_MAX = 128  # of a mean or change
ALWAYS = ("sin_day", "cos_day")
_FILE = Path(__file__).with_name("relations.toml")
_INPUT = re.compile(r"(?:(site|peers)/)?([a-z0-9_]+)(\?)?(?: *\| *(mean|size|change|high|run)(?: +(\d+))?(\?)?)?")
How = Literal["", "mean", "size", "change", "high", "run"]


class Input(msgspec.Struct, frozen=True):
    """One input of a relation: a role's value of this row, or what `how` makes of the last `rows` of it."""

    name: str
    role: str
    scope: Literal["own", "site", "peers"] = "own"
    how: How = ""
    rows: int = 1
    optional: bool = False


class Relation(msgspec.Struct, frozen=True):
    """A row of the table, understood."""

    name: str
    inputs: tuple[Input, ...]
    value: Formula
    given: tuple[Expression, ...]
    floor: float
    settle: int


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=48)]
    inputs: dict[str, str]
    value: str
    floor: Annotated[float, Meta(gt=0.0)]
    given: Annotated[tuple[str, ...], Meta(max_length=GIVEN_MAX)] = ()
    when: str = ""
    settle: Annotated[int, Meta(ge=1, le=60)] = 5


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    relation: Annotated[tuple[_Row, ...], Meta(max_length=200)]


@functools.cache
def load_relations(file: Path = _FILE) -> tuple[Relation, ...]:
    """Read and check the table; ConfigError names the row that is wrong."""
    try:
        table = msgspec.toml.decode(file.read_bytes(), type=_Table)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(str(error), file=str(file), fix="see the head of relations.toml") from error
    return tuple(_understood(row, file) for row in table.relation)


def _understood(row: _Row, file: Path) -> Relation:
    inputs = tuple(_input(row, name, text, file) for name, text in row.inputs.items())
    if not any(one.scope == "own" and not one.optional for one in inputs):
        raise _wrong(row, file, "inputs", "no input is of the device itself")
    names = {*row.inputs, *ALWAYS}
    try:
        when = parse(row.when, names, field="when") if row.when else None
        value = Formula(parse(row.value, names, field="value"), when)
        given = tuple(parse(text, names, field="given") for text in row.given)
    except InputError as error:
        raise ConfigError(error.problem, file=str(file), field=f"{row.name}.{error.field}", fix=error.fix) from error
    return Relation(row.name, inputs, value, given, row.floor, row.settle)


def _input(row: _Row, name: str, text: str, file: Path) -> Input:
    found = _INPUT.fullmatch(text)
    if found is None:
        raise _wrong(row, file, f"inputs.{name}", f"{text!r} is no input")
    scope, role, optional, how, rows, late = found.groups()
    if role not in roles() | set(POINT_CLASSES):
        raise _wrong(row, file, f"inputs.{name}", f"{role!r} is no role")
    if not 1 <= int(rows or 1) < ROWS_MAX:
        raise _wrong(row, file, f"inputs.{name}", f"{rows} rows are not kept")
    kept = {"name": name, "role": role, "scope": scope or "own", "how": how or "", "rows": int(rows or 1)}
    return msgspec.convert({**kept, "optional": bool(optional or late)}, Input)


def _wrong(row: _Row, file: Path, field: str, problem: str) -> ConfigError:
    return ConfigError(problem, file=str(file), field=f"{row.name}.{field}", fix="see the head of the file")
