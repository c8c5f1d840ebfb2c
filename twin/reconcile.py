"""The twin's half of delivery: set reconciliation between two disks. Pure: no clock, no I/O, no randomness.

The `Reconciler` mirrors what the database has committed. One transaction's worth of work is an `Intake`: it
decides for every record whether it is new, collects what the transaction must write, and changes nothing
until the caller has committed and calls `apply`. So a failed transaction is dropped by dropping its intake.

```
intake = twin.begin()
take = intake.admit(node, epoch, generation, seqs)   # positions of the records to store
... write rows, intake.ranges(), intake.gaps and the catalogues in one transaction ...
twin.apply(intake)                                   # only after the commit
for node, ack in twin.acks(intake.touched): publish
```
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from twin.presence import Presence, Standing
from wire.limits import ACK_RANGES_MAX, RECORD_BYTES_MAX, WINDOW_BYTES, WINDOWS_BYTES_TOTAL
from wire.messages import Ack, EpochSpan, Hello, Status
from wire.ranges import Range, Ranges

__all__ = ["Gap", "Intake", "Key", "Ledger", "Reconciler"]

Key = tuple[str, bytes]  # (node, epoch)
PARKED_KEYS_MAX = 4_096  # generations remembered as unknown, for people; the counters go on
BELOW_FLOOR = "below floor"
ABSENT = "not at the gateway any more"
_NONE = Ranges()


@dataclass(frozen=True, slots=True)
class Gap:
    """Seqs of one epoch that are committed without data, and why."""

    node: str
    epoch: bytes
    lo: int
    hi: int
    reason: str
    readings: int | None = None


@dataclass(slots=True)
class Ledger:
    """What is committed of one epoch of one node: its seqs, and the catalogue generations that are known."""

    ranges: Ranges = field(default_factory=Ranges)
    generations: set[int] = field(default_factory=set)


class Intake:
    """The decisions of one transaction. Everything it holds is to be written in that transaction."""

    def __init__(self, twin: "Reconciler") -> None:
        self._twin = twin
        self._staged: dict[Key, Ledger] = {}
        self.gaps: list[Gap] = []
        self.touched: set[Key] = set()  # epochs to acknowledge after the commit
        self.ask: set[str] = set()  # nodes to ask for a hello: something of theirs is unknown here
        self.counts: Counter[str] = Counter()

    def admit(self, node: str, epoch: bytes, generation: int | None, seqs: Sequence[int]) -> list[int]:
        """Which positions of `seqs` to store: those never seen. Marks them as committed by this transaction.

        Nothing is taken while the catalogue `generation` of the epoch is unknown (the records are parked:
        dropped without acknowledgement, so the agent sends them again) or while the epoch belongs to a
        refused agent. `generation` None admits what is kept without a catalogue: gaps, the quarantined.
        """
        key = (node, epoch)
        if not self._twin.serves(key):
            self.counts["refused"] += len(seqs)
            return []
        if generation is not None and not self.knows(key, generation):
            self.counts["parked"] += len(seqs)
            self.ask.add(node)
            self._twin.remember_parked(node, epoch, generation)
            return []
        self.touched.add(key)
        positions = self._fresh(key, seqs)
        self.counts["new"] += len(positions)
        self.counts["duplicate"] += len(seqs) - len(positions)
        return positions

    def catalogue(self, node: str, epoch: bytes, generation: int, seq: int) -> bool:
        """Whether this catalogue record is to be stored: its generation is new to this epoch."""
        key = (node, epoch)
        if not self._twin.serves(key):
            self.counts["refused"] += 1
            return False
        self.touched.add(key)
        self._fresh(key, [seq])
        if self.knows(key, generation):
            self.counts["duplicate"] += 1
            return False
        self._stage(key).generations.add(generation)
        self.counts["new"] += 1
        return True

    def gap(self, gap: Gap) -> list[Range]:
        """Commit what is missing of `gap.lo..gap.hi` without data; returns those parts.

        Catalogues that the agent still has are left out: without them, later data could never be read.
        """
        key = (gap.node, gap.epoch)
        self.touched.add(key)
        missing = [
            part
            for lo, hi in self._missing(key, gap.lo, gap.hi)
            for part in self._twin.kept_catalogues(key).missing(lo, hi)
        ]
        for lo, hi in missing:
            self._mark(key, lo, hi)
            self.gaps.append(Gap(gap.node, gap.epoch, lo, hi, gap.reason, gap.readings))
        return missing

    def hello(self, node: str, hello: Hello, now_s: float) -> Standing:
        """Take an agent's hello: who is served, which epochs it holds, what it no longer has (its floor)."""
        standing = self._twin.introduce(node, hello, now_s)
        if standing is not Standing.OWNER:
            self.ask.add(node)
            return standing
        copied = self._twin.presence[node].disputed  # what one of two copies of a spool lacks, the other may have
        for span in hello.epochs:
            epoch = bytes.fromhex(span.epoch)
            self.touched.add((node, epoch))
            if copied:
                continue
            self.gap(Gap(node, epoch, 1, span.floor - 1, BELOW_FLOOR))
            for lo, hi in span.absent:
                if lo <= hi:
                    self.gap(Gap(node, epoch, lo, hi, ABSENT))
        return standing

    def knows(self, key: Key, generation: int) -> bool:
        """Whether the catalogue generation is committed or in this transaction."""
        staged = self._staged.get(key)
        if staged is not None and generation in staged.generations:
            return True
        ledger = self._twin.ledgers.get(key)
        return ledger is not None and generation in ledger.generations

    def staged(self) -> Iterable[tuple[Key, Ledger]]:
        """What this transaction adds, by epoch."""
        return self._staged.items()

    def _fresh(self, key: Key, seqs: Sequence[int]) -> list[int]:
        lo, hi = seqs[0], seqs[-1]
        one_run = hi - lo == len(seqs) - 1 and all(map(int.__lt__, seqs, seqs[1:]))
        if one_run and self._missing(key, lo, hi) == [(lo, hi)]:  # the usual case
            self._mark(key, lo, hi)
            return list(range(len(seqs)))
        positions = []
        for at, seq in enumerate(seqs):
            if self._missing(key, seq, seq):
                self._mark(key, seq, seq)
                positions.append(at)
        return positions

    def _missing(self, key: Key, lo: int, hi: int) -> list[Range]:
        ledger = self._twin.ledgers.get(key)
        holes = ledger.ranges.missing(lo, hi) if ledger else [(lo, hi)]
        staged = self._staged.get(key)
        return [part for a, b in holes for part in staged.ranges.missing(a, b)] if staged else holes

    def _mark(self, key: Key, lo: int, hi: int) -> None:
        self._stage(key).ranges.add(lo, hi)

    def _stage(self, key: Key) -> Ledger:
        return self._staged.setdefault(key, Ledger())

    def ranges(self) -> list[tuple[str, bytes, int, int]]:
        """The ranges that this transaction commits, disjoint from all earlier ones: (node, epoch, lo, hi)."""
        return [(node, epoch, lo, hi) for (node, epoch), new in self._staged.items() for lo, hi in new.ranges]


