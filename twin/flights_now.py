"""Where every drone is: the newest pose of each in memory, and the pose of each at any moment from the database.

Ingest leaves a table of poses after each commit that has some, which costs it a few microseconds; all else happens
when somebody asks.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.found import DATUMS
from twin.flights import Flights
from twin.flights_place import Places
from twin.flights_rows import FlightRow
from twin.points import PointRow
from twin.state import StateTable
from twin.store import Store
from twin.times import iso

__all__ = ["DroneView", "Drones", "Pose"]

_SOON_US: Final = 600_000_000
LOOK_BACK_US: Final = 86_400_000_000  # a drone that said nothing for a day is not there
DRONES_MAX: Final = 1_000  # shown at once: a swarm stays below
_LAST = (
    "SELECT point, arg_max({{'ts_us': epoch_us(ts), 'lat_deg': lat_deg, 'lon_deg': lon_deg, 'alt_m': alt_m,"
    " 'datum': datum, 'roll_deg': roll_deg, 'pitch_deg': pitch_deg, 'yaw_deg': yaw_deg}}, (ts, recv)) FROM poses"
    " WHERE ts > make_timestamptz($since::BIGINT) AND ts <= make_timestamptz($at::BIGINT) {known}"
    " AND point IN (SELECT unnest($points)) GROUP BY point"
)
_KNOWN = "AND recv <= make_timestamptz($known::BIGINT)"
_SHOWN: Final = {  # metrics of a drone that are shown with its pose, the first that it has
    "mode": ("mode", "flight_mode", "mode_code"),
    "armed": ("armed", "is_armed"),
    "battery": ("battery_charge", "battery", "capacity_percent", "battery_percent"),
}
_TRUE = {"true", "armed", "1", "on", "yes"}


class Pose(NamedTuple):
    """One pose; heights and angles NaN where they are not known."""

    ts_us: int
    lat_deg: float
    lon_deg: float
    alt_m: float
    datum: int
    roll_deg: float
    pitch_deg: float
    yaw_deg: float


class DroneView(msgspec.Struct):
    """One drone at a moment, as GET /state and /live show it; x, y, z are metres of the model."""

    device: str
    node: str
    point: int | None
    ts: str | None
    lat_deg: float
    lon_deg: float
    alt_m: float | None
    datum: str
    x: float | None
    y: float | None
    z: float | None
    roll_deg: float | None
    pitch_deg: float | None
    yaw_deg: float | None
    mode: str | None
    armed: bool | None
    battery: float | None
    flight: str | None
    age_s: float


class Drones:
    """`take` is called by ingest after a commit, in the writer's thread; the rest from any thread."""

    def __init__(self, store: Store, flights: Flights, places: Places) -> None:
        self._store, self._flights, self._places = store, flights, places
        self._turn = threading.Lock()
        self._newest: dict[int, Pose] = {}
        self._companions: tuple[int, dict[int, dict[str, int]]] = (-1, {})
        self.version = 0
        self.heard: Callable[[NDArray[np.uint32], NDArray[np.int64]], None] = lambda _points, _ts_us: None

    def load(self) -> None:
        """After a start: the newest poses that the database has."""
        now_us = self._store.clock.wall_us()
        with self._turn:
            self._newest = self._at(now_us, None) | self._newest
            self.version += 1

    def take(self, table: pa.Table) -> None:
        """Poses that were committed; an older one never replaces a newer."""
        points, ts = table["point"].to_numpy(), table["ts"].cast(pa.int64()).to_numpy()
        order = np.lexsort((ts, points))
        last = order[np.append(np.diff(points[order]) != 0, True)]
        rows = table.take(last).to_pylist() if len(last) < table.num_rows else table.to_pylist()
        with self._turn:
            self.version += 1
            for row, at_us in zip(rows, ts[last].tolist() if len(last) < len(ts) else ts.tolist(), strict=True):
                held = self._newest.get(row["point"])
                if held is None or at_us >= held.ts_us:
                    self._newest[row["point"]] = Pose(
                        at_us, row["lat_deg"], row["lon_deg"], row["alt_m"], row["datum"], row["roll_deg"],
                        row["pitch_deg"], row["yaw_deg"],
                    )  # fmt: skip
        self.heard(points, ts)

    def companions(self, point: int) -> dict[str, int]:
        """Points of a drone whose values are shown with its pose: `mode`, `armed`, `battery`, those that it has."""
        return self._beside().get(point, {})

    def now(self, values: Callable[[list[int]], StateTable]) -> list[DroneView]:
        """Every drone that was heard within a day. `values` gives the newest values of points."""
        now_us = self._store.clock.wall_us()
        with self._turn:
            poses = {point: pose for point, pose in self._newest.items() if pose.ts_us > now_us - LOOK_BACK_US}
        return self._views(poses, now_us, None, values) if poses else []

    def at(self, at_us: int, known_us: int | None, values: Callable[[list[int]], StateTable]) -> list[DroneView]:
        """Every drone at a moment as far as was known, those of uploaded flights too. Blocking."""
        poses = self._at(at_us, known_us)
        flying = self._flights.flying(at_us, known_us)
        views = self._views(poses, at_us, flying, values) if poses else []
        shown = {view.device for view in views if view.flight is not None}
        views = [*views, *self._uploaded([row for row in flying if row.device not in shown], at_us)]
        return views[:DRONES_MAX]

    def _at(self, at_us: int, known_us: int | None) -> dict[int, Pose]:
        """The last poses before a moment: of the minutes before it, and for who said nothing then of its day."""
        given: dict[str, Any] = {"at": at_us} | ({} if known_us is None else {"known": known_us})
        sql = _LAST.format(known="" if known_us is None else _KNOWN)
        poses: dict[int, Pose] = {}
        with self._store.cursor() as cursor:
            for back_us in (_SOON_US, LOOK_BACK_US):
                if missing := [point for point in self._beside() if point not in poses]:
                    given |= {"since": at_us - back_us, "points": missing}
                    poses |= {point: _pose(best) for point, best in cursor.execute(sql, given).fetchall()}
        return poses

    def _views(
        self,
        poses: dict[int, Pose],
        at_us: int,
        flying: list[FlightRow] | None,
        values: Callable[[list[int]], StateTable],
    ) -> list[DroneView]:
        known = self._store.points.by_id
        poses = {point: poses[point] for point in sorted(poses)[:DRONES_MAX] if point in known}
        beside = self._beside()
        wanted = sorted({one for point in poses for one in beside.get(point, {}).values()})
        table = values(wanted) if wanted else None
        said = {} if table is None else _values(table)
        flights = {row.point: row.id for row in (self._flights.flying(at_us, None) if flying is None else flying)}
        xyz = self._xyz(poses.values())
        return [
            _view(known[point], pose, place, at_us, flights.get(point), _said(beside.get(point, {}), said))
            for (point, pose), place in zip(poses.items(), xyz, strict=True)
        ]

    def _uploaded(self, flying: Iterable[FlightRow], at_us: int) -> list[DroneView]:
        views = []
        for row in flying:
            if row.source != "upload":
                continue
            track = self._flights.track(row, until_us=at_us)
            if not len(track.lat_deg) or track.ts_us is None:
                continue
            last = track.take(np.array([len(track.lat_deg) - 1]))
            columns = (last.lat_deg, last.lon_deg, last.alt_m, last.datum, last.roll_deg, last.pitch_deg, last.yaw_deg)
            pose = Pose(int(track.ts_us[-1]), *(column[0].item() for column in columns))
            [place] = self._xyz([pose])
            views.append(_view(row.device, pose, place, at_us, row.id, {}))
        return views

    def _xyz(self, poses: Iterable[Pose]) -> list[list[float | None]]:
        rows = list(poses)
        lat, lon, alt = (np.array([row[place] for row in rows], np.float64) for place in (1, 2, 3))
        xyz, _ = self._places(lat, lon, alt, np.array([row.datum for row in rows], np.uint8))
        if xyz is None:
            return [[None, None, None] for _ in rows]
        return [[_number(one) for one in place] for place in xyz.tolist()]

    def _beside(self) -> dict[int, dict[str, int]]:
        """Of each pose point the points of its device that are shown with it."""
        version = self._store.points.version
        if self._companions[0] != version:
            rows = self._store.points.all()
            by_device: dict[tuple[str, str], dict[str, int]] = {}
            for row in rows:
                by_device.setdefault((row.node, row.device), {})[row.metric] = row.id
            found = {}
            for row in rows:
                if row.kind == "pose":
                    found[row.id] = _companions(by_device[row.node, row.device])
            self._companions = (version, found)
        return self._companions[1]


