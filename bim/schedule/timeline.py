"""When things start and finish by one date set, as arrays, and their state at any moment. Pure.

`not_started` before the start, `finished` from the finish on, `in_progress` between; what has no dates is `unknown`.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bim.schedule.work_calendar import Seconds, seconds

__all__ = ["FINISHED", "IN_PROGRESS", "NEVER", "NOT_STARTED", "STATES", "UNKNOWN", "Codes", "Timeline", "names_of"]

Codes = npt.NDArray[np.int8]
NOT_STARTED, IN_PROGRESS, FINISHED, UNKNOWN = 0, 1, 2, 3
STATES = ("not_started", "in_progress", "finished", "unknown")  # by code
NEVER = np.int64(2**62)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Wall-clock seconds of start and finish, NEVER where it has not come; `known` where the dates say anything."""

    start: Seconds
    finish: Seconds
    known: npt.NDArray[np.bool_]

    def at(self, moment: datetime) -> Codes:
        """State codes of all rows at one moment."""
        now = seconds(moment)
        state = (self.start <= now).astype(np.int8)
        state += self.finish <= now
        state[~self.known] = UNKNOWN
        return state

    def by_group(
        self, members: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], *, all_needed: bool = False
    ) -> "Timeline":
        """One row a group: it starts with its first member and finishes with its last. Group g holds the rows
        `members[offsets[g] : offsets[g + 1]]` that are known; one without any is unknown. With `all_needed` a group
        with a member that is not known never finishes: of what was reported of some nothing follows for all."""
        groups = len(offsets) - 1
        of_group = np.repeat(np.arange(groups), np.diff(offsets))
        keep = self.known[members]
        missing = np.unique(of_group[~keep]) if all_needed else np.empty(0, np.int64)
        members, of_group = members[keep], of_group[keep]
        counts = np.bincount(of_group, minlength=groups)
        start, finish = np.full(groups, NEVER), np.full(groups, NEVER)
        filled = counts > 0
        if len(members):
            firsts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]])
            start[filled] = np.minimum.reduceat(self.start[members], firsts)
            finish[filled] = np.maximum.reduceat(self.finish[members], firsts)
        finish[missing] = NEVER
        return Timeline(start, finish, filled)


def names_of(codes: Codes) -> pa.Array:
    """State names of codes, dictionary-encoded."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(STATES))
