"""LoRaWAN: devices behind ChirpStack v4 or The Things Stack v3, over the network server's MQTT.

[[source]]                      # tested: the sample is the config of the first test
kind = "lorawan"
name = "field"
url = "mqtt://127.0.0.1:1883"
network = "chirpstack"          # or "ttn"
devices = [
    { eui = "a84041000181c3a1", name = "soil-1", profile = "profiles/lorawan/dragino-lse01.toml" },
    { eui = "24e124126c000001", name = "valve-1", profile = "profiles/lorawan/milesight-uc511.toml", silent_s = 3600 },
]

A profile is the device's payload as a table of bytes; without one, what the network server's own codec says is taken.
Beside the quantities each device has `rssi`, `snr`, `online`, and `frames_lost`, counted from its frame counter. An
uplink that is told twice counts once. A device that is silent for `silent_s` (else three of its periods), or whose
broker is gone, has its points repeated once as stale. A command goes out as a confirmed downlink and is done when the
device acknowledges it; of a class A device, which listens only after it has spoken, it is refused unless
`queue_commands` is true: then it is done when it is queued, and an event tells when it arrived.
"""

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec

from edge.sources import Batch, SourceContext, SourceError, SourceKind
from edge.sources.columns import Happening, PointSpec, check_value, events
from edge.sources.lorawan_codec import Codec, CodecError, command_bytes, decode
from edge.sources.lorawan_network import NETWORKS, Event, EventError, downlink, read
from edge.sources.mqtt_broker import BrokerSource
from edge.sources.mqtt_config import BrokerConfig
from edge.sources.profiles import load_profile
from edge.sources.row_list import RowList
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.quality import NOT_A_NUMBER

__all__ = ["SOURCE", "LoRaWan", "LoRaWanConfig"]

MESSAGE_BYTES_MAX: Final = 65_536  # an uplink heard by ten gateways has 5 KB
KEYS_MAX: Final = 10_000  # uplinks remembered, to know one that is told again
DOWNLINKS_MAX: Final = 64  # commands that wait for their acknowledgement
UNTOLD_MAX: Final = 256  # metrics of one device that its server's codec names
AGE_US_MAX: Final = 86_400_000_000
FCNT_SPAN: Final = 1 << 16  # a smaller step forward is loss, a larger one a new session


class DeviceSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One device of the network."""

    eui: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{16}$")]
    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,64}$")]
    profile: str = ""
    silent_s: Annotated[float, msgspec.Meta(ge=0, le=2_592_000)] = 0.0
    points: tuple[PointSpec, ...] = ()  # what is known here beside the profile: labels, limits, places


class LoRaWanConfig(BrokerConfig, tag="lorawan"):
    """Config of one network server's broker."""

    network: Literal["chirpstack", "ttn"] = "chirpstack"
    prefix: Annotated[str, msgspec.Meta(pattern="^([^+#]*/)?$")] = ""  # before the server's topics
    devices: tuple[DeviceSpec, ...] = ()
    ack_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 8.0
    queue_commands: bool = False


@dataclass(slots=True)
class _Device:
    spec: DeviceSpec
    codec: Codec | None
    ids: dict[str, int] = field(default_factory=dict)
    points: list[int] = field(default_factory=list)
    topic: tuple[str, str] | None = None
    heard_us: int = 0
    count: int | None = None
    lost: int = 0
    gone: bool = False

    @property
    def silent_us(self) -> float:
        """After so long without a word it counts as gone."""
        seconds = self.spec.silent_s or 3.0 * (self.codec.period_s if self.codec is not None else 1_200.0)
        return seconds * 1e6


