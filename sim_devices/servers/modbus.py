"""A device as a Modbus TCP server: function codes 3 and 4 read its map, 6 and 16 write what is writable.

Addresses outside the map answer exception 2, values that the device does not take exception 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, Written, point_spec
from sim_devices.servers.registers import Register, RegisterMap
from sim_devices.servers.sunspec import BASE, fixed_words, live_words
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = ["ModbusServer"]

ANY_UNIT = 0  # pymodbus: answers every unit id, as most TCP devices do
BIT_CODES = (1, 2, 5, 15)  # there are no coils here


class ModbusServer:
    """One device with its register image; requests read the image, `publish` renews it."""

    def __init__(
        self,
        device: Device,
        metrics: tuple[Metric, ...],
        registers: RegisterMap,
        written: Written,
        *,
        period_s: float = 1.0,
        port: int = 0,
    ) -> None:
        self.device = device
        self._metrics, self._period_s = metrics, period_s
        self._registers = registers.registers
        self._written = written
        self._port = port
        self._server: ModbusTcpServer | None = None
        self._image: dict[int, int] = {}
        if device.protocol == "sunspec":
            self._image.update(enumerate(fixed_words(device), start=BASE))
        for register in self._registers:
            self._show(register, None)

    @property
    def port(self) -> int:
        """Its TCP port on loopback, kept over cuts; 0 before the first start unless one was asked for."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen."""
        self._server = ModbusTcpServer(self._sim_device(), address=(LOOPBACK, self._port))
        await self._server.serve_forever(background=True)
        listening = self._server.transport
        assert isinstance(listening, asyncio.Server)
        self._port = listening.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Drop the clients and stop listening."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
            self._server = None

    async def close(self) -> None:
        """End the server."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Renew the image."""
        for register in self._registers:
            self._show(register, values[register.metric])
        if self.device.protocol == "sunspec":
            self._image.update(live_words(values))

    def source(self) -> dict[str, Any]:
        """The agent's table: the same register map by its path, and what the site's table says of each point."""
        return {
            "kind": "modbus",
            "name": self.device.name,
            "device": self.device.name,
            "url": f"tcp://{LOOPBACK}:{self._port}",
            "period_s": self._period_s,
            "map": f"profiles/modbus/campus-{self.device.kind}.toml",
            "points": [point_spec(self.device, metric) for metric in self._metrics],
        }

    def _show(self, register: Register, value: Value | None) -> None:
        for offset, word in enumerate(register.encode(value)):
            self._image[register.address + offset] = word

    def _sim_device(self) -> SimDevice:
        """The map as runs of adjacent registers; holes between them answer exception 2."""
        writable = {
            register.address + offset
            for register in self._registers
            if register.writable
            for offset in range(register.words)
        }
        data = [
            SimData(address, values=self._image[address], datatype=DataType.REGISTERS, readonly=address not in writable)
            for address in sorted(self._image)
        ]
        return SimDevice(id=ANY_UNIT, simdata=data, action=self._on_request)

    async def _on_request(
        self, code: int, start: int, address: int, count: int, current: list[int], values: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        """Called by pymodbus before it answers: fill in the image, or take what was written."""
        if code in BIT_CODES:
            return ExcCodes.ILLEGAL_FUNCTION
        if values is None:
            for place in range(address, address + count):
                current[place - start] = self._image[place]
            return None
        return self._take(address, [int(word) for word in values])

    def _take(self, address: int, words: list[int]) -> ExcCodes | None:
        """Hand a write of exactly one metric to the physics."""
        register = next((register for register in self._registers if register.address == address), None)
        if register is None or register.words != len(words):
            return ExcCodes.ILLEGAL_VALUE
        try:
            self._written(register.metric, register.decode(words))
        except InputError:
            return ExcCodes.ILLEGAL_VALUE
        self._image.update(enumerate(words, start=address))
        return None
