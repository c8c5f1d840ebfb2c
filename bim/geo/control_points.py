"""Control points from a site's configuration or a CSV file, and the calibration that they give.

```csv
name,x_m,y_m,z_m,easting_m,northing_m,height_m,sigma_m
A1,0.0,0.0,0.0,-487561.214,-1197224.530,231.42,0.005
```
One line of headings; z_m, height_m and sigma_m may be left out or empty. Commas, semicolons or tabs between columns;
with semicolons or tabs a comma may stand for the decimal point.
"""

import csv
import math
from pathlib import Path

import msgspec
import numpy as np

from bim.geo.calibration import Calibration, calibrate
from bim.geo.grid import grid_at
from bim.geo.proj import TURN
from bim.geo.reference_system import Horizontal, horizontal
from bim.geo.settings import CalibrationSettings, ControlPoint
from bim.geo.transformation import choose
from wire.errors import InputError

__all__ = ["calibrate_site", "read_control_points"]

_BYTES_MAX = 4 * 1024 * 1024  # some 40,000 lines; a site has a few dozen points
_POINTS_MAX = 10_000
_NEEDED = ("name", "x_m", "y_m", "easting_m", "northing_m")
_OPTIONAL = ("z_m", "height_m", "sigma_m")
_SAMPLE = "see the sample in docs/georeference.md"


def read_control_points(path: Path) -> list[ControlPoint]:
    """The points of a CSV file; InputError names the line, the column and the fix."""
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
    except OSError as error:
        fix = "give a CSV file that can be read"
        raise InputError(error.strerror or "it cannot be read", file=str(path), fix=fix) from error
    if len(data) > _BYTES_MAX:
        raise InputError(f"it is larger than {_BYTES_MAX // 1024} KiB", file=str(path), fix="leave out other points")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError("it is not UTF-8 text", file=str(path), fix="save it as CSV UTF-8") from error
    between = max(",;\t", key=(lines[0] if lines else "").count)
    try:
        rows = list(csv.reader(lines, delimiter=between, strict=True))
    except csv.Error as error:
        raise InputError(f"it is no CSV: {error}", file=str(path), fix=_SAMPLE) from error
    return _points(rows, str(path), decimal_comma=between != ",")


def calibrate_site(
    settings: CalibrationSettings,
    *,
    folder: Path,
    crs: str | None,
    extent_m: tuple[float, ...] | None = None,
) -> Calibration:
    """The calibration of a site: its points, with the scale that its map has there. InputError as `calibrate`."""
    points = list(settings.points)
    if settings.file is not None:
        points += read_control_points(folder / settings.file)
    if crs is None:
        problem, fix = "control points are on a map, but the site does not say on which", 'write crs = "EPSG:…"'
        raise InputError(problem, field="crs", fix=fix)
    return calibrate(points, settings, grid_scale=_ground_scale(points, crs), extent_m=extent_m)


def _ground_scale(points: list[ControlPoint], crs: str) -> float:
    """Map metres of a ground metre in the middle of the points."""
    if not points:
        return 1.0
    with TURN:
        return _scale_on(horizontal(crs), points)


def _scale_on(system: Horizontal, points: list[ControlPoint]) -> float:
    east, north = (float(np.median([getattr(one, name) for one in points])) for name in ("easting_m", "northing_m"))
    heights = [one.height_m for one in points if one.height_m is not None]
    at = (east / system.unit_m, north / system.unit_m)
    scale = grid_at(choose(system, at).projection, *at, system.unit_m).scale_at(float(np.mean(heights or [0.0])))
    if not math.isfinite(scale):
        problem = f"E {east:.0f} N {north:.0f} m is no place in {system.code} {system.name}"
        raise InputError(problem, field="calibration", fix="check the columns of the points and the crs of the site")
    return scale


def _points(rows: list[list[str]], file: str, *, decimal_comma: bool) -> list[ControlPoint]:
    heads = [cell.strip().lower() for cell in rows[0]] if rows else []
    missing = [name for name in _NEEDED if name not in heads]
    if missing:
        raise InputError(f"it has no column {missing[0]}", file=file, field=missing[0], fix=_SAMPLE)
    points = []
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(heads, (cell.strip() for cell in row), strict=False))
        points.append(_point(cells, f"line {number}", file, decimal_comma=decimal_comma))
        if len(points) > _POINTS_MAX:
            raise InputError(f"it has more than {_POINTS_MAX} points", file=file, fix="leave out other points")
    return points


def _point(cells: dict[str, str], line: str, file: str, *, decimal_comma: bool) -> ControlPoint:
    values: dict[str, str | float] = {"name": cells.get("name", "")}
    for name in (*_NEEDED[1:], *_OPTIONAL):
        cell = cells.get(name, "")
        if not cell:
            if name in _NEEDED:
                raise InputError("the cell is empty", file=file, field=f"{line}, {name}", fix="give metres")
            continue
        try:
            number = float(cell.replace(",", ".") if decimal_comma else cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{cell[:40]!r} is no number", file=file, field=f"{line}, {name}", fix="give metres")
        values[name] = number
    try:
        return msgspec.convert(values, ControlPoint)
    except msgspec.ValidationError as error:
        raise InputError(str(error), file=file, field=line, fix=_SAMPLE) from error
