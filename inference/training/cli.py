"""`aid4 model train`: learn what is normal from a twin's own past."""

import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click
import msgspec

from wire.errors import InputError

__all__ = ["train"]


@click.command()
@click.option("--url", default="http://127.0.0.1:8480", show_default=True, help="A running twin.")
@click.option("--token-file", type=click.Path(dir_okay=False, path_type=Path), help="A token of that twin, in a file.")
@click.option("--export", type=click.Path(path_type=Path), help="Instead: a folder of `aid4 twin export`.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder for the models.")
@click.option("--from", "start", metavar="TIME", help="Learn from this time on, as 2026-01-31T12:00:00Z.")
@click.option("--to", "end", metavar="TIME", help="Learn up to this time.")
@click.option("--row-s", type=click.FloatRange(0.1, 3_600), default=60.0, show_default=True, help="Seconds of one row.")
@click.option(
    "--budget",
    type=click.FloatRange(1e-4, 1e3),
    default=0.02,
    show_default=True,
    help="False-alarm episodes allowed per stream-day.",
)
@click.option("--asset", "assets", multiple=True, metavar="NAME", help="Only this device or element; may be repeated.")
@click.option("--wall-s", type=click.FloatRange(1, 86_400), default=3_600.0, show_default=True, help="Time allowed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def train(
    url: str,
    token_file: Path | None,
    export: Path | None,
    out: Path,
    start: str | None,
    end: str | None,
    row_s: float,
    budget: float,
    assets: tuple[str, ...],
    wall_s: float,
    as_json: bool,
) -> None:
    """Learn per asset and per stream from accepted normal periods: outside alarms, complaints and lost data.

    A quarter of the normal rows is kept out to count false alarms against the budget. Runs in a bounded child process.
    """
    from inference.training.run import TrainJob
    from inference.training.run import train as learn

    job = TrainJob(
        out=str(out),
        url=url,
        token_file=str(token_file or ""),
        export=str(export or ""),
        from_us=_micros(start, "--from"),
        to_us=_micros(end, "--to"),
        row_s=row_s,
        budget_per_day=budget,
        assets=list(assets),
        wall_s=wall_s,
    )
    with ExitStack() as stack:
        bar = stack.enter_context(
            click.progressbar(length=0, label="learning", file=sys.stderr, hidden=not sys.stderr.isatty())
        )

        def tell(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        report = learn(job, tell)
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    for one in report.models:
        realised, allowed = one.metrics.get("false_episodes", 0.0), one.metrics.get("allowed_episodes", 0.0)
        told = f"{realised:.0f} false alarms on rows kept out, {allowed:.2f} allowed"
        click.echo(f"{one.file}: {len(one.channels)} channels, {one.rows:,} rows, {told}")
    for name, why in report.left_out.items():
        click.echo(f"{name}: left out, {why}", err=True)
    click.echo(f"data {report.data_sha256[:16]}, {len(report.models)} models in {out}")


def _micros(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(str(error), field=option, fix="write 2026-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise InputError("a time needs its offset", field=option, fix="add Z for UTC")
    return round(moment.timestamp() * 1e6)
