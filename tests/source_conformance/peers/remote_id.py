"""A simulated aircraft, without a place yet, and the receiver that hears it."""

import asyncio
from pathlib import Path
from typing import Any

from edge.conformance import Bench, free_port
from sim_devices.servers.remote_id import RemoteIdReceiver, pack

_TOLD = {
    "number": "N1", "operator": "OP", "lat_deg": 0.0, "lon_deg": 0.0, "track_deg": 90, "alt_ellipsoid_m": 300.0,
    "speed_m_s": 5.0, "climb_m_s": 0.0, "airborne": True,
}  # fmt: skip


class RemoteIdBench(Bench):
    can = frozenset({"leaves", "floods"})
    key = "n1/height"
    stale_within_s = 2.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.value, self.port = 1, free_port()
        self._receiver: RemoteIdReceiver | None = None
        self._hearing: asyncio.Task[None] | None = None

    def table(self) -> dict[str, Any]:
        return {"kind": "remote-id", "url": f"udp://127.0.0.1:{self.port}", "link_loss_s": 0.6}

    async def start(self) -> None:
        self._receiver = RemoteIdReceiver(self.port)
        self._hearing = asyncio.create_task(self._hear())

    async def stop(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])
            self._hearing = None
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None

    async def change(self, value: int) -> None:
        self.value = value
        self._say()

    async def flood(self) -> None:
        for value in range(2, 2_002):
            await self.change(value)
            if value % 50 == 0:
                await asyncio.sleep(0)

    async def _hear(self) -> None:
        while True:
            self._say()
            await asyncio.sleep(0.1)

    def _say(self) -> None:
        if self._receiver is not None:
            self._receiver.hear("02:00:00:00:00:01", pack({**_TOLD, "height_m": float(self.value)}))


BENCH = RemoteIdBench
