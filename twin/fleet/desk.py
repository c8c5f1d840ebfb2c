"""What gateways shall run: kept, told, rolled out in stages, stopped and taken back. Of every section alike.

`follow` runs until cancelled: each second it tells nodes what they do not follow yet, and moves roll-outs on by what
the nodes tell. What a roll-out does by itself stands in the audit under its starter's name.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import duckdb
import msgspec

from twin.changes import write_audit
from twin.errors import ConflictError, NotFoundError
from twin.fleet.asks import Asks
from twin.fleet.book import (
    Rollout,
    Wanted,
    add_wanted,
    history,
    newest_wanted,
    next_id,
    read_rollouts,
    write_rollout,
)
from twin.fleet.post import Post
from twin.fleet.stages import NODES_MAX, NodeStand, Step, Told, judge, read_stages, stand_of
from twin.store import Store
from wire.clock import Clock
from wire.errors import Aid4Error, InputError

__all__ = ["FleetDesk"]

LOOK_S: Final = 1.0
_BY: Final = "roll-out"
_NODES_AT_ONCE: Final = 500
_TRIAL: Final = {"trial_s", "strict"}  # of a body: how it is tried, not what it is


class FleetDesk:
    """`send(node, kind, message)` publishes; `told` is what the nodes tell, by name.

    `empty[section]` is what a node shall run that was never told anything: where a roll-out goes back to. `looked` is
    called after each look.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        send: Callable[[str, str, msgspec.Struct], bool],
        told: Callable[[], dict[str, Told]],
    ) -> None:
        self._store, self._clock, self.told = store, clock, told
        self.post = Post(clock, send)
        self.asks = Asks(send, lambda node: one.online if (one := told().get(node)) else None)
        self.empty: dict[str, dict[str, Any]] = {}
        self.looked: Callable[[], None] = lambda: None
        self.problem = ""
        self._turn = asyncio.Lock()
        self._well_since_s: dict[int, float] = {}
        with store.cursor() as cursor:
            self._wanted = newest_wanted(cursor)
            self._rollouts = read_rollouts(cursor)

    def add_section(self, section: str, empty: dict[str, Any]) -> None:
        """A section that is rolled out here; the post tells it from now on."""
        self.empty[section] = empty
        self.post.sections[section] = lambda node: _plain(self._wanted.get((section, node)))

    # -- what there is

    def wanted(self, section: str, node: str) -> Wanted | None:
        """What a node shall run; None where nothing was ever said."""
        return self._wanted.get((section, node))

    def history(self, section: str, node: str) -> list[Wanted]:
        """What it should have run, newest first."""
        with self._store.cursor() as cursor:
            return history(cursor, section, node)

    def rollouts(self, section: str = "") -> list[Rollout]:
        """Newest first."""
        return [one for one in reversed(self._rollouts.values()) if section in ("", one.section)]

    def rollout(self, number: int) -> Rollout:
        """One of them; NotFound."""
        if number not in self._rollouts:
            raise NotFoundError(f"no roll-out {number}", field="id", fix="GET /api/v1/fleet/rollouts lists them")
        return self._rollouts[number]

    def stands(self, one: Rollout) -> dict[str, NodeStand]:
        """How each of its nodes stands now."""
        told, found = self.told(), dict[str, NodeStand]()
        for node in one.nodes:
            if node not in one.revisions:
                found[node] = NodeStand("waiting")
            else:
                mine = told.get(node, Told())
                found[node] = stand_of(one.section, one.revisions[node], mine, one.failing.get(node, []))
        return found

    def step(self, one: Rollout) -> Step:
        """What the last look says of it."""
        stands = self.stands(one)
        return judge(one.stages, one.stage, _of(stands, one.of_stage), self._well_s(one.id), one.hold_s)

    # -- steps

    async def roll_out(
        self,
        section: str,
        body: dict[str, Any],
        nodes: Iterable[str],
        *,
        stages: str,
        hold_s: float,
        by: str,
        note: str,
    ) -> Rollout:
        """Begin; the first stage is told at once. Conflict while one of the nodes has another one on its way."""
        names = list(dict.fromkeys(nodes))
        if not 0 < len(names) <= NODES_MAX:
            raise InputError("no node is named", field="nodes", fix="name the nodes, the canary first")
        unknown = [name for name in names if name not in self.told()]
        if unknown:
            raise NotFoundError(f"no node {unknown[0]!r}", field="nodes", fix="GET /api/v1/nodes lists them")
        async with self._turn:
            for other in self.rollouts(section):
                if other.state == "going" and (both := sorted({*other.nodes} & {*names})):
                    fix = f"wait for it, or stop it: aid4 fleet stop {other.id}"
                    raise ConflictError(f"{both[0]} is in roll-out {other.id}", field="nodes", fix=fix)
            made = Rollout(
                id=0, section=section, state="going", body=body, nodes=names, stages=read_stages(stages, len(names)),
                hold_s=hold_s, at_us=self._clock.wall_us(), by=by, note=note,
            )  # fmt: skip
            return await asyncio.to_thread(self._begin, made)

    async def take_back(self, section: str, node: str, *, by: str, why: str) -> Wanted:
        """What a node should run before what it shall run now; NotFound where there is nothing to take back."""
        async with self._turn:
            now = self.wanted(section, node)
            if now is None:
                problem = f"{node} runs what was installed there; no {section} was ever applied to it"
                raise NotFoundError(problem, field="node", fix="see what was rolled out: aid4 fleet status")
            for one in self.rollouts(section):
                if one.state == "going" and node in one.nodes:
                    raise ConflictError(f"{node} is in roll-out {one.id}", fix=f"stop it: aid4 fleet stop {one.id}")
            older = await asyncio.to_thread(self.history, section, node)
            bodies = [one.body for one in older if _what(one.body) != _what(now.body)]
            body = _tried_like(bodies[0] if bodies else self.empty[section], now.body)
            if _what(body) == _what(now.body):
                raise ConflictError(f"{node} runs its own {section} already", field="node")
            rows = await asyncio.to_thread(self._tell, section, {node: body}, 0, by, why or "rolled back")
            return rows[node]

    async def stop(self, number: int, *, by: str, why: str) -> Rollout:
        """Stop a roll-out; those that took it go back. Conflict when it ended before."""
        async with self._turn:
            one = self.rollout(number)
            if one.state != "going":
                raise ConflictError(f"roll-out {number} is {one.state}", field="id")
            return await asyncio.to_thread(self._stop, one, by, why or "by hand")

    async def follow(self) -> None:
        """Until cancelled; a failure is told and tried again."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
                self.looked()
                self.problem = ""
            except (Aid4Error, duckdb.Error, OSError) as error:
                self.problem = f"fleet: {error}"[:300]

    async def look(self) -> None:
        """One look: tell the nodes that are there, and move what is on its way."""
        for at, (node, told) in enumerate(self.told().items()):
            if told.online:
                self.post.tell(node, told.desired)
            if at % _NODES_AT_ONCE == 0:
                await asyncio.sleep(0)  # ten thousand gateways must not hold ingest up
        async with self._turn:
            for one in [each for each in self._rollouts.values() if each.state == "going"]:
                await self._move(one)

    async def _move(self, one: Rollout) -> None:
        stands = _of(self.stands(one), one.of_stage)
        if all(stand.state == "running" for stand in stands.values()):
            self._well_since_s.setdefault(one.id, self._clock.monotonic_s())
        else:
            self._well_since_s.pop(one.id, None)
        step = judge(one.stages, one.stage, stands, self._well_s(one.id), one.hold_s)
        if step.do == "stop":
            failed = [node for node, stand in stands.items() if stand.state == "failed"]
            await asyncio.to_thread(self._stop, one, _BY, step.why, failed)
        elif step.do == "next":
            self._well_since_s.pop(one.id, None)
            await asyncio.to_thread(self._stage, msgspec.structs.replace(one, stage=one.stage + 1))
        elif step.do == "done":
            done = msgspec.structs.replace(one, state="done", why=step.why)
            await asyncio.to_thread(self._write, done, "fleet roll-out done", {"rollout": one.id}, _BY)

    def _well_s(self, number: int) -> float | None:
        since_s = self._well_since_s.get(number)
        return None if since_s is None else self._clock.monotonic_s() - since_s

    # -- in a thread

    def _begin(self, made: Rollout) -> Rollout:
        detail = {"section": made.section, "nodes": made.nodes[:100], "stages": made.stages, "note": made.note}
        detail |= {name: value for name, value in made.body.items() if name in ("sha256", "version")}

        def work(connection: duckdb.DuckDBPyConnection) -> Rollout:
            kept = msgspec.structs.replace(made, id=next_id(connection))
            write_rollout(connection, kept)
            write_audit(connection, made.by, "fleet roll-out begun", detail | {"rollout": kept.id})
            return kept

        return self._stage(self._store.writer.run(work))

    def _stage(self, one: Rollout) -> Rollout:
        """Tell the nodes of a stage that were not told yet."""
        fresh = [node for node in one.of_stage if node not in one.revisions]
        told = self.told()
        now = {node: self.wanted(one.section, node) for node in fresh}
        empty = self.empty[one.section]
        before = {node: _tried_like(row.body if row else empty, one.body) for node, row in now.items()}
        rows = self._tell(one.section, dict.fromkeys(fresh, one.body), one.id, one.by, one.note)
        moved = msgspec.structs.replace(
            one,
            revisions=one.revisions | {node: row.revision for node, row in rows.items()},
            before=one.before | before,
            failing=one.failing | {node: sorted(told.get(node, Told()).failing) for node in fresh},
        )
        detail = {"rollout": one.id, "stage": one.stage + 1, "nodes": fresh[:100]}
        return self._write(moved, "fleet roll-out stage", detail, one.by if one.stage == 0 else _BY)

    def _stop(self, one: Rollout, by: str, why: str, failed: Sequence[str] = ()) -> Rollout:
        ended = self._write(
            msgspec.structs.replace(one, state="stopped", why=why[:1_000], failed=list(failed)),
            "fleet roll-out stopped",
            {"rollout": one.id, "why": why[:500]},
            by,
        )
        self._tell(one.section, dict(one.before), one.id, by, f"roll-out {one.id} stopped: {why}"[:500])
        return ended

    def _write(self, one: Rollout, what: str, detail: dict[str, Any], by: str) -> Rollout:
        def work(connection: duckdb.DuckDBPyConnection) -> None:
            write_rollout(connection, one)
            write_audit(connection, by, what, detail)

        self._store.writer.run(work)
        self._rollouts[one.id] = one
        return one

    def _tell(
        self, section: str, bodies: dict[str, dict[str, Any]], rollout: int, by: str, why: str
    ) -> dict[str, Wanted]:
        """New rows for these nodes, each under a revision that its agent has not judged."""
        told, now_us = self.told(), self._clock.wall_us()
        rows: dict[str, Wanted] = {}
        for node, body in bodies.items():
            last, figures = self.wanted(section, node), told.get(node, Told()).sections.get(section)
            known = max(last.revision if last else 0, figures.judged if figures else 0)
            rows[node] = Wanted(section, node, max(known + 1, now_us // 1_000_000), rollout, now_us, by, why, body)

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            for row in rows.values():
                add_wanted(connection, row)
                detail = {"node": row.node, "section": section, "revision": row.revision, "rollout": rollout}
                write_audit(connection, by, "fleet node told", detail | {"why": why[:200]})

        self._store.writer.run(work)
        self._wanted |= {(section, node): row for node, row in rows.items()}
        return rows


def _plain(wanted: Wanted | None) -> dict[str, Any] | None:
    return None if wanted is None else wanted.body | {"revision": wanted.revision}


def _what(body: dict[str, Any]) -> dict[str, Any]:
    """Without how it is tried."""
    return {name: value for name, value in body.items() if name not in _TRIAL}


def _tried_like(body: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """As long; on the way back nothing is strict."""
    return _what(body) | {name: value for name, value in other.items() if name == "trial_s"}


def _of(stands: dict[str, NodeStand], nodes: list[str]) -> dict[str, NodeStand]:
    return {node: stands[node] for node in nodes}
