"""A park of one gateway and one twin in virtual time: the real protocol cores, simulated disks, network and deaths.

`edge.uplink_core` and `twin.reconcile` are the product's own code; everything that can fail around them is here and
driven by one random generator. A world runs through a time of faults, then gets a healthy network and must drain.
`violations()` compares what was accepted with what the twin holds. `bugs` plants known mistakes, to prove that the
simulation would see them.
"""

import copy
import random
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.uplink_core import UplinkCore
from twin.reconcile import Gap, Reconciler
from wire.messages import Ack, DownHello, Hello

NODE = "gateway"
POINTS = ("temperature", "humidity", "power", "co2")
RECORD_BYTES = 300


class Record(NamedTuple):
    """A record: a catalogue (order of points), data (rows of local id and reading number) or a gap."""

    epoch: bytes
    seq: int
    generation: int
    catalogue: tuple[str, ...] = ()
    rows: tuple[tuple[int, int], ...] = ()
    gap: tuple[bytes, int, int] | None = None


@dataclass
class EpochFiles:
    """One epoch on the gateway's disk."""

    records: dict[int, Record] = field(default_factory=dict)
    catalogues: dict[int, Record] = field(default_factory=dict)
    floor: int = 1

    @property
    def head(self) -> int:
        return max([*self.records, *self.catalogues, self.floor - 1])


