"""What a storm did: every accepted reading against what the twin's database holds, bit for bit.

An accepted reading may be missing only where the twin says so: its record's seq stands in an explicit gap, because
the gateway's stated policy thinned it, or because the gateway no longer had it when an old backup was restored.
"""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from aid4.bench.journal import ROWS, expected
from aid4.bench.journal_keeper import Ledger
from inference.runtime.worth import SCORE_CLASS
from twin.store import Store
from wire.ranges import Ranges

__all__ = ["Verdict", "judge"]


class Verdict(NamedTuple):
    """Counts of readings. `excused` were accepted, are missing, and the twin names them as a gap."""

    accepted: int
    stored: int
    lost: int
    duplicated: int
    altered: int
    excused: int
    gaps: int


def judge(data_dir: Path, site: str, seed: int, nodes: dict[str, Ledger], may_thin: set[str]) -> Verdict:
    """Compare the journal with a stopped twin's database; only nodes in `may_thin` have excuses."""
    with Store.open(data_dir, site=site) as store, store.cursor() as cursor:
        parts = [_judge_node(cursor, site, seed, node, ledger, node in may_thin) for node, ledger in nodes.items()]
        gaps = cursor.execute("SELECT count(*) FROM gaps").fetchone()
    sums = Verdict(*(sum(column) for column in zip(*parts, strict=True)))
    return sums._replace(gaps=gaps[0] if gaps else 0)


def _judge_node(
    cursor: duckdb.DuckDBPyConnection, site: str, seed: int, node: str, ledger: Ledger, may_thin: bool
) -> Verdict:
    metric, ts_us, value = _stored(cursor, site, node)
    number, row = _batch_of(ts_us)
    missing: set[int] = set()
    altered = 0
    seen = np.zeros((ledger.handed_out, ROWS), np.int64)
    alien = (number < 0) | (number >= ledger.handed_out)
    np.add.at(seen, (number[~alien], row[~alien]), 1)
    altered += int(alien.sum())
    order = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(ledger.handed_out + 1))
    for batch in range(ledger.handed_out):
        rows = order[bounds[batch] : bounds[batch + 1]]
        truth = expected(seed, node, batch)
        same = (metric[rows] == truth.metric[row[rows]]) & _same_bits(value[rows], truth.value[row[rows]])
        altered += int((~same).sum())
        if batch in ledger.accepted and (seen[batch] == 0).any():
            missing.add(batch)
    excused = {batch for batch in missing if may_thin and _named(cursor, site, node, ledger, batch)}
    lost = int((seen[sorted(missing - excused)] == 0).sum())
    return Verdict(
        accepted=len(ledger.accepted) * ROWS,
        stored=len(ts_us),
        lost=lost,
        duplicated=int(np.maximum(seen - 1, 0).sum()),
        altered=altered,
        excused=int((seen[sorted(excused)] == 0).sum()),
        gaps=0,
    )


def _stored(
    cursor: duckdb.DuckDBPyConnection, site: str, node: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Metric number, time and value of every stored reading of a node."""
    found = cursor.execute(
        "SELECT TRY_CAST(substr(p.metric, 2) AS BIGINT) AS metric, epoch_us(r.ts) AS ts_us, r.value FROM readings r"
        " JOIN points p ON p.id = r.point WHERE p.site = ? AND p.node = ? AND p.point_class <> ?",
        [site, node, SCORE_CLASS],  # which the twin makes itself
    ).fetchnumpy()
    return (
        np.asarray(found["metric"], np.int64),
        np.asarray(found["ts_us"], np.int64),
        np.ma.filled(np.ma.asarray(found["value"], np.float64), np.nan),
    )


def _batch_of(ts_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Batch number and row of readings, from their times (see `aid4.bench.journal.expected`)."""
    place = (ts_us - expected(0, "", 0).ts_us[0]) // 100
    return place // ROWS, place % ROWS


def _same_bits(found: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (found.view(np.uint64) == truth.view(np.uint64)) | (np.isnan(found) & np.isnan(truth))
    return same


def _named(cursor: duckdb.DuckDBPyConnection, site: str, node: str, ledger: Ledger, batch: int) -> bool:
    """Whether all records of a batch stand in explicit gaps of the twin."""
    gaps: dict[str, Ranges] = defaultdict(Ranges)
    rows = cursor.execute("SELECT hex(epoch), lo, hi FROM gaps WHERE site = ? AND node = ?", [site, node]).fetchall()
    for epoch, lo, hi in rows:
        gaps[epoch.lower()].add(lo, hi)
    spans = ledger.seqs.get(batch, [])
    return bool(spans) and all(gaps[epoch].covers(first, last) for epoch, first, last in spans)
