"""A line of bytes under a field protocol: `tcp://host:port` (a level converter, a port server) or a serial device.

`serial:///dev/ttyUSB0?baudrate=2400&parity=E&bytesize=8&stopbits=1`; a pseudo terminal serves as well.
"""

import asyncio
import os
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from edge.sources import SourceError
from wire.errors import ConfigError

__all__ = ["ByteLine", "LineSpec", "line_spec"]

BUFFER_BYTES: Final = 64 * 1024  # a peer that says more is held back by TCP, or loses it on a serial line


class LineSpec(NamedTuple):
    """Where a line leads: a host and port, or a device with its settings."""

    host: str
    port: int
    path: str = ""
    baudrate: int = 9600
    parity: str = "N"
    bytesize: int = 8
    stopbits: int = 1


def line_spec(text: str, *, baudrate: int, parity: str) -> LineSpec:
    """Of a URL, with what the protocol's lines have unless the URL says otherwise. Raises ConfigError."""
    url = urlsplit(text)
    try:
        if url.scheme == "tcp" and url.hostname and url.port:
            return LineSpec(url.hostname, url.port)
        if url.scheme == "serial" and url.path:
            given = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
            spec = LineSpec(
                "",
                0,
                url.path,
                int(given.pop("baudrate", baudrate)),
                given.pop("parity", parity),
                int(given.pop("bytesize", 8)),
                int(given.pop("stopbits", 1)),
            )
            if not given and spec.parity in {"N", "E", "O"} and spec.bytesize in {7, 8} and spec.stopbits in {1, 2}:
                return spec
    except ValueError:
        pass
    raise ConfigError(
        f"{text!r} leads nowhere", field="url", fix="write tcp://host:port or serial:///dev/ttyUSB0?baudrate=2400"
    )


class ByteLine:
    """An open line; `read` and `write` raise SourceError("read") once it is lost."""

    def __init__(self, spec: LineSpec) -> None:
        self.spec = spec
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._serial: object = None

    @property
    def is_open(self) -> bool:
        """Whether it has been opened and not lost since."""
        return self._reader is not None and self._writer is not None and not self._writer.is_closing()

    async def open(self, timeout_s: float) -> None:
        """Connect. Raises SourceError("connect")."""
        self.close()
        try:
            async with asyncio.timeout(timeout_s):
                if self.spec.host:
                    self._reader, self._writer = await asyncio.open_connection(
                        self.spec.host, self.spec.port, limit=BUFFER_BYTES
                    )
                else:
                    await self._open_serial()
        except (OSError, TimeoutError, ValueError) as error:
            where = self.spec.path or f"{self.spec.host}:{self.spec.port}"
            raise SourceError("connect", f"{where}: {error or 'no answer in time'}") from error

    async def _open_serial(self) -> None:
        from serial import Serial, SerialException

        spec, loop = self.spec, asyncio.get_running_loop()
        try:
            port = Serial(spec.path, spec.baudrate, spec.bytesize, spec.parity, spec.stopbits, timeout=0)
        except SerialException as error:
            raise OSError(str(error)) from error
        reader = asyncio.StreamReader(limit=BUFFER_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        read_end, write_end = os.fdopen(os.dup(port.fileno()), "rb", 0), os.fdopen(os.dup(port.fileno()), "wb", 0)
        await loop.connect_read_pipe(lambda: protocol, read_end)
        transport, _ = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, write_end)
        self._reader, self._serial = reader, port
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    def close(self) -> None:
        """Hang up."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
        port, self._serial = self._serial, None
        if port is not None:
            port.close()  # type: ignore[attr-defined]

    async def write(self, data: bytes) -> None:
        """Send."""
        if self._writer is None:
            raise SourceError("read", "the line is closed")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise self._lost(error) from error

    async def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        if self._reader is None:
            raise SourceError("read", "the line is closed")
        try:
            return await self._reader.readexactly(count)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise self._lost(error) from error

    async def read_some(self, count_max: int = 4096) -> bytes:
        """What there is, at least one byte."""
        if self._reader is None:
            raise SourceError("read", "the line is closed")
        try:
            data = await self._reader.read(count_max)
        except OSError as error:
            raise self._lost(error) from error
        if not data:
            raise self._lost(None)
        return data

    async def drain(self, quiet_s: float, bytes_max: int = BUFFER_BYTES) -> None:
        """Throw away what comes until nothing comes for `quiet_s`, or a peer has not stopped by itself."""
        left = bytes_max
        while left > 0:
            try:
                async with asyncio.timeout(quiet_s):
                    left -= len(await self.read_some())
            except TimeoutError:
                return
        self.close()
        raise SourceError("flood", "the line does not fall silent")

    def _lost(self, error: Exception | None) -> SourceError:
        self.close()
        return SourceError("read", str(error) if isinstance(error, OSError) else "the line was closed at the other end")
