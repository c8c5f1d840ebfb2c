"""What a device's profile puts into the configuration of the gateway that reads it.

Derived points are computed there, once, whether or not a twin hears. Alarms are not: the twin rings them, with their
meaning and once each. A gateway that no twin watches over takes them as local rules (`rule_tables`).
"""

from collections.abc import Collection
from typing import Any, Final

from wire.expressions import formula_of
from wire.profiles import Profile, ProfileAlarm

__all__ = ["derived_tables", "rule_tables"]

_SEVERITY: Final = {"critical": 3, "high": 2, "medium": 1, "low": 0}


def derived_tables(profile: Profile, device: str, have: Collection[str], *, space: str = "") -> list[dict[str, Any]]:
    """The `[[derived]]` tables of one device whose metrics are `have`; what needs a point that it lacks is left out."""
    known, tables = set(have), list[dict[str, Any]]()
    for row in profile.derived:
        own = [name for name in formula_of(row).names if "/" not in name]
        if row.metric in known or not known.issuperset(own):
            continue
        known.add(row.metric)
        told = {"unit": row.unit, "expression": row.expression, "when": row.when, "label": row.label}
        told |= {"brick": row.brick, "space": space}
        tables.append({"device": device, "metric": row.metric} | {name: text for name, text in told.items() if text})
    return tables


def rule_tables(profile: Profile, device: str, have: Collection[str]) -> list[dict[str, Any]]:
    """The `[[rule]]` tables of one device: a rule for each point and alarm with limits, at the first of them.

    Alarms of states are left out: a gateway's formulas know numbers."""
    known = {*have, *(row.metric for row in profile.derived)}
    return [
        _rule(alarm, device, metric)
        for alarm in profile.alarms
        if alarm.levels
        for metric in alarm.points
        if metric in known
    ]


def _rule(alarm: ProfileAlarm, device: str, metric: str) -> dict[str, Any]:
    low = alarm.low if alarm.low is not None else alarm.low_low
    high = alarm.high if alarm.high is not None else alarm.high_high
    point, slack = f'"{device}/{metric}"', alarm.deadband
    rings = [f"{point} < {low!r}"] if low is not None else []
    ends = [f"{point} > {low + slack!r}"] if low is not None else []
    rings += [f"{point} > {high!r}"] if high is not None else []
    ends += [f"{point} < {high - slack!r}"] if high is not None else []
    return {
        "name": f"{device}-{alarm.name}-{metric}"[:64], "when": " or ".join(rings), "until": " and ".join(ends),
        "for_s": alarm.on_delay_s, "severity": _SEVERITY[alarm.priority],
        "message": f"{alarm.consequence} {alarm.action}"[:500],
    }  # fmt: skip
