"""Which past a starting park gets, and the child that makes it once the first live value is shown."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from aid4.park_config import Layout, ParkOptions
from aid4.past_order import Order, read_order, write_order
from aid4.processes import run_once

__all__ = ["PAST_DAYS", "ParkPast"]

PAST_DAYS = 3.0  # what detectors learn from, and yesterday with the day before to compare with
_POLL_S = 0.1


class ParkPast:
    """Made before the twin starts, since a twin that has readings keeps the past that it has."""

    def __init__(self, options: ParkOptions, layout: Layout, nodes: Sequence[str]) -> None:
        self._options, self._layout, self._nodes = options, layout, nodes
        self._file = layout.root / "past.json"
        self._order = read_order(self._file)
        self._is_new = options.past_days > 0 and options.sim and not any(layout.twin.iterdir())

    @property
    def wanted(self) -> bool:
        """Whether there is a past to make, or to finish."""
        return self._options.sim and (self._is_new if self._order is None else not self._order.done)

    async def make(self) -> float:
        """Make it and lay it out for the agents; returns how many days it has."""
        while not self._layout.ports.exists():  # noqa: ASYNC110 - another process writes it, maybe after a first value
            await asyncio.sleep(_POLL_S)
        order = self._order or self._fresh()
        if self._order is None:
            write_order(self._file, order)
        await run_once([sys.executable, "-m", "aid4.past", str(self._file.resolve())], self._layout.log / "past.log")
        return order.days

    def _fresh(self) -> Order:
        options, layout = self._options, self._layout
        start_us = msgspec.json.decode(layout.ports.read_bytes(), type=_Started).start_us
        spools = {node: str(layout.agent(node).spool.resolve()) for node in self._nodes}
        return Order(str(Path(options.site).resolve()), options.seed, options.past_days, start_us, spools)


class _Started(msgspec.Struct):
    """What the ports file of the simulated devices says of their beginning."""

    start_us: int
