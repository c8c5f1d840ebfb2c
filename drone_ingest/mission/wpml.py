"""DJI's way-point files: a .kmz with wpmz/template.kml and wpmz/waylines.wpml (WPML 1.0.2).

Heights are relative to the start point, so neither ellipsoid nor geoid can be mistaken. Each picture is an action of
its way-point: turn the gimbal, then expose.
"""

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from drone_ingest.limits import DroneLimits
from drone_ingest.mission.plan import WAYPOINTS_MAX, Mission, Waypoint
from drone_ingest.mission.settings import CAMERAS, Camera
from drone_ingest.xml_tree import Node, parse_xml
from wire.errors import InputError

__all__ = ["read_wpml", "write_wpml"]

_TEMPLATE, _WAYLINES = "wpmz/template.kml", "wpmz/waylines.wpml"
_NAMESPACES = 'xmlns="http://www.opengis.net/kml/2.2" xmlns:wpml="http://www.dji.com/wpmz/1.0.2"'
_STOP = "toPointAndStopWithDiscontinuityCurvature"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the archive: the same mission gives the same bytes
_XML_BYTES_MAX = 64 << 20
_FIX = "save the mission again in DJI Pilot 2, with heights relative to the start point"


def write_wpml(mission: Mission, path: Path, camera: Camera | None = None) -> None:
    """Write a .kmz for one camera and its drone (default: Mavic 3 Enterprise)."""
    camera = camera or CAMERAS["dji-m3e"]
    config = _config(mission, camera)
    files = {
        _TEMPLATE: _document(config + _folder(mission, camera, template=True)),
        _WAYLINES: _document(config + _folder(mission, camera, template=False)),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text.encode(), zipfile.ZIP_DEFLATED)
    path.write_bytes(packed.getvalue())


def read_wpml(path: Path) -> Mission:
    """A mission from a .kmz; raises InputError with the field and the fix."""
    root = _root(path)
    config = next(root.walk("missionConfig"), None)
    folder = next(root.walk("Folder"), None)
    if config is None or folder is None:
        raise InputError("it has no mission", file=str(path), field="missionConfig", fix=_FIX)
    mode = folder.text("executeHeightMode")
    if mode not in ("", "relativeToStartPoint"):
        raise InputError(
            f"its heights are of the mode {mode[:40]!r}", file=str(path), field="executeHeightMode", fix=_FIX
        )
    places = list(folder.walk("Placemark"))
    if not 0 < len(places) <= WAYPOINTS_MAX:
        raise InputError(f"it has {len(places)} way-points", file=str(path), field="Placemark", fix=_FIX)
    try:
        waypoints = [_waypoint(one) for one in places]
        reference = [float(part) for part in config.text("takeOffRefPoint").split(",")]
        lat, lon, height = reference if len(reference) == 3 else (waypoints[0].lat_deg, waypoints[0].lon_deg, math.nan)
        known = {
            "home": (lat, lon), "home_height_m": None if math.isnan(height) else height,
            "waypoints": [msgspec.to_builtins(one) for one in waypoints],
            "speed_m_s": float(folder.text("autoFlightSpeed") or 5.0),
            "takeoff_m": float(config.text("takeOffSecurityHeight") or 0.0),
            "end": "home" if config.text("finishAction") == "goHome" else "stay",
        }  # fmt: skip
        return msgspec.convert(known, Mission, strict=True)
    except (ValueError, OverflowError, msgspec.ValidationError) as error:
        raise InputError(
            f"a number in it cannot be: {str(error)[:200]}", file=str(path), field="Placemark", fix=_FIX
        ) from error


def _root(path: Path) -> Node:
    try:
        with zipfile.ZipFile(path) as archive:
            found = [one for one in archive.infolist() if one.filename.endswith("waylines.wpml")]
            if not found:
                raise InputError("it holds no waylines.wpml", file=str(path), field=_WAYLINES, fix=_FIX)
            if found[0].file_size > _XML_BYTES_MAX:
                raise InputError("its mission unpacks to more than any", file=str(path), field=_WAYLINES, fix=_FIX)
            with archive.open(found[0]) as file:
                data = file.read(_XML_BYTES_MAX + 1)
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"it is no whole .kmz: {str(error)[:200]}", file=str(path), fix=_FIX) from error
    root, broken = parse_xml(data[:_XML_BYTES_MAX], DroneLimits(), str(path))
    if broken is not None:
        problem = f"its XML breaks off: {broken.problem}"
        raise InputError(problem, file=str(path), field=f"{_WAYLINES} line {broken.line}", fix=_FIX)
    return root


def _waypoint(place: Node) -> Waypoint:
    lon, lat = (float(part) for part in place.text("Point", "coordinates").split(",")[:2])
    heading = place.first("waypointHeadingParam")
    fixed = heading is not None and heading.text("waypointHeadingMode") == "smoothTransition"
    yaw = float(heading.text("waypointHeadingAngle")) if heading is not None and fixed else None
    pitch, photo = None, False
    for action in place.walk("action"):
        function = action.text("actionActuatorFunc")
        if function == "gimbalRotate":
            pitch = float(action.text("actionActuatorFuncParam", "gimbalPitchRotateAngle"))
        photo |= function == "takePhoto"
    height = float(place.text("executeHeight") or place.text("height"))
    turned = None if yaw is None else yaw % 360
    values = {"lat_deg": lat, "lon_deg": lon, "height_m": height, "yaw_deg": turned, "pitch_deg": pitch, "photo": photo}
    return msgspec.convert(values, Waypoint)


