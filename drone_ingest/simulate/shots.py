"""What one station measured, whatever its sensor: the rows that become points."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from drone_ingest.ray_scene import Floats

__all__ = ["FILLED", "MIXED", "OUTLIER", "Shots", "joined"]

OUTLIER, FILLED, MIXED = -1, -2, -3  # owners of points that are no surface: dust, bridged gaps, two surfaces at once


@dataclass(frozen=True, slots=True)
class Shots:
    """Points (n, 3) in model metres where they were measured, with whose they are (see above and Site.labels)."""

    points: Floats
    owner: NDArray[np.int32]
    triangle: NDArray[np.int64]  # of the scene, for its colour
    cosine: Floats
    range_m: Floats
    order: NDArray[np.int64]  # of the pulse, for its time

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Shots":
        """Some of them."""
        return Shots(*(getattr(self, one.name)[rows] for one in fields(self)))


def joined(parts: list[Shots]) -> Shots:
    """All of them, in order."""
    return Shots(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Shots)))
