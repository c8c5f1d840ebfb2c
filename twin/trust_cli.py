"""`aid4 twin enrolment|revoke|certificates`: let gateways in and out, at a running or a stopped twin."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from twin.client import RemoteTwin
from wire.errors import InputError

if TYPE_CHECKING:
    from twin.trust import TrustDesk

__all__ = ["certificates", "enrolment", "revoke"]

_URL = "http://127.0.0.1:8480"
_BY = "command line"


def _asked(command: Callable[..., None]) -> Callable[..., None]:
    file = click.Path(path_type=Path, dir_okay=False, exists=True)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("--token", type=file, help="File with a token of the twin's API."),
        click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Of a stopped twin."),
        click.option("--url", default=_URL, show_default=True, help="Where the twin answers."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("node")
@click.option("--minutes", type=click.FloatRange(1, 1_440), default=60.0, show_default=True, help="How long it holds.")
@click.option("--door", default="", help="With --data-dir: the URL at which gateways will find the twin.")
@_asked
def enrolment(
    node: str, minutes: float, door: str, url: str, data_dir: Path | None, token: Path | None, as_json: bool
) -> None:
    """Make a one-time token for the gateway NODE and print what to type there."""
    if data_dir is None:
        made = RemoteTwin(url, token).post("/enrolments", {"node": node, "minutes": minutes})
    else:
        from twin.times import iso

        with _stopped(data_dir) as desk:
            fresh = desk.invite(node, _BY, minutes=minutes)
        command = f"aid4 edge enrol --twin {door or 'https://TWIN:8481'} --token {fresh.token}"
        made = {"node": node, "token": fresh.token, "expires_at": iso(fresh.expires_us), "command": command,
                "replaces": fresh.replaces}  # fmt: skip
    note = f"\n{node} has a certificate; it ends when this token is used" if made["replaces"] else ""
    _tell(made, as_json, f"once, until {made['expires_at'][:16]}Z, on the gateway:\n{made['command']}{note}")


@click.command()
@click.argument("node")
@click.option("--why", default="", help="For the audit.")
@_asked
def revoke(node: str, why: str, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """End the trust in the gateway NODE; a live connection is cut within seconds."""
    if data_dir is None:
        made = RemoteTwin(url, token).post(f"/nodes/{node}/revoke", {"why": why})
    else:
        with _stopped(data_dir) as desk:
            desk.revoke(node, _BY, why)
            made = msgspec.to_builtins(desk.views()[node])
    _tell(made, as_json, f"{node} is revoked; `aid4 twin enrolment {node}` lets it in again")


@click.command()
@_asked
def certificates(url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """The gateways and how their certificates stand."""
    if data_dir is None:
        items = RemoteTwin(url, token).get("/nodes")["items"]
        found = {item["node"]: item["certificate"] for item in items}
    else:
        with _stopped(data_dir) as desk:
            found = {name: msgspec.to_builtins(view) for name, view in desk.views().items()}
    lines = [f"{name:24} {one['state']:9} until {(one['not_after'] or '–')[:16]}" for name, one in found.items()]
    _tell(found, as_json, "\n".join(lines) or "no gateway was heard of")


@contextmanager
def _stopped(data_dir: Path) -> Iterator["TrustDesk"]:
    """The desk of a stopped twin, whose audit it writes."""
    from twin.access.desk import AccessDesk
    from twin.access.settings import AccessSettings
    from twin.cli import open_stopped, stored_site
    from twin.trust import FOLDER, TrustDesk

    site = stored_site(data_dir)
    with open_stopped(data_dir) as store:
        if not (data_dir / FOLDER / "ca.pem").exists():
            fix = "start the twin once with --gateways"
            raise InputError("this twin has no authority yet", file=str(data_dir / FOLDER), fix=fix)
        desk = AccessDesk(store, store.clock, AccessSettings)
        yield TrustDesk(data_dir, site, store.clock, desk.note)


def _tell(found: Any, as_json: bool, text: str) -> None:
    click.echo(json.dumps(found) if as_json else text)
