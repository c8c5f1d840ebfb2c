"""The scorer: readings of thousands of streams in, scores and episodes out. The same class in twin and agent.

What it says depends on the readings and their own times alone, so agent and twin agree, a recording scores as the live
stream did, and simulated days may pass in seconds. One thread; memory is bounded by the number of streams.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from inference.runtime.answers import Part, score_table
from inference.runtime.episodes import Episode, Episodes, Event
from inference.runtime.explain import FACT_SCORE, RELATION_UNITS, calm_of, channels_of
from inference.runtime.facts import facts_of
from inference.runtime.intake import Chunk, Intake
from inference.runtime.keeping import arrays_of, pack, restored, unpack
from inference.runtime.lane import Lane
from inference.runtime.online import OnlineGroup, RowScores
from inference.runtime.relations.watch import Relations
from inference.runtime.rows import RowMaker
from inference.runtime.settings import Settings, Stream, row_s_of
from inference.runtime.silence import silence_of
from inference.runtime.trained import Model, TrainedModel, match, model_key
from inference.windows import Floats
from wire.errors import InputError

__all__ = ["FACT_SCORE", "STREAMS_MAX", "Scorer"]

STREAMS_MAX = 50_000
_VERSION = 2
_LINK_US = 900_000_000  # along a link a cause is felt at once


class Scorer:
    """`watch` streams, `push` readings, `tick`; then `events` tells what opened and closed."""

    def __init__(self, settings: Settings | None = None, models: Iterable[Model] = ()) -> None:
        self.settings = settings or Settings()
        self._lanes: dict[float, Lane] = {}
        self._streams: list[Stream] = []
        self._keys: dict[str, int] = {}
        self._lane_of = np.zeros(0, np.float64)
        self._local = np.zeros(0, np.intp)
        self._assets: dict[str, int] = {}
        self._makes: dict[str, set[str]] = {}  # of an asset: what it measures tells its make
        self._intake = Intake()
        self._facts = facts_of([], self._assets, self.settings)
        self._silence = silence_of([], self._assets, self.settings.late_s)
        self._relations = Relations(self.settings)
        self._episodes = Episodes(self.settings, self._explain)
        self._events: list[Event] = []
        self._score: Floats = np.zeros(0)
        self._row_active = np.zeros(0, bool)
        self._links: dict[str, set[str]] = {}
        self._models: list[Model] = list(models)
        self._trained: list[tuple[TrainedModel, RowMaker]] = []
        self._covered = np.zeros(0, bool)
        self._saved: dict[str, dict[str, NDArray[Any]]] = {}
        self._saved_meta: dict[str, Any] = {}
        self.rows_scored = 0

    # -- what is scored

    @property
    def streams(self) -> list[Stream]:
        """The streams, by slot."""
        return list(self._streams)

    def watch(self, streams: Iterable[Stream]) -> int:
        """Take new streams in, by key, and those that a saved state knows with what they had learned; how many."""
        fresh = [stream for stream in streams if stream.key not in self._keys]
        if len(self._streams) + len(fresh) > STREAMS_MAX:
            fix = "switch classes or points off in [detectors]"
            raise InputError(f"more than {STREAMS_MAX} streams to score", field="detectors", fix=fix)
        if not fresh:
            return 0
        before = len(self._streams)
        by_row: dict[float, list[int]] = {}
        for stream in fresh:
            slot = len(self._streams)
            self._streams.append(stream)
            self._keys[stream.key] = slot
            self._intake.place(stream.id, slot)
            self._assets.setdefault(stream.asset, len(self._assets))
            self._makes.setdefault(stream.asset, set()).add(stream.key.rpartition("/")[2])
            by_row.setdefault(row_s_of(stream, self.settings), []).append(slot)
        self._grow(before)
        for row_s, slots in by_row.items():
            lane = self._lanes.setdefault(row_s, Lane(row_s, self.settings))
            first = len(lane.slots)
            lane.add([self._streams[slot] for slot in slots], slots)
            self._local[slots] = np.arange(first, first + len(slots))
            self._lane_of[slots] = row_s
        self._relations.watch(self._streams)
        self._recall(fresh)
        self._arm()
        return len(fresh)

    def use(self, models: Iterable[Model]) -> None:
        """Put these trained models in place of those before; the same version goes on where it was."""
        self._models = list(models)
        self._arm()

    def link(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Assets that feed each other: what begins in one and soon in the other has one cause."""
        self._links = {}
        for one, other in pairs:
            self._links.setdefault(one, set()).add(other)
            self._links.setdefault(other, set()).add(one)

    # -- readings in, scores out

    def push(
        self,
        ts_us: NDArray[np.int64],
        points: NDArray[np.uint32],
        values: Floats,
        quality: NDArray[np.uint8] | None = None,
        arrived_us: int | None = None,
    ) -> None:
        """Readings in any order. With `arrived_us` clocks of devices are watched, too."""
        if arrived_us is not None and len(points):
            slot, inside = self._intake.slots_of(points)
            self._facts.arrive(slot[inside], ts_us[inside], arrived_us)
        self._intake.add(points, ts_us, values, quality)

    def tick(self, now_us: int, *, facts: bool = True) -> pa.Table:
        """Score all rows that have ended by now: `SCORES`; `channels` (JSON) where an episode opened.

        Without `facts` what was pushed are means of rows (history): plain facts learn of them, and hold of nothing.
        """
        parts: list[Part] = []
        told = len(self._events)
        if self._lanes:
            base_us = round(min(self._lanes) * 1e6)
            target_us = (now_us - round(self.settings.late_s * 1e6)) // base_us * base_us
            cut_us = self._intake.cut_us
            if cut_us < 0:
                oldest_us = self._intake.oldest_us
                cut_us = target_us if oldest_us is None else oldest_us // base_us * base_us
            while cut_us < target_us:
                oldest_us = self._intake.oldest_us
                skipped_us = target_us if oldest_us is None else oldest_us // base_us * base_us
                cut_us = min(max(cut_us + base_us, skipped_us), target_us)
                parts += self._advance(cut_us, facts)
        ids = np.array([one.id for one in self._streams], np.uint32)
        return score_table(parts, ids, self._events[told:])

    def events(self) -> list[Event]:
        """What episodes did since the last call."""
        found, self._events = self._events, []
        return found

    def feedback(self, keys: Iterable[str], accepted: bool) -> dict[str, float]:
        """The operator's verdict on an alarm of these streams: the thresholds that now hold, in decades."""
        found: dict[str, float] = {}
        for key in keys:
            slot = self._keys.get(key)
            if slot is None:
                found |= self._relations.feedback(key, accepted)
                continue
            lane = self._lanes[float(self._lane_of[slot])]
            found[key] = lane.group.alarms.feedback(int(self._local[slot]), accepted)
            for model, _ in self._trained:
                if slot in model.slots:
                    unit = 0 if model.is_asset else int(np.flatnonzero(model.slots == slot)[0])
                    found[key] = model.alarms.feedback(unit, accepted)
            self._facts.feedback(slot, accepted)
        return found

    @property
    def scored_us(self) -> int | None:
        """Up to when everything is scored; None before the first row."""
        return self._intake.cut_us if self._intake.cut_us > 0 else None

    @property
    def figures(self) -> dict[str, int]:
        """Counters for people who watch the watcher."""
        return {
            "streams": len(self._streams),
            "relations": len(self._relations.places),
            "models": len(self._trained),
            "rows": self.rows_scored,
            "waiting": self._intake.waiting,
            "too_late": self._intake.too_late,
            "dropped": self._intake.dropped,
            "gap_rows": int(sum(lane.maker.gaps.sum() for lane in self._lanes.values())),
            "episodes": self._episodes.opened,
            "open": len(self._episodes.open),
            **{name: count for trained, _ in self._trained for name, count in trained.figures.items()},
        }

    # -- state

    def save(self) -> bytes:
        """Everything learned, by key: another scorer that watches the same streams goes on from here."""
        groups: dict[str, dict[str, NDArray[Any]]] = {}
        meta: dict[str, Any] = {"version": _VERSION, "cut_us": self._intake.cut_us, "tables": {}}
        for row_s, lane in self._lanes.items():
            for name, arrays in lane.group.parts():
                groups[f"{row_s:g}:{name}"] = arrays
            groups[f"{row_s:g}:rows"] = arrays_of(lane.maker, len(lane.slots))
            meta["tables"][f"{row_s:g}"] = [[one.key for one in lane.group.streams], lane.maker.row]
        groups |= {f"relations:{name}": arrays for name, arrays in self._relations.keep().items()}
        meta["relations"] = self._relations.meta()
        groups["facts"] = arrays_of(self._facts, len(self._streams))
        groups |= {model_key(trained.model): trained.keep() for trained, _ in self._trained}
        groups["replays"], meta["assets"] = self._facts.replays.keep(), list(self._assets)
        meta["streams"] = [one.key for one in self._streams]
        meta["episodes"] = [
            {**msgspec.to_builtins(episode), "lead": self._name(episode.lead)}
            for episode in self._episodes.open.values()
        ]
        return pack(meta, groups)

    def restore(self, data: bytes) -> int:
        """Before anything is watched: what was saved; returns up to when it had scored (µs). InputError."""
        meta, groups = unpack(data)
        if not isinstance(meta, dict) or meta.get("version") != _VERSION:
            raise InputError("a state of another version", field="state", fix="delete it; streams then learn anew")
        self._saved, self._saved_meta = groups, meta
        self._intake.cut_us = int(meta["cut_us"])
        return self._intake.cut_us

    # -- inside

    def _grow(self, before: int) -> None:
        count = len(self._streams)
        for name in ("_lane_of", "_local", "_score", "_row_active"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(count - before, old.dtype)]))
        facts = facts_of(self._streams, self._assets, self.settings)
        facts.go_on(self._facts, before)
        self._facts = facts
        self._silence = self._silence.grown(self._streams, self._assets)

    def _arm(self) -> None:
        """Join models with the streams there are; a stream of a live model leaves its alarms to it."""
        old = {(one.model.name, one.model.version): (one, maker) for one, maker in self._trained}
        self._trained, self._covered = [], np.zeros(len(self._streams), bool)
        for model in self._models:
            slots = match(model.bundle.manifest.channels, self._keys)
            known = old.get((model.name, model.version))
            if known is not None and known[0].model is model and known[0].slots.tolist() == slots:
                trained, maker = known
            elif max(slots, default=-1) < 0:
                continue
            else:
                trained = TrainedModel(model, slots)
                trained.recall(self._saved.get(model_key(model), {}))
                periods = [self._streams[slot].period_s if slot >= 0 else 1.0 for slot in slots]
                maker = RowMaker(trained.row_s, periods)
            self._trained.append((trained, maker))
            if model.mode != "shadow":
                self._covered[trained.slots[trained.slots >= 0]] = True
        for lane in self._lanes.values():
            lane.group.mute(self._covered[lane.slots])

    def _advance(self, cut_us: int, taught: bool) -> list[Part]:
        chunk = self._intake.take(cut_us)
        facts = self._facts.take(chunk, cut_us, past=not taught)
        parts = []
        for row_s, lane in self._lanes.items():
            mine = self._lane_of[chunk.slot] == row_s
            part = Chunk(self._local[chunk.slot[mine]], chunk.ts_us[mine], chunk.value[mine])
            for row, values, known in lane.maker.take(part, cut_us):
                said = lane.group.step(row, values, known)
                parts.append(self._note(lane.slots, said.score, said, facts))
        for trained, maker in self._trained:
            parts += self._score_trained(trained, maker, chunk, cut_us, facts)
        self._relations.take(chunk, cut_us)
        away = self._silence.step(cut_us, self._facts.last_us, past=not taught)
        slots = np.flatnonzero((self._row_active & ~away) | facts)
        places = np.flatnonzero(self._relations.active & ~away[self._relations.leads])
        if len(slots) or len(places) or self._episodes.open:
            scores = np.where(facts, np.maximum(self._score, FACT_SCORE), self._score)
            units = np.concatenate([slots, places + RELATION_UNITS])
            told = np.concatenate([scores[slots], self._relations.score[places]])
            self._events += self._episodes.step(cut_us, units, told, self._asset_of, self._related)
        return parts

    def _asset_of(self, unit: int) -> str:
        return self._streams[self._slot(unit)].asset

    def _name(self, unit: int) -> str:
        if unit >= RELATION_UNITS:
            return self._relations.places[unit - RELATION_UNITS].key
        return self._streams[unit].key

    def _slot(self, unit: int) -> int:
        """The stream that stands for a unit: of a relation the first of its channels."""
        return self._relations.places[unit - RELATION_UNITS].own[0] if unit >= RELATION_UNITS else unit

    def _unit(self, name: str) -> int:
        """By name; -1 where nothing is called so."""
        slot = self._keys.get(name)
        return slot if slot is not None else next((at + RELATION_UNITS for at in self._relations.named(name)), -1)

    def _score_trained(
        self, trained: TrainedModel, maker: RowMaker, chunk: Chunk, cut_us: int, facts: NDArray[np.bool_]
    ) -> list[Part]:
        local = np.full(len(self._streams), -1, np.intp)
        have = trained.slots >= 0
        local[trained.slots[have]] = np.flatnonzero(have)
        at = local[chunk.slot]
        mine = at >= 0
        parts = []
        for row, values, known in maker.take(Chunk(at[mine], chunk.ts_us[mine], chunk.value[mine]), cut_us):
            said = trained.step(row, values, known)
            if trained.model.mode == "shadow":
                continue
            scores = trained.channel_scores(said.score)[have]
            wide = trained.by_channel(said, scores, have)
            parts.append(self._note(trained.slots[have], scores, wide, facts))
        return parts

    def _note(self, slots: NDArray[np.intp], scores: Floats, said: RowScores, facts: NDArray[np.bool_]) -> Part:
        """Remember one row's outcome and give the part of the table: slots, time, score, alarm."""
        self.rows_scored += int(np.count_nonzero(said.known))
        self._score[slots] = scores
        self._row_active[slots] = said.active
        for slot in slots[said.regime].tolist():
            asset = self._streams[slot].asset
            self._events.append(Event(kind="regime", asset=asset, ts_us=said.ts_us, since_us=said.ts_us))
        fact = facts[slots]
        shown = np.where(fact, np.maximum(scores, FACT_SCORE), scores)
        told = said.known | fact
        return Part(slots[told], said.ts_us, shown[told], (said.active | fact)[told])

    def _related(self, slot: int, episode: Episode) -> bool:
        """Fed by or feeding what has just opened; or of the same make, with the same quantity, the same way."""
        stream, lead = self._streams[self._slot(slot)], self._streams[self._slot(episode.lead)]
        mirrored = self._relations.mirrored(slot - RELATION_UNITS, lead.asset)
        if mirrored or lead.asset in self._links.get(stream.asset, ()):
            return mirrored or self._intake.cut_us - episode.since_us <= _LINK_US
        if not stream.point_class or stream.point_class != lead.point_class:
            return False
        return self._makes[stream.asset] == self._makes[lead.asset] and self._way(slot) == self._way(episode.lead)

    def _explain(self, episode: Episode, kind: Literal["opened", "updated"]) -> Event:
        """What it rests on now, and when it looked like this before."""
        channels = channels_of(episode, self._streams, self._score, self._facts, self._relations, self._lane)
        slot = self._slot(episode.lead)
        group, local = self._lane(slot)
        model = next((one for one, _ in self._trained if slot in one.slots and one.model.mode != "shadow"), None)
        return Event(
            kind=kind, asset=episode.asset, ts_us=self._intake.cut_us, since_us=episode.since_us,
            score=round(max([episode.score, *(one.score for one in channels)]), 3), channels=channels,
            nearest=group.nearest(local), also=list(episode.also), again=episode.again,
            calm=calm_of(episode.asset, self._streams, self._relations),
            model={"id": model.model.name, "version": model.model.version} if model is not None else None,
        )  # fmt: skip

    def _lane(self, slot: int) -> tuple[OnlineGroup, int]:
        return self._lanes[float(self._lane_of[slot])].group, int(self._local[slot])

    def _way(self, unit: int) -> tuple[str, int]:
        """Which plain fact holds of a unit, else which way it left normal."""
        if unit >= RELATION_UNITS:
            return "", self._relations.direction(unit - RELATION_UNITS)
        group, local = self._lane(unit)
        fact = self._facts.name(unit)
        return fact, 0 if fact else group.direction(local)

    def _recall(self, fresh: Sequence[Stream]) -> None:
        """Give new streams what a saved state knows of them."""
        news = {one.key for one in fresh}
        for row_s, (keys, row) in self._saved_meta.get("tables", {}).items():
            lane = self._lanes.get(float(row_s))
            if lane is None:
                continue
            at = {one.key: local for local, one in enumerate(lane.group.streams) if one.key in news}
            rows = np.array([at.get(key, -1) for key in keys], np.intp)
            parts = {
                name.partition(":")[2]: arrays for name, arrays in self._saved.items() if name.startswith(f"{row_s}:")
            }
            lane.group.recall(rows, parts)
            restored(lane.maker, len(lane.slots), rows, parts.get("rows", {}))
            lane.maker.row = max(lane.maker.row, int(row))
        keys = self._saved_meta.get("streams", [])
        rows = np.array([self._keys[key] if key in news else -1 for key in keys], np.intp)
        saved = {name: value for name, value in self._saved.get("facts", {}).items() if not name.startswith("_")}
        restored(self._facts, len(self._streams), rows, saved)
        made = {one.asset for one in fresh}
        places = [self._assets[name] if name in made else -1 for name in self._saved_meta.get("assets", [])]
        self._facts.replays.recall(self._saved.get("replays", {}), np.array(places, np.intp))
        of_relations = {n.partition(":")[2]: v for n, v in self._saved.items() if n.startswith("relations:")}
        self._relations.recall(of_relations, self._saved_meta.get("relations", {}), new=True)
        waiting = self._saved_meta.pop("episodes", [])
        told = [(self._unit(one["lead"]), one) for one in waiting]
        found = [msgspec.convert({**one, "lead": unit}, Episode) for unit, one in told if unit >= 0]
        self._saved_meta["episodes"] = [one for unit, one in told if unit < 0]
        self._episodes.restore(found)
        self._events += [self._explain(episode, "updated") for episode in found]
