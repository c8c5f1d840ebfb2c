"""One simulated device behind its real protocol server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_aid4.running import Command, Running, read_json

__all__ = ["Device"]

HOST = "127.0.0.1"
_START_S = 120.0


class Device:
    """`host` and `port` are where it listens; `source` is the `[[source]]` table with which an agent reads it."""

    def __init__(self, name: str, port: int, source: dict[str, Any], running: Running) -> None:
        self.name, self.host, self.port, self.source, self.running = name, HOST, port, source, running

    @property
    def kind(self) -> str:
        """The kind of its source: modbus, opcua, mtconnect, …"""
        return str(self.source["kind"])

    @classmethod
    def start(cls, name: str, command: Command, options: Sequence[str], folder: Path) -> Device:
        """Start it; Aid4Error with the command's words when there is no such device, or it has no server."""
        ports = folder / "ports.json"
        arguments = ["sim", "run", "--device", name, "--ports-file", str(ports), *options]
        running = Running(command, arguments, folder / "device.log")
        try:
            told = running.until(f"{name} listens", lambda: read_json(ports), _START_S)
            sources = [one for one in told["source"] if one.get("name") == name]
            assert sources, f"{name} has no server of its own: it reports to a broker"
        except BaseException:
            running.stop()
            raise
        return cls(name, int(told["ports"][name]), sources[0], running)
