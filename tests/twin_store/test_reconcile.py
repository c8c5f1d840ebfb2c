"""The pure protocol core of the twin: what is taken, what is acknowledged, who is served."""

import pytest

from twin.presence import GRACE_S, QUIET_S, Presence, Standing
from twin.reconcile import Gap, Reconciler
from wire.limits import ACK_RANGES_MAX, RECORD_BYTES_MAX, WINDOW_BYTES, WINDOWS_BYTES_TOTAL
from wire.messages import EpochSpan, Hello, Status

E1, E2 = b"\x01" * 16, b"\x02" * 16


@pytest.fixture
def twin() -> Reconciler:
    """A twin that knows generation 1 of epoch 1 of node n."""
    twin = Reconciler(boot=7)
    intake = twin.begin()
    assert intake.catalogue("n", E1, 1, 1)
    twin.apply(intake)
    return twin


def hello(boot: int = 1, *spans: EpochSpan) -> Hello:
    return Hello(boot=boot, epochs=list(spans))


def ranges(twin: Reconciler, epoch: bytes = E1) -> list[tuple[int, int]]:
    return twin.acks([("n", epoch)])[0][1].ranges


def test_a_record_is_taken_once_in_any_order(twin: Reconciler) -> None:
    intake = twin.begin()
    assert intake.admit("n", E1, 1, [9, 2, 3, 9, 3]) == [0, 1, 2]
    assert intake.admit("n", E1, 1, [3, 4]) == [1]
    twin.apply(intake)
    assert ranges(twin) == [(1, 4), (9, 9)]
    assert twin.begin().admit("n", E1, 1, [2, 3, 4, 5]) == [3]


def test_a_dropped_transaction_leaves_no_trace(twin: Reconciler) -> None:
    twin.begin().admit("n", E1, 1, [2, 3])
    assert ranges(twin) == [(1, 1)]
    assert twin.begin().admit("n", E1, 1, [2, 3]) == [0, 1]


def test_the_ranges_of_a_transaction_are_disjoint_from_earlier_ones(twin: Reconciler) -> None:
    intake = twin.begin()
    intake.admit("n", E1, 1, [1, 2, 3, 5])
    assert intake.ranges() == [("n", E1, 2, 3), ("n", E1, 5, 5)]


def test_data_of_an_unknown_generation_is_neither_taken_nor_acknowledged(twin: Reconciler) -> None:
    intake = twin.begin()
    assert intake.admit("n", E1, 2, [2, 3]) == []
    assert intake.counts["parked"] == 2
    assert intake.ask == {"n"}
    twin.apply(intake)
    assert ranges(twin) == [(1, 1)]
    assert twin.parked == {("n", E1, 2)}
    intake = twin.begin()
    assert intake.catalogue("n", E1, 2, 4)
    assert intake.admit("n", E1, 2, [2, 3]) == [0, 1], "a catalogue counts within its own transaction"
    twin.apply(intake)
    assert twin.parked == set()


def test_a_generation_of_one_epoch_says_nothing_about_another(twin: Reconciler) -> None:
    assert twin.begin().admit("n", E2, 1, [2]) == []
    assert twin.begin().admit("m", E1, 1, [2]) == []


def test_a_catalogue_whose_seq_is_in_a_gap_is_still_taken(twin: Reconciler) -> None:
    intake = twin.begin()
    intake.gap(Gap("n", E2, 1, 9, "corrupt"))
    assert intake.catalogue("n", E2, 1, 1)
    assert intake.admit("n", E2, 1, [10]) == [0]


def test_what_the_agent_no_longer_has_becomes_a_gap_but_for_its_catalogues(twin: Reconciler) -> None:
    intake = twin.begin()
    intake.admit("n", E1, 1, [5])
    span = EpochSpan(epoch=E1.hex(), floor=8, head=20, catalogues=[1, 6])
    assert intake.hello("n", hello(1, span), 0.0) is Standing.OWNER
    assert [(g.lo, g.hi, g.reason) for g in intake.gaps] == [
        (2, 4, "below floor"),
        (7, 7, "below floor"),
    ]
    twin.apply(intake)
    assert ranges(twin) == [(1, 5), (7, 7)]


def test_a_gap_never_covers_a_record_that_is_committed(twin: Reconciler) -> None:
    intake = twin.begin()
    intake.admit("n", E1, 1, [4, 5])
    assert intake.gap(Gap("n", E1, 2, 9, "thinned")) == [(2, 3), (6, 9)]


