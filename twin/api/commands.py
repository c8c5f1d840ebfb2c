"""POST /commands, GET /commands and /commands/{id}."""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from twin.api.allowed import allow_in
from twin.api.operation import Call, NoQuery, Operation
from twin.commands import CommandView
from twin.errors import NotFoundError
from wire.limits import COMMANDS_KEPT_MAX

__all__ = ["OPERATIONS"]


class CommandBody(msgspec.Struct, forbid_unknown_fields=True):
    """Write `value` to the point with this key."""

    point: Annotated[str, Meta(min_length=1, max_length=250)]
    value: bool | float | str


class CommandsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`point` is a key; without it the commands to all points are listed."""

    point: Annotated[str, Meta(max_length=250)] = ""
    limit: Annotated[int, Meta(ge=1, le=COMMANDS_KEPT_MAX)] = 20


class CommandsList(msgspec.Struct):
    """Commands, newest first."""

    items: list[CommandView]


class CommandSent(msgspec.Struct):
    """Where to ask what became of it."""

    id: str
    status: str


async def issue(call: Call[NoQuery, CommandBody]) -> CommandSent:
    """Check a command and send it."""
    twin = call.twin
    view = twin.directory.find(call.body.point)
    if view is None:
        fix = "GET /api/v1/points?q=… finds points"
        raise NotFoundError(f"no point {call.body.point[:120]!r}", field="point", fix=fix)
    allow_in(twin, call.request, "command", [view.element or view.space])
    sent = await twin.commands.issue(view, twin.store.points.by_id[view.id], call.body.value, by=call.by)
    return CommandSent(sent.id, sent.status)


async def list_commands(call: Call[CommandsQuery, None]) -> CommandsList:
    """Who commanded what, and what became of it."""
    query = call.query
    return CommandsList(await asyncio.to_thread(call.twin.commands.newest, query.point, query.limit))


async def show(call: Call[NoQuery, None]) -> CommandView:
    """One command and what the device said."""
    return call.twin.commands.get(call.path["id"])


OPERATIONS = [
    Operation("POST", "/commands", issue, "command a device", body=CommandBody, answer=CommandSent, status=202),
    Operation("GET", "/commands", list_commands, "commands, newest first", CommandsQuery, answer=CommandsList),
    Operation("GET", "/commands/{id}", show, "what became of a command", answer=CommandView),
]
