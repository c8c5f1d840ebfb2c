"""What is joined to what: points, the things they belong to, and how these feed each other.

| node kind | is | edges that leave it |
|---|---|---|
| `point` | `node/device/metric` | `part_of` an asset, `via` a device |
| `asset` | an element by GlobalId, or a device without one | `feeds` assets, `part_of` an asset or space |
| `space` | a room | |
| `device` | what speaks on the line | `via` a gateway |
| `gateway` | an agent | |

A graph is never wrong for what it lacks: a point that it does not know is taken as its key says, `node/device/metric`.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import msgspec

from inference.diagnosis.roles import family_of, role_of

__all__ = ["RELATION", "Edge", "Graph", "Node"]

RELATION = "relation"  # type of a node that is no point but what should hold between points; its name is its role
HOPS_MAX = 3  # along feeds: a boiler, its pump, its coil, the room
_REACHED_MAX = 500  # assets looked at up or down the line: a plant, not the whole park


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One thing; `type` is its Brick or IFC class, `name` what people call it."""

    id: str
    kind: Literal["point", "asset", "space", "device", "gateway"]
    type: str = ""
    name: str = ""
    point_class: str = ""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """`source` feeds, is part of, or speaks via `target`; `how` says where that is known from."""

    source: str
    target: str
    kind: Literal["feeds", "part_of", "via"]
    how: str = ""


class Graph:
    """Nodes and edges, looked up both ways. Immutable: `with_points` gives a new one."""

    def __init__(self, nodes: Iterable[Node] = (), edges: Iterable[Edge] = ()) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.edges = list(edges)
        self._out: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._in: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._families: dict[str, str] = {}
        for edge in self.edges:
            self._out[edge.kind, edge.source].append(edge.target)
            self._in[edge.kind, edge.target].append(edge.source)

    def with_points(self, points: Iterable[tuple[Node, Node]]) -> "Graph":
        """The same and points that it lacks, each with its asset; devices and gateways follow from the keys."""
        nodes, edges = dict(self.nodes), list(self.edges)
        for point, asset in points:
            if point.id in self.nodes:
                continue
            nodes[point.id] = point
            nodes.setdefault(asset.id, asset)
            edges.append(Edge(source=point.id, target=asset.id, kind="part_of", how="key"))
            device, gateway = line_of(point.id)
            if device and f"device:{device}" not in nodes:
                nodes[f"device:{device}"] = Node(id=f"device:{device}", kind="device", name=device)
                nodes[f"gateway:{gateway}"] = Node(id=f"gateway:{gateway}", kind="gateway", name=gateway)
                edges.append(Edge(source=f"device:{device}", target=f"gateway:{gateway}", kind="via", how="key"))
            edges.append(Edge(source=point.id, target=f"device:{device}", kind="via", how="key"))
        return Graph(nodes.values(), edges) if len(nodes) > len(self.nodes) else self

    def asset_of(self, point: str) -> str:
        """What a point belongs to; "" when nothing."""
        return next((one for one in self._out["part_of", point] if self._kind(one) == "asset"), "")

    def device_of(self, point: str) -> str:
        """The device that a point speaks through."""
        return next(iter(self._out["via", point]), "")

    def gateway_of(self, device: str) -> str:
        """The gateway that a device speaks through."""
        return next(iter(self._out["via", device]), "")

    def points_of(self, asset: str) -> list[str]:
        """Points of an asset and of its parts."""
        found: list[str] = []
        waiting, seen = [asset], {asset}
        while waiting:
            for child in self._in["part_of", waiting.pop()]:
                if self._kind(child) == "point":
                    found.append(child)
                elif child not in seen and len(seen) < _REACHED_MAX:
                    seen.add(child)
                    waiting.append(child)
        return found

    def points_via(self, line: str) -> list[str]:
        """Points behind a device, or behind a gateway's devices."""
        below = self._in["via", line]
        return [p for one in below for p in ([one] if self._kind(one) == "point" else self._in["via", one])]

    def devices_of(self, gateway: str) -> list[str]:
        """Devices behind a gateway."""
        return self._in["via", gateway]

    def wholes(self, asset: str) -> list[str]:
        """The assets that an asset is part of, nearest first."""
        found: list[str] = []
        while above := next((a for a in self._out["part_of", asset] if self._kind(a) == "asset"), ""):
            if above in found or len(found) > HOPS_MAX:
                break
            found.append(above)
            asset = above
        return found

    def up(self, asset: str) -> list[str]:
        """The assets that feed it, near ones first."""
        return self._walk(asset, self._in)

    def down(self, asset: str) -> list[str]:
        """The assets that it feeds, near ones first."""
        return self._walk(asset, self._out)

    def role(self, point: str) -> str:
        """What a point is for its machine."""
        node = self.nodes[point]
        if node.type == RELATION:
            return node.name
        return role_of(node.name or point.rsplit("/", 1)[-1], node.point_class, node.type)

    def family(self, asset: str) -> str:
        """The kind of machine of an asset."""
        if asset not in self._families:
            node = self.nodes[asset]
            roles = frozenset(map(self.role, self.points_of(asset)))
            self._families[asset] = family_of((node.type,), node.name or asset, roles)
        return self._families[asset]

    def peers(self, asset: str) -> list[str]:
        """Other assets of the same kind."""
        assets = [node.id for node in self.nodes.values() if node.kind == "asset" and node.id != asset]
        return [other for other in assets if self.family(other) == self.family(asset)]

    def _walk(self, start: str, ways: dict[tuple[str, str], list[str]]) -> list[str]:
        found: dict[str, None] = {}
        front = [start]
        for _ in range(HOPS_MAX):
            front = [there for here in front for there in ways.get(("feeds", here), ()) if there not in found]
            found.update(dict.fromkeys(front[:_REACHED_MAX]))
        found.pop(start, None)
        return list(found)

    def _kind(self, node: str) -> str:
        known = self.nodes.get(node)
        return known.kind if known else ""


def line_of(key: str) -> tuple[str, str]:
    """Device (`node/device`) and gateway of a point's key; a key of two parts has no gateway of its own."""
    parts = key.split("/")
    return "/".join(parts[:-1]), parts[0] if len(parts) > 2 else ""
