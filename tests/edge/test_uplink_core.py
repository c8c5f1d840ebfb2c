"""The uplink's protocol, step by step in virtual time; `tests/simulation` runs it against the twin's half."""

import itertools

import pytest

from edge.uplink_core import Run, UplinkCore
from edge.uplink_pace import WINDOW_BYTES_START
from wire.limits import PROBE_BACKOFF_S_MAX, PROGRESS_TIMEOUT_S

NOW, OLD = b"n" * 16, b"o" * 16
KIB = 1 << 10


def core_with(count: int, size: int = KIB, epoch: bytes = NOW) -> UplinkCore:
    """A core whose running epoch has a catalogue and `count - 1` records."""
    core = UplinkCore(boot=1)
    core.appended(epoch, 1, [size] * count)
    core.declared(epoch, 1)
    return core


def seqs(runs: list[Run], epoch: bytes = NOW) -> list[int]:
    """The seqs of one epoch in the order of sending."""
    return [seq for run in runs if run.epoch == epoch for seq in range(run.lo, run.hi + 1)]


def open_window(core: UplinkCore, epoch: bytes = NOW) -> None:
    """Send and commit until the window is as wide as it gets."""
    for _ in range(200):
        for run in core.sends(0.0):
            core.acked(run.epoch, [(run.lo, run.hi)], 7, 0.01)


def test_nothing_is_sent_before_the_twin_has_told_what_it_has() -> None:
    core = core_with(10)
    assert core.sends(0.0) == []
    core.connected(0.0)
    assert core.hello_due(0.0)
    assert core.sends(0.0) == []
    core.acked(NOW, [(1, 4)], 7, 0.1)
    assert seqs(core.sends(0.1)) == [5, 6, 7, 8, 9, 10]


def test_hello_is_repeated_with_backoff_until_every_epoch_is_answered() -> None:
    core = core_with(3)
    core.adopt(OLD, 5, [KIB] * 3, {1: 200})
    core.connected(0.0)
    due = [at / 10 for at in range(1_200) if core.hello_due(at / 10)]
    gaps = [after - before for before, after in itertools.pairwise(due)]
    assert due[0] == 0.0
    assert gaps[0] == pytest.approx(PROGRESS_TIMEOUT_S, abs=0.11)
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(PROBE_BACKOFF_S_MAX, abs=0.11)
    core.acked(NOW, [], 7, 120.0)
    assert not core.answered
    core.acked(OLD, [], 7, 120.0)
    assert core.answered
    assert not any(core.hello_due(120.0 + at) for at in range(100))
    spans = {span.epoch: span for span in core.hello(3).epochs}
    assert (spans[OLD.hex()].floor, spans[OLD.hex()].head, spans[OLD.hex()].catalogues) == (5, 7, [1])


def test_catalogues_go_first_even_those_below_the_floor() -> None:
    core = core_with(4)
    core.adopt(OLD, 100, [KIB] * 3, {1: 200, 101: KIB})
    core.connected(0.0)
    core.acked(NOW, [], 7, 0.0)
    core.acked(OLD, [], 7, 0.0)
    runs = core.sends(0.0)
    assert runs[:3] == [Run(OLD, 1, 1), Run(OLD, 101, 101), Run(NOW, 1, 1)]
    assert sorted(seqs(runs)) == [1, 2, 3, 4]
    assert sorted(seqs(runs, OLD)) == [1, 100, 101, 102]


def test_a_backlog_is_sent_from_both_ends_three_quarters_of_it_newest() -> None:
    core = core_with(20_000)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    runs = core.sends(0.0)
    sent = seqs(runs)
    newest, oldest = [s for s in sent if s > 10_000], [s for s in sent if s <= 10_000]
    assert len(sent) * KIB <= WINDOW_BYTES_START
    assert max(newest) == 20_000
    assert min(oldest) == 2
    assert len(newest) == pytest.approx(3 * len(oldest), rel=0.01)
    assert sorted(newest) == list(range(min(newest), 20_001))
    assert sorted(oldest) == list(range(2, max(oldest) + 1))


def test_live_records_overtake_the_backlog() -> None:
    core = core_with(50_000)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    runs = core.sends(0.0)
    core.appended(NOW, 50_001, [KIB] * 5)
    assert core.sends(0.1) == []  # the window is full
    core.acked(NOW, [(run.lo, run.hi) for run in runs], 7, 0.2)
    assert seqs(core.sends(0.2))[:5] == [50_001, 50_002, 50_003, 50_004, 50_005]


