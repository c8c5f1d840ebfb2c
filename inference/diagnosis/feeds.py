"""Feeds that no model draws but every engineer assumes: `feeds.toml`, laid over the assets of a graph."""

import functools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from inference.diagnosis.graph import Edge, Graph

__all__ = ["assumed_feeds"]

_FILE = Path(__file__).with_name("feeds.toml")
_EDGES_MAX = 50_000  # assumed ones; a park of 10,000 points has some hundreds
Scope = Literal["space", "building", "site"]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row."""

    source: str = msgspec.field(name="from")
    targets: tuple[str, ...] = msgspec.field(name="to")
    within: Scope


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    feeds: tuple[Row, ...]


@functools.cache
def _rows() -> tuple[Row, ...]:
    return msgspec.toml.decode(_FILE.read_bytes(), type=_Table).feeds


def assumed_feeds(graph: Graph, place: Callable[[str, Scope], str]) -> list[Edge]:
    """Edges to add. `place(asset, scope)` names the space or building that holds an asset, "" if that is not known."""
    assets = [node.id for node in graph.nodes.values() if node.kind == "asset"]
    by_family: defaultdict[str, list[str]] = defaultdict(list)
    for asset in assets:
        by_family[graph.family(asset)].append(asset)
    found: list[Edge] = []
    for row in _rows():
        sources: defaultdict[str, list[str]] = defaultdict(list)
        for source in by_family.get(row.source, ()):
            sources[_at(source, row.within, place)].append(source)
        for target in (asset for family in row.targets for asset in by_family.get(family, ())):
            if any(graph.family(above) == row.source for above in graph.up(target)):
                continue
            where = _at(target, row.within, place)
            feeders = sources.get(where, ()) if where else ()
            how = f"assumed within {row.within}"
            found.extend(Edge(source=source, target=target, kind="feeds", how=how) for source in feeders)
    return found[:_EDGES_MAX]


def _at(asset: str, within: Scope, place: Callable[[str, Scope], str]) -> str:
    return "site" if within == "site" else place(asset, within)
