"""Run one module of ours as a child process in a folder of its own, for as long as it may take.

What it prints lies in `stdout` and `stderr` of the folder afterwards; `bim.open.refusal` reads why it failed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bim.errors import SPLIT, ModelError
from bim.limits import ModelLimits

__all__ = ["environment", "run_child", "run_model_child"]

_ROOT = Path(__file__).resolve().parents[1]
_LOOK_S = 0.1  # how often a bar moves


def run_child(
    module: str, arguments: Sequence[str], work_dir: Path, wall_s: float, look: Callable[[], None] | None = None
) -> int | None:
    """Exit code (negative: the signal that ended it); None when its time was over and it was killed.

    `look` is called now and then while it runs; what it raises kills the child and is raised.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    deadline = time.monotonic() + wall_s
    with (work_dir / "stdout").open("wb") as out, (work_dir / "stderr").open("wb") as err:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=work_dir,
            env=environment(),
            start_new_session=True,
        )
        try:
            while (left_s := deadline - time.monotonic()) > 0:
                try:
                    return child.wait(min(_LOOK_S, left_s) if look else left_s)
                except subprocess.TimeoutExpired:
                    if look:
                        look()
            return None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)  # its workers too: they are of its session
                child.wait()


def run_model_child(module: str, arguments: Sequence[str], work_dir: Path, limits: ModelLimits, file: str) -> int:
    """Exit code of a child that works on a model; raises ModelError when its time is over."""
    code = run_child(module, arguments, work_dir, limits.wall_s)
    if code is None:
        raise ModelError("time", f"it takes more than {limits.wall_s:g} s", file=file, fix=SPLIT)
    return code


def environment() -> dict[str, str]:
    """Only what Python needs, no proxies, no credentials; one thread and no arena, which reserve a gigabyte."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    frugal = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    return {**kept, **frugal, "PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1"}