def _document(inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<kml {_NAMESPACES}>\n<Document>\n{inner}</Document>\n</kml>\n'


def _config(mission: Mission, camera: Camera) -> str:
    lat, lon = mission.home
    drone, sub = camera.dji_drone
    return _tag(
        "missionConfig",
        flyToWaylineMode="safely",
        finishAction="goHome" if mission.end == "home" else "noAction",
        exitOnRCLost="executeLostAction",
        executeRCLostAction="goBack",
        takeOffSecurityHeight=_number(mission.takeoff_m),
        takeOffRefPoint=f"{lat:.9f},{lon:.9f},{mission.home_height_m or 0.0:.3f}",
        takeOffRefPointAGLHeight="0",
        globalTransitionalSpeed=_number(mission.speed_m_s),
        droneInfo={"droneEnumValue": str(drone), "droneSubEnumValue": str(sub)},
        payloadInfo={
            "payloadEnumValue": str(camera.dji_payload), "payloadSubEnumValue": "0", "payloadPositionIndex": "0"
        },
    )  # fmt: skip


def _folder(mission: Mission, camera: Camera, *, template: bool) -> str:
    speed = _number(mission.speed_m_s)
    if template:
        head = (
            _text("templateType", "waypoint") + _text("templateId", "0")
            + _tag("waylineCoordinateSysParam", coordinateMode="WGS84", heightMode="relativeToStartPoint")
            + _text("autoFlightSpeed", speed) + _text("gimbalPitchMode", "usePointSetting")
            + _text("globalWaypointTurnMode", _STOP)
            + _text("globalUseStraightLine", "1")
        )  # fmt: skip
    else:
        head = (
            _text("templateId", "0") + _text("executeHeightMode", "relativeToStartPoint") + _text("waylineId", "0")
            + _text("autoFlightSpeed", speed)
        )  # fmt: skip
    places = "".join(
        _placemark(number, one, mission, template=template) for number, one in enumerate(mission.waypoints)
    )
    return f"<Folder>\n{head}{places}</Folder>\n"


def _placemark(number: int, one: Waypoint, mission: Mission, *, template: bool) -> str:
    height = _number(one.height_m)
    heights = (
        _text("ellipsoidHeight", height) + _text("height", height) + _text("useGlobalHeight", "0")
        if template
        else _text("executeHeight", height)
    )
    heading: dict[str, Any] = {"waypointHeadingMode": "followWayline"}
    if one.yaw_deg is not None:
        turned = math.remainder(one.yaw_deg, 360.0)
        heading = {
            "waypointHeadingMode": "smoothTransition", "waypointHeadingAngle": _number(turned),
            "waypointHeadingPathMode": "followBadArc",
        }  # fmt: skip
    return (
        "<Placemark>\n"
        f"<Point>\n<coordinates>{one.lon_deg:.9f},{one.lat_deg:.9f}</coordinates>\n</Point>\n"
        + _text("index", str(number))
        + heights
        + _text("waypointSpeed", _number(mission.speed_m_s))
        + _tag("waypointHeadingParam", **heading)
        + _tag(
            "waypointTurnParam",
            waypointTurnMode=_STOP,
            waypointTurnDampingDist="0",
        )
        + _text("useStraightLine", "1")
        + _actions(number, one)
        + "</Placemark>\n"
    )


def _actions(number: int, one: Waypoint) -> str:
    actions = []
    if one.pitch_deg is not None:
        turn = {
            "gimbalHeadingYawBase": "aircraft", "gimbalRotateMode": "absoluteAngle", "gimbalPitchRotateEnable": "1",
            "gimbalPitchRotateAngle": _number(one.pitch_deg), "gimbalRollRotateEnable": "0",
            "gimbalRollRotateAngle": "0", "gimbalYawRotateEnable": "0", "gimbalYawRotateAngle": "0",
            "gimbalRotateTimeEnable": "0", "gimbalRotateTime": "0", "payloadPositionIndex": "0",
        }  # fmt: skip
        actions.append(("gimbalRotate", turn))
    if one.photo:
        actions.append(("takePhoto", {"fileSuffix": f"p{number}", "payloadPositionIndex": "0"}))
    if not actions:
        return ""
    inner = "".join(
        _tag("action", actionId=str(place), actionActuatorFunc=name, actionActuatorFuncParam=given)
        for place, (name, given) in enumerate(actions)
    )
    head = (
        _text("actionGroupId", str(number)) + _text("actionGroupStartIndex", str(number))
        + _text("actionGroupEndIndex", str(number)) + _text("actionGroupMode", "sequence")
        + _tag("actionTrigger", actionTriggerType="reachPoint")
    )  # fmt: skip
    return f"<wpml:actionGroup>\n{head}{inner}</wpml:actionGroup>\n"


def _tag(name: str, **inner: str | dict[str, str]) -> str:
    parts = (_tag(key, **value) if isinstance(value, dict) else _text(key, value) for key, value in inner.items())
    return f"<wpml:{name}>\n{''.join(parts)}</wpml:{name}>\n"


def _text(name: str, value: str) -> str:
    return f"<wpml:{name}>{escape(value)}</wpml:{name}>\n"


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
