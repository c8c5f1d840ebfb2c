"""The linear map from a model to a map, as a file states it, and whether the model is on the map already.

IfcMapConversion: E = Eastings + s (fx x cos θ − fy y sin θ), N = Northings + s (fx x sin θ + fy y cos θ),
H = OrthogonalHeight + s fz z, with x, y, z from the context's WorldCoordinateSystem (IFC 4.3, 8.18.3.3 and 8.18.3.4).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bim.georeference import Georeference
from wire.errors import InputError

__all__ = ["Affine", "Array", "IDENTITY", "at_place", "of_operation", "reference_point"]

Array = npt.NDArray[np.float64]

_SCALE_MIN, _SCALE_MAX = 0.9, 1.1  # beyond that it is a slip of units, no grid scales so
_METRES_MAX = 1e9  # beyond every map, and far from where numbers overflow
_EXPORT_AGAIN = "export the model again with a Scale that turns its length unit into that of the map"


@dataclass(frozen=True, slots=True)
class Affine:
    """map = model @ linear.T + offset; metres both."""

    linear: Array  # (3, 3)
    offset: Array  # (3,)

    def apply(self, points: Array) -> Array:
        """(n, 3) of the model as (n, 3) of the map."""
        return np.asarray(points, dtype=np.float64) @ self.linear.T + self.offset

    def undo(self, points: Array) -> Array:
        """(n, 3) of the map as (n, 3) of the model."""
        moved = np.asarray(points, dtype=np.float64) - self.offset
        return np.ascontiguousarray(np.linalg.solve(self.linear, moved.T).T, dtype=np.float64)

    @property
    def rotation_deg(self) -> float:
        """From the map's east to the model's x axis, counter-clockwise."""
        return math.degrees(math.atan2(self.linear[1, 0], self.linear[0, 0]))

    @property
    def scale(self) -> float:
        """Map metres of a model metre in plan."""
        return math.sqrt(abs(float(np.linalg.det(self.linear[:2, :2]))))


IDENTITY = Affine(np.eye(3), np.zeros(3))


def of_operation(stated: Georeference) -> Affine:
    """The map of a map conversion, a rigid operation or an ePset; InputError when its numbers are none."""
    abscissa = 1.0 if stated.x_axis_abscissa is None else stated.x_axis_abscissa
    ordinate = 0.0 if stated.x_axis_ordinate is None else stated.x_axis_ordinate
    if stated.x_axis_abscissa is None or stated.x_axis_ordinate is None or math.hypot(abscissa, ordinate) == 0.0:
        abscissa, ordinate = 1.0, 0.0
    factors = [factor * stated.scale for factor in (stated.factor_x, stated.factor_y, stated.factor_z)]
    offset = [stated.eastings_m or 0.0, stated.northings_m or 0.0, stated.height_m or 0.0]
    numbers = [abscissa, ordinate, *factors, *offset, *stated.reference_m, stated.reference_deg]
    if not all(math.isfinite(one) and abs(one) < _METRES_MAX for one in numbers):
        problem = "numbers of the map conversion are not finite, or beyond all maps"
        raise InputError(problem, field="IfcMapConversion", fix=_EXPORT_AGAIN)
    if not all(_SCALE_MIN < factor < _SCALE_MAX for factor in factors):
        problem = f"it scales lengths by {', '.join(f'{one:g}' for one in factors)}; between 0.9 and 1.1 is possible"
        raise InputError(problem, field="IfcMapConversion.Scale", fix=_EXPORT_AGAIN)
    linear = _turn(math.atan2(ordinate, abscissa)) @ np.diag(factors)
    towards = linear @ _turn(-math.radians(stated.reference_deg))
    return Affine(towards, np.array(offset) - towards @ np.array(stated.reference_m))


def at_place(place: Array, model_point: Array, *, rotation_rad: float, scale: float) -> Affine:
    """A map that puts one point of the model at one place (east, north, height), turned and scaled in plan."""
    linear = _turn(rotation_rad) @ np.diag([scale, scale, 1.0])
    return Affine(linear, np.asarray(place) - linear @ np.asarray(model_point))


def reference_point(stated: Georeference) -> Array:
    """A point of the model among its products: what the model's place is judged by."""
    if stated.extent_m is not None:
        middle = np.array(stated.extent_m[:3]) / 2 + np.array(stated.extent_m[3:]) / 2
    elif stated.site is not None:
        middle = np.array([stated.site.x_m, stated.site.y_m, stated.site.z_m])
    else:
        middle = np.zeros(3)
    return middle if bool((np.abs(middle) < _METRES_MAX).all()) else np.zeros(3)


def _turn(angle_rad: float) -> Array:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
