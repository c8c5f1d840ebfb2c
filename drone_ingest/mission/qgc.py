"""QGroundControl's plan files: JSON with mission, geofence (version 2) and rally points (version 2)."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec

from drone_ingest.mission.area import Zone, read_zones
from drone_ingest.mission.items import ITEMS_MAX, RELATIVE, Item, items_of, waypoints_of
from drone_ingest.mission.plan import Mission
from wire.errors import InputError

__all__ = ["read_qgc", "write_qgc"]

_BYTES_MAX = 32 << 20
_ARDUPILOT, _QUADROTOR = 3, 2
_FIX = "save the plan again in QGroundControl"


def write_qgc(mission: Mission, path: Path) -> None:
    """Write a .plan."""
    items = [
        {
            "autoContinue": True, "command": one.command, "doJumpId": number, "frame": one.frame,
            "params": [None if math.isnan(value) else value for value in one.params], "type": "SimpleItem",
            **({"Altitude": one.params[6], "AltitudeMode": 1, "AMSLAltAboveTerrain": None} if one.frame == RELATIVE
               else {}),
        }
        for number, one in enumerate(items_of(mission), 1)
    ]  # fmt: skip
    polygons = [
        {"inclusion": zone.kind == "keep_in", "polygon": [list(corner) for corner in zone.corners], "version": 1}
        for zone in mission.zones
    ]
    document = {
        "fileType": "Plan",
        "geoFence": {"circles": [], "polygons": polygons, "version": 2},
        "groundStation": "QGroundControl",
        "mission": {
            "cruiseSpeed": mission.speed_m_s, "firmwareType": _ARDUPILOT, "globalPlanAltitudeMode": 1,
            "hoverSpeed": mission.speed_m_s, "items": items,
            "plannedHomePosition": [*mission.home, mission.home_height_m or 0.0], "vehicleType": _QUADROTOR,
            "version": 2,
        },
        "rallyPoints": {"points": [], "version": 2},
        "version": 1,
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_qgc(path: Path) -> Mission:
    """A mission from a .plan; raises InputError with the field and the fix. Surveys and structure scans give the
    items that they were expanded to, where the file has them."""
    if path.stat().st_size > _BYTES_MAX:
        raise InputError("it is larger than any plan", file=str(path), fix=_FIX)
    try:
        document = json.loads(path.read_bytes())
        mission = document["mission"]
        if document.get("fileType") != "Plan" or mission["version"] != 2:
            raise ValueError("not a plan of version 2")
        home = [float(part) for part in mission["plannedHomePosition"]]
        items = [_item(one) for one in _flat(mission["items"])]
        waypoints, said = waypoints_of(items, home[2], str(path))
        known = Mission(
            home=(home[0], home[1]), home_height_m=home[2], waypoints=waypoints,
            speed_m_s=said.get("speed_m_s", float(mission.get("hoverSpeed") or 5.0)),
            takeoff_m=said.get("takeoff_m", 0.0), end="home" if said.get("home") else "stay",
            zones=_zones(document, path),
        )  # fmt: skip
        return msgspec.convert(msgspec.to_builtins(known), Mission)  # its bounds
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        problem = f"it is no plan of QGroundControl: {type(error).__name__} {str(error)[:200]}"
        raise InputError(problem, file=str(path), field="mission", fix=_FIX) from error


def _flat(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Simple items; of complex ones what they were expanded to."""
    found: list[dict[str, Any]] = []
    for one in items:
        if one["type"] == "SimpleItem":
            found.append(one)
            continue
        inner = one.get("TransectStyleComplexItem", one)
        expanded = inner.get("Items")
        if not expanded:
            kind = str(one.get("complexItemType", one["type"]))[:60]
            raise ValueError(f"an item {kind!r} that the file does not expand")
        found.extend(expanded)
    if not 0 < len(found) <= ITEMS_MAX:
        raise ValueError(f"{len(found)} items")
    return found


def _item(one: dict[str, Any]) -> Item:
    a, b, c, d, lat, lon, height = (math.nan if value is None else float(value) for value in one["params"])
    return Item(int(one["command"]), int(one["frame"]), (a, b, c, d, lat, lon, height))


def _zones(document: dict[str, Any], path: Path) -> list[Zone]:
    fence = document.get("geoFence") or {}
    return read_zones(path) if fence.get("polygons") or fence.get("circles") else []