class Reconciler:
    """Everything the twin knows of what was delivered, and the acknowledgements that follow from it."""

    def __init__(self, boot: int) -> None:
        self.boot = boot  # of this twin process: an agent forgets what an earlier twin had acknowledged
        self.ledgers: dict[Key, Ledger] = {}
        self.presence: dict[str, Presence] = {}
        self.hellos: dict[str, Hello] = {}
        self.parked: set[tuple[str, bytes, int]] = set()
        self._kept: dict[Key, Ranges] = {}
        self._claims: dict[Key, int] = {}  # epochs that only an agent which is not served has shown
        self._online = 0
        self.conflicts = 0  # how often a second live agent with the same node name was refused

    def load(self, ranges: Iterable[tuple[str, bytes, int, int]], known: Iterable[tuple[str, bytes, int]]) -> None:
        """Start from the database: ranges (node, epoch, lo, hi), catalogues (node, epoch, generation)."""
        self.ledgers = {}
        for node, epoch, lo, hi in ranges:
            self.ledgers.setdefault((node, epoch), Ledger()).ranges.add(lo, hi)
        for node, epoch, generation in known:
            self.ledgers.setdefault((node, epoch), Ledger()).generations.add(generation)

    def ranges(self) -> Iterable[tuple[str, bytes, int, int]]:
        """Everything that is committed: (node, epoch, lo, hi)."""
        return ((*key, lo, hi) for key, ledger in self.ledgers.items() for lo, hi in ledger.ranges)

    def begin(self) -> Intake:
        """The decisions of one transaction."""
        return Intake(self)

    def apply(self, intake: Intake) -> None:
        """The intake's transaction is committed."""
        for key, new in intake.staged():
            ledger = self.ledgers.setdefault(key, Ledger())
            ledger.generations |= new.generations
            for lo, hi in new.ranges:
                ledger.ranges.add(lo, hi)
            for generation in new.generations:
                self.parked.discard((*key, generation))

    def introduce(self, node: str, hello: Hello, now_s: float) -> Standing:
        """Take a hello's word on who is alive; nothing of it is stored."""
        presence = self.presence.setdefault(node, Presence())
        with self._counted(presence):
            standing = presence.heard(hello.boot, now_s, hello.where)
        keys = [(node, bytes.fromhex(span.epoch)) for span in hello.epochs]
        if standing is Standing.OWNER:
            self.hellos[node] = hello
            for key, span in zip(keys, hello.epochs, strict=True):
                self._claims.pop(key, None)
                self._kept[key] = Ranges((seq, seq) for seq in span.catalogues)
        elif standing is Standing.REFUSED:
            held = {(node, bytes.fromhex(span.epoch)) for span in self._epochs(node)} | self.ledgers.keys()
            self._claims = {key: boot for key, boot in self._claims.items() if not self.serves(key)}
            self._claims.update(dict.fromkeys(set(keys) - held, hello.boot))
        return standing

    def status(self, node: str, status: Status) -> bool:
        """Take a status or a last will; returns whether to ask for a hello, the only proof of being alive.

        The last will of an agent's earlier connection can arrive after its next one has begun.
        """
        presence = self.presence.setdefault(node, Presence())
        if not status.online:
            with self._counted(presence):
                presence.gone(status.boot)
        return not status.online or presence.owner != status.boot

    def serves(self, key: Key) -> bool:
        """Whether records of this epoch are taken: not those that only a refused agent holds."""
        boot = self._claims.get(key)
        return boot is None or boot not in self.presence[key[0]].refused

    def remember_parked(self, node: str, epoch: bytes, generation: int) -> None:
        """Note for people that data waits for a catalogue."""
        if len(self.parked) < PARKED_KEYS_MAX:
            self.parked.add((node, epoch, generation))

    def acks(self, keys: Iterable[Key]) -> list[tuple[str, Ack]]:
        """The acknowledgements of these epochs: (node, ack); nothing to an agent that is refused."""
        return [(key[0], self._ack(key)) for key in sorted(keys) if self.serves(key)]

    def due_when_idle(self) -> list[Key]:
        """Epochs to acknowledge again each idle second: the newest and the undrained of agents online."""
        due = []
        for node in self.hellos:
            spans = self._epochs(node) if self.presence[node].online else []
            for at, span in enumerate(spans):
                key = (node, bytes.fromhex(span.epoch))
                ledger = self.ledgers.get(key)
                drained = ledger is not None and ledger.ranges.covers(span.floor, max(span.floor, span.head))
                if at == len(spans) - 1 or not drained:
                    due.append(key)
        return due

    def disputed(self) -> list[str]:
        """Nodes with more than one boot in sight: the twin keeps asking them for a hello."""
        return [node for node, presence in self.presence.items() if presence.disputed]

    def window_bytes(self) -> int:
        """Unacknowledged bytes that each node may have in flight: the total, shared by those online."""
        return max(min(WINDOW_BYTES, WINDOWS_BYTES_TOTAL // max(1, self._online)), RECORD_BYTES_MAX // 8)

    def kept_catalogues(self, key: Key) -> Ranges:
        """The catalogue seqs of this epoch that the agent's last hello said it has."""
        return self._kept.get(key, _NONE)

    @contextmanager
    def _counted(self, presence: Presence) -> Iterator[None]:
        """Keep the sums over all nodes, which every acknowledgement asks for, right over a change of one."""
        online, conflicts = presence.online, presence.conflicts
        yield
        self._online += presence.online - online
        self.conflicts += presence.conflicts - conflicts

    def _epochs(self, node: str) -> list[EpochSpan]:
        hello = self.hellos.get(node)
        return hello.epochs if hello else []

    def _ack(self, key: Key) -> Ack:
        ledger = self.ledgers.get(key)
        ranges = ledger.ranges.to_list() if ledger else []
        shown = ranges[:ACK_RANGES_MAX]
        return Ack(key[1].hex(), shown, self.boot, self.window_bytes(), complete=len(shown) == len(ranges))
