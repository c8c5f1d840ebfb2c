"""Any JSON over HTTP: addresses asked at a pace, and webhooks received, mapped to points by the rules of `mqtt`.

[[source]]                      # tested: the sample is the config of the first test
kind = "http-json"
name = "roof"
poll = [{ device = "inverter", url = "http://127.0.0.1:8080/status", period_s = 5.0, timeout_s = 2.0 }]
listen = "127.0.0.1:0"          # webhooks: POST /{device}/…; anything but loopback needs a token
token = "change me"             # sent as "Authorization: Bearer …" or "X-Token: …"; token_file for a secret
topic = [
    { pattern = "{device}/status", time = "ts", metrics = [{ path = "ac.p", metric = "power", unit = "W" }] },
    { pattern = "{device}/#", payload = "generic" },
]

What a device answers at `/status` is matched as `{device}/status`, a webhook to `/gate/1` as `gate/1`; without rules
every number found becomes a point. A device that does not answer has its points repeated once as stale, as has one that
posts nothing for `silent_s`. A metric's `command` is an address that `command_payload` is posted to.
"""

import asyncio
from functools import partial
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import numpy as np

from edge.cancelling import cancel
from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.columns import check_value
from edge.sources.http_receiver import Receiver
from edge.sources.link_time import LinkTime
from edge.sources.mqtt_form import bodies
from edge.sources.mqtt_profile import MqttProfile, TopicRule
from edge.sources.mqtt_route import Router
from edge.sources.profiles import load_profile
from edge.sources.running import GatheringSource
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.mqtt import Message

__all__ = ["SOURCE", "HttpJson", "HttpJsonConfig"]

