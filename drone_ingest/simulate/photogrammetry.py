"""A cloud from photographs: surface that several cameras see, bent, bridged and thin where nothing can be matched."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from drone_ingest.ray_scene import Floats
from drone_ingest.simulate.sensor import Disturbance, Sensor
from drone_ingest.simulate.shots import FILLED, OUTLIER, Shots
from drone_ingest.simulate.site import Site

__all__ = ["Waves", "camera_axes", "finish_cloud", "photograph"]

_HALF_WIDTH = np.tan(np.radians(84 / 2))  # of the picture, at one metre: 24 mm on full frame
_HALF_HEIGHT = _HALF_WIDTH * 2 / 3
_NEIGHBOURS = 6  # cameras asked whether they see a point too
_GSD_AT_M = 20.0
_DEPTH_GSD = 2.0  # noise along the view in pixels of ground: the base is a third of the distance
_BUMPS_GSD = 1.0
_GRAZING = np.cos(np.radians(75))  # flatter surface is not matched
_GAP_PIXELS, _GAP_M = 40, 2.5  # of a hole that is bridged
_WAVES = 8
_WAVE_M = (0.6, 5.0)


@dataclass(frozen=True, slots=True)
class Waves:
    """A smooth random field over space, of mean 0 and variance 1: where a wall is plain, where the surface bulges."""

    waves: Floats  # (w, 3), radians a metre
    phases: Floats  # (w,)

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Waves":
        """One field."""
        way = rng.normal(size=(_WAVES, 3))
        way /= np.linalg.norm(way, axis=1)[:, None]
        return cls(way * (2 * np.pi / rng.uniform(*_WAVE_M, _WAVES))[:, None], rng.uniform(0, 2 * np.pi, _WAVES))

    def at(self, points: Floats) -> Floats:
        """Its values at points (n, 3)."""
        values: Floats = np.sin(points @ self.waves.T + self.phases).sum(axis=1) * np.sqrt(2 / _WAVES)
        return values


def photograph(
    site: Site,
    stations: Floats,
    at: int,
    pixels: int,
    sensor: Sensor,
    disturbance: Disturbance,
    plain: Waves,
    rng: np.random.Generator,
) -> Shots:
    """What the camera on station `at` adds to the cloud, of about `pixels` pixels tried. `plain` says where a surface
    has nothing that could be matched."""
    eye = stations[at]
    columns = max(int(np.sqrt(pixels * 1.5)), 2)
    lines = max(-(-pixels // columns), 2)
    directions = _view(camera_axes(site, eye), columns, lines, rng)
    origins = np.broadcast_to(eye, directions.shape)
    hits = site.scene.cast(origins, directions)
    found = hits.hit & (hits.t_m <= sensor.range_m) & (hits.t_m >= sensor.near_m) & (hits.cosine > _GRAZING)
    t_m = np.where(hits.hit, hits.t_m, 0.0)
    points = eye + directions * t_m[:, None]
    found &= _seen_by(site, stations, at, points, found) >= sensor.views - 1
    found[found] &= ~(site.glass[hits.triangle[found]] & (rng.random(int(found.sum())) < disturbance.glass))
    if disturbance.voids:
        found[found] &= plain.at(points[found]) < NormalDist().inv_cdf(1 - min(disturbance.voids, 0.999))
    gsd = sensor.gsd_m * t_m / _GSD_AT_M
    t_m = t_m + rng.normal(0, 1, len(t_m)) * gsd * _DEPTH_GSD
    owner = hits.owner.copy()
    if disturbance.hole_fill:
        filled, t_m = _bridged(found, t_m, directions, columns, disturbance.hole_fill, rng)
        owner[filled] = FILLED
        found |= filled
    stray = found & (rng.random(len(found)) < disturbance.outlier_share)
    t_m[stray] *= rng.uniform(0.5, 1.2, int(stray.sum()))
    owner[stray] = OUTLIER
    rows = np.flatnonzero(found)
    sideways = rng.normal(0, 0.5, (len(rows), 3)) * gsd[rows, None]
    points = eye + directions[rows] * t_m[rows, None] + sideways
    return Shots(points, owner[rows], hits.triangle[rows], hits.cosine[rows], t_m[rows], rows)


def finish_cloud(site: Site, shots: Shots, sensor: Sensor, disturbance: Disturbance, rng: np.random.Generator) -> Shots:
    """What happens to the cloud as a whole: the bumps of its surface, and the dome. Keeps every row."""
    bumps = np.stack([Waves.of(rng).at(shots.points) for _ in range(3)], axis=1)
    points = shots.points + bumps * (_BUMPS_GSD * sensor.gsd_m / _GSD_AT_M) * shots.range_m[:, None]
    radius = float(np.hypot(*site.place.half)) + 1e-6
    out = np.hypot(points[:, 0] - site.place.middle[0], points[:, 1] - site.place.middle[1]) / radius
    points[:, 2] += disturbance.doming_m * (1 - np.minimum(out, 1.5) ** 2)
    return Shots(points, shots.owner, shots.triangle, shots.cosine, shots.range_m, shots.order)


def camera_axes(site: Site, eye: Floats) -> Floats:
    """Rows right, down, ahead of a camera that looks at what is near of what stands."""
    place = site.place
    inside = np.clip(_along(site, eye), -place.half, place.half) * 0.6
    target = place.world(np.array([[*inside, (place.low + place.high) / 2]]))[0]
    ahead = target - eye
    ahead /= max(float(np.linalg.norm(ahead)), 1e-9)
    right = np.cross(ahead, [0.0, 0, 1])
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-6 else np.array([1.0, 0, 0])
    return np.stack([right, np.cross(ahead, right), ahead])


def _view(axes: Floats, columns: int, lines: int, rng: np.random.Generator) -> Floats:
    """Unit directions of a camera, row after row."""
    right, down, ahead = axes
    v, u = np.divmod(np.arange(columns * lines), columns)
    u = ((u + rng.random(len(u))) / columns * 2 - 1) * _HALF_WIDTH
    v = ((v + rng.random(len(v))) / lines * 2 - 1) * _HALF_HEIGHT
    rays = ahead + u[:, None] * right + v[:, None] * down
    directions: Floats = rays / np.linalg.norm(rays, axis=1)[:, None]
    return directions


def _along(site: Site, point: Floats) -> Floats:
    """x, y of a point along the axes of the place, from its middle."""
    cos, sin = np.cos(site.place.yaw), np.sin(site.place.yaw)
    dx, dy = point[:2] - site.place.middle
    return np.array([dx * cos + dy * sin, dy * cos - dx * sin])


def _seen_by(site: Site, stations: Floats, at: int, points: Floats, asked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of the nearest other cameras see each of the points that are asked for."""
    near = np.argsort(np.linalg.norm(stations - stations[at], axis=1), kind="stable")
    others = [one for one in near.tolist() if one != at][:_NEIGHBOURS]
    count = np.zeros(len(points), np.int64)
    rows = np.flatnonzero(asked)
    for one in others:
        count[rows] += site.scene.sees(np.broadcast_to(stations[one], (len(rows), 3)), points[rows])
    return count


def _bridged(
    found: NDArray[np.bool_], t_m: Floats, directions: Floats, columns: int, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Floats]:
    """Pixels between two found ones of a line that get the depth between theirs, and all depths."""
    row = np.arange(len(found))
    before = np.maximum.accumulate(np.where(found, row, -1))
    after = np.minimum.accumulate(np.where(found, row, len(found))[::-1])[::-1]
    last = np.minimum(after, len(found) - 1)
    inside = ~found & (before >= 0) & (after < len(found)) & (before // columns == last // columns)
    inside &= (after - before <= _GAP_PIXELS) & (rng.random(len(found))[before] < share)
    rows = np.flatnonzero(inside)
    a, b = before[rows], last[rows]
    wide = np.linalg.norm(directions[a] * t_m[a, None] - directions[b] * t_m[b, None], axis=1)
    rows, a, b = (one[wide < _GAP_M] for one in (rows, a, b))
    part = (rows - a) / np.maximum(b - a, 1)
    filled_t = t_m.copy()
    filled_t[rows] = t_m[a] + part * (t_m[b] - t_m[a])
    filled = np.zeros(len(found), bool)
    filled[rows] = True
    return filled, filled_t
