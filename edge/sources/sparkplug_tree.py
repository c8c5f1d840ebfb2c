"""Edge nodes of Sparkplug, their devices and metrics, and which metric a name or an alias of a data message means."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from edge.sources.columns import TEXT_SUFFIX, PointList, PointSpec
from edge.sources.sparkplug_message import TYPES
from edge.sources.sparkplug_values import INTEGERS, properties
from wire.errors import UserError
from wire.names import slug
from wire.units import canonical

__all__ = ["CONTROL", "Metric", "MetricRule", "Node", "Thing", "Tree"]

NODES_MAX: Final = 500
DEVICES_MAX: Final = 2_000  # of one node
METRICS_MAX: Final = 10_000  # of one node with its devices; a birth that names more keeps its first ones
POINTS_MAX: Final = 50_000
TEXT_CHARS_MAX: Final = 200
CONTROL: Final = ("Node Control/", "Device Control/", "bdSeq")  # of the protocol, no quantities

NodeKey = tuple[str, str]  # group, edge node


class MetricRule(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What a config adds to the metrics that match `path`, a glob over `device/metric name`."""

    path: str
    writable: bool = False


@dataclass(slots=True)
class Metric:
    """One metric as its birth declared it."""

    name: str
    type: str
    about: dict[str, Any]
    writable: bool
    ids: dict[tuple[str, bool], int] = field(default_factory=dict)  # by suffix and "is a word"


@dataclass(slots=True)
class Thing:
    """A node itself or one of its devices."""

    name: str
    device: str = ""  # as the topic names it; "" is the node
    alive: bool = False
    metrics: dict[str, Metric] = field(default_factory=dict)  # of the present birth
    known: dict[str, Metric] = field(default_factory=dict)  # all that ever became points
    aliases: dict[str, int] = field(default_factory=dict)
    online: int = -1  # the point that says whether it is there
    stale_us: int = 0  # when its points were told to be stale
    left_out: dict[str, str] = field(default_factory=dict)  # metrics that became no points, and why
    points: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Node:
    """One edge node over its births and deaths."""

    key: NodeKey
    itself: Thing
    devices: dict[str, Thing] = field(default_factory=dict)
    alive: bool = False
    bd_seq: int | None = None
    next_seq: int = 0
    held: dict[int, tuple[Any, ...]] = field(default_factory=dict)  # messages ahead of their turn, by seq
    held_us: int = 0
    aliases: dict[int, tuple[Thing, Metric] | None] = field(default_factory=dict)  # None: given to two

    def things(self) -> list[Thing]:
        """The node and its devices."""
        return [self.itself, *self.devices.values()]


