"""`aid4 model`: train, score, evaluate and roll out anomaly detectors."""

import os
import sys
from pathlib import Path

import click
import msgspec

from inference.registry.cli import COMMANDS
from inference.training.cli import train

__all__ = ["model"]

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def model() -> None:
    """Train, score, evaluate and roll out anomaly detectors."""
    # Before numpy is loaded: its threads spin for matrices this small, and their number would change last digits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@model.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(["nab", "csv"]),
    required=True,
    help="nab: one folder of univariate files, untrained; csv: files of many channels.",
)
@click.option("--train-rows", type=click.IntRange(min=1), help="csv: learn from so many first rows, score the rest.")
@click.option(
    "--budget",
    type=click.FloatRange(min=1e-4, max=1e4),
    default=0.5,
    show_default=True,
    help="csv: false-alarm episodes allowed per stream-day.",
)
@click.option("--exclude", multiple=True, metavar="COLUMN", help="csv: leave a column out; may be given again.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the scores (csv: or one .csv file)."
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@_AS_JSON
def score(
    kind: str,
    train_rows: int | None,
    budget: float,
    exclude: tuple[str, ...],
    out: Path,
    paths: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write an anomaly score in 0..1 for every row of every file; the same configuration for all."""
    from inference.bundle import Bundle
    from inference.novelty import build
    from inference.score_files import many_files, nab_files, score_many, score_nab

    if kind == "nab":
        if len(paths) != 1:
            raise click.UsageError("--format nab takes one folder")
        jobs, adaptive = nab_files(paths[0], out), Bundle(build())
    else:
        if train_rows is None:
            raise click.UsageError("--format csv needs --train-rows: how many first rows are normal")
        jobs, adaptive = many_files(paths, out), None
    reports = []
    with click.progressbar(jobs, label="scoring", file=sys.stderr, hidden=not sys.stderr.isatty()) as shown:
        for job in shown:
            if kind == "nab":
                reports.append(score_nab(job, adaptive))
            else:
                reports.append(score_many(job, train_rows or 1, budget, exclude))
    if as_json:
        click.echo(msgspec.json.encode({"files": reports}).decode())
        return
    for report in reports:
        for note in report.notes:
            click.echo(f"{report.file}: {note}", err=True)
    click.echo(f"{len(reports)} files, {sum(report.rows for report in reports):,} rows scored below {out}")


@model.command()
@click.option("--set", "only", multiple=True, metavar="NAME", help="Only this set (nab, skab, ...); may be repeated.")
@click.option(
    "--budget",
    type=click.FloatRange(min=1e-4, max=1e4),
    default=0.5,
    show_default=True,
    help="False-alarm episodes allowed per stream-day.",
)
@click.argument("folder", type=click.Path(path_type=Path))
@_AS_JSON
def evaluate(only: tuple[str, ...], budget: float, folder: Path, as_json: bool) -> None:
    """Measure the detectors on labelled recordings: NAB, VUS-PR, AUC-PR, points, events, false alarms."""
    from inference.evaluate.report import evaluate as measure
    from inference.evaluate.tables import lines_of

    def tell(name: str) -> None:
        if not as_json and sys.stderr.isatty():
            click.echo(f"measuring {name}", err=True)

    report = measure(folder, only=only, budget_per_day=budget, tell=tell)
    click.echo(msgspec.json.encode(report).decode() if as_json else "\n".join(lines_of(report)))


for command in (train, *COMMANDS):
    model.add_command(command)
