"""A wire that can be pulled: a TCP proxy before a peer, which cuts, holds back or spoils what passes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import Literal

__all__ = ["Proxy", "free_port"]

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 65_536

Mode = Literal["pass", "freeze", "garble"]


class Proxy:
    """Listens on `port` of loopback, the same after each `cut`, and passes everything on to `target`.

    `garble` spoils bytes that the peer sends, from a fixed seed, and leaves their number as it was.
    """

    def __init__(self, target: int = 0, *, seed: int = 7) -> None:
        self.target, self.port, self.connections = target, free_port(), 0
        self._random = random.Random(seed)  # noqa: S311 - bytes that a test can repeat
        self._mode: Mode = "pass"
        self._moved = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Accept connections."""
        self.set("pass")
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def cut(self) -> None:
        """Drop every connection and accept no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def set(self, mode: Mode) -> None:
        """How bytes of the peer are handled from now on."""
        self._mode = mode
        self._moved.set()
        self._moved = asyncio.Event()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer_reader, peer_writer = await asyncio.open_connection(LOOPBACK, self.target)
        ways = [
            asyncio.ensure_future(self._pass_on(reader, peer_writer, spoil=False)),
            asyncio.ensure_future(self._pass_on(peer_reader, writer, spoil=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            peer_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, spoil: bool) -> None:
        while data := await reader.read(CHUNK_BYTES):
            while self._mode == "freeze":
                await self._moved.wait()
            if spoil and self._mode == "garble":
                data = self._random.randbytes(len(data))
            writer.write(data)
            await writer.drain()


def free_port() -> int:
    """A TCP port of loopback that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
