"""The ways MAVLink bytes come in: UDP that listens or calls, TCP, a serial line. One address, one `Transport`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import serial

from wire.errors import ConfigError

__all__ = ["Address", "Peer", "Received", "Transport", "open_transport", "parse_address"]

READ_BYTES: Final = 65_536
BAUDRATE: Final = 57_600  # of telemetry radios
WRITE_S_MAX: Final = 0.5  # a serial line that takes nothing must not hold up the agent
_SCHEMES: Final = {"udpin": 14_550, "udpout": 14_550, "tcp": 5_760, "serial": 0}
_FIX: Final = (
    "write udpin://0.0.0.0:14550, udpout://host:14550, tcp://host:5760 or serial:///dev/ttyUSB0?baudrate=57600"
)

Peer = tuple[Any, ...]
"""Who sent it: host and port of a datagram, () on a line with two ends."""
Received = Callable[[bytes, Peer], None]


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address of a link."""

    scheme: str
    host: str
    port: int
    path: str = ""
    baudrate: int = BAUDRATE


class Transport(Protocol):
    """An open link."""

    async def run(self, received: Received) -> None:
        """Hand over what comes in until the link is over; then return or raise OSError."""
        ...

    def send(self, data: bytes, peer: Peer) -> None:
        """Send without waiting; what cannot go is dropped."""
        ...

    def close(self) -> None:
        """Close the link."""
        ...


def parse_address(url: str) -> Address:
    """Parse an address; ConfigError with the ways to write one."""
    parts = urlsplit(url)
    try:
        port, query = parts.port, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        baudrate = int(query.pop("baudrate", BAUDRATE))
        if parts.scheme not in _SCHEMES or query or not 300 <= baudrate <= 4_000_000:
            raise ValueError
    except ValueError:
        raise ConfigError(f"{url!r} is no MAVLink address", field="url", fix=_FIX) from None
    is_line = parts.scheme == "serial"
    if (is_line and not parts.path) or (not is_line and not parts.hostname):
        raise ConfigError(f"{url!r} names no {'device' if is_line else 'host'}", field="url", fix=_FIX)
    port = _SCHEMES[parts.scheme] if port is None else port
    return Address(parts.scheme, parts.hostname or "", port, parts.path, baudrate)


async def open_transport(address: Address) -> Transport:
    """Open a link; OSError when that fails (serial.SerialException is one)."""
    if address.scheme == "tcp":
        return _Tcp(*await asyncio.open_connection(address.host, address.port))
    if address.scheme == "serial":
        return _Line(
            serial.Serial(address.path, address.baudrate, timeout=0, write_timeout=WRITE_S_MAX, exclusive=True)
        )
    loop, place = asyncio.get_running_loop(), (address.host, address.port)
    if address.scheme == "udpin":
        _, found = await loop.create_datagram_endpoint(_Datagrams, local_addr=place)
    else:
        _, found = await loop.create_datagram_endpoint(_Datagrams, remote_addr=place)
    return found


class _Datagrams(asyncio.DatagramProtocol):
    """UDP. A peer that is not there is no error: it may come."""

    def __init__(self) -> None:
        self._over = asyncio.get_running_loop().create_future()
        self._received: Received = lambda data, peer: None
        self._udp: asyncio.DatagramTransport

    async def run(self, received: Received) -> None:
        self._received = received
        await self._over

    def send(self, data: bytes, peer: Peer) -> None:
        is_called = self._udp.get_extra_info("peername") is not None
        if is_called:
            self._udp.sendto(data)
        elif peer:
            self._udp.sendto(data, peer)

    def close(self) -> None:
        self._udp.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._udp = cast("asyncio.DatagramTransport", transport)  # which asyncio's own does not derive from

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        self._received(data, addr)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(None)


class _Tcp:
    """A TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def run(self, received: Received) -> None:
        while data := await self._reader.read(READ_BYTES):
            received(data, ())
        raise ConnectionResetError("the other end closed the connection")

    def send(self, data: bytes, peer: Peer) -> None:
        if self._writer.transport.get_write_buffer_size() < READ_BYTES:
            self._writer.write(data)

    def close(self) -> None:
        self._writer.close()


class _Line:
    """A serial line; its file descriptor is watched by the event loop."""

    def __init__(self, line: serial.Serial) -> None:
        self._line = line

    async def run(self, received: Received) -> None:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            try:
                data = self._line.read(READ_BYTES)
            except (OSError, TypeError) as error:  # pyserial answers a pulled plug with either
                if not over.done():
                    over.set_exception(OSError(str(error)))
                return
            if data:
                received(data, ())

        loop.add_reader(self._line.fileno(), readable)
        try:
            await over
        finally:
            if self._line.is_open:
                loop.remove_reader(self._line.fileno())

    def send(self, data: bytes, peer: Peer) -> None:
        try:
            self._line.write(data)
        except OSError:
            return  # the reader tells of a broken line

    def close(self) -> None:
        self._line.close()
