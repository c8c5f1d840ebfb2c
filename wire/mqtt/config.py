"""What a link is told, what one connection of it must do, and what it counts."""

import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from wire.errors import ConfigError
from wire.limits import CLOCK_TRUSTED_FROM_US, LINK_BUFFER_BYTES, LINK_READ_BYTES
from wire.mqtt.packets import Message, Will
from wire.mqtt.proxy import Proxy

__all__ = ["LinkConfig", "LinkStats", "Session", "TlsConfig"]

_CLIENT_ID_CHARS = 64
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the module ssl has no name for


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Certificates: whom to trust (`ca`, else the system's store) and who we are (`cert`, `key`)."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """A client context of TLS 1.2 or later; ConfigError names the file that cannot be used.

        On a machine whose clock was never set, signatures and names are checked and times are not: it must reach its
        peer to learn the time. Without a `ca` of its own it does not go so far.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except OSError as error:
            named = ", ".join(str(path) for path in (self.ca, self.cert, self.key) if path is not None)
            fix = "give PEM files that exist and belong together"
            raise ConfigError(f"certificates cannot be used ({error})", file=named, field="tls", fix=fix) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca is not None and time.time_ns() // 1_000 < CLOCK_TRUSTED_FROM_US:
            context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        return context


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """How to reach a broker. `client_id` gets a random suffix: two starts never take each other's session."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    client_id: str = "aid4"
    tls: TlsConfig | None = None
    keepalive_s: float = 10.0
    will: Will | None = None
    transport: Literal["fast", "paho"] = "fast"
    manual_ack: bool = False
    connect_timeout_s: float = 5.0
    buffer_bytes: int = LINK_BUFFER_BYTES
    read_bytes: int = LINK_READ_BYTES  # fast only: taken from the socket at once
    coalesce_s: float = 0.0  # fast only: rest so long after each read, so that small messages come in batches
    version: Literal[4, 5] = 4  # 5 and websockets need transport="paho"
    websocket_path: str = ""
    proxy: Proxy | None = None

    def __post_init__(self) -> None:
        if self.transport == "fast" and (self.version == 5 or self.websocket_path):
            fix = 'set transport = "paho"'
            raise ConfigError("the fast transport speaks MQTT 3.1.1 over TCP only", field="transport", fix=fix)
        if not 0 < self.port < 65_536:
            raise ConfigError(f"port {self.port} is none", field="port", fix="give a port from 1 to 65535")
        if not 0.2 <= self.keepalive_s <= 3_600:
            fix = "give 0.2 to 3600 seconds"
            raise ConfigError(f"keepalive of {self.keepalive_s} s", field="keepalive_s", fix=fix)

    def new_client_id(self) -> str:
        """The configured name, shortened, and 48 random bits."""
        return f"{self.client_id[:_CLIENT_ID_CHARS]}-{secrets.token_hex(6)}"


@dataclass(slots=True)
class LinkStats:
    """Counters of a link over all its connections.

    `acknowledged` and `refused` count PUBACKs; a broker of 3.1.1 acknowledges what it refuses.
    """

    connects: int = 0
    failures: int = 0
    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    acknowledged: int = 0
    refused: int = 0
    last_error: str = ""


class Session(Protocol):
    """One connection from CONNECT to its end; `Link` makes a new one for each attempt."""

    async def open(self) -> None:
        """Connect and wait for the CONNACK; LinkError when refused or too late."""

    async def ended(self) -> None:
        """Wait for the end of the connection and raise what ended it."""

    async def close(self) -> None:
        """Say goodbye when still connected, free everything; never raises."""

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> bool:
        """Hand one message over, or say no."""

    def publish_many(self, topic: str, payloads: list[bytes]) -> int:
        """Hand messages over at QoS 0, return how many were taken."""

    async def drained(self) -> None:
        """Wait until there is room again; returns at once on an ended connection."""

    async def subscribe(self, filters: list[tuple[str, int]]) -> None:
        """Subscribe and wait for the SUBACK; LinkError when one filter is refused."""

    async def unsubscribe(self, filters: list[str]) -> None:
        """Unsubscribe and wait for the UNSUBACK."""

    def ack(self, messages: list[Message]) -> None:
        """PUBACK messages of this connection; those of another one are passed over."""


SessionFactory = Callable[[LinkConfig, int, Callable[[list[Message]], None], LinkStats], Session]
