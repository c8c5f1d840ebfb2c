"""`aid4 sim`: list the simulated devices, run them, look at fault scenarios, record the park faster than real time."""

import asyncio
import csv
import gc
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sim_devices.campus import Campus
from sim_devices.damage import KINDS
from sim_devices.drone.telemetry import POINTS
from sim_devices.faults import CLOCK_FAULTS, DEVICE_FAULTS, LINK_FAULTS, SENSOR_FAULTS, Faults, Scenario, load_scenario
from sim_devices.park import SPEED_MAX, Broker, Park, read_ports, write_gateways, write_ports
from sim_devices.site import load_site
from wire.errors import InputError, UserError
from wire.stopping import stop_on_signals

__all__ = ["main", "sim"]

_SITES = Path(__file__).resolve().parents[1] / "configs" / "sites"
_SCENARIOS = _SITES.parent / "scenarios"
_PATH = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_SITE = click.option("--site", type=_PATH, default=_SITES / "campus", help="Folder with a devices.toml.")
_SEED = click.option("--seed", default=7, show_default=True, help="One seed is one park, value for value.")
_SCENARIO = click.option("--scenario", type=_PATH, help="Faults: a file, or the name of one of ours.")
_LABELS = click.option("--labels", type=_PATH, help="Write the faults' labels here (JSON).")
_RECORD_S_MAX = 400 * 86_400.0  # 400 days at a value every 10 s are 2 GB of text


@click.group()
def sim() -> None:
    """Simulated devices that speak the real protocols."""


@sim.command("list")
@_SITE
@_JSON
def list_(site: Path, as_json: bool) -> None:
    """The devices of a site, what they speak and how many points they have."""
    table = load_site(site)
    rows = [
        {
            "device": device.name,
            "kind": device.kind,
            "protocol": device.protocol,
            "space": device.space,
            "points": [metric.name for metric in table.metrics(device)],
        }
        for device in table.devices
    ]
    rows += [
        {"device": one.name, "kind": "drone", "protocol": "mavlink", "space": one.space, "points": list(POINTS)}
        for one in table.drones
    ]
    if as_json:
        click.echo(json.dumps({"devices": rows}))
        return
    for row in rows:
        click.echo(f"{row['device']:<18}{row['kind']:<17}{row['protocol']:<9}{len(row['points']):>3}  {row['space']}")
    click.echo(f"{len(rows)} devices, {sum(len(row['points']) for row in rows)} points")


