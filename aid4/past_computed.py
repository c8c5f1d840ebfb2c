"""What gateways compute has a past too, by the formulas that their catalogues tell.

Without it a trend of a computed point begins where the park goes live, and its detector begins cold, beside inputs that
it has known for days.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wire.catalogue import Point
from wire.expressions import Derived, Floats, Formula, formula_of

__all__ = ["Computed"]

_CLASS: Final = "derived"


class Computed:
    """The computed ones among `points` whose inputs have a past; `columns` says where, by key."""

    def __init__(self, points: Sequence[Point], columns: Mapping[str, int]) -> None:
        self.points: list[Point] = []
        self._columns = columns
        self._formulas: list[tuple[Formula, dict[str, str]]] = []  # with the key of each name
        known = set(columns)
        for point in points:
            if point.point_class != _CLASS or not (text := point.meta.get("expression")):
                continue
            formula = formula_of(Derived(metric=point.metric, expression=text, when=point.meta.get("when", "")))
            inputs = {name: name if "/" in name else f"{point.device}/{name}" for name in formula.names}
            if known.issuperset(inputs.values()):
                known.add(point.key)
                self.points.append(point)
                self._formulas.append((formula, inputs))
        self._had = np.zeros(len(self.points), bool)

    def of(self, values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Values (rows, points) of the next rows (rows, columns), and which are told: as live, all that mean something
        and the first of those that do not."""
        found: dict[str, Floats] = {}
        for point, (formula, inputs) in zip(self.points, self._formulas, strict=True):
            given = {n: found[key] if key in found else values[:, self._columns[key]] for n, key in inputs.items()}
            found[point.key] = np.broadcast_to(formula(given), len(values))
        if not found:
            return np.empty((len(values), 0)), np.empty((len(values), 0), bool)
        made = np.column_stack([found[point.key] for point in self.points])
        means = np.isfinite(made)
        before = np.vstack([self._had, means[:-1]])
        self._had = means[-1]
        return made, means | before
