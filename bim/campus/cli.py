"""`aid4 bim sample`: author the park of a site's folder."""

import json
import time
from datetime import date, datetime
from pathlib import Path

import click

from bim.command_options import AS_JSON
from wire.errors import UserError

__all__ = ["sample"]

_CAMPUS = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
_SEED = 4
_DATA_DATE = date(2026, 6, 15)  # a Monday, so that a model authored without a date is always the same one


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--site", type=click.Path(path_type=Path), default=_CAMPUS, help="Folder with a layout.toml.")
@click.option("--seed", default=_SEED, show_default=True, help="Decides the GlobalIds.")
@click.option(
    "--data-date",
    type=click.DateTime(["%Y-%m-%d"]),
    default=_DATA_DATE.isoformat(),
    show_default=True,
    help="Day up to which the plan has actual dates.",
)
@AS_JSON
def sample(out: Path, site: Path, seed: int, data_date: datetime, as_json: bool) -> None:
    """Author the park of a site's folder as IFC4X3; the same tables, seed and data date give the same bytes."""
    from bim.campus.author import write_site

    started = time.perf_counter()
    try:
        made = write_site(site, out, seed=seed, data_date=data_date.date())
    except OSError as error:
        raise UserError(str(error.strerror), file=str(out), fix="give a path that can be written") from error
    if as_json:
        seconds = round(time.perf_counter() - started, 3)
        known = {"elements": made.elements, "sensors": made.sensors, "tasks": made.tasks, "seconds": seconds}
        click.echo(json.dumps({"file": str(out), **known}))
        return
    click.echo(f"{out}: {made.elements} elements, {made.sensors} sensors, {made.tasks} tasks")
