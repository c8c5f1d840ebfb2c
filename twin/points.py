"""The points of the site: dense global ids for (node, device, metric), and their way from the nodes' own ids."""

import threading
from collections.abc import Iterable
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wire.catalogue import Point
from wire.quality import OUT_OF_RANGE

__all__ = ["Draft", "Lookup", "Overrides", "PointRow", "PointTable"]

_SPARSE_ID = 1 << 20  # a node that numbers its points above this is looked up by search, not by position


class PointRow(msgspec.Struct, frozen=True, kw_only=True):
    """One point as the twin knows it; fields as in `wire.catalogue.Point`, but `id` is the twin's own."""

    id: int
    node: str
    device: str
    metric: str
    kind: str = "value"
    unit: str = ""
    point_class: str = ""
    low: float | None = None
    high: float | None = None
    declared: str = "f64"
    writable: bool = False
    element_hint: str = ""
    space_hint: str = ""
    label: str = ""
    period_s: float | None = None
    meta: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """`node/device/metric`, unique within the site."""
        return f"{self.node}/{self.device}/{self.metric}"


class Lookup:
    """From the ids of one catalogue generation to global ids (0: unknown), and the limits of its points."""

    def __init__(self, local: Iterable[int], rows: list[PointRow]) -> None:
        ids = np.fromiter(local, np.int64, len(rows))
        order = np.argsort(ids)
        self._sorted = ids[order]
        self._global = np.array([row.id for row in rows], np.uint32)[order]
        self.low = _limits([row.low for row in rows], -np.inf)[order]
        self.high = _limits([row.high for row in rows], np.inf)[order]
        self.limited = bool(np.isfinite(self.low).any() or np.isfinite(self.high).any())
        dense = len(ids) > 0 and self._sorted[-1] < _SPARSE_ID
        self._slot: NDArray[np.int32] | None = None
        self._direct: NDArray[np.uint32] | None = None
        if dense:
            self._slot = np.full(self._sorted[-1] + 1, -1, np.int32)
            self._slot[self._sorted] = np.arange(len(ids), dtype=np.int32)
            self._direct = np.zeros(self._sorted[-1] + 1, np.uint32)
            self._direct[self._sorted] = self._global

    def to_global(self, local: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Global ids of local ones, 0 where the catalogue does not name it."""
        if self._direct is not None:
            if len(local) and local.max() < len(self._direct):
                return self._direct[local]
            return np.where(local < len(self._direct), self._direct.take(local, mode="clip"), np.uint32(0))
        slots = self._slots(local)
        return np.where(slots >= 0, self._global.take(slots, mode="clip"), np.uint32(0)).astype(np.uint32)

    def limits(self, local: NDArray[np.uint32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high limits of points that the catalogue names; infinite where there is none."""
        slots = self._slot[local] if self._slot is not None else self._slots(local)
        return self.low[slots], self.high[slots]

    def _slots(self, local: NDArray[np.uint32]) -> NDArray[np.int64]:
        if not len(self._sorted):
            return np.full(len(local), -1, np.int64)
        at = np.searchsorted(self._sorted, local).clip(max=len(self._sorted) - 1)
        return np.where(self._sorted[at] == local, at, -1)


class Overrides:
    """Limits that replace those of the catalogue, by global id. Immutable."""

    def __init__(self, limits: dict[int, tuple[float | None, float | None]]) -> None:
        size = max(limits, default=0) + 1
        self._set = np.zeros(size, bool)
        self._low, self._high = np.full(size, -np.inf), np.full(size, np.inf)
        for point, (low, high) in limits.items():
            self._set[point] = True
            self._low[point] = -np.inf if low is None else low
            self._high[point] = np.inf if high is None else high

    def flags(
        self, ids: NDArray[np.uint32], value: NDArray[np.float64], quality: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """The qualities with the range flag decided anew where a limit was replaced; the same array where none was."""
        rows = np.flatnonzero(self._set.take(ids, mode="clip") & (ids < len(self._set)))
        if not len(rows):
            return quality
        point, number = ids[rows], value[rows]
        outside = np.isfinite(number) & ((number < self._low[point]) | (number > self._high[point]))
        flagged = quality.copy()
        flagged[rows] = np.where(outside, flagged[rows] | OUT_OF_RANGE, flagged[rows] & ~np.uint8(OUT_OF_RANGE))
        return flagged


class PointTable:
    """All points, by id and by key. Read from any thread; written by the writer's thread through a `Draft`."""

    def __init__(self) -> None:
        self.version = 0  # grows with every change
        self.by_id: dict[int, PointRow] = {}
        self.by_key: dict[str, PointRow] = {}
        self.limits: Overrides | None = None  # an operator's own limits; they govern readings that come from now on
        self._lock = threading.Lock()

    def load(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read the table `points`."""
        fields = PointRow.__struct_fields__
        rows = connection.execute(f"SELECT {', '.join(fields)} FROM points ORDER BY id").fetchall()  # noqa: S608
        found = [_row(dict(zip(fields, row, strict=True))) for row in rows]
        with self._lock:
            self.by_id, self.by_key = {row.id: row for row in found}, {row.key: row for row in found}
            self.version += 1

    def all(self) -> list[PointRow]:
        """Every point, by id."""
        with self._lock:
            return list(self.by_id.values())

    def ids(self, *, node: str | None = None, device: str | None = None) -> list[int]:
        """Ids of the points of a node, a device, or both."""
        return [
            row.id
            for row in self.all()
            if (node is None or row.node == node) and (device is None or row.device == device)
        ]

    @property
    def id_max(self) -> int:
        """The highest id in use, 0 for none."""
        return len(self.by_id)

    def lookup(self, node: str, points: list[Point]) -> Lookup:
        """The way from a catalogue's ids, all of whose points are known, to global ids."""
        return Lookup((p.id for p in points), [self.by_key[f"{node}/{p.key}"] for p in points])

    def draft(self, site: str) -> "Draft":
        """New and changed points of one transaction."""
        return Draft(self, site)

    def take(self, rows: Iterable[PointRow]) -> None:
        """Make a committed draft's rows visible."""
        with self._lock:
            for row in rows:
                self.by_id[row.id] = self.by_key[row.key] = row
            self.version += 1


class Draft:
    """Points that one transaction adds or changes; visible to others only after `PointTable.take(draft.rows)`."""

    def __init__(self, table: PointTable, site: str) -> None:
        self._table, self._site = table, site
        self._next = table.id_max + 1
        self._staged: dict[str, PointRow] = {}
        self._replaced: set[int] = set()

    @property
    def rows(self) -> list[PointRow]:
        """What to write."""
        return list(self._staged.values())

    def enter(self, node: str, points: list[Point], *, newest: bool) -> Lookup:
        """Take a catalogue in: unknown points get ids; known ones change only by the `newest` catalogue."""
        return Lookup((p.id for p in points), [self._enter(node, point, newest) for point in points])

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Insert the new rows and replace the changed ones."""
        if not self._staged:
            return
        if self._replaced:
            connection.execute("DELETE FROM points WHERE id IN (SELECT unnest(?))", [sorted(self._replaced)])
        columns: dict[str, list[Any]] = {
            name: [getattr(row, name) for row in self.rows] for name in PointRow.__struct_fields__
        }
        columns["meta"] = [msgspec.json.encode(meta).decode() for meta in columns["meta"]]
        columns["site"] = [self._site] * len(self._staged)
        for name in ("low", "high", "period_s"):
            columns[name] = pa.array(columns[name], pa.float64())
        rows = pa.table(columns)
        connection.execute("INSERT INTO points BY NAME SELECT * FROM rows")
        assert rows.num_rows == len(self._staged)

    def _enter(self, node: str, point: Point, newest: bool) -> PointRow:
        key = f"{node}/{point.key}"
        known = self._staged.get(key) or self._table.by_key.get(key)
        if known is not None and not newest:
            return known
        fields = msgspec.structs.asdict(point) | {"node": node}
        if known is None:
            fields["id"] = self._next
            self._next += 1
        else:
            fields["id"] = known.id
        row = PointRow(**fields)
        if row != known:
            if key in self._table.by_key:
                self._replaced.add(row.id)
            self._staged[key] = row
        return row


def _row(fields: dict[str, Any]) -> PointRow:
    return PointRow(**fields | {"meta": msgspec.json.decode(fields["meta"])})


def _limits(values: list[float | None], without: float) -> NDArray[np.float64]:
    return np.array([without if value is None else value for value in values], np.float64)
