"""The operator's page in a real Chromium against a real twin; the checks themselves are in web/e2e/checks.mjs."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.web.conftest import CHECK_SECONDS_MAX, WEB, Checked, LabTwin

CHECKS = re.findall(r"export (?:async function|const) (\w+)", (WEB / "e2e" / "checks.mjs").read_text())
CUT = "a_cut_socket_is_said_and_mended"
PARK = "a_whole_park_is_seen_live"  # see test_campus.py


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in (CUT, PARK)])
def test_the_page_keeps_its_promise(checked: Checked, lab: LabTwin, check: str) -> None:
    """Every check of checks.mjs that asks for no more than a small lab."""
    checked(lab.url, check)


def test_a_twin_that_dies_is_said_and_when_it_is_back_the_page_is_too(node: str, chromium: Path, lab: LabTwin) -> None:
    """The twin is killed under an open page and started again on the same port and data."""
    command = [node, "e2e/run.mjs", lab.url, CUT]
    environment = os.environ | {"CHROMIUM": str(chromium)}
    pipe = subprocess.PIPE
    running = subprocess.Popen(command, cwd=WEB, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert running.stdout is not None
    assert running.stdin is not None
    assert running.stdout.readline() == "cut\n", running.communicate(timeout=10)[1]
    lab.kill()
    said = running.stdout.readline()
    lab.start()
    assert said == "start\n", running.communicate(timeout=10)[1]
    running.stdin.write("\n")
    running.stdin.flush()
    _, problems = running.communicate(timeout=CHECK_SECONDS_MAX)
    assert running.returncode == 0, problems


def test_the_page_is_small_and_its_files_come_compressed() -> None:
    """All that index.html names is below 60 KiB gzip; languages, charts, 3D and plans come when they are asked for."""
    folder = WEB.parent / "twin" / "static"
    sizes = {path.name: path.stat().st_size for path in (folder / "page").glob("*.gz")}
    first = re.findall(r'(?:src|href)="/page/([^"]+)"', (folder / "index.html").read_text())
    assert {"index.js", "index.css"} <= set(first)
    assert sum(sizes[f"{name}.gz"] for name in first) < 60 * 1024
    later = {f"{name}.js.gz" for name in ("charts", "model", "plan", "schedule", "zh-TW", "sk")}
    assert later <= sizes.keys()
    assert not later & {f"{name}.gz" for name in first}
    assert sizes["model.js.gz"] < 260 * 1024


def test_the_lock_file_names_no_registry() -> None:
    """`npm ci` takes the packages from whatever registry is set up here."""
    assert "resolved" not in (WEB / "package-lock.json").read_text()
