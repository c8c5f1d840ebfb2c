"""What the row groups of cold files hold: the range of points and of times of each, kept in memory.

A file says it in one piece of its own footer; the statistics of 420 groups, read one by one, take three times as
long as the rest of the footer. Files of the first version have only those.
"""

import base64
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["FOOTERS_KEPT", "GROUPS_KEY", "Bounds", "Footer", "Footers", "read_footer"]

FOOTERS_KEPT = 40  # a month of days, 1.8 MiB each for 3.4 M rows
GROUPS_KEY = "aid4.groups"  # base64 of int64 [4][groups], little-endian: point min, point max, ts min, ts max


class Footer(NamedTuple):
    """A file's metadata, and the bounds of each of its row groups."""

    metadata: pq.FileMetaData
    point_min: NDArray[np.int64]
    point_max: NDArray[np.int64]
    ts_min: NDArray[np.int64]
    ts_max: NDArray[np.int64]


class Bounds:
    """Collects the bounds of the groups of `group_rows` into which sorted buckets are cut."""

    def __init__(self, group_rows: int) -> None:
        self._group_rows = group_rows
        self._parts: list[NDArray[np.int64]] = []

    def add(self, bucket: pa.Table) -> None:
        """A bucket, by ascending point, that is written next."""
        starts = np.arange(0, bucket.num_rows, self._group_rows)
        if not len(starts):
            return
        point = bucket.column("point").to_numpy().astype(np.int64)
        ts = bucket.column("ts").cast(pa.int64()).to_numpy()
        lasts = np.append(starts[1:], bucket.num_rows) - 1
        ends = np.minimum.reduceat(ts, starts), np.maximum.reduceat(ts, starts)
        self._parts.append(np.stack([point[starts], point[lasts], *ends]))

    def text(self) -> str:
        """For the file's metadata."""
        everything = np.concatenate(self._parts, axis=1) if self._parts else np.empty((4, 0), np.int64)
        return base64.b64encode(everything.astype("<i8").tobytes()).decode()


class Footers:
    """The footers of the files that were read last. For any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: OrderedDict[str, Footer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, file: str) -> Footer:
        """The footer of a file, named relative to the folder; OSError when it cannot be read."""
        with self._lock:
            found = self._kept.get(file)
            if found is not None:
                self._kept.move_to_end(file)
                return found
        found = read_footer(self._folder / file)
        with self._lock:
            self._kept[file] = found
            while len(self._kept) > FOOTERS_KEPT:
                self._kept.popitem(last=False)
        return found


def read_footer(path: Path) -> Footer:
    """Read one."""
    metadata = pq.read_metadata(path, memory_map=True)
    said = (metadata.metadata or {}).get(GROUPS_KEY.encode())
    if said is not None:
        bounds = np.frombuffer(base64.b64decode(said), "<i8").reshape(4, metadata.num_row_groups)
        return Footer(metadata, *bounds)
    return Footer(metadata, *_statistics(metadata))


def _statistics(metadata: pq.FileMetaData) -> NDArray[np.int64]:
    bounds = np.empty((4, metadata.num_row_groups), np.int64)
    for at in range(metadata.num_row_groups):
        group = metadata.row_group(at)
        point, ts = group.column(0).statistics, group.column(1).statistics
        bounds[:, at] = point.min_raw, point.max_raw, ts.min_raw, ts.max_raw
    return bounds
