"""Alarms over a real store: kept through restarts, governed by the plan, and no accepted reading goes by unseen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.twin_alarms.conftest import T0, S, rows, view
from twin.alarms.book import AlarmBook
from twin.alarms.rules import Rules, rules_from_toml
from twin.alarms.service import AlarmService
from twin.alarms.states import Definition
from twin.directory import Directory
from twin.errors import ConflictError, NotFoundError
from twin.node_views import NodeStatus
from twin.plan_lifecycle import COMMISSIONED, INSTALLED
from twin.rows import insert_readings
from twin.state import Rows
from twin.store import Store
from twin.trust import CertificateView
from wire.clock import ManualClock


class NoPlan:
    """A plan book without a plan, in which a test may hold points back."""

    live = None

    def __init__(self) -> None:
        self.early: set[int] = set()

    def lifecycles(self, points: Any) -> Any:
        return np.array([INSTALLED if int(point) in self.early else COMMISSIONED for point in points], np.int8)


class Park:
    """One twin's alarms with a clock in hand."""

    def __init__(self, store: Store, clock: ManualClock, rules: Rules, views: list[Any]) -> None:
        self.store, self.clock, self.plan = store, clock, NoPlan()
        self.nodes: list[NodeStatus] = []
        self.rules, self.directory = rules, Directory([], _NoBindings(), {})
        self.directory.views = views
        self.directory.by_id = {one.id: one for one in views}
        self.book = AlarmBook(store, clock)
        self.service = AlarmService(
            store, clock, self.book, rules=lambda: self.rules, directory=lambda: self.directory,
            nodes=lambda: self.nodes, plan=self.plan,
        )  # type: ignore[arg-type]  # fmt: skip
        self.service.step()

    def read(self, found: Rows, *, store: bool = False) -> None:
        """Readings as ingest leaves them; with `store` they are rows of the database too."""
        if store:
            self.store.writer.run(lambda connection: insert_readings(connection, found))
        self.store.state.update(found)
        self.service.leave(found)

    def look(self, after_s: float = 0.0) -> list[tuple[str, str]]:
        """Let time pass and look; what was changed: key and verb."""
        self.clock.advance(after_s)
        return [(self.book.get(step.alarm).definition.key, step.what) for step in self.service.step()]

    def state(self, key: str) -> str:
        alarm = self.book.find(key)
        return "none" if alarm is None else alarm.state


def node(*, online: bool, ahead_s: float | None = None) -> NodeStatus:
    return NodeStatus("gw", online, None, "", None, None, 0, {}, {}, 1, ahead_s, None if online else "its link is down")


class _NoBindings:
    def __init__(self) -> None:
        self.by_point: dict[int, Any] = {}


HIGH = "point:gw/d1/m:high"


@pytest.fixture
def park(store: Store, clock: ManualClock) -> Park:
    return Park(store, clock, Rules(), [view(1, high=30.0, period_s=10.0), view(2, high=30.0)])


@contextmanager
def again(tmp_path: Path, clock: ManualClock, views: list[Any]) -> Iterator[Park]:
    with Store.open(tmp_path / "twin", site="lab", clock=clock) as store:
        yield Park(store, clock, Rules(), views)


def test_a_value_beyond_its_limit_is_one_alarm_with_a_journal(park: Park) -> None:
    for second in range(20):
        park.read(rows(1, T0 + second * S, 35.0, recv_us=T0 + second * S))
        park.look(1.0)
    assert park.state(HIGH) == "unacknowledged"
    alarm = park.book.find(HIGH)
    assert alarm is not None
    assert (alarm.occurrences, alarm.raised_us, alarm.value) == (1, T0, 35.0)
    park.book.act([alarm.id], lambda one: one.acknowledge(park.clock.wall_us(), "eva", "seen"))
    park.read(rows(1, T0 + 21 * S, 20.0, recv_us=T0 + 21 * S))
    park.look(10.0)
    assert park.state(HIGH) == "normal"
    park.store.writer.run(lambda _: None)
    items, total = park.book.journal(alarm.id, 0, T0 + 3_600 * S, 10)
    assert total == 3
    assert [item["what"] for item in items] == ["returned", "acknowledged", "raised"]
    assert (items[1]["by"], items[1]["note"], items[2]["value"]) == ("eva", "seen", 35.0)


