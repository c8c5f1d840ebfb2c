"""The protocol of the uplink as a pure machine: no clock, no I/O, no event loop.

It knows which records the spool has, which the twin has committed and which are on the way, and says what to
send next. Times come in as seconds of a clock that never runs backwards. Work is done in runs of seqs, so a record
costs a few additions, whatever the backlog.

Order of sending: catalogues that the twin lacks; what was lost on the way; live records, in order; then the
backlog from two ends. With a backlog the newest have three quarters of the free window, the oldest the rest.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from edge.uplink_epoch import EpochState, Part
from edge.uplink_flight import Flight, Run
from edge.uplink_pace import Pace
from wire.limits import HELLO_EPOCHS_MAX, PROBE_BACKOFF_S_MAX, PROGRESS_TIMEOUT_S, WINDOW_BYTES
from wire.messages import Hello
from wire.ranges import Range

__all__ = ["Run", "UplinkCore"]

REORDER_S: Final = 0.5  # what was sent so long before something committed, and is not committed itself, was lost
NEWEST_SHARE: Final = 0.75


class UplinkCore:
    """Drive it with `appended`, `connected`, `acked`…; ask `hello_due`, `sends` and `tick` several times a second.

    `boot` names this start of the agent. All methods are synchronous, and nothing that a peer says makes one raise.
    """

    def __init__(self, boot: int, agent: str = "", window_bytes: int = WINDOW_BYTES, bytes_s: float = 0.0) -> None:
        self.boot, self.agent = boot, agent
        self.is_connected = False
        self.records_sent = self.records_resent = self.records_acked = 0
        self._pace = Pace(window_bytes, bytes_s)
        self._epochs: dict[bytes, EpochState] = {}  # oldest first, the running one last
        self._running: EpochState | None = None
        self._twin_boot: int | None = None
        self._flights: deque[Flight] = deque()
        self._flying_bytes = 0
        self._held: list[tuple[float, Flight]] = []  # lost ones, with the time from which they may go again
        self._hello_wanted = False
        self._hello_again_s = 0.0
        self._hello_backoff_s = PROGRESS_TIMEOUT_S
        self._probing = False
        self._landed_sent_s = 0.0  # when the last sent of the committed was sent
        self._live_from = 1
        self._live_bytes = 0
        self._backlog_left = True  # unless a look has shown that there is none, and nothing has changed since

    # -- what the spool has

    def adopt(self, epoch: bytes, floor: int, sizes: Sequence[int], catalogues: dict[int, int]) -> None:
        """Take over an epoch of an earlier start: bytes of its records from `floor` on, and of its catalogues by seq.

        It goes before the running epoch and after those adopted already; a hello names it.
        """
        state = EpochState(epoch, floor)
        state.extend(floor, sizes)
        state.adopt_catalogues(catalogues)
        state.restart()
        self._epochs[epoch] = state
        if self._running is not None:
            self._epochs[self._running.epoch] = self._epochs.pop(self._running.epoch)
        self._want_hello()

    def appended(self, epoch: bytes, first_seq: int, sizes: Sequence[int]) -> None:
        """Records are durable in the running epoch, with their bytes; 0 marks one that was refused."""
        if self._running is None:
            self._running = self._epochs[epoch] = EpochState(epoch, first_seq)
            self._mark_live()
            self._want_hello()
        assert self._running.epoch == epoch, "an agent appends to one epoch only"
        self._live_bytes += self._running.extend(first_seq, sizes)
        if self._live_bytes > self._pace.limit_bytes:
            self._mark_live()

    def declared(self, epoch: bytes, seq: int) -> None:
        """Record `seq`, appended before, is a catalogue: it goes first and is kept as long as the epoch."""
        self._epochs[epoch].declare(seq)

    def absent(self, epoch: bytes, lo: int, hi: int) -> None:
        """Records were lost on purpose or by damage; a gap record tells the twin."""
        if state := self._epochs.get(epoch):
            state.drop(lo, hi)

    def retired(self, epoch: bytes, floor: int) -> None:
        """The spool deleted committed records below `floor`."""
        if state := self._epochs.get(epoch):
            state.retire(floor)

    def forgotten(self, epoch: bytes) -> None:
        """The spool deleted a whole epoch."""
        state = self._epochs.pop(epoch, None)
        for flight in [flight for flight in self._flights if flight.state is state]:
            self._unfly(flight)

    # -- the connection

    def connected(self, now: float) -> None:
        """The link stands: say hello; nothing is on the way; what the twin has must be told anew."""
        self.is_connected = True
        self._pace.connected()
        for state in self._epochs.values():
            state.answered = False
        self._pace.wait_from(now)
        self._restart()
        self._want_hello()

    def disconnected(self) -> None:
        """The link is gone, and with it whatever was on the way."""
        self.is_connected = False
        self._restart()

    def asked(self, boot: int, now: float) -> None:
        """The twin process `boot` asks for a hello (down/hello)."""
        self._meet(boot, now)
        self._want_hello()

    def hello_due(self, now: float) -> bool:
        """Whether to publish `hello()` now: when asked, and with backoff until the twin has answered every epoch."""
        due = self._hello_wanted or (not self.answered and now >= self._hello_again_s)
        if not self.is_connected or not due:
            return False
        self._hello_wanted = False
        self._hello_again_s = now + self._hello_backoff_s
        self._hello_backoff_s = min(self._hello_backoff_s * 2, PROBE_BACKOFF_S_MAX)
        return True

    def hello(self, generation: int) -> Hello:
        """The hello to publish: what the spool still has of each epoch (of the newest, if there are too many)."""
        spans = [state.span() for state in list(self._epochs.values())[-HELLO_EPOCHS_MAX:]]
        return Hello(boot=self.boot, epochs=spans, generation=generation, agent=self.agent)

    # -- what the twin has

    def acked(
        self, epoch: bytes, ranges: Iterable[Range], boot: int, now: float, window_bytes: int | None = None
    ) -> int:
        """The twin process `boot` has committed `ranges` of an epoch; returns of how many records that was news."""
        if not self.is_connected:
            return 0
        self._meet(boot, now)
        if window_bytes is not None:
            self._pace.limit(window_bytes)
        state = self._epochs.get(epoch)
        if state is None:
            return 0
        self._backlog_left |= not state.answered
        state.answered = True
        fresh = [part for lo, hi in ranges for part in state.commit(lo, hi)]
        if fresh:
            self._land(state, now)
            self._pace.progress(now)
            if self._probing:
                self._restart()
        count = sum(hi - lo + 1 for lo, hi in fresh)
        self.records_acked += count
        return count

    def covered(self, epoch: bytes, lo: int, hi: int) -> bool:
        """Whether the twin has said, since the last connect, that it has committed all of `lo..hi`.

        Only then may the spool delete them.
        """
        state = self._epochs.get(epoch)
        return state is not None and state.answered and state.committed.covers(lo, hi)

    # -- what to send

    def tick(self, now: float) -> None:
        """Notice what was lost on the way."""
        if not self._flights:
            self._pace.wait_from(now)
        elif self._pace.is_stalled(now, probing=self._probing):
            self._stall(now)
        elif not self._probing and self._landed_sent_s - self._flights[0].sent_s > REORDER_S:
            self._hold_overtaken(now)

    def sends(self, now: float) -> list[Run]:
        """The runs to send now, in this order. They count as on the way; say `unsent` of what the link did not take."""
        if not self.is_connected:
            return []
        runs = []
        for flight in self._probe(now) if self._probing else self._pick(now):
            lo, hi, size = flight.part
            self._flights.append(flight)
            self._flying_bytes += self._pace.spend(size)
            self.records_sent += hi - lo + 1
            if flight.attempts:
                self.records_resent += hi - lo + 1
            runs.append(Run(flight.state.epoch, lo, hi))
        return runs

    def unsent(self, epoch: bytes, lo: int, hi: int) -> None:
        """The link did not take `lo..hi`, the end of a run just handed out: it may be offered again at once."""
        for flight in reversed(self._flights):
            part, state = flight.part, flight.state
            if state.epoch == epoch and part.lo <= lo and hi == part.hi:
                self._unfly(flight)
                if part.lo < lo:
                    flight.part = Part(part.lo, lo - 1, state.bytes_of(part.lo, lo - 1))
                    self._flights.append(flight)
                    self._flying_bytes += flight.part.bytes
                self.records_sent -= hi - lo + 1
                state.unsend(lo, hi)
                self._backlog_left = True
                return

    def unheard_s(self, now: float) -> float:
        """For how long the twin has committed nothing although something waits; 0 when nothing waits."""
        return self._pace.unheard_s(now, waiting=self.oldest_pending is not None)

    # -- figures

    @property
    def pending_records(self) -> int:
        """Records that are there and not known to be committed."""
        return sum(state.pending_records for state in self._epochs.values())

    @property
    def pending_bytes(self) -> int:
        """Bytes of these."""
        return sum(state.pending_bytes for state in self._epochs.values())

    @property
    def oldest_pending(self) -> tuple[bytes, int] | None:
        """Epoch and seq of the oldest of them."""
        found = ((state.epoch, state.first_pending) for state in self._epochs.values() if state.pending_bytes)
        return next(((epoch, seq) for epoch, seq in found if seq is not None), None)

    @property
    def answered(self) -> bool:
        """Whether the twin has told, since the last connect, what it has of every epoch."""
        return self.is_connected and all(state.answered for state in self._epochs.values())

    @property
    def window_bytes(self) -> int:
        """Bytes that may be on the way now."""
        return self._pace.window_bytes

    @property
    def in_flight_bytes(self) -> int:
        """Bytes sent and neither committed nor given up."""
        return self._flying_bytes

    # -- inside

    def _want_hello(self) -> None:
        self._hello_wanted, self._hello_backoff_s = True, PROGRESS_TIMEOUT_S

    def _meet(self, boot: int, now: float) -> None:
        """Another start of the twin may have been restored from a backup: what an earlier one had counts no more."""
        before, self._twin_boot = self._twin_boot, boot
        if before is None or before == boot:
            return
        for state in self._epochs.values():
            state.forget_commits()
        self._pace.wait_from(now)
        self._restart()
        self._want_hello()

    def _restart(self) -> None:
        """Nothing is on the way; all that is there and not committed becomes backlog."""
        self._flights.clear()
        self._held.clear()
        self._flying_bytes, self._probing = 0, False
        self._landed_sent_s = 0.0
        for state in self._epochs.values():
            state.restart()
        self._mark_live()

    def _mark_live(self) -> None:
        """What is appended from here on counts as live."""
        self._live_from = self._running.head + 1 if self._running is not None else 1
        self._live_bytes = 0
        self._backlog_left = True

    def _pick(self, now: float) -> list[Flight]:
        ready = self._ready()
        picked = [Flight(s, part, now) for s in ready if s.catalogues_due for part in s.take_catalogues()]
        budget = self._pace.budget(now, self._flying_bytes) - sum([flight.part.bytes for flight in picked])
        if budget <= 0 and (self._flights or picked or self._pace.is_spent(now)):
            return picked
        if self._held:
            picked += self._take_held(now)
        backlog = self._backlogs(ready) if self._backlog_left else []
        self._backlog_left = bool(backlog)
        newest = round(budget * NEWEST_SHARE) if backlog else budget
        force = not self._flights and not picked
        live = self._take_live(now, newest, force=force)
        picked += live
        if backlog:
            newest -= sum([flight.part.bytes for flight in live])
            top = self._take_backlog(backlog, now, newest, newest=True, force=force and not live)
            rest = budget - round(budget * NEWEST_SHARE) + newest - sum(flight.part.bytes for flight in top)
            picked += top + self._take_backlog(backlog, now, rest, newest=False, force=False)
        return picked

    def _ready(self) -> list[EpochState]:
        """Epochs of which the twin has told what it has; of the others nothing is sent."""
        return [state for state in self._epochs.values() if state.answered]

    def _backlogs(self, ready: list[EpochState]) -> list[tuple[EpochState, int]]:
        """Epochs with the last seq of their backlog, oldest first; only those of which something is left to send."""
        ends = [(state, self._live_from - 1 if state is self._running else state.head) for state in ready]
        return [(state, end) for state, end in ends if end >= state.base and not state.sent.covers(state.base, end)]

    def _take_live(self, now: float, budget: int, *, force: bool) -> list[Flight]:
        state = self._running
        if state is None or not state.answered or (budget <= 0 and not force):
            return []
        flights = []
        for part in state.take(self._live_from, state.head, budget, newest=False, force=force):
            flights.append(Flight(state, part, now))
            self._live_bytes -= part.bytes
        if not flights and budget > 0:  # all of it is on its way, committed or not there
            self._live_bytes = 0
        return flights

    def _take_backlog(
        self, epochs: list[tuple[EpochState, int]], now: float, budget: int, *, newest: bool, force: bool
    ) -> list[Flight]:
        flights: list[Flight] = []
        for state, end in reversed(epochs) if newest else epochs:
            for part in state.take(state.base, end, budget, newest=newest, force=force):
                flights.append(Flight(state, part, now))
                budget, force = budget - part.bytes, False
            if budget <= 0 and not force:
                break
        return flights

    def _take_held(self, now: float) -> list[Flight]:
        """What was lost on the way and may go again."""
        due = [flight for due_s, flight in self._held if due_s <= now]
        self._held = [held for held in self._held if held[0] > now]
        return [
            Flight(flight.state, Part(lo, hi, flight.state.bytes_of(lo, hi)), now, flight.attempts)
            for flight in due
            for lo, hi in flight.state.committed.missing(flight.part.lo, flight.part.hi)
        ]

    def _land(self, state: EpochState, now: float) -> None:
        """Take what was committed out of the flights, and judge the delay."""
        flights: deque[Flight] = deque()
        for flight in self._flights:
            lo, hi, size = flight.part
            left = state.committed.missing(lo, hi) if flight.state is state else [(lo, hi)]
            if left == [(lo, hi)]:
                flights.append(flight)
                continue
            self._landed_sent_s = max(self._landed_sent_s, flight.sent_s)
            self._flying_bytes -= size
            for start, end in left:
                part = Part(start, end, state.bytes_of(start, end))
                self._flying_bytes += part.bytes
                flights.append(Flight(state, part, flight.sent_s, flight.attempts))
            if not flight.attempts:
                self._pace.landed(now - flight.sent_s)
        self._flights = flights

    def _stall(self, now: float) -> None:
        """No news: all that is on the way counts as lost. From now on one probe record at a time, ever more rarely."""
        self._pace.stall(probing=self._probing)
        self._pace.wait_from(now)
        self._restart()
        self._probing = self._hello_wanted = True

    def _probe(self, now: float) -> list[Flight]:
        if self._flights:
            return []
        catalogues = [(state, part) for state in self._ready() for part in state.take_catalogues()]
        probe = [Flight(state, part, now, attempts=1) for state, part in catalogues[:1]]
        for state, part in catalogues[1:]:
            state.unsend(part.lo, part.hi)
        if not probe:
            backlog = self._backlogs(self._ready())
            probe = self._take_backlog(backlog, now, 0, newest=True, force=True)[:1]
        probe = probe or self._take_live(now, 0, force=True)
        self._probing = bool(probe)
        for flight in probe:
            flight.attempts = 1
        return probe

    def _hold_overtaken(self, now: float) -> None:
        """What was sent long before something that is committed will not come any more: send it again, once at
        first, then ever more rarely, since a record that the twin cannot take must not fill the link."""
        overtaken = [flight for flight in self._flights if self._landed_sent_s - flight.sent_s > REORDER_S]
        for flight in overtaken:
            self._unfly(flight)
            wait_s = min(PROGRESS_TIMEOUT_S * 2**flight.attempts, PROBE_BACKOFF_S_MAX) if flight.attempts else 0.0
            flight.attempts += 1
            self._held.append((now + wait_s, flight))

    def _unfly(self, flight: Flight) -> None:
        self._flights.remove(flight)
        self._flying_bytes -= flight.part.bytes
