"""The parent's side of decompression: records of a LAZ as the child writes them, and why it stopped."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

import msgspec

from drone_ingest.clouds.laz_child import EXIT_BROKEN, Job

__all__ = ["LazChild"]

_ROOT = Path(__file__).resolve().parents[2]
_WORDS_BYTES = 400


class LazChild:
    """One child, ended with the context. `words` says why it stopped before the last point."""

    def __init__(self, job: Job, chunk_points: int) -> None:
        self._job, self._bytes = job, chunk_points * job.record_bytes
        self.words = ""

    def __enter__(self) -> Self:
        """Start it."""
        self._said: IO[bytes] = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "drone_ingest.clouds.laz_child", msgspec.json.encode(self._job).decode()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=_environment(),
            start_new_session=True,
        )
        return self

    def records(self) -> Iterator[bytes]:
        """Whole records, as many at once as a chunk has; ends at the last point or where the child stopped."""
        assert self._child.stdout is not None
        while data := self._child.stdout.read(self._bytes):
            whole = len(data) - len(data) % self._job.record_bytes
            if whole:
                yield data[:whole]
        code = self._child.wait()
        if code:
            self._said.seek(-min(self._said.tell(), _WORDS_BYTES), os.SEEK_END)
            lines = self._said.read().decode("utf-8", "replace").strip().splitlines() or [""]
            self.words = lines[-1][:200] if code == EXIT_BROKEN else f"the decompressor crashed, {_cause(code)}"

    def __exit__(self, *_: object) -> None:
        """Kill it when the caller wants no more."""
        if self._child.poll() is None:
            self._child.kill()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._child.wait()
        self._said.close()


def _cause(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _environment() -> dict[str, str]:
    """Only what Python needs."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1", "RAYON_NUM_THREADS": "1"}
