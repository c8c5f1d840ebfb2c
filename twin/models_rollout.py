"""The kind of change that rolls a trained model out: which version, how far it has come, on which nodes.

Body: `{"model": id, "version": "1.2", "nodes": [name] (empty: all), "stage": "shadow", "rule": {…}}`, or
`{"model": id, "version": null}` to take it off. It becomes a row of `settings`, so that a revert brings back what
ran before; the twin's own steps (on to canary and live, back after trouble) are changes too, and audited alike.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from inference.registry.client import Wanted
from inference.registry.promotion import Rule, Stage, modes
from twin.change_kinds import SettingChange
from twin.changes import DiffRow, Preview, read_body

__all__ = ["OWN_NODE", "Rollout", "RolloutBody", "RolloutChange", "desired_of", "followers"]

OWN_NODE = "twin"  # the twin's own scorer, beside the agents; no agent may have this name in a roll-out
_NODES_MAX = 10_000
_Version = Annotated[str, Meta(pattern="^[0-9]{1,6}(\\.[0-9]{1,6}){0,3}$")]
_Id = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A version that ran, and its hash."""

    version: str
    sha256: str


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """One model on its way. `before` is the version that was live: it goes on until this one rings."""

    version: str
    sha256: str
    stage: Stage
    since_us: int
    nodes: list[str] = []
    rule: Rule = msgspec.field(default_factory=Rule)
    before: Step | None = None
    why: str = ""


class RolloutBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of kind `rollout`."""

    model: _Id
    version: _Version | None
    nodes: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=_NODES_MAX)] = []
    stage: Stage = "shadow"
    rule: Rule = msgspec.field(default_factory=Rule)
    why: Annotated[str, Meta(max_length=500)] = ""


class RolloutChange(SettingChange):
    """Versions come from the repository; `known` gives id -> version -> sha256, `live` the roll-outs as they stand."""

    kind = "rollout"

    def __init__(
        self,
        refresh: Callable[[], None],
        known: Callable[[], dict[str, dict[str, str]]],
        live: Callable[[], dict[str, Rollout]],
        now_us: Callable[[], int],
    ) -> None:
        super().__init__(refresh)
        self._known, self._live, self._now_us = known, live, now_us

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Old and new version and stage; a version that is not published is a problem."""
        return await asyncio.to_thread(self._preview, read_body(RolloutBody, body))

    def _preview(self, body: RolloutBody) -> Preview:
        old = self._live().get(body.model)
        shown = f"{old.version} {old.stage}" if old else None
        if body.version is None:
            problems = [] if old else [f"no model {body.model!r} is rolled out"]
            return Preview({body.model: None}, [DiffRow("remove", body.model, shown, None)], problems)
        versions = self._known().get(body.model, {})
        if body.version not in versions:
            problem = (
                f"{body.model} {body.version} is not published; there are: {', '.join(sorted(versions)) or 'none'}"
            )
            return Preview({}, [], [problem])
        new = Rollout(
            version=body.version, sha256=versions[body.version], stage=body.stage, since_us=self._now_us(),
            nodes=sorted(set(body.nodes)), rule=body.rule, before=_before(old, body.version), why=body.why,
        )  # fmt: skip
        row = DiffRow("replace" if old else "add", body.model, shown, f"{new.version} {new.stage}")
        return Preview({body.model: msgspec.to_builtins(new)}, [row], [])


def followers(rollout: Rollout, nodes: Iterable[str]) -> list[str]:
    """The nodes, of those that are there, which a roll-out means; all and the twin itself when it names none."""
    there = {OWN_NODE, *nodes}
    return sorted(there & set(rollout.nodes)) if rollout.nodes else sorted(there)


def desired_of(node: str, nodes: Iterable[str], rollouts: dict[str, Rollout]) -> list[Wanted]:
    """What a node shall run: each model as far as it has come, and the one before beside a shadow."""
    found: list[Wanted] = []
    for model, one in sorted(rollouts.items()):
        mode = modes(one.stage, followers(one, nodes), one.rule).get(node)
        if mode is None:
            continue
        found.append(Wanted(id=model, version=one.version, sha256=one.sha256, mode=mode))
        if mode == "shadow" and one.before is not None:
            found.append(Wanted(id=model, version=one.before.version, sha256=one.before.sha256, mode="live"))
    return found


def _before(old: Rollout | None, version: str) -> Step | None:
    """What goes on ringing while the new version is tried: the one that is live, else what that one had before it."""
    if old is None:
        return None
    if old.version == version or old.stage != "live":
        return old.before if old.before is not None and old.before.version != version else None
    return Step(version=old.version, sha256=old.sha256)