class Tree:
    """Nodes by (group, edge node), and the points of their metrics."""

    def __init__(self, names: dict[str, str], rules: tuple[MetricRule, ...], error: Callable[[str, str], None]) -> None:
        self.points = PointList()
        self.nodes: dict[NodeKey, Node] = {}
        self.owner: dict[int, tuple[Node, Thing, Metric, str]] = {}  # of a point; last, what it adds to the name
        self._names, self._rules, self._error = names, rules, error
        self._taken: dict[str, str] = {}

    def node(self, key: NodeKey) -> Node | None:
        """The node, made when it is new; None when there are too many."""
        found = self.nodes.get(key)
        if found is None:
            if len(self.nodes) >= NODES_MAX:
                self._error("nodes", f"{'/'.join(key)[:100]}: over {NODES_MAX} nodes")
                return None
            found = self.nodes[key] = Node(key, Thing(self._name("/".join(key), key[1], key[0])))
        return found

    def device(self, node: Node, device: str) -> Thing | None:
        """A device of a node, made when it is new; None when there are too many."""
        if not device:
            return node.itself
        found = node.devices.get(device)
        if found is None:
            if len(node.devices) >= DEVICES_MAX:
                self._error("devices", f"{'/'.join(node.key)[:100]}: over {DEVICES_MAX} devices")
                return None
            name = self._name("/".join((*node.key, device)), f"{node.key[1]}-{device}", node.key[0])
            found = node.devices[device] = Thing(name, device)
        return found

    def declare(self, node: Node, thing: Thing, birth: Any) -> list[tuple[Metric, Any]]:
        """Take over what a birth declares, in place of what an earlier one did; each metric with its value."""
        for alias in thing.aliases.values():
            node.aliases.pop(alias, None)
        thing.known |= {name: metric for name, metric in thing.metrics.items() if metric.ids}
        thing.metrics, thing.aliases, thing.left_out = {}, {}, {}
        room = METRICS_MAX - sum(len(one.metrics) for one in node.things())
        declared: list[tuple[Metric, Any]] = []
        for told in birth.metrics:
            name = told.name
            if not name or name.startswith(CONTROL):
                continue
            if name in thing.metrics:
                self._error("decode", f"{thing.name}: {name[:80]} stands twice in a birth")
                continue
            if len(declared) >= room:
                lost = len(birth.metrics) - len(declared)
                self._error("metrics", f"{thing.name}: over {METRICS_MAX} metrics in one node, {lost} left out")
                break
            metric = self._metric(thing, told, thing.known.get(name))
            thing.metrics[name] = metric
            declared.append((metric, told))
            if told.HasField("alias"):
                self._alias(node, thing, metric, told.alias)
        return declared

    def find(self, node: Node, thing: Thing, told: Any) -> Metric | None:
        """The metric that a data message means; None (counted) when no birth declared it so."""
        if told.name:
            found = thing.metrics.get(told.name)
            if found is None:
                self._error("unknown", f"{thing.name}: {told.name[:80]} stands in no birth")
            return found
        if not told.HasField("alias"):
            self._error("decode", f"{thing.name}: a metric without name and alias")
            return None
        entry = node.aliases.get(told.alias)
        if entry is None:
            given = "was given twice" if told.alias in node.aliases else "stands in no birth"
            self._error("alias", f"{thing.name}: alias {told.alias} {given}")
            return None
        if entry[0] is not thing:
            self._error("alias", f"{thing.name}: alias {told.alias} is that of a metric of {entry[0].name}")
            return None
        return entry[1]

    def point(self, node: Node, thing: Thing, metric: Metric, suffix: str, kind: str, *, word: bool) -> int | None:
        """The point of one part of a metric, made when it is new; None when there are too many."""
        found = metric.ids.get((suffix, word))
        if found is None:
            if len(self.points.points) >= POINTS_MAX:
                self._error("points", f"over {POINTS_MAX} points")
                return None
            name = metric.name + suffix
            if word and (suffix, False) in metric.ids:
                name += TEXT_SUFFIX
            about = {**metric.about, "declared": _DECLARED.get(kind, "text" if word else "f64")}
            if word:
                about = {key: value for key, value in about.items() if key not in ("unit", "low", "high")}
            writable = metric.writable and not suffix
            found = self.points.add(thing.name, name, kind="state" if word else "value", writable=writable, **about)
            metric.ids[suffix, word] = found
            thing.points.append(found)
            self.owner[found] = (node, thing, metric, suffix)
        return found

    def online(self, thing: Thing) -> int:
        """The point that says whether the node or device is there."""
        if thing.online < 0:
            thing.online = self.points.add(thing.name, "online", kind="state", declared="bool", label="device online")
        return thing.online

    def _metric(self, thing: Thing, told: Any, known: Metric | None) -> Metric:
        kind = TYPES.get(told.datatype, "Unknown")
        found = properties(told) if told.HasField("properties") else {}
        about: dict[str, Any] = {}
        if isinstance(unit := found.get("engUnit") or found.get("engineeringUnits"), str):
            about["unit"] = _unit(unit)
        for limit, key in (("low", "engLow"), ("high", "engHigh")):
            if isinstance(value := found.get(key), int | float) and not isinstance(value, bool):
                about[limit] = float(value)
        label = found.get("description") or found.get("documentation") or told.metadata.description
        if isinstance(label, str) and label:
            about["label"] = label[:TEXT_CHARS_MAX]
        writable = found.get("readOnly") is False
        for rule in self._rules:
            if fnmatchcase(f"{thing.name}/{told.name}", rule.path):
                about |= {key: value for key, value in rule.about().items() if value not in ("", None)}
                writable |= rule.writable
                break
        if known is not None and known.type == kind:
            known.about, known.writable = about, writable
            return known
        return Metric(told.name, kind, about, writable, known.ids if known is not None else {})

    def _alias(self, node: Node, thing: Thing, metric: Metric, alias: int) -> None:
        if alias in node.aliases:
            self._error("alias", f"{thing.name}: alias {alias} of {metric.name[:80]} was given before")
            node.aliases[alias] = None  # whose a value is cannot be told any more
        else:
            node.aliases[alias] = (thing, metric)
        thing.aliases[metric.name] = alias

    def _name(self, path: str, short: str, group: str) -> str:
        """A device name: as the config says, else after the topic; the group only where it is needed."""
        name = self._names.get(path) or slug(short)
        if self._taken.get(name, path) != path:
            name = slug(f"{group}-{short}")
        self._taken[name] = path
        return name


_DECLARED: Final = {
    **{kind: f"{'i' if signed else 'u'}{bits}" for kind, (bits, signed) in INTEGERS.items() if bits in (16, 32)},
    "Float": "f32",
    "Boolean": "bool",
}


def _unit(text: str) -> str:
    """The UCUM code of an engineering unit; "" when it is none that we know."""
    try:
        return canonical(text)
    except UserError:
        return ""
