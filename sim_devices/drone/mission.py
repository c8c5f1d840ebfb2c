"""A mission and how it goes over the link: MAVLink's mission protocol, upload and download, from the vehicle's side.

Pure: a message of a ground station goes in, the answer comes out. Items are asked for one by one; a lost answer is
asked for again by `again`, and an upload that stalls is dropped, so a broken one leaves the mission as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

__all__ = ["ITEMS_MAX", "Item", "Message", "MissionProtocol"]

ITEMS_MAX: Final = 1_000  # of a large survey; autopilots hold about 700
AGAIN_S, TRIES_MAX = 1.0, 5
ACCEPTED, UNSUPPORTED_FRAME, UNSUPPORTED, NO_SPACE, INVALID, INVALID_SEQUENCE, DENIED = 0, 2, 3, 4, 5, 13, 14
WAYPOINT, LOITER_TIME, RETURN, LAND, TAKEOFF = 16, 19, 20, 21, 22  # MAV_CMD
CHANGE_SPEED, IMAGES_START, IMAGES_STOP = 178, 2_000, 2_001
PLACES: Final = {WAYPOINT, LOITER_TIME, LAND, TAKEOFF}
KNOWN: Final = {*PLACES, RETURN, CHANGE_SPEED, IMAGES_START, IMAGES_STOP}
FRAMES: Final = {0: "sea", 5: "sea", 3: "home", 6: "home", 2: "none"}  # MAV_FRAME: what heights are above

Message = tuple[str, dict[str, Any]]


class Item(msgspec.Struct, frozen=True):
    """One item; `height_m` is above home unless `above_sea`."""

    command: int
    latitude_deg: float = 0.0
    longitude_deg: float = 0.0
    height_m: float = 0.0
    above_sea: bool = False
    params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class _Upload:
    peer: object
    sender: tuple[int, int]
    count: int
    asked_s: float
    tries: int = 0
    items: list[Item] = field(default_factory=list)


class MissionProtocol:
    """The mission of one vehicle. `locked()` says when it may not change (in a mission that is being flown)."""

    def __init__(self, items: list[Item], locked: Callable[[], bool]) -> None:
        self.items = items
        self.revision = 0  # grows with each change
        self.wanted: int | None = None  # set-current, taken by the autopilot
        self._locked = locked
        self._upload: _Upload | None = None

    def take(self, name: str, row: Mapping[str, Any], peer: object, now_s: float) -> list[Message]:
        """Answers to one message of `peer`; other mission types (fence, rally) are none of ours."""
        if row.get("mission_type", 0):
            return [_ack(_sender(row), UNSUPPORTED, row["mission_type"])] if name != "MISSION_ACK" else []
        match name:
            case "MISSION_COUNT":
                return self._begin(row, peer, now_s)
            case "MISSION_ITEM_INT":
                return self._item(row, peer, now_s)
            case "MISSION_REQUEST_LIST":
                return [("MISSION_COUNT", {**_target(_sender(row)), "count": len(self.items)})]
            case "MISSION_REQUEST_INT" | "MISSION_REQUEST":
                return self._asked(row)
            case "MISSION_CLEAR_ALL":
                if self._locked():
                    return [_ack(_sender(row), DENIED)]
                self._replace([])
                return [_ack(_sender(row), ACCEPTED)]
            case "MISSION_SET_CURRENT":
                if row["seq"] >= len(self.items):
                    return [_ack(_sender(row), INVALID_SEQUENCE)]
                self.wanted = int(row["seq"])
                return [("MISSION_CURRENT", {"seq": self.wanted, "total": len(self.items)})]
            case _:
                return []

    def again(self, now_s: float) -> tuple[object, list[Message]]:
        """The peer of an upload that waits too long, and what to ask it again; nothing once it was given up."""
        upload = self._upload
        if upload is None or now_s - upload.asked_s < AGAIN_S:
            return None, []
        upload.tries += 1
        upload.asked_s = now_s
        if upload.tries > TRIES_MAX:
            self._upload = None
            return upload.peer, [_ack(upload.sender, 15)]  # MAV_MISSION_OPERATION_CANCELLED
        return upload.peer, [_request(upload)]

    def _begin(self, row: Mapping[str, Any], peer: object, now_s: float) -> list[Message]:
        sender = _sender(row)
        if self._locked() or (self._upload is not None and self._upload.peer != peer):
            return [_ack(sender, DENIED)]
        if row["count"] > ITEMS_MAX:
            return [_ack(sender, NO_SPACE)]
        if not row["count"]:
            self._replace([])
            return [_ack(sender, ACCEPTED)]
        self._upload = _Upload(peer, sender, int(row["count"]), now_s)
        return [_request(self._upload)]

    def _item(self, row: Mapping[str, Any], peer: object, now_s: float) -> list[Message]:
        upload = self._upload
        if upload is None or upload.peer != peer:
            return []
        if row["seq"] != len(upload.items):
            return [_request(upload)] if row["seq"] > len(upload.items) else []
        item, problem = _read(row)
        if item is None:
            self._upload = None
            return [_ack(upload.sender, problem)]
        upload.items.append(item)
        upload.asked_s, upload.tries = now_s, 0
        if len(upload.items) < upload.count:
            return [_request(upload)]
        self._replace(upload.items)
        return [_ack(upload.sender, ACCEPTED)]

    def _asked(self, row: Mapping[str, Any]) -> list[Message]:
        sender = _sender(row)
        if row["seq"] >= len(self.items):
            return [_ack(sender, INVALID_SEQUENCE)]
        item = self.items[row["seq"]]
        fields = dict(zip(("param1", "param2", "param3", "param4"), item.params, strict=True))
        place = {
            "x": round(item.latitude_deg * 1e7), "y": round(item.longitude_deg * 1e7), "z": item.height_m,
            "frame": 5 if item.above_sea else 6, "command": item.command, "autocontinue": 1, "seq": row["seq"],
        }  # fmt: skip
        return [("MISSION_ITEM_INT", {**_target(sender), **fields, **place})]

    def _replace(self, items: list[Item]) -> None:
        self.items, self._upload, self.wanted = items, None, None
        self.revision += 1


def _read(row: Mapping[str, Any]) -> tuple[Item | None, int]:
    """An item as it was sent, or why it cannot be flown."""
    if row["command"] not in KNOWN:
        return None, UNSUPPORTED
    if row["frame"] not in FRAMES:
        return None, UNSUPPORTED_FRAME
    lat, lon, height = row["x"] / 1e7, row["y"] / 1e7, float(row["z"])
    params = tuple(float(row[f"param{number}"]) for number in (1, 2, 3, 4))
    if not math.isfinite(height) or not (abs(lat) <= 90 and abs(lon) <= 180 and abs(height) < 10_000):
        return None, INVALID
    cleaned = tuple(one if math.isfinite(one) else 0.0 for one in params)
    a, b, c, d = cleaned
    return Item(int(row["command"]), lat, lon, height, FRAMES[row["frame"]] == "sea", (a, b, c, d)), ACCEPTED


def _sender(row: Mapping[str, Any]) -> tuple[int, int]:
    return int(row["_system"]), int(row["_component"])


def _target(sender: tuple[int, int]) -> dict[str, Any]:
    return {"target_system": sender[0], "target_component": sender[1]}


def _ack(sender: tuple[int, int], result: int, kind: int = 0) -> Message:
    return "MISSION_ACK", {**_target(sender), "type": result, "mission_type": kind}


def _request(upload: _Upload) -> Message:
    return "MISSION_REQUEST_INT", {**_target(upload.sender), "seq": len(upload.items)}
