"""`aid4 bim writeback`: sensors, actual dates and verdicts into a copy of a model."""

import json
import sys
from pathlib import Path

import click
import msgspec

from bim.bind_cli import rules_of
from bim.binding import bind as bind_points
from bim.brick.read import read_brick
from bim.command_options import AS_JSON, MODEL, limits_of, opened
from bim.model_index import ModelIndex
from bim.points_file import read_points
from bim.writeback.rows import Job, SensorRow, read_actuals, read_verdicts
from bim.writeback.run import WRITE_LIMITS, write_back
from wire.errors import InputError
from wire.point_classes import POINT_CLASSES

__all__ = ["writeback"]

_SHOWN = 20


@click.command()
@MODEL
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--points", type=click.Path(path_type=Path), help="CSV or JSON of points; GET /api/v1/points is one.")
@click.option("--site", type=click.Path(path_type=Path), help="Folder with a site.toml: its [[bind]] rules.")
@click.option("--brick-in", type=click.Path(path_type=Path), help="Brick file that names elements of points.")
@click.option("--actuals", type=click.Path(path_type=Path), help="CSV: task or element, start, finish, percent.")
@click.option("--verdicts", type=click.Path(path_type=Path), help="CSV: element, verdict, at, probability, scan.")
@click.option("--validate/--no-validate", default=True, help="Compare what ifcopenshell.validate says of both files.")
@click.option("--memory-mib", default=WRITE_LIMITS.memory_bytes >> 20, show_default=True, help="Memory of the writer.")
@click.option("--seconds", default=WRITE_LIMITS.wall_s, show_default=True, help="Time of the writer.")
@AS_JSON
def writeback(
    file: str,
    out: Path,
    points: Path | None,
    site: Path | None,
    brick_in: Path | None,
    actuals: Path | None,
    verdicts: Path | None,
    validate: bool,
    memory_mib: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Write sensors of bound points, actual dates and verdicts into the copy OUT of an IFC file.

    Exit code 1 when the copy breaks a rule of its schema that the original keeps.
    """
    if points is None and actuals is None and verdicts is None:
        raise InputError("there is nothing to write", field="--points", fix="give --points, --actuals or --verdicts")
    limits = limits_of(memory_mib, seconds)
    sensors, unbound = _sensors(file, points, site, brick_in, memory_mib, seconds) if points else ([], [])
    job = Job(
        sensors=sensors,
        actuals=read_actuals(actuals) if actuals else [],
        verdicts=read_verdicts(verdicts) if verdicts else [],
        validate=validate,
    )
    report = write_back(file, out, job, limits)
    report = msgspec.structs.replace(report, skipped=[*unbound, *report.skipped])
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(report), ensure_ascii=False))
    else:
        for name, value in msgspec.to_builtins(report).items():
            click.echo(f"{name}: {len(value) if isinstance(value, list) else value}")
        for line in [*report.skipped[:_SHOWN], *report.new_errors[:_SHOWN]]:
            click.echo(line, err=True)
    sys.exit(1 if report.new_errors else 0)


def _sensors(
    file: str, points: Path, site: Path | None, brick_in: Path | None, memory_mib: int, seconds: float
) -> tuple[list[SensorRow], list[str]]:
    """Bound points, and why the others are not."""
    given = read_points(points)
    named = {one.name: one for one in read_brick(brick_in)} if brick_in else {}
    with opened(file, memory_mib, seconds) as (_, tables):
        report = bind_points(given, ModelIndex.from_table(tables["elements"]), rules_of(site) if site else [], named)
    by_id = {point.id: point for point in given}
    rows = []
    for one in report.bindings:
        point = by_id[one.point_id]
        rule = POINT_CLASSES.get(point.point_class)
        rows.append(
            SensorRow(
                key=point.key,
                element=one.element,
                space=one.space,
                point_class=point.point_class,
                unit=point.unit,
                label=point.label,
                brick=rule.brick if rule else "",
                position_m=point.position_m,
            )
        )
    return rows, [f"{by_id[one.point_id].key}: {one.reason}" for one in report.unbound]