PENDING_MAX: Final = 10_000  # messages that wait to be read: webhooks beyond it are told to come back
BODY_BYTES_MAX: Final = 65_536  # of an answer: what is larger is a file
CONNECTIONS_MAX: Final = 32
STOP_S_MAX: Final = 1.0
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Poll(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One address that is asked with GET."""

    device: Annotated[str, msgspec.Meta(pattern="^[^/+#]{1,64}$")]
    url: Annotated[str, msgspec.Meta(pattern="^https?://")]
    period_s: Annotated[float, msgspec.Meta(ge=0.02, le=86_400)] = 10.0
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=120)] = 5.0
    headers: dict[str, str] = {}

    @property
    def topic(self) -> str:
        """What its answers are matched as."""
        return f"{self.device}/{urlsplit(self.url).path.strip('/')}".rstrip("/")


class HttpJsonConfig(SourceConfig, tag="http-json"):
    """Config of addresses and a receiver that share their rules."""

    poll: tuple[Poll, ...] = ()
    listen: str = ""
    token: str = ""
    token_file: str = ""
    profile: str = ""
    topic: tuple[TopicRule, ...] = ()
    silent_s: Annotated[float, msgspec.Meta(ge=0, le=2_592_000)] = 0.0


class HttpJson(GatheringSource):
    """Addresses and webhooks."""

    gather_s = 0.02

    def __init__(self, config: HttpJsonConfig, context: SourceContext) -> None:
        if not config.poll and not config.listen:
            raise ConfigError(
                "neither asks nor listens", field="poll", fix="give poll = [{ … }], or listen = host:port"
            )
        super().__init__(config, "nothing was answered or posted yet")
        self._config, self._time = config, LinkTime(context.clock)
        rules = config.topic
        if config.profile:
            rules += load_profile(config.profile, context.folder, MqttProfile).topic
        everything = TopicRule(pattern="{device}/#", payload="generic")
        self._router = Router(rules or (everything,), config.device or config.name, self._points)
        self._pending: list[tuple[int, str, bytes]] = []
        self._gone: set[str] = set()
        self._heard_us: dict[str, int] = {}
        self._arrived_us = 0
        self._silent: list[tuple[str, str]] = []
        self._receiver = self._make_receiver(context)
        self._client: httpx.AsyncClient

    async def _open(self) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS_MAX)
        self._client = await self._held.enter_async_context(httpx.AsyncClient(limits=limits, trust_env=False))
        if self._receiver is not None:
            try:
                await self._receiver.start()
            except OSError as error:
                raise SourceError("connect", f"cannot listen on {self._config.listen}: {error}") from error
            self._held.push_async_callback(self._receiver.close)
        asking = [asyncio.create_task(self._ask(one), name=f"ask {one.url}") for one in self._config.poll]
        self._held.push_async_callback(cancel, asking, STOP_S_MAX)

    @property
    def port(self) -> int:
        """Where webhooks are received; 0 when they are not."""
        return self._receiver.port if self._receiver is not None else 0

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Post the point's command; any answer below 300 means that it was taken."""
        command = self._router.commands.get(point.id)
        if command is None:
            raise SourceError("write", f"{point.key} takes no commands")
        check_value(point, value)
        metric, device = command
        word = str(value).lower() if isinstance(value, bool) else f"{value}"
        body = metric.command_payload.replace("{value}", word).encode()
        kind = {"content-type": "application/json"}
        try:
            answer = await self._client.post(metric.command.replace("{device}", device), content=body, headers=kind)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceError("write", f"{point.key}: {type(error).__name__} {error}") from error
        if answer.status_code >= 300:
            raise SourceError("write", f"{point.key}: answered with {answer.status_code}")

    # -- asking and receiving

    async def _ask(self, one: Poll) -> None:
        """Ask at the address's pace for ever; a slow answer costs its own turns only."""
        next_s = self._time.monotonic_s()
        while True:
            try:
                async with asyncio.timeout(one.timeout_s):
                    body = await self._get(one)
                self._keep(one.topic, body)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
                self._silent.append((one.device, f"{one.url}: {error or type(error).__name__}"))
            now_s = self._time.monotonic_s()
            next_s = max(next_s + one.period_s, now_s)
            await asyncio.sleep(next_s - now_s)

    async def _get(self, one: Poll) -> bytes:
        async with self._client.stream("GET", one.url, headers=one.headers, timeout=one.timeout_s) as answer:
            if answer.status_code != 200:
                raise ValueError(f"answered with {answer.status_code}")
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > BODY_BYTES_MAX:
                    raise ValueError(f"over {BODY_BYTES_MAX} bytes")
            return body

    def _keep(self, topic: str, body: bytes) -> bool:
        if len(self._pending) >= PENDING_MAX:
            return False
        self._arrived_us = max(self._time.now_us(), self._arrived_us + 1)  # no two at one µs
        self._pending.append((self._arrived_us, topic, body))
        return True

    def _make_receiver(self, context: SourceContext) -> Receiver | None:
        config, token = self._config, self._config.token
        if not config.listen:
            return None
        host, mark, port = config.listen.rpartition(":")
        if not mark or not port.isdigit() or int(port) > 65_535:
            raise ConfigError(f"{config.listen!r} is no address", field="listen", fix="write 127.0.0.1:8088")
        if config.token_file:
            token = (context.folder / config.token_file).read_text().strip()
        if not token and host not in _LOOPBACK:
            fix = "give a token, or listen on 127.0.0.1"
            raise ConfigError("anybody could post readings", field="token", fix=fix)
        return Receiver(host, int(port), token, self._keep, partial(self.health.error, "receive"))

    # -- from messages to batches

    def _poll(self) -> list[Batch]:
        if step_us := self._time.step_us():
            self._arrived_us += step_us
        pending, self._pending = self._pending, []
        silent, self._silent = self._silent, []
        out: list[Batch] = []
        if pending:
            out += self._convert(pending)
        now_us = self._time.now_us()
        for device, why in silent:
            self.health.error("read", why)
            out += self._lose(device, now_us)
        if self._config.silent_s:
            limit_us = now_us - round(self._config.silent_s * 1e6)
            for device in [device for device, at_us in self._heard_us.items() if at_us < limit_us]:
                out += self._lose(device, now_us)
        return out

    def _convert(self, pending: list[tuple[int, str, bytes]]) -> list[Batch]:
        messages = [Message(topic, body) for _, topic, body in pending]
        arrived_us = np.array([at_us for at_us, _, _ in pending], dtype=np.int64)
        routed = self._router.route(messages, arrived_us)
        for stage, why in routed.discarded:
            self.health.error(stage, why)
        made = bodies(routed, self._last)
        self.health.received += sum(rows.num_rows for _, rows in made) + len(routed.discarded)
        self.health.discarded += len(routed.discarded)
        for at_us, topic, _ in pending:
            device = topic.partition("/")[0]
            self._heard_us[device] = at_us
            self._gone.discard(device)
        if made:
            self.health.last_us, self.health.state, self.health.why = self._time.now_us(), "running", ""
        return [Batch(kind, rows, partial(self._accepted, rows.num_rows)) for kind, rows in made]

    def _accepted(self, rows: int, refused: int) -> None:
        self.health.sent += rows - refused

    def _lose(self, device: str, at_us: int) -> list[Batch]:
        """A device's points once more, stale; once until it is heard again."""
        if device in self._gone:
            return []
        self._gone.add(device)
        self._heard_us.pop(device, None)
        if not self._heard_us:
            self.health.state = "waiting"
        points = [point.id for point in self._router.stale_points({device})]
        return self._last.stale(points, max(at_us, self._arrived_us + 1), self.health)


SOURCE = SourceKind(HttpJsonConfig, HttpJson)
