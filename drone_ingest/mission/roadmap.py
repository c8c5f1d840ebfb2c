"""Ways between stations that keep clear of the model: straight where it is free, else over others or over the top.

Nodes are take-off, the stations, and a copy of each at a height above everything. Legs between near neighbours are
looked at every half metre; the cheapest ways between all nodes follow (Floyd and Warshall).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone_ingest.mission.area import Area
from drone_ingest.mission.settings import Drone
from drone_ingest.ray_scene import Floats, RayScene

__all__ = ["Roadmap", "blocked_at", "roadmap_of"]

_NEIGHBOURS = 14
_STEP_M = 0.5
_SAMPLES_AT_ONCE = 400_000
_CLEARANCE = 0.9  # of what is asked: stations keep all of it, the way between two may graze


@dataclass(frozen=True, slots=True)
class Roadmap:
    """Nodes (n, 3): 0 is take-off, 1 to `stations` the stations. `energy` (n, n) of the best way, inf where there is
    none; `via[a, b]` is the node after a on the way to b."""

    nodes: Floats
    stations: int
    energy: Floats
    via: NDArray[np.int32]

    def way(self, start: int, end: int) -> list[int]:
        """Nodes from one to another, both included; empty where there is no way."""
        if not np.isfinite(self.energy[start, end]):
            return []
        nodes = [start]
        while nodes[-1] != end:
            nodes.append(int(self.via[nodes[-1], end]))
        return nodes


def roadmap_of(
    home: Floats, stations: Floats, scene: RayScene, area: Area, clearance_m: float, drone: Drone
) -> Roadmap:
    """The ways between take-off (3,) and stations (k, 3)."""
    top = min(max(float(scene.high_m[2]) + clearance_m, float(stations[:, 2].max(initial=home[2]))), _ceiling(area))
    low = np.concatenate([home[None], stations])
    high = low.copy()
    high[:, 2] = np.maximum(top, low[:, 2])
    nodes = np.concatenate([low, high])
    pairs = _pairs(low, high)
    free = pairs[_free(nodes, pairs, scene, area, clearance_m * _CLEARANCE)]
    energy = np.full((len(nodes), len(nodes)), np.inf)
    np.fill_diagonal(energy, 0.0)
    for a, b in ((free[:, 0], free[:, 1]), (free[:, 1], free[:, 0])):
        energy[a, b] = leg_energy(nodes[a], nodes[b], drone)
    via = np.where(np.isfinite(energy), np.arange(len(nodes), dtype=np.int32)[None], np.int32(-1)).astype(np.int32)
    for middle in range(len(nodes)):
        through = energy[:, middle, None] + energy[middle]
        better = through < energy - 1e-9
        if better.any():
            energy = np.where(better, through, energy)
            via = np.where(better, via[:, middle, None], via)
    return Roadmap(nodes, len(stations), energy, via)


def leg_energy(starts: Floats, ends: Floats, drone: Drone) -> Floats:
    """Energy of straight legs (n, 3) → (n, 3)."""
    away = ends - starts
    level, up = np.hypot(away[:, 0], away[:, 1]), np.maximum(away[:, 2], 0)
    down = np.maximum(-away[:, 2], 0)
    found: Floats = (
        level / drone.speed_m_s * drone.cruise_power
        + up / drone.climb_m_s * drone.climb_power
        + down / drone.descent_m_s * drone.descent_power
    )
    return found


def blocked_at(
    starts: Floats, ends: Floats, scene: RayScene, area: Area, clearance_m: float, *, landing: bool = False
) -> NDArray[np.bool_]:
    """Which straight legs come nearer than the clearance to what stands, or leave the area."""
    far = np.linalg.norm(ends - starts, axis=1)
    counts = np.maximum(np.ceil(far / _STEP_M).astype(int) + 1, 2)
    blocked = np.zeros(len(starts), bool)
    at = 0
    while at < len(starts):
        end = at + max(int(np.searchsorted(np.cumsum(counts[at:]), _SAMPLES_AT_ONCE, side="right")), 1)
        rows = np.repeat(np.arange(at, min(end, len(starts))), counts[at:end])
        first = np.concatenate([[0], np.cumsum(counts[at:end])[:-1]])
        place = np.arange(len(rows)) - np.repeat(first, counts[at:end])
        points = starts[rows] + (place / (counts[rows] - 1))[:, None] * (ends - starts)[rows]
        bad = ~area.allows(points, landing=landing)
        bad[~bad] = scene.distance_m(points[~bad]) < clearance_m
        blocked |= np.bincount(rows[bad], minlength=len(starts)) > 0
        at = end
    return blocked


def _pairs(low: Floats, high: Floats) -> NDArray[np.int64]:
    """Legs worth looking at: near neighbours at their own height, up to the copies, and among all copies."""
    count = len(low)
    apart = np.linalg.norm(low[:, None] - low[None], axis=2)
    near = np.argsort(apart, axis=1, kind="stable")[:, 1 : _NEIGHBOURS + 1]
    level = np.stack([np.repeat(np.arange(count), near.shape[1]), near.ravel()], axis=1)
    over = np.argsort(np.linalg.norm(high[:, None, :2] - high[None, :, :2], axis=2), axis=1, kind="stable")
    over = over[:, 1 : _NEIGHBOURS + 1]
    above = np.stack([np.repeat(np.arange(count), over.shape[1]), over.ravel()], axis=1) + count
    to_home = np.stack([np.full(count - 1, count), np.arange(1, count) + count], axis=1)
    lifts = np.stack([np.arange(count), np.arange(count) + count], axis=1)
    pairs = np.sort(np.concatenate([level, above, to_home, lifts]), axis=1)
    unique: NDArray[np.int64] = np.unique(pairs, axis=0)
    return unique


def _free(
    nodes: Floats, pairs: NDArray[np.int64], scene: RayScene, area: Area, clearance_m: float
) -> NDArray[np.bool_]:
    """The way up from take-off and down to it may be below the lowest height."""
    landing = (pairs[:, 0] == 0) & (pairs[:, 1] == len(nodes) // 2)
    blocked = blocked_at(nodes[pairs[:, 0]], nodes[pairs[:, 1]], scene, area, clearance_m)
    rows = np.flatnonzero(landing)
    if len(rows):
        foot = nodes[pairs[rows, 0]].copy()
        foot[:, 2] += clearance_m  # it stands on the ground, which is part of what stands
        blocked[rows] = blocked_at(foot, nodes[pairs[rows, 1]], scene, area, clearance_m * 0.5, landing=True)
    return ~blocked


def _ceiling(area: Area) -> float:
    return area.ground_m + area.high_m
