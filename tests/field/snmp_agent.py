"""An SNMP agent on loopback over a dict of values, which can be left to somebody mute or mad at its port."""

import asyncio
import random
from typing import Any

from sim_devices.servers.snmp import PASSWORDS, Oid, SnmpAgent
from wire.errors import InputError

__all__ = ["PASSWORDS", "Agent"]


class Mute(asyncio.DatagramProtocol):
    """Somebody at the agent's port who says nothing, or echoes questions as broken answers."""

    def __init__(self, noise: random.Random | None) -> None:
        self.noise = noise

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, sender: Any) -> None:
        if self.noise is not None:
            bad = bytearray(data.replace(b"\xa0", b"\xa2", 1))
            for _ in range(self.noise.randrange(1, 5)):
                bad[self.noise.randrange(len(bad))] ^= 1 << self.noise.randrange(8)
            self.transport.sendto(bytes(bad[: self.noise.choice((len(bad), self.noise.randrange(len(bad))))]), sender)


class Agent(SnmpAgent):
    """Its objects are those of the dict `held`; those in `writable` take a SET."""

    def __init__(self, port: int, held: dict[Oid, Any], writable: set[Oid]) -> None:
        super().__init__(port, held, self._set)
        self.held, self.writable = held, writable
        self._mute: Any = None

    async def mute(self, noise: random.Random | None = None) -> None:
        """Say nothing any more, or noise, at the same port; `start` ends it."""
        self.stop()
        endpoint = asyncio.get_running_loop().create_datagram_endpoint
        self._mute, _ = await endpoint(lambda: Mute(noise), sock=await self.socket())

    def stop(self) -> None:
        if self._mute is not None:
            self._mute.close()
            self._mute = None
        super().stop()

    def _set(self, oid: Oid, value: Any) -> None:
        if oid not in self.writable:
            raise InputError("takes no SET", field="oid")
        self.held[oid] = value
