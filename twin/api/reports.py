"""GET /reports: what there is; /reports/{kind}: a day's report as a page, a PDF or JSON; kept ones."""

import asyncio
from datetime import date
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta
from starlette.responses import Response

from twin.api.errors import ProblemError
from twin.api.operation import Call, NoQuery, Operation
from twin.errors import NotFoundError
from twin.reports.document import Report
from twin.reports.html import CONTENT_POLICY
from twin.reports.settings import Kind, Planned
from twin.reports.words import Language
from twin.times import iso

__all__ = ["OPERATIONS"]

_MEDIA = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
_FRAME = {"content-security-policy": CONTENT_POLICY, "x-frame-options": "SAMEORIGIN"}


class ReportQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A day of the site's clock, yesterday by default."""

    day: date | None = None
    language: Language = "en"
    format: Literal["html", "pdf", "json"] = "html"
    download: bool = False


class ReportsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How many kept ones."""

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class KeptView(msgspec.Struct):
    """A report that was made by plan."""

    id: int
    kind: str
    day: str
    language: str
    made: str | None
    file: str
    mailed: str


class ReportsView(msgspec.Struct):
    """Kinds, what is planned, and what was made, newest first."""

    kinds: list[str]
    planned: list[Planned]
    kept: list[KeptView]
    today: str


async def list_reports(call: Call[ReportsQuery, None]) -> ReportsView:
    """What there is."""
    desk = call.twin.reports
    rows = await asyncio.to_thread(desk.kept, call.query.limit)
    kept = [
        KeptView(row["id"], row["kind"], row["day"], row["language"], iso(row["made_us"]), row["file"], row["mailed"])
        for row in rows
    ]
    return ReportsView(list(get_args(Kind)), desk.settings.report, kept, desk.here().isoformat())


async def show_report(call: Call[ReportQuery, None]) -> Response | Report:
    """A day's report, made now."""
    kind, query = call.path["kind"], call.query
    if kind not in get_args(Kind):
        raise NotFoundError(f"no report {kind[:40]!r}", field="kind", fix=f"take one of {', '.join(get_args(Kind))}")
    desk = call.twin.reports
    if query.format == "json":
        return await asyncio.to_thread(desk.build, kind, query.day, query.language)  # type: ignore[arg-type]
    body, name = await desk.make(kind, query.day, query.language, query.format)  # type: ignore[arg-type]
    return _document(body, name, download=query.download)


async def show_kept(call: Call[NoQuery, None]) -> Response:
    """A report as it was made then."""
    text = call.path["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ProblemError(f"{text[:40]!r} is no id of a report", field="id", fix="GET /api/v1/reports lists them")
    body, name = await asyncio.to_thread(call.twin.reports.open_kept, int(text))
    return _document(body, name, download=False)


def _document(body: bytes, name: str, *, download: bool) -> Response:
    form = name.rpartition(".")[2]
    how = "attachment" if download else "inline"
    headers = {"content-disposition": f'{how}; filename="{name}"', "cache-control": "no-store"}
    return Response(body, headers=headers | (_FRAME if form == "html" else {}), media_type=_MEDIA[form])


_FORMS: Any = ("text/html", "application/pdf", "application/json")
OPERATIONS = [
    Operation(
        "GET", "/reports", list_reports, "kinds of reports, what is planned and kept", ReportsQuery, answer=ReportsView
    ),
    Operation("GET", "/reports/kept/{id}", show_kept, "a report as it was made", media=_FORMS[:2]),
    Operation("GET", "/reports/{kind}", show_report, "a day's report", ReportQuery, answer=Report, media=_FORMS),
]
