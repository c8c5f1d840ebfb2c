"""Binds points to elements and spaces: what the model says, then the site's config, then rules, then position.

Pure functions over values. Each binding says how it was found and how sure it is; what could not be bound is
listed with the reason.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from bim.bind_rules import BindRule, matcher
from bim.brick.points import BrickPoint
from bim.model_index import Element, ModelIndex
from bim.name_rules import RULES, Match, distinct

__all__ = ["Binding", "BindingReport", "How", "PointRef", "Unbound", "bind"]

How = Literal["ifc", "config", "rule", "space"]

# rules that hold for every site, after those of its config
_DEFAULT_RULES = ("element_named_like_device", "element_tagged_like_device", "space_named_like_device")
_SHOWN_MAX = 4  # candidates named in a reason
_BRICK_SURE = 0.95


class PointRef(msgspec.Struct, frozen=True, kw_only=True):
    """What the binding needs of one point; `position_m` is in coordinates of the model."""

    id: int
    node: str
    device: str
    metric: str
    element_hint: str = ""
    space_hint: str = ""
    point_class: str = ""
    unit: str = ""
    label: str = ""
    position_m: tuple[float, float, float] | None = None

    @property
    def key(self) -> str:
        """`node/device/metric`, what the globs of [[bind]] match."""
        return f"{self.node}/{self.device}/{self.metric}"


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """One point and where it belongs; `element` is the space itself where the point measures a whole space."""

    point_id: int
    element: str
    space: str | None
    how: How
    confidence: float
    detail: str


class Unbound(msgspec.Struct, frozen=True, kw_only=True):
    """One point that belongs nowhere yet, and why."""

    point_id: int
    reason: str


class BindingReport(msgspec.Struct, frozen=True, kw_only=True):
    """All points, bound or not; `unused` names config tables that bound nothing."""

    bindings: list[Binding]
    unbound: list[Unbound]
    unused: list[str]

    @property
    def by_how(self) -> dict[str, int]:
        """How many points were bound how."""
        return dict(Counter(one.how for one in self.bindings))


class _Found(msgspec.Struct, frozen=True):
    element: Element
    how: How
    confidence: float
    detail: str
    space: str | None = None  # a space that the config gives beside the element


# a stage finds an element, or says why not, or has nothing to say
_Result = _Found | str | None


class _Compiled(msgspec.Struct, frozen=True):
    rule: BindRule
    pattern: re.Pattern[str]
    field: str


def bind(
    points: Iterable[PointRef],
    model: ModelIndex,
    rules: Sequence[BindRule] = (),
    brick: Mapping[str, BrickPoint] | None = None,
) -> BindingReport:
    """Bind points to the elements of a model, by the rules of a site in their order; `brick` are the points of a Brick
    file by name."""
    compiled = [_Compiled(rule, matcher(rule), f"bind[{index}]") for index, rule in enumerate(rules)]
    by_rules = _ByRules()
    bindings: list[Binding] = []
    unbound: list[Unbound] = []
    used: set[str] = set()
    for point in points:
        matching = [one for one in compiled if one.pattern.match(point.key)]
        used.update(one.field for one in matching)
        found, reasons = _first(point, model, matching, by_rules, brick or {})
        if found is None:
            unbound.append(Unbound(point_id=point.id, reason="; ".join(reasons) or "nothing names its place"))
        else:
            bindings.append(_binding(point, found))
    unused = [f"{one.field}: no point matches {one.rule.points!r}" for one in compiled if one.field not in used]
    return BindingReport(bindings=bindings, unbound=unbound, unused=unused)


def _first(
    point: PointRef, model: ModelIndex, rules: list[_Compiled], by_rules: "_ByRules", brick: Mapping[str, BrickPoint]
) -> tuple[_Found | None, list[str]]:
    """The first stage that finds something, and what the stages before it had against it."""
    if any(one.rule.rule == "none" for one in rules):
        return None, ["left unbound by the site's config"]
    reasons: list[str] = []
    by_brick = functools.partial(_by_brick, brick)
    for stage in (_by_model, by_brick, _by_config, by_rules, _by_position):
        result = stage(point, model, rules)
        if isinstance(result, _Found):
            return result, reasons
        if result:
            reasons.append(result)
    return None, reasons


def _binding(point: PointRef, found: _Found) -> Binding:
    one = found.element
    return Binding(
        point_id=point.id,
        element=one.id,
        space=found.space or one.space,
        how=found.how,
        confidence=found.confidence,
        detail=found.detail,
    )


def _by_model(point: PointRef, model: ModelIndex, _: list[_Compiled]) -> _Result:
    """The catalogue's GlobalId, then Pset_AID4 of an element: PointKey, then Device."""
    hinted = model.find(point.element_hint) if point.element_hint else None
    if hinted is not None:
        return _Found(hinted, "ifc", 1.0, f"the catalogue names {_name(hinted)}")
    reasons = [f"the model has no element {point.element_hint}"] if point.element_hint else []
    local = f"{point.device}/{point.metric}"
    claims = [(model.by_point_key, key, 1.0, "PointKey") for key in (point.key, local)]
    claims += [(model.by_device, key, 0.95, "Device") for key in (f"{point.node}/{point.device}", point.device)]
    for table, key, sure, name in claims:
        claiming = distinct(table.get(key, []))
        if len(claiming) == 1:
            return _Found(claiming[0], "ifc", sure, f"Pset_AID4.{name} of {_name(claiming[0])}")
        if claiming:
            reasons.append(f"{len(claiming)} elements claim {key}: {_names(claiming)}")
    return "; ".join(reasons) or None


