"""`aid4 drone simulate`: scan a model as it would stand on a day, with deviations from the plan that are known."""

import json
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from drone_ingest.command_options import AS_JSON, AT, IFC, LINKS, SCHEDULE, SITE, TILES, bar, tile_bar
from wire.errors import UserError

__all__ = ["simulate"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_SHARE = click.FloatRange(0, 1)
_MILLI = click.FloatRange(0, 1_000)


@click.command()
@IFC
@LINKS
@SCHEDULE
@AT
@click.option("--flight", type=_FILE, help="Where the sensor stood: id,x,y,z in model metres (.csv), a log, or a plan.")
@click.option("--stations", "count", default=24, show_default=True, help="Places on an orbit, without --flight.")
@click.option("--out", type=_FILE, required=True, help="The cloud: .las, .laz or .ply.")
@click.option("--sensor", "kind", type=click.Choice(["lidar", "photogrammetry"]), default="lidar", show_default=True)
@click.option("--points", default=1_000_000, show_default=True, help="At most.")
@click.option("--sigma-mm", type=_MILLI, default=20.0, show_default=True, help="Noise of a LiDAR's range.")
@click.option("--gsd-mm", type=_MILLI, default=10.0, show_default=True, help="Pixel on the surface at 20 m, of photos.")
@click.option("--late", type=_SHARE, default=0.0, show_default=True, help="Share of planned elements left out.")
@click.option("--early", type=_SHARE, default=0.0, show_default=True, help="Share of later elements that stand.")
@click.option("--outliers", type=_SHARE, default=0.01, show_default=True)
@click.option("--clutter", type=_SHARE, default=1.0, show_default=True, help="Scaffolding, formwork, plants, people.")
@click.option("--glass", type=_SHARE, default=0.9, show_default=True, help="Share of shots at glass that are lost.")
@click.option("--voids", type=_SHARE, default=0.15, show_default=True, help="Uniform surface that photos cannot match.")
@click.option("--hole-fill", type=_SHARE, default=0.3, show_default=True, help="Gaps that photogrammetry bridges.")
@click.option("--doming-mm", type=_MILLI, default=0.0, show_default=True, help="Of photogrammetry.")
@click.option("--tolerance-mm", type=_MILLI, default=5.0, show_default=True, help="Of building against drawing.")
@click.option("--shift", type=(float, float, float), default=(0.0, 0.0, 0.0), help="X Y Z in metres, of registration.")
@click.option("--yaw-deg", default=0.0, show_default=True, help="The same, turned.")
@click.option("--on-map", is_flag=True, help="Write the cloud in the map coordinates of the site.")
@click.option("--seed", default=1, show_default=True)
@SITE
@TILES
@AS_JSON
def simulate(
    ifc: Path,
    links: Path | None,
    schedule: Path | None,
    at: str | None,
    flight: Path | None,
    count: int,
    out: Path,
    kind: Literal["lidar", "photogrammetry"],
    points: int,
    sigma_mm: float,
    gsd_mm: float,
    late: float,
    early: float,
    outliers: float,
    clutter: float,
    glass: float,
    voids: float,
    hole_fill: float,
    doming_mm: float,
    tolerance_mm: float,
    shift: tuple[float, float, float],
    yaw_deg: float,
    on_map: bool,
    seed: int,
    site: Path | None,
    tiles: Path | None,
    as_json: bool,
) -> None:
    """Scan a model as it would stand at a moment; the truth is written beside the cloud.

    Without --links, --schedule and --at everything stands. FILE.stations.csv says where the sensor stood,
    FILE.trajectory.csv when, FILE.truth.json what is true.
    """
    from drone_ingest.model import open_model
    from drone_ingest.simulate import Disturbance, Sensor, simulate_scan, write_cameras, write_scan
    from drone_ingest.simulate.standing import standing_at, stations_of

    with tile_bar(ifc.name) as tell, open_model(ifc, tiles, tell) as model:
        frame = model.frame(site) if on_map or (flight is not None and flight.suffix.lower() != ".csv") else None
        stands = standing_at(model, links, schedule, at, late, early, seed)
        places = stations_of(model, flight, count, frame)
        disturbance = Disturbance(
            outlier_share=outliers, clutter=clutter, doming_m=doming_mm / 1000, hole_fill=hole_fill, voids=voids,
            glass=glass, tolerance_m=tolerance_mm / 1000, shift_m=shift, yaw_deg=yaw_deg,
            georeference=_matrix(frame) if on_map and frame else None, epsg=_epsg(frame) if on_map and frame else None,
        )  # fmt: skip
        sensor = Sensor(kind=kind, points=points, sigma_m=sigma_mm / 1000, gsd_m=gsd_mm / 1000)
        with bar("stations", len(places)) as progress:
            scan = simulate_scan(model.meshes, stands.built, places, sensor, disturbance, seed, progress)
    scan.truth.update(at=stands.at, late=stands.late, early=stands.early, planned=stands.planned)
    beside = {name: out.with_suffix(f".{name}") for name in ("stations.csv", "trajectory.csv", "truth.json")}
    try:
        write_scan(scan, out, beside["stations.csv"], truth=beside["truth.json"], trajectory=beside["trajectory.csv"])
    except OSError as error:
        raise UserError(str(error.strerror), file=str(out), field="--out", fix="give a place to write") from error
    if scan.axes is not None:
        beside["cameras"] = out.with_suffix(".cameras")
        write_cameras(scan, beside["cameras"])
    known = {
        "simulated": True, "cloud": str(out), "points": len(scan.points), "of": scan.truth["points"], "at": stands.at,
        "stations": len(places), "planned": stands.planned, "built": len(stands.built), "late": stands.late,
        "early": stands.early, "transform": scan.truth["transform"], "seed": seed,
        "files": {name: str(path) for name, path in beside.items()},
    }  # fmt: skip
    click.echo(json.dumps(known, ensure_ascii=False) if as_json else _told(known))


def _matrix(frame: Any) -> tuple[tuple[float, float, float, float], ...]:
    """The frame as 4x4, model metres → map: it is linear, so four points say it all."""
    placed = frame.to_projected(np.concatenate([np.zeros((1, 3)), np.eye(3)]))
    rows = np.column_stack([(placed[1:] - placed[0]).T, placed[0]]).tolist()
    return tuple((a, b, c, d) for a, b, c, d in [*rows, [0.0, 0.0, 0.0, 1.0]])


def _epsg(frame: Any) -> int | None:
    kind, _, code = (frame.crs or "").partition(":")
    return int(code) if kind == "EPSG" and code.isdigit() else None


def _told(known: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count} {name}" for name, count in known["of"].items() if count)
    lines = [
        f"simulated: {known['points']} points from {known['stations']} stations ({kinds})",
        "   ".join(f"{name}: {_many(known[name])}" for name in ("built", "planned", "late", "early")),
        *(f"{name}: {path}" for name, path in [("cloud", known["cloud"]), *known["files"].items()]),
    ]
    return "\n".join(lines)


def _many(value: int | list[str]) -> int:
    return value if isinstance(value, int) else len(value)
