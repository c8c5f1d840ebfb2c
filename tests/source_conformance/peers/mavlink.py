"""A vehicle that says which mission item it is at; UDP, so a pulled cable is mere silence."""

import asyncio
import io
from pathlib import Path
from typing import Any

from pymavlink.dialects.v20 import all as mavlink

from edge.conformance import Bench, free_port

SAY_S = 0.05


class MavlinkBench(Bench):
    can = frozenset({"leaves", "garbles", "floods"})
    stale_within_s = 0.5

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self.value, self.garbled = free_port(), 1, False
        self.flying: asyncio.Task[None] | None = None
        self.mav = mavlink.MAVLink(io.BytesIO(), srcSystem=1, srcComponent=1)

    def table(self) -> dict[str, Any]:
        url = f"udpin://127.0.0.1:{self.port}"
        return {"kind": "mavlink", "url": url, "metrics": ["mission_item"], "link_loss_s": 0.5}

    async def start(self) -> None:
        self.flying = asyncio.create_task(self._fly())

    async def stop(self) -> None:
        if self.flying is not None:
            self.flying.cancel()
            await asyncio.wait([self.flying])
            self.flying = None

    async def change(self, value: int) -> None:
        self.value = value

    async def garble(self) -> None:
        self.garbled = True

    async def mend(self) -> None:
        self.garbled = False

    async def flood(self) -> None:
        await self._send(2_000)

    async def _send(self, times: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        try:
            for _ in range(times):
                self._say(transport)
        finally:
            transport.close()

    async def _fly(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        try:
            while True:
                self._say(transport)
                await asyncio.sleep(SAY_S)
        finally:
            transport.close()

    def _say(self, transport: asyncio.DatagramTransport) -> None:
        for message in (self.mav.heartbeat_encode(2, 3, 81, 5, 4), self.mav.mission_current_encode(self.value)):
            frame = bytearray(message.pack(self.mav))
            if self.garbled:
                frame[-1] ^= 0x5A  # the checksum
            transport.sendto(bytes(frame), ("127.0.0.1", self.port))
            self.mav.seq = (self.mav.seq + 1) % 256


BENCH = MavlinkBench
