"""Aircraft that are heard by Remote ID, as devices: their points, poses and events; bounded in number."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from drone_ingest.remote_id.messages import astm_messages
from edge.sources import Batch, SourceHealth
from edge.sources.columns import Happening, LastValues, PointList, counted, events, poses
from edge.sources.pose_check import SPEED_M_S_MAX, PoseCheck
from edge.sources.row_list import RowList
from wire.names import slug
from wire.schemas import POSES

__all__ = ["AircraftRows"]

RADIOS_MAX: Final = 256  # heard since the start, with those who lie about themselves; a busy town hears some dozen
NUMBERS_MAX: Final = 256
EVENTS_MAX: Final = 1_000
NAMELESS_US: Final = 5_000_000  # a number is told every three seconds
WAITING_MAX: Final = 64  # places of one that has not told it yet
_ELLIPSOID: Final = 0  # code of the datum
_VALUES: Final = {  # field of a location message -> unit, class, limits
    "speed_m_s": ("speed", "m/s", "speed", 0.0, 254.25), "climb_m_s": ("climb_rate", "m/s", "speed", -63.0, 63.0),
    "track_deg": ("track", "deg", "direction", 0.0, 360.0), "height_m": ("height", "m", "height", -1_000.0, 31_767.0),
    "alt_pressure_m": ("pressure_altitude", "m", "height", -1_000.0, 31_767.0),
}  # fmt: skip


@dataclass(slots=True)
class _Aircraft:
    """One transmitter: called after its number once it told one."""

    mac: str
    device: str
    heard_us: int = 0
    is_lost: bool = True
    number: str = ""
    operator: dict[str, Any] = field(default_factory=dict)
    waiting: list[tuple[dict[str, Any], int]] = field(default_factory=list)  # places from before it was named
    ids: dict[str, int] = field(default_factory=dict)
    check: PoseCheck = field(default_factory=PoseCheck)


class AircraftRows:
    """All aircraft of one source; `loss_us` of silence loses one."""

    def __init__(self, loss_us: int, space: str, health: SourceHealth, *, speed_m_s_max: float = SPEED_M_S_MAX) -> None:
        self.points = PointList()
        self._loss_us, self._space, self._health = loss_us, space, health
        self._speed_m_s_max = speed_m_s_max
        self._rows, self._last = RowList(self.points), LastValues(self.points)
        self._aircraft: dict[str, _Aircraft] = {}
        self._by_number: dict[str, str] = {}
        self._poses: list[tuple[int, int, tuple[float, float, float], float, int]] = []
        self._told: list[Happening] = []

    @property
    def alive(self) -> int:
        """How many are heard now."""
        return sum(not one.is_lost for one in self._aircraft.values())

    def clock_stepped(self, step_us: int) -> None:
        """What was heard before is as old as it was."""
        for one in self._aircraft.values():
            one.heard_us += step_us if one.heard_us else 0

    def take(self, mac: str, payload: bytes, rssi: float | None, at_us: int) -> None:
        """One payload of one radio; ValueError when it is no Remote ID, or there are too many radios."""
        messages = list(astm_messages(payload))
        one = self._aircraft.get(mac)
        if one is None:
            if len(self._aircraft) >= RADIOS_MAX:
                raise ValueError(f"more than {RADIOS_MAX} radios were heard; {mac} is passed over")
            one = self._aircraft[mac] = _Aircraft(mac, "", check=PoseCheck(self._speed_m_s_max))
        for name, told in messages:
            if name == "basic_id" and told["uas_id"] and not one.number:
                self._name(one, str(told["uas_id"]), at_us)
            elif name == "system":
                known = ("operator_lat_deg", "operator_lon_deg", "operator_place")
                one.operator |= {key: told[key] for key in known if told[key] is not None}
            elif name == "operator_id" and told["operator_id"]:
                one.operator["operator_id"] = told["operator_id"]
            elif name == "location":
                self._place(one, told, at_us)
        if one.is_lost and one.device:
            self._tell(one, "aircraft_heard", 1, f"{one.number or mac} is in the air around", at_us)
        one.heard_us, one.is_lost = at_us, one.is_lost and not one.device
        if rssi is not None and one.device and -200.0 <= rssi <= 50.0:
            self._value(one, "signal", "dB[mW]", "signal", (None, None), float(rssi), at_us)

    def batches(self, now_us: int) -> list[Batch]:
        """The rows since the last call; last values of aircraft that fell silent, stale."""
        found = self._rows.batches(self._last, self._health)
        if self._poses:
            ids, times, places, yaws, flags = zip(*self._poses, strict=True)
            unknown = np.full(len(ids), np.nan)
            columns = list(np.array(places, np.float64).T)
            rows = poses(np.array(ids, np.uint32), np.array(times, np.int64), columns, _ELLIPSOID,
                         [unknown, unknown, np.array(yaws)], np.array(flags, np.uint8))  # fmt: skip
            self._health.received += rows.num_rows
            found.append(counted(POSES, rows, self._health))
            self._poses = []
        for one in self._aircraft.values():
            if not one.is_lost and now_us - one.heard_us > self._loss_us:
                one.is_lost = True
                self._health.error("link", f"{one.number or one.mac} is no longer heard")
                self._tell(one, "aircraft_gone", 0, f"{one.number or one.mac} is no longer heard", now_us)
                found += self._last.stale(list(one.ids.values()), now_us, self._health)
        if self._told:
            found.append(events(self._told))
            self._told = []
        return found

    def _name(self, one: _Aircraft, number: str, at_us: int) -> None:
        """Its number is known: it becomes a device, unless another radio speaks for that number."""
        one.number = number
        other = self._by_number.get(number)
        if other is not None and other != one.mac:
            twin = self._aircraft[other]
            if not twin.is_lost and at_us - twin.heard_us < self._loss_us:
                one.device = slug(f"{number}_{one.mac}")
                self._tell(one, "remote_id_suspect", 2, f"{number} is told by two radios", at_us, other=other)
                self._health.error("duplicate", f"{number} is told by {one.mac} and {other}")
            else:
                one.device, one.ids, one.check = twin.device, twin.ids, twin.check  # a new radio, the same aircraft
        one.device = one.device or slug(number)
        if len(self._by_number) < NUMBERS_MAX:
            self._by_number[number] = one.mac
        waiting, one.waiting = one.waiting, []
        for told, heard_us in waiting:
            self._place(one, told, heard_us)

    def _place(self, one: _Aircraft, told: dict[str, Any], at_us: int) -> None:
        if not one.device:
            one.waiting.append((told, at_us))
            if len(one.waiting) < WAITING_MAX and at_us - one.waiting[0][1] < NAMELESS_US:
                return
            one.device = slug(f"radio_{one.mac}")  # it will not say its number
            waiting, one.waiting = one.waiting, []
            for earlier, heard_us in waiting[:-1]:
                self._place(one, earlier, heard_us)
        for name, (metric, unit, point_class, low, high) in _VALUES.items():
            if told[name] is not None:
                self._value(one, metric, unit, point_class, (low, high), told[name], at_us)
        self._rows.add(self._point(one, "status", kind="state", declared="enum"), at_us, told["status"])
        if told["lat_deg"] is None or told["lon_deg"] is None:
            return
        point = self._point(one, "pose", kind="pose", unit="")
        height = np.nan if told["alt_ellipsoid_m"] is None else told["alt_ellipsoid_m"]
        at, lat, lon = np.array([at_us]), np.array([told["lat_deg"]]), np.array([told["lon_deg"]])
        flags = int(one.check.flags(at, lat, lon, np.nan_to_num(np.array([height])))[0])
        if abs(lat[0]) > 90 or abs(lon[0]) > 180:
            raise ValueError("a place that is not on Earth")
        if one.check.news:
            self._tell(one, "remote_id_suspect", 2, f"{one.number or one.mac}: {one.check.news}", at_us)
        yaw = np.nan if told["track_deg"] is None else told["track_deg"]
        self._poses.append((point, at_us, (lat[0], lon[0], height), yaw, flags))

    def _value(
        self, one: _Aircraft, metric: str, unit: str, point_class: str, limits: tuple[float | None, float | None],
        value: float, at_us: int,
    ) -> None:  # fmt: skip
        low, high = limits
        self._rows.add(
            self._point(one, metric, unit=unit, point_class=point_class, low=low, high=high), at_us, float(value)
        )

    def _point(self, one: _Aircraft, metric: str, **about: Any) -> int:
        if metric not in one.ids:
            label = f"{one.number or one.mac}: {metric.replace('_', ' ')}"
            one.ids[metric] = self.points.add(one.device, metric, label=label, space_hint=self._space, **about)
        return one.ids[metric]

    def _tell(self, one: _Aircraft, kind: str, severity: int, message: str, at_us: int, /, **detail: Any) -> None:
        if len(self._told) >= EVENTS_MAX:
            self._health.error("overflow", f"over {EVENTS_MAX} events wait for the disk")
            return
        about = {"mac": one.mac, "uas_id": one.number, **one.operator, **detail}
        self._told.append(Happening(at_us, one.device or slug(one.mac), kind, severity, message[:300], about))
