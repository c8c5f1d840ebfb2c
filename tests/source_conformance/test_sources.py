"""Every source keeps every promise that its peer can put to the test: one bench a kind, in `peers/`."""

import sys
from importlib import util
from pathlib import Path

import pytest

from edge.conformance import CHECKS, Bench, applicable, run_one
from edge.sources import BUILT_IN

HERE = Path(__file__).parent


def _benches() -> dict[str, type[Bench]]:
    """`BENCH` of every file in peers/, by the name of the file."""
    sys.path.insert(0, str(HERE))  # benches share sim_bench
    found = {}
    for path in sorted((HERE / "peers").glob("*.py")):
        spec = util.spec_from_file_location(f"conformance_peer_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path.stem] = module.BENCH
    sys.path.remove(str(HERE))
    return found


BENCHES = _benches()
CASES = [
    pytest.param(kind, name, id=f"{kind}-{name}")
    for kind, bench in BENCHES.items()
    for name, check in CHECKS.items()
    if applicable(check, bench)
]


@pytest.mark.parametrize(("kind", "check"), CASES)
async def test_a_source_keeps_its_promise(kind: str, check: str, tmp_path: Path) -> None:
    await run_one(check, BENCHES[kind](tmp_path))


def test_every_kind_of_source_has_a_bench() -> None:
    assert set(BUILT_IN) - {bench.replace("_", "-") for bench in BENCHES} == set()
