"""An SNMP agent on loopback: pysnmp's command responder over a dict of values. v2c `public`, v3 `engineer`."""

import asyncio
import bisect
import random
import socket
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto import rfc1905
from pysnmp.smi import error
from pysnmp.smi.instrum import AbstractMibInstrumController

Oid = tuple[int, ...]
PASSWORDS = ("authentic words", "private words")
HERE = (1, 3, 6)


class Values(AbstractMibInstrumController):
    """What the agent holds; `asked` counts requests."""

    def __init__(self, held: dict[Oid, Any], writable: set[Oid]) -> None:
        self.held, self.writable, self.asked = held, writable, 0

    def read_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        self.asked += 1
        return [(name, self.held.get(tuple(name), rfc1905.noSuchInstance)) for name, _value in pairs]

    def read_next_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        names = sorted(self.held)
        found = []
        for name, _value in pairs:
            at = bisect.bisect_right(names, tuple(name))
            end = at == len(names)
            found.append((name, rfc1905.endOfMibView) if end else (names[at], self.held[names[at]]))
        return found

    def write_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        for at, (name, value) in enumerate(pairs):
            if tuple(name) not in self.writable:
                raise error.NotWritableError(idx=at)
            self.held[tuple(name)] = value
        return list(pairs)


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


class Agent:
    """`start` and `stop` at the same port."""

    def __init__(self, port: int, held: dict[Oid, Any], writable: set[Oid]) -> None:
        self.port, self.values = port, Values(held, writable)
        self._engine: Any = None
        self._mute: Any = None

    async def mute(self, noise: random.Random | None = None) -> None:
        """Say nothing any more, or noise, at the same port; `start` ends it."""
        self.stop()
        await self._freed()
        endpoint = asyncio.get_running_loop().create_datagram_endpoint
        self._mute, _ = await endpoint(lambda: Mute(noise), ("127.0.0.1", self.port))

    async def _freed(self) -> None:
        """A closed socket leaves its port some turns of the loop later."""
        async with asyncio.timeout(60):
            while True:
                try:
                    with socket.socket(type=socket.SOCK_DGRAM) as probe:
                        probe.bind(("127.0.0.1", self.port))
                    return
                except OSError:
                    await asyncio.sleep(0.01)

    async def start(self) -> None:
        self.stop()
        await self._freed()
        self._engine = made = engine.SnmpEngine()
        config.add_transport(made, udp.DOMAIN_NAME, udp.UdpTransport().open_server_mode(("127.0.0.1", self.port)))
        config.add_v1_system(made, "lab", "public")
        config.add_v3_user(
            made, "engineer", config.USM_AUTH_HMAC192_SHA256, PASSWORDS[0], config.USM_PRIV_CFB128_AES, PASSWORDS[1]
        )
        config.add_vacm_user(made, 2, "lab", "noAuthNoPriv", HERE, HERE)
        config.add_vacm_user(made, 3, "engineer", "authPriv", HERE, HERE)
        about = context.SnmpContext(made)
        about.unregister_context_name(b"")
        about.register_context_name(b"", self.values)
        responders = (cmdrsp.GetCommandResponder, cmdrsp.BulkCommandResponder, cmdrsp.SetCommandResponder)
        for responder in responders:
            responder(made, about)

    def stop(self) -> None:
        if self._mute is not None:
            self._mute.close()
            self._mute = None
        if self._engine is not None:
            self._engine.close_dispatcher()
            self._engine = None
