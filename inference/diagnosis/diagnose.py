"""From findings to probable causes: every cause that could be meant, at every place where it could be, ranked.

The causes of the table are weighed at each asset that shows something and at those that feed it; generic ones on each
point, device, gateway and asset. Probabilities are the softmax of log prior plus log-likelihood, beside "unknown",
which explains every finding a little.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from inference.diagnosis.graph import RELATION, Graph, Node, line_of
from inference.diagnosis.rules import Generic, Rules, load_rules
from inference.diagnosis.texts import Evidence, action_of, sentence, title_of
from inference.diagnosis.weigh import BY_CHANCE, DIRECTIONS, Found, Scene, Symptom, Weighed

__all__ = ["Cause", "diagnose"]

CAUSES_MAX = 5  # a technician reads three
SYMPTOMS_MAX = 2_000  # a gateway of more points that falls silent is judged by so many
_EVIDENCE_MAX = 6
_P_MIN = 0.02
_SAID_FROM = 0.15  # evidence lighter than that is not worth a sentence
_UNKNOWN_SEEN = 0.16  # how often any cause that no table has would show at a point
_UNKNOWN_PRIOR = 0.3
_UNKNOWN_POINTS_MAX = 4.0  # that count: a hundred findings at once have one cause, and some line will name it


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A probable cause: its key in texts/, the asset, device or gateway `where` it is, the `points` it explains."""

    cause: str
    title: str
    p: float
    where: str
    name: str
    evidence: list[Evidence]
    action: str
    points: list[str]


def diagnose(symptoms: Iterable[Symptom], graph: Graph | None = None, *, language: str = "en") -> list[Cause]:
    """The most probable causes first, at most CAUSES_MAX; empty without symptoms. Pure.

    Two symptoms of one point count as the heavier one."""
    heaviest: dict[str, Symptom] = {}
    calm: list[Symptom] = []
    for given in symptoms:
        if given.direction == "calm":
            calm.append(given)
            continue
        symptom = given if given.direction in DIRECTIONS else msgspec.structs.replace(given, direction="")
        known = heaviest.get(symptom.point)
        if known is None or symptom.share > known.share:
            heaviest[symptom.point] = symptom
    kept = dict(sorted(heaviest.items(), key=lambda item: (-item[1].share, item[0]))[:SYMPTOMS_MAX])
    if not kept:
        return []
    placed = (graph or Graph()).with_points(_placed(one) for one in (*kept.values(), *calm[:SYMPTOMS_MAX]))
    scene = Scene(kept, placed, calm[:SYMPTOMS_MAX])
    return _ranked(scene, list(_candidates(scene, load_rules())), language)


def _placed(symptom: Symptom) -> tuple[Node, Node]:
    """A point that the graph may lack, and its asset: the element it names, else its device."""
    device, _ = line_of(symptom.point)
    metric = symptom.point.rsplit("/", 1)[-1]
    kind = RELATION if symptom.of else symptom.brick
    point = Node(id=symptom.point, kind="point", type=kind, name=metric, point_class=symptom.point_class)
    asset = symptom.element or f"asset:{device or symptom.point}"
    return point, Node(id=asset, kind="asset", type=symptom.element_type, name=device.rsplit("/", 1)[-1])


def _candidates(scene: Scene, rules: Rules) -> Iterator[Weighed]:
    graph = scene.graph
    seen_at = list(dict.fromkeys(filter(None, map(graph.asset_of, scene.symptoms))))
    assets = dict.fromkeys(seen_at)
    for asset in seen_at:
        assets.update(dict.fromkeys([*graph.wholes(asset), *graph.up(asset)]))
    for asset in assets:
        for rule in rules.of(graph.family(asset)):
            if weighed := scene.by_rule(rule, asset):
                yield weighed
    lines = {over: list(_lines(scene, over, seen_at)) for over in ("point", "device", "gateway", "fed", "asset")}
    for generic in rules.generic:
        for where, line in lines[generic.over]:
            points = [point for point in line if graph.nodes[point].type != RELATION]
            if weighed := _on_line(scene, generic, where, points, rules.in_loop):
                yield weighed


