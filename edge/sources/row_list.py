"""Rows gathered one by one from messages, each a number or a word with a time of its own, and made into batches."""

import numpy as np

from edge.sources import Batch, SourceHealth
from edge.sources.columns import LastValues, PointList, counted, readings, states
from wire.limits import TIMESTAMP_US_MAX, TIMESTAMP_US_MIN
from wire.quality import HISTORICAL, TIME_SUSPECT
from wire.schemas import READINGS, STATES

__all__ = ["RowList"]


class RowList:
    """Rows of points of one source. What is of the past goes into batches of its own and is not remembered as last."""

    def __init__(self, points: PointList) -> None:
        self._points = points
        self._numbers: dict[bool, list[tuple[int, int, float, int]]] = {False: [], True: []}  # by "of the past"
        self._words: dict[bool, list[tuple[int, int, str, int]]] = {False: [], True: []}

    def __len__(self) -> int:
        return sum(len(part) for rows in (self._numbers, self._words) for part in rows.values())

    def add(self, point: int, at_us: int, value: float | str, quality: int = 0) -> None:
        """One row; a time that no calendar of ours has is moved to its bound and flagged."""
        if not TIMESTAMP_US_MIN <= at_us <= TIMESTAMP_US_MAX:
            at_us, quality = min(max(at_us, TIMESTAMP_US_MIN), TIMESTAMP_US_MAX), quality | TIME_SUSPECT
        past = bool(quality & HISTORICAL)
        if isinstance(value, str):
            self._words[past].append((point, at_us, value, quality))
        else:
            self._numbers[past].append((point, at_us, value, quality))

    def batches(self, last: LastValues, health: SourceHealth) -> list[Batch]:
        """The rows so far, counted as received; the list is then empty. The present is remembered in `last`."""
        found = [batch for past in (False, True) for batch in self._part(past, last, health)]
        health.received += sum(batch.rows.num_rows for batch in found)
        return found

    def _part(self, past: bool, last: LastValues, health: SourceHealth) -> list[Batch]:
        numbers, self._numbers[past] = self._numbers[past], []
        words, self._words[past] = self._words[past], []
        found = []
        if numbers:
            points, times, values, flags = zip(*numbers, strict=True)
            ids, column = np.array(points, np.uint32), np.array(values, np.float64)
            told = np.array(flags, np.uint8)
            if not past:
                good = told & ~np.uint8(TIME_SUSPECT) == 0
                last.take_values(ids[good], column[good])
            quality = told | self._points.flags(ids, column)
            found.append(counted(READINGS, readings(ids, np.array(times, np.int64), column, quality), health))
        if words:
            points, times, texts, flags = zip(*words, strict=True)
            if not past:
                good_words = [row for row in words if not row[3] & ~TIME_SUSPECT]
                last.take_texts([row[0] for row in good_words], [row[2] for row in good_words])
            rows = states(np.array(points, np.uint32), np.array(times, np.int64), texts, np.array(flags, np.uint8))
            found.append(counted(STATES, rows, health))
        return found
