"""Binds points to elements and spaces: what the model says, then the site's config, then rules, then position.

Pure functions over values. Each binding says how it was found and how sure it is; what could not be bound is
listed with the reason.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from bim.bind_rules import BindRule, matcher
from bim.model_index import Element, ModelIndex

__all__ = ["Binding", "BindingReport", "How", "PointRef", "Unbound", "bind"]

How = Literal["ifc", "config", "rule", "space"]

# rules that hold for every site, after those of its config
_DEFAULT_RULES = ("element_named_like_device", "element_tagged_like_device", "space_named_like_device")
_WORD_CHARS_MIN = 3  # "1" of device ahu-1 is no room number
_SHOWN_MAX = 4  # candidates named in a reason


class PointRef(msgspec.Struct, frozen=True, kw_only=True):
    """What the binding needs of one point; `position_m` is in coordinates of the model."""

    id: int
    node: str
    device: str
    metric: str
    element_hint: str = ""
    space_hint: str = ""
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


class _Excluded(Exception):  # noqa: N818 - ends the stages of one point, never leaves this module
    pass


def bind(points: Iterable[PointRef], model: ModelIndex, rules: Sequence[BindRule] = ()) -> BindingReport:
    """Bind points to the elements of a model, by the rules of a site in their order."""
    compiled = [_Compiled(rule, matcher(rule), f"bind[{index}]") for index, rule in enumerate(rules)]
    bindings: list[Binding] = []
    unbound: list[Unbound] = []
    used: set[str] = set()
    for point in points:
        matching = [one for one in compiled if one.pattern.match(point.key)]
        used.update(one.field for one in matching)
        found, reasons = _first(point, model, matching)
        if found is None:
            unbound.append(Unbound(point_id=point.id, reason="; ".join(reasons) or "nothing names its place"))
        else:
            bindings.append(_binding(point, found))
    unused = [f"{one.field}: no point matches {one.rule.points!r}" for one in compiled if one.field not in used]
    return BindingReport(bindings=bindings, unbound=unbound, unused=unused)


def _first(point: PointRef, model: ModelIndex, rules: list[_Compiled]) -> tuple[_Found | None, list[str]]:
    """The first stage that finds something, and what the stages before it had against it."""
    reasons: list[str] = []
    for stage in (_by_model, _by_config, _by_rules, _by_position):
        try:
            result = stage(point, model, rules)
        except _Excluded:
            return None, ["left unbound by the site's config"]
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
    hinted = model.by_id.get(point.element_hint) if point.element_hint else None
    if hinted is not None:
        return _Found(hinted, "ifc", 1.0, f"the catalogue names {_name(hinted)}")
    reasons = [f"the model has no element {point.element_hint}"] if point.element_hint else []
    for key in (point.key, f"{point.device}/{point.metric}"):
        claims = model.by_point_key.get(key, [])
        if len(claims) == 1:
            return _Found(claims[0], "ifc", 1.0, f"Pset_AID4.PointKey of {_name(claims[0])}")
        if claims:
            reasons.append(f"{len(claims)} elements claim it: {_names(claims)}")
    for device in (f"{point.node}/{point.device}", point.device):
        claims = model.by_device.get(device, [])
        if len(claims) == 1:
            return _Found(claims[0], "ifc", 0.95, f"Pset_AID4.Device of {_name(claims[0])}")
        if claims:
            reasons.append(f"{len(claims)} elements claim its device: {_names(claims)}")
    return "; ".join(reasons) or None


def _by_config(point: PointRef, model: ModelIndex, rules: list[_Compiled]) -> _Result:
    """[[bind]] with a space or an element, then the space that the node's own config names."""
    reasons = []
    for one in rules:
        if one.rule.rule == "none":
            raise _Excluded
        if one.rule.rule or one.rule.is_template:
            continue
        result = _target(point, model, one)
        if isinstance(result, _Found):
            return result
        reasons.append(f"{one.field}: {result}")
    if point.space_hint:
        detail = f"the node's config says space {point.space_hint!r}"
        result = _only(
            model.spaces_called(point.space_hint), "space", point.space_hint, _Found_of("config", 0.9, detail)
        )
        if isinstance(result, _Found):
            return result
        reasons.append(str(result))
    return "; ".join(reasons) or None


def _target(point: PointRef, model: ModelIndex, one: _Compiled) -> _Result:
    """What one [[bind]] table points at, with the point's own words in its placeholders."""
    element, space = _filled(one.rule.element, point), _filled(one.rule.space, point)
    kind, name = ("element", element) if element else ("space", space)
    called = model.elements_called(name) if element else model.spaces_called(name)
    result = _only(called, kind, name, _Found_of("config", 1.0 if name in model.by_id else 0.95, one.field))
    if not isinstance(result, _Found) or not (element and space):
        return result
    beside = model.spaces_called(space)
    if len(beside) != 1:
        return _only(beside, "space", space, _Found_of("config", 1.0, one.field))
    return msgspec.structs.replace(result, space=beside[0].id)


