"""When a model goes on and when it goes back: the rule, figure by figure."""

from typing import Any

import msgspec
import pytest

from inference.registry.promotion import Figures, Rule, judge, modes
from twin.models_rollout import Rollout, Step, desired_of

RULE = Rule(shadow_s=60, canary_s=60, rows_min=100)
GOOD = Figures(state="running", rows=500, tick_ms_p99=20, stream_days=100.0, episodes=2, score_median=0.3)


def verdict(figures: Figures, *, stage: Any = "shadow", after_s: float = 100.0, rule: Rule = RULE) -> str:
    return judge(stage, after_s, {"a": GOOD, "b": figures}, rule, trained_median=0.3).do


def test_what_holds_long_enough_on_every_node_goes_on() -> None:
    assert verdict(GOOD) == "promote"
    assert verdict(GOOD, stage="canary") == "promote"
    assert verdict(GOOD, stage="live") == "wait"
    assert verdict(GOOD, after_s=59.0) == "wait"
    assert verdict(msgspec.structs.replace(GOOD, rows=99)) == "wait"
    assert verdict(msgspec.structs.replace(GOOD, state="refused", problem="no trust")) == "wait"
    assert verdict(GOOD, rule=msgspec.structs.replace(RULE, by_hand=True)) == "wait"
    assert judge("shadow", 1e9, {}, RULE, trained_median=None).do == "wait"
    idle = {"a": GOOD, "gw": Figures(state="idle")}
    assert judge("shadow", 1e9, idle, RULE, trained_median=0.3).do == "promote", "nobody waits where nothing scores"


@pytest.mark.parametrize("stage", ["shadow", "canary", "live"])
@pytest.mark.parametrize(
    "spoilt",
    [
        {"crashes": 1}, {"state": "failed"}, {"tick_ms_p99": 251.0}, {"episodes": 30}, {"score_median": 1.4},
    ],
    ids=lambda spoilt: next(iter(spoilt)),
)  # fmt: skip
def test_one_node_that_does_badly_takes_it_back_at_any_stage(stage: str, spoilt: dict[str, Any]) -> None:
    assert verdict(msgspec.structs.replace(GOOD, **spoilt), stage=stage) == "rollback"


def test_few_alarms_and_few_rows_say_nothing_about_a_rate() -> None:
    assert verdict(msgspec.structs.replace(GOOD, episodes=2, stream_days=0.01)) == "promote"
    assert verdict(msgspec.structs.replace(GOOD, rows=10, score_median=9.0)) == "wait"


def test_canaries_are_few_and_stay_the_same() -> None:
    nodes = ["n3", "n1", "n2"]
    assert modes("canary", nodes, RULE) == {"n1": "canary", "n2": "shadow", "n3": "shadow"}
    assert set(modes("shadow", nodes, RULE).values()) == {"shadow"}
    assert set(modes("live", nodes, RULE).values()) == {"live"}


def test_the_version_before_rings_until_the_new_one_does() -> None:
    rollout = Rollout(
        version="2", sha256="b" * 64, stage="canary", since_us=0, before=Step(version="1", sha256="a" * 64)
    )
    told = {
        node: {(w.version, w.mode) for w in desired_of(node, ["n1", "n2"], {"m": rollout})} for node in ("n1", "n2")
    }
    assert told == {"n1": {("2", "canary")}, "n2": {("2", "shadow"), ("1", "live")}}
    only = msgspec.structs.replace(rollout, nodes=["n2"])
    assert desired_of("n1", ["n1", "n2"], {"m": only}) == []
