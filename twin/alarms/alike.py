"""One cause that reaches many alike devices is one alarm: rain over forty soil probes does not ring forty times.

When so many devices of one kind, with the same metric, leave their limits to the same side within the window, one alarm
of source `alike` stands for all of them. Its members are silent by design, as points behind a silent gateway are, and
each keeps its own alarm, state and journal. `detail.members` names them, so a restarted twin goes on where it was.
Alarms of priority critical are no members. What happened longer ago than the window founds and joins nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Final, NamedTuple

import msgspec

from twin.alarms.book import AlarmBook, Report
from twin.alarms.rules import LEVELS, Rules
from twin.alarms.states import PRIORITIES, Alarm, Definition, Step
from twin.directory import Directory

__all__ = ["SOURCE", "AlikeAlarms", "is_told_elsewhere"]

SOURCE: Final = "alike"
_STANDING: Final = ("unacknowledged", "acknowledged")  # what is shelved or out of service stands for nothing
_SHOWN: Final = 6  # devices of the text; all are in the detail
_ONE_OF: Final = "one of several alike: "
_SUPERSEDED: Final = "superseded by "
_WORSE: Final = {"high": "high_high", "low": "low_low"}


class _New(NamedTuple):
    """A point that passes, or passed, a limit."""

    definition: Definition
    at_us: int


def is_told_elsewhere(why: str) -> bool:
    """Whether an alarm is silent by design because another one tells the same."""
    return why.startswith((_ONE_OF, _SUPERSEDED))


class AlikeAlarms:
    """`fold` before new conditions go into the book, `end` now and then. Used by one thread."""

    def __init__(self, book: AlarmBook, rules: Callable[[], Rules], directory: Callable[[], Directory]) -> None:
        self._book, self._rules, self._directory = book, rules, directory
        self._of: dict[str, str] = {}  # member -> key of the alarm that stands for it
        for key in book.active_keys(SOURCE):
            self._of.update(dict.fromkeys(_members(book.find(key)), key))

    def why_silent(self, definition: Definition) -> str:
        """Which alarm tells what this one would, empty when none does."""
        if definition.priority == PRIORITIES[0]:
            return ""
        if key := self._of.get(definition.key):
            return f"{_ONE_OF}{key}"
        worse = self._worse(definition)
        return f"{_SUPERSEDED}{worse.definition.kind}" if worse and worse.active and worse.state in _STANDING else ""

    def fold(self, reports: Iterable[Report], now_us: int, silent: Callable[[Definition], str]) -> list[Step]:
        """Found groups, and let them grow, by what is about to be told to the book."""
        found: defaultdict[str, list[_New]] = defaultdict(list)
        for report in reports:
            what = report.definition
            may = report.active and self._may_join(what, report.at_us, now_us) and not silent(what)
            if may and (key := self._key(what)):
                found[key].append(_New(what, report.at_us))
        if not found:
            return []
        rung = self._rung(now_us, silent) if not all(map(self._stands, found)) else {}
        steps: list[Step] = []
        for key, new in found.items():
            steps += self._grow(key, new, now_us) if self._stands(key) else self._make(key, rung.get(key, []), new)
        return steps

    def end(self, now_us: int) -> list[Step]:
        """Return what stands for devices that have all returned."""
        reports = []
        for key in self._book.active_keys(SOURCE):
            group = self._book.find(key)
            alarms = [self._book.find(member) for member in _members(group)]
            if group is not None and not any(one is not None and one.active for one in alarms):
                self._of = {member: other for member, other in self._of.items() if other != key}
                reports.append(Report(group.definition, False, now_us, group.value))
        return self._book.conditions(reports)

    def step_back(self, before: Iterable[Definition], at_us: int) -> list[Step]:
        """A very high value that is only high now leaves one alarm, which is as seen as the one before it was."""
        steps: list[Step] = []
        for what in before:
            worse = self._book.find(what.key)
            mild = next((kind for kind, one in _WORSE.items() if one == what.kind), "")
            alarm = self._book.find(f"{what.key.rpartition(':')[0]}:{mild}") if mild else None
            if worse is None or worse.active or alarm is None or not alarm.active:
                continue
            if alarm.acknowledged or not alarm.suppressed_why.startswith(_SUPERSEDED):
                continue
            seen = partial(Alarm.acknowledge, at_us=at_us, by=worse.owner, note="stepped back")
            steps += self._book.act([alarm.id if worse.acknowledged else worse.id], seen)
        return steps

    # -- inside

    def _worse(self, definition: Definition) -> Alarm | None:
        kind = _WORSE.get(definition.kind)
        found = self._book.find(f"{definition.key.rpartition(':')[0]}:{kind}") if kind else None
        if found is None or PRIORITIES.index(found.definition.priority) > PRIORITIES.index(definition.priority):
            return None
        return found

    def _may_join(self, what: Definition, at_us: int, now_us: int) -> bool:
        return (
            what.source == "point"
            and what.kind in LEVELS
            and what.priority != PRIORITIES[0]
            and what.key not in self._of
            and now_us - at_us <= self._window_us
        )

    @property
    def _window_us(self) -> int:
        return round(self._rules().alike.window_min * 60e6)

    def _key(self, what: Definition) -> str:
        """Which alarm would stand for it: kind of device, metric and unit, and the side."""
        view = self._directory().by_id.get(what.point) if what.point is not None else None
        if view is None:
            return ""
        equipment = self._rules().equipment
        profiles = (one.profile for one in equipment if any(fnmatchcase(view.device, glob) for glob in one.devices))
        kind = next(profiles, view.brick or view.point_class)
        return f"{SOURCE}:{kind}/{view.metric}/{view.unit}:{_side(what)}"

    def _stands(self, key: str) -> bool:
        group = self._book.find(key)
        return group is not None and group.active

    def _rung(self, now_us: int, silent: Callable[[Definition], str]) -> Mapping[str, list[_New]]:
        """What rings alone and is recent enough to join, by the alarm that would stand for it."""
        found: defaultdict[str, list[_New]] = defaultdict(list)
        for alarm in self._book.all():
            what, raised_us = alarm.definition, alarm.raised_us
            if not alarm.active or raised_us is None or not self._may_join(what, raised_us, now_us):
                continue
            alone = alarm.state in _STANDING and not silent(what)
            if (alone or alarm.suppressed_why.startswith(_SUPERSEDED)) and (key := self._key(what)):
                found[key].append(_New(what, raised_us))
        return found

    def _make(self, key: str, rung: list[_New], new: list[_New]) -> list[Step]:
        known = {one.definition.key for one in new}
        rung = [one for one in rung if one.definition.key not in known]
        members = [*rung, *new]
        if len({one.definition.group for one in members}) < self._rules().alike.devices:
            return []
        definition = self._definition(key, [one.definition for one in members])
        self._of.update({one.definition.key: key for one in members})
        at_us = max(one.at_us for one in members)
        return self._book.conditions([Report(definition, True, at_us, float(len(definition.detail["also"])))])

    def _grow(self, key: str, new: list[_New], now_us: int) -> list[Step]:
        group = self._book.find(key)
        assert group is not None
        if group.state not in _STANDING or now_us - group.changed_us > self._window_us:
            return []
        kept = [one.definition for member in _members(group) if (one := self._book.find(member)) is not None]
        definition = self._definition(key, [*kept, *(one.definition for one in new)])
        self._of.update({one.definition.key: key for one in new})

        def grow(alarm: Alarm) -> Step:
            alarm.definition, alarm.value = definition, float(len(definition.detail["also"]))
            return alarm.comment(now_us, "", f"joined: {', '.join(one.definition.key for one in new)}"[:2_000])

        return self._book.act([group.id], grow)

    def _definition(self, key: str, members: list[Definition]) -> Definition:
        worst = min(members, key=lambda one: PRIORITIES.index(one.priority))
        devices = list(dict.fromkeys(one.group for one in members))
        shown = ", ".join(device.partition("/")[2] for device in devices[:_SHOWN])
        metric = key.split("/")[1]  # a unit may have a stroke of its own
        more = ", …" if len(devices) > _SHOWN else ""
        return msgspec.structs.replace(
            worst, key=key, kind=f"alike_{_side(worst)}", source=SOURCE, group=key, point=None, element=None,
            limit=None, text=f"{metric}: {shown}{more}",
            detail={"also": devices, "members": list(dict.fromkeys(one.key for one in members))},
        )  # fmt: skip


def _side(what: Definition) -> str:
    return what.kind.partition("_")[0]


def _members(group: Alarm | None) -> list[str]:
    return list(group.definition.detail.get("members", [])) if group is not None else []
