"""`aid4 twin points`: the list of points out of a running twin and back in; `aid4 twin labels`: QR codes to print."""

import json
from pathlib import Path
from typing import Any

import click

from twin.client import RemoteTwin
from wire.errors import InputError

__all__ = ["labels", "points"]

_URL = click.option("--url", default="http://127.0.0.1:8480", show_default=True, help="Where the twin answers.")
_TOKEN = click.option(
    "--token", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="File with the twin's token."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_OUT = click.Path(path_type=Path, dir_okay=False)
_TOLD_MAX = 40  # lines of a diff on a screen; --json has all


@click.group()
def points() -> None:
    """The list of points, as CSV or XLSX."""


@points.command("export")
@click.option("--out", type=_OUT, required=True, help="FILE.csv or FILE.xlsx.")
@click.option("--device", help="Only this device.")
@click.option("--q", "words", help="Only points whose texts have all these words.")
@_URL
@_TOKEN
@_JSON
def export(out: Path, device: str | None, words: str | None, url: str, token: Path | None, as_json: bool) -> None:
    """Write the list: limits, places, lifecycle, and what was verified on site."""
    form = out.suffix.lower().removeprefix(".")
    if form not in ("csv", "xlsx"):
        raise InputError(f"{out.name} is neither", field="--out", fix="name it FILE.csv or FILE.xlsx")
    data = RemoteTwin(url, token).document("/pointlist", format=form, device=device, q=words)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=str(out), field="--out") from error
    _say(as_json, {"file": str(out), "bytes": len(data)}, f"{out}: {len(data):,} bytes")


@points.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--note", default="", help="A word about where the list is from.")
@_URL
@_TOKEN
@_JSON
def import_(file: Path, dry_run: bool, note: str, url: str, token: Path | None, as_json: bool) -> None:
    """Take a list in that a person changed: low, high, element, space. `points undo` takes it back."""
    twin = RemoteTwin(url, token)
    change = twin.send("/pointlist", file.read_bytes(), note=note or f"{file.name}")
    if change["problems"]:
        _tell(change, as_json)
        raise SystemExit(2)
    if not dry_run and change["diff"]:
        change = twin.post(f"/changes/{change['id']}/activate", {})
    _tell(change, as_json)


@points.command()
@click.argument("change", type=click.IntRange(min=1))
@_URL
@_TOKEN
@_JSON
def undo(change: int, url: str, token: Path | None, as_json: bool) -> None:
    """Take an imported list back."""
    _tell(RemoteTwin(url, token).post(f"/changes/{change}/revert", {}), as_json)


@click.command()
@click.option("--out", type=_OUT, required=True, help="FILE.pdf")
@click.option("--base", help="Where phones reach the twin, such as https://twin.example; default: --url.")
@click.option("--q", "words", help="Only devices whose name, label or place has all these words.")
@click.option("--storey", help="Only devices of this storey.")
@click.option("--language", type=click.Choice(["en", "sk", "zh-TW"]), default="en", show_default=True)
@_URL
@_TOKEN
def labels(
    out: Path, base: str | None, words: str | None, storey: str | None, language: str, url: str, token: Path | None
) -> None:
    """Print labels for devices: a QR code that opens the device on a phone, 21 on a page."""
    query = {"base": base or url, "q": words, "storey": storey, "language": language}
    data = RemoteTwin(url, token).document("/commissioning/labels.pdf", **query)
    out.write_bytes(data)
    click.echo(f"{out}: {len(data):,} bytes")


def _tell(change: dict[str, Any], as_json: bool) -> None:
    lines = [f"{row['path']}: {_word(row['old'])} -> {_word(row['new'])}" for row in change["diff"][:_TOLD_MAX]]
    if (more := len(change["diff"]) - _TOLD_MAX) > 0:
        lines.append(f"… and {more} more")
    lines += [f"problem: {text}" for text in change["problems"]]
    state = {"preview": "nothing is changed yet", "active": "done", "reverted": "taken back"}[change["state"]]
    lines.append(f"change {change['id']}: {len(change['diff'])} differences, {state}")
    _say(as_json, change, "\n".join(lines))


def _word(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)


def _say(as_json: bool, document: Any, text: str) -> None:
    click.echo(json.dumps(document) if as_json else text)
