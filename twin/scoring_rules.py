"""`[detectors]` of a site's alarms.toml: the false-alarm budget, and what is scored.

```toml
[detectors]
budget_per_day = 0.02                 # false-alarm episodes a stream may have in a day: one in fifty days
classes_off = ["wind_direction"]      # of points, beside those that no detector understands
points_off = ["*/lab/*"]              # globs over node/device/metric
# enabled = false                     # nothing is scored
# late_s = 2.0                        # how long a row waits for readings that are on their way
# row_s = 60.0                        # rows are no finer than this; see docs/inference.md
```
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from inference.runtime.choice import stream_of
from inference.runtime.settings import Settings, Stream
from twin.directory import PointView

__all__ = ["Detectors", "streams_of"]

_Globs = Annotated[list[Annotated[str, Meta(min_length=1, max_length=250)]], Meta(max_length=1_000)]


class Detectors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table; defaults are those of a site that says nothing."""

    enabled: bool = True
    budget_per_day: Annotated[float, Meta(ge=1e-4, le=1e3)] = 0.02
    row_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0
    learn_h: Annotated[float, Meta(ge=0, le=720)] = 24.0
    guard_learn_h: Annotated[float, Meta(ge=0, le=720)] = 1.0
    merge_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
    late_s: Annotated[float, Meta(ge=0, le=3_600)] = 2.0
    points_off: _Globs = []
    classes_off: _Globs = []

    def settings(self) -> Settings:
        """For the scorer."""
        return Settings(
            budget_per_day=self.budget_per_day, row_s=self.row_s, learn_h=self.learn_h,
            guard_learn_h=self.guard_learn_h, merge_s=self.merge_s, late_s=self.late_s,
        )  # fmt: skip


def streams_of(views: Iterable[PointView], detectors: Detectors) -> list[Stream]:
    """The points to score; a device is what alarms as one."""
    off = {"classes_off": detectors.classes_off, "points_off": detectors.points_off}
    found = (stream_of(view, view.node, **off) for view in views)
    return [stream for stream in found if stream is not None]
