"""Trained models of this twin: the repository, what each node shall run, what they tell of it, on or back.

`follow` runs until cancelled: it keeps the twin's own scorer at its desired state, moves roll-outs on by their rule,
and takes them back when one goes wrong. Agents are told by `twin.fleet.post`, which asks `wanted`.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from inference.registry.client import ModelFolder, RunningModel, Wanted, read_running
from inference.registry.figures import FiguresKeeper, ScorerFacts
from inference.registry.package import target_name
from inference.registry.promotion import Figures, Verdict, judge
from inference.registry.repository import Repository, target_keys
from inference.runtime.frames import ModelFile
from twin.change_kinds import read_settings
from twin.changes import Change, Changes
from twin.errors import ConflictError, NotFoundError
from twin.models_rollout import OWN_NODE, Rollout, RolloutChange, desired_of, followers
from twin.store import Store
from wire.clock import Clock
from wire.errors import Aid4Error, InputError
from wire.limits import FILE_PART_BYTES
from wire.messages import Fetch, FilePart, ModelFigures

__all__ = ["RolloutDesk"]

LOOK_S: Final = 1.0
_JUDGE_S: Final = 5.0
_BY = "roll-out"
_CACHED_FILES = 4


class RolloutDesk:
    """`send(node, kind, message)` publishes; `told(node)` gives a node's desired revision and models of its health."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        changes: Callable[[], Changes],
        send: Callable[[str, str, msgspec.Struct], bool],
        told: Callable[[], dict[str, tuple[int, dict[str, ModelFigures]]]],
        scorer: Callable[[], ScorerFacts | None] = lambda: None,
    ) -> None:
        self._store, self._clock, self._changes, self._send = store, clock, changes, send
        self._told, self._scorer, self._keeper = told, scorer, FiguresKeeper()
        self._folder = store.data_dir / "models"
        self._repository: Repository | None = None
        self._rollouts: dict[str, Rollout] = {}
        self._wants: dict[str, list[dict[str, Any]]] = {}  # empty where nothing is wanted any more
        self._files: dict[str, bytes] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._judged_s = 0.0
        self._own_state: bytes = b""
        self._own_problem: dict[str, str] = {}
        self.problem = ""
        self.change = RolloutChange(self.refresh, self.versions, lambda: self._rollouts, clock.wall_us)
        self.refresh()

    # -- what there is

    @property
    def repository(self) -> Repository:
        """Made at the first need: a twin without models loads no cryptography for them."""
        if self._repository is None:
            self._repository = Repository(self._folder)
        return self._repository

    @property
    def rollouts(self) -> dict[str, Rollout]:
        """As they stand, by model."""
        return dict(self._rollouts)

    def versions(self) -> dict[str, dict[str, str]]:
        """id -> version -> sha256 of what is published."""
        return self.repository.versions() if (self._folder / "metadata").exists() else {}

    def local(self) -> list[ModelFile]:
        """The files that the twin's own scorer shall use."""
        folder = self._folder / "local"
        return [
            ModelFile(path=str(folder / file), id=f"{one.id}/{Path(file).stem}", version=one.version, mode=one.mode)
            for one in read_running(folder).models
            for file in one.files
        ]

    def verdict(self, model: str) -> Verdict | None:
        """What the last look at a roll-out said."""
        return self._verdicts.get(model)

    def figures(self, model: str) -> dict[str, ModelFigures]:
        """What every node that shall run a model tells of its newest version."""
        told = {node: models for node, (_, models) in self._told().items()} | {OWN_NODE: self._own_figures()}
        one = self._rollouts.get(model)
        if one is None:
            return {}
        nodes = followers(one, set(told) - {OWN_NODE})
        return {node: told[node].get(f"{model}/{one.version}", ModelFigures("", "")) for node in nodes}

    def read_header(self, model: str, version: str) -> dict[str, Any]:
        """What the header of a published bundle says; NotFound."""
        from inference.registry.package import read_package

        data, root = self.repository.read(f"targets/{target_name(model, version)}"), self.repository.root
        if data is None or root is None:
            raise NotFoundError(f"no bundle {model} {version}", field="version", fix="GET /api/v1/models")
        header: dict[str, Any] = msgspec.to_builtins(read_package(data, target_keys(root)).header)
        return header | {"bytes": len(data)}

    # -- steps

    async def take_back(self, model: str, *, by: str, why: str) -> Change:
        """Back to the version that was live before, or off where there was none; a change of its own."""
        one = self._rollouts.get(model)
        if one is None:
            raise NotFoundError(f"no model {model!r} is rolled out", field="model", fix="GET /api/v1/models")
        body: dict[str, Any] = {"model": model, "version": None}
        if one.before is not None:
            body = {"model": model, "version": one.before.version, "stage": "live", "nodes": one.nodes}
            body |= {"rule": msgspec.to_builtins(one.rule), "why": why[:500]}
        return await self._step(body, by, f"rolled back: {why}")

    async def go_on(self, model: str, *, by: str, why: str) -> Change:
        """To the next stage; a change of its own."""
        one = self._rollouts.get(model)
        if one is None:
            raise NotFoundError(f"no model {model!r} is rolled out", field="model", fix="GET /api/v1/models")
        if one.stage == "live":
            raise ConflictError(f"{model} {one.version} is live", field="model")
        body = msgspec.to_builtins(one) | {"model": model, "stage": "canary" if one.stage == "shadow" else "live"}
        for own in ("sha256", "since_us", "before"):
            body.pop(own)
        return await self._step(body | {"why": why[:500]}, by, why)

    async def _step(self, body: dict[str, Any], by: str, note: str) -> Change:
        changes = self._changes()
        change = await changes.propose("rollout", body, note=note[:1_000], by=by)
        return await changes.activate(change.id, by=by)

    def refresh(self) -> None:
        """Read the roll-outs anew; after a change."""
        with self._store.cursor() as cursor:
            found = read_settings(cursor, "rollout")
        self._rollouts = msgspec.convert(found, type=dict[str, Rollout])
        self._verdicts = {model: verdict for model, verdict in self._verdicts.items() if model in self._rollouts}

    # -- nodes

    def answer(self, node: str, ask: Fetch) -> None:
        """A part of a file for an agent; in the loop's thread, so the newest few files are kept in memory."""
        data = self._files.get(ask.name)
        if data is None or not ask.name.startswith("targets/"):
            data = self.repository.read(ask.name) if (self._folder / "metadata").exists() else None
            if data is not None:
                self._files[ask.name] = data
                while len(self._files) > _CACHED_FILES:
                    del self._files[next(iter(self._files))]
        part = b"" if data is None else data[ask.offset : ask.offset + FILE_PART_BYTES]
        total = -1 if data is None else len(data)
        self._send(node, "file", FilePart(name=ask.name, offset=ask.offset, total=total, data=part))

    async def follow(self) -> None:
        """Until cancelled; a failure is told and tried again."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
                self.problem = ""
            except (Aid4Error, duckdb.Error, OSError, ValueError) as error:
                self.problem = f"roll-outs: {error}"[:300]

    async def look(self) -> None:
        """One look: metadata that ages, the desired state of all nodes, and what the figures say."""
        nodes = self._told()
        for node, (_, models) in nodes.items():
            wanted = desired_of(node, nodes, self._rollouts) if self._rollouts else []
            if wanted or models or node in self._wants:
                self._wants[node] = msgspec.to_builtins(wanted)
        if not self._rollouts and not self._own_state:
            return
        await asyncio.to_thread(self.repository.renew)
        await self._follow_own(desired_of(OWN_NODE, nodes, self._rollouts))
        now_s = self._clock.monotonic_s()
        if now_s - self._judged_s >= _JUDGE_S:
            self._judged_s = now_s
            for model in list(self._rollouts):
                await self._judge(model)

    def wanted(self, node: str) -> list[dict[str, Any]] | None:
        """The section `models` of a node's desired state as of the last look; None where it never had a model."""
        return self._wants.get(node)

    async def _follow_own(self, wanted: list[Wanted]) -> None:
        """The twin's own scorer goes the same way as any gateway's: through the checks of the client."""
        state = msgspec.json.encode(wanted)
        if state == self._own_state:
            return
        await asyncio.to_thread(self._take_own, wanted)
        self._own_state = state

    def _take_own(self, wanted: list[Wanted]) -> None:
        root = self.repository.root
        if root is None:
            return
        folder = ModelFolder(self._folder / "local", _first_root(self.repository, root))
        running, problems = list[RunningModel](), dict[str, str]()
        for one in wanted:
            try:
                files = folder.take(one, lambda name: _chunks(self.repository.read(name)))
                running.append(RunningModel(**json.loads(msgspec.json.encode(one)), files=files))
            except InputError as error:
                problems[f"{one.id}/{one.version}"] = error.problem
        folder.run(1, running)
        self._own_problem = problems

    def _own_figures(self) -> dict[str, ModelFigures]:
        found = self._keeper.take(read_running(self._folder / "local"), self._scorer())
        for key, problem in self._own_problem.items():
            found[key] = ModelFigures(key.partition("/")[2], "", "refused", problem)
        return found

    async def _judge(self, model: str) -> None:
        one = self._rollouts[model]
        header = await asyncio.to_thread(self.read_header, model, one.version)
        medians = [part["metrics"]["score_median"] for part in header["parts"] if "score_median" in part["metrics"]]
        figures = {
            node: Figures(**{f: getattr(told, f) for f in Figures.__struct_fields__})
            for node, told in self.figures(model).items()
        }
        verdict = judge(
            one.stage, (self._clock.wall_us() - one.since_us) / 1e6, figures, one.rule,
            trained_median=sum(medians) / len(medians) if medians else None,
        )  # fmt: skip
        self._verdicts[model] = verdict
        if verdict.do == "rollback":
            await self.take_back(model, by=_BY, why=verdict.why)
        elif verdict.do == "promote":
            await self.go_on(model, by=_BY, why=verdict.why)


def _first_root(repository: Repository, newest: bytes) -> bytes:
    """The twin trusts its own first root, and follows the chain from there as a gateway does."""
    return repository.read("metadata/1.root.json") or newest


def _chunks(data: bytes | None) -> list[bytes] | None:
    return None if data is None else [data]
