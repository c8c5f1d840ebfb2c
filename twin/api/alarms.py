"""GET /alarms and its journal, figures and messages; what people do with one alarm or many."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from inference.diagnosis.texts import retell
from twin.alarms.class_words import Spoken
from twin.alarms.rules import meanings
from twin.alarms.states import PRIORITIES, STATES, Alarm, State, Step, Verb
from twin.api.allowed import allow_in
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Search, Time, micros
from twin.core import Twin
from twin.errors import NotFoundError
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS", "AlarmView", "alarm_view"]

_BULK_MAX = 5_000
_DAY_US = 86_400_000_000
_Note = Annotated[str, Meta(max_length=2_000)]


class AlarmsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Filters; without `state` all that are not normal. `at` shows the states of a moment of the past."""

    state: list[State] = []
    priority: list[Literal["critical", "high", "medium", "low"]] = []
    point: Annotated[int, Meta(ge=0)] | None = None
    element: Annotated[str, Meta(max_length=64)] = ""
    source: Annotated[str, Meta(max_length=32)] = ""
    q: Search = ""
    language: Spoken = "en"
    at: Time | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class AlarmQuery(msgspec.Struct, forbid_unknown_fields=True):
    """In which language consequence and action are said."""

    language: Spoken = "en"


class RulesText(msgspec.Struct):
    """An alarms.toml; `of` says whether a change gave it, the site's folder, or nobody."""

    toml: str
    of: Literal["change", "site", "none"]


class AlarmView(msgspec.Struct):
    """One alarm as the page shows it."""

    id: int
    key: str
    state: State
    priority: str
    kind: str
    source: str
    point: int | None
    point_key: str
    label: str
    unit: str
    element: str | None
    space: str | None
    lifecycle: str
    value: float | str | None
    limit: float | str | None
    text: str
    consequence: str
    action: str
    respond_min: float | None
    first_out: bool
    raised: str | None
    returned: str | None
    changed: str | None
    occurrences: int
    owner: str
    shelved_until: str | None
    shelved_by: str
    shelved_why: str
    suppressed_why: str
    out_of_service_why: str
    detail: dict[str, Any]


class AlarmsPage(msgspec.Struct):
    """Alarms, the most urgent first; `counts` are those of all at that moment, by state."""

    items: list[AlarmView]
    counts: dict[str, int]
    version: int
    total: int
    next: int | None


class JournalQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Steps of one alarm or of all, newest first; a day by default. `what` keeps some kinds of step."""

    alarm: Annotated[int, Meta(ge=0)] | None = None
    what: Annotated[list[Verb], Meta(max_length=16)] = []
    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class JournalPage(msgspec.Struct):
    """One page of the journal."""

    items: list[dict[str, Any]]
    total: int
    next: int | None


class FiguresQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The stretch of time; a day by default."""

    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None


class MessagesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 50


class Act(msgspec.Struct, forbid_unknown_fields=True):
    """What goes with an action: a note or reason, for how long (shelve), and which alarms (bulk forms)."""

    ids: Annotated[list[int], Meta(max_length=_BULK_MAX)] = []
    note: _Note = ""
    reason: _Note = ""
    for_s: Annotated[float, Meta(gt=0)] = 3_600.0


class Verdict(msgspec.Struct, forbid_unknown_fields=True):
    """Was a detector's alarm worth it? Moves the threshold of its streams, within bounds."""

    verdict: Literal["true", "false"]
    note: _Note = ""


class Acted(msgspec.Struct):
    """The alarms as they stand now."""

    items: list[AlarmView]


