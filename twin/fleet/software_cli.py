"""`aid4 fleet software`: publish a signed bundle, roll it out in stages, see how it stands, take it back."""

import json
import sys
from pathlib import Path

import click

from twin.client import RemoteTwin
from twin.fleet.cli import asked, duration_s, see_out
from wire.errors import InputError
from wire.software import Unsafe, manifest_of, members, reading, target_name

__all__ = ["software"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def software() -> None:
    """The software of gateways: publish, roll-out, status, rollback."""


@software.command()
@click.argument("bundle", type=_FILE)
@click.option("--key", type=_FILE, help="targets.pem of `aid4 model keys`; without it only new signatures are written.")
@click.option("--days", type=click.FloatRange(1, 90), default=14, show_default=True, help="How long BUNDLE.tuf holds.")
@asked
def publish(bundle: Path, key: Path | None, days: float, url: str, token: Path | None, as_json: bool) -> None:
    """Sign BUNDLE, have the twin offer it, and write BUNDLE.tuf, with which it is installed without network."""
    twin = RemoteTwin(url, token)
    data, manifest = manifest_of(bundle)
    sent = _published(twin, bundle, data, target_name(manifest.version, manifest.arch, manifest.python), key)
    beside = bundle.with_name(bundle.name + ".tuf")
    beside.write_text(json.dumps(twin.post("/software/carried", {"days": days})), encoding="utf-8")
    told = {"version": manifest.version, "arch": manifest.arch, "python": manifest.python, "sent": sent}
    if as_json:
        click.echo(json.dumps(told | {"wheels": len(manifest.wheels), "signatures": str(beside), "days": days}))
        return
    if key is not None:
        click.echo(f"{manifest.version} is published: {sent} of {len(manifest.wheels)} wheels were new to the twin")
    click.echo(f"{beside} signs it for {days:g} days: carry both files to a gateway without network")


def _published(twin: RemoteTwin, bundle: Path, data: bytes, name: str, key: Path | None) -> int:
    """How many wheels were sent."""
    if key is None:
        return 0
    from inference.registry.keys import load_key
    from inference.registry.repository import with_file

    trust = twin.get("/models/trust")
    if trust["targets"] is None:
        raise InputError("this twin has no root of trust", field="--url", fix="aid4 model keys --url URL --out DIR")
    targets = with_file(trust["targets"].encode(), name, data, load_key(key))
    body = {"manifest": data.decode(), "targets": targets.decode()}
    missing = set(twin.post("/software/manifests", body)["missing"])
    wanted = {f"wheels/{one.file}": one.sha256 for one in manifest_of(bundle)[1].wheels if one.sha256 in missing}
    shown = sys.stderr.isatty()
    with click.progressbar(length=len(wanted), label="sending", file=sys.stderr, hidden=not shown) as bar:
        try:
            for member, stream in members(bundle):
                if member in wanted:
                    with reading(bundle):
                        data = stream.read()
                    twin.send(f"/software/wheels/{wanted[member]}", data)
                    bar.update(1)
        except Unsafe as error:
            raise InputError(str(error), file=str(bundle), fix="make it again with `aid4 edge bundle`") from error
    return len(wanted)


@software.command("roll-out")
@click.argument("version")
@click.argument("nodes", nargs=-1, required=True)
@click.option("--stages", default="1,50%,100%", show_default=True, help="One, then half, then all.")
@click.option("--hold", default="10m", show_default=True, help="How long a stage stays well before the next.")
@click.option("--trial", default="10m", show_default=True, help="How long each gateway may take to prove it.")
@click.option("--note", default="", help="For the audit.")
@click.option("--wait", "waits", is_flag=True, help="Stay until it is done or stopped; exit code 1 when it stopped.")
@asked
def roll_out(
    version: str, nodes: tuple[str, ...], stages: str, hold: str, trial: str, note: str, waits: bool,
    url: str, token: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Roll VERSION out to NODES, canaries first. A gateway that does worse with it goes back by itself; then all do."""
    twin = RemoteTwin(url, token)
    body = {"version": version, "nodes": list(nodes), "stages": stages, "note": note}
    made = twin.post(
        "/software/rollouts", body | {"hold_s": duration_s(hold, "--hold"), "trial_s": duration_s(trial, "--trial")}
    )
    see_out(twin, made, waits, as_json)


@software.command()
@asked
def status(url: str, token: Path | None, as_json: bool) -> None:
    """The versions that are published, and what every gateway runs."""
    told = RemoteTwin(url, token).get("/software")
    if as_json:
        click.echo(json.dumps(told))
        return
    for one in told["versions"]:
        here = f", {one['missing']} wheels are not here yet" if one["missing"] else ""
        size = f"{one['wheels']} wheels, {one['bytes'] / 1e6:.1f} MB"
        click.echo(f"{one['version']:12} {one['arch']}, Python {one['python']}: {size}{here}")
    for node in told["nodes"]:
        figures = node["told"] or {"version": "?", "state": "", "problem": "its agent tells nothing of its software"}
        share = f" {figures['progress_ratio']:.0%}" if figures.get("progress_ratio") else ""
        told_of = f"{figures['state'].replace('_', ' ')}{share} {figures['problem']}".rstrip()
        click.echo(f"  {node['node']:24} {figures['version']:12} {'' if node['online'] else 'offline '}{told_of}")


@software.command()
@click.argument("node")
@click.option("--why", default="", help="For the audit.")
@asked
def rollback(node: str, why: str, url: str, token: Path | None, as_json: bool) -> None:
    """Give NODE the version back that it should run before."""
    made = RemoteTwin(url, token).post(f"/nodes/{node}/software/rollback", {"why": why})
    shown = made["version"] or "what it ran before the twin told it anything"
    click.echo(json.dumps(made) if as_json else f"{node} shall run {shown}")
