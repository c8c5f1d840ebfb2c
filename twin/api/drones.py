"""GET /flights and their photos: where drones flew, in degrees and in metres of the model, and what they saw."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from starlette.responses import FileResponse, Response

from twin.api.errors import ProblemError
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Time, micros
from twin.core import Twin
from twin.flights_rows import FlightRow, PhotoRow, Track
from twin.times import iso
from wire.limits import HISTORY_BUCKETS_MAX, PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS", "PhotoView", "photo_views"]

_IMAGES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".tif": "image/tiff", ".tiff": "image/tiff",
           ".dng": "image/x-adobe-dng"}  # fmt: skip
_EVENTS_LISTED = 20
_LASTING = "private, max-age=86400"


class FlightsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Flights that overlap a range, of one device or of all."""

    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    device: Annotated[str, Meta(max_length=64)] = ""
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class FlightQuery(msgspec.Struct, forbid_unknown_fields=True):
    """At most `width` positions of its track."""

    width: Annotated[int, Meta(ge=2, le=HISTORY_BUCKETS_MAX)] = 2_000


class Battery(msgspec.Struct):
    """Charge in percent at its ends."""

    start: float | None
    end: float | None


class FlightEvent(msgspec.Struct):
    """What happened on the way; severity 0 info, 1 notice, 2 warning, 3 critical."""

    ts: str | None
    kind: str
    message: str
    severity: int


class FlightFacts(msgspec.Struct, kw_only=True):
    """What is said of one flight everywhere; `end` is null while it goes on. `bounds` are west, south, east, north."""

    id: str
    device: str
    source: str
    kind: str
    file: str
    start: str | None
    end: str | None
    duration_s: float | None
    distance_m: float
    positions: int
    bounds: tuple[float, float, float, float] | None
    height_datum: str | None
    height_max_m: float | None
    battery: Battery | None
    events: list[FlightEvent]
    warnings: list[str]
    scan: str | None


class FlightView(FlightFacts, kw_only=True):
    """One flight in a list; `photos` counts them."""

    photos: int


class FlightsPage(msgspec.Struct):
    """Flights, the newest first, those of unknown time last."""

    items: list[FlightView]
    total: int
    next: int | None


class TrackView(msgspec.Struct):
    """Positions by column; x, y, z are metres of the model, null where it has no place or the height is not known."""

    ts_ms: list[float | None]
    lat_deg: list[float]
    lon_deg: list[float]
    alt_m: list[float | None]
    datum: list[int]
    x: list[float | None]
    y: list[float | None]
    z: list[float | None]
    yaw_deg: list[float | None]
    pitch_deg: list[float | None]
    roll_deg: list[float | None]


class PhotoView(msgspec.Struct):
    """One photo: where its camera stood in the model and looked, what of the model it shows, how many elements."""

    id: str
    name: str
    flight: str
    ts: str | None
    lat_deg: float | None
    lon_deg: float | None
    x: float | None
    y: float | None
    z: float | None
    yaw_deg: float | None
    pitch_deg: float | None
    footprint: list[list[float]] | None
    elements: int


class _Pose(msgspec.Struct):
    """What is shown of a camera's pose; see drone_ingest.photos.pose."""

    eye_m: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float


class FlightDetail(FlightFacts, kw_only=True):
    """One flight with its track and photos."""

    track: TrackView
    photos: list[PhotoView]


async def list_flights(call: Call[FlightsQuery, None]) -> FlightsPage:
    """Flights of a range."""
    query = call.query
    from_us = micros(query.from_) if query.from_ else None
    to_us = micros(query.to) if query.to else None

    def read() -> FlightsPage:
        flights = call.twin.drones.flights
        rows, total = flights.page(from_us, to_us, query.device, query.limit, query.offset)
        end = query.offset + query.limit
        return FlightsPage(_views(call.twin, rows), total, end if end < total else None)

    return await asyncio.to_thread(read)


async def show_flight(call: Call[FlightQuery, None]) -> FlightDetail:
    """One flight with its track."""
    return await asyncio.to_thread(_detail, call.twin, call.path["id"], call.query.width)


async def show_photo(call: Call[NoQuery, None]) -> PhotoView:
    """One photo."""
    row = await asyncio.to_thread(call.twin.drones.flights.photo, call.path["id"])
    return (await asyncio.to_thread(photo_views, call.twin, [row]))[0]


async def show_image(call: Call[NoQuery, None]) -> Response:
    """The picture itself."""
    drones = call.twin.drones
    photo = await asyncio.to_thread(drones.flights.photo, call.path["id"])
    row = await asyncio.to_thread(drones.uploads.row, photo.upload)
    path = drones.folders.path(row.file)
    if path is None:
        raise ProblemError("the picture is no longer kept", status=404, fix="send it again: POST /api/v1/uploads")
    headers = {"Cache-Control": _LASTING, "ETag": f'"{row.sha256[:32]}"'}
    if headers["ETag"] in call.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, headers=headers, media_type=_IMAGES.get(Path(row.file).suffix))


