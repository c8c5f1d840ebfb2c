"""The folder of real models."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ifc(shared_data: Path) -> Path:
    return shared_data / "bim" / "ifc"
