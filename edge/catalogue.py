"""The node's catalogue: which final id a source's own point has. Ids are never reused within an epoch."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from wire.catalogue import Point
from wire.errors import ConfigError
from wire.limits import CATALOGUE_POINTS_MAX

__all__ = ["NodeCatalogue"]


class NodeCatalogue:
    """Grows as sources declare points. Two sources that name the same `device/metric` share its id."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.changed = False  # since the last catalogue record
        self.redefined: dict[int, Point] = {}  # known points with another definition, until `redefine`
        self._by_key: dict[str, int] = {}
        self._ids: dict[str, NDArray[np.uint32]] = {}
        self._limits: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self.has_limits = False

    def learn(self, source: str, points: Sequence[Point]) -> NDArray[np.uint32]:
        """Final ids of a source's points, in its own order; new ones are added."""
        ids = self._ids.get(source)
        if ids is not None and len(ids) == len(points):
            return ids
        known = 0 if ids is None else len(ids)
        fresh = np.fromiter((self._place(point) for point in points[known:]), np.uint32, len(points) - known)
        self._ids[source] = fresh if ids is None else np.concatenate([ids, fresh])
        return self._ids[source]

    def redefine(self) -> None:
        """Take over the new definitions of known points; all that was measured before must be on its way."""
        for at, point in self.redefined.items():
            self._set(at, point)
        self.redefined.clear()

    def forget(self, source: str) -> None:
        """A source starts anew and may number its points differently; their final ids stay."""
        self._ids.pop(source, None)

    def limits(self, ids: NDArray[np.uint32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper limits of points, NaN where there is none."""
        if self._limits is None:
            low = np.array([np.nan if p.low is None else p.low for p in self.points])
            high = np.array([np.nan if p.high is None else p.high for p in self.points])
            self._limits = low, high
        return self._limits[0][ids], self._limits[1][ids]

    def find(self, key: str) -> Point | None:
        """The point `device/metric`."""
        at = self._by_key.get(key)
        return None if at is None else self.points[at]

    def _place(self, point: Point) -> int:
        at = self._by_key.get(point.key)
        if at is None:
            at = len(self.points)
            if at >= CATALOGUE_POINTS_MAX:
                fix = "split the sources over several nodes"
                raise ConfigError(f"more than {CATALOGUE_POINTS_MAX} points on one node", field="source", fix=fix)
            self._by_key[point.key] = at
            self.points.append(point)
            self._set(at, msgspec.structs.replace(point, id=at))
        elif msgspec.structs.replace(point, id=at) != self.points[at]:
            self.redefined[at] = msgspec.structs.replace(point, id=at)
        return at

    def _set(self, at: int, point: Point) -> None:
        self.points[at] = point
        self.changed, self._limits = True, None
        self.has_limits = self.has_limits or point.low is not None or point.high is not None