async def list_alarms(call: Call[AlarmsQuery, None]) -> AlarmsPage:
    """What is abnormal, the most urgent first."""
    query, twin = call.query, call.twin
    book = twin.alarms.book
    then = await asyncio.to_thread(book.states_at, micros(query.at)) if query.at else None
    wanted = set(query.state or [state for state in STATES if state != "normal"])
    chosen = [
        alarm for alarm in book.all() if (then.get(alarm.id, "normal") if then is not None else alarm.state) in wanted
    ]
    said = meanings(twin.alarms.rules, query.language)
    views = [alarm_view(twin, alarm, then.get(alarm.id) if then is not None else None, said) for alarm in chosen]
    groups = Counter(alarm.definition.group for alarm in chosen)
    for alarm, view in zip(chosen, views, strict=True):
        view.first_out &= groups[alarm.definition.group] > 1  # alone it is first of nothing
    views = [view for view in views if _matches(view, query)]
    views.sort(key=lambda view: (STATES.index(view.state), PRIORITIES.index(view.priority), _newest_first(view)))
    end = query.offset + query.limit
    counts = {str(state): count for state, count in (book.counts() if then is None else Counter(then.values())).items()}
    page = views[query.offset : end]
    return AlarmsPage(page, counts, book.version, len(views), end if end < len(views) else None)


async def show_alarm(call: Call[AlarmQuery, None]) -> AlarmView:
    """One alarm."""
    language = call.query.language
    view = alarm_view(call.twin, call.twin.alarms.book.get(_id(call)), None, meanings(call.twin.alarms.rules, language))
    if language != "en" and view.detail and isinstance(view.detail.get("cause"), list):
        view.detail = {**view.detail, "cause": retell(view.detail["cause"], language)}
    return view


async def journal(call: Call[JournalQuery, None]) -> JournalPage:
    """Every step, newest first."""
    query, book = call.query, call.twin.alarms.book
    from_us, to_us = _range(call.twin, query.from_, query.to)
    items, total = await asyncio.to_thread(
        book.journal, query.alarm, from_us, to_us, query.limit, query.offset, query.what
    )
    end = query.offset + query.limit
    return JournalPage(items, total, end if end < total else None)


async def figures(call: Call[FiguresQuery, None]) -> dict[str, Any]:
    """How well the alarms serve people."""
    from_us, to_us = _range(call.twin, call.query.from_, call.query.to)
    return await asyncio.to_thread(call.twin.alarms.figures, from_us, to_us)


async def messages(call: Call[MessagesQuery, None]) -> list[dict[str, Any]]:
    """What was sent to people, newest first."""
    return await asyncio.to_thread(call.twin.alarms.dispatch.newest, call.query.limit)


def _action(do: Callable[[Twin, list[int], str, Act], list[Step]], *, bulk: bool) -> Callable[[Any], Any]:
    async def handler(call: Call[NoQuery, Act]) -> Acted:
        twin = call.twin
        ids = list(call.body.ids) if bulk else [_id(call)]
        places = (alarm_view(twin, twin.alarms.book.get(one)) for one in ids)
        allow_in(twin, call.request, "operate", (view.element or view.space for view in places))
        await asyncio.to_thread(do, twin, ids, call.by, call.body)
        return Acted([alarm_view(twin, twin.alarms.book.get(one)) for one in ids])

    return handler


async def feedback(call: Call[NoQuery, Verdict]) -> AlarmView:
    """Take an operator's verdict; the alarm is acknowledged by it."""
    twin, alarm_id = call.twin, _id(call)
    view = alarm_view(twin, twin.alarms.book.get(alarm_id))
    allow_in(twin, call.request, "operate", [view.element or view.space])
    accepted = call.body.verdict == "true"
    await asyncio.to_thread(twin.scoring.verdict, alarm_id, call.by, accepted=accepted, note=call.body.note)
    return alarm_view(twin, twin.alarms.book.get(alarm_id))


_ACTIONS: dict[str, tuple[str, Callable[[Twin, list[int], str, Act], list[Step]]]] = {
    "ack": ("say that it was seen", lambda twin, ids, by, body: twin.alarms.acknowledge(ids, by, body.note)),
    "shelve": (
        "silence it for a while and a reason",
        lambda twin, ids, by, body: twin.alarms.shelve(ids, by, body.reason, body.for_s),
    ),
    "unshelve": ("let it ring again", lambda twin, ids, by, body: twin.alarms.unshelve(ids, by, body.note)),
    "suppress": (
        "take it out of service for a reason; an empty reason puts it back",
        lambda twin, ids, by, body: twin.alarms.service_state(ids, by, body.reason),
    ),
    "comment": ("write a line into its journal", lambda twin, ids, by, body: twin.alarms.comment(ids, by, body.note)),
}


