"""GET /elements, /elements/{GlobalId} and /tree: the building model with its points."""

import asyncio
import math
import re
from typing import Any

import msgspec
import pyarrow as pa

from bim.brick.equipment import brick_class
from twin.api.drones import PhotoView, photo_views
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Search, Time
from twin.api.scans import ElementVerdict, element_verdicts
from twin.api.schedule import moments
from twin.core import Twin
from twin.directory import PointView
from twin.errors import NotFoundError
from twin.place import ElementPlace
from twin.plan_views import ElementPlanView, LinkedTask, element_views
from twin.scans_rows import VERDICT_CODES
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS"]

_Order = tuple[float, list[tuple[int, str]]]
_NUMBERS = re.compile(r"(\d{1,15})")
_DEPTH_MAX = 64  # a model that nests deeper is a loop


class MomentQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What the plan says at `at`, as it was known at `known_at`; both now by default."""

    at: Time | None = None
    known_at: Time | None = None


class ElementsQuery(MomentQuery, forbid_unknown_fields=True):
    """Filters of the model; all that are given must hold."""

    type: Search = ""
    space: Search = ""
    storey: Search = ""
    q: Search = ""
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class ElementView(msgspec.Struct):
    """One element in a list. `points` counts those bound to it."""

    id: str
    type: str
    name: str
    long_name: str
    storey: str | None
    space: str | None
    points: int
    plan: ElementPlanView | None = None


class ElementsPage(msgspec.Struct):
    """One page of elements."""

    items: list[ElementView]
    total: int
    next: int | None


class ElementDetail(msgspec.Struct):
    """One element with what it says, what it holds and what is measured at it."""

    id: str
    type: str
    name: str
    long_name: str
    storey: str | None
    space: str | None
    tag: str
    predefined: str
    type_name: str
    description: str
    properties: dict[str, dict[str, Any]]
    quantities: dict[str, dict[str, Any]]
    place: ElementPlace | None
    parent: str | None
    children: list[str]
    points: list[PointView]
    plan: ElementPlanView | None = None
    tasks: list[LinkedTask] = []
    documents: list[Any] = []
    brick: str = ""  # Brick class, of the model or of its IFC class
    source: str = ""  # the file it comes from, where the model has several
    verdict: str = "none"  # what all scans add up to: none, unknown, built, not built
    verdicts: list[ElementVerdict] = []  # of each scan, the newest first
    photos: list[PhotoView] = []  # that see it
    defects: list[dict[str, Any]] = []  # marked on photos, over flights


class TreeNode(msgspec.Struct):
    """A place and what it holds; `points` are those bound to this very place."""

    id: str
    type: str
    name: str
    children: list["TreeNode"]
    points: list[int]


class DevicePoints(msgspec.Struct):
    """The points of one device."""

    node: str
    device: str
    points: list[int]


class Tree(msgspec.Struct):
    """The spatial tree down to elements with points, and the points that have no place in it.

    Storeys stand as in a section drawing, the highest first; everything else by name, numbers by their value.
    """

    roots: list[TreeNode]
    unbound: list[int]
    devices: list[DevicePoints]


async def list_elements(call: Call[ElementsQuery, None]) -> ElementsPage:
    """Elements in the order of the file."""
    query, twin = call.query, call.twin
    found: pa.Table = await asyncio.to_thread(
        twin.model.select, kind=query.type, space=query.space, storey=query.storey, words=query.q
    )
    end = query.offset + query.limit
    names = ["id", "type", "name", "long_name", "storey", "space"]
    rows = found.select(names).slice(min(query.offset, found.num_rows), query.limit).to_pylist()
    plans = await asyncio.to_thread(_plans, twin, [row["id"] for row in rows], query)
    items = [
        ElementView(**row, points=len(twin.bindings.points_of(row["id"])), plan=plan)
        for row, plan in zip(rows, plans, strict=True)
    ]
    return ElementsPage(items, found.num_rows, end if end < found.num_rows else None)


def _plans(twin: Twin, elements: list[str], query: MomentQuery) -> list[ElementPlanView | None]:
    """The plan of some elements at one moment."""
    at_us, known_us = moments(twin, query.at, query.known_at)
    plan = twin.plan.at(known_us)
    if plan is None:
        return [None] * len(elements)
    return element_views(plan, elements, at_us // 1_000_000)


async def show_element(call: Call[MomentQuery, None]) -> ElementDetail:
    """One element."""
    twin, element = call.twin, call.path["element"]
    row = twin.model.row(element)
    if row is None:
        raise NotFoundError(f"no element {element[:60]!r}", field="id", fix="GET /api/v1/elements?q=… finds elements")
    element = row["id"]  # it may have been asked for by the name that an earlier revision gave it
    psets = await asyncio.to_thread(twin.models.properties, element)
    place = await asyncio.to_thread(twin.locator.place, twin.model, twin.site, element)
    [plan] = await asyncio.to_thread(_plans, twin, [element], call.query)
    points = [twin.directory.by_id[i] for i in twin.bindings.points_of(element) if i in twin.directory.by_id]
    shown = ("id", "type", "name", "long_name", "storey", "space", "tag", "predefined", "type_name", "description")
    return ElementDetail(
        **{name: row[name] for name in shown},
        properties=psets["property"],
        quantities=psets["quantity"],
        place=place,
        parent=row["parent"],
        children=twin.model.children.get(element, []),
        points=points,
        brick=brick_class(row),
        source=row["source"],
        plan=plan,
        tasks=plan.tasks if plan else [],
        **await asyncio.to_thread(_seen, twin, element, call.query),
    )


def _seen(twin: Twin, element: str, query: MomentQuery) -> dict[str, Any]:
    """What drones and scanners saw of an element, as far as it was known."""
    at_us, known_us = moments(twin, query.at, query.known_at)
    codes, _ = twin.drones.book.verdicts([element], at_us, known_us)
    former = [old for old, new in twin.model.aliases.items() if new == element]
    return {
        "verdict": VERDICT_CODES[int(codes[0])],
        "verdicts": element_verdicts(twin, [element, *former], at_us if query.at else None, known_us),
        "photos": photo_views(twin, twin.drones.flights.photos(element=element)),
        "defects": twin.drones.marks.defects([element, *former]),
    }


async def show_tree(call: Call[NoQuery, None]) -> Tree:
    """The whole spatial tree."""
    return await asyncio.to_thread(_tree, call.twin)


def _tree(twin: Twin) -> Tree:
    views = twin.directory.views
    devices: dict[tuple[str, str], list[int]] = {}
    for view in views:
        devices.setdefault((view.node, view.device), []).append(view.id)
    return Tree(
        roots=_roots(twin),
        unbound=[view.id for view in views if view.binding is None],
        devices=[DevicePoints(*key, points) for key, points in sorted(devices.items())],
    )


def _roots(twin: Twin) -> list[TreeNode]:
    """Places of the spatial structure always, elements only where a point is bound to them or below."""
    model, bindings = twin.model, twin.bindings
    wanted = {e for e, kind in zip(model.column("id"), model.column("category"), strict=True) if kind == "spatial"}
    wanted |= {place for place in model.holders(bindings.places()) if place in model}
    nodes: dict[str, TreeNode] = {}
    held: dict[str | None, list[tuple[_Order, str]]] = {}
    names = ("id", "type", "name", "long_name", "parent", "space", "storey", "category", "elevation_m")
    for row in zip(*(model.column(n) for n in names), strict=True):
        element, kind, name, long_name, parent, space, storey, category, elevation = row
        if element not in wanted or category == "project":
            continue
        holders = [parent] if category == "spatial" else [space, storey, parent]
        above = next((h for h in holders if h in wanted and h != element), None)
        above = None if above is not None and model.type_of(above) == "IfcProject" else above
        held.setdefault(above, []).append((_order(name, elevation), element))
        own = [p for p in bindings.points_of(element) if _is_own(twin, p, element)]
        nodes[element] = TreeNode(element, kind, _title(name, long_name), [], own)
    _hang(None, held, nodes, [], 0)
    return [nodes[element] for _, element in sorted(held.get(None, []))]


def _order(name: str, elevation_m: float | None) -> _Order:
    """Highest storey first, what has no elevation after them; `Room 2` before `Room 10`."""
    parts = [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in _NUMBERS.split(name) if part]
    return -elevation_m if elevation_m is not None else math.inf, parts


def _title(name: str, long_name: str) -> str:
    """How people call a place: a space has a number and a name."""
    return name if long_name in name else f"{name} {long_name}".strip()


def _is_own(twin: Twin, point: int, place: str) -> bool:
    """A point bound to an element within a space hangs at the element, not at both."""
    binding = twin.bindings.by_point[point]
    return binding.element == place or binding.element not in twin.model


def _hang(
    place: str | None,
    held: dict[str | None, list[tuple[_Order, str]]],
    nodes: dict[str, TreeNode],
    into: list[TreeNode],
    depth: int,
) -> None:
    for _, element in sorted(held.get(place, [])):
        node = nodes[element]
        if depth < _DEPTH_MAX:
            _hang(element, held, nodes, node.children, depth + 1)
        into.append(node)


OPERATIONS = [
    Operation("GET", "/elements", list_elements, "elements of the model", ElementsQuery, answer=ElementsPage),
    Operation("GET", "/elements/{element}", show_element, "one element by GlobalId", MomentQuery, answer=ElementDetail),
    Operation("GET", "/tree", show_tree, "places, devices and their points", answer=Tree),
]