def test_the_second_alarm_of_a_device_is_not_its_first_out(store: Store, clock: ManualClock) -> None:
    rules = rules_from_toml("[[alarm]]\nhigh = 30.0\nhigh_high = 40.0\n", file="alarms.toml")
    park = Park(store, clock, rules, [view(1), view(2)])
    park.read(rows([1, 1], [T0, T0 + 5 * S], [35.0, 45.0]))
    park.read(rows(2, T0 + 6 * S, 35.0))
    park.look(7.0)
    first, second, other = (park.book.find(key) for key in (HIGH, "point:gw/d1/m:high_high", "point:gw/d2/m:high"))
    assert first is not None
    assert second is not None
    assert other is not None
    assert (first.first_out, second.first_out, other.first_out) == (True, False, True)
    assert second.definition.priority == "high"


def test_what_is_not_commissioned_floods_nobody_and_rings_once_it_is(park: Park) -> None:
    park.plan.early = {1}
    park.look(6.0)
    park.read(rows([1, 2], park.clock.wall_us(), 35.0))
    park.look()
    assert (park.state(HIGH), park.state("point:gw/d2/m:high")) == ("suppressed", "unacknowledged")
    alarm = park.book.find(HIGH)
    assert alarm is not None
    assert (alarm.suppressed_why, alarm.first_out) == ("not commissioned: installed", False)
    park.plan.early = set()
    assert (HIGH, "unsuppressed") in park.look(6.0)
    assert park.state(HIGH) == "unacknowledged"


def test_a_silent_gateway_is_one_alarm_and_not_one_for_each_of_its_points(park: Park) -> None:
    park.nodes = [node(online=True)]
    park.read(rows(1, T0, 20.0, recv_us=T0))
    park.look(30.0)
    park.nodes = [node(online=False)]
    assert park.look(2.0) == []  # it may come back at once
    assert park.look(6.0) == [("node:gw:offline", "raised")]
    park.look(120.0)
    assert (park.state("point:gw/d1/m:stale"), park.state("node:gw:offline")) == ("suppressed", "unacknowledged")
    park.nodes = [node(online=True)]
    now_us = park.clock.wall_us()
    park.read(rows(1, now_us, 20.0, recv_us=now_us))
    park.look(2.0)
    assert (park.state("point:gw/d1/m:stale"), park.state("node:gw:offline")) == ("normal", "returned")


def test_a_gateway_with_a_wrong_clock_is_told(park: Park) -> None:
    park.nodes = [node(online=True, ahead_s=0.4)]
    assert park.look(2.0) == []
    park.nodes = [node(online=True, ahead_s=-3_600.0)]
    assert park.look(2.0) == [("node:gw:clock", "raised")]
    alarm = park.book.find("node:gw:clock")
    assert alarm is not None
    assert (alarm.value, alarm.definition.priority) == (-3_600.0, "medium")
    park.nodes = [node(online=True, ahead_s=0.1)]
    assert park.look(2.0) == [("node:gw:clock", "returned")]


def test_a_shelf_ends_by_itself(park: Park) -> None:
    key = "point:gw/d2/m:high"
    park.read(rows(2, T0, 35.0))
    park.look()
    alarm = park.book.find(key)
    assert alarm is not None
    now_us = park.clock.wall_us()
    park.book.act([alarm.id], lambda one: one.shelve(now_us, now_us + 3_600 * S, "eva", "being mended"))
    assert park.look(3_590.0) == []
    assert (key, "unshelved") in park.look(20.0)
    assert park.state(key) == "unacknowledged"


def test_lost_data_rings_once_and_stays_until_it_is_seen(park: Park) -> None:
    def lose(connection: Any) -> None:
        connection.execute(
            "INSERT INTO gaps VALUES ('lab', 'gw', 'ab'::BLOB, 1, 9, 'thinned', 900, make_timestamptz(?::BIGINT))",
            [T0 + 5 * S],
        )

    park.store.writer.run(lose)
    park.look(6.0)
    alarm = park.book.find("node:gw:gap")
    assert alarm is not None
    assert (alarm.state, alarm.value, alarm.occurrences) == ("returned", 900.0, 1)
    assert park.look(10.0) == []


