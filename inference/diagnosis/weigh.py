"""How well a cause explains what is seen: log-likelihood against the chance that each thing happens by itself.

For every point that a sign speaks of: seen as expected, log(p / b); seen otherwise, log((1 - p) / b) halved towards
nothing where the way is unknown; seen well, log((1 - p) / (1 - b)), but for points whose relation to others speaks
for the cause and for what shows faintly as expected. b is how often a point shows a finding by chance.
A finding that a cause leaves unexplained adds nothing, so of two causes the one that explains more is ahead.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from inference.diagnosis.graph import Graph
from inference.diagnosis.rules import Generic, Rule, Sign

__all__ = ["DIRECTIONS", "Found", "Scene", "Symptom", "Weighed"]

BY_CHANCE = 0.05
_LINE_POINTS_FULL = 6  # of a line that count fully; beyond, only the logarithm: they fall silent together
_RELATION_P = 0.8  # that a relation shows when one of its sensors is wrong
_ACCOUNTED = math.log(0.1)  # another way of running is accounted for in what a relation expects
_SELDOM = math.log(0.1)  # a generic cause of a role that it is all but never true of
_CALM = 0.5  # how much a relation that holds as ever counts: it may be slow
_ALONE_MOST = 2  # others of its machine that do as a sensor does
_NEGLIGIBLE = 0.08  # a share of the heaviest below which a channel is as usual
DIRECTIONS = frozenset({"high", "low", "stuck", "gap", "spike", "noisy", "clock", "replay"})


class Symptom(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of a detector or an alarm.

    `point`: its key, `node/device/metric`. `direction`: high, low (against normal), stuck, gap (silent), spike, noisy,
    clock (its times are wrong), replay (it says what it said before), calm (a relation that holds as ever); anything
    else means that it is not known.
    `share`: its part of the score, 0 to 1. `of`: it is no point but a relation between these, and `point` is named
    like the relation. `sudden`: it came from one moment to the next.
    `value`, `expected`: for the sentence a person reads.
    """

    point: str
    point_class: str = ""
    brick: str = ""
    element_type: str = ""
    element: str = ""
    direction: str = ""
    share: float = 1.0
    of: tuple[str, ...] = ()
    sudden: bool = False
    value: float | None = None
    expected: float | None = None


class Found(msgspec.Struct, frozen=True):
    """One thing that speaks for a cause (`weight` > 0) or against it."""

    code: str
    point: str
    weight: float
    ways: tuple[str, ...] = ()
    count: int = 1
    whole: int = 1


class Weighed(msgspec.Struct, frozen=True):
    """A cause at a place, with its log-likelihood and what it rests on; `explains` are points."""

    name: str
    where: str
    score: float
    found: list[Found]
    explains: frozenset[str]


