"""`aid4 drone plan`: a mission over a model, or what a mission file holds and whether it is safe to fly."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from drone_ingest.command_options import AS_JSON, AT, LINKS, SCHEDULE, SITE, TILES, bar, tile_bar
from wire.errors import InputError, UserError

__all__ = ["numbers_of", "plan"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_SHOWN = 20


@click.command()
@click.argument("file", type=_FILE, required=False)
@click.option("--ifc", type=_FILE, help="The model.")
@click.option("--element", "elements", multiple=True, help="GlobalId to picture; may be repeated.")
@click.option("--type", "types", multiple=True, help="Class to picture, IfcWall for one; may be repeated.")
@click.option("--storey", "storeys", multiple=True, help="Name or GlobalId of a storey; may be repeated.")
@click.option("--late", is_flag=True, help="Picture what should stand at --at by the plan, and is not known to.")
@click.option("--verdicts", type=_FILE, help="verdicts.parquet of a scan: what --late takes as standing.")
@LINKS
@SCHEDULE
@AT
@click.option("--gsd-mm", default=5.0, show_default=True, help="Surface that a pixel may cover.")
@click.option("--overlap", default=0.7, show_default=True, help="Of neighbouring pictures, 0 to 0.95.")
@click.option("--standoff", "standoff_m", type=float, help="Metres to the faces; default: as far as the GSD allows.")
@click.option("--angle", "angle_deg", default=50.0, show_default=True, help="Of view to face, at most, degrees.")
@click.option("--clearance", "clearance_m", default=3.0, show_default=True, help="Metres to everything that stands.")
@click.option("--low", "low_m", default=2.0, show_default=True, help="Metres above take-off, at least.")
@click.option("--high", "high_m", default=120.0, show_default=True, help="Metres above take-off, at most.")
@click.option("--fence", "fences", type=_FILE, multiple=True, help="Fence and keep-out: GeoJSON, .plan or fence.txt.")
@click.option("--home", help="X,Y,Z of take-off in model metres; default: beside the model.")
@click.option("--camera", "camera_name", default="dji-m3e", show_default=True)
@click.option("--speed", "speed_m_s", default=5.0, show_default=True, help="Metres a second.")
@click.option("--endurance-min", default=25.0, show_default=True, help="Of hovering, on a full battery.")
@click.option("--reserve", default=0.25, show_default=True, help="Share of the battery that is kept.")
@click.option("--place", help="LAT,LON,HEIGHT of the model's origin, for a model that does not say it.")
@click.option("--name", default="mission", show_default=True, help="Of the files.")
@click.option("--out", type=_FOLDER, help="Folder for .plan, .waypoints and .kmz of each flight, and coverage.json.")
@SITE
@TILES
@AS_JSON
def plan(file: Path | None, ifc: Path | None, out: Path | None, name: str, as_json: bool, **given: Any) -> None:
    """Plan flights that picture chosen elements of a model, or look into FILE (.plan, .waypoints, DJI .kmz).

    With FILE and --ifc every leg is checked against the model and the fence; exit code 1 when one is unsafe.
    """
    from drone_ingest.mission.command import check_file, plan_flights, read_file

    if file is None and ifc is None:
        raise click.UsageError("give --ifc MODEL to plan over, or a FILE to look into")
    if file is not None:
        known = read_file(file, out, name) if ifc is None else check_file(file, ifc, _asked(given), out, name)
    else:
        assert ifc is not None
        with tile_bar(ifc.name) as tell, bar("planning", 5) as done:
            known = plan_flights(ifc, _asked(given), out, name, tell, done)
    click.echo(json.dumps(known, ensure_ascii=False, allow_nan=False) if as_json else "\n".join(_lines(known)))
    if known.get("violations"):
        raise SystemExit(1)


def _asked(given: dict[str, Any]) -> Any:
    """The options as settings; raises UserError naming the one that cannot be."""
    from drone_ingest.mission.command import Asked
    from drone_ingest.mission.settings import CAMERAS, Drone, Wanted

    camera = CAMERAS.get(given.pop("camera_name"))
    if camera is None:
        raise UserError("there is no such camera", field="--camera", fix=f"one of {', '.join(CAMERAS)}")
    kept = {key: given.pop(key) for key in ("overlap", "standoff_m", "angle_deg", "clearance_m", "low_m", "high_m")}
    return Asked(
        wanted=Wanted(gsd_m=given.pop("gsd_mm") / 1000, **kept),
        drone=Drone(
            speed_m_s=given.pop("speed_m_s"), endurance_s=given.pop("endurance_min") * 60, reserve=given.pop("reserve")
        ),
        camera=camera,
        home=numbers_of(given.pop("home"), "--home", "X,Y,Z"),
        place=numbers_of(given.pop("place"), "--place", "LAT,LON,HEIGHT"),
        **given,
    )  # fmt: skip


def numbers_of(text: str | None, field: str, form: str) -> tuple[float, float, float] | None:
    """Three numbers of an option; raises UserError naming it."""
    if text is None:
        return None
    try:
        a, b, c = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{text!r} is no place", field=field, fix=f"give {form}") from error
    if not np.isfinite([a, b, c]).all() or max(abs(a), abs(b), abs(c)) > 1e7:
        raise InputError(f"{text!r} lies nowhere", field=field, fix=f"give {form}")
    return a, b, c


def _lines(known: dict[str, Any]) -> list[str]:
    lines = []
    for number, one in enumerate(known["flights"], 1):
        lines.append(
            f"flight {number}: {one['photos']} photos, {one['waypoints']} way-points, {one['distance_m']:.0f} m, "
            f"{one['duration_s'] / 60:.1f} min, {100 * one['battery']:.0f} % of a battery"
        )
        lines += [f"  {path}" for path in one.get("files", [])]
    if "coverage" in known:
        told = known["coverage"]
        lines.append(f"expected: {100 * told['share']:.0f} % of the open surface of {told['elements']} elements")
        lines += [f"  hidden: {one}" for one in told["hidden"][:_SHOWN]]
        lines += [f"  {one['global_id']} only {100 * one['share']:.0f} %" for one in told["partly"][:_SHOWN]]
    for one in known.get("violations", []):
        where = f"way-points {one['start']} to {one['end']}"
        lines.append(f"unsafe: {where}: {one['why']}, {one['clearance_m']} m to what stands")
    return lines + [f"warning: {line}" for line in known.get("warnings", [])]
