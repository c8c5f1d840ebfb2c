"""A process full of MQTT clients that come back by themselves, as an agent's link does: same waits, same jitter.

`python -m aid4.bench.fleet_clients PORT USER FIRST COUNT STATUS`, the password on stdin. Every client hears a topic of
its own, `fleet/<number>/down`. What they do stands in the file STATUS (`FleetStatus`, JSON), written anew all the time.
"""

import asyncio
import os
import random
import resource
import sys
from pathlib import Path

import msgspec

from wire.errors import LinkError
from wire.mqtt import packets
from wire.mqtt.config import LinkConfig
from wire.mqtt.link import RETRY_S_MAX, RETRY_S_MIN, SETTLED_S

__all__ = ["FleetStatus", "raise_file_limit", "topic"]

LOOPBACK = "127.0.0.1"
STATUS_S = 0.25
FIRST_PER_S = 500  # how many connect for the first time in a second; afterwards nobody holds them back


class FleetStatus(msgspec.Struct):
    """`ready` clients are connected and subscribed now; `last_ready_s` is of the monotonic clock of this machine."""

    ready: int = 0
    drops: int = 0
    failures: int = 0
    last_ready_s: float = 0.0
    heard: int = 0


def topic(number: int) -> str:
    """Where a client listens."""
    return f"fleet/{number}/down"


def raise_file_limit() -> int:
    """As many open files as the system lets this process have; their number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class _Connection(asyncio.Protocol):
    """One connection: CONNECT, SUBSCRIBE, then it listens. `ready` and `ended` tell how it goes."""

    def __init__(self, hello: bytes, name: str, heard: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._hello, self._name, self._heard = hello, name, heard
        self._splitter, self._rest = packets.Splitter(), b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        messages: list[packets.Message] = []
        answers: list[packets.Answer] = []
        data = self._rest + data
        try:
            self._rest = data[self._splitter.split(data, messages, answers) :]
            for answer in answers:
                self._answered(answer)
        except LinkError:
            self._transport.abort()
            return
        if any(message.topic == self._name for message in messages):
            self._heard.set()

    def _answered(self, answer: packets.Answer) -> None:
        if any(code & packets.REFUSED or (answer.kind == packets.CONNACK and code) for code in answer.codes):
            raise LinkError("refused")
        if answer.kind == packets.CONNACK:
            self._transport.write(packets.subscribe(1, [(self._name, 0)]))
        elif answer.kind == packets.SUBACK and not self.ready.done():
            self.ready.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(None)
        if not self.ready.done():
            self.ready.set_exception(error or LinkError("closed before it was ready"))
            self.ready.exception()  # nobody waits for it when the time to connect was over


class _Fleet:
    """The clients of this process, and what they did so far."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.status = FleetStatus()
        self._port, self._user, self._password = port, user, password
        self._timeout_s = LinkConfig(LOOPBACK, port).connect_timeout_s

    async def live(self, number: int, first_s: float) -> None:
        """One client, from its first connection on, for ever."""
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        counting = asyncio.create_task(self._hear(heard))
        await asyncio.sleep(first_s)
        backoff_s, session = RETRY_S_MIN, 0
        try:
            while True:
                began_s, session = loop.time(), session + 1
                try:
                    await self._connect(number, session, heard)
                except (OSError, LinkError):
                    self.status.failures += 1
                if loop.time() - began_s > SETTLED_S:
                    backoff_s = RETRY_S_MIN
                await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads a herd
                backoff_s = min(2 * backoff_s, RETRY_S_MAX)
        finally:
            counting.cancel()

    async def _connect(self, number: int, session: int, heard: asyncio.Event) -> None:
        name, loop = topic(number), asyncio.get_running_loop()
        login = {"user": self._user, "password": self._password}
        hello = packets.connect(f"fleet-{number}-{session}", **login, keepalive_s=0, will=None)
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                transport, client = await loop.create_connection(
                    lambda: _Connection(hello, name, heard), LOOPBACK, self._port
                )
                await client.ready
        except BaseException:
            if transport is not None:
                transport.abort()
            raise
        self.status.ready += 1
        self.status.last_ready_s = loop.time()
        try:
            await client.ended
        finally:
            self.status.ready -= 1
            self.status.drops += 1

    async def _hear(self, heard: asyncio.Event) -> None:
        await heard.wait()
        self.status.heard += 1


async def _run(port: int, user: str, first: int, count: int, file: Path) -> None:
    fleet = _Fleet(port, user, sys.stdin.readline().strip())
    fresh = file.with_suffix(".new")
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(fleet.live(first + number, number / FIRST_PER_S))
        while os.getppid() != 1:
            fresh.write_bytes(msgspec.json.encode(fleet.status))
            fresh.replace(file)
            await asyncio.sleep(STATUS_S)
        raise SystemExit(1)


if __name__ == "__main__":
    raise_file_limit()
    asyncio.run(_run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])))
