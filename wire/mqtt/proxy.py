"""A tunnel through an HTTP proxy (CONNECT, RFC 9110 §9.3.6), for sites that let nothing else out.

What runs inside is TLS from end to end: the proxy sees a name, a port and sizes.
"""

import base64
import socket
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from wire.errors import ConfigError, LinkError

__all__ = ["Proxy", "tunnel"]

ANSWER_BYTES_MAX: Final = 16_384  # head of the proxy's answer


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; user and password only where it asks for them (Basic)."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of_url(cls, url: str, password: str = "") -> "Proxy":
        """The proxy of http://user@host:3128; ConfigError."""
        parts = urlsplit(url)
        try:
            good = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
            port = parts.port or 3128
        except ValueError:
            good, port = False, 0
        if not good:
            fix = "write http://host:3128, with user@ before the host if it asks for one"
            raise ConfigError(f"{url!r} is no HTTP proxy", field="proxy", fix=fix)
        return cls(str(parts.hostname), port, unquote(parts.username or ""), password or unquote(parts.password or ""))


def tunnel(proxy: Proxy, host: str, port: int, timeout_s: float) -> socket.socket:
    """A connection to `host:port` through the proxy; LinkError says what the proxy said. Blocking."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.user:
        secret = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        head += f"Proxy-Authorization: Basic {secret}\r\n"
    try:
        made = socket.create_connection((proxy.host, proxy.port), timeout=timeout_s)
    except OSError as error:
        raise LinkError(f"the proxy {proxy.host}:{proxy.port} cannot be reached: {error}") from error
    try:
        made.sendall(f"{head}\r\n".encode())
        _check(_read_head(made), proxy)
    except OSError as error:
        made.close()
        raise LinkError(f"the proxy {proxy.host}:{proxy.port} does not answer: {error}") from error
    except LinkError:
        made.close()
        raise
    return made


def _read_head(made: socket.socket) -> bytes:
    """The head of the answer, byte for byte: what follows it belongs to the tunnel."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = made.recv(1)
        if not byte or len(head) >= ANSWER_BYTES_MAX:
            raise LinkError("the proxy's answer is no HTTP")
        head += byte
    return bytes(head)


def _check(head: bytes, proxy: Proxy) -> None:
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    parts = line.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise LinkError("the proxy's answer is no HTTP")
    if parts[1] == "407":
        raise LinkError(f"the proxy {proxy.host}:{proxy.port} asks for a user and password")
    if not 200 <= int(parts[1]) < 300:
        raise LinkError(f"the proxy {proxy.host}:{proxy.port} refuses: {line[:120]}")
