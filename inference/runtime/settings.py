"""What a scorer is told: the budget, how fine its rows are, and which streams there are."""

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["LADDER_S", "Settings", "Stream", "row_s_of"]

LADDER_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0)
_Hours = Annotated[float, Meta(ge=0, le=720)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[detectors]` of a site, `[scoring]` of an agent. The budget is the operator's knob."""

    budget_per_day: Annotated[float, Meta(ge=1e-4, le=1e3)] = 0.02  # false-alarm episodes of a stream in a day
    row_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0  # rows are no finer than this; slower points have their own
    learn_h: _Hours = 24.0  # of its own time that an untrained stream is watched before it may alarm
    guard_learn_h: _Hours = 1.0  # likewise for plain facts: stuck, spikes, a clock that is off
    merge_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0  # what opens again within is the same episode
    cause_s: Annotated[float, Meta(ge=0, le=86_400)] = 10_800.0  # assets of one make that follow within share a cause
    late_s: Annotated[float, Meta(ge=0, le=3_600)] = 2.0  # how long a row waits for readings on their way


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One point that is scored. `asset` holds together what alarms as one; `period_s` None: reports by exception."""

    id: int
    key: str
    asset: str
    period_s: float | None = None
    point_class: str = ""
    counts: bool = False  # a counter: what matters is how fast it rises
    alarms: bool = True  # False: scored and shown, rings nothing


def row_s_of(stream: Stream, settings: Settings) -> float:
    """The row of a stream: its own period, no finer than the settings allow, on a ladder so that few groups arise."""
    wanted = max(settings.row_s, stream.period_s or 0.0)
    return next((step for step in LADDER_S if step >= wanted - 1e-9), LADDER_S[-1])
