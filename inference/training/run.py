"""The parent of training: start the child, follow it, and turn every way it can end into an answer or a refusal."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from inference.training.job import REPORT, TrainJob
from inference.training.learn import TrainingReport
from wire.errors import Aid4Error, InputError

__all__ = ["TrainJob", "train"]

_WORDS_CHARS = 500


class _Line(msgspec.Struct):
    of: int | None = None
    done: str | None = None
    refused: dict[str, str] | None = None


def train(job: TrainJob, tell: Callable[[int, int], None] = lambda _done, _of: None) -> TrainingReport:
    """Learn in a child process; `tell(done, of)` hears of progress. InputError when the child refuses."""
    out = Path(job.out)
    if out.exists() and any(out.iterdir()):
        raise InputError("the folder is not empty", file=job.out, field="--out", fix="give a new one")
    with tempfile.TemporaryDirectory(prefix="aid4-train-") as folder:
        path = Path(folder) / "job.json"
        path.write_bytes(msgspec.json.encode(job))
        with (Path(folder) / "stderr").open("w+b") as stderr:
            command = [sys.executable, "-m", "inference.training.job", str(path)]
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # before the child loads numpy
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment)
            watch = threading.Timer(job.wall_s, child.kill)
            watch.start()
            try:
                refused = _follow(child, tell)
                code = child.wait()
            finally:
                late = not watch.is_alive()
                watch.cancel()
                child.kill()
                child.wait()
            stderr.seek(0)
            words = stderr.read()[-_WORDS_CHARS:].decode(errors="replace").strip()
    if refused is not None:
        raise InputError(**refused)
    if code:
        why = f"training takes more than {job.wall_s:g} s" if late else f"training ended with {code}: {words}"
        raise Aid4Error(why)
    return msgspec.json.decode((out / REPORT).read_bytes(), type=TrainingReport)


def _follow(child: "subprocess.Popen[bytes]", tell: Callable[[int, int], None]) -> dict[str, str] | None:
    done = of = 0
    refused: dict[str, str] | None = None
    assert child.stdout is not None
    for text in child.stdout:
        line = msgspec.json.decode(text, type=_Line)
        of = line.of if line.of is not None else of
        done += line.done is not None
        refused = line.refused or refused
        tell(done, of)
    return refused
