"""One `aid4` command as a child process: started, waited for by what it says or writes, and always ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

__all__ = ["POLL_S", "Aid4Error", "Command", "Running"]

T = TypeVar("T")
POLL_S = 0.1
STOP_S = 20.0  # a park writes its last checkpoint
_LAST = 2_000


class Aid4Error(AssertionError):
    """The command ended, or did not do in time what was waited for; says the end of its output."""


class Command:
    """Which `aid4` to start: an explicit one, that of the PATH, else that of this interpreter's environment."""

    def __init__(self, given: str = "") -> None:
        beside = Path(sys.executable).with_name("aid4")
        found = given or shutil.which("aid4") or (str(beside) if beside.exists() else "")
        if not found:
            raise Aid4Error("there is no `aid4` command; install aid4[park], or give --aid4-command")
        self.words = [found]


class Running:
    """A running `aid4 …`; ends with its context, and takes its children with it."""

    def __init__(self, command: Command, arguments: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*command.words, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end; kill it and its session when it does not."""
        if not self.is_alive:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def until(self, what: str, look: Callable[[], T | None], within_s: float) -> T:
        """Wait for `look` to give something; Aid4Error when the command ends or the time is up."""
        end_s = time.monotonic() + within_s
        while (found := look()) is None:
            if not self.is_alive:
                raise Aid4Error(f"aid4 ended with status {self._process.returncode} before {what}:\n{self.output()}")
            if time.monotonic() > end_s:
                raise Aid4Error(f"not within {within_s:g} s: {what}\n{self.output()}")
            time.sleep(POLL_S)
        return found

    def output(self) -> str:
        """The end of what it has said."""
        return self.log.read_text(errors="replace")[-_LAST:]


def read_json(path: Path) -> dict[str, Any] | None:
    """A document that another process writes; None while there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found
