"""Evidence of rays for and against each element: a measured point tells what its ray met and what it passed.

Each ray is followed backwards from a little behind its point to the sensor, so only surfaces that matter are listed.
A front-facing surface near the point is *met*, one well before the point was *pierced*; offsets are counted along the
surface's normal in bins, so that the decision can tell layers apart that lie closer than the noise of one ray.
Memory is that of one chunk and of a table with one row an element.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drone_ingest.scan.elements import Elements, Floats

__all__ = ["Evidence", "Tolerance", "gather", "gather_blind"]

RAYS_AT_ONCE = 100_000
FRONT_COSINE = 0.2  # 78° off the normal: beyond, a surface is met too obliquely to say where
BINS = 48  # of offsets, from -zone to +zone
_BEHIND_ZONES = 2  # a ray's way back starts so far behind its point: the whole zone of surfaces up to 60° off
_CELL_M = 0.10  # support is also counted once a cell, so that one dense spot is not many witnesses
_OCCLUDED_EVERY = 16  # rays that are followed beyond their point, to count what stood behind
_EDGES_MAX = 24  # pierced rays of an element that are looked at beside
_SEED = 20_260
_BLIND_EYE_M = 3.0  # an imagined eye so far outside a surface
_TABLE, _SPREAD, _SHIFT = 1 << 21, np.int64(0x9E3779B97F4A7C1), 17  # a multiplicative hash


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is known of errors, in metres: noise of one ray, and what all rays of an element may share (registration,
    and building against model)."""

    sigma_m: float
    shared_m: float

    @property
    def spread_m(self) -> float:
        """Of one ray about a surface."""
        return float(np.hypot(self.sigma_m, self.shared_m))

    @property
    def reach_m(self) -> float:
        """Depths that differ by less are the same surface."""
        return 1.5 * self.shared_m + 2 * self.zone_m / BINS

    @property
    def zone_m(self) -> float:
        """Beyond this a point is not of the surface."""
        return 3.5 * self.spread_m


@dataclass(slots=True)
class Evidence:
    """Counts by element; sums of several chunks and scans add up."""

    offsets: NDArray[np.int64]  # (elements, BINS): met, by offset of the point from the surface, - is before it
    pierced: NDArray[np.int64]  # passed through more than the zone before the point
    glazed: NDArray[np.int64]  # the same through surfaces that are drawn see-through
    edged: NDArray[np.int64]  # of those: so near an edge that a small shift would have missed it
    occluded: NDArray[np.int64]  # aimed at, ended before
    contested: NDArray[np.int64]  # met where another element has the same surface
    cells: NDArray[np.int64]  # places of _CELL_M that were met
    see_through: NDArray[np.bool_]  # drawn as glass, most of it
    rays: int = 0
    _seen_cells: list[NDArray[np.int64]] = field(default_factory=list)

    @classmethod
    def none(cls, elements: Elements) -> "Evidence":
        """Of no ray at all."""
        count = len(elements)
        rows = np.zeros((6, count), np.int64)
        glass = np.bincount(elements.owners, elements.areas_m2 * ~elements.opaque, count)
        glassy = glass > 0.5 * np.bincount(elements.owners, elements.areas_m2, count)
        return cls(np.zeros((count, BINS), np.int64), rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], glassy)


def gather(elements: Elements, points: Floats, origins: Floats, tolerance: Tolerance) -> Evidence:
    """Evidence of rays from `origins` to `points`, both (n, 3) in model metres."""
    found = Evidence.none(elements)
    rng = np.random.default_rng(_SEED)
    edges = _Edges(elements, tolerance, rng)
    for at in range(0, len(points), RAYS_AT_ONCE):
        _add(found, edges, elements, points[at : at + RAYS_AT_ONCE], origins[at : at + RAYS_AT_ONCE], tolerance)
    keys = np.unique(np.concatenate(found._seen_cells)) if found._seen_cells else np.zeros(0, np.int64)
    found.cells = np.bincount(keys >> 40, minlength=len(elements))
    found._seen_cells.clear()
    found.edged = edges.share(found.pierced)
    return found


