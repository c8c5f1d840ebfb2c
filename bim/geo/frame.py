"""The frame of a site: from the model's coordinates to the map and to the Earth, and back, in arrays.

A frame is a linear map (model → eastings, northings, height), a projected system, and one named transformation from
that system to WGS 84. All arrays are float64 and (n, 3). Heights pass through every step unchanged: they are above
`vertical_datum`, whose undulation is added only where somebody asks for ellipsoidal heights and gave it.
"""

import math
from typing import NamedTuple, Self

import msgspec
import numpy as np

from bim.geo.calibration import Calibration
from bim.geo.grid import Grid, grid_at
from bim.geo.locate import Place, locate, settled
from bim.geo.placing import Affine, Array
from bim.geo.proj import TURN
from bim.geo.reference_system import NO_DATUM, Horizontal, VerticalDatum, vertical_datum
from bim.geo.settings import GeoreferenceSettings, Origin
from bim.geo.transformation import Projection, Transformation, choose
from bim.georeference import Georeference
from wire.errors import InputError

__all__ = ["FrameFacts", "PlaceFacts", "SiteFrame"]

_GEOID = "write geoid_height_m, the height of that datum's zero above the ellipsoid, in [georeference] of site.toml"
_LENGTHS_PPM = 50.0  # 5 cm in a kilometre: more than a survey forgives
_NORTH_DEG = 1.0  # a TrueNorth that is off by more was not set with care


class PlaceFacts(msgspec.Struct, frozen=True):
    """Where one point of the model lies; degrees are null where the point is off the map."""

    latitude_deg: float | None
    longitude_deg: float | None
    height_m: float
    projected_m: tuple[float, float, float]


class FrameFacts(msgspec.Struct, frozen=True):
    """Everything about a frame that people want to know."""

    crs: str | None
    crs_name: str | None
    how: str
    origin: PlaceFacts  # of the model's coordinates
    middle: PlaceFacts  # of the model's products
    vertical_datum: str
    geoid_height_m: float | None
    true_north_deg: float | None
    grid_convergence_deg: float | None
    grid_scale: float | None
    model_scale: float
    rotation_deg: float
    transformation: Transformation | None
    warnings: list[str]


class _Earth(NamedTuple):
    """What a frame with a known system has beside its linear map."""

    system: Horizontal
    projection: Projection
    transformation: Transformation
    grid: Grid  # at the model's middle


