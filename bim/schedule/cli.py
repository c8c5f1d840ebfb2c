"""`aid4 bim schedule` and `aid4 bim state`: what a schedule holds, and what it says about elements at a moment."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import msgspec
import numpy as np
import pyarrow as pa

from bim.limits import MIB, ModelLimits
from bim.open import load_tables, read_model
from bim.schedule.coverage import coverage
from bim.schedule.diff import diff
from bim.schedule.element_plan import ElementPlan, planned_elements
from bim.schedule.link_csv import read_links, resolve_links
from bim.schedule.link_rules import ElementFields, link_by_rules, read_rules
from bim.schedule.one_project import only_project
from bim.schedule.progress import Progress
from bim.schedule.read import read_schedule
from bim.schedule.report import late_rows, network_report, summary_of, task_rows
from bim.schedule.tables import Schedule
from bim.schedule.timeline import STATES
from bim.schedule.times import parse_at
from bim.tables import write_table
from wire.errors import UserError

__all__ = ["schedule", "state"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_ENCODING = click.option("--encoding", default="", help="Encoding of an XER or CSV file that does not say it.")
_BASELINE = click.option("--baseline", default=None, help="Plan by this saved baseline (0 is MS Project's own).")
_ZONE = click.option(
    "--time-zone", default="UTC", show_default=True, help="Zone of the site, for times with an offset."
)
_AT_HELP = "Moment on the site's clock; a date alone is the close of that day. Default: now."
_SHOWN = 20


@click.command()
@click.argument("file", type=click.Path(path_type=str))
@click.option("--at", default=None, help=f"Late tasks at this moment. {_AT_HELP}")
@click.option("--tasks/--no-tasks", default=True, help="List every task in the JSON.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the tables as Arrow files.")
@click.option("--against", type=click.Path(path_type=str), help="An earlier revision: what has changed since.")
@click.option("--project", default="", help="Of a file with several projects, this one.")
@_ENCODING
@_BASELINE
@_ZONE
@_JSON
def schedule(
    file: str,
    at: str | None,
    tasks: bool,
    out: Path | None,
    against: str | None,
    project: str,
    encoding: str,
    baseline: str | None,
    time_zone: str,
    as_json: bool,
) -> None:
    """Read a schedule (P6 XER or XML, MS Project XML, CSV, IFC), compute its network and compare with its own dates."""
    with _steps(3, quiet=as_json) as step:
        found = _read(file, encoding, project)
        before = _read(against, encoding, project) if against else None
        step()
        network = network_report(found)
        step()
        progress = Progress.of(found, baseline)
        moment = _moment(at, time_zone)
        late = progress.late(moment)
        step()
    known = {
        **summary_of(found),
        "network": network,
        "at": moment.isoformat(),
        "late": late_rows(late),
        "s_curve": [{**row, "at": row["at"].isoformat()} for row in progress.s_curve(41).to_pylist()],
    }
    if before is not None:
        changes = diff(before, found)
        known["changes"] = {"counts": changes.counts(), **msgspec.to_builtins(changes)}
    if out is not None:
        _write(found, out)
    if as_json:
        if tasks:
            known["items"] = task_rows(found)
        click.echo(json.dumps(known, ensure_ascii=False))
        return
    _print_schedule(known)


@click.command()
@click.option("--ifc", type=click.Path(path_type=str), required=True, help="The model.")
@click.option(
    "--schedule", "plan_file", type=click.Path(path_type=str), help="The plan; else that of the links or model."
)
@click.option(
    "--links",
    type=click.Path(path_type=str),
    help="CSV of GlobalId and task_id (and dates, without --schedule).",
)
@click.option("--rules", type=click.Path(path_type=Path), help="TOML with [[task_link]] rules.")
@click.option("--at", default=None, help=_AT_HELP)
@click.option("--umbrella", multiple=True, help="Task (id or code) that must not decide; may be repeated.")
@click.option("--decides", multiple=True, help="Task that does decide, however wide; may be repeated.")
@click.option(
    "--memory-mib", default=ModelLimits().memory_bytes // MIB, show_default=True, help="Memory of the reader."
)
@click.option("--seconds", default=ModelLimits().wall_s, show_default=True, help="Time of the reader.")
@_ENCODING
@_BASELINE
@_ZONE
@_JSON
def state(
    ifc: str,
    plan_file: str | None,
    links: str | None,
    rules: Path | None,
    at: str | None,
    umbrella: tuple[str, ...],
    decides: tuple[str, ...],
    memory_mib: int,
    seconds: float,
    encoding: str,
    baseline: str | None,
    time_zone: str,
    as_json: bool,
) -> None:
    """What the plan says about every element at a moment, and which elements no task decides."""
    limits = ModelLimits(memory_bytes=memory_mib * MIB, wall_s=seconds, cpu_s=max(1, round(seconds)))
    moment = _moment(at, time_zone)
    with _steps(3, quiet=as_json) as step:
        given = read_links(Path(links), encoding) if links and plan_file else None
        found = read_schedule(plan_file or links or ifc, encoding=encoding)
        step()
        with tempfile.TemporaryDirectory(prefix="aid4-bim-") as folder:
            read_model(ifc, Path(folder), limits)
            model = load_tables(Path(folder))
        step()
        table, missing = _links(found, given, rules, model)
        elements = planned_elements(model["elements"], table)
        plan = ElementPlan.of(Progress.of(found, baseline), table, elements, never=decides, always=umbrella)
        step()
    if table.num_rows and not plan.elements_linked:
        fix = "give the model that these links were made for"
        raise UserError("none of the linked elements is in this model", file=links or str(rules or ifc), fix=fix)
    report = coverage(plan, table, missing, model["elements"])
    if as_json:
        click.echo(json.dumps({**_state_document(plan, moment), **report}, ensure_ascii=False))
        return
    _print_state(plan, moment, report)


def _read(file: str, encoding: str, project: str) -> Schedule:
    found = read_schedule(file, encoding=encoding)
    return only_project(found, project) if project else found


def _links(
    found: Schedule, given: pa.Table | None, rules: Path | None, model: dict[str, pa.Table]
) -> tuple[pa.Table, list[str]]:
    """Links of the file, of the schedule itself, and of rules; tasks named otherwise are resolved to their ids."""
    tables: list[pa.Table] = [found["element_tasks"]]
    missing: list[str] = []
    if given is not None:
        own, missing = resolve_links(given, found)
        tables.append(own)
    if rules is not None:
        fields = ElementFields(model["elements"], model["relations"])
        tables.append(link_by_rules(found, fields, read_rules(rules)).links)
    table = pa.concat_tables(tables)
    if not table.num_rows:
        problem = f"{len(missing)} tasks of the links are not in the schedule" if missing else "no task is linked"
        raise UserError(problem, file=found.about.file, fix="give --links a CSV with GlobalId and task_id, or --rules")
    return table, missing


def _state_document(plan: ElementPlan, moment: datetime) -> dict[str, Any]:
    table = plan.table(moment)
    rows = table.filter(pa.array(plan.planned.known)).to_pylist()
    items = [
        {
            "id": row["element"],
            "state": row["planned"],
            "planned": row["planned"],
            "actual": row["actual"],
            "forecast": row["forecast"],
            "planned_start": row["planned_start"].isoformat(),
            "planned_finish": row["planned_finish"].isoformat(),
        }
        for row in rows
    ]
    return {"at": moment.isoformat(), "elements": items, "counts": _counts(plan, moment)}


def _counts(plan: ElementPlan, moment: datetime) -> dict[str, dict[str, int]]:
    found = {}
    for name, line in (("planned", plan.planned), ("actual", plan.actual), ("forecast", plan.forecast_dates)):
        counts = np.bincount(line.at(moment), minlength=len(STATES)).tolist()
        found[name] = dict(zip(STATES, counts, strict=True))
    return found


def _moment(at: str | None, time_zone: str) -> datetime:
    """A wall-clock time of the site; one with an offset is converted to the site's zone."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UserError(
            f"there is no zone {time_zone!r}", field="--time-zone", fix="for example Europe/Bratislava"
        ) from error
    if at is None:
        return datetime.now(UTC).astimezone(zone).replace(tzinfo=None, microsecond=0)
    try:
        aware = datetime.fromisoformat(at) if ":" in at else None
        if aware is not None and aware.tzinfo is not None:
            return aware.astimezone(zone).replace(tzinfo=None, microsecond=0)
        return parse_at(at)
    except (ValueError, OverflowError) as error:
        raise UserError(str(error), field="--at", fix="write 2015-06-26 or 2015-06-26T15:00") from error


