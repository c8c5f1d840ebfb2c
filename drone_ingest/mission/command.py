"""What `aid4 drone plan` does: plan, read, check; each gives the JSON document of the command."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bim.geo.frame import SiteFrame
from bim.tiles import Step
from bim.tiles.meshes import ElementMesh
from drone_ingest.mission.area import Area, Zone, read_zones
from drone_ingest.mission.check import totals_of, violations
from drone_ingest.mission.chosen import Choice, default_home, late_elements, select, standing
from drone_ingest.mission.files import SUFFIXES, read_mission, write_mission
from drone_ingest.mission.plan import Mission
from drone_ingest.mission.planner import Planned, plan_mission
from drone_ingest.mission.settings import Camera, Drone, Wanted
from drone_ingest.model import Model, moment_of, open_model
from drone_ingest.ray_scene import Floats, RayScene
from wire.errors import UserError

__all__ = ["Asked", "check_file", "plan_flights", "read_file"]

_GOOD_SHARE = 0.95  # of an element's open surface


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command."""

    wanted: Wanted
    drone: Drone
    camera: Camera
    home: tuple[float, float, float] | None
    place: tuple[float, float, float] | None
    elements: tuple[str, ...]
    types: tuple[str, ...]
    storeys: tuple[str, ...]
    late: bool
    verdicts: Path | None
    links: Path | None
    schedule: Path | None
    at: str | None
    fences: tuple[Path, ...]
    site: Path | None
    tiles: Path | None

    @property
    def moment(self) -> datetime | None:
        """The moment that is asked about; None when the whole model stands."""
        return moment_of(self.at) if self.at is not None or self.late else None

    @property
    def zones(self) -> list[Zone]:
        """Of all fences."""
        return [zone for path in self.fences for zone in read_zones(path)]

    def take_off(self, bodies: list[ElementMesh]) -> Floats:
        """Model metres (3,)."""
        return default_home(bodies) if self.home is None else np.array(self.home)


def plan_flights(
    ifc: Path,
    asked: Asked,
    out: Path | None,
    name: str,
    tell: Callable[[Step], None],
    done: Callable[[int], None],
) -> dict[str, Any]:
    """Plan over a model, write the files, say what to expect."""
    with open_model(ifc, asked.tiles, tell) as model:
        frame = model.frame(asked.site, asked.place)
        moment = asked.moment
        late = None
        if asked.late:
            assert moment is not None
            late = late_elements(model, asked.links, asked.schedule, moment, asked.verdicts)
        elements = select(model, Choice(asked.elements, asked.types, asked.storeys), late)
        bodies = standing(model, asked.links, asked.schedule, moment)
        home = asked.take_off(bodies)
        planned = plan_mission(
            elements, bodies, frame, home, wanted=asked.wanted, camera=asked.camera, drone=asked.drone,
            zones=asked.zones, progress=done,
        )  # fmt: skip
        scene = RayScene.of(bodies)
        area = Area.of(asked.zones, frame, float(home[2]), asked.wanted.low_m, asked.wanted.high_m)
        flights = [_flight_row(one.mission, frame, home, asked) for one in planned.flights]
        unsafe = [
            {"flight": number, **msgspec.to_builtins(found)}
            for number, one in enumerate(planned.flights, 1)
            for found in violations(one.mission, frame, float(home[2]), scene, area, 0.8 * asked.wanted.clearance_m)
        ]
        known = {
            "model": ifc.name, "at": None if moment is None else moment.isoformat(), "camera": asked.camera.name,
            "distance_m": round(planned.distance_m, 2),
            "gsd_mm": round(1000 * asked.camera.gsd_m(planned.distance_m), 2),
            "home_m": home.tolist(), "candidates": planned.candidates, "stations": planned.stations, "flights": flights,
            "coverage": _coverage(planned), "violations": unsafe,
            "warnings": _warnings(planned, asked, frame),
        }  # fmt: skip
    if out is not None:
        _write(planned.flights, known, asked, out, name)
    return known


def read_file(file: Path, out: Path | None, name: str) -> dict[str, Any]:
    """What a mission file holds; with `out` it is written in every form."""
    mission = read_mission(file)
    photos = sum(one.photo for one in mission.waypoints)
    heights = [one.height_m for one in mission.waypoints]
    row: dict[str, Any] = {
        "waypoints": len(mission.waypoints), "photos": photos, "distance_m": _ground_way(mission), "duration_s": 0.0,
        "battery": 0.0, "heights_m": [min(heights, default=0.0), max(heights, default=0.0)],
    }  # fmt: skip
    row["duration_s"] = round(row["distance_m"] / mission.speed_m_s, 1)
    if out is not None:
        row["files"] = _write_one(mission, out, name, None)
    return {
        "file": file.name, "home": list(mission.home), "home_height_m": mission.home_height_m, "end": mission.end,
        "zones": len(mission.zones), "flights": [row], "warnings": [],
    }  # fmt: skip


