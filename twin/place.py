"""Where the live model lies on Earth: its frame, its bounds, and the place of an element."""

import threading

import msgspec
import numpy as np
from numpy.typing import NDArray

from bim.geo.frame import FrameFacts, SiteFrame
from bim.geo.site import Geography, frame_of
from bim.georeference import Georeference
from twin.model import Model
from twin.siteconfig import SiteConfig
from wire.errors import UserError

__all__ = ["Bounds", "ElementPlace", "Located", "Locator", "NoFrame"]

Bounds = tuple[float, float, float, float]

_STRAY_M = 20_000.0  # no site is that large; an element farther from the others does not stretch the map


class ElementPlace(msgspec.Struct, frozen=True):
    """Where an element's own origin lies. `height_m` and the third of `projected` are above `datum`."""

    lat_deg: float
    lon_deg: float
    height_m: float
    projected: tuple[float, float, float]
    crs: str
    datum: str


class NoFrame(msgspec.Struct, frozen=True):
    """Why the place of the model is not known, and what to write or measure."""

    problem: str
    field: str
    fix: str


class Located(msgspec.Struct, frozen=True):
    """The answer for one model and one configuration: a frame, or why there is none."""

    facts: FrameFacts | None
    missing: NoFrame | None
    bounds: Bounds | None  # west, south, east, north in degrees


class Locator:
    """Computes the frame when it is first asked for, and again when model or site changed. Any thread may call."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._model: Model | None = None
        self._geography: Geography | None = None
        self._frame: SiteFrame | None = None
        self._located = Located(None, None, None)

    def located(self, model: Model, site: SiteConfig) -> Located:
        """Where the model lies, and its box in degrees."""
        return self._renewed(model, site)[1]

    def frame(self, model: Model, site: SiteConfig) -> SiteFrame | None:
        """The frame itself; None where the model has no place."""
        return self._renewed(model, site)[0]

    def place(self, model: Model, site: SiteConfig, element: str) -> ElementPlace | None:
        """Of one element; None when the model has no place, or the element none in the model."""
        frame, row = self._renewed(model, site)[0], model.row(element)
        if frame is None or frame.crs is None or row is None:
            return None
        here = _point(row["x_m"], row["y_m"], row["z_m"], row["footprint_m"], row["z_min_m"])
        if here is None:
            return None
        lat, lon, height = frame.to_wgs84(here)[0].tolist()
        east, north, up = frame.to_projected(here)[0].tolist()
        if not (np.isfinite(lat) and np.isfinite(lon)):
            return None
        return ElementPlace(lat, lon, height, (east, north, up), frame.crs, frame.vertical_datum)

    def _renewed(self, model: Model, site: SiteConfig) -> tuple[SiteFrame | None, Located]:
        geography = Geography(site.crs, site.origin, site.georeference, site.calibration, site.folder)
        with self._turn:
            if model is not self._model or geography != self._geography:
                self._frame, self._located = _locate(model, geography)
                self._model, self._geography = model, geography
            return self._frame, self._located


def _locate(model: Model, geography: Geography) -> tuple[SiteFrame | None, Located]:
    stated = model.info.georeference if model.info else Georeference()
    if model.info is None and geography.origin is None and geography.calibration is None:
        missing = NoFrame("there is no model yet", "model", "bring one: POST /api/v1/changes of kind model")
        return None, Located(None, missing, None)
    try:
        frame = frame_of(stated, geography)
    except UserError as refusal:
        return None, Located(None, NoFrame(refusal.problem, refusal.field, refusal.fix), None)
    return frame, Located(frame.facts(), None, _bounds(model, frame) if frame.crs else None)


def _bounds(model: Model, frame: SiteFrame) -> Bounds | None:
    """The box around footprints of spaces and origins of elements."""
    table = model.elements.filter(model.elements["has_shape"])
    own = np.column_stack([table[name].to_numpy(zero_copy_only=False) for name in ("x_m", "y_m", "z_m")])
    rings = table["footprint_m"].drop_null().combine_chunks()
    corners = np.asarray(rings.flatten(), dtype=np.float64).reshape(-1, 2) if len(rings) else np.empty((0, 2))
    points = np.vstack([own, np.column_stack([corners, np.zeros(len(corners))])]).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    away = np.abs(points[:, :2] - np.median(points[:, :2], axis=0)).max(axis=1)
    lat, lon, _ = frame.to_wgs84(points[away < _STRAY_M]).T
    if not (np.isfinite(lat).all() and np.isfinite(lon).all()):
        return None
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _point(
    x: float | None, y: float | None, z: float | None, outline: list[float] | None, floor: float | None
) -> NDArray[np.float64] | None:
    """The middle of a room's floor, else the element's own origin."""
    if outline:
        ring = np.array(outline).reshape(-1, 2)
        return np.array([[*((ring.min(axis=0) + ring.max(axis=0)) / 2), floor or 0.0]])
    return None if x is None or y is None or z is None else np.array([[x, y, z]])
