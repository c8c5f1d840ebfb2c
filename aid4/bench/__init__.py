"""`aid4 bench`: the promises as commands, each with `--json`; figures are ratios within one run."""

import importlib
import json
from pathlib import Path
from typing import Any

import click

__all__ = ["bench"]

UI_PARTS = ("entry", "live", "pixels", "chart", "scrub", "clients")


@click.group()
def bench() -> None:
    """Measure the park and prove what it promises."""


@bench.command("storm")
@click.option("--seed", default=7, show_default=True, help="One seed, one order of kills.")
@click.option("--seconds", default=60.0, show_default=True, help="How long the storm blows.")
@click.option("--broker", type=click.Choice(["nats", "mosquitto"]), default="nats", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def storm_command(seed: int, seconds: float, broker: str, as_json: bool) -> None:
    """Kill and freeze agents, broker and twin at random; count readings lost, doubled and altered."""
    found = _call("aid4.bench.storm", "storm", seed=seed, seconds=seconds, broker=broker, quiet=as_json)
    _show(found, as_json)
    if found["lost"] or found["duplicated"] or found["altered"]:
        raise SystemExit(1)


@bench.command("spine")
@click.option("--seconds", default=10.0, show_default=True, help="How long each insert limit is measured.")
@click.option("--repeats", default=3, show_default=True, help="Interleaved repeats; medians are printed.")
@click.option("--broker", "brokers", multiple=True, type=click.Choice(["nats", "mosquitto"]), help="Default: both.")
@click.option("--part", "parts", multiple=True, type=click.Choice(["records", "json", "peers"]), help="Default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def spine_command(
    seconds: float, repeats: int, brokers: tuple[str, ...], parts: tuple[str, ...], as_json: bool
) -> None:
    """Readings per second from a source through spool and broker into DuckDB, against what DuckDB alone takes."""
    brokers, parts = brokers or ("nats", "mosquitto"), parts or ("records", "json", "peers")
    found = _call(
        "aid4.bench.spine", "spine", seconds=seconds, repeats=repeats, brokers=brokers, parts=parts, quiet=as_json
    )
    _show(found, as_json)


@bench.command("query")
@click.option("--scale", default=1.0, show_default=True, help="Share of 10,000 points; 1 makes 103 million readings.")
@click.option("--days", default=30, show_default=True, help="Days of history.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def query_command(scale: float, days: int, as_json: bool) -> None:
    """A day, a month and any moment of 10,000 points out of 103 million readings, in milliseconds."""
    tell = (lambda _text: None) if as_json else click.echo
    goal = round(103_000_000 * scale)
    _show(_call("aid4.bench.query", "run_query_bench", rows_goal=goal, days=days, tell=tell), as_json)


@bench.command("sql")
@click.option("--seconds", default=45.0, show_default=True, help="A third of them quiet, the rest hostile.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sql_command(seconds: float, as_json: bool) -> None:
    """How long readings wait for their commit while users send the worst SQL they can think of."""
    _show(_call("aid4.bench.hostile_sql", "hostile_sql", seconds=seconds, quiet=as_json), as_json)


@bench.command("logs")
@click.option("--seed", default=7, show_default=True, help="One seed, one set of logs.")
@click.option("--megabytes", default=8.0, show_default=True, help="Size of each made log.")
@click.option("--repeats", default=3, show_default=True, help="Interleaved repeats; medians are printed.")
@click.option("--file", "files", multiple=True, type=click.Path(exists=True, path_type=Path), help="Real logs instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def logs_command(seed: int, megabytes: float, repeats: int, files: tuple[Path, ...], as_json: bool) -> None:
    """MB a second of flight logs and points a second of clouds into Arrow, against pymavlink, pyulog and lazrs."""
    arguments = {"seed": seed, "megabytes": megabytes, "repeats": repeats, "files": files}
    found = _call("aid4.bench.logs", "logs", **arguments)
    _show(found, as_json)
    if not found["held"]:
        raise SystemExit(1)


@bench.command("detect")
@click.option("--streams", default=10_000, show_default=True, help="Streams of one tick, in tiles of 250.")
@click.option("--ticks", default=200, show_default=True, help="Ticks, back to back.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["tiles", "runtime", "park"]),
    help="Trained tiles, the live scorer, or a simulated park with a fault of each kind. Default: tiles and runtime.",
)
@click.option("--budget", default=0.02, show_default=True, help="park: false-alarm episodes per stream-day.")
@click.option("--seed", "seeds", multiple=True, default=(7,), show_default=True, help="park: one seed, one park.")
@click.option("--trained", is_flag=True, help="park: also with models of the days learned, which takes minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def detect_command(
    streams: int,
    ticks: int,
    parts: tuple[str, ...],
    budget: float,
    seeds: tuple[int, ...],
    trained: bool,
    as_json: bool,
) -> None:
    """How long a tick of ten thousand detectors takes on one core, what they keep, and what they find in a park."""
    tell = (lambda _text: None) if as_json else click.echo
    found: dict[str, Any] = {"ok": True}
    parts = parts or ("tiles", "runtime")
    if "tiles" in parts:
        found |= _call("aid4.bench.detect", "detect", streams=streams, ticks=ticks, tell=tell)
    if "runtime" in parts:
        found["runtime"] = _call("aid4.bench.detect_runtime", "detect_runtime", streams=streams, ticks=ticks, tell=tell)
    if "park" in parts:
        about = {"budget_per_day": budget, "seeds": seeds, "trained": trained}
        found["park"] = _call("aid4.bench.park_alarms", "park_alarms", **about, tell=tell)
    found["ok"] = found["ok"] and all(found[part]["ok"] for part in ("runtime", "park") if part in found)
    _show(found, as_json)
    if not found["ok"]:
        raise SystemExit(1)


@bench.command("ifc")
@click.option("--part", "parts", multiple=True, type=click.Choice(["files", "made", "plan"]), help="Default: all.")
@click.option("--file", "files", multiple=True, type=click.Path(exists=True, path_type=Path), help="Default: all real.")
@click.option("--elements", default=100_000, show_default=True, help="Elements of the made model.")
@click.option("--repeats", default=1, show_default=True, help="Interleaved repeats of each file; medians are printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def ifc_command(parts: tuple[str, ...], files: tuple[Path, ...], elements: int, repeats: int, as_json: bool) -> None:
    """Models into tiles against opencascade alone, elements lost, bytes of 100,000 elements, the plan at any moment."""
    tell = (lambda _text: None) if as_json else click.echo
    found = _call("aid4.bench.ifc", "ifc", files=files, parts=parts, elements=elements, repeats=repeats, tell=tell)
    _show(found, as_json)
    if not found["held"]:
        raise SystemExit(1)


@bench.command("ui")
@click.option("--part", "parts", multiple=True, type=click.Choice(UI_PARTS), help="Default: all.")
@click.option("--seconds", default=600.0, show_default=True, help="How long the live view is watched.")
@click.option("--points", default=10_000, show_default=True, help="Points that change.")
@click.option("--rate", default=33_333.0, show_default=True, help="Readings a second.")
@click.option("--rows", default=103_000_000, show_default=True, help="Of the history behind the chart.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def ui_command(parts: tuple[str, ...], seconds: float, points: int, rate: float, rows: int, as_json: bool) -> None:
    """The page in a real Chromium: size, live view, pixels, chart, slider, two hundred clients."""
    tell = (lambda _text: None) if as_json else click.echo
    arguments = {"parts": parts, "seconds": seconds, "points": points, "rate": rate, "rows": rows, "tell": tell}
    found = _call("aid4.bench.ui", "ui", **arguments)
    _show(found, as_json)
    if not found["held"]:
        raise SystemExit(1)


@bench.command("scan")
@click.option("--points", default=1_000_000, show_default=True, help="Of each simulated scan.")
@click.option("--at", "dates", multiple=True, help="Days of the plan; default: four.")
@click.option("--seed", default=7, show_default=True, help="One seed, one set of scans.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def scan_command(points: int, dates: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Simulated scans of a real building against its plan: right verdicts, false alarms, registration, cost."""
    tell = (lambda _text: None) if as_json else click.echo
    chosen = {"dates": dates} if dates else {}
    found = _call("aid4.bench.scan", "scan", points=points, seed=seed, tell=tell, **chosen)
    _show(found, as_json)
    if not found["held"]:
        raise SystemExit(1)


@bench.command("field")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["rate", "sources", "light", "offline", "sim"]),
    help="Default: all.",
)
@click.option("--seconds", default=20.0, show_default=True, help="How long devices speak.")
@click.option("--days", default=3.0, show_default=True, help="offline: days without a link; 30 takes minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def field_command(parts: tuple[str, ...], seconds: float, days: float, as_json: bool) -> None:
    """What one agent takes from the field, what it costs, and what it keeps while nobody hears it."""
    tell = (lambda _text: None) if as_json else click.echo
    parts = parts or ("rate", "sources", "light", "offline", "sim")
    found = _call("aid4.bench.field", "field", parts=parts, seconds=seconds, days=days, tell=tell)
    _show(found, as_json)
    if not found["held"]:
        raise SystemExit(1)


@bench.command("fleet")
@click.option("--clients", default=10_000, show_default=True, help="Uplinks of agents, in two processes.")
@click.option("--broker", type=click.Choice(["nats", "mosquitto"]), default="nats", show_default=True)
@click.option("--tls", is_flag=True, help="Each with a certificate of its own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def fleet_command(clients: int, broker: str, tls: bool, as_json: bool) -> None:
    """Kill the broker of a whole fleet: seconds until all are back, answered by the twin and drained."""
    tell = (lambda _text: None) if as_json else click.echo
    found = _call("aid4.bench.fleet", "fleet", clients=clients, broker=broker, tls=tls, tell=tell)
    _show(found, as_json)
    if not found["held"]:
        raise SystemExit(1)


def _call(module: str, function: str, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(importlib.import_module(module), function)(**arguments)
    return found


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found))
        return
    for key, value in found.items():
        if isinstance(value, list):
            click.echo(f"{key}:")
            for row in value:
                click.echo("  " + "  ".join(f"{name} {cell}" for name, cell in row.items()))
        else:
            click.echo(f"{key}: {value}")
