"""How long what drones brought stays: files, flights, clouds. What scans say of elements is never forgotten.

`upload_days`: the file of an upload that ended goes, what was found in it stays; a picture is then no longer shown.
`flight_days`: a flight goes with its track, its events and its photos, counted from its end or, if later, from when it
became known. `scan_days`: the cloud's levels and the evidence go. A group that nobody commits is given up after a week.
"""

import shutil
from collections.abc import Callable

import duckdb
import msgspec

from twin.retention import DAY_US, Policies
from twin.store import Store
from twin.uploads_disk import DroneFolders

__all__ = ["forget_old"]

_UNCOMMITTED_DAYS = 7
_BEFORE = "make_timestamptz($cut::BIGINT)"
_OLD_FLIGHTS = (
    "SELECT id FROM flight_rows WHERE NOT is_open AND greatest(coalesce(finish, known_from), known_from) < "
    "make_timestamptz($cut::BIGINT)"
)
_NEVER = msgspec.json.encode({"problem": "its group was never committed", "fix": "send it once more"}).decode()


def forget_old(store: Store, folders: DroneFolders, policies: Policies, now_us: int) -> dict[str, int]:
    """Apply the policies; how many files, flights and scans went."""
    gone = {"uploads": 0, "flights": 0, "scans": 0}
    gone["uploads"] += _files(store, folders, "receiving", now_us - _UNCOMMITTED_DAYS * DAY_US)
    if policies.upload_days is not None:
        gone["uploads"] += _files(store, folders, "ended", now_us - int(policies.upload_days * DAY_US))
    if policies.flight_days is not None:
        gone["flights"] = store.writer.run(_flights(now_us - int(policies.flight_days * DAY_US)))
    if policies.scan_days is not None:
        gone["scans"] = _scans(store, folders, now_us - int(policies.scan_days * DAY_US))
    return gone


def _files(store: Store, folders: DroneFolders, which: str, cut_us: int) -> int:
    states = {"ended": "('done', 'refused', 'failed')", "receiving": "('receiving')"}
    where = f"state IN {states[which]} AND file <> '' AND received < {_BEFORE}"

    def work(connection: duckdb.DuckDBPyConnection) -> list[str]:
        rows = connection.execute(f"SELECT id, file FROM uploads WHERE {where}", {"cut": cut_us}).fetchall()  # noqa: S608
        names = [name for name, _ in rows]
        change = "file = ''" if which == "ended" else "file = '', state = 'failed', problem = $problem"
        values = {"ids": names} | ({} if which == "ended" else {"problem": _NEVER})
        connection.execute(f"UPDATE uploads SET {change} WHERE id IN (SELECT unnest($ids))", values).fetchall()  # noqa: S608
        return [file for _, file in rows]

    files = store.writer.run(work)
    for file in files:
        folders.drop(file)
    return len(files)


def _flights(cut_us: int) -> Callable[[duckdb.DuckDBPyConnection], int]:
    def work(connection: duckdb.DuckDBPyConnection) -> int:
        old = [row[0] for row in connection.execute(_OLD_FLIGHTS, {"cut": cut_us}).fetchall()]
        photos = "SELECT id FROM photos WHERE flight IN (SELECT unnest($old))"
        for table, column, which in (
            ("photo_elements", "photo", photos), ("photo_marks", "photo", photos), ("photos", "flight", ""),
            ("flight_positions", "flight", ""), ("flight_events", "flight", ""), ("flight_rows", "id", ""),
        ):  # fmt: skip
            inner = which or "SELECT unnest($old)"
            connection.execute(f"DELETE FROM {table} WHERE {column} IN ({inner})", {"old": old}).fetchall()  # noqa: S608
        return len(old)

    return work


def _scans(store: Store, folders: DroneFolders, cut_us: int) -> int:
    with store.cursor() as cursor:
        sql = f'SELECT id FROM scans WHERE greatest(known_from, "at") < {_BEFORE}'  # noqa: S608
        old = [row[0] for row in cursor.execute(sql, {"cut": cut_us}).fetchall()]
    kept = [folders.scans / scan for scan in old if (folders.scans / scan).is_dir()]
    for folder in kept:
        shutil.rmtree(folder, ignore_errors=True)
    return len(kept)