def _pose(best: dict[str, Any]) -> Pose:
    known: dict[str, Any] = {name: np.nan if one is None else one for name, one in best.items()}
    return Pose(**known)


def _companions(metrics: dict[str, int]) -> dict[str, int]:
    """What of a device's points (by metric) is shown with its pose."""
    pairs = {what: next((metrics[name] for name in names if name in metrics), 0) for what, names in _SHOWN.items()}
    return {what: point for what, point in pairs.items() if point}


def _view(
    of: PointRow | str, pose: Pose, place: list[float | None], at_us: int, flight: str | None, beside: dict[str, Any]
) -> DroneView:
    device, node, point = (of, "", None) if isinstance(of, str) else (of.device, of.node, of.id)
    return DroneView(
        device=device, node=node, point=point, ts=iso(pose.ts_us), lat_deg=pose.lat_deg,
        lon_deg=pose.lon_deg, alt_m=_number(pose.alt_m),
        datum=DATUMS[pose.datum] if 0 <= pose.datum < len(DATUMS) else "unknown",
        x=place[0], y=place[1], z=place[2], roll_deg=_number(pose.roll_deg), pitch_deg=_number(pose.pitch_deg),
        yaw_deg=_number(pose.yaw_deg), mode=beside.get("mode"), armed=beside.get("armed"),
        battery=beside.get("battery"), flight=flight, age_s=round((at_us - pose.ts_us) / 1e6, 3),
    )  # fmt: skip


def _values(table: StateTable) -> dict[int, float | str]:
    texts, numbers = table.text.tolist(), table.value.tolist()
    return {
        point: texts[row] if texts[row] is not None else numbers[row] for row, point in enumerate(table.point.tolist())
    }


def _said(points: dict[str, int], said: dict[int, float | str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for what, point in points.items():
        value = said.get(point)
        if value is None or value != value:
            continue
        if what == "mode":
            found[what] = str(value)
        elif what == "armed":
            found[what] = value.lower() in _TRUE if isinstance(value, str) else value > 0
        elif not isinstance(value, str):
            found[what] = round(value, 2)
    return found


def _number(value: float) -> float | None:
    return None if value != value or abs(value) == np.inf else round(value, 3)
