"""E57 (ASTM E2807): every scan with its pose, points streamed packet by packet, page checksums verified.

Points come out in the coordinates of the file: the pose of each scan (quaternion, translation) is applied, spherical
ones are converted, those marked invalid are left out. `Cloud.scans` says where each scanner stood. Of a scan with a
broken page the points before it are kept, and the next scan is read.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clouds.columns import points_batch
from drone_ingest.clouds.e57_fields import field_of
from drone_ingest.clouds.e57_packets import Scan, records
from drone_ingest.clouds.e57_pages import BadPage, Pages
from drone_ingest.damage import Notes
from drone_ingest.door import Progress
from drone_ingest.found import Cloud, CloudScan
from drone_ingest.limits import DroneLimits
from drone_ingest.xml_tree import Node, parse_xml
from wire.errors import InputError

__all__ = ["read_e57"]

_FIX = "export the cloud again"
_PAGE_BYTES = (256, 1 << 20)
_SCANS_MAX = 100_000
_GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
_LEAP_S = 18


def read_e57(path: Path, limits: DroneLimits, progress: Progress) -> Cloud:
    """The head of an E57, its points on demand; raises InputError when its XML cannot be trusted."""
    notes = Notes(limits.warnings)
    with path.open("rb") as file:
        pages, root = _open(file, path, limits)
        scans = _scans(root, pages, notes)
    total = sum(one.about.points for one in scans)
    if total > limits.points:
        raise InputError(f"it promises {total} points", file=str(path), field="recordCount", fix="split or thin it")
    names = {node.tag for one in scans for node in one.prototype}
    columns = [
        "x",
        "y",
        "z",
        *(name for name in ("intensity", "red", "green", "blue") if _e57_name(name) in names),
        "scan",
    ]
    start = min((one.about.start_utc for one in scans if one.about.start_utc), default=None)
    return Cloud(
        kind="e57", file=path.name, notes=notes, points=total, height_datum="unknown", columns=columns,
        unit_m=1.0, height_unit_m=1.0,
        crs=_crs(root), scans=[one.about for one in scans],
        start_us=None if start is None else round(datetime.fromisoformat(start).timestamp() * 1e6),
        chunks=lambda: _chunks(path, pages, scans, notes, limits.chunk_points),
    )  # fmt: skip


def _open(file: BinaryIO, path: Path, limits: DroneLimits) -> tuple[Pages, Node]:
    header = file.read(48)
    if len(header) < 48:
        raise InputError("it ends inside its header", file=str(path), fix=_FIX)
    _, _, _, xml_at, xml_bytes, page_bytes = struct.unpack_from("<IIQQQQ", header, 8)
    if not _PAGE_BYTES[0] <= page_bytes <= _PAGE_BYTES[1] or xml_bytes > limits.header_bytes:
        raise InputError(
            "its header has pages or XML of a size that cannot be", file=str(path), field="header", fix=_FIX
        )
    pages = Pages(file, page_bytes)
    try:
        document = pages.read(pages.logical(xml_at), xml_bytes)
    except BadPage as bad:
        problem = f"its description of the scans is damaged: {bad.problem} at byte {bad.byte}"
        raise InputError(problem, file=str(path), field="XML", fix=_FIX) from bad
    root, broken = parse_xml(document, limits, str(path))
    if broken is not None:
        raise InputError(f"its description breaks off: {broken.problem}", file=str(path), field="XML", fix=_FIX)
    return pages, root


def _scans(root: Node, pages: Pages, notes: Notes) -> list[Scan]:
    scans = []
    data = root.first("data3D")
    for number, node in enumerate((data.children if data is not None else [])[:_SCANS_MAX]):
        points = node.first("points")
        prototype = points.first("prototype") if points is not None else None
        try:
            if points is None or prototype is None:
                raise ValueError("it has no points")
            fields = [child for child in prototype.children if not child.children]
            count = int(points.attributes["recordCount"])
            at = pages.logical(int(points.attributes["fileOffset"]))
            if count < 0 or at < 0:
                raise ValueError("it promises points that cannot be")
            scans.append(Scan(_about(node, number, count), at, fields, _limits(node)))
        except (KeyError, ValueError) as error:
            notes.damage(node.line, "line", f"scan {number} of its description cannot be read: {error}")
    return scans


def _about(node: Node, number: int, points: int) -> CloudScan:
    pose = node.first("pose")
    position = rotation = None
    if pose is not None:
        position = tuple(_float(pose.text("translation", axis), 0.0) for axis in "xyz")
        rotation = tuple(_float(pose.text("rotation", part), 1.0 if part == "w" else 0.0) for part in "wxyz")
    gps_s = _float(node.text("acquisitionStart", "dateTimeValue"), 0.0)
    start = None
    if 0 < gps_s < 4e9:
        start = (_GPS_EPOCH + timedelta(seconds=gps_s - _LEAP_S)).isoformat()
    name = node.text("name")[:200]
    return CloudScan(index=number, name=name, points=points, position=position, rotation=rotation, start_utc=start)  # type: ignore[arg-type]


def _float(text: str, default: float) -> float:
    value = float(text) if text else default
    if not np.isfinite(value):
        raise ValueError(f"{text[:40]!r} is not finite")
    return value


def _limits(node: Node) -> dict[str, tuple[float, float]]:
    """Range of intensity and colours, which are scaled to 16 bits."""
    found = {}
    for name, box in (
        ("intensity", "intensityLimits"),
        *((f"color{one}", "colorLimits") for one in ("Red", "Green", "Blue")),
    ):
        low, high = node.first(box, f"{name}Minimum"), node.first(box, f"{name}Maximum")
        if low is not None and high is not None:
            found[name] = (_scaled(low), _scaled(high))
    return found


def _scaled(node: Node) -> float:
    raw = _float(node.value, 0.0)
    if node.attributes.get("type") == "ScaledInteger":
        return raw * _float(node.attributes.get("scale", ""), 1.0) + _float(node.attributes.get("offset", ""), 0.0)
    return raw


def _crs(root: Node) -> str | None:
    text = root.text("coordinateMetadata")
    return text[:200] or None


def _chunks(path: Path, pages: Pages, scans: list[Scan], notes: Notes, chunk_points: int) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        pages = pages.over(file)
        for scan in scans:
            try:
                streams = [field_of(node) for node in scan.prototype]
            except ValueError as error:
                notes.damage(scan.prototype[0].line, "line", str(error))
                continue
            for columns in records(scan, pages, streams, notes, chunk_points):
                batch = _points(columns, scan)
                if batch.num_rows:
                    yield batch


def _points(columns: dict[str, NDArray[np.float64]], scan: Scan) -> pa.RecordBatch:
    xyz, wrong = _cartesian(columns)
    pose = scan.about
    if pose.rotation is not None and pose.position is not None:
        xyz = xyz @ _matrix(pose.rotation).T + np.array(pose.position)
    given: dict[str, Any] = {axis: xyz[:, row] for row, axis in enumerate("xyz")}
    for name in ("intensity", "red", "green", "blue"):
        values = columns.get(_e57_name(name))
        if values is not None:
            low, high = scan.limits.get(_e57_name(name), (0.0, 255.0 if name != "intensity" else 1.0))
            part = np.nan_to_num((values - low) / (high - low if high > low else 1.0))
            given[name] = np.round(np.clip(part, 0, 1) * 65_535).astype(np.uint16)
    given["scan"] = np.full(len(xyz), pose.index, np.uint32)
    return points_batch({name: values[~wrong] for name, values in given.items()})


def _cartesian(columns: dict[str, NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rows = len(next(iter(columns.values())))
    if {"cartesianX", "cartesianY", "cartesianZ"} <= columns.keys():
        xyz = np.stack([columns[f"cartesian{axis}"] for axis in "XYZ"], axis=1)
        return xyz, columns.get("cartesianInvalidState", np.zeros(rows)) != 0
    if {"sphericalRange", "sphericalAzimuth", "sphericalElevation"} <= columns.keys():
        far, azimuth, up = (columns[f"spherical{one}"] for one in ("Range", "Azimuth", "Elevation"))
        flat = far * np.cos(up)
        xyz = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), far * np.sin(up)], axis=1)
        return xyz, columns.get("sphericalInvalidState", np.zeros(rows)) != 0
    return np.zeros((rows, 3)), np.ones(rows, bool)


def _matrix(q: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Rotation of a quaternion w, x, y, z; the identity when it has no length."""
    length = float(np.sqrt(np.dot(q, q)))
    if length < 1e-12:
        return np.eye(3)
    w, x, y, z = (part / length for part in q)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def _e57_name(name: str) -> str:
    return name if name == "intensity" else f"color{name.capitalize()}"
