"""What the uplink hands out to be sent, and what it remembers of it until it is committed or lost."""

from dataclasses import dataclass
from typing import NamedTuple

from edge.uplink_epoch import EpochState, Part

__all__ = ["Flight", "Run"]


class Run(NamedTuple):
    """Records `lo..hi` of one epoch, to be sent in this order."""

    epoch: bytes
    lo: int
    hi: int


@dataclass(slots=True, eq=False)
class Flight:
    """A run on its way; `attempts` counts how often its records were lost before."""

    state: EpochState
    part: Part
    sent_s: float
    attempts: int = 0
