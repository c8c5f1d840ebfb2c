"""Pairs the elements of two revisions of one model, one to one, each pair with how it was found and how sure it is.

GlobalIds first. What is left is paired by what elements say of themselves, the most telling keys first: tag, then
class, name, shape and place in ever looser combinations. A key pairs only where one element on either side has it;
copies of one thing are told apart by where they stand, and listed as ambiguous where that leaves a doubt. A wrong
pair would hang a sensor on the wrong machine; none only asks a person.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bim.model_index import plain

__all__ = ["Ambiguous", "How", "Match", "Matching", "match"]

Row = dict[str, Any]
How = Literal[
    "GlobalId", "tag", "everything", "shape and place", "name and place", "name and shape", "same parts", "same whole",
    "nearest copy",
]  # fmt: skip

_COLUMNS = [
    "id", "type", "category", "name", "long_name", "tag", "type_name", "storey", "x_m", "y_m", "z_m", "shape",
    "elevation_m", "parent",
]  # fmt: skip
_PLACE_STEPS_PER_M = 100.0  # places are compared to the centimetre
_NEAR_M = 1.0  # a copy that moved farther is paired only when it is the only one left
_STILL_M = 0.05  # where copies came or went, one that moved may stand where another one stood
_ONLY_M = 5.0  # the only copy left may have moved that far on its storey
_COPIES_MAX = 2_000  # of one thing; every pair of them is compared
_CLEAR_RATIO = 3.0  # the next copy must be this many times farther away
_SURE_PARTS, _SURE_NEAR, _SURE_ONLY = 0.9, 0.8, 0.7
_ELSEWHERE_M = 5.0  # a GlobalId whose class, name and place all changed was given to another element
_CASES = ("StandardCase", "ElementedCase")
_SHOWN_MAX = 8  # candidates named for one ambiguous element


class Match(msgspec.Struct, frozen=True):
    """One element of both revisions."""

    old: str
    new: str
    how: How
    confidence: float


class Ambiguous(msgspec.Struct, frozen=True):
    """An old element that may be one of several new ones; a person decides."""

    old: str
    candidates: list[str]
    reason: str


class Matching(msgspec.Struct, frozen=True, kw_only=True):
    """All of both revisions: pairs, what is only in one, and what is in doubt (also in `removed`)."""

    pairs: list[Match]
    removed: list[str]
    added: list[str]
    ambiguous: list[Ambiguous]

    @property
    def reguided(self) -> list[Match]:
        """Pairs whose GlobalId changed."""
        return [pair for pair in self.pairs if pair.old != pair.new]


class _Rule(NamedTuple):
    how: How
    confidence: float
    key: Callable[[Row], Hashable | None]  # None: says nothing of this element


def match(old: pa.Table, new: pa.Table) -> Matching:
    """Pair the rows of two elements tables (bim/tables.py). Pure; the same tables give the same pairs."""
    before, after = _rows(old), _rows(new)
    pairing = _Pairing(before, after)
    pairing.by_global_id()
    for rule in _RULES:
        pairing.by_rule(rule)
    pairing.by_parts()
    pairing.by_whole()
    pairing.by_distance()
    pairing.by_parts()
    pairing.doubts()
    return pairing.result()


class _Pairing:
    """What is still to be paired on each side."""

    def __init__(self, before: list[Row], after: list[Row]) -> None:
        self._before, self._after = before, after
        self._old = {row["id"]: row for row in before}
        self._new = {row["id"]: row for row in after}
        self._pairs: list[Match] = []
        self._ambiguous: list[Ambiguous] = []

    def by_global_id(self) -> None:
        for one in [one for one in self._old if one in self._new]:
            if not _is_another(self._old[one], self._new[one]):
                self._pair(one, one, "GlobalId", 1.0)

    def by_rule(self, rule: _Rule) -> None:
        """Pair where one element of all on either side has a key; what was paired already counts against it."""
        before, after = _by_key(self._before, rule.key), _by_key(self._after, rule.key)
        for key, rows in before.items():
            others = after.get(key, [])
            if len(rows) == len(others) == 1 and rows[0]["id"] in self._old and others[0]["id"] in self._new:
                self._pair(rows[0]["id"], others[0]["id"], rule.how, rule.confidence)

    def by_parts(self) -> None:
        """Wholes that have no shape of their own, as assemblies: by what they hold, when all of it agrees."""
        into = {pair.old: pair.new for pair in self._pairs}
        holder = {row["id"]: row["parent"] for row in self._after}
        votes: defaultdict[str, set[str]] = defaultdict(set)
        back: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._before:
            old, new = row["parent"], holder.get(into.get(row["id"], ""))
            if old in self._old and new is not None and new in self._new:
                votes[old].add(new)
                back[new].add(old)
        for old, news in votes.items():
            new = next(iter(news))
            alike = self._old[old]["class"] == self._new[new]["class"]
            if len(news) == len(back[new]) == 1 and alike:
                self._pair(old, new, "same parts", _SURE_PARTS)

    def by_whole(self) -> None:
        """The only copy within a whole that is known."""
        into = {pair.old: pair.new for pair in self._pairs}
        before = _by_key(self._old.values(), lambda row: _held(row, into.get(row["parent"] or "")))
        after = _by_key(self._new.values(), lambda row: _held(row, row["parent"]))
        for key, rows in before.items():
            others = after.get(key, [])
            if len(rows) == len(others) == 1:
                self._pair(rows[0]["id"], others[0]["id"], "same whole", _SURE_PARTS)

    def by_distance(self) -> None:
        """Copies of one thing: to the nearest one, where it is clearly the nearest from both sides."""
        before, after = _by_key(self._old.values(), _copy), _by_key(self._new.values(), _copy)
        for key, rows in before.items():
            others = after.get(key, [])
            if not others:
                continue
            if len(rows) == len(others) == 1 and _is_only_moved(rows[0], others[0]):
                self._pair(rows[0]["id"], others[0]["id"], "nearest copy", _SURE_ONLY)
                continue
            for row, other in _clear_pairs(rows, others) if max(len(rows), len(others)) <= _COPIES_MAX else ():
                self._pair(row["id"], other["id"], "nearest copy", _SURE_NEAR)

    def doubts(self) -> None:
        """List what is left and has look-alikes."""
        after = _by_key(self._new.values(), _copy)
        for key, rows in _by_key(self._old.values(), _copy).items():
            self._doubt(rows, after.get(key, []))

    def result(self) -> Matching:
        order = {row["id"]: index for index, row in enumerate(self._before)}
        return Matching(
            pairs=sorted(self._pairs, key=lambda pair: order[pair.old]),
            removed=list(self._old),
            added=list(self._new),
            ambiguous=self._ambiguous,
        )

    def _pair(self, old: str, new: str, how: How, confidence: float) -> None:
        del self._old[old], self._new[new]
        self._pairs.append(Match(old, new, how, confidence))

    def _doubt(self, rows: list[Row], others: list[Row]) -> None:
        shown = [other["id"] for other in others[:_SHOWN_MAX]]
        for row in rows if others else ():
            reason = f"{len(others)} new {row['type']} {row['name']!r} look like it and none is clearly nearest"
            self._ambiguous.append(Ambiguous(row["id"], shown, reason))


def _rows(table: pa.Table) -> list[Row]:
    """Rows with what the rules compare, worked out once."""
    rows: list[Row] = table.select(_COLUMNS).to_pylist()
    titles = {row["id"]: plain(row["name"]) for row in rows}
    for row in rows:
        row["class"] = _class(row["type"])
        row["title"] = (plain(row["name"]), plain(row["long_name"]))
        row["level"] = titles.get(row["storey"] or "", "")
        row["holder"] = titles.get(row["parent"] or "", "")
        row["place"] = _place(row)
    return rows


def _class(name: str) -> str:
    for case in _CASES:
        name = name.removesuffix(case)
    return name


def _place(row: Row) -> tuple[int, ...] | None:
    if row["x_m"] is None:
        return None if row["elevation_m"] is None else (round(row["elevation_m"] * _PLACE_STEPS_PER_M),)
    return tuple(round(row[name] * _PLACE_STEPS_PER_M) for name in ("x_m", "y_m", "z_m"))


def _is_another(row: Row, other: Row) -> bool:
    """Whether a GlobalId that both have was given to another element."""
    if row["class"] == other["class"] or row["title"] == other["title"]:
        return False
    return _distance_m(row, other) > _ELSEWHERE_M


def _by_key(rows: Iterable[Row], key: Callable[[Row], Hashable | None]) -> dict[Hashable, list[Row]]:
    groups: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        value = key(row)
        if value is not None:
            groups[value].append(row)
    return groups


def _tag(row: Row) -> Hashable | None:
    return (row["class"], row["tag"]) if row["tag"] else None


def _tag_and_name(row: Row) -> Hashable | None:
    return (row["class"], row["tag"], row["title"], row["shape"], row["place"]) if row["tag"] else None


def _everything(row: Row) -> Hashable | None:
    return (row["class"], row["title"], row["type_name"], row["level"], row["holder"], row["shape"], row["place"])


def _shape_and_place(row: Row) -> Hashable | None:
    return (row["class"], row["shape"], row["place"]) if row["shape"] and row["place"] else None


def _name_and_place(row: Row) -> Hashable | None:
    return (row["class"], row["title"], row["type_name"], row["place"]) if row["title"][0] and row["place"] else None


def _name_and_shape(row: Row) -> Hashable | None:
    """Moved. A name that is only that of the type says too little."""
    told = row["title"][0] and row["title"][0] != plain(row["type_name"])
    return (row["class"], row["title"], row["type_name"], row["shape"]) if told else None


def _named(row: Row) -> Hashable | None:
    """Moved and redrawn, but of a name that no other has."""
    told = row["title"][0] and row["title"][0] != plain(row["type_name"])
    return (row["class"], row["title"], row["level"]) if told else None


def _copy(row: Row) -> Hashable | None:
    """What copies of one thing have in common."""
    if row["category"] in ("opening", "port"):
        return (row["class"], row["shape"], row["holder"])
    return (row["class"], row["title"], row["type_name"], row["shape"]) if row["title"][0] or row["shape"] else None


def _held(row: Row, whole: str | None) -> Hashable | None:
    """A copy within its whole; the storeys and sites that hold everything tell nothing."""
    copy = _copy(row)
    return None if whole is None or copy is None or row["parent"] == row["storey"] else (copy, whole)


_RULES = (
    _Rule("everything", 0.99, _tag_and_name),
    _Rule("tag", 0.97, _tag),
    _Rule("everything", 0.97, _everything),
    _Rule("shape and place", 0.95, _shape_and_place),
    _Rule("name and place", 0.92, _name_and_place),
    _Rule("name and shape", 0.85, _name_and_shape),
    _Rule("name and shape", 0.75, _named),
)


def _clear_pairs(rows: list[Row], others: list[Row]) -> list[tuple[Row, Row]]:
    """Pairs that are each other's nearest, and nearer than any other by far."""
    far = np.linalg.norm(_points(rows)[:, None] - _points(others)[None], axis=2)
    far[np.isnan(far)] = math.inf
    reach = _NEAR_M if len(rows) == len(others) else _STILL_M
    best, back = _nearest(far, reach), _nearest(far.T, reach)
    return [
        (row, others[at]) for index, (row, at) in enumerate(zip(rows, best, strict=True)) if _is_mutual(index, at, back)
    ]


