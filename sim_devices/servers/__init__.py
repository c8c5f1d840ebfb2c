"""Servers of the protocols. One device = one server with a port of its own, which can be cut off and come back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sim_devices.readouts import Value
from sim_devices.site import Device, Metric

__all__ = ["LOOPBACK", "DeviceServer", "Written", "point_spec", "udp_socket"]

LOOPBACK = "127.0.0.1"

Written = Callable[[str, float], None]
"""Called with (metric, value) when a client wrote; raises InputError when the device does not take it."""


class DeviceServer(Protocol):
    """One simulated device. `cut` drops its link and `start` brings it back at the same address, as a cable would."""

    device: Device

    @property
    def port(self) -> int:
        """Where it listens on loopback; 0 when it does not."""
        ...

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Go on the net; what runs in the background runs in `tasks`."""
        ...

    async def cut(self) -> None:
        """Drop the link."""
        ...

    async def close(self) -> None:
        """End for good."""
        ...

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Show new values by metric; None is a sensor that has nothing to say. Free of cost while cut."""
        ...

    def source(self) -> dict[str, Any]:
        """The `[[source]]` table with which an agent reads this device; known once started."""
        ...


def udp_socket(port: int) -> socket.socket:
    """A socket on loopback with room for a burst; OSError when somebody has the port."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind((LOOPBACK, port))
    except OSError:
        made.close()
        raise
    return made


def point_spec(device: Device, metric: Metric) -> dict[str, Any]:
    """What an agent may know of a point beside where it stands in the protocol."""
    spec = {
        "metric": metric.name,
        "unit": metric.unit,
        "point_class": metric.point_class,
        "low": metric.low,
        "high": metric.high,
        "label": f"{device.label or device.name}: {metric.name.replace('_', ' ')}",
        "space_hint": device.space,
    }
    return {name: value for name, value in spec.items() if value not in (None, "")}
