"""Take in what an earlier version of the twin could not read: `aid4 twin requeue`, after an upgrade.

The seqs of quarantined records are committed, so no agent sends them again; their bytes in the table `quarantine` are
the only ones. A record leaves that table in the transaction that stores its rows.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import duckdb

from twin import ledger
from twin.absorb import Absorber, Batch, Outcome, readable
from twin.reconcile import Intake, Key, Reconciler
from twin.store import Store
from wire.ranges import Range, Ranges
from wire.schemas import CATALOGUE, GAP

__all__ = ["Requeued", "requeue"]

PAGE_RECORDS = 64  # of at most a megabyte each, held at once
_IS = "node = ? AND epoch = ? AND seq = ?"


class Requeued(NamedTuple):
    """Records taken in, and records that this version cannot read either."""

    taken: int
    left: int


class _Kept(NamedTuple):
    """One record of the quarantine whose CRC says whose it is."""

    node: str
    epoch: bytes
    seq: int


def requeue(store: Store) -> Requeued:
    """Take in all that this version can read; catalogues first, since the others are read by them."""
    with store.cursor() as cursor:
        kept = _kept(cursor, store.site)
        reconciler = Reconciler(boot=0)
        reconciler.load(*ledger.load(cursor, store.site))
    absorber = Absorber(store.site, reconciler, store.points, store.state)
    taken = 0
    for catalogues in (True, False):
        for start in range(0, len(kept), PAGE_RECORDS):
            batch = Batch(recv_us=store.clock.wall_us())
            page = kept[start : start + PAGE_RECORDS]
            work = partial(_take, absorber=absorber, batch=batch, page=page, catalogues=catalogues)
            outcome = store.writer.submit(work, then=absorber.committed).result()
            taken += len(batch.payloads) - len(outcome.suspects)
    return Requeued(taken, len(kept) - taken)


class _Retake(Intake):
    """An intake to which committed seqs are new once more; `ranges` leaves out what is committed already."""

    def __init__(self, twin: Reconciler, again: Sequence[_Kept]) -> None:
        super().__init__(twin)
        self._again: dict[Key, Ranges] = {}
        for node, epoch, seq in again:
            self._again.setdefault((node, epoch), Ranges()).add(seq, seq)

    def ranges(self) -> list[tuple[str, bytes, int, int]]:
        """The ranges to write, disjoint from all that are committed."""
        return [
            (node, epoch, *part)
            for node, epoch, lo, hi in super().ranges()
            for part in self._committed((node, epoch)).missing(lo, hi)
        ]

    def _missing(self, key: Key, lo: int, hi: int) -> list[Range]:
        holes, staged = Ranges(super()._missing(key, lo, hi)), self._staged.get(key)
        for a, b in self._again.get(key, Ranges()):
            for part in staged.ranges.missing(a, b) if staged else [(a, b)]:
                if part[0] <= hi and part[1] >= lo:
                    holes.add(max(part[0], lo), min(part[1], hi))
        return holes.to_list()

    def _committed(self, key: Key) -> Ranges:
        found = self._twin.ledgers.get(key)
        return found.ranges if found else Ranges()


def _kept(connection: duckdb.DuckDBPyConnection, site: str) -> list[_Kept]:
    rows = connection.execute(
        "SELECT node, epoch, seq FROM quarantine WHERE site = ? AND epoch IS NOT NULL ORDER BY ALL", [site]
    ).fetchall()
    return [_Kept(node, bytes(epoch), seq) for node, epoch, seq in rows]


def _take(
    connection: duckdb.DuckDBPyConnection, *, absorber: Absorber, batch: Batch, page: Sequence[_Kept], catalogues: bool
) -> Outcome:
    """One transaction: a page's readable records, catalogues or all others, out of the quarantine and into rows."""
    intake, again = absorber.reconciler.begin(), []
    for kept in page:
        body = _body(connection, kept)
        header = readable(body) if body is not None else None
        if body is None or header is None or (header.schema_id == CATALOGUE) != catalogues:
            continue
        if header.schema_id in (CATALOGUE, GAP) or intake.knows((kept.node, kept.epoch), header.generation):
            batch.nodes.append(kept.node)
            batch.payloads.append(body)
            again.append(kept)
    for kept in again:
        connection.execute(f"DELETE FROM quarantine WHERE {_IS}", [*kept])  # noqa: S608
    outcome = absorber.absorb(connection, batch, intake=_Retake(absorber.reconciler, again))
    assert not outcome.intake.counts["parked"] + outcome.intake.counts["refused"], "nothing leaves without its rows"
    return outcome


def _body(connection: duckdb.DuckDBPyConnection, kept: _Kept) -> bytes | None:
    """The record's bytes; None when it has left the quarantine."""
    row = connection.execute(f"SELECT body FROM quarantine WHERE {_IS}", [*kept]).fetchone()  # noqa: S608
    return bytes(row[0]) if row else None
