"""The guides of Raspberry Pi and Jetson: commands that exist, wheels old enough for the systems they name."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from aid4.cli import cli
from edge.bundle import GLIBC_MINORS, platforms
from edge.sources import BUILT_IN

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDES = ["raspberry-pi.md", "jetson.md"]


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_names_commands_options_and_sources_that_exist(guide: str) -> None:
    text = (DOCS / guide).read_text()
    commands = [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("aid4 ")]
    assert commands
    for command in commands:
        words = [word for word in command[1:] if re.fullmatch(r"[a-z]+", word)]
        shown = CliRunner().invoke(cli, [*words[:2], "--help"])
        assert shown.exit_code == 0, command
        assert all(option in shown.stdout for option in command if option.startswith("--"))
    assert set(re.findall(r'kind = "([a-z-]+)"', text)) <= set(BUILT_IN)
    for link in re.findall(r"\]\(([a-z-]+\.md)\)", text):
        assert (DOCS / link).is_file()


def test_the_newest_wheels_taken_run_on_the_oldest_system_that_the_guides_name() -> None:
    minors = [int(minor) for minor in re.findall(r"\b2\.(\d\d)\b", (DOCS / "jetson.md").read_text())]
    assert max(GLIBC_MINORS) <= min(minors)
    assert platforms("aarch64")[0] == f"manylinux_2_{max(GLIBC_MINORS)}_aarch64"
