"""A small HTTP/1.1 receiver for webhooks: POST of a bounded JSON body with a token, nothing else. Pure asyncio."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

__all__ = ["Receiver"]

HEAD_BYTES_MAX: Final = 8_192
BODY_BYTES_MAX: Final = 65_536  # as of any device's message
CONNECTIONS_MAX: Final = 64
REQUEST_S_MAX: Final = 10.0  # for a whole request: a slow sender holds one of few places
REQUESTS_MAX: Final = 1_000  # of one connection
PATH_CHARS_MAX: Final = 256
_REASONS: Final = {
    204: "No Content", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 411: "Length Required", 413: "Content Too Large", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 503: "Service Unavailable",
}  # fmt: skip


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(_REASONS[status])
        self.status = status


class Receiver:
    """Listens on `host`:`port`. `take(path, body)` says whether there was room; `refused(why)` hears of the rest."""

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        take: Callable[[str, bytes], bool],
        refused: Callable[[str], None],
    ) -> None:
        self._host, self._port, self._token = host, port, token.encode()
        self._take, self._refused = take, refused
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """Where it listens; 0 when it does not."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else 0

    async def start(self) -> None:
        """Listen. OSError when the address cannot be used."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=HEAD_BYTES_MAX)

    async def close(self) -> None:
        """Stop listening and cut off who is connected."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTIONS_MAX:
            writer.close()
            self._refused(f"over {CONNECTIONS_MAX} connections")
            return
        self._open.add(writer)
        try:
            for _ in range(REQUESTS_MAX):
                status = await self._answer(reader)
                if status == 0:
                    break
                keep = status in (204, 429)
                text = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-length: 0\r\n"
                text = text.replace("content-length: 0\r\n", "") if status == 204 else text
                writer.write(f"{text}connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode())
                await writer.drain()
                if not keep:
                    break
        except OSError:
            pass  # the sender is gone
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> int:
        """The status for one request; 0 when the sender has closed."""
        try:
            async with asyncio.timeout(REQUEST_S_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                path, size = self._checked(head)
                body = await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return 0
        except asyncio.LimitOverrunError:
            return self._say(431)
        except TimeoutError:
            return self._say(408)
        except _RefusedError as error:
            return self._say(error.status)
        return 204 if self._take(path, body) else self._say(429)

    def _checked(self, head: bytes) -> tuple[str, int]:
        """Path and length of the body of a request whose token is right."""
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _RefusedError(400)
        fields: dict[str, str] = {}
        for line in filter(None, lines):
            name, mark, value = line.partition(":")
            if not mark or name != name.strip() or name.lower() in fields:
                raise _RefusedError(400)
            fields[name.lower()] = value.strip()
        if self._token:
            told = fields.get("authorization", "").removeprefix("Bearer ") or fields.get("x-token", "")
            if not hmac.compare_digest(told.encode(), self._token):
                raise _RefusedError(401)
        if parts[0] != "POST":
            raise _RefusedError(405)
        path = parts[1].partition("?")[0].strip("/")
        if not path or len(path) > PATH_CHARS_MAX or any(sign in path for sign in "+#%") or ".." in path:
            raise _RefusedError(404)
        length = fields.get("content-length", "")
        if "transfer-encoding" in fields or not (length.isascii() and length.isdigit()):
            raise _RefusedError(411)
        if len(length) > 9 or int(length) > BODY_BYTES_MAX:
            raise _RefusedError(413)
        return path, int(length)

    def _say(self, status: int) -> int:
        self._refused(f"a request was answered with {status} {_REASONS[status]}")
        return status
