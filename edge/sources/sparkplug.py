"""Sparkplug B 3.0: everything that edge nodes of some groups say on a broker, with this agent as host application.

[[source]]                      # tested: the sample is the config of the first test
kind = "sparkplug"
name = "plant"
url = "mqtt://127.0.0.1:1883"   # mqtts:// for TLS
groups = ["bottling"]           # all groups without it
host_id = "aid4"                # be a primary host: publish STATE, so that nodes keep their data while we are away
devices = { "bottling/line-4/filler" = "filler-4" }      # else named after node and device
metrics = [{ path = "*/Tank/Level", unit = "%", low = 0, high = 100 }, { path = "*/Speed/Setpoint", writable = true }]

Numbers become readings; texts, booleans and times become states; arrays, small data sets and template instances become
a point an element. What has no place among points (bytes, files, definitions) is listed in an event of its birth.
Historical data travels in batches of its own. When a node, a device or the broker goes, its points are repeated once as
stale. A gap in the sequence numbers, an unknown alias, or data without a birth makes us ask for a rebirth, ever more
rarely while it does not help. A command is done when the node reports the value that was asked for.
"""

import asyncio
import random
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from edge.sources import Batch, SourceContext, SourceError, SourceKind
from edge.sources.columns import check_value
from edge.sources.mqtt_broker import BrokerSource
from edge.sources.mqtt_config import BrokerConfig
from edge.sources.sparkplug_host import SparkplugHost
from edge.sources.sparkplug_message import PAYLOAD_BYTES_MAX, Payload
from edge.sources.sparkplug_tree import MetricRule, NodeKey, Tree
from edge.sources.sparkplug_values import ValueRefusedError, put, type_for
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.mqtt import Message
from wire.mqtt.packets import Will

__all__ = ["NAMESPACE", "SOURCE", "Sparkplug", "SparkplugConfig"]

NAMESPACE: Final = "spBv1.0"
REBIRTH_S_MAX: Final = 300.0  # between requests to a node that does not answer them
REBIRTHS_MAX: Final = 10  # to a node that never answers: an hour
REBIRTHS_A_POLL: Final = 4  # 80 a second over all nodes: after an outage a plant is asked one by one
_NODE_KINDS: Final = frozenset({"NBIRTH", "NDATA", "NDEATH"})
_DEVICE_KINDS: Final = frozenset({"DBIRTH", "DDATA", "DDEATH"})
_LEVEL_CHARS_MAX: Final = 128

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3_600)]


class SparkplugConfig(BrokerConfig, tag="sparkplug"):
    """Config of one broker that Sparkplug nodes talk to."""

    groups: tuple[str, ...] = ()
    host_id: str = ""
    devices: dict[str, str] = msgspec.field(default_factory=dict)
    metrics: tuple[MetricRule, ...] = ()
    reorder_s: Seconds = 1.0  # how long an out-of-turn message waits for the one before it
    rebirth_s: Annotated[float, msgspec.Meta(ge=0.1, le=300)] = 5.0  # between two requests to one node, at least
    confirm_s: Seconds = 5.0  # how long a node may take to report a commanded value; 0: not waited for


