"""Points and rows of a node as Sparkplug metrics: aliases are point ids plus one, units and limits are properties."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from edge.publish.outlet import Row
from edge.sources.sparkplug_message import Payload
from edge.sources.sparkplug_values import put
from wire.catalogue import Point
from wire.quality import GOOD, HISTORICAL, NOT_A_NUMBER, SIMULATED, STALE, SUBSTITUTED, TIME_SUSPECT
from wire.units import UNITS

__all__ = ["alias_of", "birth_metric", "data_metric", "death", "rebirth_metric", "type_of"]

_PASSABLE: Final = SIMULATED | SUBSTITUTED | HISTORICAL | TIME_SUSPECT  # flags that leave a value good
_INT32, _DOUBLE, _BOOLEAN, _STRING = 3, 10, 11, 12


def alias_of(point: Point) -> int:
    """The alias of a point; 0 stays free."""
    return point.id + 1


def type_of(point: Point) -> str:
    """The data type: Double for numbers, Boolean and String for states."""
    if point.kind == "value":
        return "Double"
    return "Boolean" if point.declared == "bool" else "String"


def birth_metric(payload: Any, point: Point, row: Row | None, now_ms: int) -> None:
    """A point with all that is known of it, and its newest value (null where there is none)."""
    metric = payload.metrics.add(name=point.metric, alias=alias_of(point))
    unit = UNITS[point.unit].label if point.unit in UNITS else point.unit
    found: dict[str, str | float | bool | None] = {
        "engUnit": unit or None, "engLow": _float(point.low), "engHigh": _float(point.high),
        "readOnly": not point.writable, "documentation": point.label or None,
    }  # fmt: skip
    for key, value in found.items():
        if value is not None:
            _property(metric, key, value)
    _value(metric, point, row, now_ms)


def data_metric(payload: Any, point: Point, row: Row, *, by_name: bool = False) -> None:
    """One row, by alias, or by name for a message that outlives its session."""
    metric = payload.metrics.add()
    if by_name:
        metric.name = point.metric
    else:
        metric.alias = alias_of(point)
    if by_name or row.quality & HISTORICAL:
        metric.is_historical = True
    _value(metric, point, row, 0)


def rebirth_metric(payload: Any) -> None:
    """The control that a host sets to be told everything anew."""
    put(payload.metrics.add(name="Node Control/Rebirth", timestamp=payload.timestamp), "Boolean", False)


def death(bd_seq: int, now_ms: int) -> bytes:
    """NDEATH: the number of the session that is over."""
    payload = Payload(timestamp=now_ms)
    put(payload.metrics.add(name="bdSeq", timestamp=now_ms), "Int64", bd_seq)
    return bytes(payload.SerializeToString())


def split(rows: Sequence[Row], size: int) -> Iterable[Sequence[Row]]:
    """Runs of at most `size` rows."""
    return (rows[at : at + size] for at in range(0, len(rows), size))


def _value(metric: Any, point: Point, row: Row | None, now_ms: int) -> None:
    kind = type_of(point)
    metric.timestamp = now_ms if row is None else max(row.ts_us // 1_000, 0)
    value = None if row is None or row.quality & NOT_A_NUMBER else row.value
    if kind == "Boolean" and value is not None and str(value).lower() not in ("true", "false"):
        value = None
    if kind == "Double" and (isinstance(value, str) or (value is not None and not math.isfinite(value))):
        value = None
    put(metric, kind, 0.0 if kind == "Double" else "")  # the type, whatever the value
    if value is None:
        metric.ClearField(metric.WhichOneof("value"))
        metric.is_null = True
    else:
        put(metric, kind, str(value).lower() == "true" if kind == "Boolean" else value)
    if row is not None and (code := _quality(row.quality)) != 192:
        _property(metric, "Quality", code)


def _quality(flags: int) -> int:
    """Our flags as 192 good, 500 stale, 0 bad."""
    if flags & STALE:
        return 500
    return 192 if flags & ~_PASSABLE == GOOD else 0


def _float(limit: float | None) -> float | None:
    return None if limit is None else float(limit)


def _property(metric: Any, key: str, value: str | float | bool) -> None:
    metric.properties.keys.append(key)
    held = metric.properties.values.add()
    if isinstance(value, bool):
        held.type, held.boolean_value = _BOOLEAN, value
    elif isinstance(value, str):
        held.type, held.string_value = _STRING, value
    elif isinstance(value, int):
        held.type, held.int_value = _INT32, value
    else:
        held.type, held.double_value = _DOUBLE, value
