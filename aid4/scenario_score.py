"""What a scenario's run is worth: which faults an operator was told of, when, how often, and why; pure.

A ring is one moment at which an alarm called for somebody. It belongs to a fault of its device, or of a device that the
alarm says it is also about; what belongs to none is a false alarm.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from sim_devices.faults import Expect, Fault

__all__ = ["FLOOD", "FLOOD_S", "Planted", "Ring", "Scored", "score", "told"]

FLOOD: Final = 10  # rings within FLOOD_S are more than one person can follow (ISA-18.2, EEMUA 191)
FLOOD_S: Final = 600.0
ANOMALY: Final = "anomaly"  # kind of a detector's alarm
REPORTED: Final = "state"  # what a machine says of itself is no judgement of the twin
_DAY_S: Final = 86_400.0


class Planted(NamedTuple):
    """A fault and the file that it comes from."""

    file: str
    fault: Fault

    @property
    def expect(self) -> Expect:
        """What its file expects; a fault that says nothing should ring before it ends."""
        fault = self.fault
        return fault.expect or Expect(alarm_within_s=fault.to_s - fault.from_s)


class Ring(NamedTuple):
    """When (seconds after the start), on which device, of which kind, and what the alarm said then.

    `returned_s` is when its condition was over, None while it lasts. `causes` are those told while it rang, best first,
    oldest first."""

    alarm: int
    at_s: float
    device: str
    kind: str
    text: str
    also: tuple[str, ...]
    causes: tuple[tuple[float, str], ...]
    returned_s: float | None
    suppressed: bool


class Scored(NamedTuple):
    """One fault's row, and whether it is as its file expects."""

    planted: Planted
    rings: list[Ring]
    delay_s: float | None
    cause: str
    wrong: list[str]

    def row(self) -> dict[str, Any]:
        """Plain JSON data."""
        fault, expect = self.planted.fault, self.planted.expect
        return {
            "file": self.planted.file, "what": fault.what, "device": fault.device, "metric": fault.metric or None,
            "from_s": fault.from_s, "to_s": fault.to_s, "found": self.delay_s is not None,
            "delay_s": None if self.delay_s is None else round(self.delay_s, 1), "within_s": expect.alarm_within_s,
            "alarms": len(self.rings), "alarms_max": expect.alarms_max, "kinds": [ring.kind for ring in self.rings],
            "cause": self.cause or None, "causes_accepted": list(expect.cause),
            "returned": all(ring.returned_s is not None for ring in self.rings), "ok": not self.wrong,
            "wrong": self.wrong,
        }  # fmt: skip


def score(
    planted: Sequence[Planted],
    rings: Sequence[Ring],
    *,
    settle_s: float,
    false_alarms_max: int,
    end_s: float,
    budget_per_day: float = math.inf,
) -> dict[str, Any]:
    """Judge a run from its rings; all times in seconds after the start. `budget_per_day`: of all detectors together,
    which the time before the first fault may not exceed."""
    heard = [ring for ring in rings if not ring.suppressed]
    scored = [_judge(one, [ring for ring in heard if _belongs(ring, one, settle_s)]) for one in planted]
    explained = {id(ring) for one in scored for ring in one.rings}
    excused = {id(ring) for ring in heard for one in planted if _excused(ring, one, settle_s)}
    others = [ring for ring in heard if id(ring) not in explained | excused and ring.kind != REPORTED]
    first_s = min((one.fault.from_s for one in planted), default=end_s)
    quiet = [ring for ring in others if ring.at_s < first_s]
    allowed = math.inf if math.isinf(budget_per_day) else math.ceil(budget_per_day * first_s / _DAY_S)
    loud = sum(ring.kind == ANOMALY for ring in quiet) > allowed
    flood = _busiest([ring.at_s for ring in heard])
    found = [one for one in scored if one.delay_s is not None]
    document: dict[str, Any] = {
        "planted": len(scored), "found": len(found),
        "once": sum(len(one.rings) <= one.planted.expect.alarms_max for one in found),
        "diagnosed": sum(_is_named(one) for one in found),
        "returned": sum(all(ring.returned_s is not None for ring in one.rings) for one in found),
        "quiet_s": first_s, "quiet_alarms": len(quiet), "quiet_anomalies_max": None if math.isinf(allowed) else allowed,
        "false_alarms": len(others), "false_alarms_max": false_alarms_max,
        "others": [f"{ring.device} {ring.kind} at {ring.at_s / 3600.0:.2f} h: {ring.text}" for ring in others],
        "suppressed": len(rings) - len(heard), "alarms_10min_max": flood, "flood": flood > FLOOD,
        "faults": [one.row() for one in scored],
    }  # fmt: skip
    document["ok"] = not any(one.wrong for one in scored) and not loud
    document["ok"] &= len(others) <= false_alarms_max and flood <= FLOOD
    return document


def told(alarm: Mapping[str, Any]) -> str:
    """The cause that an alarm of the API names first; the kind of a rule's alarm that names none."""
    causes = alarm["detail"].get("cause") or []
    return str(causes[0]["cause"]) if causes else "" if alarm["source"] == "detector" else str(alarm["kind"])


def _judge(planted: Planted, rings: list[Ring]) -> Scored:
    fault, expect = planted.fault, planted.expect
    first = min((ring.at_s for ring in rings), default=None)
    delay_s = None if first is None else max(first - fault.from_s, 0.0)
    names = [name for ring in rings for at_s, name in ring.causes if at_s < fault.to_s or name in expect.cause]
    accepted = [name for name in names if name in expect.cause]
    cause = names[-1] if names and not accepted else (accepted or [""])[-1]
    wrong = []
    if delay_s is None:
        wrong.append("no alarm")
    elif delay_s > expect.alarm_within_s:
        wrong.append(f"alarm after {delay_s:.0f} s, {expect.alarm_within_s:.0f} s were expected")
    if len(rings) > expect.alarms_max:
        wrong.append(f"{len(rings)} alarms, {expect.alarms_max} expected")
    if rings and expect.cause and not accepted:
        wrong.append(f"cause {cause or 'unknown'}, expected {' or '.join(expect.cause)}")
    lasting = [ring for ring in rings if not _returns(ring, fault, expect)]
    if lasting:
        wrong.append(f"{lasting[0].kind} does not return to normal")
    return Scored(planted, rings, delay_s, cause, wrong)


def _returns(ring: Ring, fault: Fault, expect: Expect) -> bool:
    if ring.returned_s is None:
        return False
    return expect.returns_within_s is None or ring.returned_s <= fault.to_s + expect.returns_within_s


def _is_named(scored: Scored) -> bool:
    expect = scored.planted.expect
    return not expect.cause or scored.cause in expect.cause


def _belongs(ring: Ring, planted: Planted, settle_s: float) -> bool:
    fault = planted.fault
    return fault.device in (ring.device, *ring.also) and fault.from_s <= ring.at_s < fault.to_s + settle_s


def _excused(ring: Ring, planted: Planted, settle_s: float) -> bool:
    """Whether its device is one that the file says feels this fault too."""
    fault = planted.fault
    felt = any(fnmatchcase(ring.device, glob) for glob in planted.expect.felt_by)
    return felt and fault.from_s <= ring.at_s < fault.to_s + settle_s


def _busiest(moments: Sequence[float]) -> int:
    """The most rings within any FLOOD_S."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, at_s + FLOOD_S) - place for place, at_s in enumerate(ordered)), default=0)