def _by_brick(brick: Mapping[str, BrickPoint], point: PointRef, model: ModelIndex, _: list[_Compiled]) -> _Result:
    """The element that a Brick file names for the point, by its GlobalId."""
    named = brick.get(point.key) or brick.get(f"{point.device}/{point.metric}")
    if named is None:
        return None
    found = model.find(named.element)
    if found is None:
        return f"the Brick file names {named.element}, which the model lacks"
    return _Found(found, "ifc", _BRICK_SURE, f"Brick {named.how}: {_name(found)}")


def _by_config(point: PointRef, model: ModelIndex, rules: list[_Compiled]) -> _Result:
    """[[bind]] with a space or an element, then the space that the node's own config names."""
    reasons = []
    for one in rules:
        if one.rule.rule or one.rule.is_template:
            continue
        result = _target(point, model, one, "config")
        if isinstance(result, _Found):
            return result
        reasons.append(result)
    if point.space_hint:
        space = _only(model.spaces_called(point.space_hint), "space", point.space_hint)
        if isinstance(space, Element):
            return _Found(space, "config", 0.9, f"the node's config says space {point.space_hint!r}")
        reasons.append(f"the node's config: {space}")
    return "; ".join(reasons) or None


class _ByRules:
    """[[bind]] with a placeholder or a rule, then the rules that every site has; each device is looked up once."""

    def __init__(self) -> None:
        self._matches: dict[tuple[str, str], Match] = {}

    def __call__(self, point: PointRef, model: ModelIndex, rules: list[_Compiled]) -> _Result:
        reasons: list[str] = []
        for one in rules:
            if one.rule.is_template:
                result = _target(point, model, one, "rule")
                if isinstance(result, _Found):
                    return result
                reasons.append(result)
        asked = [(one.rule.rule, one.field) for one in rules if one.rule.rule]
        for name, field in [*asked, *((name, "every site's rule") for name in _DEFAULT_RULES)]:
            match = self._match(name, point.device, model)
            one_element = _only(match.elements, match.kind, point.device)
            if isinstance(one_element, Element):
                return _Found(one_element, "rule", match.confidence, f"{field}: {name}: {_name(one_element)}")
            if match.elements:
                reasons.append(one_element)
        return "; ".join(dict.fromkeys(reasons)) or None

    def _match(self, name: str, device: str, model: ModelIndex) -> Match:
        found = self._matches.get((name, device))
        if found is None:
            found = self._matches[name, device] = RULES[name](device, model)
        return found


def _by_position(point: PointRef, model: ModelIndex, _: list[_Compiled]) -> _Result:
    """The space around the point's position."""
    if point.position_m is None:
        return None
    space = model.space_at(*point.position_m)
    x, y, z = point.position_m
    at = f"({x:g}, {y:g}, {z:g}) m"
    return f"no space of the model is at {at}" if space is None else _Found(space, "space", 0.6, f"it stands at {at}")


def _target(point: PointRef, model: ModelIndex, one: _Compiled, how: How) -> _Found | str:
    """What one [[bind]] table points at, with the point's own words in its placeholders."""
    element, space = _filled(one.rule.element, point), _filled(one.rule.space, point)
    found = _only(model.elements_called(element), "element", element) if element else None
    beside = _only(model.spaces_called(space), "space", space) if space else None
    for missing in (found, beside):
        if isinstance(missing, str):
            return f"{one.field}: {missing}"
    place = found or beside
    assert isinstance(place, Element), "read_rules lets no table through without a target"
    sure = 0.8 if how == "rule" else 1.0 if place.id in (element, space) else 0.95
    return _Found(place, how, sure, f"{one.field}: {_name(place)}", beside.id if isinstance(beside, Element) else None)


def _filled(template: str, point: PointRef) -> str:
    for part in ("node", "device", "metric"):
        template = template.replace(f"{{{part}}}", getattr(point, part))
    return template


def _only(found: list[Element], kind: str, name: str) -> Element | str:
    """The one element found, or why there is not one."""
    if len(found) == 1:
        return found[0]
    if not found:
        return f"the model has no {kind} called {name!r}"
    return f"{len(found)} {kind}s are called like {name!r}: {_names(found)}"


def _name(one: Element) -> str:
    return f"{one.type} {one.title!r}"


def _names(found: list[Element]) -> str:
    shown = ", ".join(f"{one.title!r} ({one.id})" for one in found[:_SHOWN_MAX])
    return f"{shown}, …" if len(found) > _SHOWN_MAX else shown
