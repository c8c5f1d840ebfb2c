"""A scanner on a station: a grid of pulses, each with its range, its noise and its ways to go wrong."""

import numpy as np
from numpy.typing import NDArray

from drone_ingest.ray_scene import Floats, Hits, RayScene
from drone_ingest.simulate.sensor import Disturbance, Sensor
from drone_ingest.simulate.shots import MIXED, OUTLIER, Shots
from drone_ingest.simulate.site import Site

__all__ = ["aim", "scan_station"]

_MARGIN_M = 2.0  # around what stands: clutter and ground beside it are seen too
_PULSE_M = 1.0  # surfaces nearer to each other than a pulse is long come back as one range
_APART_M = 0.03  # surfaces that a mixed range tells apart
_BEHIND_GLASS_M = 0.01
_PANES = 2


def scan_station(
    site: Site, station: Floats, pulses: int, sensor: Sensor, disturbance: Disturbance, rng: np.random.Generator
) -> Shots:
    """What `pulses` pulses from a station (3,) give."""
    directions = aim(site, station, pulses, rng)
    origins = np.broadcast_to(station, directions.shape)
    hits = site.scene.cast(origins, directions)
    range_m, mixed = _mixed(site.scene, origins, directions, hits, sensor, rng)
    passed = _through_glass(site, origins, directions, hits, disturbance.glass, rng)
    range_m[passed], mixed[passed] = hits.t_m[passed], False
    reach = np.clip(hits.t_m / sensor.range_m, 0, 2)
    chance = np.minimum(hits.cosine / 0.25, 1.0) * np.maximum(1 - reach**4, 0)
    back = hits.hit & (range_m >= sensor.near_m) & (hits.t_m <= sensor.range_m)
    back &= (hits.cosine > np.cos(np.radians(sensor.grazing_deg))) & (rng.random(len(reach)) < chance)
    oblique = 1 / np.sqrt(np.maximum(hits.cosine, 0.25))  # 1 head-on, 2 at 75 degrees
    noise = rng.normal(0, 1, len(reach)) * sensor.sigma_m * (0.8 + 0.4 * np.minimum(reach, 1.0)) * oblique
    stray = back & (rng.random(len(reach)) < disturbance.outlier_share)
    factor = np.where(rng.random(len(reach)) < 0.7, rng.uniform(0.3, 1, len(reach)), rng.uniform(1, 1.3, len(reach)))
    measured = np.where(stray, hits.t_m * factor, range_m + noise)
    owner = np.where(mixed, np.int32(MIXED), hits.owner)
    owner = np.where(stray, np.int32(OUTLIER), owner).astype(np.int32)
    rows = np.flatnonzero(back)
    points = station + directions[rows] * measured[rows, None]
    return Shots(points, owner[rows], hits.triangle[rows], hits.cosine[rows], measured[rows], rows)


def aim(site: Site, station: Floats, pulses: int, rng: np.random.Generator) -> Floats:
    """Unit directions (pulses, 3) on a grid of equal angles over what stands, seen from the station."""
    place = site.place
    lattice = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 3), axis=-1).reshape(-1, 3)
    half = place.half + _MARGIN_M
    box = place.world(lattice * [*half, 1.0])
    box[:, 2] = place.low + (lattice[:, 2] + 1) / 2 * (place.high - place.low)
    away = box - station
    flat = np.hypot(away[:, 0], away[:, 1])
    bearing = np.arctan2(away[:, 1], away[:, 0])
    heading = np.arctan2(place.middle[1] - station[1], place.middle[0] - station[0])
    turn = np.angle(np.exp(1j * (bearing - heading)))
    tilt = np.arctan2(away[:, 2], np.maximum(flat, 1e-6))
    left, right, low, high = turn.min(), turn.max(), tilt.min(), tilt.max()
    if right - left > 1.6 * np.pi or flat.min() < 1.0:  # it stands inside
        left, right = -np.pi, np.pi
        low = -np.pi / 2 if station[2] > place.low + 2.5 else np.radians(-60)
        high = np.pi / 2 if station[2] < place.high else high
    columns = max(int(np.sqrt(pulses * (right - left) / max(high - low, 1e-3))), 1)
    lines = max(-(-pulses // columns), 1)
    cells = np.stack(np.divmod(np.arange(pulses), lines), axis=1)
    grid = (cells + rng.random(cells.shape)) / [columns, lines]
    azimuth, elevation = heading + left + grid[:, 0] * (right - left), low + grid[:, 1] * (high - low)
    level = np.cos(elevation)
    return np.stack([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)], axis=1)


def _through_glass(
    site: Site, origins: Floats, directions: Floats, hits: Hits, share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which pulses pass glass, as most do; `hits` then has what they meet behind it."""
    passed = np.zeros(len(origins), bool)
    for _ in range(_PANES if share else 0):
        passing = np.flatnonzero(hits.hit & site.glass[hits.triangle] & (rng.random(len(origins)) < share))
        start = hits.t_m[passing] + _BEHIND_GLASS_M
        beyond = site.scene.cast(origins[passing] + directions[passing] * start[:, None], directions[passing])
        hits.t_m[passing] = beyond.t_m + start
        hits.owner[passing], hits.triangle[passing] = beyond.owner, beyond.triangle
        hits.cosine[passing] = beyond.cosine
        passed[passing] = True
    return passed


def _mixed(
    scene: RayScene, origins: Floats, directions: Floats, hits: Hits, sensor: Sensor, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Ranges, and which lie between two surfaces that one pulse covered."""
    if not sensor.beam_mrad:
        return hits.t_m.copy(), np.zeros(len(origins), bool)
    beside = directions + rng.normal(0, sensor.beam_mrad / 2_000, directions.shape)
    beside /= np.linalg.norm(beside, axis=1)[:, None]
    other = scene.cast(origins, beside)
    first, second = (np.where(hits.hit & other.hit, one.t_m, 0.0) for one in (hits, other))
    step = sensor.beam_mrad / 1_000 * first / np.maximum(hits.cosine, 0.05)  # an oblique surface is no edge
    apart = np.abs(second - first)
    edge = (apart < _PULSE_M) & (apart > np.maximum(_APART_M, 3 * step))
    share = rng.random(len(origins))
    return np.where(edge, first + share * (second - first), hits.t_m), edge
