"""`aid4 drone photos`: photos on the model, and what was marked or found on them."""

import json
from pathlib import Path
from typing import Any

import click

from drone_ingest.command_options import AS_JSON, AT, IFC, LINKS, SCHEDULE, SITE, TILES, bar, tile_bar
from wire.errors import UserError

__all__ = ["photos"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_SHOWN = 12


@click.command()
@click.argument("places", nargs=-1, required=True, type=click.Path(path_type=Path))
@IFC
@LINKS
@SCHEDULE
@AT
@click.option(
    "--poses",
    type=click.Path(path_type=Path),
    help="CSV photo,x,y,z,yaw_deg,pitch_deg,roll_deg in the "
    "model, or cameras of OpenDroneMap, Metashape, Pix4D or COLMAP; before EXIF.",
)
@click.option("--transform", type=_FILE, help="JSON of aid4 drone register: from the cameras' cloud to the model.")
@click.option("--takeoff-z", type=float, help="Model height of take-off: heights above it are better than GPS.")
@click.option("--place", help="LAT,LON,HEIGHT of the model's origin, for a model that does not say it.")
@click.option("--element", help="GlobalId: its photos, the best first.")
@click.option("--detector", type=_FILE, help="ONNX file that finds boxes; what it finds is marked.")
@click.option("--least-score", type=click.FloatRange(0, 1), default=0.25, show_default=True, help="Of a detector.")
@click.option("--mark", "marks", multiple=True, metavar="PHOTO:U0,V0,U1,V1:KIND", help="Mark a defect by hand.")
@click.option("--defects", type=_FILE, help="Book of defects (JSON): read, grown by what is marked, written again.")
@click.option("--flight", default="", help="Name of the flight, for the history of defects.")
@click.option("--by", default="", help="Who marks.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the tables as Parquet.")
@SITE
@TILES
@AS_JSON
def photos(places: tuple[Path, ...], ifc: Path, as_json: bool, **given: Any) -> None:
    """Where photos were taken in a model, which elements each shows, and defects on them.

    PLACES are files or folders. Photos without a place are listed; exit code 1 when none has one.
    """
    from drone_ingest.mission.cli import numbers_of
    from drone_ingest.photos.command import Asked, look_at_photos

    asked = Asked(**{**given, "place": numbers_of(given["place"], "--place", "LAT,LON,HEIGHT")})
    if (asked.detector is not None or asked.marks) and asked.defects is None:
        raise UserError("what is marked has to be kept", field="--defects", fix="name a file: --defects defects.json")
    with tile_bar(ifc.name) as tell:
        known = look_at_photos(places, ifc, asked, tell, lambda count: bar("photos", count))
    click.echo(json.dumps(known, ensure_ascii=False, allow_nan=False) if as_json else "\n".join(_lines(known)))
    if not known["photos"]:
        raise SystemExit(1)


def _lines(known: dict[str, Any]) -> list[str]:
    lines = []
    for one in known["photos"][:_SHOWN]:
        x, y, z = one["eye_m"]
        lines.append(
            f"{one['file']}: at {x:.1f} {y:.1f} {z:.1f}, yaw {one['yaw_deg']:.0f}°, pitch {one['pitch_deg']:.0f}°, "
            f"{len(one['elements'])} elements ({one['how']}, ±{one['sigma_m']:.1f} m)"
        )
    rest = len(known["photos"]) - _SHOWN
    lines += [f"and {rest} more photos"] if rest > 0 else []
    lines.append(f"{known['elements']} elements are on a photo")
    for one in known.get("ranking", [])[:_SHOWN]:
        lines.append(f"  {one['photo']}: {100 * one['share']:.2f} % of it, {one['distance_m']:.1f} m away")
    for one in known.get("defects", []):
        lines.append(f"defect {one['id']}: {one['kind']}, {one['state']}, {one['marks']} marks")
    lines += [f"not placed: {one['file']}: {one['problem']}" for one in known["without_pose"][:_SHOWN]]
    lines += [f"not marked: {one}" for one in known.get("not_marked", [])[:_SHOWN]]
    return lines