@dataclass
class Database:
    """What the twin's transactions have made durable."""

    rows: list[tuple[str, int]] = field(default_factory=list)  # point name, reading number
    ranges: list[tuple[str, bytes, int, int]] = field(default_factory=list)
    catalogues: dict[tuple[bytes, int], tuple[str, ...]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


class Gateway:
    """The agent's shell: a spool, the real core, and death."""

    def __init__(self, world: "World") -> None:
        self.world, self.disk = world, dict[bytes, EpochFiles]()
        self.wiped_epoch: bytes | None = None
        self.start()

    def start(self) -> None:
        rng = self.world.rng
        self.core = UplinkCore(boot=rng.getrandbits(60))
        for epoch, files in self.disk.items():
            sizes = [RECORD_BYTES if seq in files.records else 0 for seq in range(files.floor, files.head + 1)]
            self.core.adopt(epoch, files.floor, sizes, dict.fromkeys(files.catalogues, RECORD_BYTES))
        self.epoch = rng.randbytes(16)
        if "epoch reused after disk loss" in self.world.bugs and self.wiped_epoch and self.wiped_epoch not in self.disk:
            self.epoch = self.wiped_epoch
        self.unsynced: list[Record] = []
        self.next_seq, self.generation = 1, 0
        earlier = list(self.disk.items())
        self.disk[self.epoch] = EpochFiles()
        self.reconfigure()
        for epoch, files in earlier:
            self.name_holes(epoch, files)

    def name_holes(self, epoch: bytes, files: EpochFiles) -> None:
        """What a recovered epoch lacks is named again: the gap record that named it may be gone."""
        for seq in range(files.floor, files.head):
            if seq not in files.records and seq not in files.catalogues:
                self.append(Record(self.epoch, self.next_seq, self.generation, gap=(epoch, seq, seq)))

    def reconfigure(self) -> None:
        self.order = tuple(self.world.rng.sample(POINTS, len(POINTS)))
        self.generation += 1
        self.append(Record(self.epoch, self.next_seq, self.generation, catalogue=self.order))

    def append(self, record: Record) -> None:
        self.unsynced.append(record)
        self.next_seq += 1

    def measure(self) -> None:
        rows = []
        for _ in range(self.world.rng.randint(1, 3)):
            point = self.world.rng.randrange(len(POINTS))
            self.world.truth.append(POINTS[point])
            rows.append((self.order.index(POINTS[point]), len(self.world.truth) - 1))
        self.append(Record(self.epoch, self.next_seq, self.generation, rows=tuple(rows)))
        if "accept before fsync" in self.world.bugs:
            self.world.accept(rows)

    def sync(self) -> None:
        """fdatasync: what was appended is durable, and so accepted."""
        if not self.unsynced:
            return
        self.write(self.unsynced)
        self.core.appended(self.epoch, self.unsynced[0].seq, [RECORD_BYTES] * len(self.unsynced))
        for record in self.unsynced:
            self.world.accept(record.rows)
            if record.catalogue:
                self.core.declared(self.epoch, record.seq)
        self.unsynced = []

    def write(self, records: list[Record]) -> None:
        files = self.disk[self.epoch]
        for record in records:
            files.records[record.seq] = record
            if record.catalogue:
                files.catalogues[record.seq] = record

    def thin(self) -> None:
        """Give up some bulk records: the gap record is durable before they go."""
        self.sync()
        epoch, files = self.world.rng.choice(list(self.disk.items()))
        last = files.head if epoch != self.epoch else 0  # an old epoch keeps its last record: it says where it ends
        seqs = [seq for seq, record in files.records.items() if record.rows and seq != last]
        if not seqs:
            return
        lo = self.world.rng.choice(seqs)
        hi = lo
        while hi + 1 in seqs and hi - lo < 4:
            hi += 1
        self.append(Record(self.epoch, self.next_seq, self.generation, gap=(epoch, lo, hi)))
        self.sync()
        for seq in range(lo, hi + 1):
            self.world.excuse_thinned(files.records.pop(seq))
        self.core.absent(epoch, lo, hi)

    def overflow(self) -> None:
        """The disk is full: readings are refused, not accepted, and a gap record says which seqs that cost."""
        self.sync()
        refused = self.next_seq
        self.core.appended(self.epoch, refused, [0])
        self.next_seq += 1
        self.append(Record(self.epoch, self.next_seq, self.generation, gap=(self.epoch, refused, refused)))

    def retain(self) -> None:
        """Delete what is wholly committed, up to some age."""
        for epoch, files in list(self.disk.items()):
            target = self.world.rng.randint(files.floor, files.head + 1)
            covered = self.core.covered(epoch, files.floor, target - 1) if target > files.floor else False
            if "delete on a partial range" in self.world.bugs and target > files.floor:
                covered = any(self.core.covered(epoch, seq, seq) for seq in range(files.floor, target))
            if not covered:
                continue
            for seq in [seq for seq in files.records if seq < target]:
                self.world.excuse_retired(files.records.pop(seq))
            files.floor = target
            self.core.retired(epoch, target)
            if not files.records and epoch != self.epoch:
                del self.disk[epoch]
                self.core.forgotten(epoch)

    def crash(self, *, lose_disk: bool = False) -> None:
        """kill -9 or a power cut: a prefix of what was not synced may have reached the disk."""
        torn = self.world.rng.randint(0, len(self.unsynced))
        self.write(self.unsynced[:torn])
        if lose_disk:
            for files in self.disk.values():
                for record in files.records.values():
                    self.world.excuse_lost_disk(record)
            self.wiped_epoch = self.epoch
            self.disk = {}
        self.disk = {epoch: files for epoch, files in self.disk.items() if files.records or files.catalogues}
        self.start()
        self.world.reconnect_gateway()

    def pump(self) -> None:
        now = self.world.now
        if "no resend" not in self.world.bugs:
            self.core.tick(now)
        if self.core.hello_due(now):
            self.world.send_up(self.core.hello(self.generation))
        for run in self.core.sends(now):
            if self.world.faulty and self.world.rng.random() < 0.02:
                self.core.unsent(run.epoch, run.lo, run.hi)
                continue
            files = self.disk[run.epoch]
            for seq in range(run.lo, run.hi + 1):
                record = files.records.get(seq) or files.catalogues.get(seq)
                if record is not None:
                    self.world.send_up(record)
                    if "delete on PUBACK" in self.world.bugs:
                        files.records.pop(seq, None)

    def receive(self, message: Ack | DownHello) -> None:
        if isinstance(message, DownHello):
            self.core.asked(message.boot, self.world.now)
        else:
            epoch = bytes.fromhex(message.epoch)
            self.core.acked(epoch, message.ranges, message.boot, self.world.now, message.window_bytes)


class TwinShell:
    """The twin's shell: transactions on a simulated database, the real reconciler, and death."""

    def __init__(self, world: "World") -> None:
        self.world, self.base = world, Database()
        self.backup = copy.deepcopy(self.base)
        self.start()

    def start(self) -> None:
        self.core = Reconciler(boot=self.world.rng.getrandbits(60))
        self.core.load(self.base.ranges, [(NODE, epoch, generation) for epoch, generation in self.base.catalogues])
        self.inbox: list[Record | Hello] = []
        self.idle_since = self.world.now

    def restore(self) -> None:
        """Last night's backup takes the place of the database."""
        self.base = copy.deepcopy(self.backup)
        self.world.restored = True
        self.start()

    def commit(self) -> None:
        """One transaction of what arrived; it may fail, and the twin may die around it."""
        rng, bugs = self.world.rng, self.world.bugs
        if not self.inbox:
            return None
        inbox, self.inbox = self.inbox, []
        intake = self.core.begin()
        new = Database()
        for message in inbox:
            if isinstance(message, Hello):
                if "floor ignored" in bugs:
                    self.core.introduce(NODE, message, self.world.now)
                    intake.touched |= {(NODE, bytes.fromhex(span.epoch)) for span in message.epochs}
                else:
                    intake.hello(NODE, message, self.world.now)
        for record in [m for m in inbox if isinstance(m, Record) and m.catalogue]:
            if intake.catalogue(NODE, record.epoch, record.generation, record.seq):
                new.catalogues[(record.epoch, record.generation)] = record.catalogue
        for record in [m for m in inbox if isinstance(m, Record) and not m.catalogue]:
            generation = None if record.gap else record.generation
            taken = intake.admit(NODE, record.epoch, generation, [record.seq])
            if taken or ("no dedup" in bugs and intake.knows((NODE, record.epoch), record.generation)):
                if record.gap:
                    intake.gap(Gap(NODE, *record.gap, "thinned"))
                else:
                    new.rows += self.decode(record, new)
        if "ack before commit" in bugs:
            self.acknowledge(intake.touched, ahead=intake)
        fate = rng.random() if self.world.faulty else 1.0
        if fate < 0.06:
            return self.die()  # before the commit
        if fate < 0.12:  # the disk was full: the transaction failed as a whole
            self.inbox = inbox + self.inbox
            return None
        self.base.rows += new.rows
        self.base.catalogues |= new.catalogues
        self.base.gaps += intake.gaps
        if "ranges outside the transaction" in bugs and fate < 0.2:
            return self.die()
        self.base.ranges += intake.ranges()
        if fate < 0.18:
            return self.die()  # after the commit, before the acknowledgement
        self.core.apply(intake)
        self.acknowledge(intake.touched)
        if intake.ask:
            self.world.send_down(DownHello(self.core.boot))
        return None

    def decode(self, record: Record, new: Database) -> list[tuple[str, int]]:
        known = self.base.catalogues | new.catalogues
        order = known.get((record.epoch, record.generation), ())
        if "catalogue of the wrong generation" in self.world.bugs:
            order = known[max(key for key in known if key[0] == record.epoch)]
        return [(order[local], number) for local, number in record.rows] if order else []

    def acknowledge(self, keys: set[tuple[str, bytes]], ahead: object = None) -> None:
        core = self.core
        if ahead is not None:
            core = copy.deepcopy(self.core)
            core.apply(ahead)  # type: ignore[arg-type]
        for _, ack in core.acks(keys):
            self.world.send_down(ack)

    def tend(self) -> None:
        if self.core.disputed():
            self.world.send_down(DownHello(self.core.boot))
        if self.world.now - self.idle_since >= 1.0:
            self.idle_since = self.world.now
            self.acknowledge(set(self.core.due_when_idle()))

    def die(self, *, restore: bool = False) -> None:
        self.restore() if restore else self.start()
        self.world.send_down(DownHello(self.core.boot))


class World:
    """Everything, in steps of virtual time."""

    def __init__(self, seed: int, bugs: frozenset[str] = frozenset()) -> None:
        self.rng, self.bugs, self.now, self.faulty = random.Random(seed), bugs, 0.0, True
        self.truth: list[str] = []  # reading number → the point it was measured at
        self.accepted: set[int] = set()
        self.thinned: dict[int, tuple[bytes, int]] = {}
        self.retired: dict[int, tuple[bytes, int]] = {}
        self.lost_disk: set[int] = set()
        self.restored = False
        self.wire: list[tuple[float, int, str, object]] = []
        self.sent = 0
        self.link_up_at: float | None = None
        self.twin = TwinShell(self)
        self.gateway = Gateway(self)
        self.reconnect_gateway()

    def run(self, steps: int = 60, drain_steps: int = 400) -> "World":
        for _ in range(steps):
            self.fault()
            self.step(self.rng.choice((0.02, 0.1, 0.4)))
        self.faulty = False
        self.gateway.sync()
        for _ in range(drain_steps):
            self.step(0.25)
            if self.drained():
                break
        return self

    def drained(self) -> bool:
        return not self.wire and self.gateway.core.answered and not self.gateway.core.pending_records

    def step(self, dt: float) -> None:
        self.now += dt
        gateway = self.gateway
        if self.link_up_at is not None and self.now >= self.link_up_at:
            self.link_up_at = None
            gateway.core.connected(self.now)
            self.send_down(DownHello(self.twin.core.boot))
        if self.faulty:
            for _ in range(self.rng.randint(0, 3)):
                gateway.measure()
            if self.rng.random() < 0.8:
                gateway.sync()
        gateway.pump()
        self.deliver()
        self.twin.commit()
        self.twin.tend()

    def fault(self) -> None:
        for chance, act in (
            (0.04, self.kill_broker),
            (0.04, self.gateway.crash),
            (0.004, lambda: self.gateway.crash(lose_disk=True)),
            (0.04, self.twin.die),
            (0.015, lambda: self.twin.die(restore=True)),
            (0.05, self.gateway.thin),
            (0.03, self.gateway.overflow),
            (0.04, self.gateway.reconfigure),
            (0.10, self.gateway.retain),
            (0.05, self.take_backup),
        ):
            if self.rng.random() < chance:
                act()

    def take_backup(self) -> None:
        self.twin.backup = copy.deepcopy(self.twin.base)

    def kill_broker(self) -> None:
        self.wire.clear()
        self.reconnect_gateway()

    def reconnect_gateway(self) -> None:
        self.gateway.core.disconnected()
        self.link_up_at = self.now + self.rng.choice((0.1, 0.5, 2.0))

    def send_up(self, message: Record | Hello) -> None:
        if self.link_up_at is None:
            self.send("up", message)

    def send_down(self, message: Ack | DownHello) -> None:
        if self.link_up_at is None:
            self.send("down", message)

    def send(self, direction: str, message: object) -> None:
        """The broker loses, doubles, delays and reorders."""
        copies = self.rng.choices((0, 1, 2), (6, 90, 4))[0] if self.faulty else 1
        for _ in range(copies):
            delay = self.rng.choice((0.0, 0.0, 0.05, 0.3, 1.0)) if self.faulty else 0.0
            self.sent += 1
            self.wire.append((self.now + delay, self.sent, direction, message))

    def deliver(self) -> None:
        due = sorted((*item[:3], item) for item in self.wire if item[0] <= self.now)
        arrived = {item[1] for item in due}
        self.wire = [item for item in self.wire if item[1] not in arrived]
        for *_, (_, _, direction, message) in due:
            if direction == "up":
                self.twin.inbox.append(message)  # type: ignore[arg-type]
            elif self.link_up_at is None:
                self.gateway.receive(message)  # type: ignore[arg-type]

    def accept(self, rows: tuple[tuple[int, int], ...] | list[tuple[int, int]]) -> None:
        self.accepted |= {number for _, number in rows}

    def excuse_thinned(self, record: Record) -> None:
        self.thinned |= dict.fromkeys((number for _, number in record.rows), (record.epoch, record.seq))

    def excuse_retired(self, record: Record) -> None:
        self.retired |= dict.fromkeys((number for _, number in record.rows), (record.epoch, record.seq))

    def excuse_lost_disk(self, record: Record) -> None:
        self.lost_disk |= {number for _, number in record.rows}

    def violations(self) -> list[str]:
        """What the promise forbids: lost, doubled, altered, not drained, holes that never close."""
        found = []
        stored = [number for _, number in self.twin.base.rows]
        if len(stored) != len(set(stored)):
            found.append("doubled")
        if any(self.truth[number] != point for point, number in self.twin.base.rows):
            found.append("altered: a reading became another point")
        gaps = {(gap.epoch, seq) for gap in self.twin.base.gaps for seq in range(gap.lo, gap.hi + 1)}
        for number in self.accepted - set(stored) - self.lost_disk:
            named = self.thinned.get(number) or (self.retired.get(number) if self.restored else None)
            if named is None:
                found.append("lost")
                break
            if named not in gaps and named[0] in self.gateway.disk:
                found.append("lost without a gap")
                break
        if not self.drained():
            found.append("not drained")
        for epoch, files in self.gateway.disk.items():
            ledger = self.twin.core.ledgers.get((NODE, epoch))
            if files.head and (ledger is None or not ledger.ranges.covers(1, files.head)):
                found.append("a hole that never closes")
                break
        return found
