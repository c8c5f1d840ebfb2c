"""What a machine says beside its values: OPC UA events and conditions (Part 9), as events of the agent.

Severity 1 to 200 is information, to 500 a notice, to 800 a warning, above it critical. A condition that is active is a
`machine_alarm`, one that is not any more a `machine_alarm_over`, everything else a `machine_event`.
"""

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import ua

from edge.sources.columns import Happening
from wire.limits import TIMESTAMP_US_MAX, TIMESTAMP_US_MIN
from wire.names import slug

__all__ = ["EVENT_FILTER", "EventReader"]

KNOWN_MAX: Final = 10_000  # events that are remembered, to know one that a refresh tells again
TEXT_CHARS_MAX: Final = 500
_BASE: Final = ("EventId", "EventType", "SourceNode", "SourceName", "Time", "Message", "Severity")
_CONDITION: Final = (("ConditionName",), ("ActiveState", "Id"), ("AckedState", "Id"))


def _clause(kind: int, path: tuple[str, ...]) -> ua.SimpleAttributeOperand:
    names = [ua.QualifiedName(name, 0) for name in path]
    return ua.SimpleAttributeOperand(
        TypeDefinitionId=ua.NodeId(kind), BrowsePath=names, AttributeId=ua.AttributeIds.Value
    )


def _filter() -> ua.EventFilter:
    base = [_clause(ua.ObjectIds.BaseEventType, (name,)) for name in _BASE]
    kinds = (ua.ObjectIds.ConditionType, ua.ObjectIds.AlarmConditionType, ua.ObjectIds.AcknowledgeableConditionType)
    return ua.EventFilter(SelectClauses=base + [_clause(*one) for one in zip(kinds, _CONDITION, strict=True)])


EVENT_FILTER: Final = _filter()


class EventReader:
    """Makes rows of events, each once. `devices` says which device a machine's root node is."""

    def __init__(self, device: str) -> None:
        self.devices: dict[str, str] = {}
        self._device = device
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def read(self, fields: list[Any], now_us: int) -> Happening | None:
        """One event out of the values of `EVENT_FILTER`; None for one that was told. Raises ValueError."""
        if len(fields) != len(_BASE) + len(_CONDITION):
            raise ValueError(f"{len(fields)} fields of an event")
        number, kind, node, name, at, message, severity, condition, active, acked = fields
        key = bytes(number) + bytes([active is True]) if isinstance(number, bytes) else b""
        if key and key in self._known:
            return None
        self._known[key] = None
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        word = {True: "machine_alarm", False: "machine_alarm_over"}.get(active, "machine_event")
        text = str(getattr(message, "Text", message) or condition or word)[:TEXT_CHARS_MAX]
        told = {"source": name, "condition": condition, "acknowledged": acked}
        detail: dict[str, Any] = {
            key: value if isinstance(value, bool) else str(value)[:200]
            for key, value in told.items()
            if value is not None
        }
        detail |= {"severity": _severity(severity), "type": kind.to_string() if isinstance(kind, ua.NodeId) else ""}
        return Happening(_us(at, now_us), self._device_of(node, name), word, _step(_severity(severity)), text, detail)

    def _device_of(self, node: Any, name: Any) -> str:
        root = node.to_string() if isinstance(node, ua.NodeId) else ""
        called = slug(str(name)) if name else ""
        return self.devices.get(root) or (called if called in self.devices.values() else self._device)


def _severity(told: Any) -> int:
    return min(max(told, 1), 1_000) if isinstance(told, int) and not isinstance(told, bool) else 1


def _step(severity: int) -> int:
    return sum(severity > bound for bound in (200, 500, 800))


def _us(at: Any, now_us: int) -> int:
    if not isinstance(at, datetime):
        return now_us
    told = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)
    return told if TIMESTAMP_US_MIN <= told <= TIMESTAMP_US_MAX else now_us
