"""`aid4 twin report KIND`: a day's report of a running twin as a file."""

import sys
from pathlib import Path
from typing import Any, get_args

import click

from twin.client import RemoteTwin
from twin.reports.settings import Kind
from twin.reports.words import LANGUAGES

__all__ = ["report"]


@click.command()
@click.argument("kind", type=click.Choice(get_args(Kind)))
@click.option("--day", help="YYYY-MM-DD of the site's clock; yesterday by default.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@click.option("--format", "form", type=click.Choice(["html", "pdf"]), default="pdf", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; - for standard output.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document instead.")
@click.option("--token", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="File with a token.")
@click.option("--url", default="http://127.0.0.1:8480", show_default=True, help="Where the twin answers.")
def report(
    kind: str, day: str | None, language: str, form: str, out: Path | None, as_json: bool, token: Path | None, url: str
) -> None:
    """Make the report KIND of a day."""
    remote = RemoteTwin(url, token)
    query: dict[str, Any] = {"day": day, "language": language, "format": "json" if as_json else form}
    body = remote.document(f"/reports/{kind}", **query)
    if as_json:
        click.echo(body.decode())
    elif out is not None and str(out) == "-":
        sys.stdout.buffer.write(body)
    else:
        file = out or Path(f"{kind}-{day or 'yesterday'}-{language}.{form}")
        file.write_bytes(body)
        click.echo(f"{file}: {len(body):,} bytes")
