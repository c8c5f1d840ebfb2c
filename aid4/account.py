"""Was anything lost? Compares the agent's spool with the twin's database, both at rest, point by point.

*Accepted* is what lies in the spool, read from its files. *Stored* is what DuckDB counts. Neither asks the program
that wrote it. What had been committed before the run is left out on both sides.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from edge.epochs import epoch_folders
from edge.segments import scan
from wire.catalogue import from_batch
from wire.ranges import Ranges
from wire.records import Header, unpack
from wire.schemas import CATALOGUE, READINGS, STATES

if TYPE_CHECKING:
    import duckdb

__all__ = ["Ledger", "Tally", "compare", "ledger_of", "spooled"]

_TABLES = {"readings": READINGS, "states": STATES}
Key = tuple[int, str]  # schema id, node/device/metric


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a twin's database holds: rows by kind and point, committed ranges by epoch, what it put aside."""

    rows: Counter[Key] = field(default_factory=Counter)
    committed: dict[bytes, Ranges] = field(default_factory=dict)
    quarantined: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """The balance of a run, in readings."""

    accepted: int
    stored: int
    lost: int
    duplicated: int


def compare(spooled_rows: Counter[Key], before: Ledger, after: Ledger) -> Tally:
    """Point by point, so that a lost reading and a doubled one do not hide each other."""
    stored = after.rows.copy()
    stored.subtract(before.rows)
    lost = sum(max(0, count - stored[key]) for key, count in spooled_rows.items())
    doubled = sum(max(0, count - spooled_rows[key]) for key, count in stored.items())
    return Tally(spooled_rows.total(), stored.total(), lost, doubled)


def spooled(spool: Path, node: str, committed_before: dict[bytes, Ranges]) -> Counter[Key]:
    """Rows in the spool's files by kind and point, without the records that were committed before."""
    rows: Counter[Key] = Counter()
    for folder in epoch_folders(spool):
        epoch = bytes.fromhex(folder.name)
        known = committed_before.get(epoch, Ranges())
        names = _names(folder, epoch, node)
        for header, batch in _records(folder, epoch):
            if header.schema_id not in _TABLES.values() or header.seq in known:
                continue
            counts = np.bincount(batch.column(0).to_numpy())
            keys = names[header.generation]
            for point in np.flatnonzero(counts):
                rows[header.schema_id, keys[int(point)]] += int(counts[point])
    return rows


def ledger_of(twin: Path) -> Ledger:
    """Read a twin's database at rest; an empty ledger when there is none yet."""
    import duckdb  # a gateway has none

    path = twin / "twin.duckdb"
    if not path.exists():
        return Ledger()
    with duckdb.connect(str(path), read_only=True) as connection:
        rows: Counter[Key] = Counter()
        for table, schema_id in _TABLES.items():
            for key, count in _counted(connection, table, twin):
                rows[schema_id, key] += count
        committed: dict[bytes, Ranges] = {}
        for epoch, lo, hi in connection.execute("SELECT epoch, lo, hi FROM committed").fetchall():
            committed.setdefault(bytes(epoch), Ranges()).add(lo, hi)
        quarantined = connection.execute("SELECT count(*) FROM quarantine").fetchall()[0][0]
        gaps = connection.execute("SELECT count(*) FROM gaps").fetchall()[0][0]
    return Ledger(rows, committed, quarantined, gaps)


def _counted(connection: "duckdb.DuckDBPyConnection", table: str, twin: Path) -> list[tuple[str, int]]:
    """(point key, rows) over the warm table and the files of the manifest, without the scores that the twin made."""
    files = connection.execute("SELECT file FROM cold_files WHERE kind = ?", [table]).fetchall()
    warm = connection.sql(f"SELECT point FROM {table}_warm")  # noqa: S608 - a name of ours
    counts = warm.aggregate("point, count(*) AS n").fetchall()
    for (name,) in files:
        counts += connection.read_parquet(str(twin / name)).aggregate("point, count(*) AS n").fetchall()
    keys = connection.execute("SELECT id, node || '/' || device || '/' || metric FROM points").fetchall()
    named = dict(keys)
    made = {
        point
        for (point,) in connection.execute('SELECT id FROM points WHERE meta LIKE \'%"made_by":"twin"%\'').fetchall()
    }
    return [(named[point], count) for point, count in counts if point not in made]


def _names(folder: Path, epoch: bytes, node: str) -> dict[int, list[str]]:
    """Point keys by catalogue generation; ids are dense."""
    names: dict[int, list[str]] = {}
    copies = [unpack(path.read_bytes()) for path in folder.glob("catalogue-*.rec")]
    for header, batch in [*_records(folder, epoch), *copies]:
        if header.schema_id == CATALOGUE:
            points = from_batch(batch)
            keys = [""] * (max((point.id for point in points), default=-1) + 1)
            for point in points:
                keys[point.id] = f"{node}/{point.device}/{point.metric}"
            names[header.generation] = keys
    return names


def _records(folder: Path, epoch: bytes) -> Iterator[tuple[Header, pa.RecordBatch]]:
    for path in sorted(folder.glob("*.seg")):
        data = path.read_bytes()
        for frame in scan(data, epoch).frames:
            yield unpack(data[frame.at : frame.at + frame.size])
