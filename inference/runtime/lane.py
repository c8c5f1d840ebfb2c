"""The streams of one row length: what makes their rows, what scores them, and where they stand in the scorer."""

from collections.abc import Sequence

import numpy as np

from inference.runtime.keeping import grown
from inference.runtime.online import OnlineGroup
from inference.runtime.rows import RowMaker
from inference.runtime.settings import Settings, Stream

__all__ = ["Lane"]


class Lane:
    """Stream k of the group is the scorer's `slots[k]`."""

    def __init__(self, row_s: float, settings: Settings) -> None:
        self.group = OnlineGroup(row_s, settings)
        self.maker = RowMaker(row_s, [])
        self.slots = np.zeros(0, np.intp)

    def add(self, streams: Sequence[Stream], slots: Sequence[int]) -> None:
        """Take streams in, with their slots."""
        before = len(self.slots)
        self.group.add(streams)
        maker = RowMaker(self.group.row_s, [one.period_s for one in self.group.streams])
        grown(self.maker, maker, before)
        maker.row, self.maker = self.maker.row, maker
        self.group.heard_us = maker.heard_us
        self.slots = np.concatenate([self.slots, np.array(slots, np.intp)])