def test_a_point_that_loses_its_limit_returns_its_alarm(park: Park) -> None:
    park.read(rows(1, T0, 35.0))
    park.look()
    directory = Directory([], _NoBindings(), {})  # type: ignore[arg-type]
    directory.views = [view(1)]
    park.directory = directory
    assert (HIGH, "retired") in park.look(1.0)
    assert park.state(HIGH) == "normal"
    assert park.book.all() == [alarm for alarm in park.book.all() if alarm.definition.key != HIGH]


def test_several_are_changed_together_or_not_at_all(park: Park) -> None:
    park.read(rows([1, 2], T0, 35.0))
    park.look()
    ids = [alarm.id for alarm in park.book.all() if alarm.state == "unacknowledged"]
    assert len(ids) == 2
    park.book.act(ids[:1], lambda one: one.acknowledge(T0 + S, "eva"))
    with pytest.raises(ConflictError):
        park.book.act(ids[::-1], lambda one: one.acknowledge(T0 + 2 * S, "jan"))
    assert [park.book.get(one).state for one in ids] == ["acknowledged", "unacknowledged"]
    with pytest.raises(NotFoundError):
        park.book.act([*ids, 999], lambda one: one.comment(T0, "jan", "?"))


def test_a_restarted_twin_has_its_alarms_and_rings_for_what_came_while_it_was_not_looking(
    tmp_path: Path, clock: ManualClock
) -> None:
    views = [view(1, high=30.0), view(2, high=30.0), view(3, high=30.0)]
    with again(tmp_path, clock, views) as park:
        park.read(rows(1, T0, 35.0, recv_us=T0), store=True)
        park.look(6.0)
        alarm = park.book.find(HIGH)
        assert alarm is not None
        park.book.act([alarm.id], lambda one: one.acknowledge(T0 + 7 * S, "eva"))
        # the twin is killed between the commit of these readings and its next look
        found = rows([2, 2, 3], [T0 + 8 * S, T0 + 9 * S, T0 + 8 * S], [35.0, 20.0, 20.0], recv_us=T0 + 10 * S)
        park.store.writer.run(lambda connection: insert_readings(connection, found))
    clock.advance(60.0)
    with again(tmp_path, clock, views) as park:
        assert park.state(HIGH) == "acknowledged"
        assert park.state("point:gw/d2/m:high") in ("unacknowledged", "returned")
        park.look(10.0)
        assert park.state("point:gw/d2/m:high") == "returned"
        assert park.state("point:gw/d3/m:high") == "none"
        counts = {alarm.definition.key: alarm.occurrences for alarm in park.book.all()}
        assert counts == {HIGH: 1, "point:gw/d2/m:high": 1}
    with again(tmp_path, clock, views) as park:  # a third start rings nothing again
        assert {alarm.definition.key: alarm.occurrences for alarm in park.book.all()} == counts


def test_readings_that_pile_up_are_replaced_by_the_newest_of_each_point(park: Park, monkeypatch: Any) -> None:
    monkeypatch.setattr("twin.alarms.service._ROWS_QUEUED_MAX", 10)
    for second in range(50):
        park.read(rows(1, T0 + second * S, 20.0 if second < 49 else 35.0))
    park.look()
    assert park.state(HIGH) == "unacknowledged"


def test_others_report_conditions_of_their_own(park: Park) -> None:
    what = Definition(key="scan:7:late", kind="late", source="scan", element="wall-guid", text="Wall")
    park.book.condition(what, active=True, at_us=T0, value=0.99)
    park.book.condition(what, active=True, at_us=T0 + S, value=0.99)
    park.look(10.0)
    alarm = park.book.find("scan:7:late")
    assert alarm is not None
    assert (alarm.state, alarm.occurrences) == ("unacknowledged", 1)


