"""OPC UA nodes: found by browsing or named, with what the server says of them; data values into rows."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from asyncua import Client, Node, ua

from edge.sources.columns import PointSpec
from wire.errors import UserError
from wire.quality import BAD, GOOD, STALE, SUBSTITUTED
from wire.units import canonical

__all__ = [
    "Described", "NodeSpec", "describe", "find_machines", "find_variables", "number_or_text", "quality_of", "source_us",
]  # fmt: skip

NODES_MAX = 5_000  # one subscription of one server; more is a plant, to be split over agents
DEPTH_MAX = 8  # a machine tool of the companion specification is six levels deep
MACHINES_MAX = 100  # of one server: an aggregating server of a hall
MACHINERY = "http://opcfoundation.org/UA/Machinery/"  # the companion specification that umati's machines follow
_MACHINES_ID = 1001  # of the folder below Objects, OPC 40001-1 table 12
_UNECE = {  # common codes of UNECE recommendation 20, as OPC UA part 8 packs them into a UnitId
    "CEL": "Cel", "MMT": "mm", "C16": "mm/s", "P1": "%", "WTT": "W", "KWT": "kW", "AMP": "A", "VLT": "V",
    "RPM": "{rpm}", "MTR": "m", "SEC": "s", "HTZ": "Hz", "NEW": "N", "NU": "N.m", "DD": "deg", "BAR": "bar",
    "PAL": "Pa", "KWH": "kW.h", "C62": "1", "LTR": "L", "MTS": "m/s", "KGM": "kg", "MIN": "min", "HUR": "h",
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERVER_NODE = ua.NodeId(ua.ObjectIds.Server)
_BUILT_IN_MAX = 25  # data types below are the built-in ones; of what lies above, enumerations have labels

_STATUS_QUALITY = {
    ua.StatusCodes.UncertainLastUsableValue: STALE,
    ua.StatusCodes.UncertainNoCommunicationLastUsableValue: STALE,
    ua.StatusCodes.UncertainSubstituteValue: SUBSTITUTED,
}


class NodeSpec(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One variable by its node id, e.g. `ns=2;s=Spindle.Speed`; `states` names raw numbers."""

    id: str
    states: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass(slots=True)
class Described:
    """A variable and what is known of it."""

    node: Node
    metric: str
    spec: NodeSpec
    labels: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    low: float | None = None
    high: float | None = None
    writable: bool = False
    device: str = ""  # of a server with several; "": the source's


async def find_machines(client: Client) -> list[tuple[str, str]]:
    """(node id, name) of what stands in the server's folder Machines; UaError when it has none."""
    spaces = await client.get_namespace_array()
    if MACHINERY not in spaces:
        raise ua.UaError(f"the server has no machines after {MACHINERY}")
    folder = client.get_node(ua.NodeId(_MACHINES_ID, spaces.index(MACHINERY)))
    children = await folder.get_children_descriptions(refs=ua.ObjectIds.HierarchicalReferences)
    machines = [one for one in children if one.NodeClass == ua.NodeClass.Object]
    return [(one.NodeId.to_string(), one.BrowseName.Name) for one in machines[:MACHINES_MAX]]


async def find_variables(client: Client, root: str) -> AsyncIterator[tuple[Node, str]]:
    """Variables below `root` with their path of browse names; the server's own node is left out. Of properties only
    those that identify a machine."""
    todo: list[tuple[Node, tuple[str, ...]]] = [(client.get_node(root), ())]
    seen: set[ua.NodeId] = set()
    count = 0
    while todo and count < NODES_MAX:
        node, path = todo.pop(0)
        for child in await node.get_children_descriptions(refs=ua.ObjectIds.HierarchicalReferences):
            if child.NodeId in seen or child.NodeId == _SERVER_NODE:
                continue
            seen.add(child.NodeId)
            name = (*path, child.BrowseName.Name)
            if child.NodeClass == ua.NodeClass.Variable and (
                child.ReferenceTypeId.Identifier != ua.ObjectIds.HasProperty or path == ("Identification",)
            ):
                count += 1
                yield client.get_node(child.NodeId), ".".join(name)
            if child.NodeClass in (ua.NodeClass.Object, ua.NodeClass.Variable) and len(name) < DEPTH_MAX:
                todo.append((client.get_node(child.NodeId), name))


