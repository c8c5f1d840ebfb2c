"""MAVLink 2 (and 1): drones over UDP, TCP or a serial radio; each vehicle on the link is a device.

[[source]]                      # tested: the sample is the config of the first test
kind = "mavlink"
name = "drones"
url = "udpin://127.0.0.1:14550" # udpout://host:14550, tcp://host:5760, serial:///dev/ttyUSB0?baudrate=57600
devices = { 1 = "drone-1" }     # by system id; others are called after the source: drones-2
key_file = ""                   # 32 bytes, raw or as hex: what is not signed with them is refused and counted
link_loss_s = 5.0
commands = ["return_home", "hold", "continue", "land"]   # "start" (arm, fly the mission) must be asked for

Numbers become readings, mode and arming states, places poses (heights above mean sea level), and what happens events.
A vehicle whose heartbeat is silent for `link_loss_s` is lost: its points are repeated once with their last value,
flagged as stale. A system id is taken from one peer at a time, so two drones with one id do not become one device.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa

from drone_ingest.mavlink.dialect import LIVE
from drone_ingest.mavlink.encode import encode
from drone_ingest.mavlink.signing import KEY_BYTES, SignatureCheck, Signer
from drone_ingest.mavlink.stream import LinkCounts, MavlinkStream
from drone_ingest.mavlink.vehicle_events import VehicleEvent, VehicleEvents
from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.link_time import LinkTime
from edge.sources.mavlink_commands import SAFE_WORDS, Commander
from edge.sources.mavlink_link import Peer, Transport, open_transport, parse_address
from edge.sources.mavlink_rows import VehicleRows, event_batch
from edge.sources.pose_check import SPEED_M_S_MAX
from edge.sources.running import Backoff, RunningSource
from wire.catalogue import Point
from wire.errors import ConfigError

__all__ = ["SOURCE", "Mavlink", "MavlinkConfig"]

PENDING_BYTES_MAX: Final = 2 << 20  # a full radio link for three minutes; what comes beyond is dropped and counted
PEERS_MAX: Final = 64
SYSTEMS_MAX: Final = 64
RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0  # between attempts to open the link, with jitter
HEARTBEAT_S: Final = 1.0
COUNTS_S: Final = 5.0  # how often the figures of the link are told
_NO_AUTOPILOT: Final = 8  # MAV_AUTOPILOT_INVALID: ground stations, cameras, we
_COMPONENT: Final = 191  # MAV_COMP_ID_ONBOARD_COMPUTER
_INTERVAL: Final = 511  # MAV_CMD_SET_MESSAGE_INTERVAL
_WANTED_HZ: Final = {33: 5.0, 30: 5.0, 74: 2.0, 1: 1.0, 24: 1.0, 147: 0.5, 42: 1.0, 245: 1.0, 162: 1.0}
_REFUSED: Final = {"unsigned": "not signed", "wrong": "wrongly signed", "replayed": "sent before"}

Word = Literal["return_home", "hold", "continue", "land", "start"]


class MavlinkConfig(SourceConfig, tag="mavlink"):
    """Config of one link. `metrics` limits what is told; `request` asks each vehicle for the messages we read."""

    url: str
    devices: dict[str, str] = msgspec.field(default_factory=dict)
    key_file: str = ""
    link_loss_s: Annotated[float, msgspec.Meta(ge=0.2, le=600)] = 5.0
    commands: tuple[Word, ...] = SAFE_WORDS
    metrics: tuple[str, ...] = ()
    request: bool = True
    speed_m_s_max: Annotated[float, msgspec.Meta(ge=1, le=1e6)] = SPEED_M_S_MAX  # a leap beyond is no flight
    system_id: Annotated[int, msgspec.Meta(ge=1, le=255)] = (
        254  # not 255: autopilots take its heartbeat for the pilot's
    )
    space: str = ""  # where the vehicles are at home


@dataclass(slots=True)
class _Ear:
    """One sender: the stream of its bytes, and when it was last heard."""

    stream: MavlinkStream
    heard_s: float


class Mavlink(RunningSource):
    """One MAVLink link as a source."""

    def __init__(self, config: MavlinkConfig, context: SourceContext) -> None:
        super().__init__(config, f"no heartbeat on {config.url} yet")
        self._config, self._address = config, parse_address(config.url)
        self._time = LinkTime(context.clock)
        self._names = _names(config)
        key = _key(context.folder / config.key_file) if config.key_file else None
        self._check = SignatureCheck(key) if key else None
        self._signer = Signer(key) if key else None
        self._rows = VehicleRows(
            self._name_of, frozenset(config.metrics), config.commands, config.space, config.speed_m_s_max
        )
        self._points = self._rows.points
        self._events = VehicleEvents(round(config.link_loss_s * 1e6))
        self._commander = Commander(self._send, config.system_id)
        self._ears: dict[Peer, _Ear] = {}
        self._owners: dict[int, Peer] = {}
        self._pending: deque[tuple[int, bytes, Peer]] = deque()
        self._pending_bytes = self._last_us = 0
        self._transport: Transport | None = None
        self._past = [0, 0, 0]  # counts of senders that were forgotten
        self._broken = ""
        self._seq = 0
        self._beat_s = self._counts_s = -1e9

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Send a command word and wait for the vehicle's acknowledgement."""
        if not point.writable or value not in self._config.commands:
            raise SourceError("write", f"{point.key} takes {', '.join(self._config.commands) or 'no commands'}")
        try:
            await self._commander.carry_out(self._rows.system_of(point.id), str(value))
        except SourceError as error:
            self.health.error("write", f"{point.key}: {error.detail}")
            raise

    # -- the link

    async def _run(self) -> None:
        """Keep the link open until cancelled."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            try:
                transport = await open_transport(self._address)
                backoff.reset()
                try:
                    self._transport = transport
                    await transport.run(self._received)
                finally:
                    self._transport = None
                    transport.close()
                    for peer in list(self._ears):
                        self._forget(peer)
            except OSError as error:
                if self.health.state == "running":
                    self.health.error("connect", str(error))
                    self._broken = f"the link broke: {error}"
                self.health.state = "waiting"
                self.health.why = f"{self._config.url}: {error}"
            await backoff.wait()

    def _received(self, data: bytes, peer: Peer) -> None:
        if self._pending_bytes + len(data) > PENDING_BYTES_MAX:
            self.health.error("overflow", f"over {PENDING_BYTES_MAX >> 20} MiB wait to be decoded")
            return
        self._last_us = max(self._time.now_us(), self._last_us + 1)  # no two pieces at one µs
        self._pending.append((self._last_us, data, peer))
        self._pending_bytes += len(data)

    def _send(self, system: int, message: str, fields: Mapping[str, Any]) -> bool:
        peer = self._owners.get(system)
        if self._transport is None or peer is None or not self._events.systems.get(system, False):
            return False
        self._transport.send(self._frame(message, fields), peer)
        return True

    def _frame(self, message: str, fields: Mapping[str, Any]) -> bytes:
        self._seq = (self._seq + 1) & 0xFF
        return encode(
            message, fields, system=self._config.system_id, component=_COMPONENT, seq=self._seq, signer=self._signer,
            now_us=self._time.now_us(), dialect_name=LIVE,
        )  # fmt: skip

    def _beat(self) -> None:
        """Say that we are there: autopilots send to who speaks. We are no ground station in charge."""
        if self._transport is None or self._time.monotonic_s() - self._beat_s < HEARTBEAT_S:
            return
        self._beat_s = self._time.monotonic_s()
        frame = self._frame(
            "HEARTBEAT", {"type": 18, "autopilot": _NO_AUTOPILOT, "system_status": 4, "mavlink_version": 3}
        )
        for peer in {*self._owners.values()} or {()}:
            self._transport.send(frame, peer)

    # -- one poll

    def _poll(self) -> list[Batch]:
        """Decode what came, note what happened, repeat what is lost."""
        if step_us := self._time.step_us():
            self._events.clock_stepped(step_us)
            self._rows.clock_stepped()
            self._last_us += step_us
            self._pending = deque((at_us + step_us, data, peer) for at_us, data, peer in self._pending)
        chunks: dict[Peer, list[tuple[int, bytes]]] = {}
        for at_us, data, peer in self._pending:
            chunks.setdefault(peer, []).append((at_us, data))
        self._pending.clear()
        self._pending_bytes = 0
        now_us, found = self._time.now_us(), list[Batch]()
        for peer, pieces in chunks.items():
            found += self._heard(peer, pieces)
        found += self._tell(self._events.take({}, now_us))
        if self._broken:
            found += self._tell(self._events.link_broken(now_us, self._broken))
            self._broken = ""
        self._note_state()
        self._beat()
        return found + self._link_figures(now_us)

    def _heard(self, peer: Peer, pieces: list[tuple[int, bytes]]) -> list[Batch]:
        ear = self._ear(peer)
        if ear is None:
            self.health.error("peers", f"more than {PEERS_MAX} senders at once; {peer[0]} is not heard")
            return []
        batches = self._owned(peer, ear.stream.feed_all(pieces))
        known = self._events.systems
        happened = self._events.take(batches, pieces[-1][0])
        fresh = [system for system in self._events.systems if system not in known]
        for system in fresh:
            self._rows.appear(system)
        self._commander.take(batches)
        rows = self._rows.take(batches, self._events.systems, self.health)
        self._request(event.system for event in happened if event.kind in ("connected", "link_back", "restarted"))
        return self._tell(happened) + rows

    def _ear(self, peer: Peer) -> _Ear | None:
        """The stream of a sender; one that fell silent makes room for a new one."""
        now_s, ear = self._time.monotonic_s(), self._ears.get(peer)
        if ear is None:
            if len(self._ears) >= PEERS_MAX:
                oldest = min(self._ears, key=lambda one: self._ears[one].heard_s)
                if now_s - self._ears[oldest].heard_s < self._config.link_loss_s:
                    return None
                self._forget(oldest)
            ear = self._ears[peer] = _Ear(MavlinkStream(dialect=LIVE, signatures=self._check), now_s)
        ear.heard_s = now_s
        return ear

    def _forget(self, peer: Peer) -> None:
        counts = self._ears.pop(peer).stream.counts
        self._past = [past + now for past, now in zip(self._past, _figures(counts), strict=True)]

    def _owned(self, peer: Peer, batches: dict[str, pa.RecordBatch]) -> dict[str, pa.RecordBatch]:
        """The messages of systems that this peer speaks for. A heartbeat claims a system that nobody has now."""
        beats = batches.get("HEARTBEAT")
        if beats is not None:
            alive = self._events.systems
            for row in beats.to_pylist():
                system = row["_system"]
                is_free = system not in self._owners or not alive.get(system, False)
                if row["autopilot"] != _NO_AUTOPILOT and is_free and (system in alive or len(alive) < SYSTEMS_MAX):
                    self._owners[system] = peer
        mine = np.zeros(256, np.bool_)
        mine[[system for system, owner in self._owners.items() if owner == peer]] = True
        taken = {}
        for name, batch in batches.items():
            rows = mine[batch["_system"].to_numpy()]
            if not rows.all():
                if (
                    name == "HEARTBEAT"
                    and (batch.filter(pa.array(~rows))["autopilot"].to_numpy() != _NO_AUTOPILOT).any()
                ):
                    self.health.error("duplicate", f"two vehicles use one system id; {peer[:1]} is not heard")
                batch = batch.filter(pa.array(rows))
            if batch.num_rows:
                taken[name] = batch
        return taken

    def _tell(self, events: list[VehicleEvent]) -> list[Batch]:
        if not events:
            return []
        lost = [event.system for event in events if event.kind == "link_lost"]
        for event in events:
            if event.kind == "link_lost":
                self.health.error("link", event.text)
        told = [event_batch(events, self._name_of)]
        return told + (self._rows.stale(lost, self._time.now_us(), self.health) if lost else [])

    def _note_state(self) -> None:
        if any(self._events.systems.values()):
            if self.health.state != "running":
                self.health.state, self.health.why = "running", ""
        elif self.health.state == "running":
            self.health.state = "waiting"
            self.health.why = f"no heartbeat on {self._config.url} for {self._config.link_loss_s:g} s"
        if self._check is not None:
            for stage, words in _REFUSED.items():
                count = getattr(self._check, stage)
                if count > self.health.errors.get(stage, 0):
                    self.health.error(stage, f"messages were {words} and refused")
                    self.health.errors[stage] = count

    def _link_figures(self, now_us: int) -> list[Batch]:
        if not self._owners or self._time.monotonic_s() - self._counts_s < COUNTS_S:
            return []
        self._counts_s = self._time.monotonic_s()
        told = [self._past, *(_figures(ear.stream.counts) for ear in self._ears.values())]
        received, lost, damaged = (sum(column) for column in zip(*told, strict=True))
        figures = {
            "messages_received": received,
            "messages_lost": lost,
            "messages_damaged": damaged,
            "messages_refused": sum(getattr(self._check, stage, 0) for stage in _REFUSED),
        }
        return self._rows.count_link(self._config.device or self._config.name, figures, now_us, self.health)

    def _request(self, systems: Iterable[int]) -> None:
        """Ask vehicles for what we read; autopilots on a fresh link send little more than heartbeats."""
        for system in {*systems} if self._config.request else ():
            for message, rate_hz in _WANTED_HZ.items():
                fields = {"target_system": system, "target_component": 1, "command": _INTERVAL}
                self._send(system, "COMMAND_LONG", {**fields, "param1": message, "param2": 1e6 / rate_hz})

    def _name_of(self, system: int) -> str:
        return self._names.get(system) or f"{self._config.device or self._config.name}-{system}"


def _figures(counts: LinkCounts) -> list[int]:
    return [counts.received, counts.lost, counts.wrong_checksum]


def _names(config: MavlinkConfig) -> dict[int, str]:
    try:
        names = {int(system): name for system, name in config.devices.items()}
        if any(not 1 <= system <= 255 for system in names) or len(set(names.values())) != len(names):
            raise ValueError
    except ValueError:
        fix = 'write devices = { 1 = "drone-1", 2 = "drone-2" }'
        raise ConfigError("system ids are 1 to 255, each with a name of its own", field="devices", fix=fix) from None
    return names


def _key(file: Path) -> bytes:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error}", file=str(file), field="key_file", fix="name the key") from error
    if len(raw) != KEY_BYTES:
        try:
            raw = bytes.fromhex(raw.decode("ascii").strip())
        except ValueError:
            raw = b""
    if len(raw) != KEY_BYTES:
        fix = f"{KEY_BYTES} raw bytes, or {2 * KEY_BYTES} hex digits: openssl rand -hex {KEY_BYTES}"
        raise ConfigError("is no MAVLink signing key", file=str(file), field="key_file", fix=fix)
    return raw


SOURCE = SourceKind(MavlinkConfig, Mavlink)
