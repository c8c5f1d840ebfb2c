"""`aid4 edge conformance` with a bench that lies outside of the product, as somebody else's would."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aid4.cli import cli
from edge.conformance import CHECKS

DOCS = Path(__file__).parents[2] / "docs" / "sources.md"
BENCH = """
from edge.conformance import Bench

class Recording(Bench):
    def table(self):
        return {"kind": "replay", "file": "value.csv", "speed": %s, "device": "source"}

    async def start(self):
        rows = "".join(f"2024-01-01T00:00:{at:02}Z,{at}\\n" for at in range(60))
        (self.folder / "value.csv").write_text("time,value\\n" + rows)

    async def stop(self): ...
    async def change(self, value): ...
"""


@pytest.mark.parametrize(("speed", "code", "start"), [("50.0", 0, "kept"), ("0.0", 1, "broken")])
def test_a_bench_of_somebody_elses_is_tried(
    speed: str, code: int, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"bench_{code}"
    (tmp_path / f"{module}.py").write_text(BENCH % speed)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["edge", "conformance", f"{module}:Recording", "--json"])
    assert done.exit_code == code, done.output
    outcomes = {one["check"]: one["result"] for one in json.loads(done.stdout)["checks"]}
    assert outcomes["start"] == start
    assert outcomes["outage"] == "not tried"


def test_what_is_no_bench_is_refused_with_a_fix() -> None:
    done = CliRunner().invoke(cli, ["edge", "conformance", "json:loads"])
    assert done.exit_code == 2
    assert "edge.conformance.Bench" in done.stderr


def test_the_promises_are_told_in_the_docs() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    for name, check in CHECKS.items():
        assert f"| {name} | {check.says} |" in rows
