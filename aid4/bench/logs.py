"""How fast flight logs and clouds become Arrow, beside pymavlink, pyulog and lazrs on the same bytes in the same run.

Logs are made with a seed (a realistic mix of messages) or given as files. Figures are processor time, children
included, median of interleaved repeats; `wall_s` is what a person waits.
"""

import os
import resource
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import laspy
import lazrs
import numpy as np
from pymavlink import mavutil
from pymavlink.DFReader import DFReader_binary
from pyulog import ULog

from drone_ingest import read
from drone_ingest.found import Cloud
from drone_ingest.mavlink.encode import encode

__all__ = ["logs"]

GOAL_MB_S = 20.0
GOAL_TIMES_PYMAVLINK = 5.0
GOAL_POINTS_S = 2.5e6
_START_US = 1_750_000_000_000_000
_MIX = (  # message, how often a hundred: as an autopilot streams them
    ("ATTITUDE", 20), ("GLOBAL_POSITION_INT", 12), ("GPS_RAW_INT", 6), ("SYS_STATUS", 6), ("VFR_HUD", 10),
    ("RAW_IMU", 12), ("SERVO_OUTPUT_RAW", 8), ("RC_CHANNELS", 8), ("VIBRATION", 6), ("SYSTEM_TIME", 4),
    ("EKF_STATUS_REPORT", 4), ("HEARTBEAT", 2), ("PARAM_VALUE", 2),
)  # fmt: skip


def logs(seed: int, megabytes: float, repeats: int, files: Iterable[Path] = ()) -> dict[str, Any]:
    """One row a log: MB/s (10⁶ bytes) into Arrow, messages or points a second, and the same for the other reader."""
    with tempfile.TemporaryDirectory(prefix="aid4-logs-") as name:
        given = list(files) or _made(Path(name), seed, megabytes)
        rows = [_row(file, repeats) for file in given]
    held = all(row["held"] for row in rows)
    return {"seed": seed, "repeats": repeats, "cores": os.cpu_count(), "logs": rows, "held": held}


def _row(file: Path, repeats: int) -> dict[str, Any]:
    found = read(file)
    kind = found.kind
    ours, theirs, walls = [], [], []
    other = _OTHERS.get(kind)
    for _ in range(repeats):
        began_s = time.perf_counter()
        ours.append(_cpu_s(lambda: _into_arrow(file)))
        walls.append(time.perf_counter() - began_s)
        if other is not None:
            theirs.append(_cpu_s(lambda: other[1](file)))
    cpu_s, count, size_mb = statistics.median(ours), _into_arrow(file), file.stat().st_size / 1e6
    row = {
        "log": file.name,
        "kind": kind,
        "mb": round(size_mb, 2),
        "count": count,
        "mb_s": round(size_mb / cpu_s, 1),
        "per_s": round(count / cpu_s),
        "wall_s": round(statistics.median(walls), 3),
    }
    if other is not None:
        row |= {"other": other[0], "other_per_s": round(count / statistics.median(theirs)),
                "times_other": round(statistics.median(theirs) / cpu_s, 2)}  # fmt: skip
    row["held"] = _holds(row)
    return row


def _holds(row: dict[str, Any]) -> bool:
    if row["kind"] in ("laz", "copc"):
        return bool(row["per_s"] >= GOAL_POINTS_S)
    if row["kind"] == "tlog" and row["times_other"] < GOAL_TIMES_PYMAVLINK:
        return False
    return bool(row["mb_s"] >= GOAL_MB_S)


def _cpu_s(work: Callable[[], Any]) -> float:
    before = _spent_s()
    work()
    return max(_spent_s() - before, 1e-6)


