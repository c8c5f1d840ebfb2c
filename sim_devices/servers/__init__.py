"""Servers of the protocols. One device = one server with a port of its own, which can be cut off and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sim_devices.readouts import Value
from sim_devices.site import Device

__all__ = ["LOOPBACK", "DeviceServer", "Written"]

LOOPBACK = "127.0.0.1"

Written = Callable[[str, float], None]
"""Called with (metric, value) when a client wrote; raises InputError when the device does not take it."""


class DeviceServer(Protocol):
    """One simulated device. `cut` drops its link and `start` brings it back at the same address, as a cable would."""

    device: Device

    async def start(self, tasks: asyncio.TaskGroup) -> None: ...

    async def cut(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Show new values by metric; None is a sensor that has nothing to say. Free of cost while cut."""
        ...

    def source(self) -> dict[str, Any]:
        """The `[[source]]` table with which an agent reads this device; known once started."""
        ...
