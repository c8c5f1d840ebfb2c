"""Relations as the scorer uses them: streams in, readings in, and which relations have left what is expected."""

from collections.abc import Mapping, Sequence
from itertools import chain, groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference.runtime.intake import Chunk
from inference.runtime.keeping import Arrays, arrays_of, restored
from inference.runtime.relations.group import Group
from inference.runtime.relations.inputs import Runs, Window, peers_median
from inference.runtime.relations.plan import NOWHERE, Place, plan
from inference.runtime.relations.table import ALWAYS, GIVEN_MAX, Input, Relation
from inference.runtime.rows import RowMaker
from inference.runtime.settings import Settings, Stream
from inference.windows import Floats

__all__ = ["Relations"]

ROW_S_LEAST = 60.0
_DAY_US = 86_400_000_000
_FEW = 3  # peers, itself included: the median of the others is hardly more than one of them


class _Make(NamedTuple):
    """Streams that are each other's peers, the places that ask for them, and which of them is each one's own."""

    members: NDArray[np.intp]
    places: NDArray[np.intp]
    own: NDArray[np.intp]


class Relations:
    """All relations of a scorer's streams; `places` are in the order of `score` and `active`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.row_s = max(ROW_S_LEAST, settings.row_s)
        self.places: list[Place] = []
        self._keys: list[str] = []  # of the streams that are needed
        self._old: set[str] = set()  # names of streams and places before the last `watch`
        self._build([], [])

    @property
    def score(self) -> Floats:
        """−log10 p, by place."""
        return self._group.score

    @property
    def active(self) -> NDArray[np.bool_]:
        """In alarm, by place."""
        return self._group.active

    @property
    def spoke(self) -> NDArray[np.bool_]:
        """Which said something in their last row, by place."""
        return self._group.spoke

    def direction(self, at: int) -> int:
        """Where a relation left what is expected: 1 above, -1 below."""
        return self._group.direction(at)

    def sudden(self, at: int, since_us: int) -> bool:
        """Whether it did so from one row to the next, about then."""
        return self._group.sudden(at, since_us)

    def named(self, key: str) -> list[int]:
        """The places of that name: one, or none."""
        return [at for at, place in enumerate(self.places) if place.key == key]

    def mirrored(self, at: int, asset: str) -> bool:
        """Whether `asset` is one of so few peers of place `at` that what it does shows here the other way round."""
        if at < 0:
            return False
        peers = [alike for alike in self.places[at].peers if alike]
        return any(len(alike) <= _FEW and any(self._asset_of[s] == asset for s in alike) for alike in peers)

    def feedback(self, key: str, accepted: bool) -> dict[str, float]:
        """An operator's verdict on a relation: the threshold that now holds, by its name."""
        named = self.named(key)
        return {key: self._group.alarms.feedback(named[0], accepted)} if named else {}

    def watch(self, streams: Sequence[Stream]) -> None:
        """All streams there are; what was learned goes on."""
        before, meta = self.keep(), self.meta()
        self._build(plan(streams), streams)
        self.recall(before, meta)
        self._old = {*meta["places"], *meta["streams"]}

    def take(self, chunk: Chunk, cut_us: int) -> None:
        """Readings up to `cut_us`, by the scorer's slots, ascending in time."""
        if not self.places:
            return
        inside = chunk.slot < len(self._local)
        local = np.where(inside, self._local[np.where(inside, chunk.slot, 0)], -1)
        mine = local >= 0
        part = Chunk(local[mine], chunk.ts_us[mine], chunk.value[mine])
        running = self._runs_of[part.slot]
        if running.any():
            self._runs.take(part.take(running))
        for row, values, known in self._maker.take(part, cut_us):
            self._window.step(row, values, known)
            self._step(row)

    def meta(self) -> dict[str, Any]:
        """Names that `recall` needs."""
        return {"places": [place.key for place in self.places], "streams": self._keys, "row": self._maker.row}

    def keep(self) -> dict[str, Arrays]:
        """All state as arrays."""
        count = len(self._keys)
        inputs = {
            **{f"window.{name}": value for name, value in arrays_of(self._window, count).items()},
            **{f"runs.{name}": value for name, value in arrays_of(self._runs, count).items()},
            **{f"rows.{name}": value for name, value in arrays_of(self._maker, count).items()},
        }
        return {"inputs": inputs, **self._group.parts()}

    def recall(self, saved: Mapping[str, Arrays], meta: Mapping[str, Any], *, new: bool = False) -> None:
        """Go on from what `keep` and `meta` gave; with `new` only what came with the last `watch` does."""
        at = {key: place for place, key in enumerate(self._keys) if not (new and key in self._old)}
        rows = np.array([at.get(key, -1) for key in meta.get("streams", [])], np.intp)
        inputs = saved.get("inputs", {})
        for name, thing in (("window", self._window), ("runs", self._runs), ("rows", self._maker)):
            own = {key.partition(".")[2]: value for key, value in inputs.items() if key.startswith(f"{name}.")}
            if len(rows):
                restored(thing, len(self._keys), rows, own)
        self._maker.row = max(self._maker.row, int(meta.get("row", -1)))
        names = ["" if new and key in self._old else key for key in meta.get("places", [])]
        self._group.recall(names, saved)

    def _build(self, places: list[Place], streams: Sequence[Stream]) -> None:
        self.places = places
        self.leads = np.array([place.own[0] for place in places], np.intp)  # the first stream of each
        makes = {alike for place in places for alike in place.peers}
        needed = sorted(
            {slot for part in chain((place.slots for place in places), makes) for slot in part if slot >= 0}
        )
        self._local = np.full(max(needed, default=-1) + 1, -1, np.intp)
        self._local[needed] = np.arange(len(needed))
        self._keys = [streams[slot].key for slot in needed]
        self._asset_of = {slot: streams[slot].asset for slot in needed}
        periods = [streams[slot].period_s for slot in needed]
        self._maker, self._window = RowMaker(self.row_s, periods), Window(periods, self.row_s)
        self._runs, self._runs_of = Runs(len(needed)), np.zeros(len(needed), bool)
        floors = np.array([place.relation.floor for place in places], np.float64)
        self._group = Group([place.key for place in places], floors, self._settings, self.row_s)
        self._settle = np.array([place.relation.settle for place in places], np.int64)
        self._kinds: list[tuple[Relation, slice, list[NDArray[np.intp]], list[list[_Make]]]] = []
        start = 0
        for relation, alike in groupby(places, key=lambda place: place.relation):
            mine = list(alike)
            slots = [np.array([self._at(place.slots[n]) for place in mine]) for n in range(len(relation.inputs))]
            for one, of in zip(relation.inputs, slots, strict=True):
                if one.how == "run":
                    self._runs_of[of[of >= 0]] = True
            peers = [self._makes([place.peers[n] for place in mine], slots[n]) for n in range(len(relation.inputs))]
            self._kinds.append((relation, slice(start, start + len(mine)), slots, peers))
            start += len(mine)

    def _makes(self, alike: Sequence[tuple[int, ...]], own: NDArray[np.intp]) -> list[_Make]:
        by_make: dict[tuple[int, ...], list[int]] = {}
        for number, slots in enumerate(alike):
            if slots and own[number] >= 0:
                by_make.setdefault(slots, []).append(number)
        found = []
        for slots, numbers in by_make.items():
            members = np.sort(self._local[list(slots)])
            found.append(_Make(members, np.array(numbers, np.intp), np.searchsorted(members, own[numbers])))
        return found

    def _at(self, slot: int) -> int:
        return int(self._local[slot]) if slot >= 0 else NOWHERE

    def _step(self, row: int) -> None:
        count = len(self.places)
        given, value = np.zeros((count, GIVEN_MAX)), np.full(count, np.nan)
        now_us = round((row + 1) * self.row_s * 1e6)
        turn = 2.0 * np.pi * (now_us % _DAY_US) / _DAY_US
        for relation, span, slots, peers in self._kinds:
            values: dict[str, Any] = dict(zip(ALWAYS, (np.sin(turn), np.cos(turn)), strict=True))
            without = []
            for one, of, alike in zip(relation.inputs, slots, peers, strict=True):
                values[one.name] = self._input(one, of, alike, row, now_us)
                without.append(np.where(of < 0, 1.0, 0.0))
            value[span] = relation.value(values)
            for column, expression in enumerate(relation.given):
                given[span, column] = _regressor(expression.names, expression(values), relation, without)
        self._group.step(row, given, value, self._settle)

    def _input(
        self, one: Input, of: NDArray[np.intp], makes: list[_Make], row: int, now_us: int
    ) -> NDArray[np.float64]:
        if one.scope == "peers":
            return self._of_peers(one, makes, row, len(of))
        at = np.maximum(of, 0)
        found = self._runs.minutes(now_us)[at] if one.how == "run" else self._window.value(one, at, row)
        return np.where(of >= 0, found, np.nan)

    def _of_peers(self, one: Input, makes: list[_Make], row: int, count: int) -> NDArray[np.float64]:
        found = np.full(count, np.nan)
        for make in makes:
            found[make.places] = peers_median(self._window.value(one, make.members, row))[make.own]
        return found


def _regressor(names: Sequence[str], found: Floats, relation: Relation, without: Sequence[Floats]) -> Floats:
    """A regressor; nothing (0) where the device lacks an optional input of it."""
    lacking = np.zeros(len(found), bool) if found.ndim else np.zeros(1, bool)
    for one, missing in zip(relation.inputs, without, strict=True):
        if one.name in names:
            lacking = lacking | (missing > 0)
    return np.where(lacking, 0.0, found)