def test_the_past_state_of_every_alarm_is_known(park: Park) -> None:
    park.read(rows(1, T0, 35.0))
    park.look(10.0)
    alarm = park.book.find(HIGH)
    assert alarm is not None
    park.book.act([alarm.id], lambda one: one.acknowledge(T0 + 60 * S, "eva"))
    park.store.writer.run(lambda _: None)
    asked = {second: park.book.states_at(T0 + second * S).get(alarm.id) for second in (-1, 0, 59, 60)}
    assert asked == {-1: None, 0: "unacknowledged", 59: "unacknowledged", 60: "acknowledged"}


def test_a_silent_device_is_one_alarm_and_not_one_for_each_of_its_points(store: Store, clock: ManualClock) -> None:
    """Two points of one device and one of another; the device's own alarm ends with its first word."""
    views = [
        view(1, key="gw/pump/flow", device="pump", metric="flow", period_s=10.0, element="guid"),
        view(2, key="gw/pump/power", device="pump", metric="power", period_s=30.0),
        view(3, key="gw/fan/speed", device="fan", metric="speed", period_s=10.0),
    ]
    park = Park(store, clock, Rules(), views)
    park.nodes = [node(online=True)]
    park.read(rows([1, 2, 3], T0, 20.0, recv_us=T0))
    assert park.look(30.0) == []
    park.look(40.0)
    ringing = {alarm.definition.key for alarm in park.book.all() if alarm.state == "unacknowledged"}
    assert ringing == {"device:gw/pump:silent", "point:gw/fan/speed:stale"}
    alarm = park.book.find("device:gw/pump:silent")
    assert alarm is not None
    assert (alarm.definition.element, alarm.definition.text, alarm.raised_us) == ("guid", "pump", T0 + 60_000_000)
    park.look(60.0)
    assert park.state("point:gw/pump/flow:stale") == park.state("point:gw/pump/power:stale") == "suppressed"
    now_us = park.clock.wall_us()
    park.read(rows(1, now_us, 20.0, recv_us=now_us))
    park.look(2.0)
    assert (park.state("device:gw/pump:silent"), park.state("point:gw/pump/flow:stale")) == ("returned", "normal")
    assert park.state("point:gw/pump/power:stale") == "unacknowledged"  # its own sensor, then


def test_a_device_of_which_several_points_are_silent_is_one_alarm_until_all_speak(
    store: Store, clock: ManualClock
) -> None:
    names = ["flow", "power", "head", "speed", "heat"]
    views = [
        view(at, key=f"gw/pump/{name}", device="pump", metric=name, period_s=10.0) for at, name in enumerate(names, 1)
    ]
    park = Park(store, clock, Rules(), views)
    park.nodes = [node(online=True)]
    park.read(rows([1, 2, 3, 4, 5], T0, 20.0, recv_us=T0))
    for _ in range(4):  # one of five speaks on
        now_us = park.clock.wall_us()
        park.read(rows(5, now_us, 20.0, recv_us=now_us))
        park.look(25.0)
    ringing = {alarm.definition.key for alarm in park.book.all() if alarm.state == "unacknowledged"}
    assert ringing == {"device:gw/pump:partly"}
    park.look(100.0)  # now it is silent as a whole, of which somebody has been told
    ringing = {alarm.definition.key for alarm in park.book.all() if alarm.state == "unacknowledged"}
    assert ringing == {"device:gw/pump:partly"}
    now_us = park.clock.wall_us()
    park.read(rows([1, 2, 3, 4, 5], now_us, 20.0, recv_us=now_us))
    park.look(2.0)
    assert park.state("device:gw/pump:partly") == "returned"
    assert not [alarm for alarm in park.book.all() if alarm.active]


def test_a_certificate_that_is_not_renewed_rings_before_it_ends(park: Park) -> None:
    def certified(state: Any) -> NodeStatus:
        return msgspec.structs.replace(node(online=True), certificate=CertificateView(state=state))

    key = "node:gw:certificate"
    for state, told in (
        ("valid", []),
        ("expiring", [(key, "raised")]),
        ("expired", []),
        ("valid", [(key, "returned")]),
    ):
        park.nodes = [certified(state)]
        assert park.look(5.0) == told, state