class SiteFrame:
    """One site's frame; see the module. Immutable, and any thread may call."""

    def __init__(
        self,
        affine: Affine,
        earth: _Earth | None,
        *,
        how: str,
        middle_m: tuple[float, float, float] = (0.0, 0.0, 0.0),
        vertical: VerticalDatum = NO_DATUM,
        geoid_height_m: float | None = None,
        warnings: list[str] | None = None,
    ) -> None:
        self._affine, self._earth, self._vertical = affine, earth, vertical
        self.how, self._middle_m = how, middle_m
        self.geoid_height_m = 0.0 if vertical.ellipsoidal else geoid_height_m
        self.warnings: list[str] = warnings or []

    @classmethod
    def from_georeference(
        cls,
        georeference: Georeference,
        *,
        crs: str | None = None,
        origin: Origin | None = None,
        true_north_deg: float | None = None,
        settings: GeoreferenceSettings | None = None,
        calibration: Calibration | None = None,
    ) -> Self:
        """What the file states, completed by what the site says; a calibration replaces what the file states.

        crs: of the site, for a file that names none. origin, true_north_deg: of a model that does not say them.
        Raises InputError with the fix when the place is unknown, impossible, or needs a ballpark transformation.
        """
        with TURN:
            return cls._made(georeference, crs, origin, true_north_deg, settings or GeoreferenceSettings(), calibration)

    @classmethod
    def _made(
        cls,
        georeference: Georeference,
        crs: str | None,
        origin: Origin | None,
        true_north_deg: float | None,
        settings: GeoreferenceSettings,
        calibration: Calibration | None,
    ) -> Self:
        georeference = settled(georeference)
        north = settings.true_north_deg if true_north_deg is None else true_north_deg
        place = locate(georeference, crs=crs, origin=origin, true_north_deg=north, calibration=calibration)
        datum = vertical_datum(settings.vertical_datum) if settings.vertical_datum else place.vertical
        notes = [*georeference.notes, *place.warnings]
        earth = None
        if place.system is not None:
            unit_m = place.system.unit_m
            east, north = (place.middle[:2] / unit_m).tolist()
            chosen = choose(place.system, (east, north), settings.transformation)
            grid = grid_at(chosen.projection, east, north, unit_m)
            earth = _Earth(place.system, chosen.projection, chosen.transformation, grid)
            notes += [*chosen.warnings, *_lengths(place, grid), *_north(georeference, place, grid)]
        if not datum.known:
            said = (
                f"names the vertical datum {datum.name!r}, which is not registered"
                if datum.name != NO_DATUM.name
                else ""
            )
            notes.append(f"the model {said or 'does not say what its heights are above'}; name it in [georeference]")
        x, y, z = place.affine.undo(place.middle[None])[0].tolist()
        return cls(
            place.affine,
            earth,
            how=place.how,
            middle_m=(x, y, z),
            vertical=datum,
            geoid_height_m=settings.geoid_height_m,
            warnings=notes,
        )

    @property
    def crs(self) -> str | None:
        """Code of the projected system, "EPSG:8353"; None when the file names none."""
        return self._earth.system.code if self._earth else None

    @property
    def vertical_datum(self) -> str:
        """What every height of this frame is above."""
        return self._vertical.name

    @property
    def transformation(self) -> Transformation | None:
        """The operation to WGS 84, by name and with its accuracy."""
        return self._earth.transformation if self._earth else None

    @property
    def true_north_deg(self) -> float | None:
        """From the model's y axis to true north, clockwise, at the model's middle."""
        turned = self._affine.rotation_deg
        return _half_turn(turned - self._earth.grid.convergence_deg) if self._earth else None

    def to_projected(self, xyz: Array) -> Array:
        """Model metres (n, 3) as easting and northing in the unit of the system, and height in metres."""
        placed = self._affine.apply(_rows(xyz))
        placed[:, :2] /= self._unit_m
        return placed

    def from_projected(self, enh: Array) -> Array:
        """The inverse of to_projected."""
        rows = _rows(enh).copy()
        rows[:, :2] *= self._unit_m
        return self._affine.undo(rows)

    def to_wgs84(self, xyz: Array, *, ellipsoidal: bool = False) -> Array:
        """Model metres (n, 3) as latitude and longitude in degrees, and height in metres.

        The height is above `vertical_datum`, or with `ellipsoidal` above the WGS 84 ellipsoid.
        """
        earth, lift = self._on_earth(), self._lift(ellipsoidal)
        enh = self.to_projected(xyz)
        lon, lat = earth.projection.to_lonlat(enh[:, 0], enh[:, 1], enh[:, 2])
        return np.column_stack([lat, lon, enh[:, 2] + lift])

    def from_wgs84(self, llh: Array, *, ellipsoidal: bool = False) -> Array:
        """The inverse of to_wgs84."""
        earth, lift = self._on_earth(), self._lift(ellipsoidal)
        rows = _rows(llh)
        height = rows[:, 2] - lift
        east, north = earth.projection.from_lonlat(rows[:, 1], rows[:, 0], height)
        return self.from_projected(np.column_stack([east, north, height]))

    def facts(self) -> FrameFacts:
        """For people: what the frame is and what to know about it."""
        grid = self._earth.grid if self._earth else None
        return FrameFacts(
            crs=self.crs,
            crs_name=self._earth.system.name if self._earth else None,
            how=self.how,
            origin=self._facts_of((0.0, 0.0, 0.0)),
            middle=self._facts_of(self._middle_m),
            vertical_datum=self.vertical_datum,
            geoid_height_m=self.geoid_height_m,
            true_north_deg=self.true_north_deg,
            grid_convergence_deg=grid.convergence_deg if grid else None,
            grid_scale=grid.scale if grid else None,
            model_scale=self._affine.scale,
            rotation_deg=self._affine.rotation_deg,
            transformation=self.transformation,
            warnings=self.warnings,
        )

    def _facts_of(self, point: tuple[float, float, float]) -> PlaceFacts:
        here = np.array([point])
        east, north, height = self.to_projected(here)[0].tolist()
        lat, lon = self.to_wgs84(here)[0, :2].tolist() if self._earth else (math.inf, math.inf)
        placed = math.isfinite(lat) and math.isfinite(lon)
        return PlaceFacts(lat if placed else None, lon if placed else None, height, (east, north, height))

    @property
    def _unit_m(self) -> float:
        return self._earth.system.unit_m if self._earth else 1.0

    def _on_earth(self) -> _Earth:
        if self._earth is None:
            problem = "the model names no coordinate reference system, so its place on Earth is not known"
            raise InputError(problem, field="crs", fix='write crs = "EPSG:…" in site.toml')
        return self._earth

    def _lift(self, ellipsoidal: bool) -> float:
        if not ellipsoidal:
            return 0.0
        if self.geoid_height_m is None:
            problem = f"heights are above {self.vertical_datum}; how high that is above the ellipsoid is not known"
            raise InputError(problem, field="georeference.geoid_height_m", fix=_GEOID)
        return self.geoid_height_m


def _rows(points: Array) -> Array:
    rows = np.asarray(points, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise InputError(f"points have the shape {rows.shape}", field="points", fix="give (n, 3)")
    return rows


def _lengths(place: Place, grid: Grid) -> list[str]:
    """Whether a metre of the model is a metre on the ground."""
    ppm = (place.affine.scale / grid.scale_at(float(place.middle[2])) - 1.0) * 1e6
    if abs(ppm) < _LENGTHS_PPM:
        return []
    scales = f"the map scales lengths by {grid.scale:.6f} here and the model is put on it with {place.affine.scale:.6f}"
    return [f"{scales}: distances on the ground differ by {abs(ppm) / 10:.0f} cm in a kilometre"]


def _north(georeference: Georeference, place: Place, grid: Grid) -> list[str]:
    stated = georeference.true_north_deg
    if stated is None or abs(stated) < 1e-6 or place.turned_by_north:  # (0, 1) is what is written when nobody asked
        return []
    off = _half_turn(stated - (place.affine.rotation_deg - grid.convergence_deg))
    if abs(off) < _NORTH_DEG:
        return []
    return [f"the file's TrueNorth of {stated:.2f}° is {abs(off):.2f}° off the north of {place.how}, which is used"]


def _half_turn(angle_deg: float) -> float:
    """The same angle between −180 and 180."""
    return math.remainder(angle_deg, 360.0)
