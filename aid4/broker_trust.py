"""Who may come to the broker, as the twin's register says: read at the start and whenever it changes."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from aid4.broker import Broker
from aid4.broker_tls import PROBE, BrokerTls
from aid4.broker_users import BrokerUser, node_user, twin_user
from twin.pki import local_names
from twin.pki_register import RegisterFile
from twin.trust import TrustDesk
from wire.clock import SystemClock
from wire.errors import Aid4Error

__all__ = ["TrustedBroker", "trusted_users"]

_LOOK_S: Final = 0.25  # a revocation is applied within it
_AGAIN_S: Final = 15.0  # certificates end without a change of the register
_SERVER_S: Final = 30 * 86_400.0  # the server's certificate holds 90 days
_PROBE_DAYS: Final = 3_650.0  # good for nothing but knocking


def trusted_users(register: RegisterFile, site: str, now_us: int) -> list[BrokerUser]:
    """One user for each certificate that holds now."""
    users = []
    for lineage in sorted(register.read().lineages, key=lambda one: (one.node, one.id)):
        if not lineage.holds(now_us):
            continue
        if lineage.node == PROBE:
            user = BrokerUser(PROBE, "-", publish=(PROBE,), subscribe=(PROBE,))
        elif lineage.node == "twin":
            user = twin_user(site, "-")
        else:
            user = node_user(site, lineage.node, "-")
        users.append(BrokerUser(user.name, "-", user.publish, user.subscribe, lineage.identity))
    return users


class TrustedBroker:
    """Makes and follows the broker of one site beyond loopback; `twin_data` is the twin's data directory, whose
    authority is made here if the twin never ran. `names` are further names of this machine."""

    def __init__(
        self,
        folder: Path,
        twin_data: Path,
        site: str,
        *,
        host: str,
        port: int = 0,
        websocket_port: int = 0,
        names: tuple[str, ...] = (),
        kind: Literal["nats", "mosquitto"] = "nats",
    ) -> None:
        self._site, self._names, self._host = site, local_names(host, names), host
        self._desk = TrustDesk(twin_data.resolve(), site, SystemClock(), lambda *_: None)
        self._register = self._desk.register
        probe = self._desk.issue_here(PROBE, self._desk.folder / "probe.pem", days=_PROBE_DAYS)
        authority = self._desk.authority
        server = authority.server_file("broker", self._names)
        tls = BrokerTls(host, authority.ca_file, authority.crl_file, server, probe, websocket_port)
        self._seen, self._served_s, self._problem = self._state(), time.monotonic(), ""
        self.broker = Broker(folder, self._seen[0], kind=kind, port=port, tls=tls)

    async def follow(self, warn: Callable[[str], None] = lambda _: None) -> None:
        """Apply what changes in the register, until cancelled. While it cannot be read the rights of before hold, and
        `warn` is told."""
        looked_s = self._served_s
        version = self._register.version
        while True:
            await asyncio.sleep(_LOOK_S)
            now_s = time.monotonic()
            if self._register.version == version and now_s - looked_s < _AGAIN_S:
                continue
            version, looked_s = self._register.version, now_s
            try:
                await self._apply(now_s)
            except (OSError, Aid4Error) as error:
                version = (0, 0)  # again at the next look
                if str(error) != self._problem:
                    warn(f"certificates are not followed: {error}")
                self._problem = str(error)

    async def _apply(self, now_s: float) -> None:
        if now_s - self._served_s > _SERVER_S:
            await asyncio.to_thread(self._desk.authority.server_file, "broker", self._names)
            self._served_s, self._seen = now_s, ([], 0)
        state = await asyncio.to_thread(self._state)
        if state != self._seen:
            self._seen = state
            await asyncio.to_thread(self.broker.reload, state[0])

    def _state(self) -> tuple[list[BrokerUser], int]:
        """The users of now, and which revocation list goes with them."""
        crl = self._desk.authority.crl_file
        users = trusted_users(self._register, self._site, time.time_ns() // 1_000)
        return users, crl.stat().st_mtime_ns
