"""What a run is worth: each promise of a file kept or named, and every ring laid to a fault or to nobody."""

from xml.etree import ElementTree as ET

import pytest

from aid4.scenario_junit import junit
from aid4.scenario_score import FLOOD, Planted, Ring, score, told
from sim_devices.faults import Expect, Fault

FAULT = Fault(
    what="leak", device="lab-water", from_s=3_600, to_s=7_200,
    expect=Expect(alarm_within_s=1_200, cause=("water_leak",), returns_within_s=1_800),
)  # fmt: skip
NOTHING = {"accepted": 9, "stored": 9, "lost": 0, "duplicated": 0}


def ring(at_s: float, device: str = "lab-water", cause: str = "water_leak", **more: object) -> Ring:
    given = {
        "alarm": 1, "kind": "anomaly", "text": "", "also": (), "causes": ((at_s + 60.0, cause),),
        "returned_s": max(at_s, 7_200.0) + 300.0, "suppressed": False, **more,
    }  # fmt: skip
    return Ring(at_s=at_s, device=device, **given)  # type: ignore[arg-type]


def judged(*rings: Ring, false_alarms_max: int = 0) -> dict:  # type: ignore[type-arg]
    planted = [Planted("water.toml", FAULT)]
    return score(planted, rings, settle_s=3_600.0, false_alarms_max=false_alarms_max, end_s=10_800.0)


def test_one_alarm_in_time_with_the_cause_that_returns_is_as_expected() -> None:
    found = judged(ring(4_000))
    assert found["ok"]
    assert (found["found"], found["once"], found["diagnosed"], found["returned"]) == (1, 1, 1, 1)
    assert found["faults"][0]["delay_s"] == 400.0


@pytest.mark.parametrize(
    ("rings", "wrong"),
    [
        ((), "no alarm"),
        ((ring(6_000),), "alarm after 2400 s"),
        ((ring(4_000), ring(5_000)), "2 alarms, 1 expected"),
        ((ring(4_000, cause="sensor_drifting"),), "cause sensor_drifting"),
        ((ring(4_000, causes=()),), "cause unknown"),
        ((ring(4_000, returned_s=None),), "does not return"),
        ((ring(4_000, returned_s=9_500.0),), "does not return"),
    ],
)
def test_what_is_not_as_expected_is_named(rings: tuple[Ring, ...], wrong: str) -> None:
    found = judged(*rings)
    assert not found["ok"]
    assert wrong in "; ".join(found["faults"][0]["wrong"])


def test_the_hours_before_the_first_fault_keep_to_the_budget_of_detectors() -> None:
    planted = [Planted("water.toml", FAULT)]
    for count, ok in ((2, True), (3, False)):  # 30 a day are 1.25 in an hour, which allows two
        rings = [ring(4_000), *(ring(600.0 * (at + 1), f"room-{at}") for at in range(count))]
        limits = {"settle_s": 3_600.0, "end_s": 10_800.0, "budget_per_day": 30.0}
        found = score(planted, rings, false_alarms_max=9, **limits)
        assert (found["ok"], found["quiet_alarms"], found["quiet_anomalies_max"]) == (ok, count, 2)


def test_an_alarm_that_names_the_device_as_well_belongs_to_its_fault() -> None:
    found = judged(ring(4_000, device="lab-meter", also=("lab-water",)))
    assert found["ok"]


def test_an_alarm_of_nobodys_fault_is_a_false_one_against_the_budget() -> None:
    rings = (ring(4_000), ring(1_000, device="room-lab"))
    assert not judged(*rings)["ok"]
    found = judged(*rings, false_alarms_max=1)
    assert found["ok"]
    assert (found["false_alarms"], found["quiet_alarms"]) == (1, 1)
    assert found["others"][0].startswith("room-lab anomaly at 0.28 h")


def test_what_a_machine_without_a_fault_says_of_itself_is_no_false_alarm() -> None:
    found = judged(ring(4_000), ring(1_000, device="mill-1", kind="state"))
    assert found["ok"]
    assert (found["false_alarms"], found["alarms_10min_max"]) == (0, 1)


def test_an_alarm_before_its_fault_is_a_false_one() -> None:
    found = judged(ring(3_000))
    assert (found["found"], found["false_alarms"]) == (0, 1)


def test_what_is_suppressed_has_not_rung() -> None:
    found = judged(ring(4_000), *(ring(4_100 + n, suppressed=True) for n in range(50)))
    assert found["ok"]
    assert found["suppressed"] == 50


def test_more_rings_than_a_person_can_follow_are_a_flood() -> None:
    rings = [ring(4_000 + 50.0 * n, device=f"room-{n}") for n in range(FLOOD + 1)]
    found = judged(*rings, false_alarms_max=100)
    assert found["alarms_10min_max"] == FLOOD + 1
    assert found["flood"]
    assert not found["ok"]


def test_a_cause_is_what_was_told_while_the_fault_lasted() -> None:
    changing = ((4_060.0, "unknown"), (5_000.0, "water_leak"), (7_500.0, "sensor_drifting"))
    assert judged(ring(4_000, causes=changing))["ok"]


def test_a_rule_that_names_no_cause_is_told_by_its_kind() -> None:
    assert told({"detail": {}, "source": "point", "kind": "stale"}) == "stale"
    assert (
        told({"detail": {"cause": [{"cause": "water_leak"}]}, "source": "detector", "kind": "anomaly"}) == "water_leak"
    )
    assert told({"detail": {"cause": []}, "source": "detector", "kind": "anomaly"}) == ""


def test_junit_has_a_case_a_fault_and_says_what_failed() -> None:
    root = ET.fromstring(junit({**judged(ring(6_000)), "delivery": NOTHING}))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {"leak lab-water", "false alarms", "no flood", "nothing lost"}
    failure = cases["leak lab-water"].find("failure")
    assert failure is not None
    assert "alarm after 2400 s" in (failure.get("message") or "")
    assert [suite.get("failures") for suite in root] == ["1", "0"]
    lost = ET.fromstring(junit({**judged(ring(4_000)), "delivery": {**NOTHING, "lost": 3}}))
    assert [suite.get("failures") for suite in lost] == ["0", "1"]
