"""`aid4 sim scenario run` and `check`: faults planted in a whole park, and what its operators are told of them."""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from aid4.configs_path import site_path
from aid4.scenario_junit import junit
from sim_devices.cli import scenario, sim
from sim_devices.faults import read_scenario
from sim_devices.scenario_files import Together, together
from sim_devices.site import load_site

__all__ = ["sim"]

SPEED_MAX = 60.0  # a poll a second then sees a minute

_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=False))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@scenario.command("check")
@_FILES
@_JSON
def check_command(files: tuple[Path, ...], as_json: bool) -> None:
    """Read the files of one run and say what they plant; exit status 2 names the file, the field and the fix."""
    plan, _ = _plan(files)
    rows = [
        {"file": file, "what": fault.what, "device": fault.device, "metric": fault.metric or None,
         "from_s": fault.from_s, "to_s": fault.to_s, "expects": fault.expect is not None}
        for file, fault in plan.faults
    ]  # fmt: skip
    kinds = len({fault.what for _, fault in plan.faults})
    if as_json:
        click.echo(json.dumps({"files": len(files), "kinds": kinds, "end_s": plan.end_s, "faults": rows}))
        return
    for row in rows:
        where = f"{row['device']}/{row['metric']}" if row["metric"] else str(row["device"])
        click.echo(f"{row['file']:<18}{row['what']:<18}{where:<40}{row['from_s']:>7g} … {row['to_s']:g} s")
    click.echo(f"{len(rows)} faults of {kinds} kinds in {plan.end_s / 3600.0:.1f} simulated hours")


@scenario.command("run")
@_FILES
@_JSON
@click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="JUnit XML goes here.")
@click.option("--seed", default=7, show_default=True, help="One seed, one simulated park.")
@click.option("--speed", type=click.FloatRange(1.0, SPEED_MAX), default=SPEED_MAX, show_default=True)
@click.option(
    "--lean", is_flag=True, help="Serve only the devices that have faults: quicker, but nobody else can ring."
)
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave the run's folder here.")
def run_command(
    files: tuple[Path, ...],
    as_json: bool,
    junit_file: Path | None,
    seed: int,
    speed: float,
    lean: bool,
    keep: Path | None,
) -> None:
    """Start a whole park, let the faults of the files happen together, and judge what its operators are told.

    Exit status 1 when a fault is not as its file expects it: no alarm, too late, too often, for a wrong cause, or one
    that does not return; when other devices ring beyond the budget; or when a reading is lost.
    """
    plan, site = _plan(files)
    with tempfile.TemporaryDirectory(prefix="aid4-scenario-") as scratch:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        found = _played(plan, site, keep or Path(scratch), seed, speed, lean=lean, quiet=as_json)
    if junit_file is not None:
        junit_file.write_bytes(junit(found))
    click.echo(json.dumps(found) if as_json else _summary(found))
    if not found["ok"]:
        sys.exit(1)


def _plan(files: tuple[Path, ...]) -> tuple[Together, Path]:
    site = site_path(read_scenario(files[0]).site)
    return together(list(dict.fromkeys(files)), load_site(site)), site


def _played(
    plan: Together, site: Path, folder: Path, seed: int, speed: float, *, lean: bool, quiet: bool
) -> dict[str, Any]:
    from aid4.scenario_run import ScenarioRun  # a whole park; the simulated devices alone need less

    length = round(plan.end_s)
    with click.progressbar(length=length, label="scenario", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def show(done_s: float, _: float) -> None:
            bar.update(max(round(done_s) - bar.pos, 0))

        def say(line: str) -> None:
            if not quiet and not sys.stderr.isatty():
                click.echo(line, err=True)

        run = ScenarioRun(plan, site, folder, seed=seed, speed=speed, say=say, show=show, lean=lean)
        return asyncio.run(_stoppable(run.run()))


async def _stoppable(run: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """A system's stop takes the park down before the command ends, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run


def _summary(found: dict[str, Any]) -> str:
    lines = []
    for row in found["faults"]:
        where = f"{row['device']}/{row['metric']}" if row["metric"] else row["device"]
        delay = "–" if row["delay_s"] is None else f"{row['delay_s'] / 60.0:.0f} min"
        verdict = "ok" if row["ok"] else "; ".join(row["wrong"])
        lines.append(f"{row['what']:<18}{where:<34}{delay:>8}{row['alarms']:>3}  {row['cause'] or '–':<24}{verdict}")
    lines += [f"false     {text}" for text in found["others"]]
    lines.append(
        f"{found['found']} of {found['planted']} found, {found['diagnosed']} diagnosed, {found['once']} rang once;"
        f" {found['false_alarms']} false alarms of {found['false_alarms_max']} allowed,"
        f" at most {found['alarms_10min_max']} in ten minutes; {found['delivery']['lost']} readings lost"
    )
    lines.append(f"{found['quiet_alarms']} alarms in the {found['quiet_s'] / 3600.0:.1f} h before the first fault")
    lines.append("ok" if found["ok"] else "FAILED")
    return "\n".join(lines)
