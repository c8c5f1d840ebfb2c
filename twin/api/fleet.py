"""/fleet and what is asked of a node: its configuration from afar, dry runs, staged roll-outs, its log."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from twin.api.operation import Call, NoQuery, Operation, Time, micros
from twin.fleet.book import Rollout, Wanted
from twin.fleet.config import SECTION, config_body, shown
from twin.times import iso
from wire.errors import InputError
from wire.limits import CONFIG_BYTES_MAX, LOG_PART_BYTES, TRIAL_S_MAX
from wire.messages import CheckAnswer, CheckAsk, ConfigAnswer, ConfigAsk, LogsAnswer, LogsAsk

__all__ = ["OPERATIONS", "Name", "WhyBody", "rollout_view", "wanted_view"]

_CHECKED_MAX = 20  # nodes of the first stage that are asked before a roll-out begins
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(max_length=CONFIG_BYTES_MAX)]
Why = Annotated[str, Meta(max_length=500)]


class CheckBody(msgspec.Struct, forbid_unknown_fields=True):
    """A configuration that is only looked at."""

    text: Text


class ApplyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A configuration for these nodes, the canaries first. `hold_s` is how long a stage stays well before the next;
    `strict` takes back also where a source that it brings or changes stays silent."""

    text: Text
    nodes: Annotated[list[Name], Meta(min_length=1, max_length=10_000)]
    stages: Annotated[str, Meta(max_length=200)] = "100%"
    hold_s: Annotated[float, Meta(ge=0, le=2_592_000)] = 600.0
    trial_s: Annotated[float, Meta(ge=1, le=TRIAL_S_MAX)] = 120.0
    strict: bool = False
    note: Why = ""


class WhyBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the audit."""

    why: Why = ""


class LogsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`after` is a cursor of the answer before; else from a time; else the newest."""

    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    since: Time | None = None
    level: Literal["debug", "info", "warning", "error"] = "info"
    bytes: Annotated[int, Meta(ge=1_024, le=LOG_PART_BYTES)] = 16_384


class RolloutsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`section` is config or software."""

    section: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


async def show_config(call: Call[NoQuery, None]) -> dict[str, Any]:
    """What a node runs, by its own word where it is there, and what it shall run and since when; secrets masked."""
    desk, node = call.twin.fleet, call.path["node"]
    told = desk.told().get(node)
    answer: ConfigAnswer | None = None
    if told is None or (told.online and told.sections.get(SECTION) is not None):
        answer = await desk.asks.ask(node, ConfigAsk())
    figures = answer.figures if answer else told.sections.get(SECTION) if told else None
    rows = await asyncio.to_thread(desk.history, SECTION, node)
    return {
        "node": node,
        "online": bool(told and told.online),
        "text": answer.text if answer else None,
        "remote": answer.remote if answer else None,
        "figures": msgspec.to_builtins(figures) | {"since": iso(figures.since_us or None)} if figures else None,
        "wanted": wanted_view(rows[0]) | {"text": shown(rows[0].body["text"])} if rows else None,
        "history": [wanted_view(row) for row in rows],
    }


async def check_config(call: Call[NoQuery, CheckBody]) -> CheckAnswer:
    """Dry run on the node itself: what its `edge check` says, and the difference. Nothing is changed."""
    config_body(call.body.text)
    answer: CheckAnswer = await call.twin.fleet.asks.ask(call.path["node"], CheckAsk(call.body.text))
    return answer


async def apply_config(call: Call[NoQuery, ApplyBody]) -> dict[str, Any]:
    """Roll out; the nodes of the first stage that are there look at it before."""
    desk, body = call.twin.fleet, call.body
    told, wanted = desk.told(), config_body(body.text, body.trial_s, strict=body.strict)
    asked = [node for node in body.nodes if node in told and told[node].online][:_CHECKED_MAX]
    answers = await asyncio.gather(*(desk.asks.ask(node, CheckAsk(body.text)) for node in asked))
    for node, answer in zip(asked, answers, strict=True):
        for one in answer.problems:
            raise InputError(f"{node}: {one.problem}", file=one.file, field=one.field, fix=one.fix)
    made = await desk.roll_out(
        SECTION, wanted, body.nodes, stages=body.stages, hold_s=body.hold_s, by=call.by, note=body.note
    )
    return rollout_view(call, made)


async def take_back(call: Call[NoQuery, WhyBody]) -> dict[str, Any]:
    """What the node should run before."""
    made = await call.twin.fleet.take_back(SECTION, call.path["node"], by=call.by, why=call.body.why)
    return wanted_view(made)


async def list_rollouts(call: Call[RolloutsQuery, None]) -> dict[str, Any]:
    """Newest first."""
    desk, query = call.twin.fleet, call.query
    shown = [rollout_view(call, one) for one in desk.rollouts(query.section)[: query.limit]]
    return {"items": shown, "problem": desk.problem}


async def show_rollout(call: Call[NoQuery, None]) -> dict[str, Any]:
    """One, node by node."""
    return rollout_view(call, call.twin.fleet.rollout(_number(call)))


async def stop_rollout(call: Call[NoQuery, WhyBody]) -> dict[str, Any]:
    """Stop it; nodes that took it go back."""
    return rollout_view(call, await call.twin.fleet.stop(_number(call), by=call.by, why=call.body.why))


async def read_logs(call: Call[LogsQuery, None]) -> LogsAnswer:
    """A part of the node's own log, oldest line first."""
    query = call.query
    since_us = micros(query.since) if query.since else None
    ask = LogsAsk(query.after, since_us, query.level, query.bytes)
    answer: LogsAnswer = await call.twin.fleet.asks.ask(call.path["node"], ask)
    return answer


