"""Run one module of ours as a child process in a folder of its own, for as long as it may take.

What it prints lies in `stdout` and `stderr` of the folder afterwards; `bim.open.refusal` reads why it failed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bim.errors import SPLIT, ModelError
from bim.limits import ModelLimits
from bim.open import environment

__all__ = ["run_child"]


def run_child(module: str, arguments: Sequence[str], work_dir: Path, limits: ModelLimits, file: str) -> int:
    """Exit code (negative: the signal that ended it); raises ModelError when its time is over."""
    command = [sys.executable, "-P", "-m", module, *arguments]
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
            return child.wait(limits.wall_s)
        except subprocess.TimeoutExpired as late:
            problem = f"it takes more than {limits.wall_s:g} s"
            raise ModelError("time", problem, file=file, fix=SPLIT) from late
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