def _spent_s() -> float:
    """Processor time of this process and of its children that ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def _into_arrow(file: Path) -> int:
    """Messages or points that became Arrow."""
    found: Any = read(file)
    if isinstance(found, Cloud):
        return sum(batch.num_rows for batch in found.chunks())
    return sum(len(table) for table in found.messages.values())


def _by_pymavlink(file: Path) -> int:
    link, count = mavutil.mavlink_connection(str(file), dialect="all"), 0
    while link.recv_match() is not None:
        count += 1
    link.close()
    return count


def _by_dfreader(file: Path) -> int:
    reader, count = DFReader_binary(str(file)), 0
    while (message := reader.recv_msg()) is not None:
        message.to_dict()
        count += 1
    return count


def _by_pyulog(file: Path) -> int:
    return sum(len(one.data["timestamp"]) for one in ULog(str(file)).data_list)


def _by_lazrs(file: Path) -> int:
    with laspy.open(str(file)) as head, file.open("rb") as source:
        points, size = head.header.point_count, head.header.point_format.size
        record = next(vlr for vlr in head.header.vlrs if vlr.record_id == 22_204).record_data_bytes()
        source.seek(head.header.offset_to_point_data)
        decompressor = lazrs.LasZipDecompressor(source, record)
        for start in range(0, points, 1_000_000):
            decompressor.decompress_many(np.empty(min(1_000_000, points - start) * size, np.uint8))
    return int(points)


_OTHERS: dict[str, tuple[str, Callable[[Path], int]]] = {
    "tlog": ("pymavlink", _by_pymavlink),
    "dataflash": ("pymavlink", _by_dfreader),
    "ulog": ("pyulog", _by_pyulog),
    "laz": ("lazrs", _by_lazrs),
}


def _made(folder: Path, seed: int, megabytes: float) -> list[Path]:
    rng = np.random.default_rng(seed)
    size = int(megabytes * 1e6)
    makers = {"made.tlog": _make_tlog, "made.BIN": _make_dataflash, "made.ulg": _make_ulog}
    made = []
    for name, maker in makers.items():
        (folder / name).write_bytes(maker(rng, size))
        made.append(folder / name)
    _make_laz(rng, int(megabytes * 250_000), folder / "made.laz")
    return [*made, folder / "made.laz"]


def _make_tlog(rng: np.random.Generator, size: int) -> bytes:
    names = rng.permutation([name for name, share in _MIX for _ in range(share)]).tolist()
    parts, total, row = [], 0, 0
    while total < size:
        fields = _FIELDS.get(names[row % 100], {})
        values = {field: int(rng.integers(1, high)) for field, high in fields.items()}
        frame = encode(names[row % 100], values, system=1, component=1, seq=row & 0xFF)
        parts.append((_START_US + row * 2_000).to_bytes(8, "big") + frame)
        total += len(parts[-1])
        row += 1
    return b"".join(parts)


_WORD, _INT = 30_000, 2_000_000_000
_FIELDS: dict[str, dict[str, int]] = {
    "ATTITUDE": {"time_boot_ms": _INT, "roll": 3, "yaw": 3, "yawspeed": 2},
    "GLOBAL_POSITION_INT": {
        "time_boot_ms": _INT,
        "lat": 480_000_000,
        "lon": 170_000_000,
        "alt": 300_000,
        "hdg": 36_000,
    },
    "GPS_RAW_INT": {"time_usec": _INT, "fix_type": 6, "lat": 480_000_000, "alt": 300_000, "satellites_visible": 20},
    "SYS_STATUS": {"load": 1_000, "voltage_battery": 25_000, "battery_remaining": 100},
    "VFR_HUD": {"airspeed": 20, "groundspeed": 20, "heading": 360, "throttle": 100},
    "RAW_IMU": {"time_usec": _INT, "xacc": _WORD, "zgyro": _WORD, "zmag": _WORD},
    "SERVO_OUTPUT_RAW": {"time_usec": _INT, "servo1_raw": 2_000, "servo8_raw": 2_000},
    "RC_CHANNELS": {"time_boot_ms": _INT, "chancount": 16, "chan1_raw": 2_000, "chan16_raw": 2_000, "rssi": 254},
    "VIBRATION": {"time_usec": _INT, "vibration_x": 30, "clipping_2": 5},
    "SYSTEM_TIME": {"time_unix_usec": _INT, "time_boot_ms": _INT},
    "HEARTBEAT": {"type": 13, "autopilot": 12, "custom_mode": 10, "system_status": 8, "mavlink_version": 3},
    "PARAM_VALUE": {"param_value": 100, "param_count": 1_000, "param_index": 1_000},
}


def _make_dataflash(rng: np.random.Generator, size: int) -> bytes:
    """IMU, ATT and GPS records, as many as the size takes, by numpy."""
    kinds = {
        1: ("IMU", "Qffffff", "TimeUS,GyrX,GyrY,GyrZ,AccX,AccY,AccZ", "<u8,6<f4", 8),
        2: ("ATT", "Qccccccc", "TimeUS,DesRoll,Roll,DesPitch,Pitch,DesYaw,Yaw,Err", "<u8,7<i2", 6),
        3: ("GPS", "QBIHBcLLef", "TimeUS,Status,GMS,GWk,NSats,HDop,Lat,Lng,Alt,Spd", "", 1),
    }
    head = b""
    for number, (name, codes, columns, _, _) in kinds.items():
        length = 3 + struct.calcsize("<" + "".join(_DATAFLASH[code] for code in codes))
        head += b"\xa3\x95\x80" + struct.pack(
            "<BB4s16s64s", number, length, name.encode(), codes.encode(), columns.encode()
        )
    cycle = _cycle_of_dataflash(rng)
    return head + cycle * max(size // len(cycle), 1)


_DATAFLASH = {"Q": "Q", "f": "f", "c": "h", "B": "B", "I": "I", "H": "H", "L": "i", "e": "i"}


def _cycle_of_dataflash(rng: np.random.Generator) -> bytes:
    parts = []
    for row in range(4_000):
        at = struct.pack("<Q", 1_000_000 + row * 2_500)
        parts.append(b"\xa3\x95\x01" + at + rng.normal(size=6).astype("<f4").tobytes())
        if row % 4 == 0:
            parts.append(b"\xa3\x95\x02" + at + rng.integers(-9_000, 9_000, 7, np.int16).tobytes())
        if row % 40 == 0:
            fix = struct.pack("<BIHBhiiif", 3, row * 10, 2_400, 14, 90, 480_000_000, 170_000_000, 25_000, 5.0)
            parts.append(b"\xa3\x95\x03" + at + fix)
    return b"".join(parts)


def _make_ulog(rng: np.random.Generator, size: int) -> bytes:
    """Two topics at the rates of a flight."""
    formats = (
        "sensor_combined:uint64_t timestamp;float[3] gyro_rad;float[3] accelerometer_m_s2;",
        "vehicle_attitude:uint64_t timestamp;float[4] q;uint8_t quat_reset_counter;uint8_t[3] _padding0;",
    )
    log = b"ULog\x01\x12\x35\x01" + struct.pack("<Q", 1_000_000)
    log += b"".join(_ulog("F", text.encode()) for text in formats)
    for number, text in enumerate(formats):
        log += _ulog("A", struct.pack("<BH", 0, number) + text.partition(":")[0].encode())
    parts, total, row = [log], len(log), 0
    while total < size:
        values = struct.pack("<HQ", 0, 1_000_000 + row * 4_000) + rng.normal(size=6).astype("<f4").tobytes()
        parts.append(_ulog("D", values))
        if row % 2 == 0:
            attitude = struct.pack("<HQ4fB", 1, 1_000_000 + row * 4_000, 1.0, 0.0, 0.0, 0.0, 0)
            parts.append(_ulog("D", attitude))
        total += sum(map(len, parts[-2:])) if row % 2 == 0 else len(parts[-1])
        row += 1
    return b"".join(parts)


def _ulog(kind: str, body: bytes) -> bytes:
    return struct.pack("<HB", len(body), ord(kind)) + body


def _make_laz(rng: np.random.Generator, points: int, path: Path) -> None:
    """Walls and floors with noise, coloured, in scan order."""
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = np.full(3, 0.001), np.zeros(3)
    cloud = laspy.LasData(header)
    along = np.linspace(0, points / 5_000, points)
    cloud.x, cloud.y = along % 50, along // 50 * 0.01
    cloud.z = np.where(along % 7 < 5, 0.0, along % 3) + rng.normal(scale=0.004, size=points)
    cloud.intensity = rng.integers(200, 260, points).astype(np.uint16)
    cloud.gps_time = along
    for name in ("red", "green", "blue"):
        cloud[name] = (rng.integers(90, 110, points) * 257).astype(np.uint16)
    cloud.write(str(path))
