"""What the tests of the model room share: each real model read once, and counts taken from its text."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from bim.open import load_tables, read_model
from bim.summary import ModelSummary


@dataclass
class ReadModel:
    """A model after reading, with its tables."""

    summary: ModelSummary
    tables: dict[str, pa.Table] = field(repr=False)

    def rows(self, **equal: str) -> list[dict]:
        """Rows of the elements table whose columns have these values."""
        return [row for row in self.tables["elements"].to_pylist() if all(row[k] == v for k, v in equal.items())]


@dataclass(frozen=True)
class Statements:
    """A STEP file cut into instances by the plainest means: texts out, comments out, split at semicolons."""

    classes: Counter
    bodies: dict[str, list[str]]


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], ReadModel]:
    """Reads a model through the parent's door, once per session and path."""

    @cache
    def reading(path: Path) -> ReadModel:
        out = tmp_path_factory.mktemp("model")
        return ReadModel(read_model(path, out), load_tables(out))

    return reading


@pytest.fixture(scope="session")
def statements() -> Callable[[Path], Statements]:
    """Instances of a STEP file by class, without any IFC library."""

    @cache
    def counting(path: Path) -> Statements:
        outside = "''".join(path.read_text("latin-1").split("'")[::2])
        outside = re.sub(r"/\*.*?\*/", " ", outside, flags=re.DOTALL)
        bodies: dict[str, list[str]] = {}
        for statement in outside.split(";"):
            found = re.match(r"\s*#\d+\s*=\s*([A-Z0-9_]+)\s*(\(.*\))\s*\Z", statement, re.DOTALL)
            if found:
                bodies.setdefault(found[1], []).append(found[2])
        return Statements(Counter({name: len(rows) for name, rows in bodies.items()}), bodies)

    return counting


@pytest.fixture(scope="session")
def ifc(shared_data: Path) -> Path:
    """The folder of real models."""
    return shared_data / "bim" / "ifc"
