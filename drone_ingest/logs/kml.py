"""KML and KMZ: tracks (`gx:Track`, `LineString`) and placemarks with a point, each altitude by its `altitudeMode`.

`absolute` is metres above sea level (KML's words), `relativeToGround` above the ground below and so of no datum of
ours. Of a KMZ the document is read from the archive, bounded while unpacking; nothing is fetched, no entity expanded.
"""

import zipfile
import zlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from drone_ingest.damage import Notes
from drone_ingest.found import Clock, Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.tlog import Progress
from drone_ingest.positions import NO_TIME, positions_table
from drone_ingest.xml_tree import Node, parse_xml
from wire.errors import InputError

__all__ = ["read_kml", "read_kmz"]

_POINTS_MAX = 5_000_000
_LOCAL = b"PK\x03\x04"
_STEP_BYTES = 256  # small: what follows a broken place in a step is lost
_Row = tuple[float, float, float, int, str, str]
"""Longitude, latitude, altitude, UTC in µs or NO_TIME, column of the altitude, name."""
_MODES = {"absolute": "alt_msl_m", "relativeToGround": "alt_unknown_m"}


def read_kml(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """One KML document."""
    data = path.read_bytes()
    progress(len(data))
    return _flight(data, path, limits, "kml")


def read_kmz(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """The document of a KMZ archive, or as much of it as a broken one gives; raises InputError when there is none or
    it unpacks to too much."""
    problem = None
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one for one in archive.namelist() if one.lower().endswith(".kml")]
            if not names:
                raise InputError("the archive holds no .kml", file=str(path), fix="give the KML itself, or a log")
            with archive.open(names[0]) as document:
                data = document.read(limits.kmz_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        problem, data = str(error)[:100], _salvaged(path.read_bytes(), limits.kmz_bytes + 1)
        if not data:
            raise InputError(f"it is no whole KMZ archive: {error}", file=str(path), fix="export it again") from error
    if len(data) > limits.kmz_bytes:
        raise InputError(f"its document is larger than {limits.kmz_bytes} bytes", file=str(path), fix="split it")
    progress(path.stat().st_size)
    flight = _flight(data, path, limits, "kmz")
    if problem is not None:
        flight.notes.damage(path.stat().st_size, "byte", f"the archive is broken ({problem})")
    return flight


def _salvaged(raw: bytes, bytes_max: int) -> bytes:
    """The first .kml of an archive whose directory is lost, by its local header, up to where it cannot be unpacked."""
    at = 0
    while (at := raw.find(_LOCAL, at)) >= 0 and at + 30 <= len(raw):
        method, name_bytes = int.from_bytes(raw[at + 8 : at + 10], "little"), raw[at + 26 : at + 28]
        start = at + 30 + int.from_bytes(name_bytes, "little")
        name = raw[at + 30 : start]
        start += int.from_bytes(raw[at + 28 : at + 30], "little")
        if name.lower().endswith(b".kml") and method == zipfile.ZIP_DEFLATED:
            return _inflated(raw[start:], bytes_max)
        at += len(_LOCAL)
    return b""


def _inflated(raw: bytes, bytes_max: int) -> bytes:
    unpack, parts, size = zlib.decompressobj(-zlib.MAX_WBITS), [], 0
    try:
        for at in range(0, len(raw), _STEP_BYTES):
            parts.append(unpack.decompress(raw[at : at + _STEP_BYTES], bytes_max - size))
            size += len(parts[-1])
            if unpack.eof or size >= bytes_max:
                break
    except zlib.error:
        pass  # what came before is the document so far
    return b"".join(parts)


def _flight(data: bytes, path: Path, limits: DroneLimits, kind: str) -> Flight:
    notes = Notes(limits.warnings)
    root, broken = parse_xml(data, limits, str(path))
    if broken is not None:
        notes.damage(broken.line, "line", f"the document breaks off: {broken.problem}")
    tracks = [row for track in root.walk("Track") for row in _track(track, notes)]
    lines = [row for line in root.walk("LineString") for row in _line(line, notes)]
    points = [row for place in root.walk("Placemark") if place.first("Point") for row in _point(place, notes)]
    rows = tracks or lines or points
    flight = Flight(kind=kind, file=path.name, notes=notes, records=len(tracks) + len(lines) + len(points))
    for name, part in (("track", tracks), ("line", lines), ("placemarks", points)):
        if part:
            flight.messages[name] = _table(part)
    if rows:
        source = "gx:Track" if tracks else "LineString" if lines else "Placemark"
        _fill(flight, rows[:_POINTS_MAX], source)
    return flight


def _track(track: Node, notes: Notes) -> list[_Row]:
    whens = [child for child in track.children if child.tag == "when"]
    coords = [child for child in track.children if child.tag == "coord"]
    if len(whens) != len(coords):
        notes.damage(track.line, "line", f"a track has {len(whens)} times for {len(coords)} places")
    column = _MODES.get(track.text("altitudeMode"), "")
    rows = []
    for when, coord in zip(whens, coords, strict=False):
        place = _place(coord.value.split(), coord.line, notes)
        if place is not None:
            rows.append((*place, _utc_us(when.value), column, ""))
    return rows


def _line(line: Node, notes: Notes) -> list[_Row]:
    column = _MODES.get(line.text("altitudeMode"), "")
    rows = []
    node = line.first("coordinates")
    for text in node.value.split() if node is not None else ():
        place = _place(text.split(","), line.line, notes)
        if place is not None:
            rows.append((*place, NO_TIME, column, ""))
    return rows


def _point(placemark: Node, notes: Notes) -> list[_Row]:
    point = placemark.first("Point")
    assert point is not None
    place = _place(point.text("coordinates").split(","), point.line, notes)
    when = placemark.text("TimeStamp", "when")
    column = _MODES.get(point.text("altitudeMode"), "")
    return [] if place is None else [(*place, _utc_us(when), column, placemark.text("name")[:200])]


def _place(parts: list[str], line: int, notes: Notes) -> tuple[float, float, float] | None:
    try:
        lon, lat, *alt = (float(part) for part in parts)
    except ValueError:
        notes.damage(line, "line", "a place that is no numbers")
        return None
    return lon, lat, alt[0] if alt else np.nan


def _utc_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return NO_TIME
    return NO_TIME if moment.tzinfo is None else round(moment.timestamp() * 1e6)


def _table(rows: list[_Row]) -> pa.Table:
    lon, lat, alt, utc, column, name = zip(*rows, strict=True)
    stamps = pa.array([None if one == NO_TIME else one for one in utc], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"lon_deg": lon, "lat_deg": lat, "alt_m": pa.array(alt, from_pandas=True), "ts": stamps,
                     "height": list(column), "name": list(name)})  # fmt: skip


def _fill(flight: Flight, rows: list[_Row], source: str) -> None:
    lon, lat, alt, utc, column, name = zip(*rows, strict=True)
    stamps = np.array(utc, np.int64)
    timed = stamps != NO_TIME
    first = int(stamps[timed].min()) if timed.any() else 0
    t_s = np.where(timed, (stamps - first) / 1e6, np.nan)
    given = {"lat_deg": np.array(lat), "lon_deg": np.array(lon), "ts": stamps, "t_s": t_s,
             "source": np.full(len(rows), source), "photo": np.array(name)}  # fmt: skip
    if not timed.any():
        del given["t_s"]
    modes = np.array(column)
    for target in set(_MODES.values()):
        if (modes == target).any():
            given[target] = np.where(modes == target, np.array(alt, np.float64), np.nan)
    flight.positions = positions_table(len(rows), given, flight.notes)
    if timed.any():
        flight.start_us = first
        flight.span_s = (first / 1e6, int(stamps[timed].max()) / 1e6)
        flight.clock = Clock(source="when", offset_us=0, samples=int(timed.sum()))
        if (np.diff(stamps[timed]) < -1_000_000).any():
            flight.notes.warn("the clock steps back")
