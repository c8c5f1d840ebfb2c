"""Flights, their tracks and photos, in the database: of uploads as they were found, of live vehicles as they fly.

What is undone or replaced gets an end of being known and stays for who asks what was known before.
"""

import secrets
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drone_ingest.found import DATUMS
from twin.errors import NotFoundError
from twin.flights_rows import FlightRow, PhotoRow, Track
from twin.flights_shape import thinned
from twin.lookup import first
from twin.store import Store
from twin.uploads_jobs import FlightFound, PhotoFound

__all__ = ["Flights", "insert_flight"]

FLOWN_US_MAX = 6 * 3_600_000_000  # no flight lasts longer
NEAR_US = 60_000_000  # a photo so shortly before or after a flight belongs to it
_AT = "make_timestamptz({}::BIGINT)"
_FLIGHT = (
    'id, source, device, point, kind, file, "group", epoch_us(start), epoch_us(finish), is_open, duration_s,'
    " distance_m, positions, west, south, east, north, height_datum, height_max_m, battery_start, battery_end, warnings"
)
_PHOTO = (
    "id, flight, upload, name, epoch_us(ts), lat_deg, lon_deg, alt_m, datum, above_takeoff_m, yaw_deg, pitch_deg,"
    " roll_deg, width_px, height_px, focal_mm, focal_35mm, camera, pose, footprint"
)
_LIVE = "known_to IS NULL"
_TRACK = "SELECT epoch_us(ts) AS ts, lat_deg, lon_deg, alt_m, datum, roll_deg, pitch_deg, yaw_deg"
_EVENTS = "SELECT epoch_us(ts), kind, message, severity"
_START, _STOP = _AT.format("$start"), _AT.format("$stop")


