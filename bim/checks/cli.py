"""`aid4 bim check`: a model against IDS files and against what every model should be."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from bim.checks.ids import IDS_LIMITS, check_ids
from bim.checks.report import IdsReport
from bim.checks.sanity import Finding, sanity
from bim.command_options import AS_JSON, MODEL, limits_of, opened, reader_bounds

__all__ = ["check"]

_SHOWN = 10


@click.command()
@MODEL
@click.option("--ids", "ids_files", multiple=True, type=click.Path(path_type=Path), help="IDS file; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the HTML and JSON reports.")
@reader_bounds
@AS_JSON
def check(
    file: str, ids_files: tuple[Path, ...], out: Path | None, memory_mib: int, seconds: float, as_json: bool
) -> None:
    """Check a model: always for what no model should have, and against IDS files for what its owner asks.

    Exit code 1 when a requirement of an IDS is not met or the model has an error.
    """
    limits = limits_of(max(memory_mib, IDS_LIMITS.memory_bytes >> 20), seconds)
    with opened(file, memory_mib, seconds) as (summary, tables):
        findings = sanity(summary, tables["elements"])
    with tempfile.TemporaryDirectory(prefix="aid4-check-") as scratch, _bar(len(ids_files), as_json) as step:
        reports = []
        for ids in ids_files:
            reports.append(check_ids(file, ids, out or Path(scratch), limits))
            step()
    bad = any(one.severity == "error" for one in findings) or any(not one.met for one in reports)
    document = {
        "file": summary.file,
        "schema": summary.schema,
        "met": not bad,
        "findings": [msgspec.to_builtins(one) for one in findings],
        "ids": [msgspec.to_builtins(one) for one in reports],
    }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "check.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        _print(findings, reports)
    sys.exit(1 if bad else 0)


def _print(findings: list[Finding], reports: list[IdsReport]) -> None:
    for one in findings:
        click.echo(f"{one.severity}: {one.message}")
        for element in one.elements[:_SHOWN]:
            click.echo(f"  {element}")
        if one.count > _SHOWN:
            click.echo(f"  and {one.count - _SHOWN} more")
    for report in reports:
        click.echo(f"{report.ids}: {report.title}: {'met' if report.met else 'NOT met'}")
        for specification in report.specifications:
            click.echo(f"  {'ok  ' if specification.met else 'FAIL'} {specification.name}")
            for requirement in specification.requirements if not specification.met else ():
                click.echo(f"       {requirement.text}: {requirement.passed} meet it, {requirement.failed} do not")
                for failed in requirement.elements[:_SHOWN]:
                    click.echo(f"         {failed.global_id} {failed.type} {failed.name}: {failed.reason}")


@contextmanager
def _bar(count: int, quiet: bool) -> Iterator[Any]:
    """A bar on stderr while IDS files are checked; nothing where nobody watches."""
    if quiet or not count or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=count, label="checking", file=sys.stderr) as bar:
        yield lambda: bar.update(1)
