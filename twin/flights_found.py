"""From what `drone_ingest` read to flights as the twin keeps them; runs in the child (see `twin.uploads_child`)."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drone_ingest.found import DATUMS, HEIGHTS, POSITIONS, Flight, Photo, RemoteIds
from drone_ingest.track.merge import merge
from twin.flights_shape import shape_of, thinned
from twin.uploads_jobs import FlightFound, PhotoFacts, PhotoFound
from wire.quality import BAD

__all__ = ["EVENTS", "TRACK", "flights_of", "photo_of"]

TRACK_ROWS_MAX = 20_000  # of one flight: an hour at 5 Hz; the file itself keeps every row
EVENTS_MAX = 2_000
VEHICLES_MAX = 50  # heard by one receiver of Remote ID
_LENS_TAGS = (
    "DewarpData", "DewarpFlag", "CalibratedFocalLength", "CalibratedOpticalCenterX", "CalibratedOpticalCenterY",
)  # fmt: skip
_TS = pa.timestamp("us", tz="UTC")
TRACK = pa.schema(
    [
        ("ts", _TS), ("t_s", pa.float64()), ("lat_deg", pa.float64()), ("lon_deg", pa.float64()),
        ("alt_m", pa.float64()), ("datum", pa.uint8()), ("roll_deg", pa.float32()), ("pitch_deg", pa.float32()),
        ("yaw_deg", pa.float32()), ("battery", pa.float32()), ("quality", pa.uint8()),
    ]
)  # fmt: skip
_SEVERITIES = (3, 3, 3, 2, 2, 1, 0, 0)  # syslog 0 … 7 → 0 info, 1 notice, 2 warning, 3 critical
EVENTS = pa.schema([("ts", _TS), ("kind", pa.string()), ("message", pa.string()), ("severity", pa.uint8())])
_UNKNOWN = DATUMS.index("unknown")
_NO_FLIGHT = "fence"  # places that nothing flew


def flights_of(
    found: list[tuple[str, Any]], out: Path, *, device: str, taken_us: int | None
) -> tuple[list[FlightFound], dict[str, int]]:
    """Flights of the files of one group, and when photos without a time were taken as far as a log knows.

    Logs, subtitles, tables and photos are one flight; what several vehicles sent is one a vehicle.
    """
    flown = (one for _, one in found if isinstance(one, Flight | RemoteIds | Photo) and one.kind != _NO_FLIGHT)
    placed: list[Any] = [one for one in flown if _has_places(one)]
    if not placed:
        return [], {}
    merged = merge(placed)
    table = merged.table.filter(pc.equal(pc.bit_wise_and(merged.table["quality"].fill_null(0), BAD), 0))
    logs = [one for one in placed if not isinstance(one, Photo)]
    vehicles = _vehicles(table) if len(logs) == 1 else [None]
    flights = []
    for number, vehicle in enumerate(vehicles):
        rows = table if vehicle is None else table.filter(pc.equal(table["vehicle"], vehicle))
        if len(rows):
            name = device or _device(placed, vehicle)
            about = (name, (logs or placed)[0].kind if len(placed) == 1 or logs else "photos", placed[0].file)
            warnings = merged.summary["warnings"] if not number else []
            flights.append(_flight(rows, logs, out / f"flight-{number}", about, list(warnings)[:100], taken_us))
    return flights, _photo_times(merged.table)


def photo_of(upload: str, name: str, photo: Photo, times: dict[str, int]) -> PhotoFound:
    """One photo; angles are the camera's, else the aircraft's."""
    row = photo.position.to_pylist()[0] if len(photo.position) else dict.fromkeys(POSITIONS.names)
    datum = next((one for one in DATUMS if one != "relative" and row[HEIGHTS[one]] is not None), None)
    datum = datum or ("relative" if row[HEIGHTS["relative"]] is not None else "unknown")
    at = photo.position["ts"][0].cast(pa.int64()).as_py() if len(photo.position) else None

    def angle(which: str) -> float | None:
        own = row[f"gimbal_{which}_deg"]
        return own if own is not None else row[f"{which}_deg"]

    return PhotoFound(
        id=upload, name=name, ts_us=at if at is not None else times.get(photo.file), lat_deg=row["lat_deg"],
        lon_deg=row["lon_deg"], alt_m=row[HEIGHTS[datum]], datum=DATUMS.index(datum),
        above_takeoff_m=row[HEIGHTS["relative"]], yaw_deg=angle("yaw"), pitch_deg=angle("pitch"),
        roll_deg=angle("roll"), width_px=photo.width_px, height_px=photo.height_px, focal_mm=photo.focal_mm,
        focal_35mm=photo.focal_35mm, camera=f"{photo.make} {photo.model}".strip(),
        facts=_facts(photo),
    )  # fmt: skip


def _facts(photo: Photo) -> PhotoFacts:
    """What a pose follows from."""
    row = photo.position.drop_columns(["ts"]).to_pylist()[0] if len(photo.position) else {}
    tags = {name: photo.tags[name] for name in _LENS_TAGS if name in photo.tags}
    return PhotoFacts(row, photo.make, photo.model, photo.rtk, tags)


def _flight(
    rows: pa.Table, logs: list[Any], base: Path, about: tuple[str, str, str], warnings: list[str], taken_us: int | None
) -> FlightFound:
    track, warnings = _track(rows, warnings, taken_us)
    ts, known = _times(track)
    order = ts if known else (track["t_s"].fill_null(0.0).to_numpy() * 1e6).astype(np.int64)
    lat, lon = track["lat_deg"].to_numpy(), track["lon_deg"].to_numpy()
    shape = shape_of(order, lat, lon, track["alt_m"].to_numpy())
    battery = track["battery"].drop_null().to_numpy()
    events = _events(logs)
    datums = track["datum"].to_numpy()
    pq.write_table(track.take(thinned(len(track), TRACK_ROWS_MAX)), f"{base}.positions", compression="zstd")
    pq.write_table(events, f"{base}.events", compression="zstd")
    tall = shape.height_max_m
    return FlightFound(
        *about,
        start_us=int(ts[0]) if known else None,
        finish_us=int(ts[-1]) if known else None,
        duration_s=round(float(order[-1] - order[0]) / 1e6, 3),
        height_datum=DATUMS[int(np.bincount(datums).argmax())] if np.isfinite(tall) else None,
        battery=(float(battery[0]), float(battery[-1])) if len(battery) else None,
        distance_m=shape.distance_m,
        bounds=(shape.west, shape.south, shape.east, shape.north),
        height_max_m=float(tall) if np.isfinite(tall) else None,
        rows=len(track),
        warnings=warnings,
        positions=f"{base.name}.positions",
        events=f"{base.name}.events",
    )


def _track(rows: pa.Table, warnings: list[str], taken_us: int | None) -> tuple[pa.Table, list[str]]:
    """Rows with one height each; a log that knows no UTC begins when its sender says, if that was said."""
    codes = {name: code for code, name in enumerate(DATUMS)}
    datum = [codes.get(name or "unknown", _UNKNOWN) for name in rows["datum"].to_pylist()]
    columns = {name: rows[name] for name in ("ts", "t_s", "lat_deg", "lon_deg", "roll_deg", "pitch_deg", "yaw_deg")}
    columns |= {"alt_m": rows["height_m"], "battery": rows["battery_percent"], "quality": rows["quality"]}
    columns["datum"] = pa.array(datum, pa.uint8())
    track = pa.table([columns[name] for name in TRACK.names], names=TRACK.names).cast(TRACK)
    timed = track.filter(pc.is_valid(track["ts"]))
    if len(timed):
        if len(timed) < len(track):
            warnings = [*warnings, f"{len(track) - len(timed)} positions without a time were left out"]
        return timed.sort_by("ts"), warnings
    if taken_us is None or not track["t_s"].null_count < len(track):
        return track, [*warnings, "nothing says when it was flown"]
    seconds = track["t_s"].fill_null(0.0).to_numpy()
    stamps = taken_us + ((seconds - seconds.min()) * 1e6).astype(np.int64)
    track = track.set_column(0, TRACK.field("ts"), pa.array(stamps).cast(_TS))
    return track.sort_by("ts"), [*warnings, "when it began is what its sender said"]


def _times(track: pa.Table) -> tuple[NDArray[np.int64], bool]:
    known = track["ts"].null_count == 0
    return track["ts"].cast(pa.int64()).fill_null(0).to_numpy(), known


def _events(logs: list[Any]) -> pa.Table:
    tables = [one.events for one in logs if isinstance(one, Flight) and len(one.events)]
    if not tables:
        return EVENTS.empty_table()
    table = pa.concat_tables(tables).slice(0, EVENTS_MAX)
    syslog = table["severity"].fill_null(6).to_numpy().clip(0, 7).astype(np.intp)
    severity = pa.array(np.array(_SEVERITIES, np.uint8)[syslog])
    columns = [table["ts"], table["kind"], table["text"], severity]
    columns[1:3] = [column.fill_null("") for column in columns[1:3]]
    return pa.table(columns, names=EVENTS.names).cast(EVENTS)


def _photo_times(table: pa.Table) -> dict[str, int]:
    known = table.filter(pc.and_(pc.is_valid(table["photo"]), pc.is_valid(table["ts"])))
    return dict(zip(known["photo"].to_pylist(), known["ts"].cast(pa.int64()).to_pylist(), strict=True))


def _vehicles(table: pa.Table) -> list[str | None]:
    """Names of the vehicles with the most positions first; [None] where there is one or none is named."""
    counts = pc.value_counts(table["vehicle"].drop_null()).to_pylist()
    names = [one["values"] for one in sorted(counts, key=lambda one: -one["counts"])]
    return [None] if len(names) < 2 else names[:VEHICLES_MAX]


def _has_places(one: Any) -> bool:
    table = one.position if isinstance(one, Photo) else one.positions
    return bool(len(table) - table["lat_deg"].null_count)


def _device(placed: list[Any], vehicle: str | None) -> str:
    """What flew, as far as the files say."""
    if vehicle:
        return vehicle
    for one in placed:
        names = one.positions["vehicle"].drop_null() if not isinstance(one, Photo) else []
        if len(names):
            return str(names[0].as_py())
        if isinstance(one, Flight) and (said := one.info.get("vehicle")):
            return said
        if isinstance(one, Photo) and (one.make or one.model):
            return f"{one.make} {one.model}".strip()
    return Path(placed[0].file).stem
