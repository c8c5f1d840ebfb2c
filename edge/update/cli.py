"""`aid4 edge update FILE`: an update by hand, without network, with the same checks and the same trial."""

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wire.errors import UserError

if TYPE_CHECKING:
    from edge.config import AgentConfig
    from edge.update.prefix import Facts, Prefix
    from wire.software import Bundle

__all__ = ["update"]

STATUS_S_MAX = 60.0  # an older status is of an agent that does not run
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("bundle", type=_FILE, required=False)
@click.argument("file", type=_FILE, default=Path("edge.toml"))
@click.option("--prefix", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where releases live.")
@click.option("--root", type=_FILE, help="root.json of `aid4 model keys`; else models.root_file of FILE.")
@click.option("--trial", "trial_s", type=click.FloatRange(5, 86_400), default=600.0, show_default=True, metavar="S")
@click.option("--older", is_flag=True, help="Take a version that is older than what runs.")
@click.option("--again", is_flag=True, help="Take a version that was taken back here.")
@click.option("--back", is_flag=True, help="Back to the release that is kept beside the one that runs.")
@click.option("--dry-run", is_flag=True, help="Only verify it, and say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def update(
    bundle: Path | None,
    file: Path,
    folder: Path | None,
    root: Path | None,
    trial_s: float,
    older: bool,
    again: bool,
    back: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Install BUNDLE, which BUNDLE.tuf signs, beside what runs; the agent of FILE goes over to it, on trial.

    If the twin is not heard or a source falls silent, the release before comes back by itself.
    """
    from edge.config import load

    if (bundle is None) != back:
        raise UserError("one of the two", field="BUNDLE", fix="aid4 edge update BUNDLE, or aid4 edge update --back")
    config = load(file)
    prefix = _prefix(folder)
    if bundle is None:
        version, done = _kept_before(prefix), True
        if not dry_run:
            prefix.switch(version, _facts(config, trial_s))
    else:
        manifest = _verified(bundle, config, root)
        version = manifest.version
        _allow(prefix, version, older=older, again=again)
        done = version != prefix.current
        if done and not dry_run:
            asyncio.run(_installed(prefix, manifest, bundle, config, _facts(config, trial_s)))
    _tell(prefix, version, file, changed=done and not dry_run, as_json=as_json)


def _prefix(folder: Path | None) -> "Prefix":
    from edge.update.prefix import Prefix, prefix_here

    found = Prefix(folder.resolve()) if folder is not None else prefix_here()
    if found is None:
        fix = "name a folder for releases: --prefix /opt/aid4"
        raise UserError("this aid4 runs from a plain virtual environment", field="--prefix", fix=fix)
    return found


def _verified(bundle: Path, config: "AgentConfig", root: Path | None) -> "Bundle":
    from edge.models import read_root
    from edge.update.staging import manifest_of_file

    brought = root or (config.path(config.models.root_file) if config.models.root_file else None)
    return manifest_of_file(config.spool_dir / "update" / "trust", read_root(brought), bundle)


def _allow(prefix: "Prefix", version: str, *, older: bool, again: bool) -> None:
    from wire.software import release_order

    why = prefix.why_failed(version)
    if why and not again:
        raise UserError(f"{version} was taken back here: {why}", field="BUNDLE", fix="--again tries it once more")
    now = prefix.current
    if now and release_order(version) < release_order(now) and not older:
        raise UserError(f"{version} is older than {now}", field="BUNDLE", fix="--older takes it all the same")
    if prefix.on_trial:
        raise UserError(f"{prefix.on_trial} is on trial", field="BUNDLE", fix="wait until `aid4 edge status` says more")


async def _installed(prefix: "Prefix", manifest: "Bundle", bundle: Path, config: "AgentConfig", facts: "Facts") -> None:
    from edge.update.install import install
    from edge.update.staging import check_space, wheels_of

    try:
        prefix.prepare()
        check_space(prefix, manifest)
        wheels_of(prefix, manifest, bundle)
        await install(prefix, manifest, config.file)
        prefix.forgive(manifest.version)
        prefix.switch(manifest.version, facts)
        prefix.prune()
    except OSError as error:
        fix = "is there room, and may you write there? sudo -u with the user of the service"
        raise UserError(f"cannot be written: {error.strerror}", file=str(prefix.folder), fix=fix) from error


def _facts(config: "AgentConfig", trial_s: float) -> "Facts":
    """What runs now is what the release has to reach; where nothing runs, only that it holds out."""
    from edge.health import read_status
    from edge.update.prefix import Facts

    health = read_status(config.spool_dir / "status.json")
    now_us = time.time_ns() // 1_000
    if health is None or now_us - health.ts_us > STATUS_S_MAX * 1e6:
        return Facts(trial_s, linked=False)
    since_us = now_us - trial_s * 1e6
    speaking = [
        name for name, one in health.sources.items() if one.state == "running" and (one.last_us or 0) > since_us
    ]
    return Facts(trial_s, health.uplink.connected, tuple(speaking))


def _kept_before(prefix: "Prefix") -> str:
    from wire.software import release_order

    there = [path.name for path in prefix.releases.glob("*") if path.name != prefix.current]
    whole = [one for one in there if prefix.manifest(one) is not None or one == prefix.before]
    if not whole:
        raise UserError(
            "no other release is kept here", file=str(prefix.releases), fix="aid4 edge update BUNDLE --older"
        )
    return max(whole, key=release_order)


def _tell(prefix: "Prefix", version: str, file: Path, *, changed: bool, as_json: bool) -> None:
    told = {"version": version, "prefix": str(prefix.folder), "changed": changed, "on_trial": prefix.on_trial}
    if as_json:
        click.echo(json.dumps(told))
    elif changed:
        click.echo(f"{version} is in {prefix.release(version)}" + (", on trial" if prefix.on_trial else ""))
        click.echo(f"an agent that {prefix.folder / 'boot'} started goes over to it; under systemd, once:")
        click.echo(f"sudo {prefix.folder / 'current/bin/aid4'} edge service {file} --install")
    else:
        click.echo(f"{version} passes every check; nothing was changed")
