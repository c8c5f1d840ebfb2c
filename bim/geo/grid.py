"""What a map does to directions and lengths at one place: grid convergence and scale, by walking on it."""

import math

import msgspec
import numpy as np

from bim.geo.transformation import Projection

__all__ = ["Grid", "grid_at"]

_STEP_DEG = 1e-4  # 11 m: far above rounding, far below the curve of a meridian
_SEMI_MAJOR_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563  # of WGS 84
_E2 = _FLATTENING * (2 - _FLATTENING)


class Grid(msgspec.Struct, frozen=True):
    """convergence_deg: from true north to grid north, clockwise. scale: map metres of a metre on the ellipsoid."""

    convergence_deg: float
    scale: float
    radius_m: float  # of the Earth here

    def scale_at(self, height_m: float) -> float:
        """Map metres of a metre on the ground at a height: the surveyor's combined factor."""
        return self.scale * self.radius_m / (self.radius_m + height_m)


def grid_at(projection: Projection, east: float, north: float, unit_m: float) -> Grid:
    """At one place, east and north in the map's unit. The way north and east on Earth, walked on the map."""
    lon, lat = (float(one[0]) for one in projection.to_lonlat(np.array([east]), np.array([north])))
    d = _STEP_DEG
    lons, lats = np.array([lon, lon, lon - d, lon + d]), np.array([lat - d, lat + d, lat, lat])
    x, y = projection.from_lonlat(lons, lats)
    northward = (float(x[1] - x[0]), float(y[1] - y[0]))
    phi = math.radians(lat)
    w = math.sqrt(1 - _E2 * math.sin(phi) ** 2)
    meridian_m, prime_m = _SEMI_MAJOR_M * (1 - _E2) / w**3, _SEMI_MAJOR_M / w
    along = math.hypot(*northward) * unit_m / (meridian_m * math.radians(2 * d))
    across = math.hypot(x[3] - x[2], y[3] - y[2]) * unit_m / (prime_m * math.cos(phi) * math.radians(2 * d))
    bearing = math.degrees(math.atan2(*northward))  # of true north on the grid
    return Grid(-bearing, math.sqrt(along * across), math.sqrt(meridian_m * prime_m))
