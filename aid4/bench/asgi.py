"""Questions to the twin's HTTP API without a socket, and how long their answers take."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import numpy as np

from wire.errors import Aid4Error

__all__ = ["WrongAnswerError", "get", "iso", "timed"]


class WrongAnswerError(Aid4Error):
    """The store answered something else than numpy."""


async def timed(ask: Callable[[int], Any], at: int) -> float:
    """Milliseconds until the answer; the check that it is right is not counted."""
    started_s = time.perf_counter()
    check = await ask(at)
    passed_ms = (time.perf_counter() - started_s) * 1e3
    check()
    return passed_ms


async def get(app: Any, path: str, query: dict[str, Any]) -> bytes:
    """One GET through the application, without a socket."""
    parts: list[bytes] = []
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": urlencode(query, doseq=True).encode(),
        "root_path": "", "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    body = b"".join(parts)
    if status != 200:
        raise WrongAnswerError(f"{path}: {status} {body[:300]!r}")
    return body


def iso(us: int) -> str:
    """A time as the API takes it."""
    return f"{np.datetime64(us, 'us')}Z"
