"""From degrees and a height of some datum to metres of the live model, and what had to be supposed for that."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bim.geo.frame import SiteFrame
from drone_ingest.found import DATUMS
from wire.errors import UserError

__all__ = ["FAR_M", "Places", "to_model"]

FAR_M = 50_000.0  # what lies farther from the model has no place in it
_ELLIPSOID, _ORTHOMETRIC = DATUMS.index("ellipsoid"), DATUMS.index("orthometric")
SUPPOSED = "its heights are above take-off: it is drawn as if that lay on the zero level of the model"
NO_HEIGHT = "how high the ellipsoid lies here is not known, so its heights have no place in the model"

Floats = NDArray[np.float64]


class Places:
    """The frame of the live model, asked for each time: model and site change."""

    def __init__(self, frame: Callable[[], SiteFrame | None]) -> None:
        self._frame = frame

    def __call__(
        self, lat_deg: Floats, lon_deg: Floats, alt_m: Floats, datum: NDArray[np.uint8]
    ) -> tuple[Floats | None, list[str]]:
        """As `to_model`."""
        frame = self._frame()
        if frame is None or frame.crs is None or not len(lat_deg):
            return None, []
        return to_model(frame, lat_deg, lon_deg, alt_m, datum)


def to_model(
    frame: SiteFrame, lat_deg: Floats, lon_deg: Floats, alt_m: Floats, datum: NDArray[np.uint8]
) -> tuple[Floats | None, list[str]]:
    """Model metres (n, 3) and warnings. x and y are NaN far from the model, z where no height is known.

    Orthometric heights are taken as those of the model's own vertical datum: two of them differ by decimetres at most.
    Heights above take-off, or of no known datum, are put on the model's zero level, which a warning says.
    """
    warnings: list[str] = []
    heights = alt_m.copy()
    ellipsoidal = (datum == _ELLIPSOID) & np.isfinite(alt_m)
    supposed = (datum != _ELLIPSOID) & (datum != _ORTHOMETRIC) & np.isfinite(alt_m)
    known = np.column_stack([lat_deg, lon_deg, np.nan_to_num(heights)])
    xyz = frame.from_wgs84(known)
    if ellipsoidal.any():
        try:
            xyz[ellipsoidal] = frame.from_wgs84(known[ellipsoidal], ellipsoidal=True)
        except UserError:
            xyz[ellipsoidal, 2] = np.nan
            warnings.append(NO_HEIGHT)
    if supposed.any():
        xyz[supposed, 2] = alt_m[supposed]
        warnings.append(SUPPOSED)
    xyz[~np.isfinite(alt_m), 2] = np.nan
    away = ~np.isfinite(xyz[:, :2]).all(axis=1) | (np.abs(xyz[:, :2]) > FAR_M).any(axis=1)
    xyz[away] = np.nan
    return (None if away.all() else xyz), warnings
