"""Where walls stand between rectangular rooms; pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Wall", "walls_of"]

Rect = tuple[float, float, float, float]


class Wall(NamedTuple):
    """A straight wall on the grid: along x (or y) at a fixed other coordinate, between `start` and `end`."""

    along_x: bool
    at: float
    start: float
    end: float
    rooms: tuple[int, ...]  # rooms beside it, one for an outer wall

    @property
    def outer(self) -> bool:
        """Whether it has the sky on one side."""
        return len(self.rooms) == 1

    @property
    def length(self) -> float:
        """From end to end."""
        return self.end - self.start


def walls_of(rects: Sequence[Rect]) -> list[Wall]:
    """Walls along the edges of rooms, cut where a neighbour begins or ends."""
    walls = []
    for along_x in (True, False):
        low, high = (1, 3) if along_x else (0, 2)
        from_, to = (0, 2) if along_x else (1, 3)
        lines = sorted({rect[side] for rect in rects for side in (low, high)})
        for at in lines:
            beside = [
                (rect[from_], rect[to], index) for index, rect in enumerate(rects) if at in (rect[low], rect[high])
            ]
            cuts = sorted({end for start, stop, _ in beside for end in (start, stop)})
            for start, end in pairwise(cuts):
                rooms = tuple(index for begin, stop, index in beside if begin <= start and end <= stop)
                if rooms:
                    walls.append(Wall(along_x, at, start, end, rooms))
    return walls
