"""Arrow schemas of record bodies, by id and version. A published (id, version) never changes."""

from types import MappingProxyType
from typing import Final

import pyarrow as pa

from wire.errors import RecordError

__all__ = ["CATALOGUE", "EVENTS", "GAP", "NAMES", "POSES", "READINGS", "STATES", "schema"]

READINGS: Final = 1
STATES: Final = 2
EVENTS: Final = 3
POSES: Final = 4
CATALOGUE: Final = 5
GAP: Final = 6
NAMES: Final = MappingProxyType(
    {READINGS: "readings", STATES: "states", EVENTS: "events", POSES: "poses", CATALOGUE: "catalogue", GAP: "gap"}
)

_TS = pa.timestamp("us", tz="UTC")


def _table(**columns: pa.DataType) -> pa.Schema:
    optional = {"low", "high", "period_s", "readings", "point_or_null"}
    fields = [
        pa.field(name.removesuffix("_or_null"), kind, nullable=name in optional) for name, kind in columns.items()
    ]
    return pa.schema(fields)


_SCHEMAS: Final = MappingProxyType(
    {
        (READINGS, 1): _table(point=pa.uint32(), ts=_TS, value=pa.float64(), quality=pa.uint8()),
        (STATES, 1): _table(point=pa.uint32(), ts=_TS, value=pa.string(), quality=pa.uint8()),
        (EVENTS, 1): _table(
            ts=_TS, device=pa.string(), kind=pa.string(), severity=pa.uint8(), point_or_null=pa.uint32(),
            message=pa.string(), detail=pa.string(),
        ),
        (POSES, 1): _table(
            point=pa.uint32(), ts=_TS, lat_deg=pa.float64(), lon_deg=pa.float64(), alt_m=pa.float64(), datum=pa.uint8(),
            roll_deg=pa.float32(), pitch_deg=pa.float32(), yaw_deg=pa.float32(), quality=pa.uint8(),
        ),
        (CATALOGUE, 1): _table(
            point=pa.uint32(), device=pa.string(), metric=pa.string(), kind=pa.string(), unit=pa.string(),
            point_class=pa.string(), low=pa.float64(), high=pa.float64(), declared=pa.string(), writable=pa.bool_(),
            element_hint=pa.string(), space_hint=pa.string(), label=pa.string(), period_s=pa.float64(),
            meta=pa.string(),
        ),
        (GAP, 1): _table(
            epoch=pa.binary(16), lo=pa.uint64(), hi=pa.uint64(), reason=pa.string(), readings=pa.uint64(),
        ),
    }
)  # fmt: skip


def schema(schema_id: int, version: int = 1) -> pa.Schema:
    """The schema of a record body; RecordError("schema") when this build does not know it."""
    found = _SCHEMAS.get((schema_id, version))
    if found is None:
        raise RecordError("schema", f"schema {schema_id}@{version} is not known to this version")
    return found