class Flights:
    """Any thread may call; what takes a connection runs within the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- reading

    def page(
        self, from_us: int | None, to_us: int | None, device: str, limit: int, offset: int
    ) -> tuple[list[FlightRow], int]:
        """Flights that overlap a range, the newest first, those without a time last; and how many there are."""
        where, values = [_LIVE], dict[str, Any]()
        if from_us is not None:
            where.append(f"(is_open OR finish >= {_AT.format('$from')})")
            values["from"] = from_us
        if to_us is not None:
            where.append(f"start < {_AT.format('$to')}")
            values["to"] = to_us
        if device:
            where.append("device = $device")
            values["device"] = device
        clause = " AND ".join(where)
        rows = self._flights(
            f"{clause} ORDER BY start DESC NULLS LAST, known_from DESC, id LIMIT $limit OFFSET $offset",
            {**values, "limit": limit, "offset": offset},
        )
        with self._store.cursor() as cursor:
            total = cursor.execute(f"SELECT count(*) FROM flight_rows WHERE {clause}", values).fetchall()[0][0]  # noqa: S608
        return rows, int(total)

    def flight(self, flight: str) -> FlightRow:
        """One flight; NotFoundError."""
        found = self._flights(f"{_LIVE} AND id = $id", {"id": flight})
        if not found:
            raise NotFoundError(f"no flight {flight[:80]!r}", field="id", fix="GET /api/v1/flights lists them")
        return found[0]

    def flying(self, at_us: int, known_us: int | None) -> list[FlightRow]:
        """Flights that were under way at a moment, as far as was known."""
        known = _LIVE if known_us is None else _known("$known")
        values = {"at": at_us} | ({} if known_us is None else {"known": known_us})
        at = _AT.format("$at")
        return self._flights(
            f"{known} AND start <= {at} AND (is_open OR finish >= {at}) ORDER BY start LIMIT 256", values
        )

    def track(self, row: FlightRow, width: int | None = None, *, until_us: int | None = None) -> Track:
        """The positions of a flight, at most `width` of them, the first and the last among them."""
        with self._store.cursor() as cursor:
            values: dict[str, Any]
            if row.source == "live":
                sql = f"{_TRACK} FROM poses WHERE point = $point AND ts >= {_START} AND ts <= {_STOP} ORDER BY ts"
                stop = row.finish_us if row.finish_us is not None else self._store.clock.wall_us()
                values = {"point": row.point, "start": row.start_us, "stop": stop if until_us is None else until_us}
            else:
                sql, values = f"{_TRACK} FROM flight_positions WHERE flight = $id", {"id": row.id}
                if until_us is not None:
                    sql, values = f"{sql} AND ts <= {_AT.format('$until')}", {**values, "until": until_us}
                sql = f"{sql} ORDER BY ts, t_s"
            found = cursor.sql(sql, params=values).to_arrow_table()
        track = _track(found)
        return track if width is None else track.take(thinned(len(track.lat_deg), width))

    def events(self, row: FlightRow, limit: int = 200) -> list[dict[str, Any]]:
        """What happened on a flight, in the order of time."""
        with self._store.cursor() as cursor:
            if row.source == "live":
                found = cursor.execute(
                    f"{_EVENTS} FROM events WHERE device = $device AND ts >= {_START} - INTERVAL 5 SECOND"
                    f" AND ts <= {_STOP} ORDER BY ts LIMIT $limit",
                    {"device": row.device, "start": row.start_us, "limit": limit,
                     "stop": row.finish_us or self._store.clock.wall_us()},
                ).fetchall()  # fmt: skip
            else:
                found = cursor.execute(
                    f"{_EVENTS} FROM flight_events WHERE flight = $id ORDER BY ts LIMIT $limit",
                    {"id": row.id, "limit": limit},
                ).fetchall()
        names = ("ts_us", "kind", "message", "severity")
        return [dict(zip(names, one, strict=True)) for one in found]

    def photos(self, *, flight: str = "", element: str = "", limit: int = 5_000) -> list[PhotoRow]:
        """Photos of a flight, or those that see an element; in the order of time."""
        where, values = _LIVE, {"limit": limit, "flight": flight}
        if element:
            where += " AND id IN (SELECT photo FROM photo_elements WHERE element = $element)"
            values["element"] = element
        if flight or not element:
            where += " AND flight = $flight"
        else:
            del values["flight"]
        with self._store.cursor() as cursor:
            found = cursor.execute(
                f"SELECT {_PHOTO} FROM photos WHERE {where} ORDER BY ts NULLS LAST, name LIMIT $limit",  # noqa: S608
                values,
            ).fetchall()
        return [PhotoRow(*one) for one in found]

    def photo(self, photo: str) -> PhotoRow:
        """One photo; NotFoundError."""
        with self._store.cursor() as cursor:
            found = first(cursor, f"SELECT {_PHOTO} FROM photos WHERE {_LIVE} AND id = ?", [photo])  # noqa: S608
        if found is None:
            raise NotFoundError(f"no photo {photo[:80]!r}", field="id", fix="GET /api/v1/flights/{id} lists them")
        return PhotoRow(*found)

    def photo_counts(self, flights: list[str]) -> dict[str, int]:
        """How many photos each flight has."""
        return self._counted("SELECT flight, count(*) FROM photos WHERE known_to IS NULL", "flight", flights)

    def seen_counts(self, photos: list[str]) -> dict[str, int]:
        """How many elements each photo sees."""
        return self._counted("SELECT photo, count(*) FROM photo_elements WHERE true", "photo", photos)

    def scan_ids(self, rows: list[FlightRow]) -> dict[str, str]:
        """The newest scan of each flight: brought together with it, or flown by it."""
        with self._store.cursor() as cursor:
            found = cursor.execute(
                'SELECT "group", flight, id FROM scans WHERE known_to IS NULL'
                ' AND ("group" IN (SELECT unnest(?)) OR flight IN (SELECT unnest(?))) ORDER BY known_from',
                [[row.group for row in rows if row.group], [row.id for row in rows]],
            ).fetchall()
        of_group, of_flight = {row[0]: row[2] for row in found}, {row[1]: row[2] for row in found}
        newest = {row.id: of_flight.get(row.id) or (of_group.get(row.group) if row.group else None) for row in rows}
        return {flight: scan for flight, scan in newest.items() if scan is not None}

    def flown(self, device: str, at_us: int) -> str | None:
        """The live flight on which a device took what it brings of that moment: the last one begun before it."""
        with self._store.cursor() as cursor:
            row = cursor.execute(
                f"SELECT id FROM flights WHERE device = ? AND source = 'live' AND start <= {_AT.format('?')}"  # noqa: S608
                f" AND start > {_AT.format('?')} ORDER BY start DESC LIMIT 1",
                [device, at_us + NEAR_US, at_us - FLOWN_US_MAX],
            ).fetchone()
        return None if row is None else row[0]

    # -- changing

    def put(
        self, connection: duckdb.DuckDBPyConnection, group: str, flights: list[FlightFound], photos: list[PhotoFound],
        folder: Path, *, now_us: int,
    ) -> dict[str, str]:  # fmt: skip
        """What was found in a group, in place of what was found in it before; the flight of each photo's upload, and
        under "" the first flight. Photos alone join the flight during which they were taken."""
        self.undo(connection, group, now_us)
        joined = _joined(connection, flights, photos)
        if joined is not None:
            flights = []
        ids = [self._put_flight(connection, group, one, folder, now_us) for one in flights]
        flight = joined or (ids[0] if ids else "")
        for photo in photos:
            plain = msgspec.structs.asdict(photo) | {"flight": flight, "now": now_us}
            del plain["facts"]
            connection.execute(
                "INSERT INTO photos VALUES ($id, $flight, $id, $name, make_timestamptz($ts_us::BIGINT), $lat_deg,"
                " $lon_deg, $alt_m, $datum, $above_takeoff_m, $yaw_deg, $pitch_deg, $roll_deg, $width_px, $height_px,"
                " $focal_mm, $focal_35mm, $camera, '', '', make_timestamptz($now::BIGINT), NULL)",
                plain,
            ).fetchall()
        return {"": flight, **{photo.id: flight for photo in photos}}

    def undo(self, connection: duckdb.DuckDBPyConnection, group: str, now_us: int) -> None:
        """What a group brought is known no longer."""
        values = {"group": group, "now": now_us}
        ended = f"known_to = {_AT.format('$now')}"
        connection.execute(
            f'UPDATE photos SET {ended} WHERE {_LIVE} AND upload IN (SELECT id FROM uploads WHERE "group" = $group)',  # noqa: S608
            values,
        ).fetchall()
        connection.execute(
            f'UPDATE flight_rows SET {ended} WHERE {_LIVE} AND "group" = $group',  # noqa: S608
            values,
        ).fetchall()

    def _put_flight(
        self, connection: duckdb.DuckDBPyConnection, group: str, found: FlightFound, folder: Path, now_us: int
    ) -> str:
        flight = f"f{secrets.token_hex(8)}"
        battery = found.battery or (None, None)
        west, south, east, north = found.bounds
        row = FlightRow(
            flight, "upload", found.device[:64], None, found.kind, found.file, group, found.start_us, found.finish_us,
            False, found.duration_s, found.distance_m, found.rows, west, south, east, north, found.height_datum,
            found.height_max_m, battery[0], battery[1], found.warnings,
        )  # fmt: skip
        insert_flight(connection, row, now_us)
        for table, name in (("flight_positions", found.positions), ("flight_events", found.events)):
            rows = pq.read_table(folder / name)
            rows = rows.append_column("flight", pa.array([flight] * len(rows), pa.string()))
            connection.register("found", rows)
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM found").fetchall()  # noqa: S608
            connection.unregister("found")
        return flight

    def _flights(self, where: str, values: dict[str, Any]) -> list[FlightRow]:
        with self._store.cursor() as cursor:
            found = cursor.execute(f"SELECT {_FLIGHT} FROM flight_rows WHERE {where}", values).fetchall()  # noqa: S608
        return [FlightRow(*one) for one in found]

    def _counted(self, sql: str, column: str, names: list[str]) -> dict[str, int]:
        if not names:
            return {}
        with self._store.cursor() as cursor:
            found = cursor.execute(f"{sql} AND {column} IN (SELECT unnest(?)) GROUP BY 1", [names]).fetchall()
        return {name: int(count) for name, count in found}


def insert_flight(connection: duckdb.DuckDBPyConnection, row: FlightRow, now_us: int) -> None:
    """Within the caller's transaction: one flight, known from now on."""
    marks = ["?"] * 22
    marks[7] = marks[8] = "make_timestamptz(?::BIGINT)"
    connection.execute(
        f"INSERT INTO flight_rows VALUES ({', '.join(marks)}, make_timestamptz(?::BIGINT), NULL)",  # noqa: S608
        [*msgspec.structs.astuple(row), now_us],
    ).fetchall()