async def describe(client: Client, node: Node, metric: str, spec: NodeSpec) -> Described:
    """Unit, range, labels and access as the server tells them; what the config says goes first."""
    found = Described(node, metric, spec, dict(spec.states), spec.unit, spec.low, spec.high)
    try:
        properties = {(await one.read_browse_name()).Name: one for one in await node.get_properties()}
        found.writable = ua.AccessLevel.CurrentWrite in await node.get_user_access_level()
        if not found.unit and "EngineeringUnits" in properties:
            found.unit = _unit(await properties["EngineeringUnits"].read_value())
        if "EURange" in properties and (found.low, found.high) == (None, None):
            limits = await properties["EURange"].read_value()
            found.low, found.high = (limits.Low, limits.High) if limits.Low < limits.High else (None, None)
        if not found.labels:
            found.labels = await _labels(client, node, properties)
    except ua.UaError:
        pass  # a server may keep any of these to itself; the value is what counts
    return found


async def _labels(client: Client, node: Node, properties: dict[str, Node]) -> dict[str, str]:
    """Words of an enumeration, from the variable or from its data type."""
    kind = await node.read_data_type()
    if not (kind.NamespaceIndex == 0 and kind.Identifier <= _BUILT_IN_MAX):
        of_type = await client.get_node(kind).get_properties()
        properties = {(await one.read_browse_name()).Name: one for one in of_type} | properties
    if "EnumStrings" in properties:
        return {str(at): text.Text or "" for at, text in enumerate(await properties["EnumStrings"].read_value())}
    if "EnumValues" in properties:
        return {str(one.Value): one.DisplayName.Text or "" for one in await properties["EnumValues"].read_value()}
    if "TrueState" in properties and "FalseState" in properties:
        yes, no = [await properties[name].read_value() for name in ("TrueState", "FalseState")]
        return {"true": yes.Text or "true", "false": no.Text or "false"}
    return {}


def _unit(told: Any) -> str:
    """The UCUM code of an EUInformation by its UNECE code, else by its name; empty where neither is known."""
    number = getattr(told, "UnitId", 0)
    if isinstance(number, int) and 0 < number < 1 << 24:
        code = number.to_bytes(3, "big").strip(b"\0").decode("ascii", "replace")
        if code in _UNECE:
            return _UNECE[code]
    try:
        return canonical((getattr(told, "DisplayName", None) or told).Text or "")
    except (UserError, AttributeError):
        return ""


def number_or_text(value: Any, labels: dict[str, str]) -> float | str:
    """A value as a number, or as a text: words, enumerations with labels, booleans, times, arrays as JSON."""
    if isinstance(value, bool):
        word = "true" if value else "false"
        return labels.get(word, word)
    if isinstance(value, (int, float)):
        return labels.get(str(int(value)), str(int(value))) if labels else float(value)
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).isoformat()
    if isinstance(value, (list, tuple)):
        return msgspec.json.encode([_plain(item) for item in value]).decode()
    return "" if value is None else str(value)


def _plain(item: Any) -> Any:
    return item if isinstance(item, (bool, int, float, str)) or item is None else _text(item)


def quality_of(status: Any) -> int:
    """Flags of a status code: good, uncertain by its reason, or bad."""
    if status is None or status.is_good():
        return GOOD
    return _STATUS_QUALITY.get(status.value, BAD)


def source_us(value: Any, arrived_us: int) -> int:
    """The source's time in µs, else the server's, else that of arrival."""
    told = value.SourceTimestamp or value.ServerTimestamp
    if told is None:
        return arrived_us
    return int((told.replace(tzinfo=told.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1))


def known_nodes(specs: Sequence[NodeSpec]) -> Iterator[tuple[str, NodeSpec]]:
    """Named nodes with the metric that each is to be: as configured, else the end of its id."""
    for spec in specs:
        yield spec.metric or spec.id.rpartition("=")[2], spec
