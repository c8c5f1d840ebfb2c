"""The network of a schedule: tasks as nodes, links as edges in an order in which every task follows what it waits for.

Summary tasks are no work; links that end at one go through two gates of it: its start gate opens its children, its
finish gate closes after them. Levels of effort and inactive tasks drive nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from bim.schedule.errors import ScheduleError
from bim.schedule.tables import Schedule

__all__ = ["Edge", "Network", "network_of"]

_SHOWN_OF_LOOP = 8


@dataclass(frozen=True, slots=True)
class Edge:
    """One link between nodes; `lag_s` in seconds of `lag_calendar` ("work" follows the schedule's rule)."""

    source: int
    target: int
    type: str
    lag: float = 0.0
    lag_kind: str = "work"


@dataclass(slots=True)
class Network:
    """`tasks` are rows of the tasks table; nodes from len(tasks) on are gates."""

    tasks: list[dict[str, Any]]
    nodes: int
    order: list[int]
    incoming: list[list[Edge]]
    outgoing: list[list[Edge]]
    works: list[bool] = field(default_factory=list)  # nodes that are tasks with dates of their own

    def is_gate(self, node: int) -> bool:
        """Whether a node stands for a start or finish of a summary."""
        return node >= len(self.tasks)


def network_of(schedule: Schedule) -> Network:
    """Raises ScheduleError naming the tasks of a loop."""
    tasks = schedule.tasks.to_pylist()
    index = {row["id"]: number for number, row in enumerate(tasks)}
    children: dict[int, list[int]] = {}
    for number, row in enumerate(tasks):
        if row["parent"] is not None:
            children.setdefault(index[row["parent"]], []).append(number)
    summaries = {number for number, row in enumerate(tasks) if row["kind"] == "summary" or number in children}
    works = [
        number not in summaries and row["active"] and row["kind"] != "level_of_effort"
        for number, row in enumerate(tasks)
    ]
    gates = {number: len(tasks) + 2 * place for place, number in enumerate(sorted(summaries))}
    edges = [*_gate_edges(children, gates, works), *_link_edges(schedule, index, gates, works)]
    nodes = len(tasks) + 2 * len(gates)
    incoming: list[list[Edge]] = [[] for _ in range(nodes)]
    outgoing: list[list[Edge]] = [[] for _ in range(nodes)]
    for edge in edges:
        incoming[edge.target].append(edge)
        outgoing[edge.source].append(edge)
    order = _order(incoming, outgoing, tasks)
    return Network(tasks, nodes, order, incoming, outgoing, [*works, *[False] * (2 * len(gates))])


def _gate_edges(children: dict[int, list[int]], gates: dict[int, int], works: list[bool]) -> list[Edge]:
    found = []
    for parent, below in children.items():
        opening = gates[parent]
        for child in below:
            if child in gates:
                found.append(Edge(opening, gates[child], "SS"))
                found.append(Edge(gates[child] + 1, opening + 1, "FF"))
            elif works[child]:
                found.append(Edge(opening, child, "SS"))
                found.append(Edge(child, opening + 1, "FF"))
    return found


def _link_edges(schedule: Schedule, index: dict[str, int], gates: dict[int, int], works: list[bool]) -> list[Edge]:
    found = []
    for row in schedule.links.to_pylist():
        if row["predecessor"] is None or row["successor"] is None:
            continue
        source, target = index[row["predecessor"]], index[row["successor"]]
        kind = row["type"]
        if source in gates:
            source = gates[source] + (1 if kind[0] == "F" else 0)
        elif not works[source]:
            continue
        if target in gates:
            target = gates[target] + (1 if kind[1] == "F" else 0)
        elif not works[target]:
            continue
        found.append(Edge(source, target, kind, row["lag_h"], row["lag_kind"]))
    return found


def _order(incoming: list[list[Edge]], outgoing: list[list[Edge]], tasks: list[dict[str, Any]]) -> list[int]:
    """Topological order (Kahn)."""
    waits = [len(edges) for edges in incoming]
    ready = [node for node, count in enumerate(waits) if count == 0]
    order: list[int] = []
    while ready:
        node = ready.pop()
        order.append(node)
        for edge in outgoing[node]:
            waits[edge.target] -= 1
            if waits[edge.target] == 0:
                ready.append(edge.target)
    if len(order) < len(incoming):
        _refuse_loop({node for node, count in enumerate(waits) if count}, outgoing, tasks)
    return order


def _refuse_loop(left: set[int], outgoing: list[list[Edge]], tasks: list[dict[str, Any]]) -> None:
    """Walk among the tasks that never became ready until one comes again: that is a loop."""
    waiting = {node: [e.target for e in outgoing[node] if e.target in left] for node in left}
    while True:  # what only follows a loop has no way on, and falls away
        dead = [node for node, after in waiting.items() if not any(one in waiting for one in after)]
        if not dead:
            break
        for node in dead:
            del waiting[node]
    path: list[int] = []
    node = min(waiting)
    while node not in path:
        path.append(node)
        node = next(one for one in waiting[node] if one in waiting)
    loop = [tasks[one] for one in path[path.index(node) :] if one < len(tasks)]
    names = [row["code"] or row["id"] for row in loop[:_SHOWN_OF_LOOP]]
    more = f" and {len(loop) - _SHOWN_OF_LOOP} more" if len(loop) > _SHOWN_OF_LOOP else ""
    problem = (
        f"tasks wait for each other: {' → '.join([*names, names[0]])}{more}"
        if names
        else "summaries wait for each other"
    )
    line = loop[0]["line"] if loop else 0
    raise ScheduleError("loop", problem, line=line, field="links", fix="remove one of these links")
