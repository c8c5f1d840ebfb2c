"""The real models, and the official test cases of IDS."""

import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ifc(shared_data: Path) -> Path:
    return shared_data / "bim" / "ifc"


@pytest.fixture(scope="session")
def ids_cases(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ids")
    with zipfile.ZipFile(shared_data / "bim" / "ids" / "ids_testcases.zip") as archive:
        archive.extractall(folder)
    return folder / "Documentation" / "testcases"
