"""MQTT: any broker's devices, their payloads mapped to points by a profile of the family.

[[source]]                      # tested: the sample is the config of the first test
kind = "mqtt"
name = "shop"
url = "mqtt://127.0.0.1:1883"   # mqtts:// for TLS; user and password here or in the URL
qos = 1
topic = [
    { pattern = "shop/{device}/power", time = "ts", metrics = [{ path = "p.total", metric = "power", unit = "W" }] },
    { pattern = "shop/{device}/door", payload = "text", metrics = [{ metric = "door", kind = "state" }] },
    { pattern = "shop/{device}/raw/#", payload = "generic" },
]

[[source]]
kind = "mqtt"
name = "zigbee"
url = "mqtt://127.0.0.1:1883"
profile = "profiles/mqtt/zigbee2mqtt.toml"

At QoS 1 a message is acknowledged when its readings are on disk (or were refused there, which is counted), so what the
broker still holds is what we do not have yet. When the link to the broker is lost, or a device says that it is
offline, its points are repeated once with their last value, flagged as stale.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from edge.sources import Batch, SourceContext, SourceError, SourceKind
from edge.sources.columns import check_value
from edge.sources.mqtt_config import BrokerConfig, link_config
from edge.sources.mqtt_form import bodies
from edge.sources.mqtt_profile import MqttProfile, TopicRule, filter_of
from edge.sources.mqtt_route import Router
from edge.sources.profiles import load_profile
from edge.sources.running import FieldSource
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.mqtt import Link, Message

__all__ = ["SOURCE", "Mqtt", "MqttConfig"]

MESSAGES_MAX = 20_000  # turned into one batch: a third of a second at 60,000 a second
PENDING_BYTES_MAX = 32 << 20  # messages that wait for the disk; QoS 0 beyond it is dropped and counted
COALESCE_S = 0.002  # rest after each read from the socket, so that small messages come in batches
SET_BACK_US = 1_000_000  # how far ahead of the clock a burst may run; beyond, the clock was set back
WAKE_S = 1.0  # how often a silent link's reason is looked up for the health report


class MqttConfig(BrokerConfig, tag="mqtt"):
    """Config of one connection to a foreign broker; see the samples above."""

    profile: str = ""
    topic: tuple[TopicRule, ...] = ()
    qos: Literal[0, 1] = 1


class _Delivery:
    """Messages to acknowledge once all batches that came from them are on disk."""

    def __init__(self, source: "Mqtt", messages: list[Message], batches: int) -> None:
        self._source, self._messages, self._left = source, messages, batches

    def accepted(self, rows: int, refused: int) -> None:
        """One batch of them is on disk, but for `refused` rows."""
        self._source.health.sent += rows - refused
        self._left -= 1
        if not self._left:
            self._source.acknowledge(self._messages)


class Mqtt(FieldSource):
    """A foreign broker as a source."""

    def __init__(self, config: MqttConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        rules = config.topic
        if config.profile:
            rules += load_profile(config.profile, context.folder, MqttProfile).topic
        if not rules:
            raise ConfigError("no topics", field="topic", fix="give a profile or at least one [[source.topic]]")
        self._router = Router(rules, config.device or config.name, self._points)
        self._filters = list(dict.fromkeys(filter_of(rule.pattern) for rule in rules))
        self._link = Link(link_config(config, context.folder, manual_ack=True, coalesce_s=COALESCE_S))
        self._pending: list[tuple[int, list[Message]]] = []
        self._pending_bytes = 0
        self._unacknowledged: set[int] = set()
        self._session = -1
        self._last_us = 0
        self._lost = False
        self._wake = asyncio.Event()

    async def _open(self) -> None:
        self._link.on_messages = self._take
        self._link.on_connect = self._connected
        self._link.on_disconnect = self._disconnected
        await self._link.subscribe([(name, self._config.qos) for name in self._filters])
        await self._held.enter_async_context(self._link)
        self._held.callback(self._stop_listening)
        self.health.why = self._why_waiting()

    def _stop_listening(self) -> None:
        self._link.on_disconnect = lambda reason: None  # a stop is no outage

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Publish the point's command; the device's answer is its next reading."""
        command = self._router.commands.get(point.id)
        if command is None:
            raise SourceError("write", f"{point.key} takes no commands")
        check_value(point, value)
        metric, device = command
        word = str(value).lower() if isinstance(value, bool) else f"{value}"
        payload = metric.command_payload.replace("{value}", word)
        if not self._link.publish(metric.command.replace("{device}", device), payload.encode(), qos=1):
            raise SourceError("write", f"{point.key}: no connection to {self._config.url}")

    async def batches(self) -> AsyncIterator[Batch]:
        """Readings and states as they arrive; after a lost link the last values once more, stale."""
        while True:
            await self._woken()
            if self._lost:
                self._lost = False
                self._router.link_lost()
                for batch in self._stale(None):
                    yield batch
            while self._pending:
                messages, arrived_us = self._drain()
                for batch in self._convert(messages, arrived_us):
                    yield batch

    def acknowledge(self, messages: list[Message]) -> None:
        """PUBACK messages of this session."""
        if messages and messages[0].session == self._session:
            self._unacknowledged.difference_update(message.mid for message in messages)
        self._link.ack(messages)

    # -- callbacks of the link

    def _take(self, messages: list[Message]) -> None:
        if messages[0].session != self._session:
            self._session = messages[0].session
            self._unacknowledged.clear()
        if self._config.qos:
            known, fresh = self._unacknowledged, []
            for message in messages:
                if message.mid not in known:  # else the broker sends again what waits for the disk
                    fresh.append(message)
                    if message.mid:
                        known.add(message.mid)
            messages = fresh
        size = sum(len(message.payload) for message in messages)
        if self._pending_bytes + size > PENDING_BYTES_MAX:
            messages, size = self._fit(messages)
        self._pending_bytes += size
        self._pending.append((self._clock.wall_us(), messages))
        self._wake.set()

    def _fit(self, messages: list[Message]) -> tuple[list[Message], int]:
        """As many messages, from the front, as there is room for, and their size; the rest is dropped and counted."""
        room, size, taken = PENDING_BYTES_MAX - self._pending_bytes, 0, 0
        for message in messages:
            if size + len(message.payload) > room:
                break
            size += len(message.payload)
            taken += 1
        lost = messages[taken:]
        self.health.received += len(lost)
        self.health.discarded += len(lost)
        self.health.error("overflow", f"over {PENDING_BYTES_MAX >> 20} MiB wait for the disk")
        self.acknowledge(lost)
        return messages[:taken], size

    def _connected(self) -> None:
        self.health.state, self.health.why = "running", ""

    def _disconnected(self, reason: str) -> None:
        self.health.error("connect", f"its broker is gone: {reason}")
        self.health.state = "waiting"
        self._lost = True
        self._wake.set()

    def _why_waiting(self) -> str:
        place = urlsplit(self._config.url)
        return f"waits for its broker at {place.hostname}: {self._link.stats.last_error or 'no answer yet'}"

    # -- from messages to batches

    async def _woken(self) -> None:
        """Wait for something to do; meanwhile keep the reason of a silent link up to date."""
        while not self._wake.is_set():
            try:
                async with asyncio.timeout(WAKE_S):
                    await self._wake.wait()
            except TimeoutError:
                if not self._link.connected:
                    self.health.why = self._why_waiting()
        self._wake.clear()

    def _drain(self) -> tuple[list[Message], NDArray[np.int64]]:
        """Some pending messages and when each arrived: never two at one µs, so that their order is kept."""
        messages: list[Message] = []
        runs: list[NDArray[np.int64]] = []
        taken = 0
        for at_us, some in self._pending:
            start_us = self._after(at_us)
            runs.append(np.arange(start_us, start_us + len(some)))
            self._last_us = start_us + len(some) - 1
            messages += some
            taken += 1
            if len(messages) >= MESSAGES_MAX:
                break
        del self._pending[:taken]
        self._pending_bytes -= sum(len(message.payload) for message in messages)
        return messages, np.concatenate(runs)

    def _after(self, at_us: int) -> int:
        """A time after the last one; when the clock was set back, the clock's word."""
        return at_us if at_us < self._last_us - SET_BACK_US else max(at_us, self._last_us + 1)

    def _convert(self, messages: list[Message], arrived_us: NDArray[np.int64]) -> list[Batch]:
        if not messages:
            return []
        routed = self._router.route(messages, arrived_us)
        for stage, why in routed.discarded:
            self.health.error(stage, why)
        batches = bodies(routed, self._last)
        rows = sum(batch.num_rows for _, batch in batches)
        self.health.received += rows + len(routed.discarded)
        self.health.discarded += len(routed.discarded)
        if not batches:
            self.acknowledge(messages)
            return []
        self.health.last_us = self._clock.wall_us()
        delivery = _Delivery(self, messages, len(batches))
        out = [Batch(kind, rows, partial(delivery.accepted, rows.num_rows)) for kind, rows in batches]
        return out + (self._stale(routed.offline) if routed.offline else [])

    def _stale(self, devices: set[str] | None) -> list[Batch]:
        points = [point.id for point in self._router.stale_points(devices)]
        at_us = self._last_us = self._after(self._clock.wall_us())
        return self._last.stale(points, at_us, self.health)


SOURCE = SourceKind(MqttConfig, Mqtt)
