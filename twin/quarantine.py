"""What could not be understood, kept as it came: unknown schemas, versions and codecs, broken bodies.

A record whose CRC is right is identified, so its bytes are made durable here in the same transaction that commits
its seq; it can be taken in after an upgrade. A record whose CRC is wrong has no identity: it is kept for people and
not committed, so the agent sends it again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from fastcrc import crc32

from wire.errors import RecordError
from wire.records import HEADER_BYTES, HEADER_DTYPE

__all__ = ["DEAD_LETTERS_KEPT_MAX", "Identity", "Suspect", "identity", "rows", "write"]

DEAD_LETTERS_KEPT_MAX = 1_000  # since start; a link that corrupts everything must not fill the disk
BODY_BYTES_KEPT_MAX = 1_000_000  # one record at most


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


def identity(payload: bytes) -> Identity | None:
    """Who sent this, if its CRC says that nothing was changed on the way."""
    if len(payload) < HEADER_BYTES or not payload.startswith(b"AID4"):
        return None
    header = np.frombuffer(payload, HEADER_DTYPE, 1)[0]
    if crc32.iscsi(payload[8:]) != header["crc"] or not 0 < header["seq"] < 2**63:
        return None
    return Identity(header["epoch"].tobytes(), int(header["seq"]), int(header["generation"]))


def write(connection: duckdb.DuckDBPyConnection, site: str, suspects: Sequence[Suspect], recv_us: int) -> None:
    """Keep payloads, in the caller's transaction."""
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


def rows(connection: duckdb.DuckDBPyConnection, *, limit: int = 1_000) -> list[dict[str, object]]:
    """The newest quarantined payloads without their bodies."""
    found = connection.execute(
        "SELECT node, hex(epoch) AS epoch, seq, generation, reason, detail, octet_length(body) AS bytes, recv"
        " FROM quarantine ORDER BY recv DESC LIMIT ?",
        [limit],
    )
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