def test_older_epochs_drain_behind_the_running_one() -> None:
    core = core_with(2_000)
    core.adopt(OLD, 1, [KIB] * 2_000, {1: KIB})
    core.connected(0.0)
    core.acked(NOW, [], 7, 0.0)
    core.acked(OLD, [], 7, 0.0)
    got: dict[bytes, set[int]] = {NOW: set(), OLD: set()}
    for step in range(100):
        for run in core.sends(step / 100):
            assert not got[run.epoch] & set(range(run.lo, run.hi + 1))  # nothing twice
            got[run.epoch] |= set(range(run.lo, run.hi + 1))
            core.acked(run.epoch, [(run.lo, run.hi)], 7, step / 100)
    assert got == {NOW: set(range(1, 2_001)), OLD: set(range(1, 2_001))}
    assert core.pending_records == core.pending_bytes == core.in_flight_bytes == 0
    assert core.records_resent == 0


def test_the_window_is_counted_in_bytes_and_the_twin_may_lower_it() -> None:
    core = core_with(100_000)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    open_window(core)
    assert core.window_bytes == 24 << 20
    core.appended(NOW, 100_001, [KIB] * 100_000)
    core.acked(NOW, [], 7, 0.1, window_bytes=300 * KIB)
    assert len(seqs(core.sends(0.1))) == 300
    assert core.in_flight_bytes == 300 * KIB
    assert core.sends(0.2) == []


def test_a_record_larger_than_the_window_still_goes() -> None:
    core = core_with(3, size=900 * KIB)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0, window_bytes=100 * KIB)
    assert len(seqs(core.sends(0.0))) == 1


def test_without_progress_one_probe_goes_ever_more_rarely_and_progress_restores_the_window() -> None:
    core = core_with(1_000)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    assert len(seqs(core.sends(0.0))) == 999
    probes = []
    for at in range(1, 1_500):
        core.tick(at / 10)
        runs = core.sends(at / 10)
        core.hello_due(at / 10)
        if runs:
            assert len(seqs(runs)) == 1
            probes.append(at / 10)
    gaps = [after - before for before, after in itertools.pairwise(probes)]
    assert probes[0] == pytest.approx(PROGRESS_TIMEOUT_S, abs=0.2)
    assert all(after >= before - 0.11 for before, after in itertools.pairwise(gaps))
    assert gaps[-1] == pytest.approx(PROBE_BACKOFF_S_MAX, abs=0.2)
    core.acked(NOW, [(1, 2)], 7, 150.0)
    assert len(seqs(core.sends(150.0))) == 998


def test_a_record_lost_among_others_is_sent_again_although_the_rest_goes_on() -> None:
    core = core_with(1)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    again: list[tuple[float, int]] = []
    for step in range(1, 100):
        now = step / 10
        core.appended(NOW, 1 + step, [KIB])
        core.tick(now)
        for seq in seqs(core.sends(now)):
            if seq == 5:
                again.append((now, seq))
            if seq != 5 or len(again) > 1:
                core.acked(NOW, [(seq, seq)], 7, now)
    assert len(again) == 2
    assert again[1][0] - again[0][0] < 1.5
    assert core.records_resent == 1
    assert core.pending_records == 0


def test_a_record_that_the_twin_never_takes_does_not_fill_the_link() -> None:
    core = core_with(1)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    sent = 0
    for step in range(1, 1_200):
        now = step / 10
        core.appended(NOW, 1 + step, [KIB])
        core.tick(now)
        for seq in seqs(core.sends(now)):
            sent += seq == 5
            if seq != 5:
                core.acked(NOW, [(seq, seq)], 7, now)
    assert 3 <= sent <= 10


def test_another_twin_process_is_told_everything_it_lacks() -> None:
    core = core_with(100)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    core.sends(0.0)
    core.acked(NOW, [(1, 100)], 7, 0.1)
    assert core.covered(NOW, 1, 100)
    core.hello_due(0.1)
    core.asked(8, 1.0)  # restored from a backup
    assert not core.covered(NOW, 1, 1)
    assert core.hello_due(1.0)
    core.acked(NOW, [(1, 60)], 8, 1.1)
    assert seqs(core.sends(1.1)) == list(range(61, 101))


