"""How far measured points lie from the surface that their ray must have met.

With the sensor's place known the surface is the nearest front-facing one along the ray; a plate of one centimetre then
has one face to be compared with, not two. Without it, the nearest surface of all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drone_ingest.scan.elements import Elements, Floats

__all__ = ["Offsets", "offsets_of"]

_FRONT_COSINE = 0.25  # 75° off the normal
_OWN_SHARE = 0.5  # of the way to the sensor: nothing nearer to it than this is a surface of the point
_SAME_M = 0.002  # surfaces that lie so near to each other are one
_BEHIND = 1.5  # times the window: so far behind a point its way back starts


class Offsets(NamedTuple):
    """Of the points that have a surface within reach: row, outward normal, metres along it (+ is outside), element."""

    row: NDArray[np.int64]
    normal: Floats
    offset_m: Floats
    element: NDArray[np.int64]
    alone: NDArray[np.bool_]  # its surface stands alone on the ray

    def where(self, keep: NDArray[np.bool_]) -> "Offsets":
        """Some of the rows."""
        return Offsets(self.row[keep], self.normal[keep], self.offset_m[keep], self.element[keep], self.alone[keep])


def offsets_of(
    elements: Elements, points: Floats, origins: Floats | None, reach_m: float, apart_m: float = 0.1
) -> Offsets:
    """`origins` (n, 3) are the sensor's places, NaN where unknown; all in model metres. A surface that no other one of
    its ray comes nearer to than `apart_m` is `alone`: noise cannot make its points those of another."""
    if origins is None:
        return _nearest(elements, points, reach_m)
    away = points - origins
    far = np.linalg.norm(away, axis=1)
    known = np.flatnonzero(np.isfinite(far) & (far > 4 * reach_m))
    directions = away[known] / far[known, None]
    behind = _BEHIND * (reach_m + apart_m)
    crossed = elements.crossings(points[known] + behind * directions, -directions)
    offset = (behind - crossed.t_m) * crossed.cosine
    good = (crossed.cosine > _FRONT_COSINE) & (np.abs(offset) <= reach_m + apart_m)
    good &= crossed.t_m - behind < _OWN_SHARE * far[known][crossed.ray]
    ray, offset, triangle = crossed.ray[good], offset[good], crossed.triangle[good]
    order = np.lexsort((offset, ray))
    ray, offset, triangle = ray[order], offset[order], triangle[order]
    alone = _alone(ray, offset, apart_m)
    order = np.lexsort((np.abs(offset), ray))
    first = np.ones(len(order), np.bool_)
    first[1:] = ray[order][1:] != ray[order][:-1]
    best = order[first]
    best = best[np.abs(offset[best]) <= reach_m]
    found = Offsets(
        known[ray[best]], elements.normals[triangle[best]].astype(np.float64), offset[best].astype(np.float64),
        elements.owners[triangle[best]].astype(np.int64), alone[best],
    )  # fmt: skip
    blind = np.flatnonzero(~np.isfinite(far))
    if not len(blind):
        return found
    more = _nearest(elements, points[blind], reach_m)
    more = more._replace(row=blind[more.row])
    return Offsets(*(np.concatenate(pair) for pair in zip(found, more, strict=True)))


def _alone(ray: NDArray[np.int64], offset: Floats, apart_m: float) -> NDArray[np.bool_]:
    """Of surfaces sorted by ray and offset, which have no neighbour but their own double within `apart_m`."""
    gap = np.diff(offset)
    close = (ray[1:] == ray[:-1]) & (gap < apart_m) & (gap > _SAME_M)
    found = np.ones(len(ray), np.bool_)
    found[1:][close] = False
    found[:-1][close] = False
    return found


def _nearest(elements: Elements, points: Floats, reach_m: float) -> Offsets:
    place, triangle = elements.nearest(points)
    normal = elements.normals[triangle].astype(np.float64)
    offset = np.einsum("ij,ij->i", points - place, normal)
    away = np.linalg.norm(points - place, axis=1)
    # beside an edge the nearest point is the edge: its distance is none along the normal
    row = np.flatnonzero((away <= reach_m) & (np.abs(offset) >= 0.7 * away - 1e-4))
    return Offsets(
        row, normal[row], offset[row], elements.owners[triangle[row]].astype(np.int64), np.ones(len(row), np.bool_)
    )
