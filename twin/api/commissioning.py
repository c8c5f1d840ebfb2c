"""Commissioning: progress of devices, one device point by point, verifying, QR codes and labels, lists of points."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from starlette.responses import Response

from twin.api.errors import ProblemError, TooLargeError
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Search
from twin.changes import Change
from twin.commissioning.book import BATCH_MAX, NewVerification, Verification
from twin.commissioning.change import body_of
from twin.commissioning.devices import DeviceProgress, devices_of, find_device, progress_of
from twin.commissioning.labels import device_url, qr_svg, sheet
from twin.commissioning.lists import BYTES_MAX, edits_of, read_list, write_list
from twin.core import Twin
from twin.directory import PointView
from twin.errors import NotFoundError
from twin.plan_lifecycle import COMMISSIONED, LIFECYCLES
from twin.reports.words import Language
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS"]

_SVG, _PDF, _CSV = "image/svg+xml", "application/pdf", "text/csv; charset=utf-8"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_STATES = ("open", "wrong", "done")


class DevicesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Devices whose name, label or place has all words; of a storey (GlobalId or name); in this state."""

    q: Search = ""
    storey: Search = ""
    state: Literal["", "open", "wrong", "done"] = ""
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class StoreyProgress(msgspec.Struct):
    """How far the devices of a storey are."""

    storey: str | None
    name: str
    devices: int
    done: int
    points: int
    verified: int
    wrong: int


class DevicesPage(msgspec.Struct):
    """One page of devices, and all storeys of what was asked for."""

    items: list[DeviceProgress]
    total: int
    next: int | None
    storeys: list[StoreyProgress]


class VerifiedView(msgspec.Struct):
    """What was said of a point."""

    verdict: str
    by: str
    at: str | None
    seen: str
    shown: str
    note: str


class DevicePoint(msgspec.Struct):
    """One point of a device, with its value now."""

    id: int
    key: str
    metric: str
    label: str
    kind: str
    unit: str
    low: float | None
    high: float | None
    writable: bool
    value: float | str | None
    quality: int | None
    at: str | None
    lifecycle: str
    verified: VerifiedView | None


class DeviceView(msgspec.Struct):
    """One device."""

    progress: DeviceProgress
    points: list[DevicePoint]


class VerifyBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says of points of this device."""

    points: Annotated[list[NewVerification], Meta(min_length=1, max_length=BATCH_MAX)]


class LabelQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`base` is where phones reach the twin; without it, where this request did."""

    base: Annotated[str, Meta(max_length=300)] = ""


class SheetQuery(LabelQuery, forbid_unknown_fields=True):
    """Which devices, and in which language."""

    q: Search = ""
    storey: Search = ""
    language: Language = "en"


class ListQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which points, as what."""

    format: Literal["csv", "xlsx"] = "csv"
    device: Search = ""
    q: Search = ""


class TakeQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A word about where the list is from."""

    note: Annotated[str, Meta(max_length=1_000)] = ""


async def list_devices(call: Call[DevicesQuery, None]) -> DevicesPage:
    """Progress."""
    return await asyncio.to_thread(_devices, call.twin, call.query)


def _devices(twin: Twin, query: DevicesQuery) -> DevicesPage:
    found = _select(twin, query.q, query.storey)
    storeys: dict[str, StoreyProgress] = {}
    for one in found:
        place = one.place
        line = storeys.setdefault(place.storey or "", StoreyProgress(place.storey, place.storey_name, 0, 0, 0, 0, 0))
        line.devices += 1
        line.done += one.is_done
        line.points, line.verified, line.wrong = (
            line.points + one.points,
            line.verified + one.verified,
            line.wrong + one.wrong,
        )
    chosen = [one for one in found if not query.state or query.state in _states(one)]
    page = chosen[query.offset : query.offset + query.limit]
    after = query.offset + len(page)
    lines = sorted(storeys.values(), key=lambda line: (not line.name, line.name))
    return DevicesPage(page, len(chosen), after if after < len(chosen) else None, lines)


def _states(one: DeviceProgress) -> tuple[str, ...]:
    done, open_, wrong = one.is_done, one.verified + one.wrong < one.points, one.wrong > 0
    return tuple(name for name, holds in zip(_STATES, (open_, wrong, done), strict=True) if holds)


def _select(twin: Twin, words: str, storey: str) -> list[DeviceProgress]:
    devices = devices_of(twin.directory)
    lives = _lives(twin, [view for views in devices.values() for view in views])
    found = []
    for name, views in devices.items():
        least = min(lives[view.id] for view in views)
        one = progress_of(name, views, twin.commissioning, twin.model, LIFECYCLES[least])
        place = one.place
        text = f"{name} {one.label} {place.space_name} {place.storey_name}".lower()
        if all(word in text for word in words.lower().split()) and storey in ("", place.storey, place.storey_name):
            found.append(one)
    return found


def _lives(twin: Twin, views: list[PointView]) -> dict[int, int]:
    codes = twin.plan.lifecycles(np.array([view.id for view in views], np.uint32))
    return dict(zip((view.id for view in views), codes.tolist(), strict=True))


async def show_device(call: Call[NoQuery, None]) -> DeviceView:
    """Every point of it."""
    return await asyncio.to_thread(_show, call.twin, call.path["device"])


