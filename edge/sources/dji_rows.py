"""From messages of DJI's Cloud API to rows: points, states and poses of docks and aircraft, and their events.

Pure but for what it remembers. A field that is not what it should be is left out and counted; the rest of its message
stays. `Refused` is raised for a message of which nothing can be used.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

import numpy as np

from edge.sources import Batch, SourceHealth
from edge.sources.columns import Happening, LastValues, PointList, counted, events, poses
from edge.sources.dji_fields import AIRCRAFT, DOCK, EVENTS, MODES, STATES, Happened, Kind, kind_of, on_its_way, value_at
from edge.sources.modbus_poll import Poll
from edge.sources.pose_check import PoseCheck
from wire.catalogue import Point
from wire.schemas import POSES

__all__ = ["DjiRows", "RefusedError"]

DEVICES_MAX: Final = 64
_ELLIPSOID: Final = 0  # code of the datum: DJI's `height` is above it


class RefusedError(Exception):
    """A message of which nothing can be used; says why."""


@dataclass(slots=True)
class _Device:
    sn: str
    name: str
    kind: Kind | None = None
    gateway: str = ""
    heard_us: int = 0
    lost: bool = False
    ids: dict[str, int] = field(default_factory=dict)
    check: PoseCheck = field(default_factory=PoseCheck)
    said: dict[str, str] = field(default_factory=dict)  # events told last, by kind
    levels: dict[str, float] = field(default_factory=dict)


class DjiRows:
    """Devices by serial number. `name_of` names one; `commands` are the words that an aircraft takes."""

    def __init__(self, name_of: Callable[[str], str], commands: tuple[str, ...], health: SourceHealth) -> None:
        self.points = PointList()
        self._last = LastValues(self.points)
        self._name_of, self._commands, self._health = name_of, commands, health
        self._devices: dict[str, _Device] = {}
        self._owner: dict[int, str] = {}  # serial number of a point's device
        self._events: list[Happening] = []
        self._poses: list[tuple[int, int, tuple[float, ...], int]] = []
        self._poll = Poll(self.points)

    @property
    def alive(self) -> bool:
        """Whether any device speaks."""
        return any(not one.lost and one.heard_us for one in self._devices.values())

    def gateway_of(self, point: Point) -> str:
        """The dock through which a point's device is commanded; "" when it is not known."""
        return self._devices[self._owner[point.id]].gateway

    def status(self, sn: str, body: Mapping[str, Any], at_us: int, *, changed_only: bool) -> None:
        """One `osd` or `state` message."""
        data = body.get("data")
        if not isinstance(data, dict) or not data:
            raise RefusedError("its data is no object")
        device = self._device(sn)
        device.kind = device.kind or kind_of(data)
        gateway = body.get("gateway")
        if isinstance(gateway, str) and gateway:
            device.gateway = gateway[:64]
        if device.kind is None and changed_only:
            return  # a change that could be anybody's waits for the first whole status
        if device.kind is None:
            raise RefusedError("it is neither of an aircraft nor of a dock")
        self._heard(device, at_us)
        self._take(device, data, at_us)

    def topology(self, gateway: str, body: Mapping[str, Any], at_us: int) -> None:
        """`update_topo`: which aircraft are with a dock; one that is named no more has gone off."""
        rows = value_at(body, ("data", "sub_devices"))
        if not isinstance(rows, list):
            raise RefusedError("it lists no sub_devices")
        dock = self._device(gateway)
        dock.kind, dock.gateway = dock.kind or "dock", gateway
        self._heard(dock, at_us)
        there = {one["sn"] for one in rows if isinstance(one, dict) and isinstance(one.get("sn"), str) and one["sn"]}
        for sn in sorted(there)[:DEVICES_MAX]:
            device = self._device(sn)
            device.kind, device.gateway = device.kind or "aircraft", gateway
            self._appear(device)
            self._heard(device, at_us)
        for device in self._devices.values():
            if device.gateway == gateway and device.sn not in (gateway, *there) and not device.lost:
                self._lose(device, at_us, f"{gateway} does not list it any more")

    def event(self, gateway: str, body: Mapping[str, Any], at_us: int) -> None:
        """One `events` message."""
        method = body.get("method")
        if not isinstance(method, str):
            raise RefusedError("it names no method")
        told = EVENTS.get(method)
        found = [Happened("dji", 0, method[:64])] if told is None else told(body.get("data"))
        about = next((one for one in self._devices.values() if one.gateway == gateway and one.kind == "aircraft"), None)
        device = about or self._device(gateway)
        percent = value_at(body, ("data", "output", "progress", "percent"))
        if method == "flighttask_progress" and _is_number(percent):
            self._number(device, "mission_progress", "%", "", (0, 100), float(percent), at_us)
        for one in found:
            self._happen(device, one, at_us, repeat=one.kind in ("health", "media", "dji"))

    def silence(self, now_us: int, loss_us: int) -> None:
        """Devices that have said nothing for so long are lost."""
        for device in self._devices.values():
            if device.heard_us and not device.lost and now_us - device.heard_us > loss_us:
                self._lose(device, device.heard_us + loss_us, f"nothing heard for {loss_us / 1e6:g} s")

    def link_lost(self, at_us: int, why: str) -> None:
        """The broker is gone, and with it everybody."""
        for device in self._devices.values():
            if device.heard_us and not device.lost:
                self._lose(device, at_us, why)

    def clock_stepped(self, step_us: int) -> None:
        """What was heard before is as old as it was."""
        for device in self._devices.values():
            device.heard_us += step_us if device.heard_us else 0

    def batches(self, now_us: int) -> list[Batch]:
        """What the messages since the last call became; last values of devices lost meanwhile, stale."""
        found = self._poll.batches(self._last, self._health)
        self._poll = Poll(self.points)
        if self._poses:
            ids, times, places, flags = (np.array(column) for column in zip(*self._poses, strict=True))
            rows = poses(ids, times, list(places.T[:3]), _ELLIPSOID, list(places.T[3:]), flags)
            batch = counted(POSES, rows, self._health)
            self._health.received += batch.rows.num_rows
            found.append(batch)
            self._poses = []
        lost = [event.device for event in self._events if event.kind == "link_lost"]
        if self._events:
            found.append(events(self._events))
            self._events = []
        if lost:
            names = {one.sn for one in self._devices.values() if one.name in lost and one.lost}
            points = [point for point, sn in self._owner.items() if sn in names]
            found += self._last.stale(points, now_us, self._health)
        return found

    # -- inside

    def _device(self, sn: str) -> _Device:
        device = self._devices.get(sn)
        if device is None:
            if len(self._devices) >= DEVICES_MAX:
                raise RefusedError(f"more than {DEVICES_MAX} devices on one broker")
            device = self._devices[sn] = _Device(sn, self._name_of(sn))
        return device

    def _appear(self, device: _Device) -> None:
        if device.kind == "aircraft" and self._commands and "command" not in device.ids:
            about = {"declared": "enum", "writable": True, "meta": {"values": list(self._commands)}}
            self._point(device, "command", kind="state", **about)

    def _heard(self, device: _Device, at_us: int) -> None:
        if not device.heard_us or device.lost:
            word = "connected" if not device.heard_us else "link_back"
            self._tell(device, Happened(word, 0, f"{device.name} is on the link"), at_us)
        device.heard_us, device.lost = max(device.heard_us, at_us), False

    def _lose(self, device: _Device, at_us: int, why: str) -> None:
        device.lost = True
        self._health.error("link", f"{device.name}: {why}")
        flying = device.said.get("armed") == "armed"
        self._tell(device, Happened("link_lost", 3 if flying else 2, why), at_us)

    def _point(self, device: _Device, metric: str, **about: Any) -> int:
        at = device.ids.get(metric)
        if at is None:
            label = f"{device.name}: {metric.replace('_', ' ')}"
            at = device.ids[metric] = self.points.add(device.name, metric, label=label, **about)
            self._owner[at] = device.sn
        return at

    def _number(
        self, device: _Device, metric: str, unit: str, point_class: str, limits: tuple[float | None, float | None],
        value: float, at_us: int,
    ) -> None:  # fmt: skip
        low, high = limits
        at = self._point(device, metric, unit=unit, point_class=point_class, low=low, high=high)
        self._poll.take([at], np.array([value]), at_us)

    def _take(self, device: _Device, data: dict[str, Any], at_us: int) -> None:
        self._appear(device)
        for one in AIRCRAFT if device.kind == "aircraft" else DOCK if device.kind == "dock" else ():
            value = value_at(data, one.path)
            if value is None:
                continue
            if not _is_number(value):
                self._health.error("field", f"{device.name}: {one.metric} is no number")
            elif value != one.unknown:
                limits = (one.low, one.high)
                self._number(device, one.metric, one.unit, one.point_class, limits, float(value) * one.scale, at_us)
        for path, metric, words in STATES[device.kind] if device.kind else ():
            value = value_at(data, path)
            if isinstance(value, bool | int):
                word = words[int(value)] if 0 <= int(value) < len(words) else str(value)
                self._poll.take_texts([self._point(device, metric, kind="state")], [word], at_us)
            elif value is not None:
                self._health.error("field", f"{device.name}: {metric} is no code")
        if device.kind == "aircraft":
            self._fly(device, data, at_us)

    def _fly(self, device: _Device, data: dict[str, Any], at_us: int) -> None:
        """What only aircraft have: a place, motors, a battery that must bring it home, areas that it must not leave."""
        code = data.get("mode_code")
        if isinstance(code, int) and not isinstance(code, bool) and 0 <= code < len(MODES):
            armed = "armed" if on_its_way(MODES[code]) else "disarmed"
            self._poll.take_texts([self._point(device, "armed", kind="state")], [armed], at_us)
            if "armed" in device.said or armed == "armed":
                self._happen_once(device, "armed", armed, Happened(armed, 1, armed), at_us)
            self._happen_once(device, "mode", MODES[code], Happened("mode", 0, MODES[code]), at_us)
        for name in ("capacity_percent", "return_home_power", "landing_power"):
            value = value_at(data, ("battery", name))
            if _is_number(value):
                device.levels[name] = float(value)
        self._battery(device, at_us)
        for name, words in (("is_near_area_limit", "near the limit of its area"), ("is_near_height_limit", "too high")):
            value = data.get(name)
            if isinstance(value, bool | int):
                kind = "fence" if value else "fence_clear"
                if value or device.said.get(name) == "fence":
                    self._happen_once(device, name, kind, Happened(kind, 2 if value else 0, words), at_us)
        self._place(device, data, at_us)

    def _battery(self, device: _Device, at_us: int) -> None:
        charge = device.levels.get("capacity_percent")
        if charge is None:
            return
        low, critical = device.levels.get("return_home_power", 25.0), device.levels.get("landing_power", 10.0)
        word, severity = ("critical", 3) if charge <= critical else ("low", 2) if charge <= low else ("good", 0)
        if word != "good" or "battery" in device.said:
            self._happen_once(device, "battery", word, Happened("battery", severity, f"battery is {word}"), at_us)

    def _place(self, device: _Device, data: dict[str, Any], at_us: int) -> None:
        lat, lon, height = (data.get(name) for name in ("latitude", "longitude", "height"))
        if not (_is_number(lat) and _is_number(lon)) or (lat == 0 and lon == 0):
            return
        if abs(lat) > 90 or abs(lon) > 180:
            self._health.error("field", f"{device.name}: {lat}, {lon} is no place")
            return
        alt = float(height) if _is_number(height) else math.nan
        turned = [data.get(f"attitude_{name}") for name in ("roll", "pitch", "head")]
        roll, pitch, yaw = (float(one) if _is_number(one) else math.nan for one in turned)
        flags = device.check.flags(np.array([at_us]), np.array([float(lat)]), np.array([float(lon)]), np.array([alt]))
        if device.check.news:
            self._health.error("position", f"{device.name}: {device.check.news}")
        at = self._point(device, "pose", kind="pose")
        self._poses.append((at, at_us, (float(lat), float(lon), alt, roll, pitch, yaw), int(flags[0])))

    def _happen_once(self, device: _Device, what: str, word: str, one: Happened, at_us: int) -> None:
        if device.said.get(what) != word:
            device.said[what] = word
            self._tell(device, one, at_us)

    def _happen(self, device: _Device, one: Happened, at_us: int, *, repeat: bool) -> None:
        if repeat or device.said.get(one.kind) != one.text:
            device.said[one.kind] = one.text
            self._tell(device, one, at_us)

    def _tell(self, device: _Device, one: Happened, at_us: int) -> None:
        self._events.append(Happening(at_us, device.name, one.kind, one.severity, one.text, {"sn": device.sn}))


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