def _joined(connection: duckdb.DuckDBPyConnection, flights: list[FlightFound], photos: list[PhotoFound]) -> str | None:
    """The flight that photos without a log were taken on."""
    times = [photo.ts_us for photo in photos if photo.ts_us is not None]
    if not times or any(flight.kind not in ("photos", "photo") for flight in flights):
        return None
    found = first(
        connection,
        f"SELECT id FROM flight_rows WHERE {_LIVE} AND start <= {_AT.format('?')}"  # noqa: S608
        f" AND (is_open OR finish >= {_AT.format('?')}) AND kind NOT IN ('photos', 'photo')"
        " ORDER BY start DESC LIMIT 1",
        [min(times) + NEAR_US, max(times) - NEAR_US],
    )
    return None if found is None else str(found[0])


def _known(mark: str) -> str:
    then = _AT.format(mark)
    return f"known_from <= {then} AND (known_to IS NULL OR known_to > {then})"


def _track(table: pa.Table) -> Track:
    def floats(name: str) -> NDArray[np.float64]:
        column: NDArray[np.float64] = table[name].cast(pa.float64()).fill_null(np.nan).to_numpy()
        return column

    times = table["ts"]
    stamps = times.to_numpy() if len(table) and not times.null_count else None
    datum = table["datum"].fill_null(DATUMS.index("unknown")).to_numpy()
    names = ("roll_deg", "pitch_deg", "yaw_deg")
    return Track(
        stamps, floats("lat_deg"), floats("lon_deg"), floats("alt_m"), datum, *(floats(name) for name in names)
    )
