"""The catalogue: which point id is which quantity of which device. Travels as a record of its own."""

import hashlib
import math
from typing import Any, Literal

import msgspec
import pyarrow as pa

from wire.errors import RecordError
from wire.limits import CATALOGUE_POINTS_MAX
from wire.schemas import CATALOGUE, schema

__all__ = ["Point", "digest", "from_batch", "to_batch"]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One measured or commanded quantity of a device, as its node declares it.

    `unit` is a UCUM code; `low` and `high` are in that unit; `declared` is the device's own type.
    """

    id: int
    device: str
    metric: str
    kind: Literal["value", "state", "pose"] = "value"
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
        """`device/metric`, unique within a node."""
        return f"{self.device}/{self.metric}"


_FIELDS = tuple(name for name in schema(CATALOGUE).names if name not in {"point", "meta"})


def to_batch(points: list[Point]) -> pa.RecordBatch:
    """The catalogue as a record body (catalogue@1)."""
    columns: dict[str, list[Any]] = {"point": [p.id for p in points]}
    for name in _FIELDS:
        columns[name] = [getattr(point, name) for point in points]
    columns["meta"] = [msgspec.json.encode(point.meta).decode() if point.meta else "" for point in points]
    return pa.RecordBatch.from_pydict(columns, schema=schema(CATALOGUE))


def from_batch(batch: pa.RecordBatch) -> list[Point]:
    """Read a catalogue; RecordError("body") when an id or key stands twice or a field is not legal."""
    if batch.num_rows > CATALOGUE_POINTS_MAX:
        raise RecordError("body", f"catalogue of {batch.num_rows} points, at most {CATALOGUE_POINTS_MAX}")
    rows = batch.to_pylist()
    for row in rows:
        row["id"] = row.pop("point")
        for limit in ("low", "high", "period_s"):
            if row[limit] is not None and not math.isfinite(row[limit]):
                row[limit] = None
    try:
        for row in rows:
            row["meta"] = msgspec.json.decode(row["meta"], type=dict[str, Any]) if row["meta"] else {}
        points = msgspec.convert(rows, type=list[Point])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError("body", f"catalogue: {error}") from error
    if len({p.id for p in points}) != len(points) or len({p.key for p in points}) != len(points):
        raise RecordError("body", "catalogue names a point id or a device/metric twice")
    return points


def digest(points: list[Point]) -> str:
    """Hex SHA-256 of the catalogue's content, the same for the same points in the same order."""
    return hashlib.sha256(msgspec.json.encode(points)).hexdigest()
