"""What could not be understood, kept as it came: unknown schemas, versions and codecs, broken bodies.

A record whose CRC is right is identified, so its bytes are made durable here in the same transaction that commits
its seq; it can be taken in after an upgrade. A record whose CRC is wrong has no identity: it is kept for people and
not committed, so the agent sends it again.

The table is bounded: beyond ROWS_MAX or BYTES_MAX the oldest go, dead letters first, a tenth at a time. What goes of
an identified record is said in `gaps`, so the loss is visible. `aid4 twin requeue` is the way back (twin/requeue.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from fastcrc import crc32

from wire.errors import RecordError
from wire.records import HEADER_BYTES, HEADER_DTYPE

__all__ = ["BYTES_MAX", "DEAD_LETTERS_KEPT_MAX", "ROWS_MAX", "Identity", "Kept", "Suspect", "identity", "rows", "write"]

DEAD_LETTERS_KEPT_MAX = 1_000  # since start; a link that corrupts everything must not fill the disk
BODY_BYTES_KEPT_MAX = 1_000_000  # one record at most
ROWS_MAX = 100_000  # a thousand gateways of a newer version, a hundred records each
BYTES_MAX = 256 << 20  # a gateway's day of records that this version cannot read, before somebody must have looked
_KEPT_SHARE = 0.9  # after dropping, so that a flood of suspects does not drop at each commit


class Identity(NamedTuple):
    """Whose record it is, read from a header whose CRC is right although the rest was refused."""

    epoch: bytes
    seq: int
    generation: int


class Suspect(NamedTuple):
    """One payload to keep. `identity` is None for a dead letter."""

    node: str
    identity: Identity | None
    error: RecordError
    body: bytes


class Kept(NamedTuple):
    """How much the table holds."""

    rows: int
    bytes: int

    @property
    def over(self) -> bool:
        """Whether that is more than it may hold."""
        return self.rows > ROWS_MAX or self.bytes > BYTES_MAX


def identity(payload: bytes) -> Identity | None:
    """Who sent this, if its CRC says that nothing was changed on the way."""
    if len(payload) < HEADER_BYTES or not payload.startswith(b"AID4"):
        return None
    header = np.frombuffer(payload, HEADER_DTYPE, 1)[0]
    if crc32.iscsi(payload[8:]) != header["crc"] or not 0 < header["seq"] < 2**63:
        return None
    return Identity(header["epoch"].tobytes(), int(header["seq"]), int(header["generation"]))


def write(
    connection: duckdb.DuckDBPyConnection,
    site: str,
    suspects: Sequence[Suspect],
    recv_us: int,
    held: Kept | None = None,
) -> tuple[Kept, int]:
    """Keep payloads, in the caller's transaction; returns what is held then and how many old ones were dropped.

    `held` is what the last call returned, so that nothing is counted twice; None counts.
    """
    whose = [s.identity for s in suspects]
    kept = pa.table(
        {
            "site": [site] * len(suspects),
            "node": [s.node for s in suspects],
            "epoch": pa.array([w.epoch if w else None for w in whose], pa.binary()),
            "seq": pa.array([w.seq if w else None for w in whose], pa.uint64()),
            "generation": pa.array([w.generation if w else None for w in whose], pa.uint32()),
            "reason": [s.error.reason for s in suspects],
            "detail": [s.error.detail[:500] for s in suspects],
            "body": pa.array([s.body[:BODY_BYTES_KEPT_MAX] for s in suspects], pa.binary()),
        }
    )
    assert kept.num_rows == len(suspects)
    connection.execute(
        "INSERT INTO quarantine BY NAME SELECT *, make_timestamptz(?::BIGINT) AS recv FROM kept", [recv_us]
    )
    if held is not None:
        held = Kept(held.rows + len(suspects), held.bytes + sum(len(s.body[:BODY_BYTES_KEPT_MAX]) for s in suspects))
    if held is None or held.over:
        held = _held(connection)
    return _drop_oldest(connection, held, recv_us) if held.over else (held, 0)


def _held(connection: duckdb.DuckDBPyConnection) -> Kept:
    row = connection.execute("SELECT count(*), coalesce(sum(octet_length(body)), 0) FROM quarantine").fetchone()
    assert row is not None
    return Kept(int(row[0]), int(row[1]))


def _drop_oldest(connection: duckdb.DuckDBPyConnection, held: Kept, recv_us: int) -> tuple[Kept, int]:
    """Dead letters first, then by age, until a share of the bounds is left; neighbouring seqs become one gap."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE dropped AS
        SELECT rowid AS row, site, node, epoch, seq FROM (
            SELECT rowid, site, node, epoch, seq, row_number() OVER newest AS n,
                sum(octet_length(body)) OVER newest AS size
            FROM quarantine WINDOW newest AS (ORDER BY epoch IS NULL, recv DESC, seq DESC, rowid DESC)
        ) WHERE n > ? OR size > ?
        """,
        [int(ROWS_MAX * _KEPT_SHARE), int(BYTES_MAX * _KEPT_SHARE)],
    )
    connection.execute(
        """
        INSERT INTO gaps BY NAME
        SELECT site, node, epoch, min(seq) AS lo, max(seq) AS hi, 'dropped from quarantine' AS reason,
            make_timestamptz(?::BIGINT) AS recv
        FROM (
            SELECT *, seq::BIGINT - row_number() OVER (PARTITION BY site, node, epoch ORDER BY seq) AS island
            FROM (SELECT DISTINCT site, node, epoch, seq FROM dropped WHERE epoch IS NOT NULL)
        ) GROUP BY site, node, epoch, island
        """,
        [recv_us],
    )
    connection.execute("DELETE FROM quarantine WHERE rowid IN (SELECT row FROM dropped)")
    connection.execute("DROP TABLE dropped")
    left = _held(connection)
    return left, held.rows - left.rows


def rows(connection: duckdb.DuckDBPyConnection, *, limit: int = 1_000) -> list[dict[str, object]]:
    """The newest quarantined payloads without their bodies."""
    found = connection.execute(
        "SELECT node, hex(epoch) AS epoch, seq, generation, reason, detail, octet_length(body) AS bytes, recv"
        " FROM quarantine ORDER BY recv DESC LIMIT ?",
        [limit],
    )
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