def _lines(scene: Scene, over: str, assets: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """(where, points) of every line that shows something."""
    graph = scene.graph
    devices = list(dict.fromkeys(filter(None, map(graph.device_of, scene.symptoms))))
    match over:
        case "point":
            yield from ((point, [point]) for point in scene.symptoms)
        case "device":
            yield from ((device, graph.points_via(device)) for device in devices)
        case "gateway":
            gateways = dict.fromkeys(filter(None, map(graph.gateway_of, devices)))
            yield from ((gate, graph.points_via(gate)) for gate in gateways if len(graph.devices_of(gate)) > 1)
        case "fed":
            for feeder in dict.fromkeys(above for asset in assets for above in graph.up(asset)):
                fed = [asset for asset in graph.down(feeder) if graph.points_of(asset)]
                if len(fed) > 1:
                    yield feeder, [point for asset in fed for point in graph.points_of(asset)]
        case _:
            yield from ((asset, graph.points_of(asset)) for asset in assets)


def _on_line(
    scene: Scene, generic: Generic, where: str, points: Sequence[str], in_loop: Sequence[str]
) -> Weighed | None:
    """A line of one point is that point's own business; that of a changed operation needs company."""
    if not points or (generic.over != "point" and len(points) < 2):
        return None
    return scene.by_line(generic, where, points, in_loop)


def _ranked(scene: Scene, candidates: Sequence[Weighed], language: str) -> list[Cause]:
    best = sorted(candidates, key=lambda one: (-one.score, one.name, one.where))[:50]
    gain = math.log(_UNKNOWN_SEEN / BY_CHANCE)
    unknown = math.log(_UNKNOWN_PRIOR) + gain * min(sum(map(scene.weight, scene.symptoms)), _UNKNOWN_POINTS_MAX)
    top = max([unknown, *(one.score for one in best)])
    weights = [math.exp(one.score - top) for one in best]
    whole = sum(weights) + math.exp(unknown - top)
    chosen: list[tuple[float, Weighed]] = []
    for weight, one in zip(weights, best, strict=True):
        alike = any(one.name == kept.name and one.explains <= kept.explains for _, kept in chosen)
        if not alike and weight / whole >= _P_MIN:
            chosen.append((weight / whole, one))
    found = [_told(scene, p, one, language) for p, one in chosen]
    nobody = math.exp(unknown - top) / whole
    if nobody >= _P_MIN or not found:
        found.append(_nothing_known(scene, nobody, language))
    return sorted(found, key=lambda one: -one.p)[:CAUSES_MAX]


def _told(scene: Scene, p: float, one: Weighed, language: str) -> Cause:
    said = sorted((f for f in one.found if abs(f.weight) >= _SAID_FROM), key=lambda f: -f.weight)
    nodes = scene.graph.nodes
    where = nodes[one.where]
    asset = nodes.get(scene.graph.asset_of(one.where)) if where.kind == "point" else None
    return Cause(
        cause=one.name,
        title=title_of(one.name, language),
        p=round(p, 4),
        where=(asset or where).id,
        name=where.name,
        evidence=[_evidence(scene, found, language) for found in said[:_EVIDENCE_MAX]],
        action=action_of(one.name, language),
        points=sorted(one.explains),
    )


def _evidence(scene: Scene, found: Found, language: str) -> Evidence:
    symptom = scene.symptoms.get(found.point)
    node = scene.graph.nodes[found.point]
    direction = (symptom.direction or "changed") if symptom else "normal"
    values: dict[str, str | float | int] = {
        "point": found.point,
        "label": node.name.replace("_", " "),
        "direction": direction,
        "expected_direction": next((way for way in found.ways if way), "changed"),
        "count": found.count,
        "whole": found.whole,
        "weight": round(found.weight, 2),
    }
    if symptom is not None and symptom.value is not None and symptom.expected is not None:
        values |= {"value": symptom.value, "expected": symptom.expected}
    return sentence(found.code, values, language)


def _nothing_known(scene: Scene, p: float, language: str) -> Cause:
    heaviest = next(iter(scene.symptoms))
    where = scene.graph.nodes.get(scene.graph.asset_of(heaviest))
    told = [_evidence(scene, Found("sign_self", point, 0.0), language) for point in list(scene.symptoms)[:3]]
    return Cause(
        cause="unknown",
        title=title_of("unknown", language),
        p=round(p, 4),
        where=where.id if where else heaviest,
        name=where.name if where else heaviest,
        evidence=told,
        action=action_of("unknown", language),
        points=list(scene.symptoms),
    )
