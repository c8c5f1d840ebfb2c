"""What a site says about its place: the tables [georeference] and [calibration] of its site.toml.

```toml
[georeference]
transformation = "S-JTSK [JTSK03] to WGS 84 (1)"  # name or EPSG code; without it the best one for the place
vertical_datum = "EPSG:8357"                      # of heights, where the model does not name it
geoid_height_m = 43.6                             # of that datum's zero above the WGS 84 ellipsoid, at the site
true_north_deg = 12.5                             # of the model's y axis to true north, clockwise

[calibration]                                     # replaces what the model states
file = "control.csv"                              # beside site.toml; see bim/geo/control_points.py
kind = "2d"                                       # 2d: plan and height apart; 3d: the model may lean
scale = "fixed"                                   # fixed: the grid's own scale at the site; free: solved for
tolerance_m = 0.03                                # what a point may be off
```
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["CalibrationSettings", "ControlPoint", "GeoreferenceSettings", "Origin"]

_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Metres = Annotated[float, Meta(ge=-2e7, le=2e7)]  # a bound of every projected coordinate


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the model's origin lies, for a model that does not say it itself. WGS 84; height above the ellipsoid."""

    latitude_deg: Annotated[float, Meta(ge=-90, le=90)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)]
    height_m: Annotated[float, Meta(ge=-500, le=9_000)] = 0.0


class GeoreferenceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [georeference]: what the model leaves open or has wrong."""

    transformation: _Name | None = None
    vertical_datum: _Name | None = None
    geoid_height_m: Annotated[float, Meta(ge=-120, le=120)] | None = None  # no geoid is farther from the ellipsoid
    true_north_deg: Annotated[float, Meta(ge=-360, le=360)] | None = None


class ControlPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One point known in the model and on the map, in metres; without z and height it counts in plan only."""

    name: _Name
    x_m: _Metres
    y_m: _Metres
    z_m: _Metres | None = None
    easting_m: _Metres
    northing_m: _Metres
    height_m: Annotated[float, Meta(ge=-500, le=9_000)] | None = None
    sigma_m: Annotated[float, Meta(gt=0, le=100)] = 0.01  # standard deviation of the survey


class CalibrationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [calibration]: points in it, or a file of them."""

    file: _Name | None = None
    points: Annotated[list[ControlPoint], Meta(max_length=10_000)] = []
    kind: Literal["2d", "3d"] = "2d"
    scale: Literal["fixed", "free"] = "fixed"
    tolerance_m: Annotated[float, Meta(gt=0, le=100)] = 0.05
