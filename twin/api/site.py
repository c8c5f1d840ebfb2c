"""GET /site, /nodes and /events."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bim.geo.frame import FrameFacts
from twin.api.operation import Call, NoQuery, Operation, Time, micros
from twin.basemap import BasemapFacts
from twin.core import Twin
from twin.node_views import NodeStatus, with_certificates
from twin.place import NoFrame
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX

__all__ = ["OPERATIONS"]


class Counts(msgspec.Struct):
    """How much there is."""

    points: int
    bound_points: int
    elements: int
    spaces: int
    storeys: int
    devices: int
    nodes: int
    readings: int


class SiteModel(msgspec.Struct):
    """The live building model."""

    file: str
    schema: str
    sha256: str


class SiteSchedule(msgspec.Struct):
    """The live schedule; `problem` says what of the site's folder was refused at the start."""

    revision: int | None
    file: str
    format: str
    name: str
    tasks: int
    problem: str | None


class Span(msgspec.Struct):
    """First and last time of what is stored, and now."""

    first: str | None
    last: str | None
    now: str


class SiteView(msgspec.Struct):
    """The site in short. `bounds`: west, south, east, north in degrees, of the model where the site says none."""

    name: str
    title: str
    crs: str | None
    bounds: tuple[float, float, float, float] | None
    frame: FrameFacts | None
    frame_missing: NoFrame | None
    basemap: BasemapFacts | None
    time_zone: str
    languages: list[str]
    counts: Counts
    model: SiteModel | None
    schedule: SiteSchedule | None
    time: Span
    version: str


class NodesList(msgspec.Struct):
    """All agents."""

    items: list[NodeStatus]


class EventsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Events of a range, newest first."""

    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_ITEMS_MAX)] = PAGE_ITEMS_DEFAULT


class EventView(msgspec.Struct):
    """One event; severity 0 info to 3 critical; `detail` as its source gave it."""

    ts: str
    node: str
    device: str
    kind: str
    severity: int
    point: int | None
    message: str
    detail: Any


class EventsList(msgspec.Struct):
    """Events, newest first."""

    items: list[EventView]


async def show_site(call: Call[NoQuery, None]) -> SiteView:
    """Name, place, languages, counts."""
    twin = call.twin
    counts, span = await asyncio.to_thread(lambda: (twin.store.counts(), twin.store.time_span()))
    views = twin.directory.views
    info = twin.model.info
    located = await asyncio.to_thread(twin.locator.located, twin.model, twin.site)
    first, last = span if span else (None, None)
    return SiteView(
        name=twin.site.name,
        title=twin.site.title or twin.site.name,
        crs=twin.site.crs or (located.facts.crs if located.facts else None),
        bounds=twin.site.bounds or located.bounds,
        frame=located.facts,
        frame_missing=located.missing,
        basemap=twin.basemap.facts if twin.basemap else None,
        time_zone=twin.site.time_zone,
        languages=twin.site.languages,
        counts=Counts(
            points=len(views),
            bound_points=len(twin.bindings),
            elements=len(twin.model),
            spaces=twin.model.count("IfcSpace"),
            storeys=twin.model.count("IfcBuildingStorey"),
            devices=len({(view.node, view.device) for view in views}),
            nodes=len({view.node for view in views}),
            readings=counts["readings"],
        ),
        model=SiteModel(info.file, info.schema, info.sha256) if info else None,
        schedule=_schedule(twin),
        time=Span(iso(first), iso(last), twin.now_text()),
        version=twin.version,
    )


def _schedule(twin: Twin) -> SiteSchedule | None:
    plan, refused = twin.plan.live, twin.plan.unusable or twin.plan.refused
    if plan is None:
        return SiteSchedule(None, "", "", "", 0, refused) if refused else None
    stored = plan.stored
    return SiteSchedule(
        stored.revision, stored.file, stored.format, stored.name, stored.schedule.tasks.num_rows, refused
    )


async def list_nodes(call: Call[NoQuery, None]) -> NodesList:
    """The agents and how they do."""
    certificates = await asyncio.to_thread(call.twin.trust.views)
    return NodesList(with_certificates(call.twin.nodes(), certificates))


async def list_events(call: Call[EventsQuery, None]) -> EventsList:
    """Events, newest first."""
    query = call.query
    rows = await asyncio.to_thread(
        call.twin.events,
        micros(query.from_) if query.from_ else None,
        micros(query.to) if query.to else None,
        query.limit,
    )
    return EventsList([EventView(ts=str(iso(row["ts_us"])), **_rest(row)) for row in rows])


def _rest(row: dict[str, Any]) -> dict[str, Any]:
    detail = row["detail"]
    try:
        shown = msgspec.json.decode(detail) if detail else None
    except msgspec.DecodeError:
        shown = detail
    names = ("node", "device", "kind", "severity", "point", "message")
    return {name: row[name] for name in names} | {"detail": shown}


OPERATIONS = [
    Operation("GET", "/site", show_site, "the site in short", answer=SiteView),
    Operation("GET", "/nodes", list_nodes, "the agents and how they do", answer=NodesList),
    Operation("GET", "/events", list_events, "events, newest first", EventsQuery, answer=EventsList),
]
