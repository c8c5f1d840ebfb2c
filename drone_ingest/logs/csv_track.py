"""Tables of positions: flight records as CSV or TSV (DJI, Litchi, Airdata, Autel, senseFly geoinfo, ODM geo.txt).

Columns are recognised by name, units by their suffix; a name that is not known is kept as text or number but means
nothing. The delimiter is the one that the header has most of. Rows with another number of cells are reported.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.damage import Notes
from drone_ingest.found import Clock, Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.tlog import Progress
from drone_ingest.positions import NO_TIME, positions_table
from wire.errors import InputError

__all__ = ["read_csv"]

_CELLS_MAX = 10_000_000  # 60 bytes each; an hour of a DJI record at 10 Hz has 7 million
_COLUMNS_MAX = 500
_FEET, _MPH, _KNOT = 0.3048, 0.44704, 0.514444


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of POSITIONS and the names under which it is known (letters and digits only)."""

    target: str
    pattern: re.Pattern[str]
    scale: float = 1.0


def _named(target: str, names: str, scale: float = 1.0) -> _Column:
    return _Column(target, re.compile(rf"(?:{names})"), scale)


_KNOWN = (
    _named("lat_deg", "lat|latitude|latitudedeg|osdlatitude|gpslat|gpslatitude"),
    _named("lon_deg", "lon|lng|long|longitude|longitudedeg|osdlongitude|gpslon|gpslongitude"),
    _named("alt_ellipsoid_m", "altitudewgs84|altellipsoid|ellipsoidheight|ellipsoidalheight|heightellipsoidm?"),
    _named("alt_msl_m", "altitudeamsl|altmsl|altitudeabovesealevelm?|altitudemsl|osdaltitudem|amsl"),
    _named("alt_msl_m", "altitudeabovesealevelfeet|osdaltitudeft", _FEET),
    _named("alt_takeoff_m", "relativealt|relalt|heightabovetakeoffm?|osdheightm|relativealtitude|altitudem"),
    _named("alt_takeoff_m", "heightabovetakeofffeet|osdheightft|altitudefeet|heightfeet", _FEET),
    _named("alt_unknown_m", "alt|altitude|z|height|elevation"),
    _named("vel_n_m_s", "velocityx|vn|xspeedms|osdxspeedms"),
    _named("vel_n_m_s", "xspeedmph|osdxspeedmph", _MPH),
    _named("vel_e_m_s", "velocityy|ve|yspeedms|osdyspeedms"),
    _named("vel_e_m_s", "yspeedmph|osdyspeedmph", _MPH),
    _named("vel_d_m_s", "velocityz|vd|zspeedms|osdzspeedms"),
    _named("vel_d_m_s", "zspeedmph|osdzspeedmph", _MPH),
    _named("roll_deg", "roll|rolldeg|osdroll"),
    _named("pitch_deg", "pitch|pitchdeg|osdpitch"),
    _named("yaw_deg", "yaw|yawdeg|heading|compassheadingdegrees|osdyaw|osdyaw360"),
    _named("gimbal_roll_deg", "gimbalroll|gimbalrolldegrees"),
    _named("gimbal_pitch_deg", "gimbalpitch|gimbalpitchdegrees"),
    _named("gimbal_yaw_deg", "gimbalyaw|gimbalheadingdegrees|gimbalheading|gimbalyaw360"),
    _named("satellites", "satellites|satellitecount|osdgpsnum|gpsnum|numsats"),
    _named("battery_percent", "battery|batterypercent|batterylevel|remainingpowerpercent|batterychargelevel"),
    _named("eph_m", "eph|haccm?|horizontalaccuracym?"),
    _named("epv_m", "epv|vaccm?|verticalaccuracym?"),
    _named("mode", "mode|flightmode|osdflycstate|flycstate"),
    _named("photo", "filename|image|photo|imagename"),
)  # fmt: skip
_TIMES: tuple[tuple[re.Pattern[str], float], ...] = (
    (re.compile("t|time|times|seconds|elapsed|flighttimesec|osdflytimes|timeseconds"), 1.0),
    (re.compile("timems|timemillisecond|flighttimems|timebootms|milliseconds"), 1e-3),
    (re.compile("timeus|timestampus|timeusec"), 1e-6),
)
_STAMPS = re.compile("timestamp|datetime|datetimeutc|utc|timeutc|gpstime|datetimeutczone|time|date")


def read_csv(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """One table; raises InputError when it has neither a place nor a time."""
    notes = Notes(limits.warnings)
    raw = path.read_bytes()
    progress(len(raw))
    header, rows = _rows(raw.decode("utf-8-sig", "replace"), notes, str(path))
    cells = [[row[column] for row in rows] for column in range(len(header))]
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]
    if "geoinfo" in raw[:64].decode("latin-1") and "altitudeamsl" not in plain:
        notes.warn("a geoinfo file without its usual heights")
    given = _places(plain, cells)
    t_s, utc = _times(plain, cells, notes)
    has_place = {"lat_deg", "lon_deg"} <= given.keys()
    if not has_place and not np.isfinite(t_s).any():
        problem = "no column of it is a latitude, a longitude or a time"
        raise InputError(
            problem, file=str(path), field=", ".join(header)[:200], fix="name the columns lat, lon, alt, time"
        )
    flight = Flight(kind="csv", file=path.name, notes=notes, records=len(rows))
    if has_place:
        given |= {"t_s": t_s, "ts": utc, "source": np.full(len(rows), "csv")}
        flight.positions = positions_table(len(rows), given, notes)
    else:
        notes.warn("it has no positions")
    flight.messages = {"rows": _table(header, cells)}
    _set_times(flight, t_s, utc)
    return flight


