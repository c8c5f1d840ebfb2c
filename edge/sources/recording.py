"""A recorded stream as columns: what every reader of recordings yields, and how its times and numbers are read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["Block", "Reader", "Rejected", "Series", "WallClock", "parse_iso", "parse_numbers", "times_us"]

BLOCK_BYTES = 1 << 20  # one block of text: some 50 ms of parsing, and the memory that a reader needs
QUARTER_US = 900_000_000  # every zone of the tz database since 1972 changes its offset on a quarter of an hour

_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?$"
_ZONE = r"(?P<zone>Z|[+-]\d{2}:?\d{2})$"
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?(?i:nan|inf|infinity)\s*$"


@dataclass(frozen=True, slots=True)
class Series:
    """One recorded quantity. `name` is the recording's own word for it; kind and unit only where the file says so."""

    name: str
    device: str = ""
    unit: str = ""
    label: str = ""
    point_class: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that could not be read, and why. `count` is how many observations it would have held, at least 1."""

    line: int
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Block:
    """Observations in file order. Row i is a number (`text[i]` null) or a text (`value[i]` NaN)."""

    series: NDArray[np.uint32]
    ts_us: NDArray[np.int64]
    value: NDArray[np.float64]
    text: pa.Array | None = None  # None: every row is a number
    quality: NDArray[np.uint8] | None = None  # what the recording itself says of each row; None: nothing
    rejected: list[Rejected] = field(default_factory=list)


class Reader(Protocol):
    """Reads one file. `series` grows while `blocks()` runs; a Block's `series` column indexes it."""

    series: list[Series]

    def blocks(self) -> Iterator[Block]:
        """The file from its start."""
        ...


def parse_numbers(texts: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Texts (n,) as numbers, NaN where there is none, and which rows are numbers ("nan" and "inf" are)."""
    try:
        return texts.cast(pa.float64()).to_numpy(zero_copy_only=False), np.ones(len(texts), dtype=np.bool_)
    except pa.ArrowInvalid:
        pass
    is_number = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), fill_value=False)
    plain = pc.if_else(is_number, pc.utf8_trim_whitespace(texts), pa.scalar(None, pa.string()))
    return pc.fill_null(plain.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False), _mask(is_number)


def parse_iso(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """ISO 8601 texts (n,) as µs since 1970, finer digits cut off; which rows could be read; which name their zone.

    A row without a zone is read as if it were UTC.
    """
    legal = pc.fill_null(pc.match_substring_regex(texts, _ISO), fill_value=False)
    zones = pc.struct_field(pc.extract_regex(pc.if_else(legal, texts, ""), _ZONE), "zone")
    zoned = _mask(pc.is_valid(zones))
    local = pc.replace_substring_regex(texts, r"(Z|[+-]\d{2}:?\d{2})$", "")
    local = pc.if_else(legal, local, pa.scalar(None, pa.string()))
    local = pc.replace_substring_regex(local, r"^(\d{4}-\d{2}-\d{2})[+-].*$", r"\1")
    whole = pc.replace_substring_regex(local, r"[.,]\d+$", "")
    digits = pc.struct_field(pc.extract_regex(local, r"[.,](?P<f>\d+)$"), "f")
    try:
        seconds = whole.cast(pa.timestamp("s")).cast(pa.int64())
    except pa.ArrowInvalid:  # a month 13 somewhere: one by one
        seconds = pa.array([_seconds(text) for text in whole.to_pylist()], pa.int64())
    readable = _mask(pc.is_valid(seconds))
    ts_us = times_us(seconds, digits) - _offsets_us(zones, zoned)
    return ts_us, readable, zoned


def times_us(seconds: pa.Array, digits: pa.Array) -> NDArray[np.int64]:
    """Whole seconds (n,) and the decimal digits after them as µs; finer digits are cut off, null counts as 0."""
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.fill_null(digits, ""), 6, "0"), 0, 6).cast(pa.int64())
    whole = pc.fill_null(seconds, 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    total: NDArray[np.int64] = whole * 1_000_000 + fraction.to_numpy(zero_copy_only=False)
    return total


def _seconds(text: str | None) -> int | None:
    try:
        return None if text is None else int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _offsets_us(zones: pa.Array, zoned: NDArray[np.bool_]) -> NDArray[np.int64]:
    offsets = np.zeros(len(zones), dtype=np.int64)
    for zone in pc.unique(zones).to_pylist():
        if zone not in {None, "Z"}:
            minutes = int(zone[1:3]) * 60 + int(zone[-2:])
            rows = _mask(pc.fill_null(pc.equal(zones, zone), fill_value=False)) & zoned
            offsets[rows] = (-1 if zone[0] == "-" else 1) * minutes * 60_000_000
    return offsets


def _mask(column: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = column.to_numpy(zero_copy_only=False).astype(np.bool_)
    return mask


class WallClock:
    """Turns times by the wall clock of a zone into UTC, rows in file order.

    An hour that the clock showed twice: the first showing, until the recording itself steps back, then the second.
    An hour that never was (spring): read with the offset before the change, and marked as suspect.
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._last_us = -(2**62)  # the latest wall time seen, for the step back between two blocks
        self._second = False

    def to_utc(self, wall_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """UTC of wall times (n,) in µs, and which of them never were."""
        quarters, place = np.unique(wall_us // QUARTER_US, return_inverse=True)
        table = np.array([self._offsets_us(int(quarter) * QUARTER_US) for quarter in quarters], np.int64).reshape(-1, 2)
        first, second = table[place, 0], table[place, 1]
        twice, never = first > second, first < second
        return wall_us - np.where(twice & self._is_second(wall_us, twice), second, first), never

    def _offsets_us(self, wall_us: int) -> tuple[int, int]:
        wall = datetime(1970, 1, 1, tzinfo=self._zone) + timedelta(microseconds=wall_us)
        offsets = (wall.utcoffset(), wall.replace(fold=1).utcoffset())
        first, second = (round((offset or timedelta()).total_seconds() * 1e6) for offset in offsets)
        return first, second

    def _is_second(self, wall_us: NDArray[np.int64], twice: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows of a repeated hour that stand after the recording's step back within that hour."""
        before = np.concatenate(([self._last_us], wall_us[:-1]))
        back = twice & (wall_us < before) & (before - wall_us <= 2 * 3_600_000_000)
        left = ~twice
        event = np.where(back, 1, np.where(left, 0, -1))
        known = np.maximum.accumulate(np.where(event >= 0, np.arange(len(event)), -1))
        second = np.where(known >= 0, event[known] == 1, self._second)
        if len(wall_us):
            self._last_us, self._second = int(wall_us[-1]), bool(second[-1])
        return second
