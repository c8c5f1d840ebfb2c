"""Child processes of the park: each in a session of its own, watched, started again, none outliving its parent."""

import asyncio
import contextlib
import functools
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from wire.errors import Aid4Error
from wire.stopping import die_with_parent

__all__ = ["Child", "ChildError", "ending", "run_once"]

_RESTART_S_MIN, _RESTART_S_MAX = 0.2, 5.0
_SETTLED_S = 10.0  # one that lived so long is started again at once
_STOP_S = 1.5  # from SIGTERM to SIGKILL, so that the whole park stops within three seconds
_USAGE = 2  # exit status of a child that a person must help; starting it again would not
_LAST_LINES = 8
_LOG_BYTES_MAX = 16 << 20  # one log of one child; a park that runs for months does not fill the disk


class ChildError(Aid4Error):
    """A child ended and starting it again would not help; says its last lines."""


class Child:
    """One process under watch: `keep()` runs it until `stop()`, and starts it again when it ends by itself.

    `on_end(text)` is called for each end that nobody asked for.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        on_end: Callable[[str], None] | None = None,
    ) -> None:
        self.name, self.command, self.log, self.restarts = name, command, log, 0
        self._env = {**os.environ, **_python_path(), **(env or {})}
        self._say = on_end or (lambda _: None)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """The process id, 0 while there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def keep(self) -> None:
        """Run it and start it again with back-off; returns after `stop()`. ChildError when it will never run."""
        backoff_s = _RESTART_S_MIN
        while not self._stopping:
            started_s = time.monotonic()
            status = await self.run()
            if self._stopping:
                return
            if status == _USAGE:
                raise ChildError(f"{self.name} does not start:\n{self.last_lines()}")
            self.restarts += 1
            self._say(f"{self.name} ended with {ending(status)} and was started again; see {self.log}")
            if time.monotonic() - started_s > _SETTLED_S:
                backoff_s = _RESTART_S_MIN
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _RESTART_S_MAX)

    async def stop(self, within_s: float = _STOP_S) -> None:
        """SIGTERM, then SIGKILL for one that does not end in time; `keep()` returns."""
        self._stopping = True
        if self._process is not None:
            await _end(self._process, within_s)

    def last_lines(self) -> str:
        """The end of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    async def run(self) -> int:
        """Run it once; its exit status."""
        big = self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX
        with self.log.open("wb" if big else "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, parent=os.getpid()),
            )
        try:
            return await self._process.wait()
        finally:
            await _end(self._process)


def _python_path() -> dict[str, str]:
    """A Python child finds our rooms where we found them, and never in a folder `twin/` of the working directory."""
    rooms = str(Path(__file__).resolve().parents[1])
    paths = [rooms, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


async def run_once(command: list[str], log: Path) -> None:
    """Run a program to its end; ChildError with its last lines when it fails."""
    child = Child(command[0], command, log)
    status = await child.run()
    if status:
        raise ChildError(f"{' '.join(command[1:4])} ended with {ending(status)}:\n{child.last_lines()}")


async def _end(process: asyncio.subprocess.Process, within_s: float = _STOP_S) -> None:
    for number, bound_s in ((signal.SIGTERM, within_s), (signal.SIGKILL, _STOP_S)):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(bound_s):
                await process.wait()


def ending(code: int) -> str:
    """An exit status in words."""
    return f"status {code}" if code >= 0 else signal.Signals(-code).name
