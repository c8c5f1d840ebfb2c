"""The campus, authored once for all tests, and opened by a library that had no part in writing it."""

from datetime import date
from pathlib import Path

import ifcopenshell
import pytest

from bim.campus.author import Authored, author_site

SITES = Path(__file__).resolve().parents[2] / "configs" / "sites"
DATA_DATE = date(2026, 6, 15)


@pytest.fixture(scope="session")
def campus() -> Authored:
    return author_site(SITES / "campus", seed=4, data_date=DATA_DATE)


@pytest.fixture(scope="session")
def campus_file(campus: Authored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("campus") / "campus.ifc"
    path.write_text(campus.text, encoding="ascii")
    return path


@pytest.fixture(scope="session")
def model(campus_file: Path) -> ifcopenshell.file:
    return ifcopenshell.open(str(campus_file))
