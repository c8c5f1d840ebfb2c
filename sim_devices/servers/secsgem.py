"""Fab equipment that speaks SECS/GEM: its equipment process, kept by the park and fed with the physics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, Written, point_spec
from sim_devices.servers.secsgem_ids import COMMANDS, CONSTANT, EVENT, VARIABLE
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = ["SecsGemServer"]

ALARM_CLASS: Final = "alarm"  # a metric of this class is an alarm of the equipment
START_S_MAX: Final = 60.0
_ROOT: Final = Path(__file__).resolve().parents[2]


class SecsGemServer:
    """One piece of equipment, passive on a port of its own. A cut ends its process, as a power switch would.

    `commanded` hears START and STOP, where the equipment takes them.
    """

    def __init__(
        self,
        device: Device,
        metrics: tuple[Metric, ...],
        written: Written,
        commanded: Callable[[str], None] | None = None,
        *,
        period_s: float,
        port: int,
    ) -> None:
        self.device, self._port = device, port
        self._metrics, self._written, self._commanded = metrics, written, commanded
        self._period_s = max(period_s, 0.1)
        self._child: asyncio.subprocess.Process | None = None
        self._ear: asyncio.Task[None] | None = None
        self._said = ""

    @property
    def port(self) -> int:
        """Where the equipment listens; the same over a cut."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Switch on and wait until it listens."""
        child = self._child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "sim_devices.servers.secsgem_equipment", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )  # fmt: skip
        assert child.stdout is not None
        self._said = ""
        what = {"name": self.device.name, "port": self._port, "metrics": [_plain(one) for one in self._metrics]}
        self._say(what)
        async with asyncio.timeout(START_S_MAX):
            await child.stdout.readline()
        self._ear = tasks.create_task(self._listen(child.stdout), name=f"secsgem {self.device.name}")

    async def cut(self) -> None:
        """Switch it off."""
        if self._ear is not None:
            self._ear.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ear
            self._ear = None
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            assert self._child.stdin is not None
            self._child.stdin.close()
            await self._child.wait()
            self._child = None

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Show new values, when there are any."""
        line = json.dumps(dict(values))
        if line != self._said:
            self._said = line
            self._say(dict(values))

    def source(self) -> dict[str, Any]:
        """The agent's table."""
        points, events = [], []
        for number, metric in enumerate(self._metrics):
            if metric.point_class == ALARM_CLASS:
                continue
            spec = {"id": (CONSTANT if metric.writable else VARIABLE) + number, **point_spec(self.device, metric)}
            points.append(spec)
            if metric.kind == "state":
                events.append({"id": EVENT + number, "name": f"{metric.name}_changed", "values": [VARIABLE + number]})
        return {
            "kind": "secsgem", "name": self.device.name, "url": f"hsms://{LOOPBACK}:{self._port}",
            "period_s": self._period_s, "commands": list(COMMANDS) if self._commanded else [], "events": events,
            "points": points, "only_points": True,
        }  # fmt: skip

    def _say(self, told: Mapping[str, Any]) -> None:
        if self._child is not None and self._child.stdin is not None and not self._child.stdin.is_closing():
            self._child.stdin.write(json.dumps(told).encode() + b"\n")

    async def _listen(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            told = json.loads(line)
            with contextlib.suppress(InputError):
                if "written" in told:
                    self._written(told["written"], told["value"])
                elif "command" in told and self._commanded is not None:
                    self._commanded(told["command"])


def _plain(metric: Metric) -> dict[str, Any]:
    low, high = metric.low, metric.high
    return {
        "name": metric.name, "unit": metric.unit, "kind": metric.kind, "writable": metric.writable,
        "low": -1e9 if low is None else float(low), "high": 1e9 if high is None else float(high),
        "alarm": metric.point_class == ALARM_CLASS,
    }  # fmt: skip
