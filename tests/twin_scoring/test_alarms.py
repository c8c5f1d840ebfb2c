"""What people hear of episodes: one alarm an asset, held back where a rule rings already, returned when it is over."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from inference.runtime import Channel, Event
from twin.alarms.book import AlarmBook, Report
from twin.alarms.classes import OWN_CLASSES
from twin.alarms.rules import rules_from_toml
from twin.alarms.states import Alarm, Definition
from twin.bindings import Bindings
from twin.diagnosis import Diagnosis
from twin.directory import Directory
from twin.errors import ConflictError
from twin.model import Model
from twin.points import PointRow
from twin.scoring_alarms import ScoreAlarms, blamed
from twin.scoring_rules import streams_of
from twin.store import Store
from wire.clock import ManualClock
from wire.errors import ConfigError

T0 = 1_780_876_800_000_000
ROWS = [
    PointRow(id=1, node="gw", device="ahu", metric="flow", point_class="flow"),
    PointRow(id=2, node="gw", device="ahu", metric="heat", point_class="temperature"),
    PointRow(id=3, node="gw", device="ahu", metric="aim", point_class="temperature_setpoint"),
    PointRow(id=4, node="gw", device="fan", metric="speed", writable=True),
    PointRow(id=5, node="gw", device="fan", metric="mode", kind="state"),
]
DIRECTORY = Directory(ROWS, Bindings(), {})
LIMIT = Definition(key="point:gw/ahu/flow:high", kind="high", source="point", group="gw/ahu", point=1)


def event(kind: str, asset: str = "gw/ahu", at: int = 0, score: float = 3.4) -> Event:
    channels = [Channel(point=1, key=f"{asset}/flow", share=0.9, score=score, direction=-1)]
    return Event(kind=kind, asset=asset, ts_us=T0 + at, since_us=T0, score=score, channels=channels)  # type: ignore[arg-type]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[AlarmBook]:
    with Store.open(tmp_path / "twin", site="lab", clock=ManualClock(wall_us=T0)) as store:
        yield AlarmBook(store, store.clock)


def alarms_of(book: AlarmBook) -> ScoreAlarms:
    meaning = next(one for one in OWN_CLASSES if one.name == "anomaly")

    def nothing() -> None:
        raise AssertionError

    diagnosis = Diagnosis(Model, lambda: DIRECTORY, nothing)  # type: ignore[arg-type]
    return ScoreAlarms(book, directory=lambda: DIRECTORY, diagnosis=diagnosis, meaning=lambda: meaning)


def active(book: AlarmBook) -> list[Alarm]:
    return [alarm for alarm in book.all() if alarm.active and alarm.definition.source == "detector"]


def test_an_episode_is_one_alarm_from_its_opening_to_its_close(book: AlarmBook) -> None:
    alarms = alarms_of(book)
    book.conditions(alarms.take([event("opened")]))
    [alarm] = active(book)
    assert alarm.definition.detail["channels"][0] == {
        "point": "gw/ahu/flow", "id": 1, "share": 0.9, "score": 3.4, "direction": "low", "of": [],
    }  # fmt: skip
    assert alarm.definition.text.startswith("ahu: flow low")
    book.conditions(alarms.take([event("updated", score=4.0)]))
    assert active(book) == [alarm]
    assert alarm.definition.detail["score"] == 4.0
    assert alarm.occurrences == 1
    book.conditions(alarms.take([event("closed", at=9)]))
    assert not active(book)
    assert alarm.returned_us == T0 + 9


def test_nobody_hears_twice_of_a_device_whose_rule_rings(book: AlarmBook) -> None:
    alarms = alarms_of(book)
    book.conditions([Report(LIMIT, True, T0)])
    assert alarms.take([event("opened")]) == []
    book.conditions([Report(LIMIT, False, T0 + 5)])
    book.conditions(alarms.take([event("updated", at=600_000_000)]))  # a value that hovers about its limit
    assert not active(book)
    book.conditions(alarms.take([event("updated", at=7_200_000_000)]))  # the rule is calm and the episode goes on
    assert len(active(book)) == 1
    book.conditions([Report(LIMIT, True, T0 + 7_200_000_006)])
    book.conditions(alarms.take([]))
    assert not active(book)


def test_a_limit_that_rings_since_the_morning_hides_nothing_else_that_begins_at_noon(book: AlarmBook) -> None:
    alarms = alarms_of(book)
    of_another_point = msgspec.structs.replace(LIMIT, key="point:gw/ahu/filter:low", point=9)
    book.conditions([Report(of_another_point, True, T0 - 3 * 3_600_000_000)])
    book.conditions(alarms.take([event("opened")]))
    assert len(active(book)) == 1
    book.conditions([Report(LIMIT, True, T0 - 3 * 3_600_000_000)])  # of the point that the episode is about
    book.conditions(alarms.take([]))
    assert not active(book)


def test_a_child_that_comes_back_ends_what_is_over_and_keeps_what_is_not(book: AlarmBook) -> None:
    first = alarms_of(book)
    book.conditions(first.take([event("opened"), event("opened", asset="gw/fan")]))
    again = alarms_of(book)
    told = Event(kind="updated", asset="gw/ahu", ts_us=T0 + 5, since_us=T0, score=3.4)
    book.conditions(again.take([told], afresh=True))
    [alarm] = active(book)
    assert alarm.definition.group == "gw/ahu"
    assert alarm.definition.detail["channels"]  # it did not forget why
    assert alarm.occurrences == 1


def test_a_verdict_is_for_alarms_of_detectors(book: AlarmBook) -> None:
    book.conditions([*alarms_of(book).take([event("opened")]), Report(LIMIT, True, T0)])
    assert blamed(active(book)[0]) == ["gw/ahu/flow"]
    limit = book.find(LIMIT.key)
    assert limit is not None
    with pytest.raises(ConflictError, match="rule"):
        blamed(limit)


def test_the_site_says_what_is_scored_and_how_often_it_may_cry() -> None:
    rules = rules_from_toml('[detectors]\nbudget_per_day = 0.1\npoints_off = ["*/heat"]\n', file="alarms.toml")
    assert rules.detectors.settings().budget_per_day == 0.1
    streams = streams_of(DIRECTORY.views, rules.detectors)
    assert [(one.key, one.alarms) for one in streams] == [("gw/ahu/flow", True), ("gw/fan/speed", False)]
    with pytest.raises(ConfigError) as refused:
        rules_from_toml("[detectors]\nbudget_per_day = -1\n", file="alarms.toml")
    assert refused.value.field == "detectors.budget_per_day"
