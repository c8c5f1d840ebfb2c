"""What the park asks its own twin, over the API like anybody else."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

from wire.errors import Aid4Error

__all__ = ["TwinClient", "TwinSilentError"]

_TIMEOUT_S = 5.0
_BYTES_MAX = 4 << 20


class TwinSilentError(Aid4Error):
    """The twin does not answer, or not with what was asked for."""


class TwinClient:
    """Reads from `http://127.0.0.1:<port>/api/v1`; `token` is needed once the twin has accounts."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}/"
        # a proxy in the environment is for other hosts
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        if token:
            self._opener.addheaders.append(("Authorization", f"Bearer {token}"))

    async def get(self, path: str) -> dict[str, Any]:
        """A JSON document below /api/v1; TwinSilentError when there is none."""
        return await asyncio.to_thread(self._ask, f"api/v1/{path}")

    async def ask(self, path: str) -> dict[str, Any]:
        """A JSON document beside the API, as /healthz is; TwinSilentError when there is none."""
        return await asyncio.to_thread(self._ask, path)

    async def ready(self) -> bool:
        """Whether the twin takes requests."""
        try:
            await asyncio.to_thread(self._ask, "readyz")
        except TwinSilentError:
            return False
        return True

    def _ask(self, path: str) -> dict[str, Any]:
        try:
            with self._opener.open(self.url + path, timeout=_TIMEOUT_S) as answer:
                text = answer.read(_BYTES_MAX)
        except (OSError, urllib.error.URLError) as error:
            raise TwinSilentError(f"{path}: {error}") from error
        try:
            found = json.loads(text) if text.startswith((b"{", b"[")) else {}
        except ValueError as error:
            raise TwinSilentError(f"{path}: no JSON") from error
        return found if isinstance(found, dict) else {"items": found}
