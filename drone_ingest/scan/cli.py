"""`aid4 drone register` and `aid4 drone progress`: lay a cloud on the model, and say what is built."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from drone_ingest.command_options import AS_JSON, AT, IFC, LINKS, SCHEDULE, SITE, TILES, bar, tile_bar
from wire.errors import InputError, UserError

__all__ = ["progress", "register"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_CLOUD = click.argument("cloud", type=_FILE)
_STATIONS = click.option(
    "--stations", type=_FILE, help="CSV id,x,y,z of the point_source_ids, in the cloud's coordinates."
)
_TRAJECTORY = click.option("--trajectory", type=_FILE, help="CSV time,x,y,z of the gps_times.")
_CAMERAS = click.option(
    "--cameras", type=click.Path(path_type=Path), help="Cameras of ODM, Metashape, Pix4D or COLMAP, for photogrammetry."
)
_PRIOR = click.option(
    "--prior",
    help="none | site | rtk | given:X,Y,Z[,YAW] | gcp:FILE.csv | FILE with a 4x4 matrix. Default: what is near.",
)
_CONTROL = click.option(
    "--control", "--gcp", "control", type=_FILE, help="CSV of control points: id, cloud x, y, z, model x, y, z."
)
_SIGMA = click.option(
    "--sigma-m", type=click.FloatRange(0.0005, 0.5), help="Noise of the sensor; default: as measured."
)
_UNIT = click.option("--unit-m", type=click.FloatRange(1e-6, 1e3), help="Metres to one unit of the cloud.")


@click.command()
@_CLOUD
@IFC
@_PRIOR
@_CONTROL
@_STATIONS
@_TRAJECTORY
@_CAMERAS
@LINKS
@SCHEDULE
@AT
@_SIGMA
@_UNIT
@SITE
@TILES
@AS_JSON
def register(
    cloud: Path,
    ifc: Path,
    prior: str | None,
    control: Path | None,
    stations: Path | None,
    trajectory: Path | None,
    cameras: Path | None,
    links: Path | None,
    schedule: Path | None,
    at: str | None,
    sigma_m: float | None,
    unit_m: float | None,
    site: Path | None,
    tiles: Path | None,
    as_json: bool,
) -> None:
    """Lay a cloud on what is planned to stand (--links and --at; else on the whole model), or say why it cannot be."""
    from drone_ingest.scan.job import register_job

    _check_cloud(cloud)
    with _opened(ifc, tiles) as model, tempfile.TemporaryDirectory(prefix="aid4-scan-") as out:
        planned = _planned(model, links, schedule, at) if links or schedule else {}
        job = _job(model, cloud, prior, control, stations, trajectory, cameras, sigma_m, unit_m, site, at, Path(out))
        with _stages() as tell:
            result = register_job(job, model.meshes, planned, tell)
    known = _builtins(result, ("counts", "decided_share", "late", "early", "evidence"))
    click.echo(json.dumps(known, ensure_ascii=False) if as_json else _told(known))


@click.command()
@_CLOUD
@IFC
@LINKS
@SCHEDULE
@AT
@_STATIONS
@_TRAJECTORY
@_CAMERAS
@_PRIOR
@_CONTROL
@click.option(
    "--register/--no-register", "fit", default=True, show_default=True, help="Fit the cloud, or only judge it."
)
@_SIGMA
@_UNIT
@click.option("--out", type=_FILE, help="Write the verdicts here (.parquet); evidence goes beside.")
@SITE
@TILES
@AS_JSON
def progress(
    cloud: Path,
    ifc: Path,
    links: Path | None,
    schedule: Path | None,
    at: str | None,
    stations: Path | None,
    trajectory: Path | None,
    cameras: Path | None,
    prior: str | None,
    control: Path | None,
    fit: bool,
    sigma_m: float | None,
    unit_m: float | None,
    out: Path | None,
    site: Path | None,
    tiles: Path | None,
    as_json: bool,
) -> None:
    """Say of every element whether it is built, not built, or unknown because the sensor could not see it."""
    from drone_ingest.scan.job import run_job

    _check_cloud(cloud)
    with _opened(ifc, tiles) as model, tempfile.TemporaryDirectory(prefix="aid4-scan-") as work:
        planned = _planned(model, links, schedule, at)
        job = _job(model, cloud, prior, control, stations, trajectory, cameras, sigma_m, unit_m, site, at, Path(work))
        with _stages() as tell:
            result, _ = run_job(msgspec.structs.replace(job, register=fit), model.meshes, planned, tell)
        if out is not None:
            _keep(Path(work), out)
    known = _builtins(result, ())
    known |= {**result.counts, "late": len(result.late), "early": len(result.early),
              "late_elements": result.late, "early_elements": result.early}  # fmt: skip
    known["counts"] = {**result.counts, "not built": result.counts["not_built"]}  # as the table spells it
    known["out"] = None if out is None else str(out)
    click.echo(json.dumps(known, ensure_ascii=False) if as_json else _told(known))


def _check_cloud(cloud: Path) -> None:
    if not cloud.is_file():
        raise InputError("there is no such file", file=str(cloud), fix="check the path")


@contextmanager
def _opened(ifc: Path, tiles: Path | None) -> Iterator[Any]:
    from drone_ingest.model import open_model

    with tile_bar(ifc.name) as tell, open_model(ifc, tiles, tell) as model:
        yield model


def _planned(model: Any, links: Path | None, schedule: Path | None, at: str | None) -> dict[str, int]:
    from drone_ingest.model import element_plan, moment_of, planned_at

    return planned_at(element_plan(model, links, schedule), moment_of(at))


def _job(
    model: Any,
    cloud: Path,
    prior: str | None,
    control: Path | None,
    stations: Path | None,
    trajectory: Path | None,
    cameras: Path | None,
    sigma_m: float | None,
    unit_m: float | None,
    site: Path | None,
    at: str | None,
    out: Path,
) -> Any:
    from drone_ingest.scan.job import ScanJob
    from drone_ingest.scan.prior import parse_prior

    given = [None if one is None else str(one) for one in (stations, trajectory, cameras, control)]
    return ScanJob(
        cloud=str(cloud), meshes=str(model.folder), at=at, stations=given[0], trajectory=given[1], cameras=given[2],
        controls=given[3], sigma_m=sigma_m, unit_m=unit_m, prior=parse_prior(prior), site_frame=_site(model, site),
        out_dir=str(out),
    )  # fmt: skip


def _site(model: Any, site: Path | None) -> list[list[float]] | None:
    """Model metres → map as 4x4, by the file or the site's folder; None when neither says."""
    import numpy as np

    try:
        frame = model.frame(site)
        placed = frame.to_projected(np.concatenate([np.zeros((1, 3)), np.eye(3)]))
    except UserError:
        if site is not None:
            raise
        return None
    rows: list[list[float]] = np.vstack(
        [np.column_stack([(placed[1:] - placed[0]).T, placed[0]]), [0, 0, 0, 1]]
    ).tolist()
    return rows