def _rows(text: str, notes: Notes, file: str) -> tuple[list[str], list[list[str]]]:
    lines = text.splitlines()
    start = next(
        (number for number, line in enumerate(lines) if line.strip() and not line.startswith(("#", "sep="))), 0
    )
    if not lines:
        raise InputError("it holds no line", file=file, fix="export it again")
    delimiter = max("\t;,", key=lines[start].count)
    csv.field_size_limit(1 << 20)
    header = [name.strip() for name in next(csv.reader([lines[start]], delimiter=delimiter), [])]
    if not 1 <= len(header) <= _COLUMNS_MAX:
        raise InputError(f"it has {len(header)} columns", file=file, fix=f"give at most {_COLUMNS_MAX}")
    rows: list[list[str]] = []
    rows_max = _CELLS_MAX // len(header)
    reader = csv.reader(lines[start + 1 :], delimiter=delimiter)
    while len(rows) < rows_max:
        try:
            row = next(reader, None)
        except csv.Error as error:
            notes.damage(start + 1 + reader.line_num, "line", f"a row that cannot be read ({error})")
            continue
        if row is None:
            break
        if len(row) > len(header) and not any(cell.strip() for cell in row[len(header) :]):
            row = row[: len(header)]
        if len(row) == len(header):
            rows.append(row)
        elif row:
            notes.damage(start + 1 + reader.line_num, "line", f"a row of {len(row)} cells under {len(header)} names")
    else:
        notes.warn(f"only its first {rows_max} rows were read")
    return header, rows


def _places(plain: list[str], cells: list[list[str]]) -> dict[str, NDArray[Any]]:
    given: dict[str, NDArray[Any]] = {}
    for known in _KNOWN:
        for column, name in enumerate(plain):
            if known.target not in given and known.pattern.fullmatch(name):
                values = cells[column]
                if known.target in ("mode", "photo"):
                    given[known.target] = np.array(values, np.str_)
                else:
                    given[known.target] = _numbers(values) * known.scale
    for name in ("yaw_deg", "gimbal_yaw_deg"):
        if name in given:
            given[name] %= 360
    if "battery_percent" in given:
        left = given["battery_percent"]
        with np.errstate(invalid="ignore"):
            given["battery_percent"] = np.where((left >= 0) & (left <= 100), left, np.nan)
    return given


def _numbers(values: list[str]) -> NDArray[np.float64]:
    return np.array([_number(value) for value in values], np.float64)


def _number(value: str) -> float:
    try:
        return float(value) if len(value) < 64 else np.nan
    except ValueError:
        return np.nan


def _times(plain: list[str], cells: list[list[str]], notes: Notes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds from the first row, and UTC where a column has a date with a zone."""
    rows = len(cells[0])
    none = np.full(rows, NO_TIME)
    for column, name in enumerate(plain):
        if _STAMPS.fullmatch(name):
            utc, zoned = _stamps(cells[column], utc_said="utc" in name)
            known = utc != NO_TIME
            if known.any():
                t_s = np.where(known, (utc - utc[known].min()) / 1e6, np.nan)
                if not zoned:
                    notes.warn("its times have no zone: UTC is unknown")
                return t_s, utc if zoned else none
    for column, name in enumerate(plain):
        for pattern, scale in _TIMES:
            if pattern.fullmatch(name):
                values = _numbers(cells[column]) * scale
                if np.isfinite(values).any():
                    return values - np.nanmin(values), none
    return np.full(rows, np.nan), none


def _stamps(values: list[str], *, utc_said: bool) -> tuple[NDArray[np.int64], bool]:
    parsed = [_stamp(value) for value in values]
    zoned = utc_said or any(moment is not None and moment.tzinfo is not None for moment in parsed)
    us = [NO_TIME if one is None else round(_utc(one).timestamp() * 1e6) for one in parsed]
    return np.array(us, np.int64), zoned


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_FORMATS: tuple[Callable[[str], datetime], ...] = (
    datetime.fromisoformat,
    lambda text: datetime.strptime(text, "%Y:%m:%d %H:%M:%S"),
    lambda text: datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p"),
)


def _stamp(value: str) -> datetime | None:
    text = value.strip()
    if not 8 <= len(text) <= 40 or not any(sign in text for sign in ":-/"):
        return None
    for parse in _FORMATS:
        try:
            return parse(text)
        except ValueError:
            continue
    return None


def _table(header: list[str], cells: list[list[str]]) -> pa.Table:
    columns: list[pa.Array] = []
    names: list[str] = []
    for name, values in zip(header, cells, strict=True):
        numbers = _numbers(values)
        filled = np.array([bool(value.strip()) for value in values], bool)
        is_number = filled.any() and bool(np.isfinite(numbers[filled]).all())
        columns.append(pa.array(numbers, from_pandas=True) if is_number else pa.array(values, pa.string()))
        names.append(name if name and name not in names else f"{name or 'column'}~{len(names)}")
    return pa.table(columns, names=names)


def _set_times(flight: Flight, t_s: NDArray[np.float64], utc: NDArray[np.int64]) -> None:
    known = t_s[np.isfinite(t_s)]
    if len(known):
        flight.span_s = (float(known.min()), float(known.max()))
        if (np.diff(known) < -1).any():
            back = int((np.diff(known) < -1).sum())
            flight.notes.warn(f"the clock steps back {back} times")
    stamps = utc[utc != NO_TIME]
    if len(stamps):
        flight.start_us = int(stamps.min())
        flight.clock = Clock(source="column", offset_us=0, samples=len(stamps))
