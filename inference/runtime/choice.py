"""Which points are scored, and as what: the same rule on a gateway and in the twin."""

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Final, Protocol

from inference.runtime.settings import Stream
from inference.runtime.worth import SCORE_CLASS

__all__ = ["PointLike", "stream_of"]

_NEVER: Final = frozenset(  # what is derived from scored points would ring a second time
    {SCORE_CLASS, "wind_direction", "position", "status", "mode", "latitude", "longitude", "derived"}
)
_SET_BY_PEOPLE: Final = ("_setpoint",)  # what somebody writes is no anomaly
_COUNTERS: Final = frozenset({"energy", "volume", "count", "runtime", "mass"})


class PointLike(Protocol):
    """A point as a catalogue tells it."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def device(self) -> str:
        """Its device."""
        ...

    @property
    def metric(self) -> str:
        """Its name on the device."""
        ...

    @property
    def kind(self) -> str:
        """value, state or pose."""
        ...

    @property
    def point_class(self) -> str:
        """What it measures."""
        ...

    @property
    def writable(self) -> bool:
        """Whether people or programs set it."""
        ...

    @property
    def period_s(self) -> float | None:
        """How often it reports; None: by exception."""
        ...


def stream_of(
    point: PointLike, node: str, *, classes_off: Collection[str] = (), points_off: Collection[str] = ()
) -> Stream | None:
    """How a point is scored; None when it is not: texts, directions, setpoints, scores, and what is switched off."""
    key, own = f"{node}/{point.device}/{point.metric}", point.point_class
    if point.kind != "value" or own in _NEVER or own in classes_off or own.endswith(_SET_BY_PEOPLE):
        return None
    if any(fnmatchcase(key, glob) for glob in points_off):
        return None
    return Stream(
        id=point.id, key=key, asset=f"{node}/{point.device}", period_s=point.period_s, point_class=own,
        counts=own in _COUNTERS, alarms=not point.writable,
    )  # fmt: skip
