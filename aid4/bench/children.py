"""Child processes of a bench: started, killed, frozen and thawed by name; all of them end with the bench."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Children", "python"]


def python(*arguments: str) -> list[str]:
    """The command that runs this interpreter with these arguments."""
    return [sys.executable, *arguments]


class Children:
    """Named processes, each with its output in `folder/<name>.log`; leaving the context kills what still runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._frozen: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._running):
            self.kill(name)

    def start(self, name: str, command: list[str], env: Mapping[str, str] | None = None) -> None:
        """Start a process in a session of its own, so that a Ctrl-C at the terminal reaches the bench alone."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=env and {**os.environ, **env},
            )

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        process = self._running.pop(name)
        self._frozen.discard(name)
        process.kill()
        process.wait()

    def stop(self, name: str, within_s: float = 10.0) -> int:
        """SIGTERM, wait, and return the exit status; SIGKILL for one that does not stop."""
        process = self._running[name]
        self.thaw(name)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within_s)
        if process.poll() is None:
            self.kill(name)
            raise TimeoutError(f"{name} did not stop in {within_s:g} s: see {self._folder / name}.log")
        return self._running.pop(name).returncode

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self._running[name].send_signal(signal.SIGSTOP)
        self._frozen.add(name)

    def thaw(self, name: str) -> None:
        """SIGCONT, when it was frozen."""
        if name in self._frozen:
            self._running[name].send_signal(signal.SIGCONT)
            self._frozen.discard(name)

    def ended(self) -> list[str]:
        """Names of processes that ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def output(self, name: str, lines: int = 12) -> str:
        """The last lines of a process's log, for an error message."""
        path = self._folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def pid(self, name: str) -> int:
        """Of a process that runs."""
        return self._running[name].pid

    def cpu_s(self, name: str) -> float:
        """CPU seconds that a process has used so far."""
        fields = Path(f"/proc/{self._running[name].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait(self, name: str, within_s: float) -> int:
        """Wait for a process that ends by itself; its exit status."""
        status = self._running[name].wait(within_s)
        del self._running[name]
        return status

    def wait_for_line(self, name: str, text: str, within_s: float = 15.0) -> None:
        """Wait until `text` stands in a process's log."""
        end_s = time.monotonic() + within_s
        while text not in self.output(name, 200):
            if name in self.ended() or time.monotonic() > end_s:
                raise TimeoutError(f"{name} never said {text!r}:\n{self.output(name)}")
            time.sleep(0.05)
