"""Which building element every point belongs to, how that was found and how sure it is.

The search itself is `bim.binding.bind`; here an operator's decisions come before it, and its result is kept
with its way back from places to points.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from bim.bind_rules import BindRule
from bim.binding import Binding, How, PointRef, bind
from bim.brick.points import BrickPoint
from twin.model import Model
from twin.points import PointRow

__all__ = ["Binding", "Bindings", "Fixed", "find_bindings"]

_BY_OPERATOR: How = "config"


class Fixed(msgspec.Struct, frozen=True):
    """An operator's decision for one point; both None means: belongs nowhere."""

    element: str | None = None
    space: str | None = None
    detail: str = ""


class Bindings:
    """The bindings of all points. Replaced as a whole, never changed. `reasons` says why a point has none."""

    def __init__(
        self,
        bindings: Iterable[Binding] = (),
        model: Model | None = None,
        reasons: Mapping[int, str] | None = None,
        unused: Iterable[str] = (),
    ) -> None:
        self.by_point = {binding.point_id: binding for binding in bindings}
        self.reasons = dict(reasons or {})
        self.unused = list(unused)
        self._current = model.current if model else str
        self._at: defaultdict[str, list[int]] = defaultdict(list)
        self._under: defaultdict[str, list[int]] = defaultdict(list)
        for point, binding in sorted(self.by_point.items()):
            places = {place for place in (binding.element, binding.space) if place}
            for place in places:
                self._at[place].append(point)
            for place in model.holders(places) if model else places:
                self._under[place].append(point)

    def points_of(self, place: str) -> list[int]:
        """Ids of the points bound to an element or space, ascending."""
        return self._at.get(self._current(place), [])

    def points_under(self, place: str) -> list[int]:
        """Ids of the points bound to a place or to anything that it holds, ascending."""
        return self._under.get(self._current(place), [])

    def places(self) -> set[str]:
        """All elements and spaces that have points."""
        return set(self._at)

    def by_how(self) -> dict[str, int]:
        """How many points were bound how."""
        return dict(Counter(binding.how for binding in self.by_point.values()))

    def __len__(self) -> int:
        return len(self.by_point)


def find_bindings(
    points: Iterable[PointRow],
    model: Model,
    rules: Sequence[BindRule],
    fixed: Mapping[str, Fixed],
    brick: Sequence[BrickPoint] = (),
) -> Bindings:
    """Find every point's place in a model; `brick` are the points of the site's Brick file. Pure."""
    decided: list[Binding] = []
    searched: list[PointRef] = []
    reasons: dict[int, str] = {}
    for point in points:
        decision = fixed.get(point.key)
        if decision is None:
            searched.append(_reference(point))
        elif (binding := _decided(point.id, decision, model)) is not None:
            decided.append(binding)
        else:
            reasons[point.id] = decision.detail
    report = bind(searched, model.index, rules, {one.name: one for one in brick})
    reasons |= {one.point_id: one.reason for one in report.unbound}
    return Bindings([*decided, *report.bindings], model, reasons, report.unused)


def _decided(point: int, decision: Fixed, model: Model) -> Binding | None:
    element, space = (model.current(one) if one else None for one in (decision.element, decision.space))
    place = element or space
    if place is None:
        return None
    space = space or model.space_of(place)
    return Binding(point_id=point, element=place, space=space, how=_BY_OPERATOR, confidence=1.0, detail=decision.detail)


def _reference(point: PointRow) -> PointRef:
    return PointRef(
        id=point.id,
        node=point.node,
        device=point.device,
        metric=point.metric,
        element_hint=point.element_hint,
        space_hint=point.space_hint,
        position_m=_position(point.meta),
    )


def _position(meta: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """`position_m` of a catalogue's meta, in coordinates of the model; None when it is no position."""
    try:
        return msgspec.convert(meta.get("position_m"), type=tuple[float, float, float])
    except msgspec.ValidationError:
        return None
