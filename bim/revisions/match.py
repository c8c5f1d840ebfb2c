"""Pairs the elements of two revisions of one model, one to one, each pair with how it was found and how sure it is.

GlobalIds first. What is left is paired by what elements say of themselves, the most telling keys first: tag, then
class, name, shape and place in ever looser combinations. A key pairs only where one element on either side has it;
copies of one thing are told apart by where they stand, and listed as ambiguous where that leaves a doubt. A wrong
pair would hang a sensor on the wrong machine; none only asks a person.
"""

from collections import defaultdict

import msgspec
import pyarrow as pa

from bim.revisions.keys import RULES, How, Row, Rule, by_key, copy_key, held_key, rows_of
from bim.revisions.nearest import clear_pairs, distance_m, is_only_moved

__all__ = ["Ambiguous", "How", "Match", "Matching", "match"]

_COPIES_MAX = 2_000  # of one thing; every pair of them is compared
_SURE_PARTS, _SURE_NEAR, _SURE_ONLY = 0.9, 0.8, 0.7
_ELSEWHERE_M = 5.0  # a GlobalId whose class, name and place all changed was given to another element
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


def match(old: pa.Table, new: pa.Table) -> Matching:
    """Pair the rows of two elements tables (bim/tables.py). Pure; the same tables give the same pairs."""
    before, after = rows_of(old), rows_of(new)
    pairing = _Pairing(before, after)
    pairing.by_global_id()
    for rule in RULES:
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

    def by_rule(self, rule: Rule) -> None:
        """Pair where one element of all on either side has a key; what was paired already counts against it."""
        before, after = by_key(self._before, rule.key), by_key(self._after, rule.key)
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
        before = by_key(self._old.values(), lambda row: held_key(row, into.get(row["parent"] or "")))
        after = by_key(self._new.values(), lambda row: held_key(row, row["parent"]))
        for key, rows in before.items():
            others = after.get(key, [])
            if len(rows) == len(others) == 1:
                self._pair(rows[0]["id"], others[0]["id"], "same whole", _SURE_PARTS)

    def by_distance(self) -> None:
        """Copies of one thing: to the nearest one, where it is clearly the nearest from both sides."""
        before, after = by_key(self._old.values(), copy_key), by_key(self._new.values(), copy_key)
        for key, rows in before.items():
            others = after.get(key, [])
            if not others:
                continue
            if len(rows) == len(others) == 1 and is_only_moved(rows[0], others[0]):
                self._pair(rows[0]["id"], others[0]["id"], "nearest copy", _SURE_ONLY)
                continue
            for row, other in clear_pairs(rows, others) if max(len(rows), len(others)) <= _COPIES_MAX else ():
                self._pair(row["id"], other["id"], "nearest copy", _SURE_NEAR)

    def doubts(self) -> None:
        """List what is left and has look-alikes."""
        after = by_key(self._new.values(), copy_key)
        for key, rows in by_key(self._old.values(), copy_key).items():
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


def _is_another(row: Row, other: Row) -> bool:
    """Whether a GlobalId that both have was given to another element."""
    if row["class"] == other["class"] or row["title"] == other["title"]:
        return False
    return distance_m(row, other) > _ELSEWHERE_M
