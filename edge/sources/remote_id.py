"""Remote ID (ASTM F3411): aircraft in the air around, from a receiver that passes on what it hears over UDP.

[[source]]                      # tested: the sample is the config of the first test
kind = "remote-id"
name = "sky"
url = "udp://127.0.0.1:4774"    # where the receiver sends to
link_loss_s = 10.0              # an aircraft speaks at least once a second
trusted = ["127.0.0.1"]         # receivers by address; none: whoever sends

One datagram is one JSON object: {"mac": "60:60:1f:…", "data": "<hex>", "radio": "wifi_beacon", "rssi": -71}. `data` is
the ASTM payload, one 25-byte message or a message pack, as it stands behind the message counter; the rest but `mac`
may be missing. An aircraft is a device called after its serial number, or its radio's address until it has told one.
Places are above the ellipsoid. Nobody proves who sends: a leap that no aircraft makes is bad, and one number from two
radios is told as suspect.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from ipaddress import ip_address
from types import TracebackType
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceHealth, SourceKind
from edge.sources.link_time import LinkTime
from edge.sources.pose_check import SPEED_M_S_MAX
from edge.sources.remote_id_rows import AircraftRows
from wire.catalogue import Point
from wire.errors import ConfigError

__all__ = ["SOURCE", "RemoteId", "RemoteIdConfig"]

GATHER_S: Final = 0.1
DATAGRAM_BYTES_MAX: Final = 2_048  # a full pack is 228 bytes, 456 as hex
PENDING_MAX: Final = 5_000  # a second of 500 aircraft at ten messages; beyond it the newest are dropped and counted
RETRY_S: Final = 1.0
_MAC: Final = re.compile(r"[0-9a-fA-F:.-]{4,32}\Z")


class RemoteIdConfig(SourceConfig, tag="remote-id"):
    """Config of one place to listen at."""

    url: str
    link_loss_s: Annotated[float, msgspec.Meta(ge=0.5, le=600)] = 10.0
    trusted: tuple[str, ...] = ()
    space: str = ""
    speed_m_s_max: Annotated[float, msgspec.Meta(ge=1, le=1e6)] = SPEED_M_S_MAX  # a leap beyond is no flight


class _Told(msgspec.Struct):
    """A datagram; fields that are not named are passed over."""

    mac: str
    data: str
    radio: str = ""
    rssi: float | None = None


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, source: "RemoteId") -> None:
        self._source = source

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._source.heard(data, str(addr[0]))


class RemoteId:
    """Receivers of one socket as a source."""

    def __init__(self, config: RemoteIdConfig, context: SourceContext) -> None:
        self.health = SourceHealth()
        self._config, self._time = config, LinkTime(context.clock)
        self._host, self._port = _address(config)
        self._trusted = frozenset(str(ip_address(one)) for one in config.trusted)
        self._rows = AircraftRows(
            round(config.link_loss_s * 1e6), config.space, self.health, speed_m_s_max=config.speed_m_s_max
        )
        self._pending: deque[tuple[int, bytes]] = deque()
        self._transport: asyncio.DatagramTransport | None = None
        self._last_us = 0

    async def __aenter__(self) -> Self:
        self.health.state, self.health.why = "waiting", f"nothing heard on {self._config.url} yet"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()
        self.health.state = "ended"

    @property
    def port(self) -> int:
        """Where it listens; 0 when it does not."""
        return int(self._transport.get_extra_info("sockname")[1]) if self._transport else 0

    def points(self) -> list[Point]:
        """The points of the aircraft heard so far."""
        return self._rows.points.points

    async def batches(self) -> AsyncIterator[Batch]:
        """What was heard, gathered for a tenth of a second; aircraft that fell silent."""
        while True:
            if self._transport is None:
                await self._open()
            await asyncio.sleep(GATHER_S)
            if step_us := self._time.step_us():
                self._rows.clock_stepped(step_us)
                self._pending = deque((at_us + step_us, data) for at_us, data in self._pending)
                self._last_us += step_us
            for batch in self._poll():
                yield batch

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Nobody takes commands over Remote ID."""
        raise SourceError("write", f"{point.key}: Remote ID is heard, not spoken to")

    def heard(self, data: bytes, sender: str) -> None:
        """Take one datagram from the socket."""
        if self._trusted and sender not in self._trusted:
            self.health.error("refused", f"{sender} is no receiver of the list")
        elif len(self._pending) >= PENDING_MAX or len(data) > DATAGRAM_BYTES_MAX:
            self.health.received += 1
            self.health.discarded += 1
            self.health.error("overflow", f"over {PENDING_MAX} datagrams wait, or one is too long")
        else:
            self._last_us = max(self._time.now_us(), self._last_us + 1)  # no two at one µs
            self._pending.append((self._last_us, data))

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            made, _ = await loop.create_datagram_endpoint(lambda: _Ear(self), local_addr=(self._host, self._port))
            self._transport = made
        except OSError as error:
            self.health.error("connect", f"cannot listen on {self._config.url}: {error}")
            await asyncio.sleep(RETRY_S)

    def _poll(self) -> list[Batch]:
        pending, self._pending = self._pending, deque()
        for at_us, data in pending:
            try:
                told = msgspec.json.decode(data, type=_Told)
                if not _MAC.match(told.mac):
                    raise ValueError("no address of a radio")
                self._rows.take(told.mac.lower(), bytes.fromhex(told.data), told.rssi, at_us)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                self.health.received += 1
                self.health.discarded += 1
                self.health.error("decode", str(error)[:200])
        now_us = self._time.now_us()
        found = self._rows.batches(now_us)
        if self._rows.alive:
            self.health.state, self.health.why, self.health.last_us = "running", "", now_us
        elif self.health.state == "running":
            self.health.state, self.health.why = "waiting", f"no aircraft for {self._config.link_loss_s:g} s"
        return found


def _address(config: RemoteIdConfig) -> tuple[str, int]:
    try:
        parts = urlsplit(config.url)
        port = parts.port
        for one in config.trusted:
            ip_address(one)
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "udp" or not parts.hostname or port is None:
        fix = 'write udp://0.0.0.0:4774, and receivers like "10.0.0.7"'
        raise ConfigError(f"{config.url!r} is no address to listen on, or a receiver is none", field="url", fix=fix)
    return parts.hostname, port


SOURCE = SourceKind(RemoteIdConfig, RemoteId)