@contextmanager
def _steps(count: int, *, quiet: bool) -> Iterator[Any]:
    """A progress bar on stderr for a person who waits; nothing when a program reads."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=count, file=sys.stderr, label="reading") as bar:
        yield lambda: bar.update(1)


def _write(found: Schedule, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, table in found.tables.items():
            write_table(table, out / f"{name}.arrow")
        (out / "about.json").write_bytes(msgspec.json.encode(found.about))
    except OSError as error:
        raise UserError(str(error.strerror), file=str(out), fix="give a folder that can be written") from error


def _print_schedule(known: dict[str, Any]) -> None:
    for name in ("file", "format", "name", "start", "finish", "data_date", "tasks", "links", "lags", "calendars"):
        click.echo(f"{name}: {known[name]}")
    network = known["network"]
    for name, value in network.items():
        if isinstance(value, list):
            click.echo(f"{name}: {len(value)}")
            for one in value[:_SHOWN]:
                click.echo(f"  {one if isinstance(one, str) else ' · '.join(str(part) for part in one.values())}")
        else:
            click.echo(f"{name}: {value}")
    click.echo(f"late at {known['at']}: {len(known['late'])}")
    for row in known["late"][:_SHOWN]:
        click.echo(f"  {row['code']} {row['name']}: {row['why']}, {row['delay_h']:.1f} h")
    if "changes" in known:
        counts = ", ".join(f"{count} {what}" for what, count in known["changes"]["counts"].items())
        click.echo(f"changes: {counts}")
    for line in known["warnings"]:
        click.echo(f"warning: {line}", err=True)


def _print_state(plan: ElementPlan, moment: datetime, report: dict[str, Any]) -> None:
    click.echo(f"at {moment.isoformat()}: {report['decided']} of {report['total']} elements have a task")
    for name, counts in _counts(plan, moment).items():
        click.echo(f"  {name}: {', '.join(f'{count} {what}' for what, count in counts.items() if count)}")
    if report["umbrellas"]:
        click.echo(f"umbrella tasks, which decide nothing: {', '.join(report['umbrellas'])}")
    for one in report["undecided"][:_SHOWN]:
        click.echo(f"  {one['id']} {one['type']} {one['name']}: {one['reason']}", err=True)
    rest = len(report["undecided"]) - _SHOWN
    if rest > 0:
        click.echo(f"  and {rest} more (--json lists all)", err=True)
