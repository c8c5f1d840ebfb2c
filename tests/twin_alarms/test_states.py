"""The seven states of ISA-18.2, and every way between them."""

import itertools
import random

import pytest

from tests.twin_alarms.conftest import T0, S
from twin.alarms.states import Alarm, Definition
from twin.errors import ConflictError


def alarm() -> Alarm:
    return Alarm(1, Definition(key="point:gw/d/m:high", kind="high", source="point"))


def test_an_alarm_rings_until_somebody_has_seen_it_and_it_is_over() -> None:
    one = alarm()
    assert one.state == "normal"
    one.raise_(T0, 31.0, first_out=True)
    assert (one.state, one.rings) == ("unacknowledged", True)
    one.acknowledge(T0 + S, "eva")
    assert (one.state, one.rings, one.owner) == ("acknowledged", False, "eva")
    one.return_(T0 + 2 * S, 29.0)
    assert (one.state, one.occurrences) == ("normal", 1)


def test_what_is_over_before_anybody_saw_it_still_waits_to_be_seen() -> None:
    one = alarm()
    one.raise_(T0, 31.0, first_out=True)
    one.return_(T0 + S, 29.0)
    assert (one.state, one.rings) == ("returned", True)
    one.acknowledge(T0 + 2 * S, "eva")
    assert one.state == "normal"
    with pytest.raises(ConflictError):
        one.acknowledge(T0 + 3 * S, "eva")


def test_a_second_raise_of_what_rings_is_no_second_alarm() -> None:
    one = alarm()
    assert one.raise_(T0, 31.0, first_out=True) is not None
    assert one.raise_(T0 + S, 32.0, first_out=True) is None
    assert one.occurrences == 1


def test_a_shelf_silences_and_its_end_lets_it_ring_again() -> None:
    one = alarm()
    one.raise_(T0, 31.0, first_out=True)
    one.shelve(T0 + S, T0 + 3_600 * S, "eva", "being mended")
    assert (one.state, one.rings) == ("shelved", False)
    one.unshelve(T0 + 2 * S, "")
    assert one.state == "unacknowledged"


def test_what_rose_and_fell_while_silent_by_design_needs_nobody() -> None:
    one = alarm()
    one.suppress(T0, "not commissioned: planned")
    one.raise_(T0 + S, 31.0, first_out=False)
    assert one.state == "suppressed"
    one.return_(T0 + 2 * S, 20.0)
    one.suppress(T0 + 3 * S, "")
    assert (one.state, one.rings) == ("normal", False)


def test_what_still_holds_when_the_silence_by_design_ends_rings_then() -> None:
    one = alarm()
    one.suppress(T0, "not commissioned: installed")
    one.raise_(T0 + S, 31.0, first_out=False)
    step = one.suppress(T0 + 2 * S, "")
    assert step is not None
    assert (step.before, step.state, one.rings) == ("suppressed", "unacknowledged", True)


def test_any_order_of_what_can_happen_keeps_state_and_steps_in_agreement() -> None:
    """Whatever happens, each step tells the state before and after truly, and only what rings waits for people."""
    deeds = {
        "raise": lambda one, at: one.raise_(at, 1.0, first_out=False),
        "return": lambda one, at: one.return_(at, 0.0),
        "ack": lambda one, at: None if one.acknowledged else one.acknowledge(at, "eva"),
        "shelve": lambda one, at: one.shelve(at, at + S, "eva", "why"),
        "unshelve": lambda one, at: None if one.shelved_until_us is None else one.unshelve(at, "eva"),
        "suppress": lambda one, at: one.suppress(at, "design"),
        "free": lambda one, at: one.suppress(at, ""),
        "out": lambda one, at: one.service(at, "broken", "eva"),
        "in": lambda one, at: one.service(at, "", "eva"),
    }
    rng = random.Random(18)
    seen = set()
    for _ in range(300):
        one, state = alarm(), "normal"
        for at in itertools.count(1):
            step = deeds[rng.choice(list(deeds))](one, at)
            if step is not None:
                assert (step.before, step.state) == (state, one.state)
            state = one.state
            seen.add(state)
            assert one.rings == (state in ("unacknowledged", "returned"))
            assert not (one.rings and (one.suppressed_why or one.out_of_service_why or one.shelved_until_us))
            if at > 40:
                break
    assert len(seen) == 7
