"""A session on paho-mqtt, in its own thread: MQTT 5, websockets, and brokers that want a client they know.

Between the thread and the event loop stands a bounded queue. When it is full the thread waits, so TCP pushes
back on the broker. 13–16 µs a message; small messages in numbers belong on the fast session.
"""

import asyncio
import collections
import contextlib
import math
import socket
import threading
from collections.abc import Callable
from typing import Any, cast

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wire.errors import LinkError
from wire.limits import LINK_QUEUE_MESSAGES, LINK_UNACKED_MAX, PACKET_BYTES_MAX
from wire.mqtt import packets
from wire.mqtt.config import LinkConfig, LinkStats
from wire.mqtt.packets import Message
from wire.mqtt.proxy import tunnel

__all__ = ["PahoSession"]

_STOP_S = 1.0  # what paho's thread may take to end


class _Client(mqtt.Client):
    """paho's own way through a proxy wants a further package; ours is that of the fast session."""

    reach: LinkConfig

    def _create_socket_connection(self) -> socket.socket:
        if (proxy := self.reach.proxy) is not None:
            return tunnel(proxy, self.reach.host, self.reach.port, self.reach.connect_timeout_s)
        return super()._create_socket_connection()


class PahoSession:
    """One connection; see `wire.mqtt.config.Session` for what its methods promise."""

    def __init__(
        self, config: LinkConfig, number: int, deliver: Callable[[list[Message]], None], stats: LinkStats
    ) -> None:
        self._config, self._number, self._deliver, self._stats = config, number, deliver, stats
        self._loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._arrived: collections.deque[Message] = collections.deque()
        self._space = threading.Condition()
        self._closing = False
        self._pending: dict[int, int] = {}  # mid -> bytes that paho still holds, negative at QoS 1
        self._pending_bytes = 0
        self._client = self._new_client()

    def _new_client(self) -> mqtt.Client:
        config = self._config
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.new_client_id(),
            clean_session=True if config.version == 4 else None,
            protocol=mqtt.MQTTv5 if config.version == 5 else mqtt.MQTTv311,
            transport="websockets" if config.websocket_path else "tcp",
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.reach = config
        client.connect_timeout = config.connect_timeout_s
        client.max_inflight_messages_set(LINK_UNACKED_MAX)
        if config.websocket_path:
            client.ws_set_options(path=config.websocket_path)
        if config.user:
            client.username_pw_set(config.user, config.password)
        if config.tls is not None:
            client.tls_set_context(config.tls.context())
        if config.will is not None:
            will = config.will
            client.will_set(packets.check_topic(will.topic), will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_answer
        client.on_unsubscribe = self._on_answer
        return client

    # -- the life of the connection, in the event loop

    async def open(self) -> None:
        """Connect in a thread, start paho's own, wait for the CONNACK."""
        config = self._config
        try:
            await asyncio.to_thread(self._connect)
            self._client.loop_start()
            async with asyncio.timeout(config.connect_timeout_s):
                await self._accepted
        except TimeoutError as error:
            late = f"no answer from {config.host}:{config.port} in {config.connect_timeout_s:g} s"
            raise LinkError(late) from error
        except (OSError, ValueError) as error:
            raise LinkError(f"{config.host}:{config.port} cannot be reached: {error}") from error

    def _connect(self) -> None:
        config = self._config
        properties = None
        if config.version == 5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = PACKET_BYTES_MAX
        keepalive_s = math.ceil(config.keepalive_s)
        self._client.connect(config.host, config.port, keepalive_s, properties=properties)
        if self._closing:  # nobody waits for us any more
            self._cut()

    def _cut(self) -> None:
        sock = cast("socket.socket | None", self._client.socket())
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    async def ended(self) -> None:
        """Wait for the end and raise it."""
        await asyncio.shield(self._over)

    async def close(self) -> None:
        """DISCONNECT if the connection stands, end the thread."""
        self._end(LinkError("closed by us"))
        with self._space:
            self._closing = True
            self._space.notify_all()
        self._client.disconnect()
        await asyncio.to_thread(self._stop_thread)

    def _stop_thread(self) -> None:
        """End paho's thread: by DISCONNECT, or by cutting the socket when the broker does not take it."""
        thread = self._client._thread  # loop_stop() joins without a bound
        for bound_s in (_STOP_S, _STOP_S):
            if thread is None or not thread.is_alive():
                break
            thread.join(bound_s)
            self._cut()

    def _end(self, error: Exception) -> None:
        self._room.set()
        futures: list[asyncio.Future[Any]] = [self._accepted, self._over, *self._waiting.values()]
        for future in futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody may be waiting for this one
        self._waiting.clear()

    # -- callbacks, in paho's thread

    def _tell(self, function: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *args)

    def _on_connect(self, client: object, data: object, flags: object, code: ReasonCode, props: object) -> None:
        if code.is_failure:
            self._tell(self._end, LinkError(f"refused: {str(code).lower()}"))
        else:
            self._tell(self._open_now)

    def _on_connect_fail(self, client: object, data: object) -> None:
        self._tell(self._end, LinkError(f"{self._config.host}:{self._config.port} cannot be reached"))

    def _on_disconnect(self, client: object, data: object, flags: object, code: ReasonCode, props: object) -> None:
        self._tell(self._end, LinkError(f"connection lost: {str(code).lower()}"))

    def _on_message(self, client: object, data: object, raw: mqtt.MQTTMessage) -> None:
        try:
            topic = packets.check_topic(raw.topic)
        except (UnicodeDecodeError, LinkError) as error:
            self._tell(self._end, LinkError(f"PUBLISH with a bad topic: {error}"))
            return
        if len(raw.payload) > PACKET_BYTES_MAX:
            self._tell(self._end, LinkError(f"PUBLISH of {len(raw.payload):,} bytes to {topic}"))
            return
        message = Message(topic, bytes(raw.payload), raw.qos, raw.retain, raw.mid if raw.qos else 0, self._number)
        with self._space:
            self._space.wait_for(lambda: self._closing or len(self._arrived) < LINK_QUEUE_MESSAGES)
            first = not self._arrived
            self._arrived.append(message)
        if first:
            self._tell(self._hand_over)

    def _on_publish(self, client: object, data: object, mid: int, code: ReasonCode, props: object) -> None:
        self._tell(self._published, mid, code.is_failure)

    def _on_answer(self, client: object, data: object, mid: int, codes: list[ReasonCode], props: object) -> None:
        self._tell(self._answered, mid, codes)

    # -- what they become, in the event loop

    def _open_now(self) -> None:
        if not self._accepted.done():
            self._accepted.set_result(None)

    def _hand_over(self) -> None:
        with self._space:
            messages = list(self._arrived)
            self._arrived.clear()
            self._space.notify_all()
        if self._over.done():
            return
        self._stats.received += len(messages)
        self._stats.received_bytes += sum(len(message.payload) for message in messages)
        try:
            self._deliver(messages)
        except Exception as error:  # noqa: BLE001 - a callback's error must reach run(), not asyncio's log
            self._end(error)
            return
        if not self._config.manual_ack:
            self.ack(messages)

    def _published(self, mid: int, refused: bool) -> None:
        size = self._pending.pop(mid, None)
        if size is None:
            return
        self._pending_bytes -= abs(size)
        self._stats.acknowledged += size < 0 and not refused
        self._stats.refused += refused
        if self._pending_bytes <= self._config.buffer_bytes // 4 and len(self._pending) < LINK_UNACKED_MAX:
            self._room.set()

    def _answered(self, mid: int, codes: list[ReasonCode]) -> None:
        waiter = self._waiting.pop(mid, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(codes)

    # -- sending

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> bool:
        """Hand over to paho; says no above the marks of bytes and of messages."""
        if not self._room.is_set() or self._over.done():
            return False
        packets.publish_head(topic, len(payload), qos=qos)
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_QUEUE_SIZE):
            return False
        self._pending[info.mid] = -len(payload) - 1 if qos else len(payload) + 1
        self._pending_bytes += len(payload) + 1
        if self._pending_bytes >= self._config.buffer_bytes or len(self._pending) >= LINK_UNACKED_MAX:
            self._room.clear()
        self._stats.sent += 1
        self._stats.sent_bytes += len(payload)
        return True

    def publish_many(self, topic: str, payloads: list[bytes]) -> int:
        """One after the other; paho knows no batch."""
        for taken, payload in enumerate(payloads):
            if not self.publish(topic, payload, 0, False):
                return taken
        return len(payloads)

    async def drained(self) -> None:
        """Wait for room."""
        await self._room.wait()

    async def subscribe(self, filters: list[tuple[str, int]]) -> None:
        """SUBSCRIBE, then compare the SUBACK."""
        for name, _ in filters:
            packets.check_filter(name)
        codes = await self._request(lambda: self._client.subscribe(list(filters)), "SUBSCRIBE")
        refused = [name for (name, _), code in zip(filters, codes, strict=True) if code.is_failure]
        if refused:
            raise LinkError(f"subscription refused: {', '.join(refused)[:200]}")

    async def unsubscribe(self, filters: list[str]) -> None:
        """UNSUBSCRIBE and its answer."""
        await self._request(lambda: self._client.unsubscribe(list(filters)), "UNSUBSCRIBE")

    def ack(self, messages: list[Message]) -> None:
        """One PUBACK each."""
        for message in messages:
            if message.mid and message.session == self._number and not self._over.done():
                self._client.ack(message.mid, message.qos)

    async def _request(self, call: Callable[[], tuple[int, int | None]], name: str) -> list[ReasonCode]:
        code, mid = call()
        if code != mqtt.MQTT_ERR_SUCCESS or mid is None or self._over.done():
            raise LinkError(f"{name} on an ended connection")
        answer: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._waiting[mid] = answer  # its answer comes through the loop, so never before this line
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                return await answer
        except TimeoutError as error:
            raise LinkError(f"no answer to {name} in {self._config.connect_timeout_s:g} s") from error
        finally:
            self._waiting.pop(mid, None)
