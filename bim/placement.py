"""Placements of an IFC file as 4x4 matrices in metres."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "Placements", "axis_matrix"]

Matrix = npt.NDArray[np.float64]

_CHAIN_MAX = 200  # nesting of placements; real files stay below 20, a cycle never ends


class Placements:
    """Resolves IfcObjectPlacement to matrices, each chain once; `unread` counts the kinds it cannot place."""

    def __init__(self, length_m: float) -> None:
        self._length_m = length_m
        self._known: dict[int, Matrix | None] = {}
        self.unread: dict[str, int] = {}

    def of(self, placement: Any) -> Matrix | None:
        """Matrix from the placement's own axes to those of the model; None when it has no placement we read."""
        chain: list[Any] = []
        above: Matrix | None = np.eye(4)
        while placement is not None:
            key = placement.id()
            if key in self._known:
                above = self._known[key]
                break
            if len(chain) >= _CHAIN_MAX:
                above = None
                break
            chain.append(placement)
            placement = getattr(placement, "PlacementRelTo", None)
        for link in reversed(chain):
            above = self._step(above, link)
            self._known[link.id()] = above
        return above

    def _step(self, above: Matrix | None, link: Any) -> Matrix | None:
        if link.is_a("IfcLocalPlacement"):
            relative = link.RelativePlacement
        else:  # IfcLinearPlacement says where it lies without its curve; IfcGridPlacement does not
            relative = getattr(link, "CartesianPosition", None)
        own = axis_matrix(relative, self._length_m)
        if own is None:
            kind = link.is_a()
            self.unread[kind] = self.unread.get(kind, 0) + 1
        return None if above is None or own is None else above @ own


def axis_matrix(axes: Any, length_m: float) -> Matrix | None:
    """IfcAxis2Placement2D or 3D as a matrix in metres; None for another kind or numbers that are none."""
    if axes is None or not axes.is_a("IfcPlacement"):
        return None
    origin = _vector(getattr(axes.Location, "Coordinates", None))
    if origin is None:
        return None
    z = _direction(getattr(axes, "Axis", None), (0.0, 0.0, 1.0))
    ahead = _direction(getattr(axes, "RefDirection", None), (1.0, 0.0, 0.0) if abs(z[0]) < 0.9 else (0.0, 1.0, 0.0))
    x = _unit(ahead - (ahead @ z) * z)
    if x is None:  # the reference direction lies along the axis: any perpendicular will do
        x = _unit(np.cross(z, (0.0, 1.0, 0.0) if abs(z[1]) < 0.9 else (1.0, 0.0, 0.0)))
    if x is None:
        return None
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = x, np.cross(z, x), z
    matrix[:3, 3] = origin * length_m
    return matrix if np.isfinite(matrix).all() else None


def _vector(numbers: Any) -> Matrix | None:
    if numbers is None or not 2 <= len(numbers) <= 3:
        return None
    return np.array([*numbers, 0.0][:3], dtype=np.float64)


def _direction(entity: Any, default: tuple[float, float, float]) -> Matrix:
    given = None if entity is None else _vector(entity.DirectionRatios)
    unit = None if given is None else _unit(given)
    return np.array(default) if unit is None else unit


def _unit(vector: Matrix) -> Matrix | None:
    length = float(np.sqrt(vector @ vector))
    return vector / length if length > 1e-12 and np.isfinite(length) else None
