"""A simulated scan as files: LAS 1.4 or LAZ with the station of each point, or PLY; a table of stations; the truth."""

import csv
import struct
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from drone_ingest.simulate.scan import SimulatedScan
from wire.errors import InputError

__all__ = ["SYSTEM", "write_scan"]

SYSTEM = "AID4 simulated"
_AT_ONCE = 200_000  # points
_SCALE_M = 0.001
_DTYPE = np.dtype(
    [("x", "<i4"), ("y", "<i4"), ("z", "<i4"), ("intensity", "<u2"), ("returns", "u1"), ("flags", "u1"),
     ("classification", "u1"), ("user", "u1"), ("angle", "<i2"), ("point_source_id", "<u2"), ("gps_time", "<f8"),
     ("red", "<u2"), ("green", "<u2"), ("blue", "<u2")]
)  # fmt: skip
_FORMAT = 7
_HEADER_BYTES, _VLR_BYTES = 375, 54
_ONE_RETURN = 0x11  # the first of one
_WKT_BIT, _ADJUSTED_BIT = 1 << 4, 1
_LAZ_BIT = 0x80
_PLY = np.dtype(
    [("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("red", "u1"), ("green", "u1"), ("blue", "u1"), ("intensity", "<u2"),
     ("gps_time", "<f8"), ("pointsourceid", "<u2")]
)  # fmt: skip
_PLY_NAMES = {"<f8": "double", "|u1": "uchar", "<u2": "ushort"}


def write_scan(
    scan: SimulatedScan,
    cloud: Path,
    stations: Path | None = None,
    *,
    truth: Path | None = None,
    trajectory: Path | None = None,
    start: datetime | None = None,
) -> None:
    """Write the cloud (.las, .laz or .ply), and where named the table of stations (`id,x,y,z`), the truth (JSON) and
    the trajectory (`time,x,y,z`, time as the points have it), all in the coordinates of the cloud.

    With `start` times are adjusted GPS seconds from it, else seconds from zero. Raises InputError for another suffix.
    """
    kind = cloud.suffix.lower()
    if kind not in (".las", ".laz", ".ply"):
        raise InputError(f"{kind or 'no suffix'} is no cloud", file=str(cloud), fix="name it .las, .laz or .ply")
    epoch_s = 0.0 if start is None else start.timestamp() - 315_964_800 + 18 - 1e9
    with cloud.open("wb") as file:
        if kind == ".ply":
            _write_ply(file, scan, epoch_s)
        else:
            _write_las(file, scan, epoch_s, start, packed=kind == ".laz")
    if stations is not None:
        _write_rows(stations, "id", np.arange(1, len(scan.stations) + 1).tolist(), scan.stations)
    if trajectory is not None:
        first, last = _spans(scan)
        times = np.concatenate([first, last]) + epoch_s
        rows = np.concatenate([scan.stations[np.unique(scan.station).astype(int) - 1]] * 2)
        order = np.argsort(times, kind="stable")
        _write_rows(trajectory, "time", [f"{one:.6f}" for one in times[order]], rows[order])
    if truth is not None:
        truth.write_bytes(msgspec.json.format(msgspec.json.encode(scan.truth)))


def _spans(scan: SimulatedScan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last time at each station that gave a point."""
    ids = np.unique(scan.station)
    times = [scan.gps_time_s[scan.station == one] for one in ids]
    return np.array([one.min() for one in times]), np.array([one.max() for one in times])


def _write_rows(path: Path, name: str, firsts: list[Any], places: NDArray[np.float64]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name, "x", "y", "z"])
        writer.writerows([first, *(f"{one:.4f}" for one in place)] for first, place in zip(firsts, places, strict=True))


def _write_las(file: BinaryIO, scan: SimulatedScan, epoch_s: float, start: datetime | None, *, packed: bool) -> None:
    low, high = _bounds(scan)
    offset = np.floor(low)
    epsg = scan.truth["disturbance"]["epsg"]
    records = [_wkt_record(epsg)] if epsg else []
    lazrs_vlr = None
    if packed:
        import lazrs

        lazrs_vlr = lazrs.LazVlr.new_for_compression(_FORMAT, 0)
        records.append(_record(b"laszip encoded", 22_204, bytes(lazrs_vlr.record_data())))
    data_at = _HEADER_BYTES + sum(map(len, records))
    bits = (_WKT_BIT if epsg else 0) | (_ADJUSTED_BIT if start is not None else 0)
    file.write(_header(scan, low, high, offset, data_at, len(records), bits, start, packed=packed))
    file.write(b"".join(records))
    if lazrs_vlr is None:
        for rows in _las_rows(scan, offset, epoch_s):
            file.write(rows.tobytes())
        return
    import lazrs

    compressor = lazrs.LasZipCompressor(file, lazrs_vlr)
    for rows in _las_rows(scan, offset, epoch_s):
        compressor.compress_many(np.frombuffer(rows.tobytes(), np.uint8))
    compressor.done()


def _bounds(scan: SimulatedScan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not len(scan.points):
        return np.zeros(3), np.zeros(3)
    return scan.points.min(axis=0), scan.points.max(axis=0)


def _header(
    scan: SimulatedScan,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    offset: NDArray[np.float64],
    data_at: int,
    records: int,
    bits: int,
    start: datetime | None,
    *,
    packed: bool,
) -> bytes:
    day, year = (start.timetuple().tm_yday, start.year) if start is not None else (0, 0)
    corners = np.stack([high, low], axis=1).ravel()  # max x, min x, max y, …
    head = struct.pack(
        "<4sHH16sBB32s32sHHHIIBHI5I",
        b"LASF", 0, bits, bytes(16), 1, 4, SYSTEM.encode(), b"aid4 drone simulate", day, year, _HEADER_BYTES, data_at,
        records, _FORMAT | (_LAZ_BIT if packed else 0), _DTYPE.itemsize, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    head += struct.pack("<12d", *(_SCALE_M,) * 3, *offset, *corners)
    return head + struct.pack("<QQIQ15Q", 0, 0, 0, len(scan.points), len(scan.points), *(0,) * 14)


def _record(user: bytes, number: int, data: bytes) -> bytes:
    return struct.pack("<H16sHH32s", 0, user, number, len(data), b"") + data


def _wkt_record(epsg: int) -> bytes:
    """The coordinate system as a record; raises InputError for a code that nobody knows."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        wkt = CRS.from_epsg(epsg).to_wkt("WKT1_GDAL")
    except CRSError as error:
        raise InputError(
            f"EPSG:{epsg} is not known", field="epsg", fix="give the code of a projected system"
        ) from error
    return _record(b"LASF_Projection", 2_112, wkt.encode() + b"\0")


def _las_rows(scan: SimulatedScan, offset: NDArray[np.float64], epoch_s: float) -> Iterator[NDArray[Any]]:
    for at in range(0, len(scan.points), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        units = np.round((scan.points[part] - offset) / _SCALE_M)
        if np.abs(units).max() >= 2**31:
            raise InputError("points lie more than 2000 km apart", field="points", fix="look at the georeference")
        rows = np.zeros(len(units), _DTYPE)
        rows["x"], rows["y"], rows["z"] = units.T
        rows["intensity"], rows["returns"] = scan.intensity[part], _ONE_RETURN
        rows["point_source_id"], rows["gps_time"] = scan.station[part], scan.gps_time_s[part] + epoch_s
        for name, channel in zip(("red", "green", "blue"), scan.rgb[part].T, strict=True):
            rows[name] = channel.astype(np.uint16) * 257
        yield rows


def _write_ply(file: BinaryIO, scan: SimulatedScan, epoch_s: float) -> None:
    fields = [f"property {_PLY_NAMES[_PLY[name].str]} {name}" for name in _PLY.names or ()]
    head = ["ply", "format binary_little_endian 1.0", f"comment {SYSTEM}", f"element vertex {len(scan.points)}"]
    file.write("\n".join([*head, *fields, "end_header", ""]).encode())
    for at in range(0, len(scan.points), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        rows = np.zeros(len(scan.points[part]), _PLY)
        rows["x"], rows["y"], rows["z"] = scan.points[part].T
        rows["red"], rows["green"], rows["blue"] = scan.rgb[part].T
        rows["intensity"], rows["pointsourceid"] = scan.intensity[part], scan.station[part]
        rows["gps_time"] = scan.gps_time_s[part] + epoch_s
        file.write(rows.tobytes())
