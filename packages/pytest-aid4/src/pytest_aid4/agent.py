"""An agent that reads what a test gives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_aid4.running import Command, Running, read_json

__all__ = ["Agent"]

_START_S = 120.0
NOWHERE = "mqtt://127.0.0.1:9"  # the discard port: an agent without a broker keeps everything in its spool


class Agent:
    """A running agent; `status` is what it says of itself, of its sources and its spool."""

    def __init__(self, folder: Path, running: Running) -> None:
        self.folder, self.running = folder, running

    @classmethod
    def start(cls, sources: Sequence[Mapping[str, Any]], command: Command, folder: Path, broker: str) -> Agent:
        """Start an agent for these `[[source]]` tables; Aid4Error with its words when the configuration is wrong."""
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "edge.toml"
        lines = ['site = "test"', 'node = "agent"', "[broker]", f"url = {json.dumps(broker or NOWHERE)}"]
        lines += ["[spool]", 'dir = "spool"']
        for source in sources:
            lines += [
                "[[source]]",
                *(f"{name} = {_toml(value)}" for name, value in source.items() if value is not None),
            ]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        agent = cls(folder, Running(command, ["edge", "run", str(config)], folder / "agent.log"))
        try:
            agent.running.until("the agent tells how it is", lambda: agent.status or None, _START_S)
        except BaseException:
            agent.running.stop()
            raise
        return agent

    @property
    def status(self) -> dict[str, Any]:
        """Its newest figures; empty before the first."""
        return read_json(self.folder / "spool" / "status.json") or {}

    def source(self, name: str) -> dict[str, Any]:
        """What it says of one source: state, received, errors, why."""
        found: dict[str, Any] = self.status.get("sources", {}).get(name, {})
        return found

    def until(self, what: str, holds: Callable[[dict[str, Any]], bool], within_s: float = _START_S) -> dict[str, Any]:
        """Wait until its status is as wanted, and return it."""
        return self.running.until(what, lambda: status if (status := self.status) and holds(status) else None, within_s)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
