"""What did not hold on gateways rings once, and until something newer runs there or somebody has seen it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twin.alarms.book import AlarmBook
from twin.fleet.alarms import fleet_reports
from twin.fleet.book import Rollout, Wanted
from twin.fleet.stages import Told
from twin.store import Store
from wire.clock import ManualClock
from wire.messages import SectionFigures

STOPPED = Rollout(
    id=3, section="config", state="stopped", body={}, nodes=["a", "b"], stages=[2], hold_s=0, at_us=1, by="eva",
    why="a: rolled back: silent", revisions={"a": 10, "b": 10}, failed=["a"],
)  # fmt: skip
KEY = "fleet:rollout-3:config"


class Fleet:
    """A book of alarms over what gateways tell."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.book, self.clock = AlarmBook(store, clock), clock
        self.rollouts, self.told, self.wanted = [STOPPED], dict[str, Told](), dict[str, Wanted]()

    def tell(self, node: str, judged: int, state: Any, section: str = "config") -> None:
        self.told[node] = Told(True, 0, {section: SectionFigures(judged, judged, state, problem="why")})

    def want(self, node: str, revision: int, rollout: int) -> None:
        self.wanted[node] = Wanted("config", node, revision, rollout, 0, "eva", "", {})

    def look(self) -> list[tuple[str, str]]:
        reports = fleet_reports(self.book, self.rollouts, lambda _, node: self.wanted.get(node), self.told, 7)
        return [(self.book.get(step.alarm).definition.key, step.what) for step in self.book.conditions(reports)]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    clock = ManualClock(1_700_000_000_000_000)
    with Store.open(tmp_path / "twin", site="lab", clock=clock) as store:
        yield Fleet(store, clock)


def test_a_roll_out_that_stopped_itself_rings_until_something_newer_runs(fleet: Fleet) -> None:
    fleet.tell("a", 10, "rolled_back")
    assert fleet.look() == [(KEY, "raised")], "one alarm, not one more for its gateway"
    fleet.want("a", 11, 3)
    fleet.tell("a", 11, "running")
    assert fleet.look() == [], "what ran before is not newer"
    fleet.want("a", 12, 4)
    assert fleet.look() == []
    fleet.tell("a", 12, "trying")
    assert fleet.look() == []
    fleet.tell("a", 12, "running")
    assert fleet.look() == [(KEY, "returned")]
    assert fleet.look() == []


def test_it_is_over_when_somebody_has_seen_it_and_does_not_ring_again(fleet: Fleet) -> None:
    fleet.look()
    alarm = fleet.book.find(KEY)
    assert alarm is not None
    assert (alarm.state, alarm.value) == ("unacknowledged", "a: rolled back: silent")
    fleet.book.act([alarm.id], lambda one: one.acknowledge(8, "eva"))
    assert fleet.look() == [(KEY, "returned")]
    assert fleet.look() == []
    assert alarm.state == "normal"


def test_a_roll_out_that_a_person_stopped_or_that_is_on_its_way_rings_nothing(fleet: Fleet) -> None:
    fleet.rollouts = [Rollout(**{name: getattr(STOPPED, name) for name in STOPPED.__struct_fields__} | {"failed": []})]
    assert fleet.look() == []
    fleet.rollouts = [
        Rollout(id=4, section="config", state="going", body={}, nodes=["a"], stages=[1], hold_s=0, at_us=1, by="eva",
                revisions={"a": 10})
    ]  # fmt: skip
    fleet.tell("a", 10, "rolled_back")
    assert fleet.look() == []


def test_a_gateway_that_went_back_outside_of_a_roll_out_rings_anew_at_each_failure_and_through_a_restart(
    fleet: Fleet,
) -> None:
    key = "fleet:b:software"
    fleet.rollouts = []
    fleet.tell("b", 5, "rolled_back", "software")
    assert fleet.look() == [(key, "raised")]
    fleet.told["b"] = Told(False)
    assert fleet.look() == [], "a gateway that was not heard yet has not come right"
    fleet.tell("b", 6, "running", "software")
    assert fleet.look() == [(key, "returned")]
    fleet.tell("b", 7, "refused", "software")
    assert fleet.look() == [(key, "raised")]
