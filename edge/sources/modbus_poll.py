"""The rows of one poll: what was answered, and what has to be repeated with a flag."""

import numpy as np
from numpy.typing import NDArray

from edge.sources import Batch, SourceHealth
from edge.sources.columns import LastValues, PointList, counted, readings, states
from wire.quality import BAD
from wire.schemas import READINGS, STATES

__all__ = ["Poll"]


class Poll:
    """The rows of one poll."""

    def __init__(self, points: PointList) -> None:
        self._points = points
        self._ids: list[int] = []
        self._values: list[NDArray[np.float64]] = []
        self._times: list[int] = []
        self._flags: list[int] = []
        self._texts: list[tuple[int, int, str, int]] = []

    def take(self, ids: list[int], values: NDArray[np.float64], at_us: int, quality: int = 0) -> None:
        """Numbers of one block."""
        self._ids += ids
        self._values.append(values)
        self._times += [at_us] * len(ids)
        self._flags += [quality] * len(ids)

    def take_texts(self, ids: list[int], texts: list[str | None], at_us: int, quality: int = 0) -> None:
        """Words of one block; one that the device does not have is bad and empty."""
        for point, text in zip(ids, texts, strict=True):
            self._texts.append((point, at_us, text or "", quality if text is not None else quality | BAD))

    def repeat(self, last: LastValues, ids: list[int], quality: int, at_us: int) -> None:
        """The last values of points that could not be read, flagged."""
        numbers = [point for point in ids if self._points.points[point].kind == "value"]
        values = last.values(numbers)
        self.take(numbers, values, at_us, quality)
        words = [point for point in ids if self._points.points[point].kind == "state"]
        self.take_texts(words, [last.text(point) for point in words], at_us, quality)

    def batches(self, last: LastValues, health: SourceHealth) -> list[Batch]:
        """The rows as batches; what is good is remembered."""
        batches = []
        if self._ids:
            ids, values = np.array(self._ids, dtype=np.uint32), np.concatenate(self._values)
            told = np.array(self._flags, dtype=np.uint8)
            last.take_values(ids[told == 0], values[told == 0])
            quality = told | self._points.flags(ids, values)
            batches.append(counted(READINGS, readings(ids, np.array(self._times), values, quality), health))
        if self._texts:
            points, times, texts, flags = zip(*self._texts, strict=True)
            good = [row for row in self._texts if not row[3]]
            last.take_texts([row[0] for row in good], [row[2] for row in good])
            quality = np.array(flags, dtype=np.uint8)
            rows = states(np.array(points, dtype=np.uint32), np.array(times), texts, quality)
            batches.append(counted(STATES, rows, health))
        health.received += sum(batch.rows.num_rows for batch in batches)
        return batches
