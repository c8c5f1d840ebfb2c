"""`aid4 twin`: serve, ask, back up, restore, export, import, compact."""

import asyncio
import json
import os
import urllib.parse
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from twin.access.cli import audit, tokens, users
from twin.alarms.cli import deadman
from twin.client import RemoteTwin
from twin.commissioning.cli import labels, points
from twin.reports.cli import report
from twin.trust_cli import certificates, enrolment, revoke
from wire.errors import InputError
from wire.notify import keep_watchdog, notify
from wire.stopping import stop_on_signals

__all__ = ["twin"]

DEFAULT_URL = "http://127.0.0.1:8480"
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def twin() -> None:
    """The twin: takes in what the agents send, keeps it, and answers."""


for _command in (deadman, users, tokens, audit, report, enrolment, revoke, certificates, points, labels):
    twin.add_command(_command)


def _asked(command: Any) -> Any:
    """The options of a command that asks a twin, running (--url) or stopped (--data-dir)."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option("--token", type=_FILE, help="File with the twin's token."),
        click.option("--data-dir", type=_FOLDER, help="Open this data directory of a stopped twin instead."),
        click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the twin answers."),
    ):
        command = option(command)
    return command


@twin.command()
@click.option("--data-dir", type=_FOLDER, default=Path("aid4-data"), show_default=True, help="Where the data are kept.")
@click.option("--site", type=_FOLDER, help="Folder with site.toml.")
@click.option("--ifc", type=_FILE, help="Building model, instead of the one that the site names.")
@click.option("--broker", help="mqtt://USER@HOST:PORT; the password comes from AID4_BROKER_PASSWORD.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=8480, show_default=True, help="0 takes a free one.")
@click.option("--token", type=_FILE, help="File with the token to sign in with.")
@click.option("--tls-cert", type=_FILE)
@click.option("--tls-key", type=_FILE)
@click.option("--sign-in", is_flag=True, help="Ask who calls on loopback too; prints a link for the first admin.")
@click.option("--gateways", metavar="HOST[:PORT]", help="Let gateways enrol and renew there, over TLS of the site.")
@click.option("--gateway-name", "names", multiple=True, help="Name or address by which gateways find this machine.")
@click.option("--gateway-broker", "brokers", multiple=True, help="URL of the broker for gateways; {host} is this one.")
@click.option("--site-ca", is_flag=True, help="The broker has a certificate of the site's authority, and asks for one.")
@click.option("--for", "for_s", type=click.FloatRange(min=0), help="Stop after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def serve(
    data_dir: Path,
    site: Path | None,
    ifc: Path | None,
    broker: str | None,
    host: str,
    port: int,
    token: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    sign_in: bool,
    gateways: str | None,
    names: tuple[str, ...],
    brokers: tuple[str, ...],
    site_ca: bool,
    for_s: float | None,
    as_json: bool,
) -> None:
    """Run the twin until Ctrl-C."""
    from twin.server import TwinConfig
    from twin.siteconfig import SiteConfig, load_site

    config = TwinConfig(
        data_dir=data_dir,
        site=load_site(site) if site else SiteConfig(),
        broker=broker_config(broker) if broker else None,
        host=host,
        port=port,
        token_file=token,
        tls_cert=tls_cert,
        tls_key=tls_key,
        model=ifc,
        sign_in=sign_in,
        service_token=os.environ.pop("AID4_SERVICE_TOKEN", ""),
        door=_door(gateways, names, brokers) if gateways else None,
        site_ca=site_ca,
    )
    asyncio.run(_serve(config, for_s, as_json))


async def _serve(config: Any, for_s: float | None, as_json: bool) -> None:
    from twin.server import serve as serve_twin

    stop = asyncio.Event()
    stop_on_signals(stop)
    async with serve_twin(config) as served:
        if not as_json:
            click.echo(f"the twin of {served.twin.site.name} answers at {served.url}")
            if served.twin.trust.door:
                click.echo(f"gateways enrol at {served.twin.trust.door}")
        if served.welcome:
            click.echo(f"nobody can sign in yet; this link makes the first admin, once: {served.welcome}", err=as_json)
        served.model.add_done_callback(partial(_tell_refused, "model"))
        served.plan.add_done_callback(partial(_tell_refused, "schedule"))
        watchdog = asyncio.create_task(keep_watchdog(), name="watchdog")
        notify(f"READY=1\nSTATUS={served.url}")
        try:
            async with asyncio.timeout(for_s):
                await stop.wait()
        except TimeoutError:
            pass
        watchdog.cancel()
        notify("STOPPING=1")
        counts = await asyncio.to_thread(served.twin.store.counts)
        counts |= {"bound_points": len(served.twin.bindings), "elements": len(served.twin.model)}
    if as_json:
        click.echo(json.dumps({"url": served.url, **counts}))


def _door(where: str, names: tuple[str, ...], brokers: tuple[str, ...]) -> Any:
    """The door at HOST, HOST:PORT or [IPv6]:PORT; InputError."""
    from twin.door import DOOR_PORT, Door

    try:
        parts = urllib.parse.urlsplit(f"//{where}")
        host, port = parts.hostname or "", DOOR_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise InputError(str(error), field="--gateways", fix="write 0.0.0.0:8481") from error
    return Door(host, port, names, brokers)


def _tell_refused(what: str, done: "asyncio.Task[str | None]") -> None:
    """A model or schedule that was refused is said on standard error; the twin goes on without it."""
    if not done.cancelled() and (problem := done.result()):
        click.echo(f"{what}: {problem}", err=True)


@twin.command()
@click.argument("sql")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="Most rows.")
@_asked
def query(sql: str, limit: int, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """Ask with plain SQL: readings, states, points, elements, psets, bindings, events, nodes, gaps."""
    if data_dir is None:
        answer = RemoteTwin(url, token).post("/query", {"sql": sql, "limit_rows": limit})
    else:
        answer = asyncio.run(_query_stopped(data_dir, sql, limit))
    if as_json:
        click.echo(json.dumps(answer))
        return
    _print_table([column["name"] for column in answer["columns"]], answer["rows"])
    if answer["truncated"]:
        click.echo(f"only the first {limit} rows; --limit shows more", err=True)


async def _query_stopped(data_dir: Path, sql: str, limit: int) -> Any:
    from twin.sql import SqlDesk
    from twin.sql_tables import SqlTables

    with open_stopped(data_dir) as store:
        async with SqlDesk(data_dir / "sql", SqlTables(store)) as desk:
            return json.loads((await desk.query(sql, limit_rows=limit)).body)


@twin.command()
@click.option("--at", help="Moment, ISO 8601 with an offset; now by default.")
@click.option("--known-at", help="As it was known then.")
@click.option("--element", help="GlobalId; with what it holds.")
@click.option("--points", help="Ids parted by commas.")
@_asked
def state(
    at: str | None,
    known_at: str | None,
    element: str | None,
    points: str | None,
    url: str,
    data_dir: Path | None,
    token: Path | None,
    as_json: bool,
) -> None:
    """The value of every point at a moment."""
    if data_dir is None:
        remote = RemoteTwin(url, token)
        found = remote.get("/state", at=at, known_at=known_at, element=element, points=points, limit=50_000)
        rows = [{key: item[key] for key in ("point", "ts", "value", "quality")} for item in found["items"]]
        keys = {point["id"]: point["key"] for point in remote.get("/points", limit=50_000)["items"]}
    else:
        if element is not None:
            raise InputError("--element needs a running twin", field="--element", fix="use --points, or --url")
        rows, keys = _state_stopped(data_dir, at, known_at, points)
    rows = [{"key": keys.get(row["point"], ""), **row} for row in rows]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        names = ["key", "ts", "value", "quality"]
        _print_table(names, [[row[name] for name in names] for row in rows])


def _state_stopped(
    data_dir: Path, at: str | None, known_at: str | None, points: str | None
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    from twin.live_frames import table_values
    from twin.times import iso_times

    ids = [int(part) for part in points.split(",")] if points else None
    with open_stopped(data_dir) as store:
        at_us = _moment_us(at, "--at") if at else store.clock.wall_us()
        known_us = _moment_us(known_at, "--known-at") if known_at else None
        table = store.state_at(at_us, known_at_us=known_us, point_ids=ids)
        keys = {point.id: point.key for point in store.points.all()}
    columns = (table.point.tolist(), iso_times(table.ts_us), table_values(table), table.quality.tolist())
    return [
        dict(zip(("point", "ts", "value", "quality"), row, strict=True)) for row in zip(*columns, strict=True)
    ], keys


@twin.command()
@click.argument("target", required=False, type=_FOLDER)
@_asked
def backup(target: Path | None, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """Back a twin up: a running one beside its data, a stopped one into TARGET."""
    if data_dir is None:
        if target is not None:
            fix = "leave TARGET out: a running twin writes beside its data and says where"
            raise InputError("TARGET needs --data-dir", field="TARGET", fix=fix)
        made = RemoteTwin(url, token).post("/backups", {})
    else:
        if target is None:
            raise InputError("no TARGET", field="TARGET", fix="name a new folder for the backup")
        with open_stopped(data_dir) as store:
            summary = store.backup(target)
        size = sum(entry.bytes for entry in summary.files)
        made = {"path": str(target), "readings": summary.readings, "bytes": size}
    _tell(made, as_json, f"{made['readings']} readings in {made['path']}")


@twin.command()
@click.argument("source", type=_FOLDER)
@click.option("--data-dir", type=_FOLDER, required=True, help="A new or empty folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def restore(source: Path, data_dir: Path, as_json: bool) -> None:
    """Verify the backup SOURCE and lay it into a new data directory."""
    from twin.backup import restore as restore_backup

    summary = restore_backup(source, data_dir)
    made = {"path": str(data_dir), "site": summary.site, "readings": summary.readings}
    _tell(made, as_json, f"{summary.readings} readings restored into {data_dir}")


@twin.command()
@click.argument("target", type=_FOLDER)
@click.option("--data-dir", type=_FOLDER, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def export(target: Path, data_dir: Path, as_json: bool) -> None:
    """Write a stopped twin's catalogue, readings, states, events and model as Parquet files into TARGET."""
    from twin.transfer import export_to

    with open_stopped(data_dir) as store:
        made = export_to(store, target)
    _tell({"path": str(target), **made.rows}, as_json, f"{made.rows['readings']} readings in {target}")


