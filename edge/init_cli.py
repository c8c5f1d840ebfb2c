"""`aid4 edge init`: write a configuration, or find what is attached and add it to one."""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

import click

from edge.probing import KINDS, SECONDS, Probed
from wire.errors import UserError

__all__ = ["init"]

_ASKED = {
    "modbus": "Modbus: HOST[:PORT] or a serial port",
    "opcua": "OPC UA: opc.tcp://HOST:4840",
    "bacnet": "BACnet/IP: broadcast address or device, 10.0.0.255:47808",
    "mbus": "M-Bus: tcp://HOST:PORT or a serial port",
    "mqtt": "MQTT: HOST[:PORT] or mqtts://…",
}


def _addresses(command: Any) -> Any:
    for kind in reversed(KINDS):
        line = f"{_ASKED[kind]}; repeatable."
        command = click.option(f"--{kind}", multiple=True, metavar="ADDRESS", help=line)(command)
    return command


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("edge.toml"))
@click.option("--site", default="", help="Name of the place, as the twin knows it.")
@click.option("--node", default="", help="Name of this gateway.")
@click.option("--broker", default="", help="mqtt://HOST:PORT; `aid4 edge enrol` writes it too.")
@click.option("--source", "sources", multiple=True, help='One source as TOML: kind = "modbus", name = …; repeatable.')
@click.option(
    "--probe", "wants_probe", is_flag=True, help="Look at what is attached; asks for addresses on a terminal."
)
@_addresses
@click.option(
    "--seconds", type=click.FloatRange(1, 3_600), default=SECONDS, show_default=True, help="For each address."
)
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--force", is_flag=True, help="Write FILE anew although it is there; the old one stays as .bak.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def init(
    file: Path, site: str, node: str, broker: str, sources: tuple[str, ...], wants_probe: bool, seconds: float,
    dry_run: bool, force: bool, as_json: bool, **addresses: tuple[str, ...],
) -> None:  # fmt: skip
    """Write a commented configuration to FILE (edge.toml): a sample, or with what is given and found.

    With --probe, or an address, devices are asked who they are (nothing is written to them), and a FILE that is there
    keeps what stands in it: what was found is added at its end, and the file as it was stays as .bak.
    """
    from edge.init import first_config, with_sources

    probing = wants_probe or any(addresses.values())
    if file.exists() and not force and not probing:
        fix = "give another name, --probe to add what is attached, or --force"
        raise UserError("is there already", file=str(file), fix=fix)
    adds = file.exists() and not force
    if adds and (site or node or broker or sources):
        fix = "change it there, or write it anew with --force"
        raise UserError("is there already and keeps its names", file=str(file), field="--site, --node, …", fix=fix)
    before = file.read_text(encoding="utf-8") if adds else ""
    wanted = [(kind, address) for kind in KINDS for address in addresses[kind]]
    results = _probed(wanted or _asked(), before, file, seconds) if probing else []
    tables = [table for result in results for table in result.tables]
    if adds:
        text, added = with_sources(before, tables)
    else:
        text = first_config(site=site, node=node, broker=broker, sources=sources, found=bool(tables))
        text, added = with_sources(text, tables)
    writes = not dry_run and (added > 0 or not adds)
    if writes:
        if file.exists():
            file.with_suffix(file.suffix + ".bak").write_bytes(file.read_bytes())
        file.write_text(text, encoding="utf-8")
    _tell(file, before, text, results, added, writes=writes, dry_run=dry_run, as_json=as_json)
    if any(result.problem for result in results):
        raise SystemExit(1)


def _asked() -> list[tuple[str, str]]:
    """What the person at the terminal says is attached."""
    if not _is_terminal():
        fix = "give addresses: " + ", ".join(f"--{kind} ADDRESS" for kind in KINDS)
        raise UserError("there is nobody to ask what is attached", field="--probe", fix=fix)
    click.echo("What is attached? Several addresses with spaces between; empty for none.", err=True)
    told = {kind: click.prompt(f"  {_ASKED[kind]}", default="", show_default=False, err=True) for kind in KINDS}
    return [(kind, address) for kind in KINDS for address in str(told[kind]).split()]


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _probed(wanted: list[tuple[str, str]], before: str, file: Path, seconds: float) -> list[Probed]:
    """One after the other: two probes on one serial line would take each other's answers."""
    from edge.init import source_names
    from edge.probing import probe, url_of

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # a unit that is not there is what a scan is about
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    taken = source_names(before, file)
    results = []
    for kind, address in wanted:
        label = f"{kind} {url_of(kind, address)}"
        with click.progressbar(length=100, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

            def told(done: int, of: int, bar: Any = bar) -> None:
                bar.update(100 * done // of - bar.pos)

            result = asyncio.run(probe(kind, address, taken, told, seconds))
        taken |= {str(one.table["name"]) for one in result.tables}
        results.append(result)
    return results


def _tell(
    file: Path, before: str, text: str, results: list[Probed], added: int, *, writes: bool, dry_run: bool, as_json: bool
) -> None:
    if as_json:
        import msgspec

        document = {
            "file": str(file), "written": writes, "sources_added": added, "probed": msgspec.to_builtins(results),
        }  # fmt: skip
        click.echo(json.dumps(document | ({"text": text} if dry_run else {})))
        return
    for result in results:
        click.echo(f"{result.kind} {result.url}")
        width = max((len(one.name) for one in result.found), default=0)
        for one in result.found:
            click.echo(f"  {one.name:<{width}}  {one.detail}" + (f"  – {one.problem}" if one.problem else ""))
            if one.fix:
                click.echo(f"  {'':<{width}}  fix: {one.fix}")
        if result.problem:
            click.echo(f"  {result.problem}\n  fix: {result.fix}")
    if dry_run:
        click.echo(text.removeprefix(before).strip("\n"))
    elif writes:
        click.echo(f"wrote {file}; next: edit it, then `aid4 edge check {file}`")
    else:
        click.echo(f"{file} has it all already" if any(one.tables for one in results) else f"{file} stays as it is")
