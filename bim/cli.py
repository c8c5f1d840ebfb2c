"""`aid4 bim`: look into a building model, bind points to it, author a park."""

import click
import msgspec

from bim.bcf.cli import bcf
from bim.bind_cli import bind
from bim.campus.cli import sample
from bim.checks.cli import check
from bim.command_options import AS_JSON, MODEL, opened, reader_bounds
from bim.geo.cli import calibrate, locate
from bim.info_cli import info
from bim.plans.cli import plan
from bim.schedule.cli import schedule, state
from bim.tiles.cli import tiles
from bim.tree import lines_of, tree_of
from bim.writeback.cli import writeback

__all__ = ["bim"]


@click.group()
def bim() -> None:
    """Look into a building model and bind points to it."""


bim.add_command(calibrate)
bim.add_command(bcf)
bim.add_command(bind)
bim.add_command(check)
bim.add_command(info)
bim.add_command(locate)
bim.add_command(plan)
bim.add_command(sample)
bim.add_command(schedule)
bim.add_command(state)
bim.add_command(tiles)
bim.add_command(writeback)


@bim.command()
@MODEL
@click.option("--elements/--no-elements", default=False, help="Show the elements in storeys and spaces too.")
@reader_bounds
@AS_JSON
def tree(file: str, elements: bool, memory_mib: int, seconds: float, as_json: bool) -> None:
    """The spatial tree: site, building, storeys, spaces."""
    with opened(file, memory_mib, seconds) as (_, tables):
        roots = tree_of(tables["elements"], with_elements=elements)
    click.echo(msgspec.json.encode({"roots": roots}).decode() if as_json else "\n".join(lines_of(roots)))
