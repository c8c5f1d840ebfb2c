"""GET /points and /points/{id or key}, GET /bindings/report."""

from typing import Any

import msgspec

from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Search
from twin.api.state import point_ids
from twin.directory import PointView
from twin.errors import NotFoundError
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS"]


class PointsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Filters of the catalogue; all that are given must hold. `ids` are parted by commas."""

    ids: str = ""
    element: Search = ""
    device: Search = ""
    q: Search = ""
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class PointsPage(msgspec.Struct):
    """One page of the catalogue."""

    items: list[PointView]
    total: int
    next: int | None


class LastValue(msgspec.Struct):
    """The newest value of a point; null where it is no number."""

    ts: str | None
    value: float | str | None
    quality: int


class PointDetail(PointView, frozen=True, kw_only=True):
    """One point with what its device says about it (`declared` is the type of its values), and its newest value."""

    declared: str
    meta: dict[str, Any]
    last: LastValue | None


class BindingsReport(msgspec.Struct):
    """What is bound, how, and what is not; `reasons` by point id, `problems` of the site's [[bind]] tables."""

    bound: int
    unbound: list[PointView]
    elements_without_points: int
    by_how: dict[str, int]
    reasons: dict[int, str]
    problems: list[str]


async def list_points(call: Call[PointsQuery, None]) -> PointsPage:
    """The catalogue, by ascending id."""
    query = call.query
    views = call.twin.directory.select(element=query.element, device=query.device, words=query.q)
    if query.ids:
        wanted = set(point_ids(query.ids, "ids"))
        views = [view for view in views if view.id in wanted]
    end = query.offset + query.limit
    return PointsPage(views[query.offset : end], len(views), end if end < len(views) else None)


async def show_point(call: Call[NoQuery, None]) -> PointDetail:
    """One point."""
    name = call.path["name"]
    view = call.twin.directory.find(name)
    if view is None:
        raise NotFoundError(f"no point {name[:120]!r}", field="id", fix="GET /api/v1/points?q=… finds points")
    last = call.twin.last_value(view.id)
    shown = None if last is None else LastValue(iso(last.ts_us), last.value, last.quality)
    row = call.twin.store.points.by_id[view.id]
    return PointDetail(**msgspec.structs.asdict(view), declared=row.declared, meta=dict(row.meta), last=shown)


async def report_bindings(call: Call[NoQuery, None]) -> BindingsReport:
    """Coverage of the bindings."""
    twin = call.twin
    bindings = twin.bindings
    return BindingsReport(
        bound=len(bindings),
        unbound=[view for view in twin.directory.views if view.binding is None],
        elements_without_points=len(twin.model) - len(bindings.places()),
        by_how=bindings.by_how(),
        reasons=bindings.reasons,
        problems=bindings.unused,
    )


OPERATIONS = [
    Operation("GET", "/points", list_points, "the catalogue, with bindings", PointsQuery, answer=PointsPage),
    Operation("GET", "/points/{name:path}", show_point, "one point by id or key", answer=PointDetail),
    Operation("GET", "/bindings/report", report_bindings, "what is bound, and what is not", answer=BindingsReport),
]
