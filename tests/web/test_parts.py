"""The twelve parts of the page, each in a real Chromium against one `aid4 run` of the campus; see docs/page-parts.md.

With PICTURES=folder each check leaves its picture there: `make screenshots` puts them into docs/.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.campus_parts import bring_model, bring_scans, site_with_tiles
from tests.web.conftest import park, until_drawn

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
SCENARIO = Path(__file__).with_name("parts.toml")
SECONDS_MAX = 600
EXPORT = re.compile(r"export async function (part_(\d+)_\w+)")
FOUND = EXPORT.findall("".join((WEB / "e2e" / f"part_{kind}_checks.mjs").read_text() for kind in ("desk", "scene")))
LATE = ("part_4_why_a_detector_rings",)  # a detector looks at some minutes before it rings
LAST = ("part_10_sign_in_and_roles",)  # from the first account on the park asks who comes
PARTS = [name for name, number in sorted(FOUND, key=lambda one: (one[0] in LAST, one[0] in LATE, int(one[1])))]


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A campus with faults, map tiles, two scans and a trained model; one for all parts."""
    folder = tmp_path_factory.mktemp("parts")
    site = site_with_tiles(folder)
    with park(folder, "--site", str(site), "--scenario", str(SCENARIO)) as url:
        until_drawn(url)
        bring_scans(url, folder / "park", folder)
        bring_model(url, folder)
        yield url


def test_every_part_has_a_check_and_a_picture() -> None:
    """Twelve parts, and the table of docs/page-parts.md names the check and the picture of each."""
    table = (ROOT / "docs" / "page-parts.md").read_text()
    assert {int(number) for _, number in FOUND} == set(range(1, 13))
    for name in PARTS:
        assert f"`{name}`" in table
    for picture in re.findall(r"\]\((screenshot[\w-]*\.(?:png|jpg))\)", table):
        assert (ROOT / "docs" / picture).is_file(), picture


@pytest.mark.parametrize("check", PARTS)
def test_a_part_of_the_page_keeps_its_promise(node: str, chromium: Path, living: str, check: str) -> None:
    """What the part is for is done as a person does it; no error is logged and no other host is asked."""
    ran = subprocess.run(
        [node, "e2e/run.mjs", living, check], cwd=WEB, env=os.environ | {"CHROMIUM": str(chromium)},
        capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
