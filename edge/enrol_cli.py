"""`aid4 edge enrol` and `aid4 edge renew`: trust between this gateway and the twin, on the command line."""

import json
import time
from pathlib import Path

import click

__all__ = ["enrol", "renew"]

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("edge.toml"))
_CLOCK_OFF_S = 60.0


@click.command()
@_FILE
@click.option("--twin", required=True, help="URL of the twin's door for gateways, as its command says.")
@click.option(
    "--token", required=True, envvar="AID4_ENROL_TOKEN", help="One-time token: `aid4 twin enrolment NODE`, or the page."
)
@click.option(
    "--proxy", default="", metavar="URL", help="http://host:3128 where nothing else goes out; takes WebSocket."
)
@click.option("--websocket", is_flag=True, help="MQTT over WebSocket, where only port 443 goes out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def enrol(file: Path, twin: str, token: str, proxy: str, websocket: bool, as_json: bool) -> None:
    """Get this gateway a certificate and write the way to the broker into FILE (edge.toml).

    The key is made here and never leaves. A copy of FILE as it was stays beside it (.bak).
    """
    from edge.enrol import enrol as enrol_gateway

    done = enrol_gateway(file, twin, token, proxy_url=proxy, websocket=websocket)
    held = done.held
    if as_json:
        document = {
            "site": held.site, "node": held.node, "serial": held.serial, "not_after": _iso(held.not_after_us),
            "renew_at": _iso(held.renew_us), "broker": done.broker, "clock_off_s": round(done.clock_off_s, 1),
            "files": [str(path) for path in done.files],
        }  # fmt: skip
        click.echo(json.dumps(document))
        return
    click.echo(f"{held.site}/{held.node} is enrolled until {_iso(held.not_after_us)}, renewed by itself")
    click.echo(f"broker {done.broker}; next: `aid4 edge run {file}`")
    if abs(done.clock_off_s) > _CLOCK_OFF_S:
        where = "ahead of" if done.clock_off_s > 0 else "behind"
        click.echo(f"this machine's clock is {abs(done.clock_off_s):.0f} s {where} the twin's: set up NTP", err=True)


@click.command()
@_FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def renew(file: Path, as_json: bool) -> None:
    """Renew this gateway's certificate now; a running agent does it by itself at half of its life."""
    from edge.config import load
    from edge.enrol import renew as renew_gateway

    held = renew_gateway(load(file))
    document = {"node": held.node, "serial": held.serial, "not_after": _iso(held.not_after_us)}
    click.echo(json.dumps(document) if as_json else f"{held.node} holds a certificate until {document['not_after']}")


def _iso(ts_us: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ts_us / 1e6))