def _add(
    found: Evidence, edges: "_Edges", elements: Elements, points: Floats, origins: Floats, tolerance: Tolerance
) -> None:
    away = points - origins
    far = np.linalg.norm(away, axis=1)
    usable = np.isfinite(far) & (far > 2 * tolerance.zone_m)
    points, origins, far = points[usable], origins[usable], far[usable]
    directions = away[usable] / far[:, None]
    found.rays += len(points)
    zone = tolerance.zone_m
    behind = _BEHIND_ZONES * zone
    crossed = elements.crossings(points + behind * directions, -directions)
    front = (crossed.cosine > FRONT_COSINE) & (crossed.t_m < far[crossed.ray] + behind - zone)
    ray, element, triangle = crossed.ray[front], crossed.element[front], crossed.triangle[front]
    offset = (crossed.t_m[front] - behind) * crossed.cosine[front]  # + : the point lies behind the surface
    met = np.abs(offset) <= zone
    _met(found, element[met], ray[met], offset[met], points, zone, tolerance)
    pierced = offset > zone
    pairs = ray * len(elements) + element
    fresh = _fresh(pairs[pierced], pairs[met])  # a concave element: passed one side of it, met another
    ray, element, opaque = (one[pierced][fresh] for one in (ray, element, elements.opaque[triangle]))
    found.glazed += np.bincount(element[~opaque], minlength=len(elements))
    ray, element = ray[opaque], element[opaque]
    found.pierced += np.bincount(element, minlength=len(elements))
    edges.note(element, points[ray], origins[ray])
    _behind(found, elements, points, directions, zone)


def _met(
    found: Evidence,
    element: NDArray[np.int64],
    ray: NDArray[np.int64],
    offset: Floats,
    points: Floats,
    zone: float,
    tolerance: Tolerance,
) -> None:
    count = len(found.pierced)
    order = np.lexsort((np.abs(offset), element, ray))  # of one element, the surface nearest to the point
    ray, element, offset = ray[order], element[order], offset[order]
    first = np.ones(len(ray), np.bool_)
    first[1:] = (ray[1:] != ray[:-1]) | (element[1:] != element[:-1])
    ray, element, offset = ray[first], element[first], offset[first]
    bins = np.minimum(((offset + zone) / (2 * zone) * BINS).astype(np.int64), BINS - 1)
    found.offsets += np.bincount(element * BINS + bins, minlength=count * BINS).reshape(count, BINS)
    found.contested += np.bincount(element[_contested(ray, offset, tolerance)], minlength=count)
    near = np.abs(offset) <= zone / 2
    cell = np.floor(points[ray[near]] / _CELL_M).astype(np.int64) & 0x1FFF
    key = (element[near] << 40) | (cell[:, 0] << 26) | (cell[:, 1] << 13) | cell[:, 2]
    found._seen_cells.append(np.unique(key))


def _contested(ray: NDArray[np.int64], offset: Floats, tolerance: Tolerance) -> NDArray[np.bool_]:
    """Which rows lie so near to a row of the same ray (of another element) that no ray tells them apart."""
    order = np.lexsort((offset, ray))
    close = (ray[order][1:] == ray[order][:-1]) & (np.diff(offset[order]) < tolerance.reach_m)
    found = np.zeros(len(ray), np.bool_)
    found[order[1:][close]] = True
    found[order[:-1][close]] = True
    near: NDArray[np.bool_] = found & (np.abs(offset) <= tolerance.reach_m + tolerance.sigma_m)
    return near


