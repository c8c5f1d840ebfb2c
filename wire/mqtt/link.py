"""A connection to a broker that heals itself: connect, subscribe, serve, and again after 0.2–5 s with jitter.

A broker that takes a connection and does not answer in time has too many at once, as after its restart: who then comes
again soon makes it work for nothing, and ten thousand who do never come in. So each wait for an answer is twice as long
as the one before, until there is one.

The broker may forget everything, so every connection starts with a clean session and a new client id. Nothing
is queued across connections: what must not be lost lies in the caller's spool.
"""

import asyncio
import dataclasses
import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from wire.errors import LinkError
from wire.mqtt.config import LinkConfig, LinkStats, Session, SessionFactory
from wire.mqtt.packets import Message

__all__ = ["PATIENCE_S_MAX", "RETRY_S_MAX", "RETRY_S_MIN", "SETTLED_S", "Link"]

RETRY_S_MIN = 0.2
RETRY_S_MAX = 5.0
PATIENCE_S_MAX = 30.0  # for one answer: ten thousand handshakes take a small machine so long
SETTLED_S = 5.0  # a connection that lived so long starts the back-off anew


class Link:
    """One broker connection over reconnects: set the callbacks, then `run()` or enter it as a context manager.

    `on_messages` gets one batch per socket read, in the event loop's thread. It must not block; what it
    raises ends `run()`. `on_disconnect` follows each `on_connect` exactly once and tells why;
    `stats.last_error` tells why a connection never stood.
    """

    def __init__(self, config: LinkConfig) -> None:
        self.config = config
        self.stats = LinkStats()
        self.on_connect: Callable[[], None] = _nothing
        self.on_disconnect: Callable[[str], None] = _nothing_with
        self.on_messages: Callable[[list[Message]], None] = _nothing_with
        self._session: Session | None = None
        self._sessions = 0
        self._patience_s = config.connect_timeout_s
        self._filters: dict[str, int] = {}
        self._up = asyncio.Event()
        self._owner: asyncio.TaskGroup | None = None
        self._runner: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions."""
        return self._up.is_set()

    async def __aenter__(self) -> Self:
        self._owner = asyncio.TaskGroup()
        await self._owner.__aenter__()
        name = f"link to {self.config.host}:{self.config.port}"
        self._runner = self._owner.create_task(self.run(), name=name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect; when a callback has raised, the block was cancelled and that error is raised here."""
        assert self._owner is not None
        assert self._runner is not None
        self._runner.cancel()
        cancelled = (kind, error, trace) if isinstance(error, asyncio.CancelledError) else (None, None, None)
        try:
            await self._owner.__aexit__(*cancelled)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def run(self) -> None:
        """Own the connection until cancelled; raises only what one of the callbacks raises."""
        backoff_s = RETRY_S_MIN
        clock = asyncio.get_running_loop().time
        while True:
            started_s = clock()
            try:
                await self._one_session()
            except LinkError as error:
                self.stats.failures += 1
                self.stats.last_error = str(error)
                if isinstance(error.__cause__, TimeoutError):
                    self._patience_s = max(self._patience_s, min(2 * self._patience_s, PATIENCE_S_MAX))
            if clock() - started_s > SETTLED_S:
                backoff_s = RETRY_S_MIN
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads a herd, hides nothing
            backoff_s = min(backoff_s * 2, RETRY_S_MAX)

    async def up(self) -> None:
        """Wait until connected."""
        await self._up.wait()

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand one message to the connection; False when there is none or its buffer is full.

        At QoS 1 the PUBACK is counted in `stats.acknowledged`; nothing is sent again after a reconnect.
        """
        return self._session is not None and self._session.publish(topic, payload, qos, retain)

    def publish_many(self, topic: str, payloads: list[bytes]) -> int:
        """Hand messages of one topic over at QoS 0 in one write; returns how many were taken."""
        return 0 if self._session is None else self._session.publish_many(topic, payloads)

    async def drained(self) -> None:
        """Wait until the link is connected and takes more."""
        while True:
            await asyncio.sleep(0)  # a connection that has just ended gets its turn to say so
            await self._up.wait()
            if (session := self._session) is not None:
                await session.drained()
                if session is self._session:
                    return

    async def subscribe(self, filters: list[tuple[str, int]]) -> None:
        """Subscribe now (LinkError when refused) and after every reconnect; unconnected only the latter."""
        self._filters.update(filters)
        session = self._session
        if session is None or not self.connected:
            return
        try:
            await session.subscribe(filters)
        except LinkError:
            if session is self._session and self.connected:  # refused, or else every reconnect would fail on it
                self._forget([name for name, _ in filters])
            raise

    async def unsubscribe(self, filters: list[str]) -> None:
        """Forget filters, here and at the broker."""
        self._forget(filters)
        if self._session is not None and self.connected:
            await self._session.unsubscribe(filters)

    def ack(self, messages: list[Message]) -> None:
        """PUBACK what `on_messages` got, for `manual_ack`; those of an earlier connection are ignored."""
        if self._session is not None:
            self._session.ack(messages)

    async def _one_session(self) -> None:
        self._sessions += 1
        config = dataclasses.replace(self.config, connect_timeout_s=self._patience_s)
        session = _factory(config)(config, self._sessions, self._deliver, self.stats)
        reason = "stopped"
        try:
            await session.open()
            self._session = session
            if self._filters:
                await session.subscribe(list(self._filters.items()))
            self._up.set()
            self._patience_s = self.config.connect_timeout_s
            self.stats.connects += 1
            self.on_connect()
            await session.ended()
        except LinkError as error:
            reason = str(error)
            raise
        finally:
            was_up = self.connected
            self._up.clear()
            self._session = None
            await session.close()
            if was_up:
                self.on_disconnect(reason)

    def _forget(self, filters: list[str]) -> None:
        for name in filters:
            self._filters.pop(name, None)

    def _deliver(self, messages: list[Message]) -> None:
        self.on_messages(messages)


def _factory(config: LinkConfig) -> SessionFactory:
    if config.transport == "paho":
        from wire.mqtt.paho import PahoSession  # a gateway on the fast transport does not load paho

        return PahoSession
    from wire.mqtt.fast import FastSession

    return FastSession


def _nothing() -> None: ...


def _nothing_with(_: object) -> None: ...
