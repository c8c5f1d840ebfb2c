"""A session on `asyncio.BufferedProtocol`: the kernel fills one buffer, a flat loop cuts it into messages."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any, cast

from wire.errors import LinkError
from wire.limits import LINK_UNACKED_MAX, PACKET_BYTES_MAX
from wire.mqtt import packets
from wire.mqtt.config import LinkConfig, LinkStats
from wire.mqtt.packets import Answer, Message, Splitter
from wire.mqtt.proxy import tunnel

__all__ = ["FastSession"]

_GOODBYE_S = 0.5  # what a closing connection may take to flush


class FastSession(asyncio.BufferedProtocol):
    """One connection; see `wire.mqtt.config.Session` for what its methods promise."""

    def __init__(
        self, config: LinkConfig, number: int, deliver: Callable[[list[Message]], None], stats: LinkStats
    ) -> None:
        self._config, self._number, self._deliver, self._stats = config, number, deliver, stats
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(config.read_bytes)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._splitter = Splitter(number)
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._paused = False
        self._mid = 0
        self._unacked: set[int] = set()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._heard = False
        self._silent_ticks = 0
        self._tick: asyncio.TimerHandle | None = None
        self._resume: asyncio.TimerHandle | None = None

    # -- the life of the connection

    async def open(self) -> None:
        """TCP, TLS, CONNECT, CONNACK, all within the configured time."""
        config = self._config
        tls = config.tls
        hello = packets.connect(
            config.new_client_id(),
            user=config.user,
            password=config.password,
            keepalive_s=math.ceil(config.keepalive_s),
            will=config.will,
        )
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                place = await self._place()
                await self._loop.create_connection(
                    lambda: self,
                    **place,
                    ssl=None if tls is None else tls.context(),
                    server_hostname=None if tls is None else tls.server_name or config.host,
                )
                self._write(hello)
                await self._accepted
        except TimeoutError as error:
            raise LinkError(f"no answer from {config.host}:{config.port} in {config.connect_timeout_s:g} s") from error
        except OSError as error:
            raise LinkError(f"{config.host}:{config.port} cannot be reached: {error}") from error
        self._tick = self._loop.call_later(config.keepalive_s / 2, self._keep_alive)

    async def _place(self) -> dict[str, Any]:
        """Where to connect: to the broker, or through a tunnel that stands."""
        config = self._config
        if config.proxy is None:
            return {"host": config.host, "port": config.port}
        through = (config.proxy, config.host, config.port, config.connect_timeout_s)
        return {"sock": await asyncio.to_thread(tunnel, *through)}

    async def ended(self) -> None:
        """Wait for the end and raise it."""
        await asyncio.shield(self._over)

    async def close(self) -> None:
        """DISCONNECT if the connection stands, then wait a moment for what is buffered."""
        self._end(LinkError("closed by us"))
        if self._transport is None or self._gone.is_set():
            return
        if not self._transport.is_closing():
            self._transport.write(packets.DISCONNECT)
            self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._gone.wait()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._config.buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self._gone.set()
        self._end(LinkError(f"connection lost: {exc or 'closed by the broker'}"))

    def eof_received(self) -> bool:
        """asyncio: the broker closed its side; so do we."""
        return False

    def _end(self, error: Exception) -> None:
        """The one place where a session ends; the first reason stays."""
        for timer in (self._tick, self._resume):
            if timer is not None:
                timer.cancel()
        self._room.set()
        futures: list[asyncio.Future[Any]] = [self._accepted, self._over, *self._waiting.values()]
        for future in futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody may be waiting for this one
        self._waiting.clear()

    def _fail(self, error: Exception) -> None:
        self._end(error)
        if self._transport is not None:
            self._transport.abort()

    def _keep_alive(self) -> None:
        """Twice a keepalive: ping, and give up when nothing at all came since the ping before the last."""
        self._silent_ticks = 0 if self._heard else self._silent_ticks + 1
        self._heard = False
        if self._silent_ticks >= 2:
            self._fail(LinkError(f"broker silent for {self._config.keepalive_s:g} s"))
            return
        self._write(packets.PINGREQ)
        self._tick = self._loop.call_later(self._config.keepalive_s / 2, self._keep_alive)

    # -- receiving

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where the next bytes go."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: cut what came into messages, deliver them as one batch."""
        self._heard = True
        self._stats.received_bytes += nbytes
        self._filled += nbytes
        if self._filled < self._splitter.wanted:
            return
        messages: list[Message] = []
        answers: list[Answer] = []
        data = bytes(self._view[: self._filled])
        try:
            try:
                used = self._splitter.split(data, messages, answers)
            finally:
                for answer in answers:
                    self._answered(answer)
                if messages:
                    self._received(messages)
        except Exception as error:  # noqa: BLE001 - a callback's error must reach run(), not asyncio's log
            self._fail(error)
            return
        self._keep(data, used)

    def _keep(self, data: bytes, used: int) -> None:
        """Move the begun packet to the front; make room when it is longer than the buffer."""
        rest = self._filled - used
        if self._splitter.wanted > len(self._buffer):
            self._view.release()
            self._buffer = bytearray(min(2 * self._splitter.wanted, PACKET_BYTES_MAX + self._config.read_bytes))
            self._view = memoryview(self._buffer)
        self._view[:rest] = data[used:]
        self._filled = rest

    def _received(self, messages: list[Message]) -> None:
        if not self._accepted.done():
            raise LinkError("PUBLISH before the CONNACK")
        self._stats.received += len(messages)
        self._deliver(messages)
        if not self._config.manual_ack:
            self.ack(messages)
        if self._config.coalesce_s and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._resume = self._loop.call_later(self._config.coalesce_s, self._transport.resume_reading)

    def _answered(self, answer: Answer) -> None:
        if answer.kind == packets.CONNACK:
            if self._accepted.done():
                raise LinkError("a second CONNACK")
            if answer.codes[1]:
                raise LinkError(f"refused: {packets.CONNACK_REASONS[answer.codes[1]]}")
            self._accepted.set_result(None)
        elif not self._accepted.done():
            raise LinkError("an answer before the CONNACK")
        elif answer.kind == packets.PUBACK:
            if answer.mid in self._unacked:
                self._unacked.discard(answer.mid)
                self._stats.acknowledged += 1
                self._judge_room()
        elif answer.kind in (packets.SUBACK, packets.UNSUBACK):
            waiter = self._waiting.pop(answer.mid, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(answer.codes)

    # -- sending

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> bool:
        """One message; no room, no connection, or too many without PUBACK says no."""
        if not self._room.is_set() or self._over.done():
            return False
        mid = self._new_mid() if qos else 0
        self._write(packets.publish_head(topic, len(payload), qos=qos, retain=retain, mid=mid), payload)
        if qos:
            self._unacked.add(mid)
            self._judge_room()
        self._stats.sent += 1
        self._stats.sent_bytes += len(payload)
        return True

    def publish_many(self, topic: str, payloads: list[bytes]) -> int:
        """As many as fit below the high-water mark, at least one when there is room at all; one write."""
        if not payloads or not self._room.is_set() or self._over.done() or self._transport is None:
            return 0
        room = self._config.buffer_bytes - self._transport.get_write_buffer_size()
        pieces: list[bytes] = []
        taken = size = 0
        heads: dict[int, bytes] = {}
        for payload in payloads:
            length = len(payload)
            if taken and size + length > room:
                break
            head = heads.get(length)
            if head is None:
                head = heads[length] = packets.publish_head(topic, length)
            pieces += (head, payload)
            size += length
            taken += 1
        self._write(*pieces)
        self._stats.sent += taken
        self._stats.sent_bytes += size
        return taken

    async def drained(self) -> None:
        """Wait for room."""
        await self._room.wait()

    def pause_writing(self) -> None:
        """asyncio: the buffer is above its high-water mark."""
        self._paused = True
        self._judge_room()

    def resume_writing(self) -> None:
        """asyncio: the buffer is low again."""
        self._paused = False
        self._judge_room()

    def _judge_room(self) -> None:
        if self._over.done() or not (self._paused or len(self._unacked) >= LINK_UNACKED_MAX):
            self._room.set()
        else:
            self._room.clear()

    async def subscribe(self, filters: list[tuple[str, int]]) -> None:
        """SUBSCRIBE, then compare the SUBACK."""
        mid = self._new_mid()
        codes = await self._request(mid, packets.subscribe(mid, filters), "SUBSCRIBE")
        if len(codes) != len(filters):
            raise LinkError(f"SUBACK for {len(codes)} of {len(filters)} filters")
        refused = [name for (name, _), code in zip(filters, codes, strict=True) if code == packets.REFUSED]
        if refused:
            raise LinkError(f"subscription refused: {', '.join(refused)[:200]}")

    async def unsubscribe(self, filters: list[str]) -> None:
        """UNSUBSCRIBE and its answer."""
        mid = self._new_mid()
        await self._request(mid, packets.unsubscribe(mid, filters), "UNSUBSCRIBE")

    def ack(self, messages: list[Message]) -> None:
        """One write for all PUBACKs."""
        mids = [message.mid for message in messages if message.mid and message.session == self._number]
        if mids and not self._over.done():
            self._write(packets.puback(mids))

    async def _request(self, mid: int, packet: bytes, name: str) -> bytes:
        if self._over.done():
            raise LinkError(f"{name} on an ended connection")
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[mid] = answer
        self._write(packet)
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                return await answer
        except TimeoutError as error:
            raise LinkError(f"no answer to {name} in {self._config.connect_timeout_s:g} s") from error
        finally:
            self._waiting.pop(mid, None)

    def _new_mid(self) -> int:
        while True:
            self._mid = self._mid % 0xFFFF + 1
            if self._mid not in self._unacked and self._mid not in self._waiting:
                return self._mid

    def _write(self, *pieces: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))  # writelines() forgets to pause us on 3.12.0-8 (CVE-2024-12254)
