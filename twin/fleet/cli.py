"""`aid4 fleet`: what gateways run, from afar: look, try dry, roll out in stages, take back, read their logs."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import click

from twin.client import RemoteTwin
from wire.errors import InputError

__all__ = ["asked", "duration_s", "fleet", "see_out"]

_URL = "http://127.0.0.1:8480"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FOLLOW_S = 2.0
_PARTS_MAX = 1_000  # of one listing of a log: sixteen megabytes, eight times what a gateway keeps


def asked(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that asks a running twin."""
    file = click.Path(path_type=Path, dir_okay=False, exists=True)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("--token", type=file, help="File with a token of the twin's API."),
        click.option("--url", default=_URL, show_default=True, help="Where the twin answers."),
    ):
        command = option(command)
    return command


def duration_s(text: str, option: str) -> float:
    """Seconds of `90s`, `10m`, `2h`, `1d`; InputError."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise InputError(f"{text!r} is no length of time", field=option, fix="write 90s, 10m, 2h or 1d")
    return seconds


@click.group()
def fleet() -> None:
    """Gateways from afar: their configuration and their logs."""


@fleet.group()
def config() -> None:
    """The configuration of gateways: show, diff, apply in stages, roll back."""


@config.command()
@click.argument("node")
@asked
def show(node: str, url: str, token: Path | None, as_json: bool) -> None:
    """What NODE runs of what may be set from afar, as TOML to edit; secrets are ********, and kept where that stays."""
    told = RemoteTwin(url, token).get(f"/nodes/{node}/config")
    if as_json:
        click.echo(json.dumps(told))
        return
    figures, wanted = told["figures"] or {}, told["wanted"]
    click.echo(f"# {node}: {_standing(figures)}" + ("" if told["online"] else "; it is offline"))
    if told["remote"]:
        click.echo(f"# from afar: {', '.join(told['remote'])}; the rest is the gateway's own")
    if wanted:
        said = f"revision {wanted['revision']}, by {wanted['by']} at {wanted['at']}"
        click.echo(f"# wanted: {said} {wanted['why']}".rstrip())
    click.echo(told["text"] if told["text"] is not None else (wanted or {}).get("text", ""), nl=False)


@config.command()
@click.argument("node")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@asked
def diff(node: str, file: Path, url: str, token: Path | None, as_json: bool) -> None:
    """Dry run: NODE itself checks FILE and says what would change. Nothing does. Exit code 2 when it is refused."""
    told = RemoteTwin(url, token).post(f"/nodes/{node}/config/check", {"text": _text(file)})
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(told["diff"] or "nothing would change")
        for one in told["problems"]:
            where = ": ".join(part for part in (one["file"] or str(file), one["field"]) if part)
            click.echo(f"{where}: {one['problem']}", err=True)
            if one["fix"]:
                click.echo(f"fix: {one['fix']}", err=True)
    raise SystemExit(2 if told["problems"] else 0)


@config.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("nodes", nargs=-1, required=True)
@click.option("--stages", default="100%", show_default=True, help="1,50%,100%: one, then half, then all.")
@click.option("--hold", default="10m", show_default=True, help="How long a stage stays well before the next.")
@click.option("--trial", default="2m", show_default=True, help="How long each gateway watches itself.")
@click.option("--strict", is_flag=True, help="Take it back also when a source that it brings or changes stays silent.")
@click.option("--note", default="", help="For the audit.")
@click.option("--wait", "waits", is_flag=True, help="Stay until it is done or stopped; exit code 1 when it stopped.")
@asked
def apply(
    file: Path, nodes: tuple[str, ...], stages: str, hold: str, trial: str, strict: bool, note: str, waits: bool,
    url: str, token: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Roll FILE out to NODES, canaries first. A gateway that does worse with it goes back by itself; then all do."""
    twin = RemoteTwin(url, token)
    body = {"text": _text(file), "nodes": list(nodes), "stages": stages, "note": note, "strict": strict}
    made = twin.post(
        "/fleet/config", body | {"hold_s": duration_s(hold, "--hold"), "trial_s": duration_s(trial, "--trial")}
    )
    see_out(twin, made, waits, as_json)


@config.command()
@click.argument("node")
@click.option("--why", default="", help="For the audit.")
@asked
def rollback(node: str, why: str, url: str, token: Path | None, as_json: bool) -> None:
    """Give NODE the configuration back that it should run before."""
    made = RemoteTwin(url, token).post(f"/nodes/{node}/config/rollback", {"why": why})
    click.echo(json.dumps(made) if as_json else f"{node} shall run revision {made['revision']}, as before")