@sim.command()
@_SITE
@_SEED
@click.option("--speed", default=1.0, show_default=True, help=f"Simulated seconds a second, at most {SPEED_MAX:g}.")
@click.option("--broker", help="host:port of the MQTT broker; without it the MQTT devices stay silent.")
@click.option("--user", help="User at the broker.")
@click.option("--password-file", type=_PATH, help="File with the user's password.")
@click.option("--device", "only", multiple=True, help="Serve only this device; may be repeated.")
@click.option("--ports-file", type=_PATH, help="Write the agent's [[source]] tables here (JSON) when all is up.")
@click.option("--dock-file", type=_PATH, help="JSON {url, ifc, work}: where the docks of drones bring their scans.")
@click.option("--for", "seconds", type=float, help="Stop after so many seconds.")
@_SCENARIO
@_LABELS
@_JSON
def run(
    site: Path, seed: int, speed: float, broker: str | None, user: str | None, password_file: Path | None,
    only: tuple[str, ...], ports_file: Path | None, dock_file: Path | None, seconds: float | None,
    scenario: Path | None, labels: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Serve the park on loopback until Ctrl-C."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # warns that a server without security has no security
    faults = _scenario(scenario, site)
    ports = read_ports(ports_file) if ports_file else {}
    park = Park(
        site, seed, speed, _broker(broker, user, password_file), scenario=faults, only=only, ports=ports,
        dock_file=dock_file, on_gateway=(lambda park: write_gateways(park, ports_file)) if ports_file else None,
    )  # fmt: skip
    if labels:
        park.faults.write_labels(labels, seed)
    asyncio.run(_serve(park, ports_file, seconds, as_json=as_json))


@sim.group()
def scenario() -> None:
    """Fault scenarios: TOML files with labels."""


@scenario.command("list")
@_JSON
def scenario_list(as_json: bool) -> None:
    """The scenarios that come with the product."""
    table = load_site(_SITES / "campus")
    rows = [
        {"name": path.stem, "title": one.title, "faults": len(one.faults), "open": path.parent != _SCENARIOS}
        for path in _ours()
        for one in [load_scenario(path, table)]
    ]
    if as_json:
        click.echo(json.dumps({"scenarios": rows}))
        return
    for row in rows:
        click.echo(f"{row['name']:<18}{row['faults']:>3} faults  {row['title']}")


@scenario.command("kinds")
@_JSON
def scenario_kinds(as_json: bool) -> None:
    """Every kind of fault that a scenario may name."""
    told = {"sensor": SENSOR_FAULTS, "device": DEVICE_FAULTS, "link": LINK_FAULTS, "clock": CLOCK_FAULTS}
    rows = [{"what": what, "of": of, "devices": [], "cause": ""} for of, kinds in told.items() for what in kinds]
    rows += [
        {"what": what, "of": "park", "devices": list(kind.devices), "cause": kind.cause} for what, kind in KINDS.items()
    ]
    if as_json:
        click.echo(json.dumps({"kinds": rows}))
        return
    for row in rows:
        click.echo(f"{row['what']:<18}{row['of']:<8}{', '.join(row['devices']):<30}{row['cause']}".rstrip())


@scenario.command("show")
@click.argument("name", type=_PATH)
@_SITE
@click.option("--from", "start", default="2026-06-10T04:00:00Z", show_default=True, help="Start of the simulated time.")
@_JSON
def scenario_show(name: Path, site: Path, start: str, as_json: bool) -> None:
    """Check a scenario against a site and print its labels."""
    labels = Faults(_scenario(name, site), _start_us(start)).labels()
    if as_json:
        click.echo(json.dumps({"labels": labels}))
        return
    for label in labels:
        where = label["device"] + ("/" + label["metric"] if label["metric"] else "")
        click.echo(f"{label['what']:<18}{where:<42}{label['from']}  {label['to']}")


@sim.command()
@_SITE
@_SEED
@click.option("--out", type=_PATH, required=True, help="CSV file: time, then one column a point.")
@click.option("--from", "start", default="2026-06-10T04:00:00Z", show_default=True, help="Start of the simulated time.")
@click.option("--for", "seconds", default=3600.0, show_default=True, help="Simulated seconds.")
@click.option("--step-s", default=1.0, show_default=True, help="A row every so many; above 1 the park leaps.")
@_SCENARIO
@_LABELS
def record(
    site: Path, seed: int, out: Path, start: str, seconds: float, step_s: float, scenario: Path | None,
    labels: Path | None,
) -> None:  # fmt: skip
    """Write what the devices would show into a CSV file, as fast as it can be computed."""
    if not (0.1 <= step_s <= 60.0 and 0.0 < seconds <= _RECORD_S_MAX):
        raise InputError("is out of bounds", field="--step-s, --for", fix="0.1 <= step <= 60, at most 400 days")
    table = load_site(site)
    campus, faults = Campus(table, seed, _start_us(start)), Faults(_scenario(scenario, site), _start_us(start))
    with out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", *campus.values()])
        with click.progressbar(_rows(campus, faults, seconds, step_s), length=int(seconds / step_s)) as rows:
            writer.writerows(rows)
    if labels:
        faults.write_labels(labels, seed)


def main() -> None:
    """`python -m sim_devices.park`: `aid4 sim run` as a process of its own, with its exit codes."""
    try:
        run(prog_name="sim_devices.park")
    except UserError as error:
        click.echo(f"{error}\nfix: {error.fix}", err=True)
        sys.exit(2)


async def _serve(park: Park, ports_file: Path | None, seconds: float | None, *, as_json: bool) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with park:
        gc.freeze()  # what a park is made of stays as long as it
        if ports_file:
            write_ports(park, ports_file)
        if as_json:
            click.echo(json.dumps(park.edge_config()))
        else:
            for server in park.servers:
                where = f"127.0.0.1:{server.port}" if server.port else "the broker"
                click.echo(f"{server.device.name:<18}{server.device.protocol:<9}{where}")
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return


def _rows(campus: Campus, faults: Faults, seconds: float, step_s: float) -> Iterator[list[Any]]:
    go_on = campus.leap if step_s > 1.0 else campus.step
    for _ in range(int(seconds / step_s)):
        faults.afflict(campus)
        go_on(step_s)
        moment = datetime.fromtimestamp(campus.now_us / 1e6, UTC).isoformat(timespec="milliseconds")
        shown = faults.shown(campus.values(), campus.now_us)
        yield [moment, *("" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in shown.values())]


def _scenario(path: Path | None, site: Path) -> Scenario:
    """A scenario by file, or by the name of one of ours; none is one without faults."""
    if path is None:
        return Scenario("")
    ours = next((one for one in _ours() if one.stem == str(path)), path)
    return load_scenario(path if path.exists() else ours, load_site(site))


def _ours() -> list[Path]:
    """The scenarios that come with the product; those below `open/` have faults that the twin does not name yet."""
    return sorted(_SCENARIOS.glob("*.toml")) + sorted(_SCENARIOS.glob("open/*.toml"))


def _broker(address: str | None, user: str | None, password_file: Path | None) -> Broker | None:
    if address is None:
        return None
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"{address!r} is no address", field="--broker", fix="write host:port, e.g. 127.0.0.1:1883")
    try:
        password = password_file.read_text().strip() if password_file else None
    except OSError as error:
        raise InputError("cannot be read", file=str(password_file), field="--password-file", fix="name it") from error
    return Broker(host, int(port), user, password)


def _start_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no time", field="--from", fix="write 2026-06-10T04:00:00Z") from error
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1e6)
