"""DJI docks and their aircraft over MQTT: the topics of DJI's Cloud API, with this agent as the platform they talk to.

[[source]]                      # tested: the sample is the config of the first test
kind = "dji-dock"
name = "dji"
url = "mqtt://127.0.0.1:1883"   # the broker that the dock was told; mqtts:// for TLS
devices = { 4TADKAQ000000J = "dock-1", 1581F6BKB0000001 = "drone-2" }   # by serial number; others are called after it
commands = ["return_home", "hold", "continue"]
link_loss_s = 10.0              # a status comes every two seconds

Docks and aircraft are devices; places are above the ellipsoid, as DJI measures them. `update_topo` and events that ask
for it are answered, without which a dock stays offline. Other sources may read the same broker; turn `answer` off when
another platform answers. A message that cannot be used is counted and changes nothing.
"""

import asyncio
import secrets
from typing import Annotated, Any, Final, Literal

import msgspec

from edge.sources import Batch, SourceContext, SourceError, SourceKind
from edge.sources.dji_rows import DjiRows, RefusedError
from edge.sources.mqtt_broker import BrokerSource
from edge.sources.mqtt_config import BrokerConfig
from wire.catalogue import Point
from wire.mqtt import Message
from wire.names import slug

__all__ = ["SOURCE", "DjiDock", "DjiDockConfig"]

MESSAGE_BYTES_MAX: Final = 262_144  # a status has 8 KB
AGE_US_MAX: Final = 86_400_000_000  # a time of the dock that is further off is not believed
ANSWER_S_MAX: Final = 8.0
WAITING_MAX: Final = 64
_TOPICS: Final = (
    "thing/product/+/osd", "thing/product/+/state", "thing/product/+/events", "thing/product/+/services_reply",
    "sys/product/+/status",
)  # fmt: skip
_SERVICES: Final = {"return_home": "return_home", "hold": "flighttask_pause", "continue": "flighttask_recovery"}

Word = Literal["return_home", "hold", "continue"]


class DjiDockConfig(BrokerConfig, tag="dji-dock"):
    """Config of one broker that docks talk to."""

    devices: dict[str, str] = msgspec.field(default_factory=dict)
    commands: tuple[Word, ...] = ("return_home", "hold", "continue")
    link_loss_s: Annotated[float, msgspec.Meta(ge=0.5, le=3_600)] = 10.0
    answer: bool = True


class DjiDock(BrokerSource):
    """Everything of DJI's on one broker."""

    def __init__(self, config: DjiDockConfig, context: SourceContext) -> None:
        super().__init__(config, context, "no dock has said anything yet")
        self._config = config
        self._rows = DjiRows(lambda sn: config.devices.get(sn) or slug(sn), config.commands, self.health)
        self._points = self._rows.points
        self._waiting: dict[str, asyncio.Future[int]] = {}

    async def _open(self) -> None:
        await self._listen(_TOPICS)

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Send a command word to the aircraft's dock and wait for its answer."""
        if not point.writable or value not in self._config.commands:
            raise SourceError("write", f"{point.key} takes {', '.join(self._config.commands) or 'no commands'}")
        gateway, tid = self._rows.gateway_of(point), secrets.token_hex(16)
        if not gateway or len(self._waiting) >= WAITING_MAX:
            raise SourceError("write", f"{point.key}: its dock is not known" if not gateway else "too many at once")
        body = {"tid": tid, "bid": secrets.token_hex(16), "method": _SERVICES[str(value)], "data": {}}
        answer = self._waiting[tid] = asyncio.get_running_loop().create_future()
        try:
            if not self._send(f"thing/product/{gateway}/services", body):
                raise SourceError("write", f"{point.key}: no connection to {self._config.url}")
            async with asyncio.timeout(ANSWER_S_MAX):
                result = await answer
            if result:
                raise SourceError("write", f"{point.key}: the dock refused {value} with {result}")
        except (SourceError, TimeoutError) as error:
            why = str(error) or f"{point.key}: the dock did not answer in {ANSWER_S_MAX:g} s"
            self.health.error("write", why)
            raise SourceError("write", why) from error
        finally:
            self._waiting.pop(tid, None)

    def _send(self, topic: str, body: dict[str, Any]) -> bool:
        stamped = {**body, "timestamp": self._time.now_us() // 1_000}
        return self._link.publish(topic, msgspec.json.encode(stamped), qos=1)

    # -- one poll

    def _poll(self) -> list[Batch]:
        step_us, pending = self._arrived()
        if step_us:
            self._rows.clock_stepped(step_us)
        for at_us, message in pending:
            try:
                self._read(message, at_us)
            except (RefusedError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
                self._refuse("decode", f"{message.topic[:80]}: {error}")
        now_us = self._time.now_us()
        self._rows.silence(now_us, round(self._config.link_loss_s * 1e6))
        if self._broken:
            self._rows.link_lost(now_us, self._broken)
            self._broken = ""
        found = self._rows.batches(now_us)
        self._note_state(now_us if pending else 0, alive=bool(self._rows.alive), silence="no dock says anything")
        return found

    def _read(self, message: Message, at_us: int) -> None:
        levels = message.topic.split("/")
        if len(levels) != 4 or len(message.payload) > MESSAGE_BYTES_MAX or not 0 < len(levels[2]) <= 64:
            raise RefusedError("its topic or size is none of the Cloud API's")
        body = msgspec.json.decode(message.payload, type=dict[str, Any])
        sn, last = levels[2], levels[3]
        told_us = _time_of(body, at_us)
        if last in ("osd", "state"):
            self._rows.status(sn, body, told_us, changed_only=last == "state")
        elif last == "events":
            self._rows.event(sn, body, told_us)
            if body.get("need_reply") == 1 and self._config.answer:
                self._answer(f"thing/product/{sn}/events_reply", body)
        elif last == "services_reply":
            self._answered(body)
        elif body.get("method") == "update_topo":
            self._rows.topology(sn, body, told_us)
            if self._config.answer:
                self._answer(f"sys/product/{sn}/status_reply", body)

    def _answer(self, topic: str, body: dict[str, Any]) -> None:
        same = {name: body[name] for name in ("tid", "bid", "method") if isinstance(body.get(name), str)}
        self._send(topic, {**same, "data": {"result": 0}})

    def _answered(self, body: dict[str, Any]) -> None:
        tid, data = body.get("tid"), body.get("data")
        waiting = self._waiting.get(tid) if isinstance(tid, str) else None
        result = data.get("result") if isinstance(data, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(result if isinstance(result, int) else -1)


def _time_of(body: dict[str, Any], at_us: int) -> int:
    """The dock's own time in ms where it can be believed, else that of arrival."""
    told = body.get("timestamp")
    if isinstance(told, int) and not isinstance(told, bool) and abs(told * 1_000 - at_us) < AGE_US_MAX:
        return told * 1_000
    return at_us


SOURCE = SourceKind(DjiDockConfig, DjiDock)
