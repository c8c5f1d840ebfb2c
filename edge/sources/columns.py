"""From numpy columns to record batches, and the list of points that their ids index. Shared by all sources."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.sources import Batch, SourceError, SourceHealth
from wire.catalogue import Point
from wire.limits import NAME_CHARS_MAX, TEXT_BYTES_MAX
from wire.names import slug
from wire.quality import STALE, SUBSTITUTED, flag_values
from wire.schemas import EVENTS, POSES, READINGS, STATES, schema

__all__ = [
    "Happening", "LastValues", "PointList", "PointSpec", "check_value", "counted", "events", "poses", "readings",
    "states",
]  # fmt: skip

TEXT_SUFFIX = "_text"  # the point of kind "state" beside a numeric one that sometimes says a word


class PointSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What a profile or a config can say about a point; every field has the meaning of `wire.catalogue.Point`."""

    metric: str = ""
    unit: str = ""
    point_class: str = ""
    low: float | None = None
    high: float | None = None
    label: str = ""
    element_hint: str = ""
    space_hint: str = ""

    def about(self) -> dict[str, Any]:
        """Its fields but `metric`, to be given to `PointList.add`."""
        return {name: getattr(self, name) for name in PointSpec.__struct_fields__ if name != "metric"}


class PointList:
    """The points of one source in order of discovery: `points[i].id == i`; the list only grows."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._keys: set[tuple[str, str]] = set()
        self._limits: NDArray[np.float64] | None = None

    def add(self, device: str, metric: str, *, kind: Literal["value", "state", "pose"] = "value", **about: Any) -> int:
        """Append a point and return its id. A taken device/metric gets `_2`, `_3`, …"""
        device, metric = slug(device), slug(metric)
        name, count = metric, 1
        while (device, name) in self._keys:
            count += 1
            name = f"{metric[: NAME_CHARS_MAX - 8]}_{count}"
        self._keys.add((device, name))
        declared = about.pop("declared", "text" if kind == "state" else "f64")
        point = Point(id=len(self.points), device=device, metric=name, kind=kind, declared=declared, **about)
        self.points.append(point)
        self._limits = None
        return point.id

    def flags(self, ids: NDArray[np.uint32], values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Quality of `values` (n,) of the points `ids` (n,) against NaN, infinity and each point's limits."""
        if self._limits is None:
            nan = float("nan")
            pairs = [(nan if p.low is None else p.low, nan if p.high is None else p.high) for p in self.points]
            self._limits = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        return flag_values(values, self._limits[ids, 0], self._limits[ids, 1])


class LastValues:
    """The newest value of each point, to be repeated as stale when the link to its device is lost."""

    def __init__(self, points: PointList) -> None:
        self._points = points
        self._values = np.full(64, np.nan)
        self._known = np.zeros(64, dtype=np.bool_)
        self._texts: dict[int, str] = {}

    def take_values(self, ids: NDArray[np.uint32], values: NDArray[np.float64]) -> None:
        """Remember readings; of several of one point the last stands."""
        if len(self._points.points) > len(self._values):
            more = 2 * len(self._points.points) - len(self._values)
            self._values = np.concatenate((self._values, np.full(more, np.nan)))
            self._known = np.concatenate((self._known, np.zeros(more, dtype=np.bool_)))
        self._values[ids] = values
        self._known[ids] = True

    def take_texts(self, ids: Iterable[int], texts: Iterable[str]) -> None:
        """Remember states."""
        self._texts.update(zip(ids, texts, strict=True))

    def values(self, points: Sequence[int]) -> NDArray[np.float64]:
        """The newest value of each point (n,), NaN where there was none yet."""
        return np.array([self._values[point] if point < len(self._values) else np.nan for point in points])

    def text(self, point: int) -> str | None:
        """The newest state of a point."""
        return self._texts.get(point)

    def stale(self, points: Sequence[int], at_us: int, health: SourceHealth) -> list[Batch]:
        """The last values of `points` at `at_us`, flagged as stale; points that never had one are left out."""
        ids = np.array([point for point in points if point < len(self._known) and self._known[point]], dtype=np.uint32)
        words = [point for point in points if point in self._texts]
        batches = []
        if len(ids):
            flags = np.full(len(ids), STALE, dtype=np.uint8)
            rows = readings(
                ids, np.full(len(ids), at_us), self._values[ids], flags | self._points.flags(ids, self._values[ids])
            )
            batches.append(counted(READINGS, rows, health))
        if words:
            texts = [self._texts[point] for point in words]
            flags = np.full(len(words), STALE, dtype=np.uint8)
            rows = states(np.array(words, dtype=np.uint32), np.full(len(words), at_us), texts, flags)
            batches.append(counted(STATES, rows, health))
        for batch in batches:
            health.received += batch.rows.num_rows
        return batches