def _number(call: Call[Any, Any]) -> int:
    text = call.path["id"]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def rollout_view(call: Call[Any, Any], one: Rollout) -> dict[str, Any]:
    """A roll-out as the API tells it, node by node."""
    desk = call.twin.fleet
    going = one.state == "going"
    stands = desk.stands(one) if going else {}
    nodes = [
        {"node": node, "stage": _stage_of(one, at)} | (msgspec.to_builtins(stands[node]) if going else {})
        for at, node in enumerate(one.nodes)
    ]
    body = {name: value for name, value in one.body.items() if name != "text"}
    return {
        "id": one.id, "section": one.section, "state": one.state, "stage": one.stage + 1, "stages": one.stages,
        "hold_s": one.hold_s, "at": iso(one.at_us), "by": one.by, "note": one.note, "body": body,
        "why": desk.step(one).why if going else one.why, "nodes": nodes,
    }  # fmt: skip


def _stage_of(one: Rollout, at: int) -> int:
    return next(number for number, count in enumerate(one.stages, 1) if at < count)


def wanted_view(row: Wanted) -> dict[str, Any]:
    """What a node shall run, without its content."""
    return {
        "revision": row.revision, "at": iso(row.at_us), "by": row.by, "why": row.why, "rollout": row.rollout or None,
        "sha256": row.body.get("sha256"),
    }  # fmt: skip


_ROLLOUT = dict[str, Any]
OPERATIONS = [
    Operation("GET", "/nodes/{node}/config", show_config, "what a gateway runs and shall run", answer=_ROLLOUT),
    Operation("POST", "/nodes/{node}/config/check", check_config, "dry run of a configuration on a gateway",
              body=CheckBody, answer=CheckAnswer),
    Operation("POST", "/nodes/{node}/config/rollback", take_back, "a gateway's configuration of before",
              body=WhyBody, answer=_ROLLOUT),
    Operation("GET", "/nodes/{node}/logs", read_logs, "a part of a gateway's log", query=LogsQuery, answer=LogsAnswer),
    Operation("POST", "/fleet/config", apply_config, "roll a configuration out in stages", body=ApplyBody,
              answer=_ROLLOUT, status=201),
    Operation("GET", "/fleet/rollouts", list_rollouts, "roll-outs to gateways", query=RolloutsQuery, answer=_ROLLOUT),
    Operation("GET", "/fleet/rollouts/{id}", show_rollout, "one roll-out, node by node", answer=_ROLLOUT),
    Operation("POST", "/fleet/rollouts/{id}/stop", stop_rollout, "stop a roll-out and take it back", body=WhyBody,
              answer=_ROLLOUT),
]  # fmt: skip
