"""How a source hears a foreign MQTT broker: its part of the config, and messages that wait to be looked at."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from edge.sources import SourceConfig, SourceContext
from edge.sources.link_time import LinkTime
from edge.sources.running import GatheringSource
from wire.errors import ConfigError
from wire.mqtt import Link, LinkConfig, Message, TlsConfig

__all__ = ["BrokerConfig", "BrokerSource", "link_config"]

MESSAGE_BYTES = 200  # that a waiting message takes beside its payload


class BrokerConfig(SourceConfig):
    """Address and login of a broker."""

    url: str
    user: str = ""
    password: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 15.0
    transport: Literal["fast", "paho"] = "fast"


def link_config(config: BrokerConfig, folder: Path, *, manual_ack: bool = False, coalesce_s: float = 0.0) -> LinkConfig:
    """The link to the broker of a config; ConfigError when its URL is none."""
    url = urlsplit(config.url)
    try:
        port = url.port
    except ValueError:
        port = 0
    if url.scheme not in {"mqtt", "mqtts"} or not url.hostname or port == 0:
        fix = "write mqtt://host:1883 or mqtts://host:8883"
        raise ConfigError(f"{config.url!r} is no broker", field="url", fix=fix)
    secure = url.scheme == "mqtts"
    password = config.password or unquote(url.password or "")
    if config.password_file:
        password = (folder / config.password_file).read_text().strip()
    ca, cert, key = (folder / name if name else None for name in (config.ca, config.cert, config.key))
    return LinkConfig(
        host=url.hostname,
        port=port or (8883 if secure else 1883),
        user=config.user or unquote(url.username or ""),
        password=password,
        client_id=f"aid4-{config.name}",
        tls=TlsConfig(ca, cert, key) if secure else None,
        keepalive_s=config.keepalive_s,
        transport=config.transport,
        manual_ack=manual_ack,
        coalesce_s=coalesce_s if config.transport == "fast" else 0.0,
    )


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