def counted(schema_id: int, rows: pa.RecordBatch, health: SourceHealth) -> Batch:
    """A batch whose acceptance only counts as sent."""

    def accepted(refused: int) -> None:
        health.sent += rows.num_rows - refused

    return Batch(schema_id, rows, accepted)


def check_value(point: Point, value: float | str | bool) -> None:
    """Raise SourceError("write") when `value` is not what the point can be set to."""
    if not point.writable:
        raise SourceError("write", f"{point.key} takes no commands")
    if point.kind == "state":
        return
    if isinstance(value, str) or not math.isfinite(value):
        raise SourceError("write", f"{point.key} takes a number, not {value!r}")
    if (point.low is not None and value < point.low) or (point.high is not None and value > point.high):
        raise SourceError("write", f"{point.key}: {value} {point.unit} is outside {point.low} to {point.high}")


def readings(
    ids: NDArray[np.uint32], ts_us: NDArray[np.int64], values: NDArray[np.float64], quality: NDArray[np.uint8]
) -> pa.RecordBatch:
    """A body of readings@1 from four columns (n,)."""
    return _batch(READINGS, ids, ts_us, pa.array(values, pa.float64(), from_pandas=False), quality)


def states(
    ids: NDArray[np.uint32], ts_us: NDArray[np.int64], texts: Sequence[str] | pa.Array, quality: NDArray[np.uint8]
) -> pa.RecordBatch:
    """A body of states@1; a text over `TEXT_BYTES_MAX` is cut and flagged as substituted."""
    column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    if column.nbytes > TEXT_BYTES_MAX:
        column, quality = _cut(column, quality)
    return _batch(STATES, ids, ts_us, column, quality)


class Happening(NamedTuple):
    """One event of a device; severity 0 info, 1 notice, 2 warning, 3 critical."""

    ts_us: int
    device: str
    kind: str
    severity: int
    message: str
    detail: dict[str, Any]


def events(rows: Sequence[Happening]) -> Batch:
    """A batch of events@1; they belong to devices, not to points, and are not counted as readings."""
    columns: dict[str, Any] = {
        "ts": pa.array([one.ts_us for one in rows], pa.int64()).view(schema(EVENTS).field("ts").type),
        "point": pa.nulls(len(rows), pa.uint32()),
        "detail": [msgspec.json.encode(one.detail).decode() for one in rows],
    }
    columns |= {name: [getattr(one, name) for one in rows] for name in ("device", "kind", "severity", "message")}
    return Batch(EVENTS, pa.RecordBatch.from_pydict(columns, schema=schema(EVENTS)))


def poses(
    ids: NDArray[np.uint32], ts_us: NDArray[np.int64], place: Sequence[NDArray[Any]], datum: int,
    turned: Sequence[NDArray[Any]], quality: NDArray[np.uint8],
) -> pa.RecordBatch:  # fmt: skip
    """A body of poses@1 from columns (n,): `place` is latitude, longitude, height, `turned` roll, pitch, yaw in degrees
    (NaN: not known), `datum` the code of what the heights are above."""
    body = schema(POSES)
    columns = [pa.array(ids, pa.uint32()), pa.array(ts_us, pa.int64()).view(body.field("ts").type)]
    columns += [pa.array(one, pa.float64(), from_pandas=False) for one in place]
    columns.append(pa.array(np.full(len(ids), datum, np.uint8)))
    columns += [pa.array(one.astype(np.float32), from_pandas=False) for one in turned]
    return pa.RecordBatch.from_arrays([*columns, pa.array(quality, pa.uint8())], schema=body)


def _cut(column: pa.Array, quality: NDArray[np.uint8]) -> tuple[pa.Array, NDArray[np.uint8]]:
    texts, quality = column.to_pylist(), quality.copy()
    for row, text in enumerate(texts):
        if len(raw := text.encode()) > TEXT_BYTES_MAX:
            texts[row] = raw[:TEXT_BYTES_MAX].decode(errors="ignore")
            quality[row] |= SUBSTITUTED
    return pa.array(texts, pa.string()), quality


def _batch(
    schema_id: int, ids: NDArray[np.uint32], ts_us: NDArray[np.int64], column: pa.Array, quality: NDArray[np.uint8]
) -> pa.RecordBatch:
    body = schema(schema_id)
    times = pa.array(ts_us, pa.int64()).view(body.field("ts").type)
    columns = [pa.array(ids, pa.uint32()), times, column, pa.array(quality, pa.uint8())]
    return pa.RecordBatch.from_arrays(columns, schema=body)
