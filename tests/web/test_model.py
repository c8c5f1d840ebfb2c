"""The park in 3D, as plans, as a map and over time, its drones, flights and scans: Chromium against `aid4 run`.

The checks themselves are in web/e2e/model_checks.mjs and drone_checks.mjs; one park serves them all.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
FILES = ("model_checks.mjs", "drone_checks.mjs")
EXPORT = re.compile(r"export (?:async function|const) (\w+)")
CHECKS = [name for file in FILES for name in EXPORT.findall((WEB / "e2e" / file).read_text())]
SECONDS_MAX = 400  # drawn in software, on the cores of a small machine


@pytest.mark.parametrize("check", CHECKS)
def test_the_model_keeps_its_promise(node: str, chromium: Path, campus_url: str, check: str) -> None:
    """Every check of the two files: its promise holds, nothing was logged as an error, no other host was asked."""
    command = [node, "e2e/run.mjs", campus_url, check]
    environment = os.environ | {"CHROMIUM": str(chromium)}
    ran = subprocess.run(
        command, cwd=WEB, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert ran.returncode == 0, ran.stderr