def _keep(work: Path, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / "verdicts.parquet", out)
        if any((work / "evidence").iterdir()):
            shutil.copytree(work / "evidence", out.with_suffix(".evidence"), dirs_exist_ok=True)
    except OSError as error:
        raise UserError(str(error.strerror), file=str(out), field="--out", fix="give a place to write") from error


def _builtins(result: Any, without: tuple[str, ...]) -> dict[str, Any]:
    known: dict[str, Any] = msgspec.to_builtins(result)
    return {name: value for name, value in known.items() if name not in without}


@contextmanager
def _stages() -> Iterator[Callable[[str, float], None]]:
    done = 0.0
    with bar("scan", 100) as update:

        def tell(_stage: str, share: float) -> None:
            nonlocal done
            update(max(round(100 * (share - done)), 0))
            done = max(done, share)

        yield tell


def _told(known: dict[str, Any]) -> str:
    simulated = "simulated: " if known["simulated"] else ""
    residual = "-" if known["residual_m"] is None else f"{known['residual_m'] * 100:.1f} cm"
    head = f"{simulated}registration {'accepted' if known['accepted'] else 'refused'}"
    lines = [f"{head}, residual {residual}, overlap {known['overlap']:.0%}, {known['points']} points"]
    lines += [f"  {reason['text']}: {reason['fix']}" for reason in known["reasons"]]
    if "built" in known:
        decided = f"{known['decided_share']:.0%} of the planned elements decided"
        lines.append(f"built {known['built']}, not built {known['not_built']}, unknown {known['unknown']}; {decided}")
        lines.append(f"late {known['late']}, early {known['early']}")
    return "\n".join([*lines, *(f"warning: {one}" for one in known["warnings"])])
