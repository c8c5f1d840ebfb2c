"""`aid4 bench ui`, small: its parts run against a real browser and say what they found."""

import json
import os
import subprocess
import sys
from pathlib import Path

from aid4.bench.ui_clients import age_ms
from aid4.bench.ui_twin import PROBE_MODULO

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 400


def test_the_bench_of_the_page_measures_size_and_pixels(node: str, chromium: Path) -> None:
    """A small history and few points; whether goals are held is the bench's matter on a quiet machine."""
    small = ["--rows", "20000", "--points", "200", "--rate", "1000", "--seconds", "5"]
    command = [sys.executable, "-m", "aid4", "bench", "ui", *small, "--part", "entry", "--part", "pixels", "--json"]
    path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"CHROMIUM": str(chromium), "PATH": path}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert ran.returncode in (0, 1), ran.stderr
    found = json.loads(ran.stdout)
    assert 10 < found["entry"]["entry_kib"] <= found["goals"]["entry_kib"]
    assert found["entry"]["model_when_opened"]
    assert found["pixels"]["changes"] >= 1
    assert 0 <= found["pixels"]["p50_ms"] <= found["pixels"]["p99_ms"]


def test_the_age_of_a_change_is_right_across_the_turn_of_its_clock() -> None:
    assert age_ms(PROBE_MODULO - 30.0, 5 * PROBE_MODULO + 20.0) == 50.0