def _filled(template: str, point: PointRef) -> str:
    for part in ("node", "device", "metric"):
        template = template.replace(f"{{{part}}}", getattr(point, part))
    return template


def _by_rules(point: PointRef, model: ModelIndex, rules: list[_Compiled]) -> _Result:
    """[[bind]] with a rule, then the rules that every site has."""
    reasons = []
    for one in rules:
        if one.rule.is_template:
            result = _target(point, model, one)
            if isinstance(result, _Found):
                return msgspec.structs.replace(result, how="rule", confidence=0.8)
            reasons.append(f"{one.field}: {result}")
    asked = [(one.rule.rule, one.field) for one in rules if one.rule.rule]
    for name, field in [*asked, *((name, "every site's rule") for name in _DEFAULT_RULES)]:
        result = _RULES[name](point, model)
        if isinstance(result, _Found):
            return msgspec.structs.replace(result, detail=f"{field} {name}: {result.detail}")
        if result:
            reasons.append(result)
    return "; ".join(dict.fromkeys(reasons)) or None


def _by_position(point: PointRef, model: ModelIndex, _: list[_Compiled]) -> _Result:
    """The space around the point's position."""
    if point.position_m is None:
        return None
    space = model.space_at(*point.position_m)
    x, y, z = point.position_m
    at = f"({x:g}, {y:g}, {z:g}) m"
    return f"no space of the model is at {at}" if space is None else _Found(space, "space", 0.6, f"it stands at {at}")


def _element_named_like_device(point: PointRef, model: ModelIndex) -> _Result:
    called = [one for name in _spellings(point.device) for one in model.elements_called(name)]
    return _only(_distinct(called), "element", point.device, _Found_of("rule", 0.8, "name"), quiet=True)


def _element_tagged_like_device(point: PointRef, model: ModelIndex) -> _Result:
    called = [one for name in _spellings(point.device) for one in model.elements_called(name) if _tagged(one, name)]
    return _only(_distinct(called), "element", point.device, _Found_of("rule", 0.8, "tag"), quiet=True)


def _space_named_like_device(point: PointRef, model: ModelIndex) -> _Result:
    """The space whose number or name stands in the device's name as whole words; the longest one."""
    words = tuple(re.findall(r"[^\W_]+", point.device.casefold()))
    fits = [(len(" ".join(part)), one) for part, one in model.space_words if _within(part, words)]
    if not fits:
        return None
    longest = max(length for length, _ in fits)
    spaces = _distinct([one for length, one in fits if length == longest])
    sure = 0.8 if longest == len(" ".join(words)) else 0.6
    return _only(spaces, "space", point.device, _Found_of("rule", sure, "name"), quiet=True)


_RULES: dict[str, Callable[[PointRef, ModelIndex], _Result]] = {
    "element_named_like_device": _element_named_like_device,
    "element_tagged_like_device": _element_tagged_like_device,
    "space_named_like_device": _space_named_like_device,
}


class _Found_of(msgspec.Struct, frozen=True):  # noqa: N801 - a _Found that waits for its element
    how: How
    confidence: float
    detail: str


def _only(found: list[Element], kind: str, name: str, as_: _Found_of, *, quiet: bool = False) -> _Result:
    """The one element found, or why not; `quiet` has nothing to say when there is none."""
    if len(found) == 1:
        detail = f"{as_.detail}: {kind} {_name(found[0])}" if as_.how == "config" else f"{kind} {_name(found[0])}"
        return _Found(found[0], as_.how, as_.confidence, detail)
    if not found:
        return None if quiet else f"the model has no {kind} called {name!r}"
    return f"{len(found)} {kind}s are called like {name!r}: {_names(found)}"


def _within(part: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if len(" ".join(part)) < _WORD_CHARS_MIN and part != words:
        return False
    return any(words[start : start + len(part)] == part for start in range(len(words) - len(part) + 1))


def _spellings(device: str) -> list[str]:
    return list(dict.fromkeys([device, device.replace("-", " ").replace("_", " ")]))


def _tagged(one: Element, name: str) -> bool:
    return one.tag.casefold() == name.casefold()


def _distinct(found: list[Element]) -> list[Element]:
    return list({one.id: one for one in found}.values())


def _name(one: Element) -> str:
    return f"{one.type} {one.title!r}"


def _names(found: list[Element]) -> str:
    shown = ", ".join(f"{one.title!r} ({one.id})" for one in found[:_SHOWN_MAX])
    return f"{shown}, …" if len(found) > _SHOWN_MAX else shown