class Scene:
    """Symptoms laid over a graph."""

    def __init__(self, symptoms: Mapping[str, Symptom], graph: Graph, calm: Iterable[Symptom] = ()) -> None:
        heaviest = max(max((one.share for one in symptoms.values()), default=1.0), 1e-9)
        self.graph, self.calm = graph, {one.point: one for one in calm if one.point not in symptoms}
        self.symptoms = {key: one for key, one in symptoms.items() if one.share >= _NEGLIGIBLE * heaviest}
        self.faint = {key: one for key, one in symptoms.items() if key not in self.symptoms}
        self._weight = {key: 0.4 + 0.6 * one.share / heaviest for key, one in self.symptoms.items()}

    def weight(self, point: str) -> float:
        """0.4 to 1: how much a symptom counts beside the heaviest."""
        return self._weight[point]

    def points_at(self, asset: str, sign: Sign) -> list[str]:
        """The points that a sign of a cause at `asset` speaks of."""
        match sign.at:
            case "self":
                assets = [asset]
            case "up":
                assets = self.graph.up(asset)
            case "down":
                assets = self.graph.down(asset)
            case "peers":
                assets = self.graph.peers(asset)
        return [p for one in assets for p in self.graph.points_of(one) if self.graph.role(p) == sign.role]

    def by_rule(self, rule: Rule, asset: str) -> Weighed | None:
        """A cause of the table at an asset; None when a sign that must be there is not, or nothing speaks for it."""
        score, found = math.log(rule.prior), list[Found]()
        explains: set[str] = set()
        sudden = False
        spoken = self._spoken_for(rule, asset)
        for sign in rule.signs:
            points = self.points_at(asset, sign)
            hits = [point for point in points if self._fits(point, sign.ways)]
            if sign.must and not hits:
                return None
            if not points:
                continue
            told = self._tell(sign, points, hits, spoken)
            score += told.weight
            found.append(told)
            explains.update(hits)
            sudden = sudden or any(self.symptoms[hit].sudden for hit in hits)
        score += math.log(rule.sudden) if sudden else 0.0
        own = set(self.graph.points_of(asset))
        if not explains & own:
            return None
        return Weighed(rule.name, asset, score, found, frozenset(explains))

    def by_line(self, rule: Generic, where: str, points: Sequence[str], in_loop: Sequence[str] = ()) -> Weighed | None:
        """A cause that shows on all `points` of a line the same way; None when it shows on none."""
        hits = [point for point in points if self._fits(point, rule.ways)]
        if not hits:
            return None
        share = len(hits) / len(points)
        weight = sum(map(self.weight, hits)) / len(hits)
        count = min(len(points), _LINE_POINTS_FULL) + 2.0 * math.log(max(len(points) / _LINE_POINTS_FULL, 1.0))
        hit, miss = math.log(rule.p / BY_CHANCE), math.log((1 - rule.p) / (1 - BY_CHANCE))
        score = count * (share * hit * weight + (1 - share) * miss)
        way = self.symptoms[hits[0]].direction
        score = score / 2 if way == "" else score
        told = Found(f"{rule.over}_{way or 'changed'}", hits[0], score, rule.ways, len(hits), len(points))
        beside = [one for one in self.symptoms.values() if one.of]
        prior = math.log(rule.prior) + (
            math.log(rule.sudden) if any(self.symptoms[hit].sudden for hit in hits) else 0.0
        )
        if rule.over == "asset" and any(self.graph.asset_of(one.point) == where for one in beside):
            prior += _ACCOUNTED
        if rule.over == "point":
            prior += _SELDOM if self.graph.role(where) in rule.seldom_of else 0.0
            mine = [one.point for one in beside if where in one.of and self.graph.role(one.point) not in in_loop]
            score += sum(math.log(_RELATION_P / BY_CHANCE) * self.weight(one) for one in mine)
            holds = sum(where in one.of for one in self.calm.values())
            score += holds * _CALM * math.log((1 - _RELATION_P) / (1 - BY_CHANCE))
            score += math.log(rule.alone) * min(self._company(where, rule.ways), _ALONE_MOST)
            return Weighed(rule.name, where, prior + score, [told], frozenset([*hits, *mine]))
        return Weighed(rule.name, where, prior + score, [told], frozenset(hits))

    def _company(self, point: str, ways: Iterable[str]) -> int:
        """How many other points of its machine do the same: a sensor errs alone."""
        asset = self.graph.asset_of(point)
        others = [one for key, one in self.symptoms.items() if key != point and not one.of]
        return sum(one.direction in ways and self.graph.asset_of(one.point) == asset for one in others)

    def _spoken_for(self, rule: Rule, asset: str) -> frozenset[str]:
        """Points whose relation shows what the rule expects: beside it, it says nothing against the rule how they stand
        against the hour of the day."""
        found: set[str] = set()
        for sign in rule.signs:
            for point in self.points_at(asset, sign):
                if self._fits(point, sign.ways):
                    found.update(self.symptoms[point].of)
        return frozenset(found)

    def _tell(self, sign: Sign, points: Sequence[str], hits: Sequence[str], spoken: frozenset[str]) -> Found:
        if hits:
            share = len(hits) / len(points)
            heaviest = max(hits, key=self.weight)
            hit = math.log(sign.p / BY_CHANCE) * self.weight(heaviest)
            miss = math.log((1 - sign.p) / (1 - BY_CHANCE))
            whole = share * hit + (1 - share) * miss if sign.at in ("peers", "down") else hit
            whole = hit / 2 if self.symptoms[heaviest].direction == "" else whole
            return Found(f"sign_{sign.at}", heaviest, whole, sign.ways, len(hits), len(points))
        others = [point for point in points if point in self.symptoms]
        if spoken.issuperset(points) or any(self._fits(point, sign.ways, self.faint) for point in points):
            return Found("sign_quiet", points[0], 0.0, sign.ways, 0, len(points))
        if others:
            return Found("sign_other_way", others[0], math.log((1 - sign.p) / (1 - BY_CHANCE)), sign.ways)
        quiet = math.log((1 - sign.p) / (1 - BY_CHANCE)) * (_CALM if points[0] in self.calm else 1.0)
        return Found("sign_quiet", points[0], quiet, sign.ways, 0, len(points))

    def _fits(self, point: str, ways: Iterable[str], among: Mapping[str, Symptom] | None = None) -> bool:
        symptom = (self.symptoms if among is None else among).get(point)
        if symptom is None:
            return False
        way = symptom.direction
        if way in ("gap", "clock", "replay"):  # what is silent, wrongly timed or old says nothing about the machine
            return way in ways
        return way in ways or "any" in ways or (way == "" and not {"gap", "clock", "replay"} & set(ways))
