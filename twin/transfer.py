"""Export into a folder of Parquet files that any tool reads, and import of such a folder into another twin.

| file | what |
|---|---|
| `export.json` | format, version, site, rows by table |
| `points.parquet` | the catalogue, by id |
| `readings.parquet`, `states.parquet` | by (ts, point); points by the id of `points.parquet` |
| `events.parquet`, `elements.parquet`, `psets.parquet`, `bindings.parquet` | for other tools; import takes the events |
| `tasks.parquet`, `element_tasks.parquet` | the live plan, for other tools |
| `plan/` | every revision of the plan; import takes it into a twin that has none |
| `poses.parquet` | where drones were; import takes them |
| `flights.parquet`, `verdicts.parquet` | flights, and what accepted scans say of elements, for other tools |
| `drones/` | uploads, flights, scans and their files; import takes them into a twin that has none |
"""

from collections import defaultdict
from functools import partial
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from twin.drones_transfer import export_drones, import_drones, import_poses
from twin.lookup import first, number
from twin.plan_transfer import export_plan, import_plan
from twin.store import Store
from wire.catalogue import Point
from wire.errors import InputError

__all__ = ["Export", "export_to", "exported_site", "import_from"]

_FORMAT = "aid4-export"
_VERSION = 1
_TABLES = {
    "points": "SELECT * FROM points ORDER BY id",
    "readings": "SELECT point, ts, value, quality, recv FROM readings ORDER BY ts, point",
    "states": "SELECT point, ts, value, quality, recv FROM states ORDER BY ts, point",
    "events": "SELECT * FROM events ORDER BY ts",
    "elements": "SELECT * FROM elements",
    "psets": "SELECT * FROM psets",
    "bindings": "SELECT * FROM bindings ORDER BY point",
    "tasks": "SELECT * FROM tasks",
    "element_tasks": "SELECT * FROM element_tasks",
    "poses": "SELECT * FROM poses ORDER BY ts",
    "flights": "SELECT * FROM flights",
    "verdicts": "SELECT * FROM verdicts",
}
_DAY_US = 86_400_000_000
_FIX = "give a folder that `aid4 twin export` wrote"


class Export(msgspec.Struct, frozen=True):
    """`export.json`: written last, so that a folder without it is no export."""

    format: str
    version: int
    site: str
    rows: dict[str, int]


def export_to(store: Store, folder: Path) -> Export:
    """Write everything of one moment into a new folder; InputError when it holds files already."""
    if folder.exists() and any(folder.iterdir()):
        raise InputError("the folder is not empty", file=str(folder), fix="give a new one")
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    with store.snapshot() as cursor:
        for name, select in _TABLES.items():
            path = folder / f"{name}.parquet"
            cursor.execute(f"COPY ({select}) TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd)").fetchall()
            rows[name] = pq.read_metadata(path).num_rows
        rows["schedules"] = export_plan(cursor, folder)
        rows |= export_drones(cursor, folder, store.data_dir)
    made = Export(_FORMAT, _VERSION, store.site, rows)
    (folder / "export.json").write_bytes(msgspec.json.format(msgspec.json.encode(made)))
    return made


def import_from(store: Store, folder: Path) -> dict[str, int]:
    """Take an export in, day by day; rows that are there already are left out. Returns how many were new."""
    exported_site(folder)
    ids = store.writer.run(lambda connection: _take_points(store, connection, folder / "points.parquet"))
    store.writer.run(store.points.load)
    added = {kind: _take_rows(store, kind, folder / f"{kind}.parquet", ids) for kind in ("readings", "states")}
    added["events"] = store.writer.run(lambda connection: _take_events(connection, folder / "events.parquet", ids))
    added["schedules"] = store.writer.run(lambda connection: import_plan(connection, folder))
    added["poses"] = store.writer.run(lambda connection: import_poses(connection, folder / "poses.parquet", ids))
    added["flights"] = store.writer.run(lambda connection: import_drones(connection, folder, store.data_dir, ids))
    return added


