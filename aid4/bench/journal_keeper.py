"""The bench's end of the journal: hands out batch numbers, writes down which of them an agent has accepted."""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aid4.bench.journal import ROWS

__all__ = ["JournalKeeper", "Ledger"]

HANDED_OUT_MAX = 8  # batches that one agent may have without having accepted them


@dataclass(slots=True)
class Ledger:
    """What happened to the batches of one node. Readings = batches × ROWS."""

    handed_out: int = 0
    accepted: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    seqs: dict[int, list[tuple[str, int, int]]] = field(default_factory=dict)  # number → epoch, first and last seq
    last_accepted_s: float = 0.0


class JournalKeeper:
    """A server on loopback that paces each node to its `readings_s`; it outlives whatever is killed."""

    def __init__(self, readings_s: Mapping[str, float]) -> None:
        self._periods_s = {node: ROWS / rate for node, rate in readings_s.items()}
        self.nodes: dict[str, Ledger] = {}
        self._over = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=True)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="journal", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def stop_handing_out(self) -> None:
        """From now on agents only drain."""
        self._over.set()

    @property
    def accepted_readings(self) -> int:
        """Over all nodes."""
        return sum(len(ledger.accepted) for ledger in list(self.nodes.values())) * ROWS

    def in_flight(self, within_s: float) -> bool:
        """Whether some agent accepted a batch so recently that no acknowledgement can have come back yet."""
        now_s = time.monotonic()
        return any(now_s - ledger.last_accepted_s < within_s for ledger in list(self.nodes.values()))

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        keeper = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                keeper._serve(self.request)

        return Handler

    def _serve(self, connection: socket.socket) -> None:
        lines = connection.makefile("r")
        try:
            node = json.loads(lines.readline())["node"]
            ledger = self.nodes.setdefault(node, Ledger())
            open_batches = threading.Semaphore(HANDED_OUT_MAX)
            threading.Thread(target=self._hand_out, args=(connection, node, open_batches), daemon=True).start()
            for line in lines:
                self._note(ledger, json.loads(line))
                open_batches.release()
        except (OSError, ValueError):
            return  # the agent was killed in the middle of a line: what it had not said it never said

    def _hand_out(self, connection: socket.socket, node: str, open_batches: threading.Semaphore) -> None:
        ledger, period_s, due_s = self.nodes[node], self._periods_s[node], time.monotonic()
        try:
            while not self._over.is_set():
                open_batches.acquire()
                due_s = max(due_s + period_s, time.monotonic() - 1.0)
                time.sleep(max(0.0, due_s - time.monotonic()))
                number, ledger.handed_out = ledger.handed_out, ledger.handed_out + 1
                connection.sendall(json.dumps({"number": number}).encode() + b"\n")
            connection.sendall(b'{"number": null}\n')
        except OSError:
            return

    def _note(self, ledger: Ledger, said: dict[str, Any]) -> None:
        number: int = said["accepted"]
        ledger.seqs[number] = [(epoch, first, last) for epoch, first, last in said["seqs"]]
        if said["refused"]:
            ledger.refused.add(number)
            return
        ledger.accepted.add(number)
        ledger.last_accepted_s = time.monotonic()
