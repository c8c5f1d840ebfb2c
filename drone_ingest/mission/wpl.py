"""`QGC WPL 110`: tab-separated mission items, the first of them home. What Mission Planner and MAVProxy load."""

import math
from pathlib import Path

import msgspec

from drone_ingest.mission.items import ABSOLUTE, ITEMS_MAX, WAYPOINT, Item, items_of, waypoints_of
from drone_ingest.mission.plan import Mission
from wire.errors import InputError

__all__ = ["read_wpl", "write_wpl"]

_HEAD = "QGC WPL 110"
_COLUMNS = 12
_BYTES_MAX = 16 << 20
_FIX = "save the way-points again"


def write_wpl(mission: Mission, path: Path) -> None:
    """Write a .waypoints file. NaN is written as 0, which the format needs: a yaw of 0 means the autopilot's own."""
    lat, lon = mission.home
    home = Item(WAYPOINT, ABSOLUTE, (0.0, 0.0, 0.0, 0.0, lat, lon, mission.home_height_m or 0.0))
    lines = [_HEAD]
    for number, one in enumerate([home, *items_of(mission)]):
        params = [0.0 if math.isnan(value) else value for value in one.params]
        if one.command == WAYPOINT and number and not math.isnan(one.params[3]):
            params[3] = one.params[3] or 360.0  # due north, told apart from no yaw
        numbers = [f"{value:.8f}" for value in params]
        lines.append("\t".join([str(number), "0" if number else "1", str(one.frame), str(one.command), *numbers, "1"]))
    path.write_text("\n".join([*lines, ""]), encoding="ascii")


def read_wpl(path: Path) -> Mission:
    """A mission from such a file; raises InputError with the line."""
    if path.stat().st_size > _BYTES_MAX:
        raise InputError("it is larger than any mission", file=str(path), fix=_FIX)
    lines = path.read_text("utf-8-sig", "replace").splitlines()
    if not lines or lines[0].strip() != _HEAD:
        raise InputError(f"its first line is not {_HEAD}", file=str(path), field="line 1", fix=_FIX)
    if len(lines) > ITEMS_MAX:
        raise InputError(f"{len(lines)} items", file=str(path), fix="split the mission")
    items = [_item(line, number, path) for number, line in enumerate(lines[1:], 2) if line.strip()]
    if not items:
        raise InputError("it has no item", file=str(path), field="line 2", fix=_FIX)
    lat, lon, height = items[0].params[4:]
    waypoints, said = waypoints_of(items[1:], height, str(path))
    known = Mission(
        home=(lat, lon), home_height_m=height, waypoints=waypoints, speed_m_s=said.get("speed_m_s", 5.0),
        takeoff_m=said.get("takeoff_m", 0.0), end="home" if said.get("home") else "stay",
    )  # fmt: skip
    try:
        return msgspec.convert(msgspec.to_builtins(known), Mission)
    except msgspec.ValidationError as error:
        raise InputError(str(error), file=str(path), field="line 2", fix=_FIX) from error


def _item(line: str, number: int, path: Path) -> Item:
    words = line.split()
    try:
        if len(words) != _COLUMNS:
            raise ValueError(f"{len(words)} columns")
        a, b, c, d, lat, lon, height = (float(word) for word in words[4:11])
        frame, command = int(float(words[2])), int(float(words[3]))
    except (ValueError, OverflowError) as error:
        problem = f"it is no mission item: {error}"
        raise InputError(problem, file=str(path), field=f"line {number}", fix=_FIX) from error
    if not all(map(math.isfinite, (lat, lon, height))):
        raise InputError("it lies nowhere", file=str(path), field=f"line {number}", fix=_FIX)
    yaw = math.nan if command == WAYPOINT and d == 0 else d
    return Item(command, frame, (a, b, c, yaw, lat, lon, height))
