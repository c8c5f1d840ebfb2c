"""Points of any format as one Arrow layout, and the pass over a cloud that counts and bounds what is really there."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clock import robust_span
from drone_ingest.found import Cloud

__all__ = ["COLUMNS", "color16", "points_batch", "rows_at_once", "survey"]

COLUMNS: dict[str, pa.DataType] = {
    "x": pa.float64(), "y": pa.float64(), "z": pa.float64(),
    "intensity": pa.uint16(), "red": pa.uint16(), "green": pa.uint16(), "blue": pa.uint16(),
    "gps_time_s": pa.float64(), "point_source_id": pa.uint16(), "return_number": pa.uint8(),
    "classification": pa.uint8(), "scan": pa.uint32(), "nx": pa.float32(), "ny": pa.float32(), "nz": pa.float32(),
}  # fmt: skip
_READ_BYTES = 64 << 20  # of a file at once, however many points that are
_GPS_EPOCH_US = 315_964_800_000_000
_LEAP_US = 18_000_000
_GPS_S_MAX = 1e11  # gps_time: seconds of a week, or since 1980, with or without 10⁹ taken off


def rows_at_once(chunk_points: int, record_bytes: int) -> int:
    """Points to read at once: a head may promise records of 64 KiB."""
    return max(min(chunk_points, _READ_BYTES // max(record_bytes, 1)), 1)


def points_batch(columns: Mapping[str, NDArray[Any]]) -> pa.RecordBatch:
    """Columns that a format has, by name of COLUMNS, as one batch; others are left out."""
    names = [name for name in COLUMNS if name in columns]
    arrays = [_typed(columns[name], COLUMNS[name]) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _typed(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    array = pa.array(np.ascontiguousarray(values))
    return array if array.type == kind else array.cast(kind)


def color16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """A colour channel as 16 bit: 8-bit values are spread over the range."""
    values = np.asarray(values)
    if values.dtype == np.uint16:
        return values
    spread: NDArray[np.uint16] = np.clip(values, 0, 255).astype(np.uint16) * np.uint16(257)
    return spread


def survey(
    cloud: Cloud,
    progress: Callable[[int], None] | None = None,
    sink: Callable[[pa.RecordBatch], None] | None = None,
) -> Cloud:
    """Read every point once; set `points`, `bounds`, `start_us` and `duration_s` to what was read, and note damage.

    A head that promises other bounds than its points have is warned of. `sink` is given each batch.
    """
    said, promised = cloud.bounds, cloud.points
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    count, strange = 0, 0
    spans: list[int] = []
    for batch in cloud.chunks():
        xyz = np.stack([batch[name].to_numpy() for name in "xyz"])
        finite = np.isfinite(xyz).all(axis=0)
        strange += int((~finite).sum())
        xyz = xyz[:, finite]
        count += batch.num_rows
        if xyz.size:
            low, high = np.minimum(low, xyz.min(axis=1)), np.maximum(high, xyz.max(axis=1))
        if "gps_time_s" in batch.schema.names:
            times = batch["gps_time_s"].to_numpy()
            span = robust_span([(times[np.abs(np.nan_to_num(times, nan=np.inf)) < _GPS_S_MAX] * 1e6).astype(np.int64)])
            if span is not None:
                spans += span[:2]
        if sink is not None:
            sink(batch)
        if progress is not None:
            progress(batch.num_rows)
    cloud.points = count
    cloud.bounds = [*low.tolist(), *high.tolist()] if np.isfinite(low).all() else None
    if strange:
        cloud.notes.warn(f"{strange} points are no numbers")
    if count < promised and not cloud.notes.damages:
        cloud.notes.warn(f"its head promises {promised} points")
    if said is not None and cloud.bounds is not None and _beyond(said, cloud.bounds):
        cloud.notes.warn("points lie outside the bounds that its head gives: damaged, or a wrong head")
    whole = robust_span([np.array(spans, np.int64)])
    if whole is not None and any(spans):
        cloud.duration_s = (whole[1] - whole[0]) / 1e6
        if cloud.start_us is None and cloud.gps_epoch_s is not None:
            cloud.start_us = whole[0] + round(cloud.gps_epoch_s * 1e6) + _GPS_EPOCH_US - _LEAP_US
    return cloud


def _beyond(said: list[float], found: list[float]) -> bool:
    size = np.ptp(np.array(said).reshape(2, 3), axis=0)
    margin = 0.001 * size + 0.05
    return bool((np.array(found[:3]) < np.array(said[:3]) - margin).any()
                or (np.array(found[3:]) > np.array(said[3:]) + margin).any())  # fmt: skip
