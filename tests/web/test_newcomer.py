"""The questions of a first day, asked of the page of an `aid4 run` in which faults were planted."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.conftest import park

WEB = Path(__file__).resolve().parents[2] / "web"
SCENARIO = Path(__file__).with_name("newcomer.toml")
SECONDS_MAX = 500


@pytest.fixture
def faulty_url(tmp_path: Path) -> Iterator[str]:
    """The page of a campus in which something is wrong."""
    with park(tmp_path, "--scenario", str(SCENARIO)) as url:
        yield url


def test_a_newcomer_answers_each_question_within_three_clicks(node: str, chromium: Path, faulty_url: str) -> None:
    """Which alarm, where, since when, acknowledged, another shelved, the time before, what is late."""
    ran = subprocess.run(
        [node, "e2e/run.mjs", faulty_url, "a_newcomer_finds_understands_and_answers"],
        cwd=WEB, env=os.environ | {"CHROMIUM": str(chromium)}, capture_output=True, text=True,
        timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
