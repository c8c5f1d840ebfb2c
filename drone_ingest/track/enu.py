"""WGS 84 and local east, north, up (exact, by way of Earth-centred coordinates)."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["ecef", "enu", "metres_between"]

_A = 6_378_137.0
_E2 = 0.006_694_379_990_141_3  # of WGS 84


def ecef(
    lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], height_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Earth-centred, Earth-fixed metres (n, 3) of geodetic places."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    normal = _A / np.sqrt(1 - _E2 * np.sin(lat) ** 2)
    flat = (normal + height_m) * np.cos(lat)
    return np.stack([flat * np.cos(lon), flat * np.sin(lon), (normal * (1 - _E2) + height_m) * np.sin(lat)], axis=-1)


def enu(
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    height_m: NDArray[np.float64],
    origin: tuple[float, float, float],
) -> NDArray[np.float64]:
    """East, north, up (n, 3) in metres from an origin (degrees, degrees, metres of the same datum of heights)."""
    lat, lon = np.radians(origin[0]), np.radians(origin[1])
    away = ecef(lat_deg, lon_deg, height_m) - ecef(*(np.array(part) for part in origin))
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    turned: NDArray[np.float64] = away @ np.stack([east, north, up]).T
    return turned


def metres_between(
    lat0: NDArray[np.float64], lon0: NDArray[np.float64], lat1: NDArray[np.float64], lon1: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Horizontal distances, good to a part in a thousand within a flight."""
    east = (lon1 - lon0 + 180) % 360 - 180
    apart: NDArray[np.float64] = 111_320.0 * np.hypot(lat1 - lat0, east * np.cos(np.radians(lat0)))
    return apart