def test_an_unknown_epoch_in_a_hello_is_answered_with_no_ranges(twin: Reconciler) -> None:
    intake = twin.begin()
    intake.hello("n", hello(1, EpochSpan(epoch=E2.hex(), floor=1, head=3)), 0.0)
    twin.apply(intake)
    acks = dict(twin.acks(intake.touched))
    assert acks["n"].ranges == []
    assert acks["n"].complete
    assert acks["n"].boot == 7


def test_a_long_list_of_ranges_is_cut_and_says_so(twin: Reconciler) -> None:
    intake = twin.begin()
    intake.admit("n", E1, 1, list(range(3, 3 + 2 * ACK_RANGES_MAX, 2)))
    twin.apply(intake)
    ack = twin.acks([("n", E1)])[0][1]
    assert len(ack.ranges) == ACK_RANGES_MAX
    assert not ack.complete


def test_a_restarted_twin_goes_on_from_its_committed_ranges(twin: Reconciler) -> None:
    again = Reconciler(boot=8)
    again.load([("n", E1, 1, 3), ("n", E1, 5, 5)], [("n", E1, 1)])
    assert again.begin().admit("n", E1, 1, [2, 3, 4, 5, 6]) == [2, 4]


def test_windows_of_all_nodes_stay_below_the_total() -> None:
    twin = Reconciler(boot=1)
    assert twin.window_bytes() == WINDOW_BYTES
    for at in range(4):
        twin.introduce(f"n{at}", hello(at + 1), 0.0)
    assert twin.window_bytes() == WINDOWS_BYTES_TOTAL // 4
    for at in range(4, 4_000):
        twin.introduce(f"n{at}", hello(at + 1), 0.0)
    assert 0 < twin.window_bytes() <= RECORD_BYTES_MAX


def test_idle_acknowledgements_name_the_newest_and_the_undrained_epochs(twin: Reconciler) -> None:
    spans = [
        EpochSpan(epoch=E1.hex(), floor=1, head=1),
        EpochSpan(epoch=E2.hex(), floor=1, head=4),
        EpochSpan(epoch="03" * 16, floor=1, head=0),
    ]
    twin.introduce("n", hello(1, *spans), 0.0)
    assert twin.due_when_idle() == [("n", E2), ("n", b"\x03" * 16)]
    twin.status("n", Status(online=False, boot=1, since_us=0))
    assert twin.due_when_idle() == []


def test_a_restarted_agent_takes_over_at_once_after_its_last_will() -> None:
    presence = Presence()
    assert presence.heard(1, 0.0) is Standing.OWNER
    presence.gone(1)
    assert presence.heard(2, 0.1) is Standing.OWNER
    assert presence.conflicts == 0


def test_a_restarted_agent_takes_over_when_the_old_one_is_silent() -> None:
    presence = Presence()
    presence.heard(1, 0.0)
    assert presence.heard(2, 10.0) is Standing.WAITING
    assert presence.disputed
    assert presence.heard(2, 10.0 + GRACE_S) is Standing.OWNER
    assert not presence.disputed
    assert presence.conflicts == 0


def test_the_second_of_two_live_agents_is_refused_until_the_first_is_gone() -> None:
    presence = Presence()
    presence.heard(1, 0.0)
    presence.heard(2, 10.0)
    assert presence.heard(1, 10.2) is Standing.OWNER
    assert presence.heard(2, 10.3) is Standing.REFUSED
    assert presence.heard(2, 11.5) is Standing.REFUSED
    assert presence.conflicts == 1
    assert presence.heard(2, 10.2 + QUIET_S) is Standing.OWNER


def test_nothing_of_a_refused_agent_is_taken_or_acknowledged(twin: Reconciler) -> None:
    mine, other = EpochSpan(epoch=E1.hex(), floor=1, head=2), EpochSpan(epoch=E2.hex(), floor=1, head=2)
    twin.introduce("n", hello(1, mine), 0.0)
    twin.introduce("n", hello(2, other), 1.0)
    twin.introduce("n", hello(1, mine), 1.1)
    assert twin.introduce("n", hello(2, other), 1.2) is Standing.REFUSED
    intake = twin.begin()
    assert not intake.catalogue("n", E2, 1, 1)
    assert intake.admit("n", E2, None, [2]) == []
    assert intake.counts["refused"] == 2
    assert twin.acks([("n", E2)]) == []
    assert intake.admit("n", E1, 1, [2]) == [0], "the incumbent goes on"
    twin.status("n", Status(online=False, boot=1, since_us=0))
    assert twin.introduce("n", hello(2, other), 1.3) is Standing.OWNER
    assert twin.begin().catalogue("n", E2, 1, 1)
