"""Sign-in, roles, Explore, reports and the shift log in a real Chromium; the checks are in web/e2e/desk_checks.mjs."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
SECONDS_MAX = 400
CAMPUS = (
    "a_days_report_is_read_in_three_languages_and_taken_as_pdf",
    "the_shift_writes_hands_over_and_takes_over",
    "sql_is_asked_completed_shown_kept_and_taken_along",
)


def _check(node: str, chromium: Path, url: str, name: str, **more: str) -> str:
    environment = os.environ | {"CHROMIUM": str(chromium)} | more
    command = [node, "e2e/run.mjs", url, name]
    done = subprocess.run(
        command, cwd=WEB, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A twin of the campus that asks who comes from its first start on: its address and its one-time link."""
    site = ROOT / "configs" / "sites" / "campus"
    command = [sys.executable, "-m", "aid4", "twin", "serve", "--data-dir", str(tmp_path / "data"), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--site", str(site), "--sign-in"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.readline() + process.stdout.readline()
    link = re.search(r"http://\S+/welcome#\S+", said)
    assert link, said
    yield link[0].partition("/welcome")[0], link[0]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def test_the_first_admin_comes_by_a_link_and_everybody_else_by_a_role(
    node: str, chromium: Path, asking: tuple[str, str]
) -> None:
    url, link = asking
    _check(node, chromium, url, "the_first_admin_comes_by_a_link_and_everybody_after_by_a_role", WELCOME=link)
    _check(node, chromium, url, "signing_in_says_what_is_wrong_and_leads_where_one_wanted_to_go")


def test_the_desk_of_a_whole_park(node: str, chromium: Path, campus_url: str) -> None:
    """`aid4 run` of the campus; the Python program that Explore shows is run, and gets the same rows."""
    told = [_check(node, chromium, campus_url, name) for name in CAMPUS][-1]
    program = json.loads(told.strip().splitlines()[-1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match(r"[1-9]\d+ rows: key, unit", done.stdout), done.stdout
