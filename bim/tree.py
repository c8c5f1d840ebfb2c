"""The spatial tree of a model: project, site, building, storeys, spaces, and what stands in them."""

from collections import defaultdict
from typing import Any

import msgspec
import pyarrow as pa

__all__ = ["Node", "lines_of", "tree_of"]

_DEPTH_MAX = 50  # nesting of real files stays below 12
_SHOWN = frozenset({"project", "spatial", "element"})


class Node(msgspec.Struct, frozen=True):
    """One element with what it holds."""

    id: str
    type: str
    name: str
    children: list["Node"]


def tree_of(elements: pa.Table, *, with_elements: bool = True) -> list[Node]:
    """Roots of the tree from elements.arrow; an element stands in its space when it has one, else in its parent."""
    rows = elements.select(["id", "type", "category", "name", "long_name", "parent", "space"]).to_pylist()
    shown = [row for row in rows if row["category"] in _SHOWN and (with_elements or row["category"] != "element")]
    known = {row["id"] for row in shown}
    held: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for row in shown:
        above = row["space"] if row["category"] == "element" and row["space"] in known else row["parent"]
        held[above if above in known and above != row["id"] else None].append(row)
    seen: set[str] = set()
    roots = [_node(row, held, seen, 0) for row in held[None]]
    # what holds itself in a ring, or lies too deep, begins a tree of its own
    return roots + [_node(row, held, seen, 0) for row in shown if row["id"] not in seen]


def lines_of(roots: list[Node], indent: int = 0) -> list[str]:
    """The tree as text for people."""
    lines = []
    for node in roots:
        lines.append(f"{'  ' * indent}{node.type.removeprefix('Ifc')} {node.name}".rstrip())
        lines.extend(lines_of(node.children, indent + 1))
    return lines


def _node(row: dict[str, Any], held: dict[str | None, list[dict[str, Any]]], seen: set[str], depth: int) -> Node:
    seen.add(row["id"])
    below = held.get(row["id"], []) if depth < _DEPTH_MAX else []
    name = f"{row['name']} {row['long_name']}".strip()
    children = [_node(child, held, seen, depth + 1) for child in below if child["id"] not in seen]
    return Node(row["id"], row["type"], name, children)
