"""Real models as parts of a federation."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bim.federation.parts import Part
from bim.open import load_tables, read_model


@pytest.fixture(scope="session")
def bim_data(shared_data: Path) -> Path:
    return shared_data / "bim"


@pytest.fixture(scope="session")
def part(tmp_path_factory: pytest.TempPathFactory, bim_data: Path) -> Callable[[str], Part]:
    """A file of the data folder as a part, read once."""

    @cache
    def reading(name: str) -> Part:
        out = tmp_path_factory.mktemp("part")
        summary = read_model(bim_data / name, out)
        return Part(name=Path(name).name, sha256=summary.sha256, georeference=summary.georeference, **load_tables(out))

    return reading
