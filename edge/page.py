"""The gateway's own page: live values, what is wrong and why a device is silent, for a person on site without the twin.

```toml
[page]
# port = 8480
# host = "0.0.0.0"                 # beyond loopback it asks for a password:
# password_file = "page.password"  # one line; any user name
```
`/` is the page, `/now.json` what it shows. Nothing can be changed through it.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import threading
from collections.abc import Callable
from concurrent.futures import Future
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from wire.errors import ConfigError
from wire.quality import names
from wire.schemas import READINGS, STATES
from wire.units import UNITS

if TYPE_CHECKING:
    from edge.batcher import Batcher
    from edge.config import AgentConfig, PageConfig
    from edge.processing.local import LocalAlarm
    from wire.messages import Health

__all__ = ["Newest", "serve_page"]

ANSWER_S_MAX: Final = 5.0
SOCKET_S_MAX: Final = 10.0
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Row(NamedTuple):
    """The newest reading of a point."""

    point: str
    value: float | str | None
    unit: str
    label: str
    ts_us: int
    quality: list[str]


class Newest:
    """The newest reading of every point, of those that are kept."""

    def __init__(self, batcher: Batcher) -> None:
        self._catalogue = batcher.catalogue
        self._found: dict[int, tuple[Any, int, int]] = {}
        batcher.listeners.append(self._hear)

    def rows(self) -> list[Row]:
        """By point."""
        points = self._catalogue.points
        found = [(points[id_], *now) for id_, now in self._found.items() if id_ < len(points)]
        return sorted(
            Row(point.key, _json_safe(value), _shown(point.unit), point.label, ts_us, names(quality))
            for point, value, ts_us, quality in found
        )

    def _hear(self, schema_id: int, rows: pa.RecordBatch) -> None:
        if schema_id not in {READINGS, STATES}:
            return
        ids = rows["point"].to_numpy()
        last = ids.size - 1 - np.unique(ids[::-1], return_index=True)[1]  # only the newest row of each point is shown
        newest = rows.take(pa.array(last))
        columns = (newest["point"], newest["value"], newest["ts"].cast("int64"), newest["quality"])
        for id_, value, ts_us, quality in zip(*(column.to_pylist() for column in columns), strict=True):
            if ts_us >= self._found.get(id_, (None, 0, 0))[1]:
                self._found[id_] = (value, ts_us, quality)


async def serve_page(
    config: AgentConfig, batcher: Batcher, health: Callable[[], Health], alarms: Callable[[], list[LocalAlarm]]
) -> None:
    """Serve it until cancelled. ConfigError when it cannot be, as for any other part of the configuration."""
    assert config.page is not None
    password = _password(config, config.page)
    loop, newest = asyncio.get_running_loop(), Newest(batcher)

    def shown() -> bytes:
        document = {
            "site": config.site,
            "node": config.node,
            "health": msgspec.to_builtins(health()),
            "values": [row._asdict() for row in newest.rows()],
            "alarms": [alarm._asdict() for alarm in alarms()],
        }
        return msgspec.json.encode(document)

    def document() -> bytes:
        """Called in a thread of the server; what it shows belongs to the event loop."""
        answer: Future[bytes] = Future()
        loop.call_soon_threadsafe(lambda: answer.set_result(shown()))
        return answer.result(ANSWER_S_MAX)

    server = _listen(config.page, _handler(document, password))
    thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
    thread.start()
    (config.spool_dir / "page.port").write_text(f"{server.server_address[1]}\n")
    try:
        await asyncio.Event().wait()
    finally:
        server.shutdown()
        server.server_close()


def _listen(page: PageConfig, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((page.host, page.port), handler)
    except OSError as error:
        fix = "give another port, or 0 for any"
        raise ConfigError(f"cannot listen on {page.host}:{page.port}: {error}", field="page.port", fix=fix) from error


def _password(config: AgentConfig, page: PageConfig) -> str:
    if page.password_file:
        try:
            return config.path(page.password_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            fix = "write the password into that file"
            raise ConfigError(f"cannot be read: {error}", field="page.password_file", fix=fix) from error
    if not _is_loopback(page.host):
        fix = "write a password into a file and name it as password_file"
        raise ConfigError("a page that others can reach needs a password", field="page.host", fix=fix)
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, which may be anything
        return False


def _handler(document: Callable[[], bytes], password: str) -> type[BaseHTTPRequestHandler]:
    page = (files("edge") / "page.html").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        """Two addresses, to read."""

        timeout = SOCKET_S_MAX
        server_version, sys_version = "aid4", ""

        def do_GET(self) -> None:
            if password and not self._may():
                self._send(HTTPStatus.UNAUTHORIZED, "text/plain", b"sign in\n")
            elif self.path in {"/", "/index.html"}:
                self._send(HTTPStatus.OK, "text/html; charset=utf-8", page)
            elif self.path == "/now.json":
                try:
                    self._send(HTTPStatus.OK, "application/json", document())
                except TimeoutError:
                    self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"the agent is busy\n")
            else:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", b"there is / and /now.json\n")

        def _may(self) -> bool:
            kind, _, told = self.headers.get("Authorization", "").partition(" ")
            try:
                _, _, given = base64.b64decode(told, validate=True).decode().partition(":")
            except ValueError:
                return False
            return kind.lower() == "basic" and hmac.compare_digest(given.encode(), password.encode())

        def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            if status is HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", 'Basic realm="AID4 gateway"')
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """A gateway's log is for what is wrong."""

    return Handler


def _shown(unit: str) -> str:
    """°C for Cel; a unit that is not in the table is shown by its code."""
    return UNITS[unit].label if unit in UNITS else unit


def _json_safe(value: Any) -> float | str | None:
    return None if isinstance(value, float) and not np.isfinite(value) else value
