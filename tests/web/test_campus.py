"""A whole park in a real Chromium: one `aid4 run` of the campus with faults, map tiles, scans and a model serves all.

The checks are in web/e2e. With PICTURES=folder each check of a part leaves its picture there: `make screenshots` puts
them into docs/.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.campus_parts import bring_model, bring_scans, site_with_tiles
from tests.web.conftest import ROOT, WEB, Checked, park, until_drawn

SCENARIO = Path(__file__).with_name("campus.toml")
DESK = (
    "a_days_report_is_read_in_three_languages_and_taken_as_pdf",
    "the_shift_writes_hands_over_and_takes_over",
    "sql_is_asked_completed_shown_kept_and_taken_along",
)
LATE = ("part_4_why_a_detector_rings",)  # a detector looks at some minutes before it rings
LAST = ("part_10_sign_in_and_roles",)  # from the first account on the park asks who comes


def _exports(pattern: str, *files: str) -> list[str]:
    return re.findall(
        f"export (?:async function|const) ({pattern})", "".join((WEB / "e2e" / f).read_text() for f in files)
    )


MODEL = _exports(r"\w+", "model_checks.mjs", "drone_checks.mjs")
PARTS = sorted(
    _exports(r"part_\d+_\w+", "part_desk_checks.mjs", "part_scene_checks.mjs"),
    key=lambda name: (name in LAST, name in LATE, int(name.split("_")[1])),
)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The page of a campus that was just started, and the folder it lives in."""
    folder = tmp_path_factory.mktemp("campus")
    with park(folder, "--site", str(site_with_tiles(folder)), "--scenario", str(SCENARIO)) as url:
        yield url, folder


@pytest.fixture(scope="module")
def campus(started: tuple[str, Path]) -> str:
    """The same, its model drawn."""
    until_drawn(started[0])
    return started[0]


@pytest.fixture(scope="module")
def living(campus: str, started: tuple[str, Path]) -> str:
    """The same, with two scans and a trained model."""
    _, folder = started
    bring_scans(campus, folder / "park", folder)
    bring_model(campus, folder)
    return campus


def test_the_page_shows_a_whole_park(checked: Checked, started: tuple[str, Path]) -> None:
    """`aid4 run`: broker, simulated devices, agent and twin; the page shows live values and the node's health."""
    checked(started[0], "a_whole_park_is_seen_live")


def test_a_newcomer_answers_each_question_within_three_clicks(checked: Checked, started: tuple[str, Path]) -> None:
    """Which alarm, where, since when, acknowledged, another shelved, the time before, what is late."""
    checked(started[0], "a_newcomer_finds_understands_and_answers")


@pytest.mark.parametrize("check", MODEL)
def test_the_model_keeps_its_promise(checked: Checked, campus: str, check: str) -> None:
    """In 3D, as plans, as a map and over time, with drones, flights and scans."""
    checked(campus, check)


def test_the_desk_of_a_whole_park(checked: Checked, campus: str) -> None:
    """Reports, the shift log and SQL; the Python program that Explore shows is run, and gets the same rows."""
    told = [checked(campus, name) for name in DESK][-1]
    program = json.loads(told.strip().splitlines()[-1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match(r"[1-9]\d+ rows: key, unit", done.stdout), done.stdout


def test_every_part_has_a_check_and_a_picture() -> None:
    """Twelve parts, and the table of docs/page-parts.md names the check and the picture of each."""
    table = (ROOT / "docs" / "page-parts.md").read_text()
    assert {int(name.split("_")[1]) for name in PARTS} == set(range(1, 13))
    for name in PARTS:
        assert f"`{name}`" in table
    for picture in re.findall(r"\]\((screenshot[\w-]*\.(?:png|jpg))\)", table):
        assert (ROOT / "docs" / picture).is_file(), picture


@pytest.mark.parametrize("check", PARTS)
def test_a_part_of_the_page_keeps_its_promise(checked: Checked, living: str, check: str) -> None:
    """What the part is for is done as a person does it; see docs/page-parts.md."""
    checked(living, check)
