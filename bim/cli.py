"""`aid4 bim`: look into a building model, bind points to it, author a park."""

import json
import tomllib
from pathlib import Path

import click
import msgspec

from bim.bcf.cli import bcf
from bim.bind_rules import BindRule, read_rules
from bim.binding import bind as bind_points
from bim.campus.cli import sample
from bim.checks.cli import check
from bim.command_options import AS_JSON, MODEL, opened, reader_bounds
from bim.geo.cli import calibrate, locate
from bim.info_cli import info
from bim.model_index import ModelIndex
from bim.plans.cli import plan
from bim.points_file import read_points
from bim.schedule.cli import schedule, state
from bim.tiles.cli import tiles
from bim.tree import lines_of, tree_of
from wire.errors import ConfigError

__all__ = ["bim"]


@click.group()
def bim() -> None:
    """Look into a building model and bind points to it."""


bim.add_command(calibrate)
bim.add_command(bcf)
bim.add_command(check)
bim.add_command(info)
bim.add_command(locate)
bim.add_command(plan)
bim.add_command(sample)
bim.add_command(schedule)
bim.add_command(state)
bim.add_command(tiles)


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


@bim.command()
@MODEL
@click.option("--site", type=click.Path(path_type=Path), required=True, help="Folder with a site.toml.")
@click.option("--points", type=click.Path(path_type=Path), required=True, help="CSV or JSON of points.")
@reader_bounds
@AS_JSON
def bind(file: str, site: Path, points: Path, memory_mib: int, seconds: float, as_json: bool) -> None:
    """Which element each point belongs to, how that was found, and what belongs nowhere."""
    rules, given = _rules_of(site), read_points(points)
    with opened(file, memory_mib, seconds) as (_, tables):
        model = ModelIndex.from_table(tables["elements"])
    report = bind_points(given, model, rules)
    keys = {point.id: point.key for point in given}
    if as_json:
        rows = [{"key": keys[one.point_id], **msgspec.to_builtins(one)} for one in report.bindings]
        rest = [{"key": keys[one.point_id], "reason": one.reason} for one in report.unbound]
        document = {
            "bound": len(rows),
            "by_how": report.by_how,
            "bindings": rows,
            "unbound": rest,
            "unused": report.unused,
        }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for one in report.bindings:
        click.echo(f"{keys[one.point_id]}  {one.how} {one.confidence:.2f}  {one.detail}")
    for missing in report.unbound:
        click.echo(f"{keys[missing.point_id]}  unbound: {missing.reason}")
    for line in report.unused:
        click.echo(line, err=True)


def _rules_of(site: Path) -> list[BindRule]:
    path = site / "site.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("bind", [])
    except FileNotFoundError as error:
        raise ConfigError("no such file", file=str(path), fix="give a folder that holds a site.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(error), file=str(path), fix="mend the TOML") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError("it is not a list of tables", file=str(path), field="bind", fix="write [[bind]]")
    return read_rules(tables, path)
