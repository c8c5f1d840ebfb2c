"""Devices as commissioning sees them: the points of one node and name, where they stand, and how far they are."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from twin.commissioning.book import CommissioningBook
from twin.directory import Directory, PointView
from twin.errors import NotFoundError
from twin.model import Model

__all__ = ["DeviceProgress", "Place", "devices_of", "find_device", "label_of", "place_of", "progress_of"]


class Place(msgspec.Struct, frozen=True):
    """Where a device stands: GlobalIds, and names for people."""

    element: str | None = None
    space: str | None = None
    space_name: str = ""
    storey: str | None = None
    storey_name: str = ""


class DeviceProgress(msgspec.Struct, frozen=True):
    """One device: how many of its points are verified, found wrong, or not looked at."""

    id: str  # node/device
    node: str
    device: str
    label: str
    place: Place
    points: int
    verified: int
    wrong: int
    lifecycle: str

    @property
    def is_done(self) -> bool:
        """Whether every point is verified."""
        return self.verified == self.points


def devices_of(directory: Directory) -> dict[str, list[PointView]]:
    """The points that a person can verify, by `node/device`, devices in order of their name."""
    found: defaultdict[str, list[PointView]] = defaultdict(list)
    for view in directory.views:
        if view.kind != "pose":
            found[f"{view.node}/{view.device}"].append(view)
    return {name: found[name] for name in sorted(found, key=lambda name: (name.partition("/")[2], name))}


def find_device(directory: Directory, name: str) -> tuple[str, list[PointView]]:
    """`node/device`, or a device's name that only one node has, with its points; NotFound with the way out."""
    devices = devices_of(directory)
    if name in devices:
        return name, devices[name]
    named = [one for one in devices if one.partition("/")[2] == name]
    if len(named) == 1:
        return named[0], devices[named[0]]
    problem = f"several gateways have a device {name[:80]!r}" if named else f"no device {name[:80]!r}"
    fix = f"write {' or '.join(named[:5])}" if named else "GET /api/v1/commissioning lists them"
    raise NotFoundError(problem, field="device", fix=fix)


def place_of(views: Iterable[PointView], model: Model) -> Place:
    """Where most of the points of a device are bound: its element, space and storey."""
    bound = [view for view in views if view.element or view.space]
    if not bound:
        return Place()
    (element, space), _ = Counter((view.element, view.space) for view in bound).most_common(1)[0]
    space = space or (model.space_of(element) if element else None)
    storey = model.storey_of(element or space or "")
    return Place(element, space, _name(model, space), storey, _name(model, storey))


def progress_of(
    name: str, views: list[PointView], book: CommissioningBook, model: Model, lifecycle: str
) -> DeviceProgress:
    """How far a device is."""
    found = [book.of(view.id) for view in views]
    verdicts = Counter(one.verdict for one in found if one is not None)
    node, _, device = name.partition("/")
    return DeviceProgress(
        name,
        node,
        device,
        label_of(views),
        place_of(views, model),
        len(views),
        verdicts["ok"],
        verdicts["wrong"],
        lifecycle,
    )


def label_of(views: list[PointView]) -> str:
    """What the labels of its points have in common (`Meter 1: power`), else the device's name."""
    heads = Counter(view.label.partition(":")[0].strip() for view in views if ":" in view.label)
    return heads.most_common(1)[0][0] if heads else views[0].device


def _name(model: Model, element: str | None) -> str:
    row = model.row(element) if element else None
    if row is None:
        return ""
    return str(row["long_name"] or row["name"])
