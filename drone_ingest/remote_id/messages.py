"""The messages of ASTM F3411 (Open Drone ID) and of DJI's own broadcast, decoded; what they call unknown is None."""

import math
import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["MESSAGE_BYTES", "Message", "astm_messages", "dji_message"]

MESSAGE_BYTES = 25
_PACK = 0xF
_INT64_MAX = (1 << 63) - 1
_PACK_MAX = 9
_EPOCH_2019_US = 1_546_300_800_000_000
_H_ACCURACY_M = (None, 18_520.0, 7_408.0, 3_704.0, 1_852.0, 926.0, 555.6, 185.2, 92.6, 30.0, 10.0, 3.0, 1.0)
_V_ACCURACY_M = (None, 150.0, 45.0, 25.0, 10.0, 3.0, 1.0)
_ID_TYPES = ("none", "serial", "registration", "utm", "session")
_STATUS = ("undeclared", "ground", "airborne", "emergency", "failure")
Message = tuple[str, dict[str, Any]]


def astm_messages(data: bytes) -> Iterator[Message]:
    """Name and fields of each message in a payload (one message or a pack); raises ValueError for what is none."""
    if not data:
        raise ValueError("an empty payload")
    if data[0] >> 4 != _PACK:
        yield _message(data)
        return
    if len(data) < 3 or data[1] != MESSAGE_BYTES or not 1 <= data[2] <= _PACK_MAX:
        raise ValueError("a message pack whose size cannot be")
    for number in range(data[2]):
        start = 3 + number * MESSAGE_BYTES
        yield _message(data[start : start + MESSAGE_BYTES])


def _message(data: bytes) -> Message:
    if len(data) < MESSAGE_BYTES:
        raise ValueError("a message is cut")
    decode = _DECODERS.get(data[0] >> 4)
    if decode is None:
        raise ValueError(f"messages of type {data[0] >> 4} are not known")
    name, function = decode
    return name, function(data)


def _basic_id(data: bytes) -> dict[str, Any]:
    kind = data[1] >> 4
    identity = data[2:22]
    return {
        "id_type": _ID_TYPES[kind] if kind < len(_ID_TYPES) else str(kind),
        "ua_type": data[1] & 0xF,
        "uas_id": _text(identity) if kind in (1, 2) else identity.rstrip(b"\0").hex(),
    }


def _location(data: bytes) -> dict[str, Any]:
    flags, direction, speed, climb = data[1], data[2], data[3], struct.unpack_from("b", data, 4)[0]
    lat, lon, pressure, geodetic, height = struct.unpack_from("<iiHHH", data, 5)
    accuracy, since_hour = data[19], struct.unpack_from("<H", data, 21)[0]
    degrees = direction + (180 if flags & 2 else 0)
    known = (lat, lon) != (0, 0)
    return {
        "status": _STATUS[flags >> 4] if flags >> 4 < len(_STATUS) else str(flags >> 4),
        "lat_deg": lat / 1e7 if known else None,
        "lon_deg": lon / 1e7 if known else None,
        "track_deg": float(degrees) if degrees <= 360 else None,
        "speed_m_s": None if speed == 255 else speed * 0.75 + 63.75 if flags & 1 else speed * 0.25,
        "climb_m_s": None if climb == 126 else climb * 0.5,
        "alt_pressure_m": _height(pressure),
        "alt_ellipsoid_m": _height(geodetic),
        "height_m": _height(height),
        "height_above": "ground" if flags & 4 else "takeoff",
        "eph_m": _of(_H_ACCURACY_M, accuracy & 0xF),
        "epv_m": _of(_V_ACCURACY_M, accuracy >> 4),
        "since_hour_s": None if since_hour == 0xFFFF else since_hour / 10,
    }


def _self_id(data: bytes) -> dict[str, Any]:
    return {"description_type": data[1], "description": _text(data[2:25])}


def _system(data: bytes) -> dict[str, Any]:
    lat, lon, count, radius, ceiling, floor = struct.unpack_from("<iiHBHH", data, 2)
    altitude, seconds = struct.unpack_from("<HI", data, 18)
    known = (lat, lon) != (0, 0)
    return {
        "operator_place": ("takeoff", "live", "fixed", "unknown")[data[1] & 3],
        "operator_lat_deg": lat / 1e7 if known else None,
        "operator_lon_deg": lon / 1e7 if known else None,
        "area_count": count,
        "area_radius_m": radius * 10.0,
        "area_ceiling_m": _height(ceiling),
        "area_floor_m": _height(floor),
        "operator_alt_ellipsoid_m": _height(altitude),
        "system_us": _EPOCH_2019_US + seconds * 1_000_000 if seconds else None,
    }


def _operator_id(data: bytes) -> dict[str, Any]:
    return {"operator_id_type": data[1], "operator_id": _text(data[2:22])}


def _authentication(data: bytes) -> dict[str, Any]:
    return {"auth_type": data[1] >> 4, "page": data[1] & 0xF, "data": data[2:].hex()}


_DECODERS = {
    0: ("basic_id", _basic_id), 1: ("location", _location), 2: ("authentication", _authentication),
    3: ("self_id", _self_id), 4: ("system", _system), 5: ("operator_id", _operator_id),
}  # fmt: skip


def dji_message(data: bytes) -> Message:
    """DJI's broadcast in its beacons, version 1 and 2, after the analysis that Kismet published; its heights are left
    raw, for sources disagree on their unit. Raises ValueError."""
    if len(data) < 5 or data[3] != 0x10:
        raise ValueError("a DJI frame that is no flight telemetry")
    version, body = data[4], data[5:]
    layout = {1: "<HH16siihhhhhhhhiiBB20s", 2: "<HH16siihhhhhhQiiiiBB20s"}.get(version)
    if layout is None or len(body) < struct.calcsize(layout):
        raise ValueError(f"a DJI frame of version {version} that cannot be read")
    seq, state, serial, lon, lat, altitude, height, north, east, up, *rest = struct.unpack_from(layout, body)
    fields = {
        "seq": seq, "state": state, "uas_id": _text(serial), "lat_deg": _radians(lat), "lon_deg": _radians(lon),
        "altitude_raw": altitude, "height_raw": height, "vel_n_m_s": north / 100, "vel_e_m_s": east / 100,
        "vel_d_m_s": -up / 100, "operator_lat_deg": None, "operator_lon_deg": None, "gps_ms": None,
    }  # fmt: skip
    if version == 1:
        _, _, yaw, home_lon, home_lat, *_ = rest
    else:
        yaw, gps_ms, operator_lat, operator_lon, home_lon, home_lat, *_ = rest
        fields |= {
            "gps_ms": min(gps_ms, _INT64_MAX),
            "operator_lat_deg": _radians(operator_lat),
            "operator_lon_deg": _radians(operator_lon),
        }
    return "dji", {**fields, "yaw_raw": yaw, "home_lat_deg": _radians(home_lat), "home_lon_deg": _radians(home_lon)}


def _radians(raw: int) -> float | None:
    return math.degrees(raw / 1e7) if raw else None


def _height(raw: int) -> float | None:
    return raw * 0.5 - 1_000 if raw else None


def _text(raw: bytes) -> str:
    return "".join(sign for sign in raw.partition(b"\0")[0].decode("latin-1") if sign.isprintable()).strip()


def _of(table: tuple[float | None, ...], code: int) -> float | None:
    return table[code] if code < len(table) else None
