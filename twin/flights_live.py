"""Flights of vehicles that are seen live, cut out of their poses: from arming to disarming, else while they move.

Poses may come late and in any order (a gateway that was cut off sends its backlog behind the newest), so a stretch of
time in which any came is cut anew as a whole; a flight that was known keeps its id as long as it overlaps.
"""

import asyncio
import secrets
import threading
from typing import Any

import duckdb
import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from drone_ingest.found import DATUMS
from twin.flights import insert_flight
from twin.flights_now import Drones
from twin.flights_rows import FlightRow
from twin.flights_shape import GAP_US, STILL_US, Cut, cut_flights, shape_of
from twin.state import NO_TIME
from twin.store import Store
from wire.errors import Aid4Error
from wire.quality import UNUSABLE

__all__ = ["LiveFlights"]

_log = structlog.get_logger("twin.flights")
_PERIOD_S = 2.0
_AROUND_US = 600_000_000  # looked at around new poses: a take-off shows over some minutes
_ARMED_BEFORE_US = 43_200_000_000  # how far back an arming is looked for: longer than any battery
_ROWS_MAX = 2_000_000  # of one cut: two days at 10 Hz
_AT = "make_timestamptz({}::BIGINT)"
_KEPT = "id, epoch_us(start), epoch_us(finish), battery_start, battery_end, epoch_us(known_from)"
_OVERLAPS = (
    "source = 'live' AND point = $point AND known_to IS NULL AND start <= make_timestamptz($hi::BIGINT)"
    " AND (is_open OR finish >= make_timestamptz($lo::BIGINT))"
)

Span = tuple[int, int]


