"""`aid4 bim locate` and `aid4 bim calibrate`: where a model lies on Earth, and how well control points say so."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from bim.command_options import AS_JSON, MODEL, opened, reader_bounds
from bim.geo.calibration import Calibration
from bim.geo.control_points import calibrate_site
from bim.geo.frame import FrameFacts, PlaceFacts
from bim.geo.settings import CalibrationSettings
from bim.geo.site import Geography, calibration_of, frame_of, read_geography
from bim.geo.transformation import Transformation
from wire.errors import ConfigError

__all__ = ["calibrate", "locate"]

_FOLDER = click.Path(path_type=Path, file_okay=False)
_POINTS_MAX = 1_000  # of one command line


@click.command()
@MODEL
@click.option("--site", type=_FOLDER, help="Folder with a site.toml, for what the model does not say.")
@click.option("--crs", help="EPSG code of the map, for a model that names none.")
@click.option("--point", "points", type=(float, float, float), multiple=True, help="X Y Z of the model in metres.")
@click.option("--place", "spots", type=(float, float, float), multiple=True, help="Latitude, longitude, height.")
@reader_bounds
@AS_JSON
def locate(
    file: str,
    site: Path | None,
    crs: str | None,
    points: tuple[tuple[float, float, float], ...],
    spots: tuple[tuple[float, float, float], ...],
    memory_mib: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Where a model lies on Earth, how that was found, and how exact it is."""
    geography = _geography(site, crs)
    with opened(file, memory_mib, seconds) as (summary, _):
        frame = frame_of(summary.georeference, geography)
    facts, rows = frame.facts(), np.array(points[:_POINTS_MAX], dtype=np.float64).reshape(-1, 3)
    if spots:
        rows = np.vstack([rows, frame.from_wgs84(np.array(spots[:_POINTS_MAX], dtype=np.float64))])
    projected = frame.to_projected(rows).tolist()
    degrees = frame.to_wgs84(rows).tolist() if frame.crs else [[None, None, row[2]] for row in projected]
    places = [
        {"model_m": model, "projected": enh, "latitude_deg": lat, "longitude_deg": lon, "height_m": height}
        for model, enh, (lat, lon, height) in zip(rows.tolist(), projected, degrees, strict=True)
    ]
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(facts), "points": places}, ensure_ascii=False))
        return
    for line in (*_lines(facts), *(_place_line(one) for one in places)):
        click.echo(line)


@click.command()
@click.option("--site", type=_FOLDER, help="Folder with a site.toml that has [calibration].")
@click.option("--points", type=click.Path(path_type=Path, dir_okay=False), help="CSV of control points.")
@click.option("--crs", help="EPSG code of the map that the points are on.")
@click.option("--kind", type=click.Choice(["2d", "3d"]), default="2d", show_default=True, help="3d: it may lean.")
@click.option("--scale", type=click.Choice(["fixed", "free"]), default="fixed", show_default=True, help="Of lengths.")
@click.option("--tolerance-m", type=click.FloatRange(0, 100, min_open=True), default=0.05, show_default=True)
@AS_JSON
def calibrate(
    site: Path | None, points: Path | None, crs: str | None, kind: str, scale: str, tolerance_m: float, as_json: bool
) -> None:
    """Solve a site's frame from control points and show what each point is off."""
    if points is None:
        found = calibration_of(_geography(site, crs))
        if found is None:
            problem = "there are no control points"
            raise ConfigError(problem, field="calibration", fix="write [calibration] in site.toml, or give --points")
    else:
        table = {"file": points.name, "kind": kind, "scale": scale, "tolerance_m": tolerance_m}
        settings = msgspec.convert(table, CalibrationSettings)
        found = calibrate_site(settings, folder=points.parent, crs=_geography(site, crs).crs)
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(found), "how": found.how}, ensure_ascii=False))
        return
    for line in _calibration_lines(found):
        click.echo(line)


def _geography(site: Path | None, crs: str | None) -> Geography:
    known = Geography() if site is None else read_geography(site)
    return known if crs is None else msgspec.structs.replace(known, crs=crs)


def _lines(facts: FrameFacts) -> list[str]:
    named = facts.transformation
    turned = (("true north", facts.true_north_deg), ("grid convergence", facts.grid_convergence_deg))
    rows = [
        ("how", facts.how),
        ("crs", f"{facts.crs} {facts.crs_name}" if facts.crs else "not known"),
        ("transformation", _accuracy(named) if named else "none"),
        ("vertical datum", facts.vertical_datum),
        ("origin", _where(facts.origin)),
        ("middle", _where(facts.middle)),
        *((name, "not known" if angle is None else f"{angle:.4f}°") for name, angle in turned),
        ("scale", f"model {facts.model_scale:.6f}" + (f", map {facts.grid_scale:.6f}" if facts.grid_scale else "")),
    ]
    return [f"{name:<16}  {value}" for name, value in rows] + [f"warning           {one}" for one in facts.warnings]


def _accuracy(named: Transformation) -> str:
    etrs89 = named.etrs89_accuracy_m
    exact = f"{named.name}, exact to {named.accuracy_m:g} m"
    return exact if etrs89 is None else f"{exact} (to ETRS89, which RTK services give, {etrs89:g} m)"


def _where(place: PlaceFacts) -> str:
    east, north, height = place.projected_m
    degrees = "" if place.latitude_deg is None else f"   {place.latitude_deg:.8f}° {place.longitude_deg:.8f}°"
    return f"E {east:.3f}  N {north:.3f}  H {height:.3f}{degrees}"


def _place_line(one: dict[str, Any]) -> str:
    model = " ".join(f"{value:.3f}" for value in one["model_m"])
    return f"point {model}   {_where(PlaceFacts(one['latitude_deg'], one['longitude_deg'], 0.0, one['projected']))}"


def _calibration_lines(found: Calibration) -> list[str]:
    lines = [f"{'point':<16}{'east mm':>10}{'north mm':>10}{'height mm':>11}{'others say mm':>15}"]
    for one in found.residuals:
        height = "" if one.height_m is None else f"{one.height_m * 1000:.1f}"
        without = "" if one.without_m is None else f"{one.without_m * 1000:.1f}"
        numbers = f"{one.east_m * 1000:>10.1f}{one.north_m * 1000:>10.1f}{height:>11}{without:>15}"
        lines.append(f"{one.name[:15]:<16}{numbers}{'' if one.used else '   outlier, left out'}")
    lines.append(found.how)
    lines.append(
        f"scale {found.scale:.7f}, rotation {found.rotation_deg:.5f}°, largest {found.largest_m * 1000:.1f} mm"
    )
    lines.append(f"the farthest corner is sure to {found.edge_sigma_m * 1000:.1f} mm (one standard deviation)")
    return lines + [f"warning: {one}" for one in found.warnings]