def _is_mutual(index: int, at: int, back: list[int]) -> bool:
    return at >= 0 and back[at] == index


def _nearest(far: NDArray[np.float64], reach_m: float) -> list[int]:
    """For each row the column that is clearly nearest, -1 in doubt."""
    order = np.argsort(far, axis=1, kind="stable")[:, :2]
    ranked = np.take_along_axis(far, order, axis=1)
    clear = ranked[:, 0] <= reach_m
    if ranked.shape[1] > 1:
        clear &= ranked[:, 1] >= np.maximum(_CLEAR_RATIO * ranked[:, 0], 2 / _PLACE_STEPS_PER_M)
    return [int(one) if sure else -1 for one, sure in zip(order[:, 0], clear, strict=True)]


def _points(rows: list[Row]) -> NDArray[np.float64]:
    nowhere = math.nan
    return np.array(
        [[nowhere if row[n] is None else row[n] for n in ("x_m", "y_m", "z_m")] for row in rows], np.float64
    )


def _is_only_moved(row: Row, other: Row) -> bool:
    return row["level"] == other["level"] and _distance_m(row, other) <= _ONLY_M


def _distance_m(row: Row, other: Row) -> float:
    if row["x_m"] is None or other["x_m"] is None:
        return math.inf
    return math.dist((row["x_m"], row["y_m"], row["z_m"]), (other["x_m"], other["y_m"], other["z_m"]))
