"""What happens to vehicles on a live link: appearing, silence, arming, modes, statuses, fence, battery, waypoints.

Pure: messages and time go in, events come out; one `VehicleEvents` for a link. A vehicle is a system whose heartbeat
names an autopilot; ground stations and cameras are none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from drone_ingest.mavlink.modes import mode_name

__all__ = ["LINK_LOST_US", "VehicleEvent", "VehicleEvents"]

LINK_LOST_US = 5_000_000  # five heartbeats at their usual 1 Hz
_INVALID_AUTOPILOT = 8
_ARMED = 128
_FAILSAFE = {5: (2, "the vehicle is in a critical state"), 6: (0, "the vehicle is in an emergency")}  # MAV_STATE
_VEHICLES_MAX = 256
_BREACHES = {1: "below the fence", 2: "above the fence", 3: "outside the fence"}
_CHARGE = {  # MAV_BATTERY_CHARGE_STATE → severity, words
    2: (4, "battery is low"), 3: (2, "battery is critical"), 4: (0, "battery is an emergency"),
    5: (2, "battery has failed"), 6: (2, "battery is unhealthy"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class VehicleEvent:
    """`severity` counts as syslog does, 0 emergency to 7 debug; `kind` is one of connected, link_lost, link_back,
    armed, disarmed, mode, failsafe, failsafe_clear, status, fence, fence_clear, battery, waypoint, restarted."""

    system: int
    t_us: int
    kind: str
    severity: int
    text: str


@dataclass(slots=True)
class _Vehicle:
    heard_us: int
    boot_ms: int = 0
    lost: bool = False
    armed: bool | None = None
    mode: str = ""
    state: int = 0
    breach: int = 0
    charge: int = 0


class VehicleEvents:
    """Remembers each vehicle; only changes are events, except statuses and waypoints, which each are one."""

    def __init__(self, link_lost_us: int = LINK_LOST_US) -> None:
        self._vehicles: dict[int, _Vehicle] = {}
        self._link_lost_us = link_lost_us

    @property
    def systems(self) -> dict[int, bool]:
        """Known vehicles, and whether their link holds."""
        return {system: not one.lost for system, one in self._vehicles.items()}

    def clock_stepped(self, delta_us: int) -> None:
        """The caller's clock was set by `delta_us`: what was heard before is as old as it was."""
        for one in self._vehicles.values():
            one.heard_us += delta_us

    def link_broken(self, now_us: int, why: str) -> list[VehicleEvent]:
        """The whole link is gone: every vehicle is lost now, without waiting for its silence."""
        events = []
        for system, one in self._vehicles.items():
            if not one.lost:
                one.lost = True
                events.append(VehicleEvent(system, now_us, "link_lost", 2 if one.armed else 4, why))
        return events

    def take(self, batches: Mapping[str, pa.RecordBatch], now_us: int) -> list[VehicleEvent]:
        """Events of what a feed brought and of the silence until `now_us`, in the order of their times."""
        events = [event for row in _rows(batches, "HEARTBEAT") for event in self._heartbeat(row)]
        for row in _rows(batches, "SYSTEM_TIME"):
            events += self._restart(row)
        for row in _rows(batches, "STATUSTEXT"):
            events.append(_event(row, "status", min(int(row["severity"]), 7), str(row["text"])))
        for row in _rows(batches, "MISSION_ITEM_REACHED"):
            events.append(_event(row, "waypoint", 6, f"waypoint {row['seq']} reached"))
        for row in _rows(batches, "FENCE_STATUS"):
            events += self._fence(row)
        for row in _rows(batches, "BATTERY_STATUS"):
            events += self._battery(row)
        known = [event for event in events if event.system in self._vehicles]
        return sorted([*known, *self._silence(now_us)], key=lambda event: event.t_us)

    def _heartbeat(self, row: Mapping[str, int]) -> Iterator[VehicleEvent]:
        if row["autopilot"] == _INVALID_AUTOPILOT:
            return
        system = row["_system"]
        one = self._vehicles.get(system)
        if one is None:
            if len(self._vehicles) >= _VEHICLES_MAX:
                return
            one = self._vehicles[system] = _Vehicle(row["_t_us"])
            yield _event(row, "connected", 6, f"vehicle {system} is on the link")
        if one.lost:
            one.lost = False
            silent_s = (row["_t_us"] - one.heard_us) / 1e6
            yield _event(row, "link_back", 5, f"vehicle {system} is back after {silent_s:.1f} s")
        one.heard_us = max(one.heard_us, row["_t_us"])
        armed = bool(row["base_mode"] & _ARMED)
        if one.armed is not None and armed != one.armed:
            yield _event(row, "armed" if armed else "disarmed", 5, "")
        one.armed = armed
        mode = mode_name(row["type"], row["autopilot"], row["custom_mode"])
        if mode != one.mode:
            yield _event(row, "mode", 6, mode)
        one.mode = mode
        yield from self._failsafe(one, row)

    def _failsafe(self, one: _Vehicle, row: Mapping[str, int]) -> Iterator[VehicleEvent]:
        state = row["system_status"] if row["system_status"] in _FAILSAFE else 0
        if state and state != one.state:
            yield _event(row, "failsafe", *_FAILSAFE[state])
        elif one.state and not state:
            yield _event(row, "failsafe_clear", 5, "the vehicle is well again")
        one.state = state

    def _restart(self, row: Mapping[str, int]) -> Iterator[VehicleEvent]:
        one = self._vehicles.get(row["_system"])
        if one is not None:
            if row["time_boot_ms"] + 1_000 < one.boot_ms:
                yield _event(row, "restarted", 3, "the autopilot restarted: its time since boot went back")
            one.boot_ms = row["time_boot_ms"]

    def _fence(self, row: Mapping[str, int]) -> Iterator[VehicleEvent]:
        one = self._vehicles.get(row["_system"])
        if one is None:
            return
        breach = row["breach_type"] if row["breach_status"] else 0
        if breach and breach != one.breach:
            yield _event(row, "fence", 1, _BREACHES.get(breach, "through the fence"))
        elif one.breach and not breach:
            yield _event(row, "fence_clear", 5, "inside the fence again")
        one.breach = breach

    def _battery(self, row: Mapping[str, int]) -> Iterator[VehicleEvent]:
        one = self._vehicles.get(row["_system"])
        if one is not None and row["charge_state"] != one.charge:
            one.charge = row["charge_state"]
            if one.charge in _CHARGE:
                severity, words = _CHARGE[one.charge]
                yield _event(row, "battery", severity, words)

    def _silence(self, now_us: int) -> Iterator[VehicleEvent]:
        for system, one in self._vehicles.items():
            if not one.lost and now_us - one.heard_us > self._link_lost_us:
                one.lost = True
                words = f"no heartbeat of vehicle {system} for {self._link_lost_us / 1e6:g} s"
                at_us = one.heard_us + self._link_lost_us
                yield VehicleEvent(system, at_us, "link_lost", 2 if one.armed else 4, words)


def _event(row: Mapping[str, int], kind: str, severity: int, text: str) -> VehicleEvent:
    return VehicleEvent(row["_system"], row["_t_us"], kind, severity, text)


def _rows(batches: Mapping[str, pa.RecordBatch], name: str) -> list[dict[str, int]]:
    batch = batches.get(name)
    return [] if batch is None else batch.to_pylist()
