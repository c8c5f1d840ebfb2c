"""Flood: readings as fast as the spool takes them, for `aid4 bench spine`. A source like any other, found by the
entry point `aid4.sources`, as one from outside would be.

[[source]]
kind = "flood"
name = "flood"
points = 1000
rows = 20000
"""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from edge.sources import Batch, SourceConfig, SourceContext, SourceHealth, SourceKind
from wire.catalogue import Point
from wire.schemas import READINGS, schema

__all__ = ["SOURCE", "Flood", "FloodConfig"]

_TS = pa.timestamp("us", tz="UTC")
_WALKS = 8  # different blocks of values, so that no two neighbouring batches are alike


class FloodConfig(SourceConfig, tag="flood"):
    """`points` take turns; a batch has `rows` readings `step_us` apart; `readings` ends the flood (0: never).

    With `per_s` it is no flood: so many readings a second, each with the time at which it is given.
    """

    points: int = 1_000
    rows: int = 20_000
    readings: int = 0
    seed: int = 7
    step_us: int = 1
    per_s: float = 0.0
    waits: bool = True  # while the twin is behind


class Flood:
    """Random walks with two decimals on many points."""

    def __init__(self, config: FloodConfig, context: SourceContext) -> None:
        self._config, self._clock = config, context.clock
        self.can_wait = config.waits  # like a recording at full speed: it loses nothing by waiting for the twin
        names = [(f"{config.name}-{i // 100}", f"m{i % 100}") for i in range(config.points)]
        self._points = [Point(id=i, device=device, metric=metric) for i, (device, metric) in enumerate(names)]
        self.health = SourceHealth()
        rng = np.random.default_rng(config.seed)
        steps = rng.normal(scale=0.1, size=(_WALKS, config.rows)).cumsum(axis=1)
        self._values = [pa.array(np.round(20 + walk, 2)) for walk in steps]
        self._point = pa.array((np.arange(config.rows) % config.points).astype(np.uint32))
        self._quality = pa.array(np.zeros(config.rows, np.uint8))

    async def __aenter__(self) -> Self:
        self.health.state = "running"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.health.state = "ended"

    def points(self) -> list[Point]:
        """All points, known from the start."""
        return self._points

    async def batches(self) -> AsyncIterator[Batch]:
        """One batch after the other; back-pressure sets the pace."""
        rows, start_us, sent = self._config.rows, self._clock.wall_us(), 0
        ramp = np.arange(rows, dtype=np.int64) * self._config.step_us
        while not self._config.readings or sent < self._config.readings:
            if self._config.per_s:
                await asyncio.sleep(rows / self._config.per_s)
                start_us = self._clock.wall_us() - sent * self._config.step_us
            ts = pa.array(start_us + sent * self._config.step_us + ramp).view(_TS)
            value = self._values[sent // rows % _WALKS]
            columns = [self._point, ts, value, self._quality]
            self.health.received += rows
            self.health.sent += rows
            sent += rows
            yield Batch(READINGS, pa.RecordBatch.from_arrays(columns, schema=schema(READINGS)))

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Nothing can be written to a flood."""


SOURCE = SourceKind(FloodConfig, Flood)
