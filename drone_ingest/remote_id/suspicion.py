"""What speaks against a Remote ID broadcast: nobody signs them, so consistency is all there is to check.

The reasons are those that a receiver alone can see; a well-made forgery passes, and a broken transmitter may not.
"""

import itertools
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field

__all__ = ["OPERATOR_KM_MAX", "Transmitter", "judge"]

OPERATOR_KM_MAX = 15.0  # radio control of small aircraft ends before
_SPEED_M_S_MAX = 150.0
_STEP_M_MIN = 200.0
_SERIAL = re.compile(r"[A-HJ-NP-Z0-9]{4}[1-9A-F][A-HJ-NP-Z0-9]{1,15}")  # CTA-2063-A: maker, length, number


@dataclass(slots=True)
class Transmitter:
    """All that was heard from one MAC address."""

    mac: str
    radio: str
    protocol: str
    frames: int = 0
    ids: dict[str, str] = field(default_factory=dict)  # id → its type
    operator_id: str = ""
    first_us: int | None = None
    last_us: int | None = None
    places: list[tuple[int | None, float, float]] = field(default_factory=list)
    operators: list[tuple[float, float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def judge(transmitters: list[Transmitter]) -> None:
    """Set the reasons of each transmitter."""
    senders: dict[str, set[str]] = defaultdict(set)
    for one in transmitters:
        for identity in one.ids:
            senders[identity].add(one.mac)
    for one in transmitters:
        one.reasons = [*_own(one)]
        shared = [identity for identity in one.ids if len(senders[identity]) > 1]
        if shared:
            one.reasons.append(f"id {shared[0]} is sent by {len(senders[shared[0]])} transmitters")


def _own(one: Transmitter) -> list[str]:
    reasons = []
    if len(one.ids) > 1:
        reasons.append(f"one transmitter claims {len(one.ids)} ids")
    if one.protocol == "astm":
        odd = [identity for identity, kind in one.ids.items() if kind == "serial" and not _is_serial(identity)]
        if odd:
            reasons.append(f"{odd[0]!r} is no serial number after CTA-2063-A")
    far_km = max((_km(place[1:], operator) for place in one.places[:1] for operator in one.operators[:1]), default=0.0)
    if far_km > OPERATOR_KM_MAX:
        reasons.append(f"its operator would stand {far_km:.0f} km away")
    wrong = sum(abs(lat) > 90 or abs(lon) > 180 for _, lat, lon in one.places)
    if wrong:
        reasons.append(f"{wrong} of its positions lie outside the Earth")
    leaps = _leaps(one.places)
    if leaps:
        reasons.append(f"it leaps {leaps} times further than anything flies")
    return reasons


def _is_serial(identity: str) -> bool:
    if not _SERIAL.fullmatch(identity):
        return False
    return int(identity[4], 16) == len(identity) - 5


def _leaps(places: list[tuple[int | None, float, float]]) -> int:
    count = 0
    for (t0, *before), (t1, *after) in itertools.pairwise(places):
        if t0 is not None and t1 is not None:
            far_m = 1_000 * _km((before[0], before[1]), (after[0], after[1]))
            count += far_m > _STEP_M_MIN and far_m > _SPEED_M_S_MAX * max(abs(t1 - t0) / 1e6, 0.1)
    return count


def _km(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    lat0, lon0, lat1, lon1 = (math.radians(value) for value in (*one, *other))
    half = math.sin((lat1 - lat0) / 2) ** 2 + math.cos(lat0) * math.cos(lat1) * math.sin((lon1 - lon0) / 2) ** 2
    return 12_742 * math.asin(math.sqrt(min(max(half, 0.0), 1.0)))
