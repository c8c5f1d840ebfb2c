"""`aid4 edge`: write a configuration, check it, run the agent, see how it does, find out what is wrong."""

import asyncio
import json
import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.bundle_cli import bundle
from edge.conformance_cli import conformance
from edge.enrol_cli import enrol, renew
from edge.init_cli import init
from edge.profile_cli import profile
from edge.service_cli import service
from edge.update.cli import update
from edge.update.prefix import AGAIN
from wire.errors import ConfigError, UserError
from wire.stopping import stop_on_signals

if TYPE_CHECKING:
    from wire.messages import Health

__all__ = ["edge"]

WAIT_S = 0.1
FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("edge.toml"))


@click.group()
def edge() -> None:
    """Run, check and diagnose an agent on a gateway."""


for _command in (init, enrol, renew, service, update):
    edge.add_command(_command)


@edge.command()
@FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(file: Path, as_json: bool) -> None:
    """Check FILE to the field: what is wrong, where, and how to mend it."""
    from edge.config import problems

    found = problems(file)
    if as_json:
        click.echo(json.dumps({"file": str(file), "problems": [problem.as_problem() for problem in found]}))
    else:
        for problem in found:
            _show(problem)
        if not found:
            click.echo(f"{file}: good")
    raise SystemExit(2 if found else 0)


@edge.command()
@FILE
@click.option("--wait", is_flag=True, help="Get ready and wait for FILE, where something else writes it.")
def run(file: Path, wait: bool) -> None:
    """Run the agent of FILE until it is told to stop (Ctrl-C, SIGTERM); SIGHUP reads its sources again."""
    from edge.memory import keep_small
    from edge.remote.begin import keep_serving
    from edge.remote.logs import keep_log
    from wire.clock import SystemClock

    if TYPE_CHECKING:
        from edge.agent import Agent

    if wait:
        import edge.agent  # noqa: F401 - most of what a start takes

        while not file.exists():
            time.sleep(WAIT_S)
    keep_small()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("aid4").setLevel(logging.INFO)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # our sources tell what is wrong with a device, once

    makes_room = asyncio.Event()  # for another release, which whoever started us starts

    async def main() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)

        def leave() -> None:
            makes_room.set()
            stop.set()

        def made(agent: "Agent") -> None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, agent.ask_reload)
            agent.software.leave = leave
            keep_log(agent.config)

        await keep_serving(file, stop, SystemClock(), made)

    try:
        asyncio.run(main())
    except BaseExceptionGroup as group:
        users, _ = group.split(UserError)
        raise _first_of(users) if users is not None else group  # noqa: B904 - the group says no more than its member
    if makes_room.is_set():
        raise SystemExit(AGAIN)


@edge.command()
@FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--watch", "watches", is_flag=True, help="Stay, and renew it each second; q quits.")
def status(file: Path, as_json: bool, watches: bool) -> None:
    """Say how the agent of FILE does, and of every source why it is silent."""
    from edge.config import load
    from edge.health import read_status

    config = load(file)
    if watches:
        from edge.watch import watch

        if as_json:
            raise click.UsageError("--watch and --json do not go together")
        watch(f"{config.site}/{config.node}", lambda: read_status(config.spool_dir / "status.json"))
        return
    health = read_status(config.spool_dir / "status.json")
    if health is None:
        fix = f"start it with `aid4 edge run {file}`"
        raise UserError("no agent has left a status there", file=str(config.spool_dir), field="spool.dir", fix=fix)
    age_s = max(0.0, time.time() - health.ts_us / 1e6)
    if as_json:
        import msgspec

        document = msgspec.to_builtins(health) | {"age_s": round(age_s, 1), "site": config.site, "node": config.node}
        click.echo(json.dumps(document))
        return
    _print_status(config.site, config.node, health, age_s)


@edge.command()
@FILE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(file: Path, as_json: bool) -> None:
    """Check what the agent of FILE needs: clock, disk, permissions, certificate, each source, broker, and the twin."""
    from edge.config import load
    from edge.doctor import examine

    findings = asyncio.run(examine(load(file)))
    if as_json:
        click.echo(json.dumps({"findings": [finding.as_dict() for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.good else 'FAIL'} {finding.what}: {finding.detail}")
            if finding.fix:
                click.echo(f"     fix: {finding.fix}")
    raise SystemExit(0 if all(finding.good for finding in findings) else 1)


edge.add_command(bundle)
edge.add_command(conformance)
edge.add_command(profile)


def _first_of(group: BaseExceptionGroup[UserError]) -> UserError:
    first = group.exceptions[0]
    return first if isinstance(first, UserError) else _first_of(first)


def _show(problem: ConfigError) -> None:
    click.echo(str(problem), err=True)
    if problem.fix:
        click.echo(f"fix: {problem.fix}", err=True)


def _print_status(site: str, node: str, health: "Health", age_s: float) -> None:
    spool, uplink, host = health.spool, health.uplink, health.host
    link = "connected" if uplink.connected else f"not connected: {host.get('link_error', 'no attempt yet')}"
    click.echo(f"{site}/{node}  (as of {age_s:.0f} s ago)")
    click.echo(f"  broker  {link}")
    click.echo(
        f"  spool   {spool.pending_records} records ({spool.pending_bytes / 1e6:.1f} MB) wait for the twin, "
        f"{spool.bytes / 1e6:.1f} MB on disk, {spool.free_bytes / 1e9:.1f} GB free, "
        f"{spool.refused} readings refused, {spool.thinned} thinned"
    )
    if health.software is not None:
        told = f"{health.software.state.replace('_', ' ')} {health.software.problem}".rstrip()
        click.echo(f"  release {health.software.version}: {told}")
    for name in ("refused_by_twin", "why_refused", "disk_error", "notes"):
        if host.get(name):
            click.echo(f"  note    {name.replace('_', ' ')}: {host[name]}")
    for name, source in health.sources.items():
        click.echo(
            f"  source  {name} ({source.kind}): {source.state}, {source.received} received, {source.sent} sent, "
            f"{source.discarded} discarded, {sum(source.errors.values())} errors"
        )
        if source.why:
            click.echo(f"          {source.why}")
