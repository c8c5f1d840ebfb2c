"""The SQL views over warm and cold rows, made anew whenever the manifest changes, in the same transaction."""

from pathlib import Path

import duckdb

from twin.cold import KINDS, manifest

__all__ = ["missing_files", "refresh"]

_COLUMNS = "point, ts, value, quality, recv"


def refresh(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make `readings` and `states` show every row once: those of the database and of the files listed."""
    for kind in KINDS:
        parts = [f"SELECT {_COLUMNS} FROM {kind}_warm"]  # noqa: S608
        files = [folder / file.file for file in manifest(connection, kind)]
        names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files if path.exists())
        if names:
            parts.append(f"SELECT {_COLUMNS} FROM read_parquet([{names}])")  # noqa: S608
        connection.execute(f"CREATE OR REPLACE VIEW {kind} AS {' UNION ALL '.join(parts)}")


def missing_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Files that the manifest lists and the disk does not have: somebody removed them."""
    return [file.file for file in manifest(connection) if not (folder / file.file).exists()]