def photo_views(twin: Twin, rows: list[PhotoRow]) -> list[PhotoView]:
    """Photos with their place in the model."""
    seen = twin.drones.flights.seen_counts([row.id for row in rows])
    return [_photo(twin, row, seen.get(row.id, 0)) for row in rows]


def _photo(twin: Twin, row: PhotoRow, elements: int) -> PhotoView:
    place: list[float | None] = [None, None, None]
    yaw, pitch = row.yaw_deg, row.pitch_deg
    if row.pose:
        pose = msgspec.json.decode(row.pose, type=_Pose)
        place, yaw, pitch = [round(one, 3) for one in pose.eye_m], round(pose.yaw_deg, 2), round(pose.pitch_deg, 2)
    elif row.lat_deg is not None and row.lon_deg is not None:
        alt = np.nan if row.alt_m is None else row.alt_m
        lat, lon, height = (np.array([one]) for one in (row.lat_deg, row.lon_deg, alt))
        xyz, _ = twin.drones.places(lat, lon, height, np.array([row.datum], np.uint8))
        place = place if xyz is None else numbers(xyz[0])
    return PhotoView(
        id=row.id, name=row.name, flight=row.flight, ts=iso(row.ts_us), lat_deg=row.lat_deg, lon_deg=row.lon_deg,
        x=place[0], y=place[1], z=place[2], yaw_deg=yaw, pitch_deg=pitch,
        footprint=msgspec.json.decode(row.footprint) if row.footprint else None, elements=elements,
    )  # fmt: skip


def _views(twin: Twin, rows: list[FlightRow]) -> list[FlightView]:
    flights = twin.drones.flights
    photos = flights.photo_counts([row.id for row in rows])
    scans = flights.scan_ids(rows)
    return [_view(twin, row, photos.get(row.id, 0), scans.get(row.id)) for row in rows]


def _view(twin: Twin, row: FlightRow, photos: int, scan: str | None) -> FlightView:
    events = twin.drones.flights.events(row, _EVENTS_LISTED) if row.start_us is not None or row.group else []
    bounds = None if row.west is None else (row.west, row.south, row.east, row.north)
    has_battery = row.battery_start is not None or row.battery_end is not None
    return FlightView(
        id=row.id, device=row.device, source=row.source, kind=row.kind, file=row.file, start=iso(row.start_us),
        end=None if row.is_open else iso(row.finish_us), duration_s=row.duration_s, distance_m=round(row.distance_m, 1),
        positions=row.positions, bounds=bounds, height_datum=row.height_datum, height_max_m=row.height_max_m,  # type: ignore[arg-type]
        battery=Battery(row.battery_start, row.battery_end) if has_battery else None,
        events=[FlightEvent(iso(one["ts_us"]), one["kind"], one["message"], one["severity"]) for one in events],
        warnings=row.warnings, photos=photos, scan=scan,
    )  # fmt: skip


def _detail(twin: Twin, flight: str, width: int) -> FlightDetail:
    flights = twin.drones.flights
    row = flights.flight(flight)
    photos = flights.photos(flight=flight)
    [view] = _views(twin, [row])
    track, warnings = _track(twin, flights.track(row, width))
    if not track.lat_deg and row.positions:
        warnings.append("its positions are no longer kept")
    facts: dict[str, Any] = {name: getattr(view, name) for name in FlightFacts.__struct_fields__}
    facts["warnings"] = [*row.warnings, *warnings]
    return FlightDetail(**facts, track=track, photos=photo_views(twin, photos))


def _track(twin: Twin, track: Track) -> tuple[TrackView, list[str]]:
    xyz, warnings = twin.drones.places(track.lat_deg, track.lon_deg, track.alt_m, track.datum)
    nothing: list[float | None] = [None] * len(track.lat_deg)
    x, y, z = (nothing, nothing, nothing) if xyz is None else (numbers(xyz[:, axis]) for axis in range(3))
    times: list[float | None] = nothing if track.ts_us is None else (track.ts_us / 1_000).tolist()
    return TrackView(
        ts_ms=times, lat_deg=track.lat_deg.tolist(), lon_deg=track.lon_deg.tolist(), alt_m=numbers(track.alt_m),
        datum=track.datum.tolist(), x=x, y=y, z=z, yaw_deg=numbers(track.yaw_deg),
        pitch_deg=numbers(track.pitch_deg), roll_deg=numbers(track.roll_deg),
    ), warnings  # fmt: skip


def numbers(values: NDArray[np.float64]) -> list[float | None]:
    """As JSON takes them: three decimals of a metre, null for what is not known."""
    rounded: list[float] = np.round(values.astype(np.float64), 3).tolist()
    return [None if value != value else value for value in rounded]


OPERATIONS = [
    Operation("GET", "/flights", list_flights, "flights, newest first", FlightsQuery, answer=FlightsPage),
    Operation("GET", "/flights/{id}", show_flight, "one flight, track, photos", FlightQuery, answer=FlightDetail),
    Operation("GET", "/photos/{id}", show_photo, "one photo", answer=PhotoView),
    Operation("GET", "/photos/{id}/image", show_image, "its picture", media=tuple(dict.fromkeys(_IMAGES.values()))),
]  # fmt: skip
