"""`aid4 run`: one command brings a live park up; with `--for SECONDS --json` it proves that nothing was lost."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import click

from aid4.configs_path import site_path
from aid4.park import Park
from aid4.park_config import ParkOptions, default_data_dir, site_name
from aid4.park_outside import Listen
from aid4.park_past import PAST_DAYS
from aid4.past_order import DAYS_MAX, DAYS_MIN
from aid4.settle import Report
from wire.errors import InputError

__all__ = ["run"]

_PORT = 8480
_CLEAR = "\r\x1b[K"
_PAST_HELP = (
    f"Days before the start that a new twin gets of simulated devices; 0: none. Default: {PAST_DAYS:g},"
    " none with --for or at another --speed."
)
_FILE = click.Path(path_type=Path, dir_okay=False)
_ANY_PORT = click.IntRange(0, 65_535)


class _Speed(click.ParamType[float | None]):
    """`max`, or how many times faster than it was recorded."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if value == "max":
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed <= 1e6:
            self.fail("give a number above 0, or max", param, ctx)
        return speed


@click.command()
@click.option("--site", help="A site's folder, or the name of one of ours; default: that of the model, else campus.")
@click.option("--ifc", type=_FILE, help="Building model; default: the site's own.")
@click.option("--replay", "replays", type=_FILE, multiple=True, help="Recording (SHDR, CSV, Parquet); repeatable.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Everything lies here; default: your state folder.")
@click.option("--port", type=click.IntRange(0, 65_535), default=_PORT, show_default=True, help="Of the page; 0: any.")
@click.option("--speed", type=_Speed(), default="1", show_default=True, help="Times real time, or max.")
@click.option("--no-sim", is_flag=True, help="Without simulated devices.")
@click.option("--for", "seconds", type=click.FloatRange(0, min_open=True), help="Stop by itself and count.")
@click.option("--past", "past_days", type=click.FloatRange(0, DAYS_MAX), help=_PAST_HELP)
@click.option("--seed", default=7, show_default=True, help="One seed, one simulated park.")
@click.option("--scenario", default="", help="Faults to plant: a file, or a name of `aid4 sim scenario list`.")
@click.option("--broker", type=click.Choice(["nats", "mosquitto"]), default="nats", show_default=True)
@click.option(
    "--listen", default="", metavar="ADDRESS", help="Let gateways join by certificate; 0.0.0.0: from anywhere."
)
@click.option("--gateway-name", "names", multiple=True, help="Name by which gateways find this machine; repeatable.")
@click.option("--broker-port", type=_ANY_PORT, default=8883, show_default=True, help="With --listen; 0: any.")
@click.option("--gateway-port", type=_ANY_PORT, default=8481, show_default=True, help="With --listen; 0: any.")
@click.option("--websocket-port", type=_ANY_PORT, default=0, help="With --listen: MQTT over WebSocket too, as on 443.")
@click.option("--json", "as_json", is_flag=True, help="Print the count as one JSON document; needs --for.")
def run(
    site: str | None,
    ifc: Path | None,
    replays: tuple[Path, ...],
    data_dir: Path | None,
    port: int,
    speed: float | None,
    no_sim: bool,
    seconds: float | None,
    past_days: float | None,
    seed: int,
    scenario: str,
    broker: str,
    listen: str,
    names: tuple[str, ...],
    broker_port: int,
    gateway_port: int,
    websocket_port: int,
    as_json: bool,
) -> None:
    """Bring a whole park up: broker, simulated devices, an agent a gateway, the twin and its page. Ctrl-C stops it.

    With --for it stops by itself, waits until everything accepted has arrived, and compares the agent's spool
    with the twin's database reading by reading; exit status 1 when one is lost or doubled.
    """
    if as_json and seconds is None:
        raise InputError("there is nothing to print before the end", field="--json", fix="add --for SECONDS")
    if scenario and no_sim:
        raise InputError("has nothing to break", field="--scenario", fix="leave out --no-sim")
    if ifc is not None:
        _check_model(ifc)
    folder = site_path(site, ifc)
    options = ParkOptions(
        site=folder,
        data_dir=(data_dir or default_data_dir(site_name(folder))).resolve(),
        ifc=ifc,
        replays=replays,
        port=port,
        speed=speed,
        sim=not no_sim,
        seconds=seconds,
        seed=seed,
        scenario=scenario,
        broker="mosquitto" if broker == "mosquitto" else "nats",
        listen=Listen(listen, broker_port, gateway_port, websocket_port, names) if listen else None,
        past_days=_past_days(past_days, usual=seconds is None and speed == 1.0),
    )
    report = asyncio.run(_run(options, quiet=as_json))
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    elif seconds is not None:
        click.echo(_summary(report))
    if report.lost or report.duplicated:
        sys.exit(1)


def _past_days(asked: float | None, *, usual: bool) -> float:
    if asked is not None and 0 < asked < DAYS_MIN:
        raise InputError(f"{asked:g} days are too few", field="--past", fix=f"at least {DAYS_MIN:g}, or 0 for none")
    return (PAST_DAYS if usual else 0.0) if asked is None else asked


def _check_model(file: Path) -> None:
    """What can be said before anything starts; the twin reads the model in a child and says the rest."""
    if not file.is_file():
        raise InputError("there is no such model", file=str(file), field="--ifc", fix="give an IFC file")
    with file.open("rb") as model:
        head = model.read(4_096)
    if b"ISO-10303-21" not in head and not head.startswith(b"PK"):
        raise InputError("is no IFC file", file=str(file), field="--ifc", fix="give a model in STEP form (.ifc)")


async def _run(options: ParkOptions, *, quiet: bool) -> Report:
    is_watched = sys.stdout.isatty() and not quiet

    def say(line: str) -> None:
        click.echo(_CLEAR + line if is_watched else line, err=quiet)

    def show(line: str) -> None:
        click.echo(_CLEAR + line, nl=False)

    park = Park(options, say, show if is_watched else None)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, park.stop)
    say(f"AID4      {park.site}, everything in {options.data_dir}")
    return await park.run()


def _summary(report: Report) -> str:
    lines = [f"accepted  {report.accepted:,} readings, stored {report.stored:,}"]
    lines.append(f"          {report.lost} lost, {report.duplicated} duplicated")
    lines += [
        f"agent     {node} {int(one['accepted']):,} readings, {one.get('rss_mib', 0.0):g} MiB"
        for node, one in report.agents.items()
    ]
    lines.append(f"points    {report.points}, {report.bound_points} bound to {report.elements} elements")
    return "\n".join([*lines, *(f"warning   {text}" for text in report.warnings)])
