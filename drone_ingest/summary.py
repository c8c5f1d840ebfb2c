"""The few facts about a file that `aid4 drone import` prints, the same for each kind."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from drone_ingest.clock import iso_utc
from drone_ingest.door import summary_count
from drone_ingest.found import HEIGHTS, Cloud, Flight, Found, Photo, RemoteIds
from drone_ingest.positions import bounds, height_datum

__all__ = ["summary_of"]

_US = 1_000_000


def summary_of(found: Found) -> dict[str, Any]:
    """{"file", "kind", "messages", "start_utc", "duration_s", "positions", "bounds", "height_datum", "crs",
    "warnings", "damage"} and, where there are any, "types", "heights", "scans", "columns", "clock", "info".

    `bounds` is [west, south, low, east, north, high] in degrees, or [min x, y, z, max x, y, z] of a cloud in `crs`.
    """
    first = {"file": found.file, "kind": found.kind, "messages": summary_count(found)}
    match found:
        case Flight():
            facts = _flight(found)
        case Photo():
            facts = _photo(found)
        case RemoteIds():
            facts = _remote_ids(found)
        case Cloud():
            facts = _cloud(found)
        case _:
            facts = {}
    damage = [msgspec.to_builtins(one) for one in found.damages]
    return {**first, **facts, "warnings": found.warnings, "damage": damage}


def _places(positions: pa.Table) -> dict[str, Any]:
    placed = len(positions) - positions["lat_deg"].null_count
    heights = {}
    for datum, name in HEIGHTS.items():
        values = positions[name].drop_null().to_numpy()
        if len(values):
            heights[datum] = [round(float(values.min()), 3), round(float(values.max()), 3)]
    return {
        "positions": placed,
        "bounds": bounds(positions),
        "height_datum": height_datum(positions),
        "crs": "EPSG:4326" if placed else None,
        "heights_m": heights,
    }


def _flight(flight: Flight) -> dict[str, Any]:
    span = flight.span_s
    return {
        "start_utc": iso_utc(flight.start_us),
        "duration_s": None if span is None else round(span[1] - span[0], 6),
        **_places(flight.positions),
        "clock": msgspec.to_builtins(flight.clock),
        "events": len(flight.events),
        "types": {name: len(table) for name, table in sorted(flight.messages.items())},
        "info": flight.info,
    }


def _photo(photo: Photo) -> dict[str, Any]:
    at = photo.position["ts"][0].cast(pa.int64()).as_py() if len(photo.position) else None
    row = photo.position.to_pylist()[0] if len(photo.position) else {}
    return {
        "start_utc": iso_utc(at),
        "duration_s": 0.0,
        **_places(photo.position),
        "taken": photo.taken or None,
        "camera": f"{photo.make} {photo.model}".strip(),
        "size_px": [photo.width_px, photo.height_px],
        "focal_mm": photo.focal_mm,
        "gimbal_deg": {name: row.get(f"gimbal_{name}_deg") for name in ("roll", "pitch", "yaw")},
        "rtk": photo.rtk,
    }


def _remote_ids(heard: RemoteIds) -> dict[str, Any]:
    times = heard.positions["t_s"].drop_null().to_numpy()
    stamps = heard.positions["ts"].drop_null().cast(pa.int64()).to_numpy()
    return {
        "start_utc": iso_utc(int(stamps.min())) if len(stamps) else None,
        "duration_s": round(float(np.ptp(times)), 6) if len(times) else None,
        **_places(heard.positions),
        "frames": heard.frames,
        "types": {name: len(table) for name, table in sorted(heard.messages.items())},
        "transmitters": [] if heard.transmitters is None else heard.transmitters.to_pylist(),
    }


def _cloud(cloud: Cloud) -> dict[str, Any]:
    return {
        "start_utc": iso_utc(cloud.start_us),
        "duration_s": cloud.duration_s,
        "positions": cloud.points,
        "bounds": cloud.bounds,
        "height_datum": cloud.height_datum,
        "crs": cloud.crs,
        "unit_m": cloud.unit_m,
        "height_unit_m": cloud.height_unit_m,
        "columns": cloud.columns,
        "scans": [msgspec.to_builtins(one) for one in cloud.scans],
    }