def exported_site(folder: Path) -> str:
    """The site of an export; InputError when the folder is none."""
    path = folder / "export.json"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Export)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"is no export: {error}", file=str(path), fix=_FIX) from error
    if (found.format, found.version) != (_FORMAT, _VERSION):
        raise InputError(f"version {found.version} is not known here", file=str(path), field="version", fix=_FIX)
    return found.site


def _take_points(store: Store, connection: duckdb.DuckDBPyConnection, path: Path) -> pa.Table:
    """Give every point of the export its id here; returns the table old -> new."""
    by_node: defaultdict[str, list[tuple[int, Point]]] = defaultdict(list)
    try:
        for row in pq.read_table(path).to_pylist():
            row["meta"] = msgspec.json.decode(row["meta"] or "{}")
            by_node[row["node"]].append((row["id"], msgspec.convert(row, type=Point)))
    except (OSError, pa.ArrowException, msgspec.MsgspecError, KeyError) as error:
        raise InputError(f"cannot be read: {error}", file=str(path), fix=_FIX) from error
    draft = store.points.draft(store.site)
    for node, points in by_node.items():
        draft.enter(node, [point for _, point in points], newest=False)
    draft.write(connection)
    names = {(node, point.key): old for node, points in by_node.items() for old, point in points}
    here = connection.execute("SELECT id, node, device || '/' || metric FROM points").fetchall()
    pairs = [(names[node, key], new) for new, node, key in here if (node, key) in names]
    return pa.table(
        {"old": pa.array([old for old, _ in pairs], pa.uint32()), "new": pa.array([n for _, n in pairs], pa.uint32())}
    )


def _take_rows(store: Store, kind: str, path: Path, ids: pa.Table) -> int:
    """Insert a day a transaction, so that memory and the write-ahead log stay bounded."""
    with store.cursor() as cursor:
        span = first(cursor, f"SELECT epoch_us(min(ts)), epoch_us(max(ts)) FROM read_parquet({_quoted(path)})")  # noqa: S608
    if span is None or span[0] is None:
        return 0
    added = 0
    for start_us in range(span[0], span[1] + 1, _DAY_US):
        day = (start_us, start_us + _DAY_US)
        added += store.writer.run(partial(_take_day, kind=kind, path=path, ids=ids, day=day))
    return added


def _take_day(connection: duckdb.DuckDBPyConnection, kind: str, path: Path, ids: pa.Table, day: tuple[int, int]) -> int:
    before = number(connection, f"SELECT count(*) FROM {kind}_warm")  # noqa: S608  (a name of ours)
    during = "ts >= make_timestamptz($start::BIGINT) AND ts < make_timestamptz($stop::BIGINT)"
    connection.register("new_ids", ids)
    connection.execute(
        f"""
        INSERT INTO {kind}_warm BY NAME
        SELECT i.new AS point, r.ts, r.value, r.quality, r.recv
        FROM (FROM read_parquet({_quoted(path)}) WHERE {during}) r JOIN new_ids i ON i.old = r.point
        WHERE NOT EXISTS (
            FROM (FROM {kind} WHERE {during}) k WHERE k.point = i.new AND k.ts = r.ts AND k.recv = r.recv
        )
        """,  # noqa: S608  (names of ours and a quoted path)
        {"start": day[0], "stop": day[1]},
    ).fetchall()
    connection.unregister("new_ids")
    return number(connection, f"SELECT count(*) FROM {kind}_warm") - before  # noqa: S608  (a name of ours)


def _take_events(connection: duckdb.DuckDBPyConnection, path: Path, ids: pa.Table) -> int:
    before = number(connection, "SELECT count(*) FROM events")
    connection.register("new_ids", ids)
    connection.execute(
        f"""
        INSERT INTO events BY NAME
        SELECT r.* REPLACE (i.new AS point) FROM read_parquet({_quoted(path)}) r LEFT JOIN new_ids i ON i.old = r.point
        WHERE NOT EXISTS (
            FROM events k WHERE k.node = r.node AND k.ts = r.ts AND k.recv = r.recv AND k.message = r.message
        )
        """  # noqa: S608  (a quoted path)
    ).fetchall()
    connection.unregister("new_ids")
    return number(connection, "SELECT count(*) FROM events") - before


def _quoted(path: Path) -> str:
    return "'" + str(path.resolve()).replace("'", "''") + "'"
