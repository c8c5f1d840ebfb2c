"""The real BCF files and the model they are about."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def schependomlaan(shared_data: Path) -> Path:
    return shared_data / "bim" / "schependomlaan"
