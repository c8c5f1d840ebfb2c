"""The delivery ledger in the database: committed ranges, gaps and catalogues, written with the rows they count."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from twin.reconcile import Gap
from wire.ranges import Ranges

__all__ = [
    "APPENDED_MAX",
    "CatalogueRow",
    "load",
    "merge",
    "read_catalogues",
    "rewrite",
    "write_catalogues",
    "write_gaps",
    "write_ranges",
]

APPENDED_MAX = 10_000  # ranges appended before they are joined: a busy hour's worth, read back in 20 ms
Span = tuple[str, bytes, int, int]  # node, epoch, lo, hi
_STAMPED = "SELECT *, make_timestamptz(?::BIGINT) AS recv FROM"


class CatalogueRow(NamedTuple):
    """A catalogue record, kept as it came."""

    node: str
    epoch: bytes
    generation: int
    seq: int
    digest: str
    body: bytes


def load(connection: duckdb.DuckDBPyConnection, site: str) -> tuple[list[Span], list[tuple[str, bytes, int]]]:
    """Committed ranges (disjoint, not merged) and known catalogues (node, epoch, generation)."""
    spans = connection.execute(
        "SELECT node, epoch, lo, hi FROM committed WHERE site = ? ORDER BY node, epoch, lo", [site]
    ).fetchall()
    known = connection.execute("SELECT node, epoch, generation FROM catalogues WHERE site = ?", [site]).fetchall()
    return (
        [(node, bytes(epoch), lo, hi) for node, epoch, lo, hi in spans],
        [(node, bytes(epoch), generation) for node, epoch, generation in known],
    )


def merge(connection: duckdb.DuckDBPyConnection, site: str) -> None:
    """Rewrite `committed` with adjacent ranges joined when many were appended; for a start."""
    spans, _ = load(connection, site)
    if len(spans) >= APPENDED_MAX:
        rewrite(connection, site, spans)


def rewrite(connection: duckdb.DuckDBPyConnection, site: str, spans: Iterable[Span]) -> int:
    """Make `committed` say these ranges, joined where they touch; returns how many rows that takes."""
    merged: dict[tuple[str, bytes], Ranges] = {}
    for node, epoch, lo, hi in spans:
        merged.setdefault((node, epoch), Ranges()).add(lo, hi)
    rows = [(*key, lo, hi) for key, ranges in merged.items() for lo, hi in ranges]
    connection.execute("DELETE FROM committed WHERE site = ?", [site])
    write_ranges(connection, site, rows)
    return len(rows)


def write_ranges(connection: duckdb.DuckDBPyConnection, site: str, spans: Sequence[Span]) -> None:
    """Append ranges, disjoint from all that are there."""
    added = _table(site, spans, node=pa.string(), epoch=pa.binary(), lo=pa.uint64(), hi=pa.uint64())
    assert added.num_rows
    connection.execute("INSERT INTO committed BY NAME SELECT * FROM added")


def write_gaps(connection: duckdb.DuckDBPyConnection, site: str, gaps: Sequence[Gap], recv_us: int) -> None:
    """Append gaps: seqs that are committed without data."""
    rows = [(gap.node, gap.epoch, gap.lo, gap.hi, gap.reason, gap.readings) for gap in gaps]
    kinds = {"lo": pa.uint64(), "hi": pa.uint64(), "reason": pa.string(), "readings": pa.uint64()}
    lost = _table(site, rows, node=pa.string(), epoch=pa.binary(), **kinds)
    assert lost.num_rows
    connection.execute(f"INSERT INTO gaps BY NAME {_STAMPED} lost", [recv_us])


def write_catalogues(
    connection: duckdb.DuckDBPyConnection, site: str, catalogues: Sequence[CatalogueRow], recv_us: int
) -> None:
    """Append catalogue records."""
    kinds = {"generation": pa.uint32(), "seq": pa.uint64(), "digest": pa.string(), "body": pa.binary()}
    known = _table(site, catalogues, node=pa.string(), epoch=pa.binary(), **kinds)
    assert known.num_rows
    connection.execute(f"INSERT INTO catalogues BY NAME {_STAMPED} known", [recv_us])


def read_catalogues(
    connection: duckdb.DuckDBPyConnection, site: str, keys: Sequence[tuple[str, bytes, int]]
) -> list[tuple[str, bytes, int, bytes]]:
    """The catalogue records (node, epoch, generation, body) of these (node, epoch, generation), as far as known."""
    if not keys:
        return []
    wanted = _table(site, keys, node=pa.string(), epoch=pa.binary(), generation=pa.uint32())
    assert wanted.num_rows
    rows = connection.execute(
        "SELECT node, epoch, generation, body FROM catalogues SEMI JOIN wanted USING (site, node, epoch, generation)"
    ).fetchall()
    return [(node, bytes(epoch), generation, bytes(body)) for node, epoch, generation, body in rows]


def _table(site: str, rows: Iterable[Sequence[Any]], **kinds: pa.DataType) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = {name: pa.array(column, kind) for (name, kind), column in zip(kinds.items(), columns, strict=True)}
    return pa.table({**arrays, "site": pa.repeat(site, len(arrays["node"]))})