def alarm_view(
    twin: Twin, alarm: Alarm, state: State | None = None, said: Mapping[str, str] = MappingProxyType({})
) -> AlarmView:
    """An alarm joined with its point; `state` is that of another moment, `said` its meaning in another language."""
    what = alarm.definition
    point = twin.directory.by_id.get(what.point) if what.point is not None else None
    return AlarmView(
        id=alarm.id,
        key=what.key,
        state=state or alarm.state,
        priority=what.priority,
        kind=what.kind,
        source=what.source,
        point=what.point,
        point_key=point.key if point else "",
        label=point.label if point and what.source != "device" else what.text or what.group,
        unit=point.unit if point else "",
        element=(point.element if point else None) or what.element,
        space=point.space if point else None,
        lifecycle=point.lifecycle if point else "",
        value=alarm.value,
        limit=what.limit,
        text=what.text,
        consequence=said.get(what.consequence, what.consequence),
        action=said.get(what.action, what.action),
        respond_min=what.respond_min,
        first_out=alarm.first_out,
        raised=iso(alarm.raised_us),
        returned=iso(alarm.returned_us),
        changed=iso(alarm.changed_us or None),
        occurrences=alarm.occurrences,
        owner=alarm.owner,
        shelved_until=iso(alarm.shelved_until_us),
        shelved_by=alarm.shelved_by,
        shelved_why=alarm.shelved_why,
        suppressed_why=alarm.suppressed_why,
        out_of_service_why=alarm.out_of_service_why,
        detail=what.detail,
    )


def _matches(view: AlarmView, query: AlarmsQuery) -> bool:
    text = f"{view.key} {view.label} {view.kind} {view.element or ''} {view.space or ''}".lower()
    return (
        (not query.priority or view.priority in query.priority)
        and (query.point is None or view.point == query.point)
        and (not query.element or query.element in (view.element, view.space))
        and (not query.source or view.source == query.source)
        and all(word in text for word in query.q.lower().split())
    )


def _newest_first(view: AlarmView) -> list[int]:
    return [-ord(letter) for letter in view.raised or ""]


def _range(twin: Twin, start: Any, end: Any) -> tuple[int, int]:
    to_us = micros(end) if end else twin.clock.wall_us() + 1
    return (micros(start) if start else to_us - _DAY_US), to_us


def _id(call: Call[Any, Any]) -> int:
    text = call.path["id"]
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise NotFoundError(f"no alarm {text[:20]!r}", field="id", fix="GET /api/v1/alarms lists them")
    return int(text)


async def show_rules(call: Call[NoQuery, None]) -> RulesText:
    """The text that a change of kind `alarms` replaces."""
    return RulesText(*await asyncio.to_thread(call.twin.alarms.rules_text))


OPERATIONS = [
    Operation("GET", "/alarms", list_alarms, "alarms, the most urgent first", AlarmsQuery, answer=AlarmsPage),
    Operation("GET", "/alarms/rules", show_rules, "rules, classes and routes in use", answer=RulesText),
    Operation("GET", "/alarms/journal", journal, "every step of alarms", JournalQuery, answer=JournalPage),
    Operation("GET", "/alarms/figures", figures, "alarm rates after EEMUA 191", FiguresQuery, answer=dict[str, Any]),
    Operation(
        "GET", "/alarms/messages", messages, "what was sent to people", MessagesQuery, answer=list[dict[str, Any]]
    ),
    *(
        Operation("POST", f"/alarms/{name}", _action(do, bulk=True), f"{line}, many at once", body=Act, answer=Acted)
        for name, (line, do) in _ACTIONS.items()
    ),
    Operation("GET", "/alarms/{id}", show_alarm, "one alarm", AlarmQuery, answer=AlarmView),
    Operation(
        "POST", "/alarms/{id}/feedback", feedback, "was a detector's alarm worth it?", body=Verdict, answer=AlarmView
    ),
    *(
        Operation("POST", f"/alarms/{{id}}/{name}", _action(do, bulk=False), line, body=Act, answer=Acted)
        for name, (line, do) in _ACTIONS.items()
    ),
]