def test_a_disconnect_makes_everything_unacknowledged_go_again() -> None:
    core = core_with(50)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    core.sends(0.0)
    core.acked(NOW, [(1, 20)], 7, 0.1)
    core.disconnected()
    assert core.sends(0.2) == []
    assert core.acked(NOW, [(1, 30)], 7, 0.2) == 0  # late word of the old connection counts for nothing
    core.connected(1.0)
    core.acked(NOW, [(1, 20)], 7, 1.0)
    assert seqs(core.sends(1.0)) == list(range(21, 51))


def test_what_the_link_did_not_take_is_offered_again_at_once() -> None:
    core = core_with(50)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    (run,) = core.sends(0.0)
    core.unsent(NOW, 31, 50)
    assert core.in_flight_bytes == 29 * KIB
    assert seqs(core.sends(0.0)) == list(range(31, 51))
    assert run.hi == 50


def test_refused_thinned_and_retired_records_are_neither_sent_nor_awaited() -> None:
    core = UplinkCore(boot=1)
    core.appended(NOW, 1, [KIB, KIB, 0, 0, KIB, KIB, KIB, KIB])
    core.absent(NOW, 6, 7)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    assert sorted(seqs(core.sends(0.0))) == [2, 5, 8]
    assert core.pending_records == 3
    assert core.pending_bytes == 3 * KIB
    core.acked(NOW, [(1, 8)], 7, 0.1)
    core.retired(NOW, 6)
    assert core.hello(1).epochs[0].floor == 6
    assert core.pending_records == core.pending_bytes == 0
    core.appended(NOW, 9, [KIB])
    assert seqs(core.sends(0.2)) == [9]


def test_a_slow_link_narrows_the_window_so_that_live_data_stays_live() -> None:
    core = core_with(50_000)
    core.connected(0.0)
    core.acked(NOW, [(1, 1)], 7, 0.0)
    now, rate = 0.0, 128 * KIB  # one Mbit/s
    line: list[Run] = []
    for _ in range(400):
        line += core.sends(now)
        run = line.pop(0)
        now += (run.hi - run.lo + 1) * KIB / rate
        core.acked(NOW, [(run.lo, run.hi)], 7, now)
        core.tick(now)
    assert core.window_bytes <= 512 * KIB
    assert core.records_resent == 0


def test_work_does_not_grow_with_the_backlog() -> None:
    """Counted in runs, not in time: a million records of backlog cost as few runs as a thousand."""
    core = UplinkCore(boot=1)
    core.adopt(OLD, 1, [100] * 1_000_000, {})
    core.appended(NOW, 1, [100])
    core.connected(0.0)
    core.acked(NOW, [], 7, 0.0)
    core.acked(OLD, [], 7, 0.0)
    runs = core.sends(0.0)
    assert sum(run.hi - run.lo + 1 for run in runs) > 10_000
    assert len(runs) < 50


def test_it_tells_for_how_long_nothing_that_waits_was_committed() -> None:
    core = core_with(4)
    assert core.unheard_s(100.0) == 0.0
    assert core.unheard_s(130.0) == 30.0, "no connection"
    core.connected(140.0)
    core.acked(NOW, [(1, 2)], 7, 150.0)
    assert core.unheard_s(155.0) == 5.0, "a twin that took two and then died"
    core.acked(NOW, [(1, 4)], 7, 160.0)
    assert core.unheard_s(900.0) == 0.0, "nothing waits"


def test_a_metered_link_sends_what_it_may_and_the_newest_first() -> None:
    core = UplinkCore(boot=1, bytes_s=10 * KIB)
    core.appended(NOW, 1, [KIB] * 1_000)
    core.connected(0.0)
    core.acked(NOW, [], 7, 0.0)
    sent: list[tuple[float, int]] = []
    for tick in range(600):
        now = tick / 10
        for run in core.sends(now):
            sent += [(now, seq) for seq in range(run.lo, run.hi + 1)]
            core.acked(run.epoch, [(run.lo, run.hi)], 7, now + 0.05)
        core.tick(now)
    assert len({seq for _, seq in sent}) == len(sent), "nothing goes twice over a link that is paid by the byte"
    for end_s in (5, 20, 60):
        assert 10 * end_s * 0.9 <= sum(at < end_s for at, _ in sent) <= 10 * (end_s + 2) + 2
    first = [seq for at, seq in sent if at < 10]
    assert sum(seq > 500 for seq in first) > 0.6 * len(first)
    assert 1 in first
