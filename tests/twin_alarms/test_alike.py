"""One cause over many alike devices rings once; two limits of one side are one alarm."""

from pathlib import Path
from typing import Any

import pytest

from tests.twin_alarms.conftest import T0, S, rows, view
from tests.twin_alarms.test_service import Park
from twin.alarms.desk import AlarmDesk
from twin.alarms.rules import rules_from_toml
from twin.siteconfig import site_from_dict
from twin.store import Store
from wire.clock import ManualClock
from wire.errors import ConfigError

GROUP = "alike:temperature/m/Cel:high"
RULES = '[[alarm]]\npoints = "*"\nhigh = 30\nhigh_high = 40\n'
MEMBERS = range(1, 11)


def make(store: Store, clock: ManualClock, text: str = RULES) -> Park:
    return Park(store, clock, rules_from_toml(text, file="alarms.toml"), [view(at) for at in MEMBERS])


@pytest.fixture
def park(store: Store, clock: ManualClock) -> Park:
    return make(store, clock)


def reach(park: Park, points: Any, value: float) -> list[tuple[str, str]]:
    """These points have this value now; what rang of it, past all delays."""
    park.clock.advance(10.0)
    now_us = park.clock.wall_us()
    park.read(rows(points, now_us, value, recv_us=now_us))
    return park.look() + park.look(10.0)


def ringing(park: Park) -> set[str]:
    return {one.definition.key for one in park.book.all() if one.rings}


def heard(park: Park) -> int:
    """How often somebody was called, by the journal as the figures count it."""
    park.store.writer.run(lambda _: None)
    items, _ = park.book.journal(None, 0, park.clock.wall_us() + 1, 10_000, what=["raised"])
    return sum(item["state"] == "unacknowledged" for item in items)


def test_the_first_few_ring_and_then_one_alarm_stands_for_all(park: Park) -> None:
    for at in MEMBERS:
        reach(park, at, 35.0)
        assert ringing(park) == ({f"point:gw/d{one}/m:high" for one in range(1, at + 1)} if at < 4 else {GROUP})
    assert heard(park) == 4  # three, and the one for all
    group = park.book.find(GROUP)
    assert group is not None
    assert (group.value, group.occurrences, group.definition.kind) == (10.0, 1, "alike_high")
    assert group.definition.detail["also"] == [f"gw/d{at}" for at in MEMBERS]
    assert {park.state(f"point:gw/d{at}/m:high") for at in MEMBERS} == {"suppressed"}
    for at in MEMBERS:
        assert park.state(GROUP) == "unacknowledged"
        reach(park, at, 20.0)
    assert (park.state(GROUP), ringing(park)) == ("returned", {GROUP})


def test_all_at_once_are_one_ring_with_the_worst_priority(park: Park) -> None:
    reach(park, list(MEMBERS), 45.0)
    assert (heard(park), ringing(park)) == (1, {GROUP})
    group = park.book.find(GROUP)
    assert group is not None
    worst = park.book.find("point:gw/d1/m:high_high")
    assert worst is not None
    assert group.definition.priority == worst.definition.priority


def test_devices_far_apart_in_time_are_incidents_of_their_own(park: Park) -> None:
    for at in (1, 2, 3, 4, 5):
        reach(park, at, 35.0)
        park.look(400.0)  # three in fifteen minutes
    assert park.state(GROUP) == "none"
    assert len(ringing(park)) == 5


def test_what_comes_long_after_a_group_rings_itself(park: Park) -> None:
    reach(park, [1, 2, 3, 4], 35.0)
    park.look(16 * 60.0)
    reach(park, 5, 35.0)
    assert ringing(park) == {GROUP, "point:gw/d5/m:high"}


def test_readings_of_the_past_make_no_group(park: Park) -> None:
    park.clock.advance(7_200.0)
    park.read(rows(list(MEMBERS), T0, 35.0))
    park.look(10.0)
    assert park.state(GROUP) == "none"


