"""A flight that ended becomes a scan: one child process at a time, seldom, never a reason for the park to fail."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from sim_devices.drone.scan_job import ScanTask
from sim_devices.drone.table import DroneSpec
from wire.stopping import die_with_parent

__all__ = ["Surveyor"]

log = logging.getLogger("aid4.sim.dock")

EVERY_S: Final = 3_600.0  # real seconds between two scans: a park that runs for days does not fill its disk
JOB_S_MAX: Final = 900.0
Metres = tuple[float, float, float]


class Surveyor:
    """`wish` is a JSON file {"url", "ifc", "work", "token", "tiles"}, written when the twin is up: no file, no scan."""

    def __init__(self, wish: Path | None, time_zone: str, seed: int, every_s: float = EVERY_S) -> None:
        self._wish, self._zone, self._seed, self._every_s = wish, ZoneInfo(time_zone), seed, every_s
        self._last_s = -every_s
        self._task: asyncio.Task[None] | None = None
        self.done: list[dict[str, Any]] = []  # what the jobs of this run said

    def landed(self, spec: DroneSpec, track: Sequence[Metres], tasks: asyncio.TaskGroup) -> None:
        """A flight has ended in the dock; `track` are places in model metres. Starts a scan when it is time for one."""
        is_busy = self._task is not None and not self._task.done()
        if (
            self._wish is None
            or not spec.scans
            or not track
            or is_busy
            or time.monotonic() - self._last_s < self._every_s
        ):
            return
        try:
            wish = json.loads(self._wish.read_text())
            task = self._asked(spec, track, wish)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.info("no scan: %s", error)
            return
        self._last_s = time.monotonic()
        self._task = tasks.create_task(self._try(task), name=f"scan of {spec.name}")

    async def close(self) -> None:
        """Drop a scan that is being made."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _asked(self, spec: DroneSpec, track: Sequence[Metres], wish: dict[str, Any]) -> ScanTask:
        work = Path(wish["work"])
        out = work / "scan"
        shutil.rmtree(out, ignore_errors=True)  # the last one is with the twin
        out.mkdir(parents=True)
        now = datetime.now(UTC)
        here = now.astimezone(self._zone).replace(tzinfo=None, microsecond=0)
        count = min(spec.scan_stations, len(track))
        stations = [track[at * (len(track) - 1) // max(count - 1, 1)] for at in range(count)]
        return ScanTask(
            ifc=wish["ifc"], tiles=[*wish.get("tiles", ()), str(work / "tiles")], out=str(out), stations=stations,
            points=spec.scan_points,
            late=spec.late, seed=self._seed, at=here.isoformat(),
            taken=now.isoformat(timespec="seconds").replace("+00:00", "Z"), device=spec.name,
            url=wish.get("url", ""), token=wish.get("token", ""),
        )  # fmt: skip

    async def _try(self, task: ScanTask) -> None:
        try:
            await self._run(task)
        except (OSError, ValueError) as error:  # a full disk or process table is no reason for the park to end
            log.warning("no scan: %s", error)

    async def _run(self, task: ScanTask) -> None:
        file = Path(task.out) / "job.json"
        file.touch(mode=0o600)  # it may hold a token
        file.write_bytes(msgspec.json.encode(task))
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "sim_devices.drone.scan_job", str(file), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, parent=os.getpid()),
        )  # fmt: skip
        try:
            async with asyncio.timeout(JOB_S_MAX):
                out, err = await child.communicate()
        except TimeoutError:
            log.warning("the scan took more than %g s and was dropped", JOB_S_MAX)
            return
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, 9)
                await child.wait()
        if child.returncode == 0:
            self.done.append(json.loads(out))
            log.info("scan sent: %s", out.decode().strip())
        else:
            log.warning("no scan: %s", err.decode(errors="replace").strip()[-2_000:])
