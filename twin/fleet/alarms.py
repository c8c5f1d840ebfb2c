"""What did not hold on gateways, as alarms: a roll-out that stopped itself is one, however many gateways it names.

A gateway rings by itself only for what no such roll-out tells: a configuration or a release that was taken back later,
by hand, or on the way back. Either returns when something newer runs there, or when somebody acknowledged it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from twin.alarms.book import AlarmBook, Report
from twin.alarms.classes import OWN_CLASSES
from twin.alarms.states import Alarm, Definition
from twin.fleet.book import Rollout, Wanted
from twin.fleet.stages import Told
from wire.messages import SectionFigures

__all__ = ["fleet_reports"]

_SOURCE: Final = "fleet"
_CLASS: Final = next(one for one in OWN_CLASSES if one.name == "rollout")
_WHY_CHARS_MAX: Final = 300
_SAID_MAX: Final = 5  # gateways in one line
WantedOf = Callable[[str, str], Wanted | None]


class _Failure(msgspec.Struct, frozen=True):
    """`revision` tells one failure of a gateway from the next."""

    key: str
    section: str
    about: str
    node: str
    why: str
    revision: int


def fleet_reports(
    book: AlarmBook, rollouts: Iterable[Rollout], wanted: WantedOf, told: Mapping[str, Told], now_us: int
) -> list[Report]:
    """What is to be raised and returned now; `wanted(section, node)` is what a node shall run."""
    listed = list(rollouts)
    failures = {one.key: one for one in [*_of_rollouts(listed, wanted, told), *_of_nodes(listed, told)]}
    reports = []
    for key, one in failures.items():
        alarm = book.find(key)
        if alarm is None or alarm.definition.detail.get("revision") != one.revision:
            reports.append(Report(_definition(one), True, now_us, one.why[:_WHY_CHARS_MAX]))
        elif alarm.active and alarm.acknowledged:
            reports.append(Report(alarm.definition, False, now_us))
    over = [book.find(key) for key in book.active_keys(_SOURCE) - failures.keys()]
    reports += [Report(one.definition, False, now_us) for one in over if one is not None and _is_heard(one, told)]
    return reports


def _of_rollouts(rollouts: list[Rollout], wanted: WantedOf, told: Mapping[str, Told]) -> Iterable[_Failure]:
    for one in rollouts:
        if one.failed and not all(_runs_newer(one, node, wanted, told) for node in one.failed):
            more = len(one.failed) - _SAID_MAX
            about = ", ".join(one.failed[:_SAID_MAX]) + (f" +{more}" if more > 0 else "")
            key = f"{_SOURCE}:rollout-{one.id}:{one.section}"
            yield _Failure(key, one.section, f"{about} (#{one.id})", one.failed[0], one.why, one.id)


def _of_nodes(rollouts: list[Rollout], told: Mapping[str, Told]) -> Iterable[_Failure]:
    told_already = {
        (one.section, node, revision)
        for one in rollouts
        if one.state == "going" or one.failed
        for node, revision in one.revisions.items()
    }
    for node, each in told.items():
        for section, figures in each.sections.items():
            if figures is None or not _did_not_hold(figures):
                continue
            if (section, node, figures.judged) not in told_already:
                key = f"{_SOURCE}:{node}:{section}"
                yield _Failure(key, section, node, node, figures.problem, figures.judged)


def _did_not_hold(figures: SectionFigures) -> bool:
    return figures.state in {"refused", "rolled_back"}


def _runs_newer(one: Rollout, node: str, wanted: WantedOf, told: Mapping[str, Told]) -> bool:
    """Whether something runs there that was wanted after this roll-out and its own way back."""
    now, figures = wanted(one.section, node), told.get(node, Told()).sections.get(one.section)
    if now is None or figures is None or now.rollout == one.id:
        return False
    runs = figures.judged >= now.revision and figures.state in {"running", "local"}
    return runs and now.revision > one.revisions[node]


def _is_heard(alarm: Alarm, told: Mapping[str, Told]) -> bool:
    """What a gateway told before this twin started is not over because it is silent."""
    section, node = alarm.definition.kind, alarm.definition.group
    return told.get(node, Told()).sections.get(section) is not None


def _definition(one: _Failure) -> Definition:
    return Definition(
        key=one.key, kind=one.section, source=_SOURCE, priority=_CLASS.priority, group=one.node, text=one.about,
        consequence=_CLASS.consequence, action=_CLASS.action, respond_min=_CLASS.respond_min,
        detail={"revision": one.revision, "why": one.why},
    )  # fmt: skip
