"""From decoded MAVLink messages to rows: the points, states, poses and events of each vehicle on a link.

Pure but for the points it remembers: messages go in, batches come out. What MAVLink calls unknown is left out until it
is known; a value that was known and is not any more is told once as NaN.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.mavlink.modes import mode_name
from drone_ingest.mavlink.telemetry import METRICS, Metric, poses, readings
from drone_ingest.mavlink.vehicle_events import VehicleEvent
from edge.sources import Batch, SourceHealth
from edge.sources.columns import Happening, LastValues, PointList, counted, events, states
from edge.sources.columns import poses as pose_rows
from edge.sources.columns import readings as reading_rows
from edge.sources.pose_check import PoseCheck
from wire.schemas import POSES, READINGS, STATES

__all__ = ["COMMANDS", "VehicleRows", "event_batch"]

COMMANDS: Final = ("return_home", "hold", "continue", "land", "start")
KEYFRAME_US: Final = 10_000_000  # a state that does not change is said again so often
_ARMED, _NO_AUTOPILOT = 128, 8
_CLASSES: Final = {
    "battery_charge": "battery_charge", "battery_voltage": "voltage", "battery_current": "current",
    "battery_temperature": "temperature", "height_above_takeoff": "distance", "ground_speed": "speed",
    "air_speed": "speed", "climb_rate": "speed", "wind_speed": "wind_speed", "air_temperature": "temperature",
    "air_pressure": "pressure", "gps_satellites": "count", "cpu_load": "load", "vibration_x": "acceleration",
    "vibration_y": "acceleration", "vibration_z": "acceleration",
}  # fmt: skip
_LANDED: Final = {1: "on_ground", 2: "in_air", 3: "taking_off", 4: "landing"}  # MAV_LANDED_STATE
_SEVERITIES: Final = (3, 3, 3, 2, 2, 1, 0, 0)  # syslog 0 … 7 → 0 info, 1 notice, 2 warning, 3 critical


class VehicleRows:
    """Points by vehicle and what they said last. `name_of(system)` names a device; `wanted` limits the metrics."""

    def __init__(
        self,
        name_of: Callable[[int], str],
        wanted: frozenset[str],
        commands: Sequence[str],
        space: str,
        speed_m_s_max: float,
    ) -> None:
        self.points = PointList()
        self._last = LastValues(self.points)
        self._name_of, self._wanted, self._commands, self._space = name_of, wanted, commands, space
        self._speed_m_s_max = speed_m_s_max
        self._ids: dict[tuple[int, str], int] = {}
        self._systems: dict[int, int] = {}  # the system of a point
        self._unknown: set[int] = set()
        self._newest_us: dict[int, int] = {}
        self._said: dict[int, tuple[str, int]] = {}
        self._checks: dict[int, PoseCheck] = {}

    def appear(self, system: int) -> None:
        """A vehicle is met: it can be commanded before it says more."""
        if self._commands:
            meta = {"values": list(self._commands)}
            self._point(system, "command", kind="state", declared="enum", writable=True, meta=meta)

    def system_of(self, point: int) -> int:
        """The vehicle of a point."""
        return self._systems[point]

    def take(
        self, batches: Mapping[str, pa.RecordBatch], known: Mapping[int, bool], health: SourceHealth
    ) -> list[Batch]:
        """Rows of vehicles in `known`; messages of others are not looked at."""
        found = [
            *self._readings(batches, known, health), *self._states(batches, known, health),
            *self._poses(batches, known, health),
        ]  # fmt: skip
        for batch in found:
            health.received += batch.rows.num_rows
        return found

    def count_link(self, device: str, counts: Mapping[str, int], at_us: int, health: SourceHealth) -> list[Batch]:
        """Figures of the link itself, as points of `device`."""
        ids = [self._link_point(device, metric) for metric in counts]
        rows = [(at, float(count)) for at, count in zip(ids, counts.values(), strict=True) if at >= 0]
        if not rows:
            return []
        points, values = np.array([at for at, _ in rows], np.uint32), np.array([value for _, value in rows])
        self._last.take_values(points, values)
        health.received += len(rows)
        return [counted(READINGS, self._flagged(points, np.full(len(rows), at_us), values), health)]

    def stale(self, systems: Sequence[int], at_us: int, health: SourceHealth) -> list[Batch]:
        """The last values of vehicles whose link is lost, once more."""
        points = [point for point, system in self._systems.items() if system in systems]
        at_us = max([at_us, *(self._newest_us.get(point, 0) + 1 for point in points)])
        for point in points:
            self._said.pop(point, None)
        return self._last.stale(points, at_us, health)

    def clock_stepped(self) -> None:
        """Times begin anew: later ones may be earlier."""
        self._newest_us.clear()
        self._said.clear()
        self._checks.clear()

    # -- inside

    def _point(self, system: int, metric: str, **about: Any) -> int:
        """The point of a vehicle's metric; −1 when nobody wants it."""
        at = self._ids.get((system, metric))
        if at is None:
            if self._wanted and metric not in self._wanted:
                at = -1
            else:
                device = self._name_of(system)
                label = f"{device}: {metric.replace('_', ' ')}"
                at = self.points.add(device, metric, label=label, space_hint=self._space, **about)
                self._systems[at] = system
            self._ids[system, metric] = at
        return at

    def _link_point(self, device: str, metric: str) -> int:
        key = (-1, metric)
        if key not in self._ids:
            wanted = not self._wanted or metric in self._wanted
            about: dict[str, Any] = {"label": f"{device}: {metric.replace('_', ' ')}", "space_hint": self._space}
            self._ids[key] = self.points.add(device, metric, unit="1", point_class="count", **about) if wanted else -1
        return self._ids[key]

    def _readings(
        self, batches: Mapping[str, pa.RecordBatch], known: Mapping[int, bool], health: SourceHealth
    ) -> Iterator[Batch]:
        parts = []
        for system, metric, times, values in readings(batches):
            if system not in known:
                continue
            is_known = ~np.isnan(values)
            if (system, metric.key) not in self._ids and not is_known.any():
                continue
            at = self._metric(system, metric)
            if at < 0:
                continue
            keep = self._told(at, is_known)
            if keep.any():
                parts.append((np.full(keep.sum(), at, np.uint32), self._rising(at, times[keep]), values[keep]))
        if parts:
            ids, times, values = (np.concatenate(column) for column in zip(*parts, strict=True))
            good = ~np.isnan(values)
            self._last.take_values(ids[good], values[good])
            health.last_us = max(health.last_us, int(times.max()))
            yield counted(READINGS, self._flagged(ids, times, values), health)

    def _metric(self, system: int, metric: Metric) -> int:
        about: dict[str, Any] = {"unit": metric.unit, "low": metric.low, "high": metric.high}
        return self._point(system, metric.key, point_class=_CLASSES.get(metric.key, ""), **about)

    def _told(self, at: int, is_known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows are worth telling: what is known, and the first unknown one after it."""
        before = np.concatenate([[at not in self._unknown], is_known[:-1]])
        (self._unknown.discard if is_known[-1] else self._unknown.add)(at)
        keep: NDArray[np.bool_] = is_known | before
        if at not in self._newest_us:  # never known: its first word is a known one
            keep &= np.logical_or.accumulate(is_known)
        return keep

    def _rising(self, at: int, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Times of one point, each later than the last: several messages may come in one piece."""
        steps = np.arange(len(times))
        first = max(int(times[0]), self._newest_us.get(at, int(times[0]) - 1) + 1)
        rising: NDArray[np.int64] = np.maximum.accumulate(np.maximum(times, first) - steps) + steps
        self._newest_us[at] = int(rising[-1])
        return rising

    def _flagged(
        self, ids: NDArray[np.uint32], times: NDArray[np.int64], values: NDArray[np.float64]
    ) -> pa.RecordBatch:
        return reading_rows(ids, times, values, self.points.flags(ids, values))

    def _states(
        self, batches: Mapping[str, pa.RecordBatch], known: Mapping[int, bool], health: SourceHealth
    ) -> Iterator[Batch]:
        rows = []
        for system, metric, at_us, text in _texts(batches):
            if system not in known or (at := self._point(system, metric, kind="state")) < 0:
                continue
            said, said_us = self._said.get(at, ("", 0))
            if text != said or at_us - said_us >= KEYFRAME_US:
                self._said[at] = text, at_us
                rows.append((at, int(self._rising(at, np.array([at_us]))[0]), text))
        if rows:
            ids, times, texts = zip(*rows, strict=True)
            self._last.take_texts(ids, texts)
            health.last_us = max(health.last_us, *times)
            quality = np.zeros(len(ids), np.uint8)
            yield counted(STATES, states(np.array(ids, np.uint32), np.array(times), texts, quality), health)

    def _poses(
        self, batches: Mapping[str, pa.RecordBatch], known: Mapping[int, bool], health: SourceHealth
    ) -> Iterator[Batch]:
        for found in poses(batches):
            if found.system not in known or (at := self._point(found.system, "pose", kind="pose", unit="")) < 0:
                continue
            check = self._checks.setdefault(found.system, PoseCheck(self._speed_m_s_max))
            flags = check.flags(found.t_us, found.lat_deg, found.lon_deg, found.alt_m)
            if check.news:
                health.error("position", f"{self._name_of(found.system)}: {check.news}")
            place, turned = (
                (found.lat_deg, found.lon_deg, found.alt_m),
                (found.roll_deg, found.pitch_deg, found.yaw_deg),
            )
            ids, times = np.full(len(flags), at, np.uint32), self._rising(at, found.t_us)
            rows = pose_rows(ids, times, place, found.datum, turned, flags)
            health.last_us = max(health.last_us, self._newest_us[at])
            yield counted(POSES, rows, health)


def event_batch(happened: Sequence[VehicleEvent], name_of: Callable[[int], str]) -> Batch:
    """Events of vehicles as one batch; syslog's severity stays in the detail."""
    return events([
        Happening(
            one.t_us, name_of(one.system), one.kind, _SEVERITIES[one.severity & 7],
            one.text or one.kind.replace("_", " "), {"system": one.system, "syslog": one.severity},
        )
        for one in happened
    ])  # fmt: skip


def _texts(batches: Mapping[str, pa.RecordBatch]) -> Iterator[tuple[int, str, int, str]]:
    """(system, metric, time, word) of what vehicles say in words; ground stations and cameras say none."""
    if (beats := batches.get("HEARTBEAT")) is not None:
        for row in beats.to_pylist():
            if row["autopilot"] != _NO_AUTOPILOT:
                mode = mode_name(row["type"], row["autopilot"], row["custom_mode"])
                yield row["_system"], "mode", row["_t_us"], mode
                yield row["_system"], "armed", row["_t_us"], "armed" if row["base_mode"] & _ARMED else "disarmed"
    if (landed := batches.get("EXTENDED_SYS_STATE")) is not None:
        for row in landed.to_pylist():
            if word := _LANDED.get(row["landed_state"]):
                yield row["_system"], "flight_state", row["_t_us"], word


assert {metric.key for metric in METRICS} >= _CLASSES.keys()
