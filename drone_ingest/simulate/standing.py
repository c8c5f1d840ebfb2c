"""What stands on the day of a simulated scan, and where the sensor was: by the plan, a seed, and a flight."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import drone_ingest
from bim.geo.frame import SiteFrame
from drone_ingest.found import HEIGHTS, Flight
from drone_ingest.mission.check import way_of
from drone_ingest.mission.files import read_mission
from drone_ingest.model import Model, element_plan, moment_of, planned_at
from drone_ingest.positions import height_datum
from drone_ingest.ray_scene import Floats, is_body
from drone_ingest.simulate.stations import orbit_stations, read_stations
from wire.errors import InputError, UserError

__all__ = ["Standing", "standing_at", "stations_of"]

_FINISHED, _NOT_STARTED = 3, 1
_STEP_M = 3.0  # a flight is thinned to one station in that many metres
_STATIONS = 2_000


@dataclass(frozen=True, slots=True)
class Standing:
    """GlobalIds that stand; those that the plan has and that are missing; those that stand before their time."""

    at: str | None
    built: list[str]
    late: list[str]
    early: list[str]
    planned: int


def standing_at(
    model: Model, links: Path | None, schedule: Path | None, at: str | None, late: float, early: float, seed: int
) -> Standing:
    """What stands at a moment of the plan, with shares of it late and early; everything without plan and moment."""
    bodies = [one.global_id for one in model.meshes if is_body(one)]
    if links is None and schedule is None and at is None:
        return Standing(None, bodies, [], [], len(bodies))
    moment = moment_of(at)
    codes = planned_at(element_plan(model, links, schedule), moment)
    rng = np.random.default_rng((seed, 9))
    draws = dict(zip(bodies, rng.random(len(bodies)).tolist(), strict=True))
    planned = [one for one in bodies if codes.get(one) == _FINISHED]
    missing = {one for one in planned if draws[one] < late}
    ahead = [one for one in bodies if codes.get(one) == _NOT_STARTED and draws[one] < early]
    built = [one for one in planned if one not in missing] + ahead
    if not built:
        fix = "give a later date"
        raise UserError(f"nothing is planned to stand at {moment.isoformat()}", field="--at", fix=fix)
    return Standing(moment.isoformat(), built, sorted(missing), sorted(ahead), len(planned))


def stations_of(model: Model, flight: Path | None, count: int, frame: SiteFrame | None) -> Floats:
    """Stations in model metres: an orbit of `count`, a CSV of them, or the places of a flight every few metres."""
    if flight is None:
        if not 1 <= count <= _STATIONS:
            raise UserError(f"{count} stations", field="--stations", fix=f"give 1 to {_STATIONS}")
        corners = [one.vertices for one in model.meshes if is_body(one)]
        if not corners:
            raise InputError("nothing in it has a body", file=model.file, fix="give a model with shapes")
        return orbit_stations(np.concatenate(corners), count)
    if flight.suffix.lower() == ".csv":
        return read_stations(flight)
    assert frame is not None
    if flight.suffix.lower() in (".plan", ".waypoints"):
        return _of_mission(flight, frame)
    found = drone_ingest.read(flight)
    if not isinstance(found, Flight):
        raise InputError("it is no flight", file=str(flight), field="--flight", fix="give a log, or a CSV of stations")
    return _every(_places(found, frame, flight), flight)


def _of_mission(flight: Path, frame: SiteFrame) -> Floats:
    """Where a planned mission takes its pictures; its whole way when it takes none."""
    mission = read_mission(flight)
    start = [*mission.home, mission.home_height_m or 0.0]
    home_z = float(frame.from_wgs84(np.array([start]))[0, 2])
    way = way_of(mission, frame, home_z)
    photos = np.flatnonzero([one.photo for one in mission.waypoints]) + 2  # after take-off and the climb
    return way[photos] if len(photos) else _every(way, flight)


def _places(found: Flight, frame: SiteFrame, flight: Path) -> Floats:
    """Its positions in the model's frame; heights above the ellipsoid need the frame to know its geoid."""
    datum = height_datum(found.positions)
    if datum not in ("ellipsoid", "orthometric"):
        problem = f"its heights are {datum or 'missing'}, so where it flew above the model is not known"
        raise InputError(problem, file=str(flight), field="--flight", fix="give a log with heights above the sea")
    rows = np.stack(
        [found.positions[name].to_numpy() for name in ("lat_deg", "lon_deg", HEIGHTS[datum])], axis=1
    ).astype(np.float64)
    known = rows[np.isfinite(rows).all(axis=1)]
    return frame.from_wgs84(known, ellipsoidal=datum == "ellipsoid")


def _every(track: Floats, flight: Path) -> Floats:
    """One place in some metres of the way."""
    if not len(track):
        raise InputError("it has no position", file=str(flight), field="--flight", fix="give another log")
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(track, axis=0), axis=1))])
    step = max(_STEP_M, float(way[-1]) / _STATIONS)
    rows = np.searchsorted(way, np.arange(0, float(way[-1]) + 1e-9, step)).clip(max=len(track) - 1)
    places: Floats = track[np.unique(rows)]
    return places
