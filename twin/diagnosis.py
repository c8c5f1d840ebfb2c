"""The park as a graph for diagnosis: which points make a machine, what feeds it, through which line it speaks.

Made from the live model (systems, ports, flow control, containment), the bindings and the catalogue; kept until one
of them changes. Where the model draws no pipe or cable between two machines, `inference/diagnosis/feeds.toml` says
what is assumed.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from inference.diagnosis import Cause, Edge, Graph, Node, Symptom, diagnose
from inference.diagnosis.feeds import Scope, assumed_feeds
from twin.directory import Directory, PointView
from twin.model import Model

__all__ = ["Diagnosis", "Finding", "graph_of"]

_PASSIVE_MAX = 2_000  # pipes and ducts walked from one machine to the next


class Finding(NamedTuple):
    """What a detector found at one point, or at a relation `of` points; see `inference.diagnosis.Symptom`."""

    point: str  # node/device/metric
    direction: str = ""
    share: float = 1.0
    of: tuple[str, ...] = ()
    sudden: bool = False
    value: float | None = None
    expected: float | None = None


class Diagnosis:
    """`causes` of findings in the park as it is now. Any thread may call."""

    def __init__(
        self, model: Callable[[], Model], directory: Callable[[], Directory], relations: Callable[[], pa.Table]
    ) -> None:
        self._model, self._directory, self._relations = model, directory, relations
        self._turn = threading.Lock()
        self._made_of: tuple[Model, Directory] | None = None
        self._graph = Graph()

    @property
    def graph(self) -> Graph:
        """The graph of the live model and catalogue, made anew when one of them changed."""
        made_of = (self._model(), self._directory())
        with self._turn:
            if self._made_of is None or any(a is not b for a, b in zip(made_of, self._made_of, strict=True)):
                relations = self._relations() if len(made_of[0]) else pa.table({"kind": [], "source": [], "target": []})
                self._graph, self._made_of = graph_of(made_of[0], relations, made_of[1].views), made_of
            return self._graph

    def causes(self, findings: Iterable[Finding], *, language: str = "en") -> list[Cause]:
        """The most probable causes first; findings at points that the catalogue lacks are taken by their key."""
        graph = self.graph
        return diagnose([self._symptom(one, graph) for one in findings], graph, language=language)

    def _symptom(self, found: Finding, graph: Graph) -> Symptom:
        view = self._directory().by_key.get(found.point)
        beside = graph.asset_of(found.of[0]) if view is None and found.of else ""
        return Symptom(
            point=found.point,
            point_class=view.point_class if view else "",
            brick=view.brick if view else "",
            element=(view.element or "") if view else beside,
            direction=found.direction,
            share=found.share,
            of=found.of,
            sudden=found.sudden,
            value=found.value,
            expected=found.expected,
        )


def graph_of(model: Model, relations: pa.Table, views: Iterable[PointView]) -> Graph:
    """Points, assets, lines and feeds of one moment. Pure."""
    maker = _Maker(model, relations)
    for view in views:
        maker.add(view)
    return maker.graph()


class _Maker:
    def __init__(self, model: Model, relations: pa.Table) -> None:
        self._model = model
        self._columns = {name: model.column(name) for name in ("id", "type", "predefined", "brick", "name", "devices")}
        self._row = {element: row for row, element in enumerate(self._columns["id"])}
        named = [
            (device, element, kind == "IfcSensor")
            for element, devices, kind in zip(*(self._columns[n] for n in ("id", "devices", "type")), strict=True)
            for device in devices or ()
        ]  # where a machine and its sensors name one device, the machine stands for it
        self._device_element = {device: element for device, element, _ in sorted(named, key=lambda one: not one[2])}
        self._pairs: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for kind, source, target in zip(
            *(relations.column(n).to_pylist() for n in ("kind", "source", "target")), strict=True
        ):
            self._pairs[kind].append((source, target))
        self._controlled = {target: source for source, target in self._pairs["flow_control"]}
        self._nodes: dict[str, Node] = {}
        self._edges: dict[tuple[str, str, str], Edge] = {}
        self._space: dict[str, str] = {}

    def add(self, view: PointView) -> None:
        """A point, its asset and its line."""
        device, gateway = f"device:{view.node}/{view.device}", f"gateway:{view.node}"
        asset = self._asset(view)
        self._node(id=view.key, kind="point", type=view.brick, name=view.metric, point_class=view.point_class)
        self._node(id=device, kind="device", name=view.device)
        self._node(id=gateway, kind="gateway", name=view.node)
        self._edge(view.key, asset, "part_of", "binding")
        self._edge(view.key, device, "via", "catalogue")
        self._edge(device, gateway, "via", "catalogue")
        if view.space:
            self._space.setdefault(asset, view.space)

    def graph(self) -> Graph:
        """All that was added, with what feeds what."""
        self._connections()
        drawn = Graph(self._nodes.values(), self._edges.values())
        return Graph(self._nodes.values(), [*self._edges.values(), *assumed_feeds(drawn, self._place)])

    def _asset(self, view: PointView) -> str:
        """The element of the device, else what the point's sensor sits on, else the element itself, else the device."""
        element = self._device_element.get(view.device) or (self._controlled.get(view.element or "") or view.element)
        if element is None or element not in self._row:
            asset = f"asset:{view.node}/{view.device}"
            self._node(id=asset, kind="asset", name=view.device)
            return asset
        row = self._row[element]
        ifc, predefined, brick = (str(self._columns[n][row] or "") for n in ("type", "predefined", "brick"))
        kind = brick if brick and brick != "Equipment" else f"{ifc}.{predefined}"
        self._node(id=element, kind="asset", type=kind, name=view.device)
        whole = self._model.parent_of(element)
        if whole in self._nodes and whole is not None and self._nodes[whole].kind == "asset":
            self._edge(element, whole, "part_of", "model")
        return element

    def _connections(self) -> None:
        """Feeds along ports: from each asset through pipes, ducts and cables to the next asset."""
        owner = {port: element for kind in ("port", "nests") for element, port in self._pairs[kind]}
        after: defaultdict[str, list[str]] = defaultdict(list)
        for source, target in self._pairs["connects"]:
            after[owner.get(source, source)].append(owner.get(target, target))
        for asset in [node.id for node in self._nodes.values() if node.kind == "asset"]:
            for reached in self._reached(asset, after):
                self._edge(asset, reached, "feeds", "ports")

    def _reached(self, asset: str, after: dict[str, list[str]]) -> Iterator[str]:
        seen, waiting = {asset}, list(after.get(asset, ()))
        while waiting and len(seen) < _PASSIVE_MAX:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            if here in self._nodes:
                yield here
            else:
                waiting += after.get(here, ())

    def _place(self, asset: str, scope: Scope) -> str:
        space = self._model.space_of(asset) or self._space.get(asset, "")
        if scope == "space":
            return space
        held = self._model.holders(filter(None, (asset, space)))
        return next((one for one in sorted(held) if self._model.type_of(one) == "IfcBuilding"), "")

    def _node(self, **fields: Any) -> None:
        self._nodes.setdefault(fields["id"], Node(**fields))

    def _edge(self, source: str, target: str, kind: Any, how: str) -> None:
        self._edges.setdefault((source, target, kind), Edge(source=source, target=target, kind=kind, how=how))