def _fresh(pairs: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs of ray and element come for the first time and are not among the known ones.

    By a table of 2²¹ places instead of a sort; where two pairs meet in one place, a repeated one may be kept.
    """
    table = np.full(_TABLE, -1, np.int64)
    place = (known * _SPREAD) >> _SHIFT & (_TABLE - 1)
    table[place] = known
    place = (pairs * _SPREAD) >> _SHIFT & (_TABLE - 1)
    fresh = table[place] != pairs
    rows = np.full(_TABLE, -1, np.int64)
    rows[place] = np.arange(len(pairs))
    last = rows[place]
    found: NDArray[np.bool_] = fresh & ((last == np.arange(len(pairs))) | (pairs[last] != pairs))
    return found


def _behind(found: Evidence, elements: Elements, points: Floats, directions: Floats, zone: float) -> None:
    """Elements that a sample of rays was aimed at and did not reach, scaled to all rays."""
    points, directions = points[::_OCCLUDED_EVERY], directions[::_OCCLUDED_EVERY]
    beyond = elements.crossings(points + zone * directions, directions)
    front = beyond.cosine < -FRONT_COSINE
    pairs = beyond.ray[front] * len(elements) + beyond.element[front]
    element = beyond.element[front][_fresh(pairs, pairs[:0])]
    found.occluded += np.bincount(element, minlength=len(elements)) * _OCCLUDED_EVERY


class _Edges:
    """A sample of pierced rays of each element, looked at again from a little beside."""

    def __init__(self, elements: Elements, tolerance: Tolerance, rng: np.random.Generator) -> None:
        self._elements, self._reach_m, self._rng = elements, tolerance.shared_m * 1.5, rng
        self._held = np.zeros(len(elements), np.int64)
        self._rows: list[tuple[NDArray[np.int64], Floats, Floats]] = []

    def note(self, element: NDArray[np.int64], points: Floats, origins: Floats) -> None:
        """Keep some of the rays that pierced an element."""
        order = self._rng.permutation(len(element))
        by_element = order[np.argsort(element[order], kind="stable")]
        sorted_elements = element[by_element]
        starts = np.searchsorted(sorted_elements, sorted_elements)
        place = np.arange(len(by_element)) - starts
        room = np.maximum(_EDGES_MAX - self._held, 0) // 2 + 1  # later chunks (other stations) have a say too
        room[self._held >= _EDGES_MAX] = 0
        kept = by_element[place < room[sorted_elements]]
        self._held += np.bincount(element[kept], minlength=len(self._held))
        self._rows.append((element[kept], points[kept], origins[kept]))

    def share(self, pierced: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of the rays that pierced each element, how many did so at an edge."""
        if not self._rows:
            return np.zeros(len(pierced), np.int64)
        element, points, origins = (np.concatenate([row[at] for row in self._rows]) for at in range(3))
        inside = np.ones(len(element), np.bool_)
        directions = points - origins
        far = np.linalg.norm(directions, axis=1, keepdims=True)
        directions /= np.maximum(far, 1e-9)
        side = np.cross(directions, np.array([0.0, 0.0, 1.0]))
        flat = np.linalg.norm(side, axis=1) < 1e-3
        side[flat] = [1.0, 0.0, 0.0]
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        up = np.cross(side, directions)
        for beside in (side, -side, up, -up):
            rows = np.flatnonzero(inside)
            moved = points[rows] + self._reach_m * beside[rows]
            crossed = self._elements.crossings(moved, -directions[rows])
            own = (crossed.element == element[rows][crossed.ray]) & (crossed.cosine > 0)
            own &= crossed.t_m < far[rows, 0][crossed.ray]
            still = np.zeros(len(rows), np.bool_)
            still[crossed.ray[own]] = True
            inside[rows] = still
        sampled = np.bincount(element, minlength=len(pierced))
        edged = np.bincount(element[~inside], minlength=len(pierced))
        return np.round(pierced * edged / np.maximum(sampled, 1)).astype(np.int64)


def gather_blind(elements: Elements, points: Floats, tolerance: Tolerance) -> Evidence:
    """Evidence of points whose sensor is not known: they may be of a surface, and pierce nothing.

    Each point is looked at from outside the surface nearest to it. Where surfaces of two elements touch nobody can
    say from which side it was measured, so such points say nothing.
    """
    _, triangle = elements.nearest(points)
    normals = elements.normals[triangle].astype(np.float64)
    crossed = elements.crossings(points + 2 * tolerance.zone_m * normals, -normals)
    near = np.abs(crossed.t_m - 2 * tolerance.zone_m) <= tolerance.zone_m
    foreign = near & (crossed.element != elements.owners[triangle][crossed.ray])
    alone = np.ones(len(points), np.bool_)
    alone[crossed.ray[foreign]] = False
    points, normals = points[alone], normals[alone]
    found = gather(elements, points, points + _BLIND_EYE_M * normals, tolerance)
    for counts in (found.pierced, found.glazed, found.edged, found.occluded):
        counts[:] = 0
    return found
