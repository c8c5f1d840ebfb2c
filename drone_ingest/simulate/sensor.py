"""What a simulated scan is made with: the sensor, and everything that goes wrong on a site."""

import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from wire.errors import InputError

__all__ = ["FIELD", "POINTS_MAX", "STATIONS_MAX", "Disturbance", "Sensor"]

POINTS_MAX = 50_000_000  # of one simulated scan, held in memory: 60 bytes each
STATIONS_MAX = 65_535  # point_source_id has 16 bits and 0 means nobody
_SHIFT_M_MAX = 1e3
_LENGTHS = ("sigma_m", "gsd_m", "range_m", "near_m")


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """A scanner or a camera.

    lidar: `sigma_m` is one standard deviation of a range, measured head-on at half of `range_m`; oblique and distant
    ones are noisier. photogrammetry: noise follows from `gsd_m` (millimetres of surface a pixel) and the distance.
    """

    kind: Literal["lidar", "photogrammetry"] = "lidar"
    points: int = 1_000_000  # at most, over all stations
    sigma_m: float = 0.02
    gsd_m: float = 0.01  # at 20 m; grows with the distance
    range_m: float = 120.0
    near_m: float = 0.5
    beam_mrad: float = 0.5  # width of a pulse; what it covers on two surfaces is measured between them
    grazing_deg: float = 82.0  # incidence from which nothing comes back
    views: int = 3  # photographs that must show a point before photogrammetry finds it
    rate_hz: float = 100_000.0  # of the times of points

    def check(self) -> None:
        """Raise InputError with the field that cannot be."""
        if not 1 <= self.points <= POINTS_MAX:
            raise _wrong("points", self.points, f"1 to {POINTS_MAX}")
        for name in _LENGTHS:
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= 1e4) or (name in ("range_m", "gsd_m") and not value):
                raise _wrong(name, value, "metres, 0 to 10000")
        if not (0 < self.grazing_deg <= 90 and 0 <= self.beam_mrad <= 100 and 2 <= self.views <= 8):
            raise InputError("its optics cannot be", field="sensor", fix="grazing up to 90°, beam up to 100 mrad")
        if not 0 < self.rate_hz <= 1e9:
            raise _wrong("rate_hz", self.rate_hz, "up to 1e9")


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """What a real scan suffers; the default is none of it, FIELD is a usual day."""

    outlier_share: float = 0.0  # dust, birds and multipath
    clutter: float = 0.0  # 0 to 1: scaffolding, formwork, vegetation, people, vehicles, material
    doming_m: float = 0.0  # photogrammetry: height of the middle above the rim of the area
    hole_fill: float = 0.0  # photogrammetry: share of gaps that are bridged by surface that is not there
    voids: float = 0.0  # photogrammetry: share of uniform surface where nothing is found
    glass: float = 0.0  # share of shots at glass that give nothing, or what is behind it
    tolerance_m: float = 0.0  # standard deviation of where an element stands against where it was drawn, an axis
    shift_m: tuple[float, float, float] = (0.0, 0.0, 0.0)  # error of the registration
    yaw_deg: float = 0.0  # the same, about the middle of what stands
    georeference: tuple[tuple[float, float, float, float], ...] | None = None  # 4x4, model metres → map
    epsg: int | None = None  # of that map
    ground_m: float | None = None  # height of flat ground; None: the foot of what stands

    def check(self) -> None:
        """Raise InputError with the field that cannot be."""
        for name in ("outlier_share", "clutter", "hole_fill", "voids", "glass"):
            if not 0 <= getattr(self, name) <= 1:
                raise _wrong(name, getattr(self, name), "a share, 0 to 1")
        if not 0 <= self.tolerance_m <= 1:
            raise _wrong("tolerance_m", self.tolerance_m, "metres, 0 to 1")
        if not all(abs(one) <= _SHIFT_M_MAX for one in (*self.shift_m, self.doming_m)) or not abs(self.yaw_deg) <= 360:
            raise InputError("it lies beyond any error", field="shift_m", fix="metres below 1000, degrees below 360")
        if self.epsg is not None and not 1_000 <= self.epsg <= 999_999:
            raise _wrong("epsg", self.epsg, "a code of four to six digits")
        if self.georeference is not None:
            matrix = np.array(self.georeference, np.float64)
            if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
                raise InputError("it is no 4x4 matrix with an inverse", field="georeference", fix="four rows of four")

    def matrix(self, middle: NDArray[np.float64]) -> NDArray[np.float64]:
        """4x4 from model metres to the coordinates of the file: the error of registration, then the map."""
        turn = math.radians(self.yaw_deg)
        wrong = np.eye(4)
        wrong[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
        wrong[:3, 3] = middle - wrong[:3, :3] @ middle + np.array(self.shift_m)
        if self.georeference is None:
            return wrong
        placed: NDArray[np.float64] = np.array(self.georeference, np.float64) @ wrong
        return placed


FIELD = Disturbance(
    outlier_share=0.01, clutter=1.0, doming_m=0.03, hole_fill=0.3, voids=0.15, glass=0.9, tolerance_m=0.005
)
"""A usual day on a site."""


def _wrong(field: str, value: object, fix: str) -> InputError:
    return InputError(f"{value} cannot be", field=field, fix=fix)
