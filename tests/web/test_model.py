"""The park in 3D, as plans, as a map and over time, its drones, flights and scans: Chromium against `aid4 run`.

The checks themselves are in web/e2e/model_checks.mjs, drone_checks.mjs and desk_checks.mjs; one park serves them all.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
FILES = ("model_checks.mjs", "drone_checks.mjs")
EXPORT = re.compile(r"export (?:async function|const) (\w+)")
DESK = (
    "a_days_report_is_read_in_three_languages_and_taken_as_pdf",
    "the_shift_writes_hands_over_and_takes_over",
    "sql_is_asked_completed_shown_kept_and_taken_along",
)
CHECKS = [name for file in FILES for name in EXPORT.findall((WEB / "e2e" / file).read_text())]
SECONDS_MAX = 400  # drawn in software, on the cores of a small machine


def _checked(node: str, chromium: Path, url: str, check: str) -> str:
    command = [node, "e2e/run.mjs", url, check]
    environment = os.environ | {"CHROMIUM": str(chromium)}
    ran = subprocess.run(
        command, cwd=WEB, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("check", CHECKS)
def test_the_model_keeps_its_promise(node: str, chromium: Path, campus_url: str, check: str) -> None:
    """Every check of the two files: its promise holds, nothing was logged as an error, no other host was asked."""
    _checked(node, chromium, campus_url, check)


def test_the_desk_of_a_whole_park(node: str, chromium: Path, campus_url: str) -> None:
    """Reports, the shift log and SQL; the Python program that Explore shows is run, and gets the same rows."""
    told = [_checked(node, chromium, campus_url, name) for name in DESK][-1]
    program = json.loads(told.strip().splitlines()[-1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match(r"[1-9]\d+ rows: key, unit", done.stdout), done.stdout
