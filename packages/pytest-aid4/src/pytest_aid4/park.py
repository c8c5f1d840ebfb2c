"""A whole simulated park: broker, devices, agents and twin, with the twin's API at hand."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytest_aid4.running import Aid4Error, Command, Running

__all__ = ["Park"]

T = TypeVar("T")
_START_S = 240.0
_ASK_S = 30.0
_PAGE = re.compile(r"^page\s+(http://\S+)", re.M)
_BYTES_MAX = 64 << 20


class Park:
    """`url` is that of the page; `get` asks the API below `/api/v1/`."""

    def __init__(self, url: str, folder: Path, running: Running) -> None:
        self.url, self.folder, self.running = url, folder, running
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def start(cls, command: Command, options: Sequence[str], folder: Path) -> Park:
        """Start it and wait for its first value."""
        arguments = ["run", "--port", "0", "--data-dir", str(folder / "data"), *options]
        running = Running(command, arguments, folder / "park.log")
        try:
            running.until("the first value", lambda: True if "first value" in running.output() else None, _START_S)
            page = _PAGE.search(running.log.read_text())
            assert page is not None, running.output()
        except BaseException:
            running.stop()
            raise
        return cls(page[1], folder, running)

    def get(self, path: str, **query: Any) -> Any:
        """A JSON document of the API; Aid4Error with the twin's problem document when it refuses."""
        text = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        address = f"{self.url}api/v1/{path}" + (f"?{text}" if text else "")
        try:
            with self._opener.open(address, timeout=_ASK_S) as answer:
                return json.loads(answer.read(_BYTES_MAX))
        except urllib.error.HTTPError as error:
            raise Aid4Error(f"{path}: {error.code} {error.read(2_000).decode(errors='replace')}") from error

    def value(self, key: str) -> float | str | None:
        """The value that the twin has of `node/device/metric` now; None before the first."""
        device = key.partition("/")[2].partition("/")[0]
        point = next((one for one in self.get("points", device=device)["items"] if one["key"] == key), None)
        if point is None:
            return None
        items = self.get("state", limit=50_000)["items"]
        return next((one["value"] for one in items if one["point"] == point["id"]), None)

    def alarms(self, device: str = "") -> list[dict[str, Any]]:
        """What is abnormal now, the most urgent first; of one device or of all."""
        items: list[dict[str, Any]] = self.get("alarms", limit=50_000)["items"]
        return [one for one in items if not device or f"/{device}" in one["key"]]

    def until(self, what: str, look: Callable[[], T | None], within_s: float = _START_S) -> T:
        """Wait until `look` gives something."""
        return self.running.until(what, look, within_s)
