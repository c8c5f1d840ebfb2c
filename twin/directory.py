"""The directory of points as the API shows it: catalogue, binding and limits joined, and searched."""

import functools
from collections.abc import Iterable, Mapping

import msgspec

from bim.brick.tags import tags_of
from twin.bindings import Binding, Bindings
from twin.points import PointRow
from wire.point_classes import POINT_CLASSES

__all__ = ["BindingView", "Directory", "Limits", "PointView"]


_BRICK_CHARS = 100


class Limits(msgspec.Struct, frozen=True):
    """An operator's own limits of one point, in the point's unit; they replace those of the catalogue."""

    low: float | None = None
    high: float | None = None


class BindingView(msgspec.Struct, frozen=True):
    """How a point's place was found."""

    how: str
    confidence: float
    detail: str


class PointView(msgspec.Struct, frozen=True):
    """One point, as GET /points shows it."""

    id: int
    key: str
    node: str
    device: str
    metric: str
    label: str
    kind: str
    unit: str
    point_class: str
    low: float | None
    high: float | None
    writable: bool
    period_s: float | None
    element: str | None
    space: str | None
    binding: BindingView | None
    lifecycle: str = "commissioned"
    brick: str = ""  # Brick class of the point
    tags: list[str] = []  # of that class


class Directory:
    """All points of one moment, by ascending id. Immutable; made anew when one of its sources changes."""

    def __init__(self, points: Iterable[PointRow], bindings: Bindings, limits: Mapping[str, Limits]) -> None:
        rows = sorted(points, key=lambda point: point.id)
        self.views = [_view(point, bindings.by_point.get(point.id), limits.get(point.key)) for point in rows]
        self.by_id = {view.id: view for view in self.views}
        self.by_key = {view.key: view for view in self.views}
        self._bindings = bindings

    def find(self, name: str) -> PointView | None:
        """A point by its id or its key."""
        if name.isascii() and name.isdigit():
            return self.by_id.get(int(name)) if len(name) < 12 else None
        return self.by_key.get(name)

    def select(self, *, element: str = "", device: str = "", words: str = "") -> list[PointView]:
        """Points under an element or space, of a device (`device` or `node/device`), whose text has all words."""
        views = self.views
        if element:
            views = [self.by_id[i] for i in self._bindings.points_under(element) if i in self.by_id]
        if device:
            node, _, name = device.rpartition("/")
            views = [v for v in views if v.device == name and (not node or v.node == node)]
        for word in words.lower().split():
            views = [v for v in views if word in self._texts[v.id]]
        return views

    @functools.cached_property
    def _texts(self) -> dict[int, str]:
        return {
            v.id: f"{v.key} {v.label} {v.point_class} {v.element or ''} {v.space or ''}".lower() for v in self.views
        }


def _brick(point: PointRow) -> str:
    """What the catalogue says, else the class of the quantity."""
    stated, rule = point.meta.get("brick"), POINT_CLASSES.get(point.point_class)
    return stated[:_BRICK_CHARS] if isinstance(stated, str) and stated else rule.brick if rule else ""


def _view(point: PointRow, binding: Binding | None, limits: Limits | None) -> PointView:
    return PointView(
        id=point.id,
        key=point.key,
        node=point.node,
        device=point.device,
        metric=point.metric,
        label=point.label,
        kind=point.kind,
        unit=point.unit,
        point_class=point.point_class,
        low=limits.low if limits else point.low,
        high=limits.high if limits else point.high,
        writable=point.writable,
        period_s=point.period_s,
        element=binding.element if binding else None,
        space=binding.space if binding else None,
        binding=BindingView(binding.how, binding.confidence, binding.detail) if binding else None,
        brick=_brick(point),
        tags=tags_of(_brick(point)),
    )