def _show(twin: Twin, device: str) -> DeviceView:
    name, views = find_device(twin.directory, device)
    lives = _lives(twin, views)
    least = min(lives.values(), default=COMMISSIONED)
    points = []
    for view in views:
        last = twin.last_value(view.id)
        points.append(
            DevicePoint(
                view.id, view.key, view.metric, view.label, view.kind, view.unit, view.low, view.high, view.writable,
                last.value if last else None, last.quality if last else None, iso(last.ts_us) if last else None,
                LIFECYCLES[lives[view.id]], _verified(twin.commissioning.of(view.id)),
            )
        )  # fmt: skip
    return DeviceView(progress_of(name, views, twin.commissioning, twin.model, LIFECYCLES[least]), points)


def _verified(one: Verification | None) -> VerifiedView | None:
    if one is None:
        return None
    return VerifiedView(one.verdict, one.by, iso(one.at_us), one.seen, one.shown, one.note)


async def verify(call: Call[NoQuery, VerifyBody]) -> DeviceView:
    """Keep what a person saw, beside what the twin shows at this moment."""
    return await asyncio.to_thread(_verify, call.twin, call.path["device"], call.body, call.by)


def _verify(twin: Twin, device: str, body: VerifyBody, by: str) -> DeviceView:
    name, views = find_device(twin.directory, device)
    known = {view.id for view in views}
    for place, one in enumerate(body.points):
        if one.point not in known:
            fix = f"GET /api/v1/commissioning/{name} lists its points"
            raise ProblemError(f"{one.point} is no point of {name}", field=f"points[{place}].point", fix=fix)
        if one.verdict == "wrong" and not (one.note.strip() or one.seen.strip()):
            raise ProblemError("a wrong point has a reason", field=f"points[{place}].note", fix="say what you saw")
    if len({one.point for one in body.points}) < len(body.points):
        raise ProblemError("a point stands twice", field="points", fix="say one thing of each")
    shown = [_shown(twin, one.point) for one in body.points]
    twin.commissioning.record(body.points, shown, by)
    twin.follow_commissioning()
    return _show(twin, name)


def _shown(twin: Twin, point: int) -> str:
    last = twin.last_value(point)
    if last is None or last.value is None:
        return ""
    return f"{last.value:.6g}" if isinstance(last.value, float) else str(last.value)[:100]


async def show_code(call: Call[LabelQuery, None]) -> Response:
    """The QR code that opens a device's page."""
    name, _ = find_device(call.twin.directory, call.path["device"])
    return Response(qr_svg(device_url(_base(call), name)), media_type=_SVG, headers={"cache-control": "no-store"})


async def show_labels(call: Call[SheetQuery, None]) -> Response:
    """A sheet of labels to print."""
    twin, query, base = call.twin, call.query, _base(call)
    chosen = await asyncio.to_thread(_select, twin, query.q, query.storey)
    if not chosen:
        raise NotFoundError("no device is meant", field="q", fix="GET /api/v1/commissioning lists them")
    labels = [
        {
            "url": device_url(base, one.id),
            "title": one.label,
            "name": one.device,
            "place": " · ".join(part for part in (one.place.space_name, one.place.storey_name) if part),
        }
        for one in chosen
    ]
    body = await sheet(twin.site.title or twin.site.name, labels, query.language)
    headers = {"content-disposition": 'inline; filename="labels.pdf"', "cache-control": "no-store"}
    return Response(body, media_type=_PDF, headers=headers)


def _base(call: Call[Any, None]) -> str:
    return call.query.base or str(call.request.base_url)


async def write_points(call: Call[ListQuery, None]) -> Response:
    """The list of points, with what was verified."""
    twin, query = call.twin, call.query
    body = await asyncio.to_thread(_list, twin, query)
    headers = {"content-disposition": f'attachment; filename="{twin.site.name}-points.{query.format}"'}
    return Response(body, media_type=_CSV if query.format == "csv" else _XLSX, headers=headers)


def _list(twin: Twin, query: ListQuery) -> bytes:
    views = twin.directory.select(device=query.device, words=query.q)
    lives = _lives(twin, views)
    shown = [msgspec.structs.replace(view, lifecycle=LIFECYCLES[lives[view.id]]) for view in views]
    return write_list(shown, twin.commissioning, query.format)


async def take_points(call: Call[TakeQuery, None]) -> Change:
    """A list that a person changed: a preview with every difference; nothing is changed before it is activated."""
    data = bytearray()
    async for chunk in call.request.stream():
        data += chunk
        if len(data) > BYTES_MAX:
            raise TooLargeError(f"a list has at most {BYTES_MAX} bytes", field="body", fix="split it")
    twin = call.twin
    rows = await asyncio.to_thread(read_list, bytes(data))
    edits, problems = await asyncio.to_thread(edits_of, rows, twin.directory)
    preview = await twin.points_change.preview(body_of(edits))
    whole = msgspec.structs.replace(preview, problems=[*problems, *preview.problems])
    return await twin.changes.keep("points", whole, note=call.query.note or "list of points", by=call.by)


OPERATIONS = [
    Operation("GET", "/commissioning", list_devices, "how far devices are", DevicesQuery, answer=DevicesPage),
    Operation("GET", "/commissioning/labels.pdf", show_labels, "labels to print", SheetQuery, media=(_PDF,)),
    Operation("GET", "/commissioning/{device:path}", show_device, "one device point by point", answer=DeviceView),
    Operation("POST", "/commissioning/{device:path}", verify, "say what was seen", body=VerifyBody, answer=DeviceView),
    Operation("GET", "/devices/{device:path}/qr.svg", show_code, "QR code of a device", LabelQuery, media=(_SVG,)),
    Operation("GET", "/pointlist", write_points, "the list of points", ListQuery, media=("text/csv", _XLSX)),
    Operation("POST", "/pointlist", take_points, "take a list in, as a preview", TakeQuery, answer=Change),
]
