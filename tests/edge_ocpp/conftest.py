"""Simulated chargers of the three versions on loopback, and a bare WebSocket for what no charger should send."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from acting_reader import Reader
from websockets.asyncio.client import ClientConnection, connect

from sim_devices.servers.ocpp import Central, OcppCharger
from sim_devices.site import Device, Metric

METRICS = (
    Metric("power", "kW", low=0, high=30),
    Metric("current", "A"),
    Metric("voltage", "V"),
    Metric("session_energy", "kW.h"),
    Metric("vehicle_soc", "%"),
    Metric("current_limit", "A", low=6, high=32, writable=True),
    Metric("connector_state", kind="state", declared="enum"),
)
CHARGING = {
    "power": 11.0, "current": 15.9, "voltage": 231.0, "session_energy": 2.5, "vehicle_soc": 55.0,
    "current_limit": 32.0, "connector_state": "Charging",
}  # fmt: skip
FREE = {**CHARGING, "power": 0.0, "current": 0.0, "session_energy": 0.0, "vehicle_soc": 0.0,
        "connector_state": "Available"}  # fmt: skip


class Bay:
    """A charger with what it shows and what it was told."""

    def __init__(self, name: str, version: str, port: int, password: str = "") -> None:
        self.shown: dict[str, Any] = dict(FREE)
        self.obeyed: list[tuple[str, Any]] = []
        device = Device(name=name, kind="ev-charger", protocol="ocpp", space="Charging yard", label=f"EV {name}")
        self.charger = OcppCharger(
            device, METRICS, Central(port), version, 0.2, self.write, lambda word: self.obeyed.append((word, None)),
            password,
        )  # fmt: skip

    def write(self, metric: str, value: float) -> None:
        self.obeyed.append((metric, value))
        self.shown[metric] = value

    async def show(self, **changes: Any) -> None:
        self.shown |= changes
        await self.charger.publish(self.shown)


class Yard:
    """A running central system with its chargers."""

    def __init__(self, reader: Reader, tasks: asyncio.TaskGroup) -> None:
        self.reader, self.source, self._tasks = reader, reader.source, tasks
        self.bays: list[Bay] = []

    async def add(self, name: str, version: str, password: str = "") -> Bay:
        bay = Bay(name, version, self.source.port, password)
        self.bays.append(bay)
        await bay.show()
        await bay.charger.start(self._tasks)
        return bay

    @asynccontextmanager
    async def bare(self, identity: str, *versions: str) -> AsyncIterator[ClientConnection]:
        url = f"ws://127.0.0.1:{self.source.port}/ocpp/{identity}"
        async with connect(url, subprotocols=list(versions or ("ocpp1.6",)), proxy=None) as link:  # type: ignore[arg-type]
            yield link


async def ask(link: ClientConnection, action: str, payload: Any, number: str = "1") -> list[Any]:
    """Send a call as it stands and give the answer to it, answering nothing that is asked meanwhile."""
    await link.send(json.dumps([2, number, action, payload]))
    async with asyncio.timeout(60):
        while True:
            frame: list[Any] = json.loads(await link.recv())
            if frame[0] in (3, 4) and frame[1] == number:
                return frame


Open = Callable[..., Any]


@pytest.fixture
def open_yard(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def opened(**config: Any) -> AsyncIterator[Yard]:
        table = {"kind": "ocpp", "name": "chargers", "url": "ws://127.0.0.1:0/ocpp", **config}
        async with Reader(table, tmp_path) as reader, asyncio.TaskGroup() as tasks:
            await reader.until(lambda: reader.source.port)
            yard = Yard(reader, tasks)
            try:
                yield yard
            finally:
                for bay in yard.bays:
                    await bay.charger.close()

    return opened


@pytest.fixture
def asking() -> Any:
    return ask