@twin.command("import")
@click.argument("source", type=_FOLDER)
@click.option("--data-dir", type=_FOLDER, required=True, help="A stopped twin, or a new folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def import_(source: Path, data_dir: Path, as_json: bool) -> None:
    """Take an export in; what is there already is left out."""
    from twin.store import Store
    from twin.transfer import exported_site, import_from

    site = exported_site(source)
    with Store.open(data_dir, site=site) as store:
        added = import_from(store, source)
    _tell(added, as_json, f"{added['readings']} readings, {added['states']} states, {added['events']} events added")


@twin.command()
@click.option("--data-dir", type=_FOLDER, required=True)
@click.option("--site", type=_FOLDER, help="Folder with site.toml, whose [retention] is applied; without it all stays.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compact(data_dir: Path, site: Path | None, as_json: bool) -> None:
    """Move what is over into Parquet files, join small ones, drop what is too old; a running twin does it by itself."""
    from twin.siteconfig import load_site

    policies = load_site(site).retention if site else None
    with open_stopped(data_dir, policies=policies) as store:
        made = store.compact(force=True)
        dropped = store.apply_retention(store.clock.wall_us())
    figures = {"files": len(made), "rows": sum(file.row_count for file in made), "dropped_files": dropped}
    _tell(figures, as_json, f"{figures['rows']} rows moved into {figures['files']} files")


@twin.command()
@click.option("--data-dir", type=_FOLDER, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def requeue(data_dir: Path, as_json: bool) -> None:
    """After an upgrade of a stopped twin: take in the quarantined records that the new version can read."""
    from twin.requeue import requeue as requeue_all

    with open_stopped(data_dir) as store:
        made = requeue_all(store)
    _tell(made._asdict(), as_json, f"{made.taken} records taken in, {made.left} left in quarantine")


def _tell(figures: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(figures) if as_json else text)


def broker_config(url: str) -> Any:
    """A LinkConfig of mqtt://USER@HOST:PORT or mqtts://…; InputError when it is none."""
    from wire.mqtt import LinkConfig, TlsConfig

    parts = urllib.parse.urlsplit(url)
    fix = "write mqtt://user@127.0.0.1:1883"
    try:
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    except ValueError as error:
        raise InputError(str(error), field="--broker", fix=fix) from error
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise InputError(f"{url!r} is no address of a broker", field="--broker", fix=fix)
    return LinkConfig(
        host=parts.hostname,
        port=port,
        user=urllib.parse.unquote(parts.username or ""),
        password=os.environ.get("AID4_BROKER_PASSWORD", urllib.parse.unquote(parts.password or "")),
        client_id="aid4-twin",
        tls=TlsConfig() if parts.scheme == "mqtts" else None,
    )


def open_stopped(data_dir: Path, **options: Any) -> Any:
    """The store of a stopped twin; InputError when there is none."""
    from twin.database import FILE
    from twin.store import Store

    if not (data_dir / FILE).exists():
        raise InputError("no twin has its data here", file=str(data_dir), fix="give the twin's --data-dir")
    return Store.open(data_dir, site=stored_site(data_dir), **options)


def stored_site(data_dir: Path) -> str:
    """The name of the site whose data these are."""
    from twin.database import Database
    from twin.lookup import first

    with Database(data_dir) as database:
        row = first(database.connection, "SELECT site FROM points UNION ALL SELECT site FROM quarantine LIMIT 1")
    return str(row[0]) if row else "park"


def _moment_us(text: str, option: str) -> int:
    from twin.api.operation import micros

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(str(error), field=option, fix="write 2026-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise InputError("a time needs its offset", field=option, fix="add Z for UTC")
    return micros(moment)


def _print_table(names: list[str], rows: list[list[Any]]) -> None:
    cells = [names, *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
