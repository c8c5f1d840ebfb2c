"""What one site says about its place, and the frame that its model gets by it."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from bim.geo.calibration import Calibration
from bim.geo.control_points import calibrate_site
from bim.geo.frame import SiteFrame
from bim.geo.settings import CalibrationSettings, GeoreferenceSettings, Origin
from bim.georeference import Georeference
from wire.errors import ConfigError, InputError

__all__ = ["Geography", "calibration_of", "frame_of", "read_geography"]


class Geography(msgspec.Struct, frozen=True):
    """Of site.toml: crs, [origin], [georeference], [calibration]. `folder` is where the file lies."""

    crs: Annotated[str, Meta(pattern="^EPSG:[0-9]{4,6}$")] | None = None
    origin: Origin | None = None
    georeference: GeoreferenceSettings = GeoreferenceSettings()
    calibration: CalibrationSettings | None = None
    folder: str = ""


def read_geography(folder: Path) -> Geography:
    """The place of a site's folder; ConfigError names the field and the fix."""
    path = folder / "site.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        kept = {name: tables[name] for name in Geography.__struct_fields__ if name in tables and name != "folder"}
        return msgspec.convert({**kept, "folder": str(folder)}, Geography)
    except FileNotFoundError as error:
        raise ConfigError("no such file", file=str(path), fix="give a folder that holds a site.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(error), file=str(path), fix="mend the TOML") from error
    except msgspec.ValidationError as error:
        problem, _, at = str(error).partition(" - at ")
        field = at.strip("`").removeprefix("$.")
        raise ConfigError(problem, file=str(path), field=field, fix="see the sample in bim/geo/settings.py") from error


def calibration_of(site: Geography, stated: Georeference | None = None) -> Calibration | None:
    """The site's calibration, judged by how far the model reaches; None when it has none. InputError as `calibrate`."""
    if site.calibration is None:
        return None
    extent = stated.extent_m if stated is not None else None
    return calibrate_site(site.calibration, folder=Path(site.folder), crs=site.crs, extent_m=extent)


def frame_of(stated: Georeference, site: Geography) -> SiteFrame:
    """The frame of a model at this site; InputError tells what is missing and how to mend it."""
    try:
        return SiteFrame.from_georeference(
            stated,
            crs=site.crs,
            origin=site.origin,
            settings=site.georeference,
            calibration=calibration_of(site, stated),
        )
    except ArithmeticError as error:  # numbers of a damaged file that overflow on the way
        fix = "export the model again, or write [calibration] in site.toml"
        raise InputError(f"its place cannot be computed: {error}", field="georeference", fix=fix) from error
