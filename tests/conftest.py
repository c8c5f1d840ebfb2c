"""What every test may lean on: the folder of real data, and tools that must be there in CI."""

import os
import shutil
from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def _absent(what: str, fix: str) -> None:
    """Skip at a developer's desk, fail in CI: a check that did not run is no pass."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is needed in CI: {fix}")
    pytest.skip(f"{what} is not here: {fix}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder `../shared/data` beside the checkout: real IFC models, recordings, logs."""
    if not _SHARED.is_dir():
        _absent("the folder ../shared/data", "lay the shared data beside the checkout")
    return _SHARED


def _tool(name: str, package: str) -> Path:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        _absent(name, f"apt-get install {package}")
    return Path(str(found))


@pytest.fixture(scope="session")
def mosquitto() -> Path:
    """The mosquitto broker."""
    return _tool("mosquitto", "mosquitto")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A real browser."""
    return _tool("chromium", "chromium fonts-noto-cjk")
