"""Verdicts of several scans of one model as one: what is known of each element now. Pure.

A scan that saw nothing of an element changes nothing. Scans that agree confirm each other; when they differ the later
one decides, for things are built, and sometimes taken down, between two scans.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

__all__ = ["Combined", "Seen", "combine"]


class Seen(NamedTuple):
    """What one scan said of one element."""

    at: datetime
    verdict: str  # built, not built, unknown
    p_built: float
    scan: str = ""


class Combined(NamedTuple):
    """What all scans together say. `built_by` is the first scan that saw it built and was never contradicted since,
    `missing_at` the last one before that saw it missing: it was built between the two."""

    verdict: str
    p_built: float
    at: datetime | None  # of the scan that decided
    scan: str
    built_by: datetime | None
    missing_at: datetime | None


def combine(seen: Sequence[Seen]) -> Combined:
    """One element's verdict out of those of its scans, in any order."""
    decided = sorted((one for one in seen if one.verdict != "unknown"), key=lambda one: one.at)
    if not decided:
        likeliest = max(seen, key=lambda one: abs(one.p_built - 0.5), default=None)
        return Combined("unknown", 0.5 if likeliest is None else likeliest.p_built, None, "", None, None)
    last = decided[-1]
    since = len(decided)
    while since and decided[since - 1].verdict == last.verdict:
        since -= 1
    run = decided[since:]
    missing = [one.at for one in decided if one.verdict == "not built"]
    return Combined(
        last.verdict,
        _odds([one.p_built for one in run]),
        last.at,
        last.scan,
        run[0].at if last.verdict == "built" else None,
        max(missing, default=None),
    )


def _odds(chances: Sequence[float]) -> float:
    """Independent witnesses multiply their odds; never quite sure."""
    odds = 1.0
    for chance in chances:
        bounded = min(max(chance, 0.001), 0.999)
        odds *= bounded / (1 - bounded)
    return min(max(odds / (1 + odds), 0.0001), 0.9999)
