"""`aid4 bim bind`: which element each point belongs to, what belongs nowhere, and the same as Brick."""

import json
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec
import pyarrow as pa

from bim.bind_rules import BindRule, read_rules
from bim.binding import BindingReport, PointRef
from bim.binding import bind as bind_points
from bim.brick.equipment import brick_class
from bim.brick.export import turtle
from bim.brick.read import read_brick
from bim.brick.tags import tags_of
from bim.command_options import AS_JSON, MODEL, opened, reader_bounds
from bim.model_index import ModelIndex
from bim.points_file import read_points
from wire.errors import ConfigError, InputError
from wire.point_classes import POINT_CLASSES

__all__ = ["bind", "rules_of"]


@click.command()
@MODEL
@click.option("--points", type=click.Path(path_type=Path), help="CSV or JSON of points.")
@click.option("--site", type=click.Path(path_type=Path), help="Folder with a site.toml: its [[bind]] rules.")
@click.option("--brick-in", type=click.Path(path_type=Path), help="Brick file (Turtle) that names elements of points.")
@click.option("--brick", "brick_out", type=click.Path(path_type=Path), help="Write model and points as Brick (Turtle).")
@reader_bounds
@AS_JSON
def bind(
    file: str,
    points: Path | None,
    site: Path | None,
    brick_in: Path | None,
    brick_out: Path | None,
    memory_mib: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Which element each point belongs to, how that was found and how sure it is, and what belongs nowhere.

    Without --points it lists the sensors, actuators, controllers and meters of the model, which all lack a point.
    """
    rules = rules_of(site) if site else []
    given = read_points(points) if points else []
    named = {one.name: one for one in read_brick(brick_in)} if brick_in else {}
    with opened(file, memory_mib, seconds) as (summary, tables):
        elements = tables["elements"]
    report = bind_points(given, ModelIndex.from_table(elements), rules, named)
    if brick_out is not None:
        name = site.name if site else Path(summary.file).stem
        _write(brick_out, elements, given, report, name)
    document = _document(elements, given, report)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for one in document["bindings"]:
        click.echo(f"{one['key']}  {one['how']} {one['confidence']:.2f}  {one['detail']}")
    for one in document["unbound"]:
        click.echo(f"{one['key']}  unbound: {one['reason']}")
    for one in document["elements_without_points"]:
        click.echo(f"{one['id']}  {one['type']} {one['name']!r}: a {one['role']} without a point")
    for line in report.unused:
        click.echo(line, err=True)


def _document(elements: pa.Table, points: list[PointRef], report: BindingReport) -> dict[str, Any]:
    """The document of `aid4 bim bind --json`."""
    rows = {row["id"]: row for row in elements.to_pylist()}
    by_id = {point.id: point for point in points}
    bound = [_bound(by_id[one.point_id], msgspec.to_builtins(one), rows) for one in report.bindings]
    used = {one.element for one in report.bindings}
    bare = [row for row in rows.values() if row["role"] and row["category"] == "element" and row["id"] not in used]
    return {
        "bound": len(bound),
        "by_how": report.by_how,
        "bindings": bound,
        "unbound": [{"key": by_id[one.point_id].key, "reason": one.reason} for one in report.unbound],
        "elements_without_points": [
            {name: row[name] for name in ("id", "type", "name", "role", "space", "point_keys", "devices")}
            for row in bare
        ],
        "unused": report.unused,
    }


def _bound(point: PointRef, binding: dict[str, Any], rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    element, space = rows[binding["element"]], rows.get(binding["space"] or "")
    rule = POINT_CLASSES.get(point.point_class)
    brick = rule.brick if rule else ""
    return {
        "key": point.key,
        **binding,
        "type": element["type"],
        "name": element["name"],
        "space_name": f"{space['name']} {space['long_name']}".strip() if space else None,
        "brick": brick,
        "tags": tags_of(brick),
        "element_brick": brick_class(element),
    }


def _write(path: Path, elements: pa.Table, points: list[PointRef], report: BindingReport, site: str) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(turtle(site, elements, points, report.bindings))
    except OSError as error:
        raise InputError(str(error.strerror), file=str(path), fix="give a path that can be written") from error


def rules_of(site: Path) -> list[BindRule]:
    """The [[bind]] tables of a site.toml; raises ConfigError."""
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
