"""Sign-in and roles in a real Chromium; the checks are in web/e2e/desk_checks.mjs."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.conftest import ROOT, Checked


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
    checked: Checked, asking: tuple[str, str]
) -> None:
    url, link = asking
    checked(url, "the_first_admin_comes_by_a_link_and_everybody_after_by_a_role", WELCOME=link)
    checked(url, "signing_in_says_what_is_wrong_and_leads_where_one_wanted_to_go")