class Sparkplug(BrokerSource):
    """A host application for the groups of one broker."""

    gather_s = 0.05  # what arrives meanwhile becomes one batch
    pending_bytes_max = 32 << 20

    def __init__(self, config: SparkplugConfig, context: SourceContext) -> None:
        for text in (*config.groups, config.host_id):
            if any(sign in text for sign in "+#/"):
                raise ConfigError(f"{text!r} is no name", field="groups", fix="leave out +, # and /")
        super().__init__(config, context, "no edge node was born yet")
        self._config = config
        tree = Tree(config.devices, config.metrics, self.health.error)
        self.host = SparkplugHost(tree, self.health, round(config.reorder_s * 1e6))
        self._points = self.host.points
        self._state_ms = 0
        self._asked: dict[NodeKey, tuple[float, float, int]] = {}  # when a rebirth may be asked for again, pause, tries

    async def _open(self) -> None:
        self._link.on_connect = self._connected
        if self._config.host_id:
            await self._link.subscribe([(self._state_topic, 1)])
            self._set_will()
        # one filter a group: with two, a broker under load passes a node's birth and not yet those of its devices
        await self._listen(f"{NAMESPACE}/{group}/#" for group in self._config.groups or ("+",))
        if self._config.host_id:
            self._held.callback(partial(self._say_state, online=False))

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Send NCMD or DCMD with the metric's own data type; wait for the node to report the value."""
        check_value(point, value)
        node, thing, metric, _ = self.host.owner(point)
        if not thing.alive:
            raise SourceError("write", f"{point.key}: its device is not there")
        try:
            wanted = type_for(metric.type, value)
        except ValueRefusedError as error:
            raise SourceError("write", f"{point.key}: {error}") from error
        payload = self._payload()
        told = payload.metrics.add(name=metric.name, timestamp=payload.timestamp)
        if (alias := thing.aliases.get(metric.name)) is not None and node.aliases.get(alias) is not None:
            told.alias = alias
        put(told, metric.type, wanted)
        self.host.reported.pop(point.id, None)
        if not self._command(node.key, thing.device, payload):
            raise SourceError("write", f"{point.key}: no connection to {self._config.url}")
        if self._config.confirm_s:
            await self._confirmed(point, wanted)

    # -- the link

    @property
    def _state_topic(self) -> str:
        return f"{NAMESPACE}/STATE/{self._config.host_id}"

    def _set_will(self) -> None:
        """The will of the next connection: offline, with the time that its STATE birth will carry (§6.3)."""
        self._state_ms = self._time.now_us() // 1_000
        self._link.config = replace(self._link.config, will=Will(self._state_topic, self._state(online=False)))

    def _state(self, *, online: bool) -> bytes:
        return msgspec.json.encode({"online": online, "timestamp": self._state_ms})

    def _say_state(self, *, online: bool) -> None:
        self._link.publish(self._state_topic, self._state(online=online), qos=1, retain=True)

    def _connected(self) -> None:
        if self._config.host_id:
            self._say_state(online=True)

    def _disconnected(self, reason: str) -> None:
        super()._disconnected(reason)
        if self._config.host_id:
            self._set_will()

    # -- one poll

    def _poll(self) -> list[Batch]:
        step_us, pending = self._arrived()
        if step_us:
            self.host.clock_stepped(step_us)
        for at_us, message in pending:
            self._read(message, at_us)
        now_us = self._time.now_us()
        self.host.poll(now_us)
        if self._broken and not self._pending:
            self.host.link_lost(now_us, self._broken)
            self._broken = ""
        self._ask_for_births()
        found = self.host.batches()
        self._note_state(now_us if pending else 0, alive=bool(self.host.alive()), silence="no edge node is there")
        self._wake.set()
        return found

    def _read(self, message: Message, at_us: int) -> None:
        levels = message.topic.split("/")
        if message.topic == self._state_topic and self._config.host_id:
            self._heard_state(message)
            return
        if len(levels) < 4 or levels[1] == "STATE" or max(map(len, levels)) > _LEVEL_CHARS_MAX:
            return
        _, group, kind, node, *device = levels
        if (kind in _NODE_KINDS and not device) or (kind in _DEVICE_KINDS and len(device) == 1):
            if message.retain:  # births and data are never retained; who knows how old it is
                self.health.error("retained", f"{message.topic[:100]} was retained")
            elif len(message.payload) <= PAYLOAD_BYTES_MAX:
                self.host.take(kind, (group, node), device[0] if device else "", message.payload, at_us)
            else:
                self.health.error("decode", f"{message.topic[:100]}: {len(message.payload)} bytes")

    def _heard_state(self, message: Message) -> None:
        """Somebody, or our own late will, said that we are offline: say again that we are not."""
        try:
            state = msgspec.json.decode(message.payload, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            state = {}
        if state.get("online") is not True:
            self._say_state(online=True)

    # -- what is said to nodes

    def _ask_for_births(self) -> None:
        """Rebirth requests: a few a poll, and for one node ever more rarely until it is born again."""
        now_s, asked = self._time.monotonic_s(), 0
        for key in list(self.host.wanted):
            due_s, pause_s, tries = self._asked.get(key, (0.0, 0.0, 0))
            if now_s < due_s or asked >= REBIRTHS_A_POLL or not self._link.connected:
                continue
            if tries >= REBIRTHS_MAX:
                del self.host.wanted[key], self._asked[key]  # until it speaks again
                continue
            payload = self._payload()
            told = payload.metrics.add(name="Node Control/Rebirth", timestamp=payload.timestamp)
            put(told, "Boolean", True)
            if self._command(key, "", payload):
                asked += 1
                self.health.errors["rebirth"] = self.health.errors.get("rebirth", 0) + 1
                pause_s = min(max(2 * pause_s, self._config.rebirth_s), REBIRTH_S_MAX)
                self._asked[key] = (now_s + pause_s * random.uniform(1.0, 1.2), pause_s, tries + 1)  # noqa: S311
        for key, (due_s, _, _) in list(self._asked.items()):
            if key not in self.host.wanted and now_s > due_s + REBIRTH_S_MAX:
                del self._asked[key]  # it behaved for so long

    def _payload(self) -> Any:
        return Payload(timestamp=self._time.now_us() // 1_000)

    def _command(self, key: NodeKey, device: str, payload: Any) -> bool:
        kind = f"DCMD/{key[1]}/{device}" if device else f"NCMD/{key[1]}"
        return self._link.publish(f"{NAMESPACE}/{key[0]}/{kind}", payload.SerializeToString())

    async def _confirmed(self, point: Point, wanted: float | str | bool) -> None:
        word = str(wanted).lower() if isinstance(wanted, bool) else wanted
        try:
            async with asyncio.timeout(self._config.confirm_s):
                while not _same(self.host.reported.get(point.id), word):
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            told = self.host.reported.get(point.id)
            what = "nothing" if told is None else f"{told}"
            why = f"{point.key}: asked for {word}, the node reported {what} in {self._config.confirm_s:g} s"
            self.health.error("write", why)
            raise SourceError("write", why) from None


def _same(told: float | str | None, wanted: float | str) -> bool:
    """Whether a reported value is the commanded one, as far as single precision tells."""
    if isinstance(told, str) or isinstance(wanted, str) or told is None:
        return told == wanted
    return abs(told - wanted) <= 1e-6 * max(abs(told), abs(wanted), 1e-30)


SOURCE = SourceKind(SparkplugConfig, Sparkplug)
