"""The table of verdicts: one row an element of the model, whether the plan knows it or not."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drone_ingest.scan.decide import BUILT, UNKNOWN, VERDICTS, Decision
from drone_ingest.scan.elements import FINISHED, NOT_STARTED, UNPLANNED, Elements, Floats
from drone_ingest.scan.evidence import BINS, Evidence, Tolerance

__all__ = [
    "VERDICT_TABLE",
    "counts_of",
    "decided_share",
    "early_of",
    "late_of",
    "unknown_table",
    "verdict_table",
    "write_verdicts",
]

VERDICT_TABLE = pa.schema(
    [
        pa.field("global_id", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),  # built, not built, unknown
        pa.field("p_built", pa.float64(), nullable=False),  # 0.5 where nothing was seen
        pa.field("seen", pa.int64(), nullable=False),  # rays that tell something
        pa.field("supported", pa.int64(), nullable=False),  # rays that ended on its surface
        pa.field("pierced", pa.int64(), nullable=False),  # rays that ended behind where its surface would be
        pa.field("occluded", pa.int64(), nullable=False),  # rays towards it that ended before; from a sample, scaled
        pa.field("planned", pa.uint8(), nullable=False),  # 0 unknown, 1 not started, 2 in progress, 3 finished
        pa.field("deviation_mean_mm", pa.float64()),  # of built ones, + outwards
        pa.field("deviation_p95_mm", pa.float64()),  # of its absolute value, noise included
        pa.field("deviation_n", pa.int64()),
    ]
)
_DEVIATION_N_MIN = 20


def verdict_table(
    elements: Elements,
    evidence: Evidence,
    decision: Decision,
    tolerance: Tolerance,
    global_ids: Sequence[str],
    planned: Mapping[str, int],
) -> pa.Table:
    """Rows of all `global_ids`; those that no ray was followed for are unknown."""
    place = {name: at for at, name in enumerate(elements.global_ids)}
    rows = np.array([place.get(name, -1) for name in global_ids], np.int64)
    mean, p95, n = _deviations(evidence.offsets, tolerance)
    deviates = (decision.verdict == BUILT) & (n >= _DEVIATION_N_MIN)
    supported, pierced = np.round(decision.supported).astype(np.int64), np.round(decision.against).astype(np.int64)
    seen = supported + pierced + evidence.contested
    columns = {
        "verdict": pa.array([VERDICTS[code] for code in _spread(decision.verdict, rows, UNKNOWN).tolist()]),
        "p_built": _spread(np.where(seen > 0, decision.p_built, 0.5), rows, 0.5),
        "seen": _spread(seen, rows, 0),
        "supported": _spread(supported, rows, 0),
        "pierced": _spread(pierced, rows, 0),
        "occluded": _spread(evidence.occluded, rows, 0),
        "deviation_mean_mm": _masked(mean * 1000, deviates, rows),
        "deviation_p95_mm": _masked(p95 * 1000, deviates, rows),
        "deviation_n": _masked(n, deviates, rows),
    }
    return _table(global_ids, planned, columns)


def unknown_table(global_ids: Sequence[str], planned: Mapping[str, int]) -> pa.Table:
    """All elements unknown: what a refused registration gives."""
    count = len(global_ids)
    zeros = {name: np.zeros(count, np.int64) for name in ("seen", "supported", "pierced", "occluded")}
    nothing = {name: pa.nulls(count) for name in ("deviation_mean_mm", "deviation_p95_mm", "deviation_n")}
    columns = {
        "verdict": pa.array(["unknown"] * count, pa.string()),
        "p_built": np.full(count, 0.5),
        **zeros,
        **nothing,
    }
    return _table(global_ids, planned, columns)


def late_of(table: pa.Table) -> list[str]:
    """Elements that should be finished and are not built."""
    return _named(table, "not built", FINISHED)


def early_of(table: pa.Table) -> list[str]:
    """Elements that should not have been started and are built."""
    return _named(table, "built", NOT_STARTED)


def counts_of(table: pa.Table) -> dict[str, int]:
    """How many elements have each verdict."""
    found = table["verdict"].to_pylist()
    return {
        name: found.count(text)
        for name, text in (("built", "built"), ("not_built", "not built"), ("unknown", "unknown"))
    }


def decided_share(table: pa.Table) -> float:
    """Of the elements that the plan knows, how many have a verdict."""
    verdict, planned = np.array(table["verdict"].to_pylist()), table["planned"].to_numpy()
    known = planned != UNPLANNED
    return float((verdict[known] != "unknown").mean()) if known.any() else 0.0


def write_verdicts(table: pa.Table, path: Path) -> None:
    """As Parquet; written beside and moved into place."""
    part = path.with_name(path.name + ".part")
    pq.write_table(table, part, compression="zstd")
    part.replace(path)


def _table(global_ids: Sequence[str], planned: Mapping[str, int], columns: Mapping[str, object]) -> pa.Table:
    known = {
        "global_id": pa.array(list(global_ids), pa.string()),
        "planned": np.array([planned.get(name, UNPLANNED) for name in global_ids], np.uint8),
        **columns,
    }
    arrays = [_array(known[field.name]).cast(field.type) for field in VERDICT_TABLE]
    return pa.Table.from_arrays(arrays, schema=VERDICT_TABLE)


def _array(values: object) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values)


def _spread(values: NDArray[np.generic], rows: NDArray[np.int64], absent: float) -> NDArray[np.generic]:
    if not len(values):
        return np.full(len(rows), absent)
    found = values[np.maximum(rows, 0)]
    found[rows < 0] = absent
    return found


def _masked(values: NDArray[np.generic], known: NDArray[np.bool_], rows: NDArray[np.int64]) -> pa.Array:
    if not len(values):
        return pa.nulls(len(rows))
    return pa.array(values[np.maximum(rows, 0)], mask=(rows < 0) | ~known[np.maximum(rows, 0)])


def _named(table: pa.Table, verdict: str, planned: int) -> list[str]:
    chosen = (np.array(table["verdict"].to_pylist()) == verdict) & (table["planned"].to_numpy() == planned)
    return [name for name, wanted in zip(table["global_id"].to_pylist(), chosen.tolist(), strict=True) if wanted]


def _deviations(offsets: NDArray[np.int64], tolerance: Tolerance) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Mean and 95th percentile of the absolute value, metres, + outwards; points far from the surface are not of it."""
    zone = tolerance.zone_m
    centres = -zone + 2 * zone / BINS * (np.arange(BINS) + 0.5)
    near = np.abs(centres) <= tolerance.reach_m + 2 * tolerance.sigma_m
    counts = offsets[:, near]
    n = counts.sum(axis=1)
    mean = -(counts @ centres[near]) / np.maximum(n, 1)
    order = np.argsort(np.abs(centres[near]), kind="stable")
    running = np.cumsum(counts[:, order], axis=1) >= 0.95 * np.maximum(n, 1)[:, None]
    p95 = np.abs(centres[near])[order][running.argmax(axis=1)]
    return mean, p95, n
