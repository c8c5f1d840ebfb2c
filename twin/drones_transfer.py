"""Flights, scans and their files in an export: every row with what was known when, so that another twin knows the same.

`drones/TABLE.parquet` beside `poses.parquet`; `drones/files` and `drones/scans` as in a data directory. A twin that has
uploads, flights or scans of its own keeps those and takes none; poses are added by the row.
"""

import os
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa

from twin.lookup import number
from twin.uploads_disk import DroneFolders
from wire.errors import InputError

__all__ = ["FOLDER", "export_drones", "import_drones", "import_poses"]

FOLDER = "drones"
_TABLES = (
    "uploads", "upload_groups", "flight_rows", "flight_positions", "flight_events", "photos", "photo_elements",
    "photo_marks", "scans", "scan_verdicts",
)  # fmt: skip
_OWN = ("uploads", "flight_rows", "scans")
_FIX = "give a folder that `aid4 twin export` wrote"


def export_drones(cursor: duckdb.DuckDBPyConnection, folder: Path, data_dir: Path) -> dict[str, int]:
    """Write tables and files beside the export's own; how many flights and scans there are."""
    out = folder / FOLDER
    out.mkdir()
    for name in _TABLES:
        cursor.execute(
            f"COPY {name} TO {_quoted(out / f'{name}.parquet')} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchall()
    for path in DroneFolders(data_dir).kept():
        _link(data_dir / path, folder / path)
    return {
        "flights": number(cursor, "SELECT count(*) FROM flights"),
        "scans": number(cursor, "SELECT count(*) FROM scans WHERE known_to IS NULL"),
    }


def import_poses(connection: duckdb.DuckDBPyConnection, path: Path, ids: pa.Table) -> int:
    """Within a transaction: poses that are not there yet; `ids` (old, new) are points. An older export has none."""
    if not path.exists():
        return 0
    before = number(connection, "SELECT count(*) FROM poses")
    connection.register("new_ids", ids)
    connection.execute(
        f"""
        INSERT INTO poses BY NAME
        SELECT r.* REPLACE (i.new AS point) FROM read_parquet({_quoted(path)}) r JOIN new_ids i ON i.old = r.point
        WHERE NOT EXISTS (FROM poses k WHERE k.point = i.new AND k.ts = r.ts AND k.recv = r.recv)
        """  # noqa: S608  (a quoted path)
    ).fetchall()
    connection.unregister("new_ids")
    return number(connection, "SELECT count(*) FROM poses") - before


def import_drones(connection: duckdb.DuckDBPyConnection, folder: Path, data_dir: Path, ids: pa.Table) -> int:
    """Within a transaction: what an export has, into a twin that has none; how many flights came."""
    given = folder / FOLDER
    if not given.is_dir() or any(number(connection, f"SELECT count(*) FROM {name}") for name in _OWN):  # noqa: S608
        return 0
    target = data_dir / FOLDER
    for part in ("files", "scans"):
        if (given / part).is_dir():
            shutil.copytree(given / part, target / part, dirs_exist_ok=True)
    for name in _TABLES:
        path = given / f"{name}.parquet"
        known = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", [name]).fetchall()}
        try:
            there = {row[0] for row in connection.execute(f"DESCRIBE FROM read_parquet({_quoted(path)})").fetchall()}
            columns = ", ".join(f'"{column}"' for column in sorted(known & there))
            connection.execute(
                f"INSERT INTO {name} BY NAME SELECT {columns} FROM read_parquet({_quoted(path)})"  # noqa: S608
            ).fetchall()
        except duckdb.Error as error:
            raise InputError(f"cannot be read: {error}", file=str(path), fix=_FIX) from error
    connection.register("new_ids", ids)
    connection.execute("UPDATE flight_rows f SET point = i.new FROM new_ids i WHERE i.old = f.point").fetchall()
    connection.unregister("new_ids")
    return number(connection, "SELECT count(*) FROM flight_rows WHERE known_to IS NULL")


def _link(source: Path, target: Path) -> None:
    """A hard link where the disk allows it: these files never change."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        return  # deleted meanwhile
    except OSError:
        shutil.copyfile(source, target)


def _quoted(path: Path) -> str:
    return "'" + str(path.resolve()).replace("'", "''") + "'"
