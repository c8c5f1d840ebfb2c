"""From episodes of detectors to alarms: one an asset, with its channels and its probable causes.

Where a rule rings for the same device (a limit, silence, bad values) it is the alarm, and the detector's is held back
or returns: nobody hears the same thing twice.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from inference.runtime import Channel, Event
from inference.runtime.symptoms import direction_of
from twin.alarms.alike import is_told_elsewhere
from twin.alarms.book import AlarmBook, Report
from twin.alarms.classes import OWN_CLASSES, AlarmClass
from twin.alarms.states import Alarm, Definition
from twin.diagnosis import Diagnosis, Finding
from twin.directory import Directory
from twin.errors import ConflictError
from twin.times import iso

__all__ = ["CLASS", "SOURCE", "ScoreAlarms", "blamed"]

SOURCE: Final = "detector"
CLASS: Final = "anomaly"
_RULES: Final = frozenset({"point", "device"})
_BLAMED_SHARE = 0.15
_SAME_US: Final = 3_600_000_000  # as episodes are merged
_NEVER_US: Final = -(1 << 62)


class ScoreAlarms:
    """`take` the events of a scorer, `turns` gives what the alarm book is to be told. Used by one thread."""

    def __init__(
        self,
        book: AlarmBook,
        *,
        directory: Callable[[], Directory],
        diagnosis: Diagnosis,
        meaning: Callable[[], AlarmClass],
    ) -> None:
        self._book, self._directory, self._diagnosis, self._meaning = book, directory, diagnosis, meaning
        self._open: dict[str, Event] = {}  # by asset
        self._rings: set[str] = book.active_keys(SOURCE)
        self.regimes = 0

    def take(self, events: Iterable[Event], *, afresh: bool = False) -> list[Report]:
        """What became of the alarms. `afresh`: these are all that is open, others are over."""
        reports: list[Report] = []
        if afresh:
            self._open.clear()
        told = []
        for event in events:
            if event.kind == "regime":
                self.regimes += 1
            elif event.kind == "closed":
                self._open.pop(event.asset, None)
            else:
                self._open[event.asset] = event
                told.append(event.asset)
        ruled = self._ruled()
        now_us = max((event.ts_us for event in self._open.values()), default=0)
        keys = {
            _key(asset)
            for asset, event in self._open.items()
            if not any(_is_same(alarm, event, now_us) for alarm in ruled.get(asset, ()))
        }
        for key in sorted(self._rings - keys):
            reports += self._over(key, events)
        for asset in self._open:
            key = _key(asset)
            if key in keys and (key not in self._rings or asset in told):
                event = self._open[asset]
                reports.append(Report(self._definition(event), True, event.since_us, event.score))
        self._rings = keys
        return reports

    def _ruled(self) -> dict[str, list[Alarm]]:
        """Alarms of rules by device."""
        found: dict[str, list[Alarm]] = {}
        for alarm in self._book.all():
            why = alarm.suppressed_why
            if alarm.definition.source in _RULES and (not why or is_told_elsewhere(why)):
                found.setdefault(alarm.definition.group, []).append(alarm)
        return found

    def _over(self, key: str, events: Iterable[Event]) -> list[Report]:
        alarm = self._book.find(key)
        if alarm is None:
            return []
        at_us = max((event.ts_us for event in events), default=alarm.raised_us or 0)
        return [Report(alarm.definition, False, at_us)]

    def _definition(self, event: Event) -> Definition:
        known = self._book.find(_key(event.asset))
        if not event.channels and known is not None:  # told by a child that has just come back
            return known.definition
        meaning = self._meaning()
        lead = self._directory().by_id.get(event.channels[0].point) if event.channels else None
        causes = self._causes([*event.channels, *event.calm])
        first = causes[0] if causes and causes[0]["cause"] != "unknown" else None
        return Definition(
            key=_key(event.asset), kind=CLASS, source=SOURCE, priority=meaning.priority, group=event.asset,
            point=lead.id if lead else None, element=(lead.element or lead.space) if lead else None,
            text=_sentence(event, first), consequence=meaning.consequence,
            action=first["action"] if first else meaning.action, respond_min=meaning.respond_min,
            detail=_detail(event, causes),
        )  # fmt: skip

    def _causes(self, channels: list[Channel]) -> list[dict[str, Any]]:
        findings = [
            Finding(one.key, direction=direction_of(one), share=one.share, of=tuple(one.of), sudden=one.sudden)
            for one in channels
        ]
        found: list[dict[str, Any]] = msgspec.to_builtins(self._diagnosis.causes(findings))
        return found


def blamed(alarm: Alarm) -> list[str]:
    """The streams that a detector's alarm is about; ConflictError for an alarm of another kind."""
    if alarm.definition.source != SOURCE:
        fix = "change its limit, or shelve it"
        raise ConflictError(f"alarm {alarm.id} comes from a rule, which learns nothing; {fix}", field="id")
    channels = alarm.definition.detail.get("channels", [])
    return [one["point"] for at, one in enumerate(channels) if at == 0 or one["share"] >= _BLAMED_SHARE]


def _is_same(alarm: Alarm, event: Event, now_us: int) -> bool:
    """Whether an alarm of a rule tells what this episode of its device would tell once more.

    It returned within the hour: a value that hovers about its limit is one incident, and so is what a device does when
    it has just come back. Or it is active, and of the device as a whole, of a point of the episode, or not much older
    than it. What has rung since the morning hides nothing else that begins at noon.
    """
    if not alarm.active:
        return now_us - (alarm.returned_us or _NEVER_US) < _SAME_US
    told = {one.point for one in event.channels}  # none of a child that has just come back
    if alarm.definition.source != "point" or not told or alarm.definition.point in told:
        return True
    return event.since_us - (alarm.raised_us or 0) < _SAME_US


def _key(asset: str) -> str:
    return f"{SOURCE}:{asset}:{CLASS}"


def _sentence(event: Event, cause: dict[str, Any] | None) -> str:
    device = event.asset.partition("/")[2]
    lead = event.channels[0] if event.channels else None
    what = (
        f"{device}: {lead.key.rsplit('/', 1)[-1]} {direction_of(lead) or 'unusual'}" if lead else f"{device}: unusual"
    )
    return f"{what}; probably {cause['title']}" if cause else what


def _detail(event: Event, causes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "score": event.score,
        "since": iso(event.since_us),
        "channels": [
            {
                "point": one.key,
                "id": one.point,
                "share": one.share,
                "score": one.score,
                "direction": direction_of(one),
                "of": one.of,
            }
            for one in event.channels
        ],
        "nearest": {"from": iso(event.nearest[0]), "to": iso(event.nearest[1])} if event.nearest else None,
        "also": event.also,
        "cause": causes,
        "model": event.model,
    }


assert any(one.name == CLASS for one in OWN_CLASSES)
