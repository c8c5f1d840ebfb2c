"""The node's catalogue: which final id a source's own point has. Ids are never reused within an epoch.

It travels as one record. A point that would not fit any more is refused when it is met, while the rest goes on.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from wire.catalogue import Point, to_batch
from wire.errors import ConfigError, RecordError
from wire.limits import CATALOGUE_POINTS_MAX, RECORD_BYTES_MAX, RECORD_RAW_BYTES_MAX, RECORD_ROWS_MAX
from wire.records import ARROW_ZSTD, CLASS_CONTROL, HEADER_BYTES, Stamp, pack
from wire.schemas import CATALOGUE

__all__ = ["NodeCatalogue", "pack_catalogue"]

POINTS_MAX: Final = min(CATALOGUE_POINTS_MAX, RECORD_ROWS_MAX)
POINT_BYTES: Final = 72  # of a point in a record body, without its texts
BODY_BYTES: Final = 8_192  # of a record body without points
ROOM_BYTES_MIN: Final = 262_144  # so little room, for 1,500 points, is not worth another look
LARGE_BYTES: Final = 600_000
DENSE_LEVEL: Final = 19  # 50,000 points: 460 KB after a second, not 1.3 MB at once


def pack_catalogue(points: list[Point], stamp: Stamp, seq: int) -> bytes:
    """The catalogue as one record, compressed hard when it is large; RecordError("size") when that is not enough."""
    batch = to_batch(points)
    try:
        record = pack(batch, schema_id=CATALOGUE, stamp=stamp, seq=seq, codec=ARROW_ZSTD)
    except RecordError as error:
        if error.reason != "size":
            raise
    else:
        if len(record) < LARGE_BYTES:
            return record
    return pack(batch, schema_id=CATALOGUE, stamp=stamp, seq=seq, codec=ARROW_ZSTD, level=DENSE_LEVEL)


class NodeCatalogue:
    """Grows as sources declare points. Two sources that name the same `device/metric` share its id."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed  # of a simulated run: its seconds are shorter than those that sources wait
        self.points: list[Point] = []
        self.changed = False  # since the last catalogue record
        self.redefined: dict[int, Point] = {}  # known points with another definition, until `redefine`
        self._by_key: dict[str, int] = {}
        self._ids: dict[str, NDArray[np.uint32]] = {}
        self._limits: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self.has_limits = False
        self._raw_bytes = BODY_BYTES
        self._room_bytes = RECORD_BYTES_MAX - HEADER_BYTES - BODY_BYTES  # fits even if nothing compresses
        self._is_full = False

    def learn(self, source: str, points: Sequence[Point]) -> NDArray[np.uint32]:
        """Final ids of a source's points, in its own order; new ones are added. ConfigError when they do not fit."""
        ids = self._ids.get(source)
        if ids is not None and len(ids) == len(points):
            return ids
        known = 0 if ids is None else len(ids)
        fresh = np.fromiter((self._place(point) for point in points[known:]), np.uint32, len(points) - known)
        self._ids[source] = fresh if ids is None else np.concatenate([ids, fresh])
        return self._ids[source]

    def redefine(self) -> None:
        """Take over the new definitions of known points; all that was measured before must be on its way."""
        for at, point in self.redefined.items():
            self._set(at, point)
        self.redefined.clear()

    def forget(self, source: str) -> None:
        """A source starts anew and may number its points differently; their final ids stay."""
        self._ids.pop(source, None)

    def limits(self, ids: NDArray[np.uint32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper limits of points, NaN where there is none."""
        if self._limits is None:
            low = np.array([np.nan if p.low is None else p.low for p in self.points])
            high = np.array([np.nan if p.high is None else p.high for p in self.points])
            self._limits = low, high
        return self._limits[0][ids], self._limits[1][ids]

    def find(self, key: str) -> Point | None:
        """The point `device/metric`."""
        at = self._by_key.get(key)
        return None if at is None else self.points[at]

    def _place(self, point: Point) -> int:
        if self._speed != 1.0 and point.period_s is not None:
            point = msgspec.structs.replace(point, period_s=point.period_s * self._speed)
        at = self._by_key.get(point.key)
        if at is None:
            at = len(self.points)
            self._admit(point)
            self._by_key[point.key] = at
            self.points.append(point)
            self._set(at, msgspec.structs.replace(point, id=at))
        elif msgspec.structs.replace(point, id=at) != self.points[at]:
            self.redefined[at] = msgspec.structs.replace(point, id=at)
        return at

    def _set(self, at: int, point: Point) -> None:
        self.points[at] = point
        self.changed, self._limits = True, None
        self.has_limits = self.has_limits or point.low is not None or point.high is not None

    def _admit(self, point: Point) -> None:
        """Take a new point's bytes from the room; when none is left, look how much the points so far compress to."""
        size = _raw_bytes(point)
        if self._room_bytes < size and not self._is_full:
            self._room_bytes = self._room()
            self._is_full = self._room_bytes < ROOM_BYTES_MIN
        self._is_full |= self._raw_bytes + size > RECORD_RAW_BYTES_MAX
        if self._is_full or len(self.points) >= POINTS_MAX:
            fix = "split the sources over several nodes, or shorten labels and hints"
            raise ConfigError(f"the catalogue of a node is one record, and {len(self.points)} points fill it", fix=fix)
        self._raw_bytes += size
        self._room_bytes -= size

    def _room(self) -> int:
        """Bytes, not compressed, that more points may have, when they compress half as well as those so far."""
        packed = len(pack_catalogue(self.points, Stamp(bytes(16), 1, 0, 0, 0, CLASS_CONTROL), 1))
        return (RECORD_BYTES_MAX - packed) * self._raw_bytes // (2 * packed)


def _raw_bytes(point: Point) -> int:
    """Bytes of a point in a record body, at most."""
    texts = (
        point.device, point.metric, point.kind, point.unit, point.point_class, point.declared, point.element_hint,
        point.space_hint, point.label,
    )  # fmt: skip
    return POINT_BYTES + len("".join(texts).encode()) + (len(msgspec.json.encode(point.meta)) if point.meta else 0)
