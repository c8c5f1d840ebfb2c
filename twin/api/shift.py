"""The shift log and handovers."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twin.api.errors import ProblemError
from twin.api.operation import Call, NoQuery, Operation, Search, Time, micros
from twin.shift import Entry, Handover, NewEntry, Snapshot
from twin.times import iso

__all__ = ["OPERATIONS"]

_WEEK_US = 7 * 86_400_000_000
_LISTED_MAX = 500
_Note = Annotated[str, Meta(max_length=10_000)]


class ShiftQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A range, the last week by default."""

    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    q: Search = ""
    limit: Annotated[int, Meta(ge=1, le=_LISTED_MAX)] = 100


class EntryBody(NewEntry, forbid_unknown_fields=True):
    """An entry; `at` is when it happened."""

    at: Time | None = None


class EntryView(msgspec.Struct):
    """One entry as the page shows it."""

    id: int
    at: str | None
    written: str | None
    by: str
    text: str
    alarms: list[int]
    elements: list[str]
    corrects: int | None


class EntriesList(msgspec.Struct):
    """Entries, newest first."""

    items: list[EntryView]


class GiveBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the next shift must know."""

    note: _Note = ""


class TakeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the taker has to say."""

    remark: _Note = ""


class HandoverView(msgspec.Struct):
    """One handover; `taken` is null while it waits."""

    id: int
    at: str | None
    giver: str
    note: str
    snapshot: Snapshot
    taken: str | None
    taker: str
    remark: str


class HandoversList(msgspec.Struct):
    """Handovers, newest first; `now` is how the park stands."""

    items: list[HandoverView]
    now: Snapshot


async def entries(call: Call[ShiftQuery, None]) -> EntriesList:
    """What the shifts wrote."""
    from_us, to_us = _range(call)
    found = await asyncio.to_thread(call.twin.shift.entries, from_us, to_us, limit=call.query.limit, words=call.query.q)
    return EntriesList([_entry(one) for one in found])


async def write(call: Call[NoQuery, EntryBody]) -> EntryView:
    """Write an entry; it cannot be changed, only corrected by another."""
    body = call.body
    new = NewEntry(body.text, body.alarms, body.elements, body.corrects)
    at_us = micros(body.at) if body.at else None
    return _entry(await asyncio.to_thread(call.twin.shift.write, new, call.by, at_us))


async def handovers(call: Call[ShiftQuery, None]) -> HandoversList:
    """Who handed over to whom, and how the park stood."""
    from_us, to_us = _range(call)
    found = await asyncio.to_thread(call.twin.shift.handovers, from_us, to_us, limit=call.query.limit)
    return HandoversList([_handover(one) for one in found], call.twin.shift.now())


async def give(call: Call[NoQuery, GiveBody]) -> HandoverView:
    """Hand the shift over."""
    return _handover(await asyncio.to_thread(call.twin.shift.give, call.body.note, call.by))


async def take(call: Call[NoQuery, TakeBody]) -> HandoverView:
    """Take over, signed by whoever is signed in."""
    alone = not call.twin.access.needed
    return _handover(await asyncio.to_thread(call.twin.shift.take, _id(call), call.body.remark, call.by, alone=alone))


def _range(call: Call[ShiftQuery, Any]) -> tuple[int, int]:
    to_us = micros(call.query.to) if call.query.to else call.twin.clock.wall_us() + 1
    return (micros(call.query.from_) if call.query.from_ else to_us - _WEEK_US), to_us


def _id(call: Call[Any, Any]) -> int:
    text = call.path["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        fix = "GET /api/v1/shift/handovers lists them"
        raise ProblemError(f"{text[:40]!r} is no id of a handover", field="id", fix=fix)
    return int(text)


def _entry(one: Entry) -> EntryView:
    times = iso(one.at_us), iso(one.written_us)
    return EntryView(one.id, *times, one.by, one.text, one.alarms, one.elements, one.corrects)


def _handover(one: Handover) -> HandoverView:
    return HandoverView(
        one.id, iso(one.at_us), one.giver, one.note, one.snapshot, iso(one.taken_us), one.taker, one.remark
    )


OPERATIONS = [
    Operation("GET", "/shift", entries, "the shift log", ShiftQuery, answer=EntriesList),
    Operation("POST", "/shift", write, "write into the shift log", body=EntryBody, answer=EntryView, status=201),
    Operation("GET", "/shift/handovers", handovers, "handovers", ShiftQuery, answer=HandoversList),
    Operation("POST", "/shift/handovers", give, "hand over", body=GiveBody, answer=HandoverView, status=201),
    Operation("POST", "/shift/handovers/{id}/take", take, "take over", body=TakeBody, answer=HandoverView),
]
