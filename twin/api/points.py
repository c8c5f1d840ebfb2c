"""GET /points and /points/{id or key}, GET /bindings/report."""

import asyncio
from typing import Any

import msgspec
import numpy as np

from twin.api.elements import MomentQuery
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Search, Time
from twin.api.schedule import moments
from twin.api.state import point_ids
from twin.core import Twin
from twin.directory import PointView
from twin.errors import NotFoundError
from twin.plan_book import Lifecycle
from twin.plan_lifecycle import COMMISSIONED, LIFECYCLES
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS"]


class PointsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Filters of the catalogue; all that are given must hold. `ids` are parted by commas. `at` and `known_at` are of
    the plan, by which a point is planned, installed, commissioned or handed over."""

    ids: str = ""
    element: Search = ""
    device: Search = ""
    q: Search = ""
    at: Time | None = None
    known_at: Time | None = None
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
    """One point with what its device says about it (`declared` is the type of its values), and its newest value;
    `life` tells how its lifecycle was decided."""

    declared: str
    meta: dict[str, Any]
    last: LastValue | None
    life: Lifecycle


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
    page = await asyncio.to_thread(_living, call.twin, views[query.offset : end], query)
    return PointsPage(page, len(views), end if end < len(views) else None)


def _living(twin: Twin, views: list[PointView], query: PointsQuery) -> list[PointView]:
    """The views with their lifecycle at a moment; most are commissioned and stay as they are."""
    at_us, known_us = moments(twin, query.at, query.known_at)
    codes = twin.plan.lifecycles(np.array([view.id for view in views], np.uint32), at_us, known_us)
    shown = list(views)
    for place in np.flatnonzero(codes != COMMISSIONED).tolist():
        shown[place] = msgspec.structs.replace(shown[place], lifecycle=LIFECYCLES[codes[place]])
    return shown


async def show_point(call: Call[MomentQuery, None]) -> PointDetail:
    """One point."""
    name = call.path["name"]
    view = call.twin.directory.find(name)
    if view is None:
        raise NotFoundError(f"no point {name[:120]!r}", field="id", fix="GET /api/v1/points?q=… finds points")
    last = call.twin.last_value(view.id)
    shown = None if last is None else LastValue(iso(last.ts_us), last.value, last.quality)
    row = call.twin.store.points.by_id[view.id]
    moment = moments(call.twin, call.query.at, call.query.known_at)
    life = await asyncio.to_thread(call.twin.plan.lifecycle_of, view.id, *moment)
    own = msgspec.structs.asdict(view) | {"lifecycle": life.state}
    return PointDetail(**own, declared=row.declared, meta=dict(row.meta), last=shown, life=life)


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
    Operation("GET", "/points/{name:path}", show_point, "one point by id or key", MomentQuery, answer=PointDetail),
    Operation("GET", "/bindings/report", report_bindings, "what is bound, and what is not", answer=BindingsReport),
]