def test_critical_alarms_are_never_folded(store: Store, clock: ManualClock) -> None:
    park = make(store, clock, '[[class]]\nname = "life"\npriority = "critical"\n' + RULES + 'class = "life"\n')
    reach(park, list(MEMBERS), 35.0)
    assert (park.state(GROUP), len(ringing(park))) == ("none", 10)


def test_a_restarted_twin_goes_on_with_the_group(tmp_path: Path, clock: ManualClock) -> None:
    with Store.open(tmp_path / "twin", site="lab", clock=clock) as store:
        reach(make(store, clock), [1, 2, 3, 4], 35.0)
    with Store.open(tmp_path / "twin", site="lab", clock=clock) as store:
        park = make(store, clock)
        reach(park, [1, 2, 3, 4, 5], 35.0)
        assert (ringing(park), heard(park)) == ({GROUP}, 1)
        reach(park, [1, 2, 3, 4, 5], 20.0)
        assert park.state(GROUP) == "returned"
        assert not [one for one in park.book.all() if one.active]


def test_who_has_seen_the_one_alarm_has_seen_its_members(park: Park, store: Store) -> None:
    reach(park, [1, 2], 35.0)
    reach(park, [3, 4], 35.0)
    store.writer.run(lambda _: None)
    site = site_from_dict({"name": "lab"}, file="test")
    desk = AlarmDesk(store, site=lambda: site, directory=lambda: park.directory, nodes=list, plan=park.plan)
    group = desk.book.find(GROUP)
    assert group is not None
    desk.acknowledge([group.id], "eva")
    members = [desk.book.find(key) for key in group.definition.detail["members"]]
    assert len(members) == 4
    assert all(one is not None and one.acknowledged for one in (group, *members))


def test_a_site_says_how_many_make_a_group_and_bad_numbers_are_refused(store: Store, clock: ManualClock) -> None:
    park = make(store, clock, RULES + "[alike]\ndevices = 2\n")
    reach(park, [1, 2], 35.0)
    assert ringing(park) == {GROUP}
    for wrong in ("devices = 1", "window_min = 0", "many = 3"):
        with pytest.raises(ConfigError) as caught:
            rules_from_toml(f"[alike]\n{wrong}\n", file="alarms.toml")
        assert (caught.value.field or "").startswith("alike")


def test_a_very_high_value_takes_the_place_of_a_high_one_and_steps_back(park: Park) -> None:
    high, very = "point:gw/d1/m:high", "point:gw/d1/m:high_high"
    reach(park, 1, 35.0)
    assert ringing(park) == {high}
    reach(park, 1, 45.0)
    assert (ringing(park), park.state(high)) == ({very}, "suppressed")
    alarm = park.book.find(very)
    assert alarm is not None
    now_us = park.clock.wall_us()
    park.book.act([alarm.id], lambda one: one.acknowledge(now_us, "eva"))
    reach(park, 1, 35.0)
    assert (park.state(very), park.state(high)) == ("normal", "acknowledged")  # seen is seen
    reach(park, 1, 20.0)
    assert park.state(high) == "normal"


def test_a_jump_past_both_limits_is_one_ring_and_unseen_it_stays_one(park: Park) -> None:
    high, very = "point:gw/d1/m:high", "point:gw/d1/m:high_high"
    reach(park, 1, 45.0)
    assert (heard(park), ringing(park)) == (1, {very})
    reach(park, 1, 35.0)
    assert ringing(park) == {high}
    reach(park, 1, 20.0)
    assert (park.state(high), ringing(park), heard(park)) == ("returned", {high}, 1)


def test_a_shelved_very_high_alarm_supersedes_nothing(park: Park) -> None:
    reach(park, 1, 45.0)
    alarm = park.book.find("point:gw/d1/m:high_high")
    assert alarm is not None
    now_us = park.clock.wall_us()
    park.book.act([alarm.id], lambda one: one.shelve(now_us, now_us + 3_600 * S, "eva", "why"))
    park.look(5.0)
    assert ringing(park) == {"point:gw/d1/m:high"}