@fleet.command()
@click.argument("rollout", type=int, required=False)
@asked
def status(rollout: int | None, url: str, token: Path | None, as_json: bool) -> None:
    """The roll-outs, newest first, or one ROLLOUT node by node."""
    twin = RemoteTwin(url, token)
    if rollout is not None:
        _print_rollout(twin.get(f"/fleet/rollouts/{rollout}"), as_json)
        return
    told = twin.get("/fleet/rollouts")
    if as_json:
        click.echo(json.dumps(told))
        return
    for one in told["items"]:
        click.echo(_line(one))
    if not told["items"]:
        click.echo("nothing was rolled out yet")


config.add_command(status)


@fleet.command()
@click.argument("rollout", type=int)
@click.option("--why", default="", help="For the audit.")
@asked
def stop(rollout: int, why: str, url: str, token: Path | None, as_json: bool) -> None:
    """Stop ROLLOUT; gateways that took it go back."""
    _print_rollout(RemoteTwin(url, token).post(f"/fleet/rollouts/{rollout}/stop", {"why": why}), as_json)


@fleet.command()
@click.argument("node")
@click.option("--follow", is_flag=True, help="Stay, and print what comes; Ctrl-C ends it.")
@click.option("--level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@click.option("--since", default="", help="2h, or 2026-01-31T12:00:00Z; else the newest.")
@asked
def logs(node: str, follow: bool, level: str, since: str, url: str, token: Path | None, as_json: bool) -> None:
    """The log of the agent on NODE, as it keeps it; secrets are cut out on the gateway."""
    twin, lines = RemoteTwin(url, token), list[str]()
    query: dict[str, str | int | None] = {"level": level, "since": _moment(since) if since else None}
    for _ in count() if follow else range(_PARTS_MAX):
        told = twin.get(f"/nodes/{node}/logs", **query)
        if as_json and not follow:
            lines += told["lines"]
        else:
            for line in told["lines"]:
                click.echo(json.dumps(line) if as_json else line)
        query = {"level": level, "after": told["after"]}
        if not told["more"]:
            if not follow:
                break
            time.sleep(_FOLLOW_S)
    if as_json and not follow:
        click.echo(json.dumps({"node": node, "lines": lines, "after": query["after"]}))


def see_out(twin: RemoteTwin, made: dict[str, Any], waits: bool, as_json: bool) -> NoReturn:
    """Print a roll-out, with `waits` once it is over; exit status 1 when it stopped itself."""
    while waits and made["state"] == "going":
        time.sleep(1.0)
        made = twin.get(f"/fleet/rollouts/{made['id']}")
    _print_rollout(made, as_json)
    raise SystemExit(1 if made["state"] == "stopped" else 0)


def _print_rollout(one: dict[str, Any], as_json: bool) -> None:
    """A roll-out with its nodes."""
    if as_json:
        click.echo(json.dumps(one))
        return
    click.echo(_line(one))
    for node in one["nodes"]:
        told = f"{node.get('state', '')}  {node.get('why', '')}".rstrip()
        click.echo(f"  stage {node['stage']}  {node['node']:24} {told}".rstrip())


def _line(one: dict[str, Any]) -> str:
    stage = f"stage {one['stage']} of {len(one['stages'])}, {len(one['nodes'])} nodes"
    return f"{one['id']:4}  {one['section']:9} {one['state']:8} {stage}, by {one['by']}: {one['why']}"


def _standing(figures: dict[str, Any]) -> str:
    if not figures:
        return "cannot be configured from afar"
    if figures["state"] == "local":
        told = "runs its own file"
    else:
        state, digest = figures["state"].replace("_", " "), figures["digest"][:12] or "–"
        told = f"revision {figures['revision']}, {state}, sha256 {digest}"
    return told + (f"; {figures['problem']}" if figures["problem"] else "")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=str(file), fix="give a TOML file in UTF-8") from error


def _moment(text: str) -> str:
    if text[:1].isdigit() and text[-1:] in _UNITS and "T" not in text:
        return (datetime.now(UTC) - timedelta(seconds=duration_s(text, "--since"))).isoformat()
    return text


def _add_software() -> None:
    from twin.fleet.software_cli import software  # it uses what stands above

    fleet.add_command(software)


_add_software()
