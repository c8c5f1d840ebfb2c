"""The page of commissioning in a real Chromium; the checks are in web/e2e/commissioning_checks.mjs."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
SECONDS_MAX = 400


@pytest.fixture
def node() -> str:
    """Node, with the page's tools installed and the page built, as `make test` does."""
    found = shutil.which("node")
    built = (WEB / "node_modules" / "playwright-core").is_dir() and (ROOT / "twin/static/index.html").is_file()
    if found is None or not built:
        message = "the page cannot be opened: it is not built (make test builds it), or there is no node"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return str(found)


@pytest.mark.parametrize(
    "check",
    ["a_phone_opens_a_device_and_marks_each_point", "devices_are_listed_with_what_is_left_in_three_languages"],
)
async def test_on_a_phone(node: str, chromium: Path, park: Any, check: str) -> None:
    process = await asyncio.create_subprocess_exec(
        node, "e2e/run.mjs", park.url, check, cwd=WEB, env=os.environ | {"CHROMIUM": str(chromium)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS_MAX):
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
