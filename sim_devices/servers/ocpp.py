"""A charge point that speaks OCPP 1.6, 2.0.1 or 2.1 to a central system, with the library's own charge point classes.

It connects outward, as chargers do, and again when it was cut. What happened meanwhile (transactions and their meter
values) is kept and told with its own times. It obeys remote start and stop, smart-charging profiles, reset and
availability, and works out its composite schedule.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ocpp.exceptions import OCPPError
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from sim_devices.readouts import Value
from sim_devices.servers import Written, point_spec
from sim_devices.servers.ocpp_roles import ROLES, Report
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = ["Central", "OcppCharger"]

RECONNECT_S_MIN, RECONNECT_S_MAX = 0.2, 2.0
BACKLOG_MAX: Final = 2_000  # reports kept while cut; the oldest go, as in a charger's flash
ANSWER_S_MAX: Final = 30
REBOOT_S: Final = 0.2
ATTEMPTS_MAX: Final = 10
RETRY_S: Final = 0.3
_METERED: Final = ("power", "current", "voltage", "vehicle_soc")

logging.getLogger("ocpp").setLevel(logging.CRITICAL)  # it writes every message


class Central:
    """Where chargers connect to: the agent's address on loopback, and the secret of those that have one."""

    def __init__(self, port: int, path: str = "/ocpp", host: str = "127.0.0.1") -> None:
        self.host, self.port, self.path = host, port, path

    @property
    def url(self) -> str:
        """What the agent is told to listen on."""
        return f"ws://{self.host}:{self.port}{self.path}"


class OcppCharger:
    """One charger; `written` takes a limit, `commanded` the words start and stop."""

    def __init__(
        self,
        device: Device,
        metrics: tuple[Metric, ...],
        central: Central,
        version: str,
        period_s: float,
        written: Written,
        commanded: Callable[[str], None],
        password: str = "",
    ) -> None:
        self.device, self.version = device, version
        self._metrics, self._central, self._period_s = metrics, central, max(period_s, 0.2)
        self._written, self._commanded, self._password = written, commanded, password
        self._task: asyncio.Task[None] | None = None
        self._values: Mapping[str, Value | None] = {}
        self._news = asyncio.Event()
        self._report = Report()
        self._backlog: deque[tuple[str, dict[str, Any]]] = deque(maxlen=BACKLOG_MAX)
        self._reset = asyncio.Event()
        self._away = False
        self._due_s = 0.0
        self.operative = True
        self.online = asyncio.Event()

    @property
    def port(self) -> int:
        """It listens on none."""
        return 0

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Keep a connection; a central system that is not there yet is waited for."""
        self._away = False
        self._task = tasks.create_task(self._stay_connected(), name=f"ocpp {self.device.name}")

    async def cut(self) -> None:
        """Lose the network; charging goes on."""
        self._away = True
        if self._task is not None:
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=1.0)
            self._task = None
        self.online.clear()

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Note what happened; what has to be told waits for the connection."""
        self._values = values
        state = values.get("connector_state")
        at = datetime.now(UTC)
        if isinstance(state, str) and state != self._report.state:
            self._backlog.extend(self._report.follow(state, _number(values, "session_energy"), at, self.operative))
            self._news.set()
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._due_s and (self._report.transaction or self.online.is_set()):
            self._due_s = now_s + self._period_s
            self._sample(at)

    def source(self) -> dict[str, Any]:
        """The agent's table: the central system with this one charger."""
        spec: dict[str, Any] = {
            "identity": self.device.name,
            "device": self.device.name,
            "label": self.device.label,
            "space_hint": self.device.space,
            "points": [point_spec(self.device, metric) for metric in self._metrics],
        }
        if self._password:
            spec["password"] = self._password
        return {"kind": "ocpp", "name": "chargers", "url": self._central.url, "chargers": [spec]}

    # -- what the central system asks

    def limit_a(self) -> float:
        """The limit that it follows."""
        return _number(self._values, "current_limit")

    def take_limit(self, limit_a: float) -> bool:
        """Follow a new limit; False when it is none that this charger can follow."""
        try:
            self._written("current_limit", limit_a)
        except InputError:
            return False
        self._values = {**self._values, "current_limit": limit_a}
        return True

    def command(self, word: str) -> bool:
        """Start or stop charging; False when that cannot be now."""
        try:
            self._commanded(word)
        except InputError:
            return False
        return True

    def set_operative(self, operative: bool) -> None:
        """Put it in or out of service."""
        self.operative = operative
        self.say_state()

    def say_state(self) -> None:
        """Tell the connector's state and the meter anew."""
        at = datetime.now(UTC)
        self._backlog.append(self._report.status(at, self.operative))
        self._sample(at)

    def _sample(self, at: datetime) -> None:
        metered = {name: _number(self._values, name) for name in _METERED if self._values.get(name) is not None}
        self._backlog.append(self._report.meter(metered, _number(self._values, "session_energy"), at))
        self._news.set()

    def reboot_soon(self) -> None:
        """Go away once this was answered, and come back with a BootNotification."""
        asyncio.get_running_loop().call_later(REBOOT_S, self._reset.set)

    # -- the connection

    async def _stay_connected(self) -> None:
        wait_s = RECONNECT_S_MIN
        while not self._away:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError, OCPPError):
                await self._talk()
                wait_s = RECONNECT_S_MIN
            self.online.clear()
            await asyncio.sleep(wait_s)
            wait_s = min(2.0 * wait_s, RECONNECT_S_MAX)

    async def _talk(self) -> None:
        secret = f"{self.device.name}:{self._password}@" if self._password else ""
        central = self._central
        url = f"ws://{secret}{central.host}:{central.port}{central.path}/{self.device.name}"
        role = ROLES[self.version]
        opening = connect(url, subprotocols=[role.subprotocol], open_timeout=10.0, close_timeout=0.5, proxy=None)
        async with opening as link:
            self._reset.clear()
            speaker = role.speaker(self, link, ANSWER_S_MAX)
            tasks = [
                asyncio.create_task(one, name=f"ocpp {self.device.name}")
                for one in (speaker.start(), self._speak(role, speaker), self._reset.wait())
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _speak(self, role: Any, speaker: Any) -> None:
        """Boot, then the backlog in its order, then whatever comes up."""
        boot = await speaker.call(role.boot("AID4", "Simulated charger"))
        if boot is None or boot.status != "Accepted":
            return
        self.online.set()
        if self._report.state:
            self.say_state()
        refusals = 0
        while True:
            while self._backlog:
                kind, told = self._backlog[0]
                try:
                    answer = await speaker.call(role.message(kind, told, self._report), suppress=False)
                except OCPPError:  # it is kept and said again, a few times
                    refusals += 1
                    if refusals < ATTEMPTS_MAX:
                        await asyncio.sleep(RETRY_S)
                        continue
                    answer = None
                refusals = 0
                if kind == "begin":
                    self._report.began(told, getattr(answer, "transaction_id", None))
                if self._backlog and self._backlog[0][1] is told:
                    self._backlog.popleft()
            await self._news.wait()
            self._news.clear()


def _number(values: Mapping[str, Value | None], name: str) -> float:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
