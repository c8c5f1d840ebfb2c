"""Points written as text: so many numbers a line, for PLY and PCD."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from drone_ingest.clouds.columns import rows_at_once
from drone_ingest.damage import Notes

__all__ = ["text_rows"]

_LINES_AT_ONCE = 100_000
_LINE_BYTES_MAX = 65_536


def text_rows(
    file: BinaryIO, dtype: np.dtype[Any], points: int, line: int, notes: Notes, chunk_points: int
) -> Iterator[NDArray[Any]]:
    """Rows of `dtype` from the lines behind `line`; a line that is no point is reported and left out."""
    names = dtype.names or ()
    left = points
    while left:
        lines: list[bytes] = []
        while len(lines) < min(left, rows_at_once(chunk_points, 8 * len(names)), _LINES_AT_ONCE) and (
            text := file.readline(_LINE_BYTES_MAX)
        ):
            lines.append(text)
        if not lines:
            notes.damage(line + 1, "line", "the points are cut", left)
            return
        numbers = _numbers(lines, len(names), line, notes)
        rows = np.zeros(len(numbers), dtype)
        for column, name in enumerate(names):
            rows[name] = _fitting(numbers[:, column], dtype[name])
        yield rows
        line += len(lines)
        left -= len(lines)


def _numbers(lines: list[bytes], width: int, line: int, notes: Notes) -> NDArray[np.float64]:
    try:
        flat = np.array(b" ".join(lines).split(), np.float64)
        if len(flat) == width * len(lines):
            return flat.reshape(-1, width)
    except ValueError:
        pass  # one of them is no number: line by line
    rows = []
    for number, text in enumerate(lines, line + 1):
        try:
            row = [float(word) for word in text.split()]
        except ValueError:
            row = []
        if len(row) == width:
            rows.append(row)
        else:
            notes.damage(number, "line", "a line that is no point")
    return np.array(rows, np.float64).reshape(-1, width)


def _fitting(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.clip(np.nan_to_num(values), info.min, info.max).astype(dtype)
    with np.errstate(over="ignore"):
        return values.astype(dtype)
