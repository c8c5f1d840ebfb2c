"""How a source hears a foreign MQTT broker: messages wait until they are looked at."""

from collections.abc import Iterable
from typing import ClassVar

from edge.sources import SourceContext
from edge.sources.link_time import LinkTime
from edge.sources.mqtt_config import BrokerConfig, link_config
from edge.sources.running import GatheringSource
from wire.mqtt import Link, Message

__all__ = ["BrokerSource"]

MESSAGE_BYTES = 200  # that a waiting message takes beside its payload


class BrokerSource(GatheringSource):
    """Messages of a broker wait, bounded, for the next look, each with a time of its own; `_broken`: why it is gone."""

    pending_bytes_max: ClassVar[int] = 8 << 20

    def __init__(self, config: BrokerConfig, context: SourceContext, why: str) -> None:
        super().__init__(config, why)
        self._time = LinkTime(context.clock)
        self._link = Link(link_config(config, context.folder))
        self._pending: list[tuple[int, Message]] = []
        self._pending_bytes = self._arrived_us = 0
        self._broken = ""

    async def _listen(self, filters: Iterable[str]) -> None:
        """Subscribe and keep the link until the source is left."""
        self._link.on_messages = self._take
        self._link.on_disconnect = self._disconnected
        await self._link.subscribe([(name, 1) for name in filters])
        await self._held.enter_async_context(self._link)
        self._held.callback(self._stop_listening)

    def _stop_listening(self) -> None:
        self._link.on_disconnect = lambda reason: None  # a stop is no outage

    def _disconnected(self, reason: str) -> None:
        self._broken = f"the broker is gone: {reason}"
        self.health.error("connect", f"its broker is gone: {reason}")

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            size = len(message.payload) + MESSAGE_BYTES
            if self._pending_bytes + size > self.pending_bytes_max:
                self._refuse("overflow", f"over {self.pending_bytes_max >> 20} MiB wait to be read")
                continue
            self._pending_bytes += size
            self._arrived_us = max(self._time.now_us(), self._arrived_us + 1)  # no two at one µs
            self._pending.append((self._arrived_us, message))

    def _arrived(self) -> tuple[int, list[tuple[int, Message]]]:
        """By how many µs the clock was set since the last look, and the messages since then, moved with it."""
        step_us = self._time.step_us()
        self._arrived_us += step_us
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        return step_us, [(at_us + step_us, message) for at_us, message in pending] if step_us else pending

    def _refuse(self, stage: str, why: str) -> None:
        """Count one message that becomes nothing."""
        self.health.received += 1
        self.health.discarded += 1
        self.health.error(stage, why)

    def _note_state(self, heard_us: int, *, alive: bool, silence: str) -> None:
        """How it stands after a look: `heard_us` is its time if there was a message, `silence` why nothing is alive."""
        self.health.last_us = max(self.health.last_us, heard_us)
        if alive:
            if self.health.state != "running":
                self.health.state, self.health.why = "running", ""
        elif self.health.state == "running":
            self.health.state, self.health.why = "waiting", silence
        elif not self._link.connected:
            self.health.why = f"waits for its broker: {self._link.stats.last_error or 'no answer yet'}"
        elif self.health.why.startswith("waits for its broker"):
            self.health.why = silence