def check_file(file: Path, ifc: Path, asked: Asked, out: Path | None, name: str) -> dict[str, Any]:
    """A mission file against a model: totals, and every leg that should not be flown."""
    mission = read_mission(file)
    with open_model(ifc, asked.tiles) as model:
        frame = model.frame(asked.site, asked.place)
        bodies = standing(model, asked.links, asked.schedule, asked.moment)
        home_z = _home_z(mission, model, frame, asked, bodies)
        zones = [*asked.zones, *mission.zones]
        area = Area.of(zones, frame, home_z, asked.wanted.low_m, asked.wanted.high_m)
        found = violations(mission, frame, home_z, RayScene.of(bodies), area, asked.wanted.clearance_m)
        row = msgspec.to_builtins(totals_of(mission, frame, home_z, asked.drone))
    if out is not None:
        row["files"] = _write_one(mission, out, name, asked.camera)
    too_much = row["battery"] > 1 - asked.drone.reserve
    return {
        "file": file.name, "model": ifc.name, "home": list(mission.home), "flights": [row],
        "violations": [msgspec.to_builtins(one) for one in found],
        "warnings": [f"it needs {100 * row['battery']:.0f} % of a battery"] if too_much else [],
    }  # fmt: skip


def _home_z(mission: Mission, model: Model, frame: SiteFrame, asked: Asked, bodies: list[ElementMesh]) -> float:
    """Height of take-off in the model: as asked, as the file has it, else beside the model."""
    if asked.home is not None:
        return asked.home[2]
    if mission.home_height_m is None:
        return float(default_home(bodies)[2])
    return float(frame.from_wgs84(np.array([[*mission.home, mission.home_height_m]]))[0, 2])


def _flight_row(mission: Mission, frame: SiteFrame, home: Floats, asked: Asked) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(totals_of(mission, frame, float(home[2]), asked.drone))
    return row


def _coverage(planned: Planned) -> dict[str, Any]:
    rows = planned.coverage
    seen = [one for one in rows if not one.hidden]
    return {
        "share": round(planned.share, 4), "elements": len(rows), "seen": sum(one.share > 0 for one in rows),
        "hidden": [one.global_id for one in rows if one.hidden],
        "partly": [
            {"global_id": one.global_id, "share": round(one.share, 3)} for one in seen if one.share < _GOOD_SHARE
        ],
        "items": [
            {"global_id": one.global_id, "share": round(one.share, 3), "share_overlapped": round(one.share_often, 3),
             "photos": one.pictures, "open_m2": round(one.open_m2, 2)}
            for one in seen
        ],
    }  # fmt: skip


def _warnings(planned: Planned, asked: Asked, frame: SiteFrame) -> list[str]:
    found = list(frame.warnings)
    if asked.home is None:
        found.append("take-off was put beside the model; give --home where the drone really starts")
    if planned.no_way:
        found.append(f"{planned.no_way} stations were left out: no clear way leads to them")
    if planned.too_far:
        found.append(f"{planned.too_far} stations were left out: one battery does not reach them and come home")
    return found


def _write(flights: list[Any], known: dict[str, Any], asked: Asked, out: Path, name: str) -> None:
    for number, (flight, row) in enumerate(zip(flights, known["flights"], strict=True), 1):
        row["files"] = _write_one(flight.mission, out, f"{name}-{number}", asked.camera)
    (out / "coverage.json").write_bytes(msgspec.json.format(msgspec.json.encode(known["coverage"])))


def _write_one(mission: Mission, out: Path, name: str, camera: Camera | None) -> list[str]:
    paths = [out / f"{name}{suffix}" for suffix in SUFFIXES]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            write_mission(mission, path, camera)
    except OSError as error:
        raise UserError(str(error.strerror), file=str(out), field="--out", fix="give a folder to write to") from error
    return [str(path) for path in paths]


def _ground_way(mission: Mission) -> float:
    """Metres from take-off past every way-point, by their places alone."""
    from drone_ingest.track.enu import ecef

    rows = [(*mission.home, 0.0), *((one.lat_deg, one.lon_deg, one.height_m) for one in mission.waypoints)]
    lat, lon, height = np.array(rows, np.float64).T
    return round(float(np.linalg.norm(np.diff(ecef(lat, lon, height), axis=0), axis=1).sum()), 1)
