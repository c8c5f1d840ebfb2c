"""A mission as a file, by its suffix: .plan (QGroundControl), .waypoints (WPL 110), .kmz (DJI)."""

from pathlib import Path

from drone_ingest.mission.plan import Mission
from drone_ingest.mission.qgc import read_qgc, write_qgc
from drone_ingest.mission.settings import Camera
from drone_ingest.mission.wpl import read_wpl, write_wpl
from drone_ingest.mission.wpml import read_wpml, write_wpml
from wire.errors import InputError

__all__ = ["SUFFIXES", "read_mission", "write_mission"]

SUFFIXES = (".plan", ".waypoints", ".kmz")
_FIX = "give a .plan, a .waypoints (QGC WPL 110) or a DJI .kmz file"
_HEAD = 16


def write_mission(mission: Mission, path: Path, camera: Camera | None = None) -> None:
    """Write a mission in the form that the suffix names; raises InputError for another."""
    match path.suffix.lower():
        case ".plan":
            write_qgc(mission, path)
        case ".waypoints" | ".txt":
            write_wpl(mission, path)
        case ".kmz":
            write_wpml(mission, path, camera)
        case other:
            raise InputError(f"{other or 'no suffix'} is no mission", file=str(path), fix=_FIX)


def read_mission(path: Path) -> Mission:
    """Read a mission by what the file is, not by its name; raises InputError."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InputError(f"it cannot be opened: {error.strerror}", file=str(path), fix=_FIX) from error
    if head.startswith(b"PK"):
        return read_wpml(path)
    if head.removeprefix(b"\xef\xbb\xbf").startswith(b"QGC WPL"):
        return read_wpl(path)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return read_qgc(path)
    raise InputError("it is no mission", file=str(path), fix=_FIX)
