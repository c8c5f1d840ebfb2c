"""Recorded tables with a time column, for the CSV and Parquet readers: finding and reading the times, wide rows."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from edge.sources.recording import Block, Rejected, WallClock, parse_iso, parse_numbers, times_us
from wire.errors import InputError
from wire.quality import TIME_SUSPECT

__all__ = ["TimeColumn", "epoch_us_of", "find_time_column", "kept_columns", "wide_block"]

TIME_FORMATS = (
    "iso", "epoch", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
    "%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%Y%m%d%H%M%S", "%m/%d/%Y", "%d.%m.%Y",
)  # fmt: skip
EPOCH_UNITS_US = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (1e8, 1e6))  # from this magnitude on, one count is so many µs

_TIME_NAME = re.compile(r"(?i)^\W*(date ?_?time|time ?_?stamp|time|date|ts|utc|zeit|čas|t)\b")


def find_time_column(names: Sequence[str], wanted: str, file: str) -> int:
    """Index of the time column: the one that the config names, else the first that is called like one, else 0."""
    if wanted:
        if wanted not in names:
            known = ", ".join(names[:8])
            raise InputError(f"no column {wanted!r}", file=file, field="time_column", fix=f"use one of: {known}")
        return list(names).index(wanted)
    return next((at for at, name in enumerate(names) if _TIME_NAME.match(name)), 0)


def kept_columns(names: Sequence[str], time_at: int, ignore: Sequence[str], *, ignore_last: bool) -> list[int]:
    """Indices of the columns that hold observations. `ignore` are globs over the names as written."""
    last = len(names) - 1 if ignore_last else len(names)
    left_out = {at for at, name in enumerate(names) if any(fnmatchcase(name.strip(), glob) for glob in ignore)}
    return [at for at in range(len(names)) if at != time_at and at != last and at not in left_out]


class TimeColumn:
    """Turns a column of times into µs since 1970; finds out the format from the first block it is given."""

    def __init__(self, file: str, time_format: str = "auto", zone: str = "UTC") -> None:
        self._file, self._format, self._wall = file, time_format, WallClock(zone)

    def read(self, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Times (n,) in µs UTC; which could be read; which fall into a local hour that never was."""
        if pa.types.is_timestamp(column.type):
            return self._arrow(column)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            column = column.cast(pa.string())
        column = pc.utf8_trim_whitespace(pc.fill_null(column.cast(pa.string()), ""))
        if self._format == "auto":
            self._format = self._find_format(column)
        parsed_us, readable, absolute = _parse(column, self._format)
        local_us, never = self._wall.to_utc(parsed_us)
        return np.where(absolute, parsed_us, local_us), readable, never & ~absolute

    def _arrow(self, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        readable = column.is_valid().to_numpy(zero_copy_only=False)
        counts = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        unit = column.type.unit
        stored_us = counts // 1000 if unit == "ns" else counts * {"us": 1, "ms": 1_000, "s": 1_000_000}[unit]
        if column.type.tz is not None:
            return stored_us, readable, np.zeros(len(column), dtype=np.bool_)
        local_us, never = self._wall.to_utc(stored_us)
        return local_us, readable, never

    def _find_format(self, column: pa.Array) -> str:
        """The format that reads most rows; among equals the one whose times run forward; else a person must say."""
        scores = []
        for name in TIME_FORMATS:
            parsed_us, readable, _ = _parse(column, name)
            steps_back = int((np.diff(parsed_us[readable]) < 0).sum())
            scores.append((int(readable.sum()), -steps_back, name, parsed_us))
        best = max(score[:2] for score in scores)
        names = [score[2] for score in scores if score[:2] == best]
        if best[0] * 2 <= len(column):
            raise InputError(
                f"cannot read the times, such as {column[0].as_py()!r}", file=self._file, field="time_format",
                fix="set time_format, e.g. \"%d.%m.%Y %H:%M\", or time_column",
            )  # fmt: skip
        first, *others = [score[3] for score in scores if score[:2] == best]
        if any(not np.array_equal(first, other) for other in others):
            raise InputError(
                f"the times, such as {column[0].as_py()!r}, can be read as {' or '.join(names)}", file=self._file,
                field="time_format", fix=f'set time_format = "{names[0]}"',
            )  # fmt: skip
        return names[0]


def _parse(column: pa.Array, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Times in µs; which could be read; which are absolute, not by a wall clock."""
    if name == "iso":
        return parse_iso(column)
    if name == "epoch":
        return _parse_epoch(column)
    digits = pc.struct_field(pc.extract_regex(column, r":\d{2}[.,](?P<f>\d+)(?: |$)"), "f")
    whole = pc.replace_substring_regex(column, r"(:\d{2})[.,]\d+", r"\1")
    seconds = pc.strptime(whole, format=name, unit="s", error_is_null=True).cast(pa.int64())
    readable = pc.is_valid(seconds).to_numpy(zero_copy_only=False)
    return times_us(seconds, digits), readable, np.zeros(len(column), dtype=np.bool_)


def _parse_epoch(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    epoch_us, readable = epoch_us_of(parse_numbers(column)[0])
    return epoch_us, readable, np.ones(len(column), dtype=np.bool_)


def epoch_us_of(counts: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers since 1970 (n,) in µs, by their magnitude counted in s, ms, µs or ns; which could be read."""
    size = np.abs(np.nan_to_num(counts, nan=0.0, posinf=0.0, neginf=0.0))
    factor = np.select([size >= floor for floor, _ in EPOCH_UNITS_US], [unit for _, unit in EPOCH_UNITS_US], 0.0)
    readable = (factor > 0) & (size < 1e19)
    epoch_us = np.rint(np.where(readable, counts, 0.0) * factor).astype(np.int64)
    return epoch_us, readable


def wide_block(
    times: tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]],
    columns: list[pa.Array],
    first_line: int,
    *,
    keep_empty: bool,
    rejected: list[Rejected],
) -> Block:
    """One observation a cell, row by row; column j is series j. A row without a time is rejected whole."""
    ts_us, readable, never = times
    rejected += [Rejected(first_line + int(at), "no readable time", len(columns)) for at in np.flatnonzero(~readable)]
    numbers = np.empty((len(ts_us), len(columns)), dtype=np.float64)
    texts = np.full(numbers.shape, None, dtype=object)
    kept = np.repeat(readable[:, None], len(columns), axis=1)
    for at, column in enumerate(columns):
        numbers[:, at], empty = _cells(column, texts[:, at])
        if not keep_empty:
            kept[:, at] &= ~empty
    flat = kept.ravel()
    series = np.tile(np.arange(len(columns), dtype=np.uint32), len(ts_us))[flat]
    words = texts.ravel()[flat]
    text = pa.array(words, pa.string()) if any(word is not None for word in words) else None
    quality = np.repeat(never.astype(np.uint8) * np.uint8(TIME_SUSPECT), len(columns))[flat]
    return Block(series, np.repeat(ts_us, len(columns))[flat], numbers.ravel()[flat], text, quality, rejected)


def _cells(column: pa.Array, texts: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A column's numbers (NaN where there is none) and empty cells; words go to `texts`."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        empty = column.is_null().to_numpy(zero_copy_only=False)
        column = column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column
        return pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")).to_numpy(zero_copy_only=False), empty
    column = pc.fill_null(column.cast(pa.string()), "")
    values, is_number = parse_numbers(column)
    if is_number.all():
        return values, np.zeros(len(column), dtype=np.bool_)
    empty = pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False)
    words = ~is_number & ~empty
    if words.any() and not is_number.any():
        words = ~is_number  # a column of words: an empty cell is an empty word
    texts[words] = column.filter(pa.array(words)).to_pylist()
    return values, empty