class LoRaWan(BrokerSource):
    """The devices of one network server."""

    gather_s = 0.05

    def __init__(self, config: LoRaWanConfig, context: SourceContext) -> None:
        if not config.devices:
            raise ConfigError("no devices", field="devices", fix="add devices = [{ … }] with eui, name and profile")
        super().__init__(config, context, "no device has spoken yet")
        self._config = config
        self._network = NETWORKS[config.network]
        self._rows = RowList(self._points)
        self._done: list[Batch] = []
        self._events: list[Happening] = []
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, tuple[_Device, str, asyncio.Future[bool] | None]] = {}
        self._owner: dict[int, tuple[_Device, str]] = {}
        self._devices: dict[str, _Device] = {}
        for spec in config.devices:
            codec = load_profile(spec.profile, context.folder, Codec) if spec.profile else None
            device = self._devices[spec.eui.lower()] = _Device(spec, codec)
            self._declare(device)

    async def _open(self) -> None:
        await self._listen(self._config.prefix + name for name in self._network.filters)

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Queue a downlink; wait for its acknowledgement where the device always listens."""
        check_value(point, value)
        device, metric = self._owner[point.id]
        codec = device.codec
        assert codec is not None, "only a profile makes a point writable"
        queued = codec.device_class == "A"
        if device.topic is None or len(self._waiting) >= DOWNLINKS_MAX:
            raise SourceError("write", f"{point.key}: {'it was never heard' if not device.topic else 'too many wait'}")
        if queued and not self._config.queue_commands:
            raise SourceError("write", f"{point.key}: a class A device listens only after its next uplink")
        try:
            port, data = command_bytes(codec, metric, str(value))
        except CodecError as error:
            raise SourceError("write", f"{point.key}: {error}") from error
        key = f"aid4-{secrets.token_hex(8)}"
        answer = None if queued else asyncio.get_running_loop().create_future()
        self._waiting[key] = (device, f"{metric} = {value}", answer)
        topic = self._config.prefix + self._network.down.format(app=device.topic[0], device=device.topic[1])
        body = downlink(self._config.network, device.spec.eui.lower(), key, port, data, confirmed=True)
        if not self._link.publish(topic, body, qos=1):
            del self._waiting[key]
            raise SourceError("write", f"{point.key}: no connection to {self._config.url}")
        if answer is not None:
            await self._acknowledged(point, key, answer)

    async def _acknowledged(self, point: Point, key: str, answer: asyncio.Future[bool]) -> None:
        try:
            async with asyncio.timeout(self._config.ack_s):
                taken = await answer
        except TimeoutError:
            why = f"{point.key}: not acknowledged in {self._config.ack_s:g} s"
            self.health.error("write", why)
            raise SourceError("write", why) from None
        finally:
            self._waiting.pop(key, None)
        if not taken:
            raise SourceError("write", f"{point.key}: the device or its network refused it")

    # -- one poll

    def _poll(self) -> list[Batch]:
        step_us, pending = self._arrived()
        for device in self._devices.values():
            device.heard_us += step_us if device.heard_us else 0
        for at_us, message in pending:
            if len(message.payload) > MESSAGE_BYTES_MAX:
                self._refuse("overflow", f"{message.topic[:100]}: {len(message.payload)} bytes in one message")
                continue
            try:
                event = None if message.retain else read(self._config.network, message.topic, message.payload)
            except EventError as error:
                self._refuse("decode", str(error))
                continue
            if event is not None:
                self._hear(event, at_us)
        now_us = self._time.now_us()
        for device in self._devices.values():
            if device.heard_us and not device.gone and (self._broken or now_us - device.heard_us > device.silent_us):
                self._lose(device, now_us, self._broken or f"silent for {(now_us - device.heard_us) / 1e6:.0f} s")
        self._broken = ""
        alive = any(device.heard_us and not device.gone for device in self._devices.values())
        self._note_state(now_us if pending else 0, alive=alive, silence="no device speaks")
        done, self._done = [*self._done, *self._rows.batches(self._last, self.health)], []
        if self._events:
            done.append(events(self._events))
            self._events = []
        return done

    def _hear(self, event: Event, at_us: int) -> None:
        device = self._devices.get(event.eui)
        if device is None:
            self._refuse("unknown", f"device {event.eui} is none of devices")
            return
        device.topic, device.heard_us = event.topic, at_us
        if event.kind in ("ack", "sent"):
            self._answer(event, at_us)
            return
        if device.gone or "online" not in device.ids:
            device.gone = False
            self._rows.add(self._id(device, "online", word=True, declared="bool"), at_us, "true")
        when_us = event.at_us if event.at_us is not None and abs(event.at_us - at_us) < AGE_US_MAX else at_us
        if event.kind == "up":
            self._uplink(device, event, when_us)
        elif event.kind == "join":
            device.count = None
            self._tell(device, at_us, "lorawan_join", 0, "it joined the network")
        elif event.kind == "log":
            self._tell(device, at_us, "lorawan_log", 1, event.text)
        else:
            self._decoded(device, event.decoded or {}, when_us)

    def _uplink(self, device: _Device, event: Event, at_us: int) -> None:
        if event.key:
            if event.key in self._keys:
                self._refuse("repeated", f"{device.spec.name}: an uplink was told twice")
                return
            self._keys[event.key] = None
            while len(self._keys) > KEYS_MAX:
                self._keys.popitem(last=False)
        self._count(device, event.frame, at_us)
        for metric, figure in zip(("rssi", "snr"), event.signal, strict=True):
            if figure is not None:
                unit = "dB[mW]" if metric == "rssi" else "dB"
                self._rows.add(self._id(device, metric, unit=unit), at_us, figure)
        if device.codec is None:
            self._decoded(device, event.decoded or {}, at_us)
            return
        try:
            found = decode(device.codec, event.port, event.data)
        except CodecError as error:
            self._refuse("decode", f"{device.spec.name}: {error}")
            return
        for part, value in found:
            word = bool(part.states)
            point = self._id(device, part.metric, word=word)
            if value is None:
                self._rows.add(point, at_us, "" if word else float("nan"), NOT_A_NUMBER)
            else:
                self._rows.add(point, at_us, value)

    def _count(self, device: _Device, count: int | None, at_us: int) -> None:
        """Frames that never came, from the frame counter; a step back is a new session."""
        before, device.count = device.count, count
        if count is None:
            return
        if before is not None and 1 < count - before < FCNT_SPAN:
            missing = count - before - 1
            device.lost += missing
            self.health.received += missing
            self.health.discarded += missing
            self.health.errors["gap"] = self.health.errors.get("gap", 0) + missing
        self._rows.add(self._id(device, "frames_lost", unit="1"), at_us, float(device.lost))

    def _decoded(self, device: _Device, told: dict[str, object], at_us: int) -> None:
        """What a network server's own codec says: numbers, words and truths at the top."""
        for name, value in list(told.items())[:UNTOLD_MAX]:
            if isinstance(value, bool | str):
                text = str(value).lower() if isinstance(value, bool) else value
                self._rows.add(self._id(device, name, word=True), at_us, text)
            elif isinstance(value, int | float):
                self._rows.add(self._id(device, name), at_us, float(value))

    def _answer(self, event: Event, at_us: int) -> None:
        found = self._waiting.get(event.downlink)
        if found is None or (event.kind == "sent" and event.ok):
            return  # on its way; what counts is that the device says so
        device, what, answer = found
        if answer is None:
            del self._waiting[event.downlink]
            word = "downlink_taken" if event.ok else "downlink_failed"
            self._tell(device, at_us, word, 0 if event.ok else 2, what)
        elif not answer.done():
            answer.set_result(event.ok)

    def _lose(self, device: _Device, at_us: int, why: str) -> None:
        device.gone = True
        self._done += self._rows.batches(self._last, self.health)
        self._done += self._last.stale(device.points, at_us, self.health)
        self._rows.add(device.ids["online"], at_us, "false")
        self._tell(device, at_us, "lorawan_silent", 2, why)

    # -- points

    def _declare(self, device: _Device) -> None:
        codec = device.codec
        known = {one.metric: one.about() for one in device.spec.points}
        for part in codec.offered() if codec is not None else ():
            if part.metric not in device.ids:
                own = {key: value for key, value in known.get(part.metric, {}).items() if value not in ("", None)}
                offered = {key: getattr(part, key) for key in PointSpec.__struct_fields__ if key != "metric"}
                about = {**offered, "period_s": codec.period_s if codec is not None else None, **own}
                self._id(device, part.metric, word=bool(part.states), writable=part.writable, **about)

    def _id(self, device: _Device, metric: str, *, word: bool = False, **about: object) -> int:
        found = device.ids.get(metric)
        if found is None or (self._points.points[found].kind == "state") != word:
            about = {key: value for key, value in about.items() if not word or key not in ("unit", "low", "high")}
            found = self._points.add(device.spec.name, metric, kind="state" if word else "value", **about)
            device.ids[metric] = found
            if metric != "online":
                device.points.append(found)
            self._owner[found] = (device, metric)
        return found

    def _tell(self, device: _Device, at_us: int, kind: str, severity: int, message: str) -> None:
        self._events.append(Happening(at_us, device.spec.name, kind, severity, message, {}))


SOURCE = SourceKind(LoRaWanConfig, LoRaWan)
