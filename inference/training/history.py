"""The past of a twin as rows of one length: from its API while it runs, or from a folder that it exported.

A row is the mean of a point's good readings within it, as `inference.runtime.rows` makes it live; a point that reports
by exception holds its value.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from inference.limits import CELLS_ASKED_MAX
from inference.training.periods import Span
from inference.twin_api import TwinApi
from inference.windows import Floats
from wire.errors import InputError
from wire.point_classes import POINT_CLASSES
from wire.quality import TIME_SUSPECT, UNUSABLE

__all__ = ["ExportHistory", "History", "PointInfo", "TwinHistory"]

_BAD = UNUSABLE | TIME_SUSPECT
_SEVERITY_FROM = 2  # of an event: from there on a device complains
_POINTS_PAGE = 10_000
_STILL_US = 1 << 60  # an alarm that still stands


class PointInfo(msgspec.Struct, frozen=True):
    """A point that may be learned from; `asset` is what the model of the building says it belongs to."""

    id: int
    key: str
    asset: str
    period_s: float | None = None
    point_class: str = ""


class History(Protocol):
    """What training asks of a past."""

    def points(self) -> list[PointInfo]:
        """Points with numbers, counters left out."""
        ...

    def span_us(self) -> tuple[int, int]:
        """First and last time of any reading."""
        ...

    def disturbed(self) -> list[Span]:
        """When something was not normal."""
        ...

    def rows(self, points: Sequence[PointInfo], from_us: int, to_us: int, row_us: int) -> Floats:
        """(rows, points), NaN where a point said nothing."""
        ...


class TwinHistory:
    """Of a running twin."""

    def __init__(self, api: TwinApi) -> None:
        self._api = api

    def points(self) -> list[PointInfo]:
        """The catalogue, grouped by the twin's own graph of assets."""
        asset_of = {key: asset for asset, keys in self._api.get("/models/assets")["assets"].items() for key in keys}
        found: list[PointInfo] = []
        while True:
            page = self._api.get(f"/points?limit={_POINTS_PAGE}&offset={len(found)}")["items"]
            found += [
                PointInfo(
                    one["id"], one["key"], asset_of.get(one["key"], one["key"].rpartition("/")[0]), one["period_s"],
                    one["point_class"] if one["kind"] == "value" else "status",
                )
                for one in page
            ]  # fmt: skip
            if len(page) < _POINTS_PAGE:
                return [one for one in found if _is_learned(one)]

    def span_us(self) -> tuple[int, int]:
        """Of all readings."""
        row = self._one("SELECT min(epoch_us(ts)) AS a, max(epoch_us(ts)) AS b FROM readings")
        if row["a"] is None:
            raise InputError("the twin has no readings", field="--url", fix="let it run for a day first")
        return int(row["a"]), int(row["b"])

    def disturbed(self) -> list[Span]:
        """Alarms from their journal, complaints of devices, lost data."""
        return [*self._alarms(), *self._events(), *self._gaps()]

    def rows(self, points: Sequence[PointInfo], from_us: int, to_us: int, row_us: int) -> Floats:
        """By SQL, so many rows at a time as one answer holds."""
        ids = ",".join(str(int(point.id)) for point in points)
        step = max(CELLS_ASKED_MAX // max(len(points), 1), 1) * row_us
        parts = []
        for start in range(from_us, to_us, step):
            end = min(start + step, to_us)
            sql = (
                f"SELECT point, epoch_us(ts) // {row_us} AS row, avg(value) AS value FROM readings"  # noqa: S608  (numbers)
                f" WHERE point IN ({ids}) AND ts >= make_timestamptz({start}::BIGINT)"
                f" AND ts < make_timestamptz({end}::BIGINT) AND quality & {_BAD} = 0 AND isfinite(value) GROUP BY ALL"
            )
            parts.append(self._api.sql(sql, CELLS_ASKED_MAX + 1))
        return _matrix(pa.concat_tables(parts), points, from_us, to_us, row_us)

    def _one(self, sql: str) -> dict[str, Any]:
        found: dict[str, Any] = self._api.sql(sql, 1).to_pylist()[0]
        return found

    def _alarms(self) -> list[Span]:
        sql = (
            'SELECT a.point, j.alarm, j.what, epoch_us(j."at") AS t FROM alarm_journal j JOIN alarms a'
            ' ON a.id = j.alarm WHERE a.point IS NOT NULL ORDER BY j.alarm, j."at"'
        )
        began: dict[int, tuple[int, int]] = {}
        spans: list[Span] = []
        for row in self._api.sql(sql, CELLS_ASKED_MAX).to_pylist():
            if row["what"] == "raised":
                began.setdefault(row["alarm"], (row["t"], row["point"]))
            elif row["what"] in ("returned", "retired") and row["alarm"] in began:
                start, point = began.pop(row["alarm"])
                spans.append(Span(start, row["t"], frozenset({point})))
        return spans + [Span(start, _STILL_US, frozenset({point})) for start, point in began.values()]

    def _events(self) -> list[Span]:
        sql = (
            f"SELECT p.id AS point, epoch_us(e.ts) AS t FROM events e JOIN points p"  # noqa: S608  (a number)
            f" ON p.node = e.node AND p.device = e.device WHERE e.severity >= {_SEVERITY_FROM}"
        )
        by_time: defaultdict[int, set[int]] = defaultdict(set)
        for row in self._api.sql(sql, CELLS_ASKED_MAX).to_pylist():
            by_time[row["t"]].add(row["point"])
        return [Span(t, t, frozenset(points)) for t, points in by_time.items()]

    def _gaps(self) -> list[Span]:
        sql = "SELECT p.id AS point, epoch_us(g.recv) AS t FROM gaps g JOIN points p ON p.node = g.node"
        by_time: defaultdict[int, set[int]] = defaultdict(set)
        for row in self._api.sql(sql, CELLS_ASKED_MAX).to_pylist():
            by_time[row["t"]].add(row["point"])
        return [Span(t, t, frozenset(points)) for t, points in by_time.items()]


class ExportHistory:
    """Of a folder that `aid4 twin export` wrote; it holds events, and no alarms."""

    def __init__(self, folder: Path) -> None:
        missing = [n for n in ("export.json", "points.parquet", "readings.parquet") if not (folder / n).is_file()]
        if missing:
            fix = "give a folder that `aid4 twin export` wrote"
            raise InputError(f"{missing[0]} is missing", file=str(folder), field="--export", fix=fix)
        self._folder = folder
        self._readings = ds.dataset(folder / "readings.parquet", format="parquet")

    def points(self) -> list[PointInfo]:
        """The catalogue, grouped by the element of the device, else by the device."""
        points, elements = (self._table(n) for n in ("points.parquet", "elements.parquet"))
        stands = {d: str(e["id"]) for e in elements for d in e.get("devices") or () if e["type"] != "IfcSensor"}
        found = [
            PointInfo(
                p["id"], f"{p['node']}/{p['device']}/{p['metric']}",
                stands.get(p["device"], f"{p['node']}/{p['device']}"), p["period_s"],
                p["point_class"] if p["kind"] == "value" else "status",
            )
            for p in points
        ]  # fmt: skip
        return [one for one in found if _is_learned(one)]

    def span_us(self) -> tuple[int, int]:
        """Of all readings."""
        ts = self._readings.to_table(columns=["ts"])["ts"]
        if not len(ts):
            raise InputError("the export has no readings", file=str(self._folder), fix="export a twin that has run")
        low, high = pc.min_max(ts).as_py().values()
        return tuple(int(t.timestamp() * 1e6) for t in (low, high))  # type: ignore[return-value]

    def disturbed(self) -> list[Span]:
        """Complaints of devices."""
        ids: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for point in self._table("points.parquet"):
            ids[point["node"], point["device"]].add(point["id"])
        return [
            Span(t := int(one["ts"].timestamp() * 1e6), t, frozenset(ids[one["node"], one["device"]]))
            for one in self._table("events.parquet")
            if one["severity"] >= _SEVERITY_FROM
        ]

    def rows(self, points: Sequence[PointInfo], from_us: int, to_us: int, row_us: int) -> Floats:
        """By Arrow's group-by, a batch of rows at a time."""
        start, end = (pa.scalar(t, pa.int64()).cast(pa.timestamp("us", tz="UTC")) for t in (from_us, to_us))
        keep = pc.field("point").isin([p.id for p in points]) & (pc.field("ts") >= start) & (pc.field("ts") < end)
        table = self._readings.to_table(columns=["point", "ts", "value", "quality"], filter=keep)
        good = pc.and_(
            pc.is_finite(table["value"]), pc.equal(pc.bit_wise_and(table["quality"], pa.scalar(_BAD, pa.uint8())), 0)
        )
        table = table.filter(good)
        row = pa.array(table["ts"].cast(pa.int64()).to_numpy() // row_us)
        cells = pa.table({"point": table["point"], "row": row, "value": table["value"]})
        found = (
            cells.group_by(["point", "row"]).aggregate([("value", "mean")]).rename_columns(["point", "row", "value"])
        )
        return _matrix(found, points, from_us, to_us, row_us)

    def _table(self, name: str) -> Iterable[dict[str, Any]]:
        path = self._folder / name
        if not path.is_file():
            return []
        rows: list[dict[str, Any]] = ds.dataset(path, format="parquet").to_table().to_pylist()
        return rows


def _is_learned(point: PointInfo) -> bool:
    """Numbers that measure: a counter only rises, a state is a word, a score is our own."""
    known = POINT_CLASSES.get(point.point_class)
    if point.point_class == "score":
        return False
    return known is None or known.accumulation == "measurement"


def _matrix(cells: pa.Table, points: Sequence[PointInfo], from_us: int, to_us: int, row_us: int) -> Floats:
    first, last = from_us // row_us, -(-to_us // row_us)
    values = np.full((last - first, len(points)), np.nan)
    column = {point.id: at for at, point in enumerate(points)}
    lookup: Callable[[Any], int] = column.__getitem__
    at = np.fromiter(map(lookup, cells["point"].to_pylist()), np.intp, len(cells))
    values[cells["row"].to_numpy().astype(np.int64) - first, at] = cells["value"].to_numpy()
    for number, point in enumerate(points):
        if point.period_s is None:
            values[:, number] = _held(values[:, number])
    return values


def _held(column: Floats) -> Floats:
    """The last value, where a point reports only what changed."""
    known = np.isfinite(column)
    at = np.maximum.accumulate(np.where(known, np.arange(len(column)), -1))
    held: Floats = np.where(at >= 0, column[at], np.nan)
    return held