class LiveFlights:
    """`hear` in the writer's thread, `step` in one at a time; `run` until cancelled."""

    def __init__(self, store: Store, drones: Drones) -> None:
        self._store, self._drones = store, drones
        self._turn = threading.Lock()
        self._dirty: dict[int, Span] = {}

    def hear(self, points: NDArray[np.uint32], ts_us: NDArray[np.int64]) -> None:
        """Poses were committed: their time is looked at soon."""
        with self._turn:
            for point in np.unique(points).tolist():
                own = ts_us[points == point]
                lo, hi = self._dirty.get(point, (int(own.min()), int(own.max())))
                self._dirty[point] = min(lo, int(own.min())), max(hi, int(own.max()))

    async def run(self) -> None:
        """Keep up until cancelled; at first with what came before the end of the last twin."""
        work = self._catch_up
        while True:
            try:
                await asyncio.to_thread(work)
                work = self.step
            except Exception as error:  # noqa: BLE001  (whatever poses a drone sends, the twin runs)
                _log.warning("live flights wait", problem=str(error)[:300])
            await asyncio.sleep(_PERIOD_S)

    def step(self) -> None:
        """Cut anew what new poses touched, and close what has been silent for too long."""
        with self._turn:
            dirty, self._dirty = self._dirty, {}
        now_us = self._store.clock.wall_us()
        for point, finish_us in self._open():
            if point not in dirty and now_us - finish_us > GAP_US:
                dirty[point] = (finish_us, finish_us)
        for point, span in dirty.items():
            try:
                self._cut(point, span)
            except (Aid4Error, duckdb.Error) as error:  # the disk is full: cut when it is not
                _log.warning("a live flight waits", problem=str(error)[:300])
                with self._turn:
                    lo, hi = self._dirty.get(point, span)
                    self._dirty[point] = min(lo, span[0]), max(hi, span[1])

    def _catch_up(self) -> None:
        with self._store.cursor() as cursor:
            rows = cursor.execute(
                "SELECT p.point, epoch_us(min(p.ts)), epoch_us(max(p.ts)) FROM poses p LEFT JOIN ("
                "  SELECT point, max(finish) AS seen FROM flight_rows WHERE source = 'live' GROUP BY point"
                ") f ON f.point = p.point WHERE f.seen IS NULL OR p.ts > f.seen GROUP BY p.point"
            ).fetchall()
        with self._turn:
            self._dirty = {point: (lo, hi) for point, lo, hi in rows} | self._dirty

    def _open(self) -> list[Span]:
        with self._store.cursor() as cursor:
            return cursor.execute(
                "SELECT point, epoch_us(finish) FROM flight_rows WHERE is_open AND known_to IS NULL"
            ).fetchall()

    def _cut(self, point: int, span: Span) -> None:
        row = self._store.points.by_id.get(point)
        if row is None:
            return
        lo, hi = span[0] - _AROUND_US, span[1] + _AROUND_US
        with self._store.snapshot() as cursor:
            [wide] = cursor.execute(
                f"SELECT epoch_us(min(start)), epoch_us(max(finish)) FROM flight_rows WHERE {_OVERLAPS}",  # noqa: S608
                {"point": point, "lo": lo, "hi": hi},
            ).fetchall()
            if wide[0] is not None:
                lo, hi = min(lo, wide[0]), max(hi, wide[1])
            poses = cursor.execute(
                "SELECT epoch_us(ts) AS ts, lat_deg, lon_deg, alt_m, datum FROM poses WHERE point = $point"
                " AND ts >= make_timestamptz($lo::BIGINT) AND ts <= make_timestamptz($hi::BIGINT)"
                " AND quality & $unusable = 0 ORDER BY ts LIMIT $most",
                {"point": point, "lo": lo, "hi": hi, "unusable": UNUSABLE, "most": _ROWS_MAX},
            ).fetchnumpy()
            armings = self._armings(cursor, point, row.device, lo, hi)
        if not len(poses["ts"]):
            return
        columns: list[Any] = [np.asarray(poses[name]) for name in ("ts", "lat_deg", "lon_deg", "alt_m")]
        ts, lat, lon, alt = columns
        cuts = cut_flights(ts, lat, lon, alt, armings)
        flights = [self._flight(point, row.device, columns, np.asarray(poses["datum"]), one, armings) for one in cuts]
        self._store.writer.run(lambda connection: self._write(connection, point, (lo, hi), flights))

    def _armings(
        self, cursor: duckdb.DuckDBPyConnection, point: int, device: str, lo: int, hi: int
    ) -> list[tuple[int, bool]]:
        """When the vehicle was armed and disarmed, by its events and by the state that it reports."""
        between = f"ts >= {_AT.format('$lo')} AND ts <= {_AT.format('$hi')}"
        values = {"lo": lo - _ARMED_BEFORE_US, "hi": hi}
        found: list[tuple[int, str]] = cursor.execute(
            f"SELECT epoch_us(ts), kind FROM events WHERE device = $device AND {between}"  # noqa: S608
            " AND kind IN ('armed', 'disarmed') ORDER BY ts LIMIT 10000",
            {"device": device, **values},
        ).fetchall()
        armed = self._drones.companions(point).get("armed")
        if armed is not None:
            found += cursor.execute(
                f"SELECT epoch_us(ts), value FROM states WHERE point = $point AND {between}"  # noqa: S608
                " AND value IN ('armed', 'disarmed') ORDER BY ts LIMIT 100000",
                {"point": armed, **values},
            ).fetchall()
        return [(at_us, kind == "armed") for at_us, kind in sorted(found)]

    def _flight(
        self, point: int, device: str, columns: list[NDArray[Any]], datum: NDArray[np.uint8], cut: Cut,
        armings: list[tuple[int, bool]],
    ) -> FlightRow:  # fmt: skip
        rows = slice(cut.first, cut.last)
        ts, lat, lon, alt = (column[rows] for column in columns)
        shape = shape_of(ts, lat, lon, alt)
        silent_us = GAP_US if armings else STILL_US
        is_open = not cut.ended and self._store.clock.wall_us() - int(ts[-1]) < silent_us
        battery = self._battery(point) if is_open else None
        tall = shape.height_max_m
        return FlightRow(
            f"f{secrets.token_hex(8)}", "live", device, point, "live", "", "", int(ts[0]), int(ts[-1]), is_open,
            round(float(ts[-1] - ts[0]) / 1e6, 3), shape.distance_m, len(ts), shape.west, shape.south, shape.east,
            shape.north, DATUMS[int(np.bincount(datum[rows]).argmax()) % len(DATUMS)] if tall == tall else None,
            None if tall != tall else tall, battery, battery, [],
        )  # fmt: skip

    def _battery(self, point: int) -> float | None:
        """What its battery holds now."""
        charge = self._drones.companions(point).get("battery")
        if charge is None:
            return None
        table = self._store.state.snapshot(np.array([charge], np.uint32))
        if not len(table.ts_us) or table.ts_us[0] == NO_TIME or not np.isfinite(table.value[0]):
            return None
        return round(float(table.value[0]), 2)

    def _write(self, connection: duckdb.DuckDBPyConnection, point: int, span: Span, flights: list[FlightRow]) -> None:
        """In place of what was known of this time; a flight that overlaps one keeps its id and its first charge."""
        now_us = self._store.clock.wall_us()
        span_of = {"point": point, "lo": span[0], "hi": span[1]}
        before = connection.execute(
            f"SELECT {_KEPT} FROM flight_rows WHERE {_OVERLAPS} ORDER BY start",  # noqa: S608  (texts of ours)
            span_of,
        ).fetchall()
        connection.execute(f"DELETE FROM flight_rows WHERE {_OVERLAPS}", span_of).fetchall()  # noqa: S608
        for flight in flights:
            assert flight.start_us is not None
            assert flight.finish_us is not None
            same = next((one for one in before if one[1] <= flight.finish_us and one[2] >= flight.start_us), None)
            known_us = now_us
            if same is not None:
                before.remove(same)
                known_us = same[5]
                flight = _kept(flight, same)
            insert_flight(connection, flight, known_us)


def _kept(flight: FlightRow, before: tuple[Any, ...]) -> FlightRow:
    """A flight under the id by which it is known; its charge at take-off is that of when it was first seen."""
    first_charge = before[3] if before[3] is not None else flight.battery_start
    last_charge = flight.battery_end if flight.battery_end is not None else before[4]
    return msgspec.structs.replace(flight, id=before[0], battery_start=first_charge, battery_end=last_charge)
