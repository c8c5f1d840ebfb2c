"""One batch of messages into one transaction: check, admit, decode, map to global points, insert.

Runs in the writer's thread. Nothing here loops over readings; a record costs a few list operations.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twin import ledger, quarantine, starts
from twin.ledger import APPENDED_MAX, CatalogueRow
from twin.points import Draft, Lookup, PointTable
from twin.quarantine import DEAD_LETTERS_KEPT_MAX, Suspect
from twin.reconcile import Gap, Intake, Reconciler
from twin.rows import (
    Part,
    flagged,
    insert_others,
    insert_readings,
    mapped,
    others_mapped,
    text_rows,
)
from twin.state import LiveState, Rows
from wire import catalogue
from wire.errors import RecordError
from wire.messages import Hello, Status
from wire.packed import Columns
from wire.quality import FLAGS
from wire.records import HEADER_BYTES, Header, decode_body, read_header, unpack
from wire.scan import readings, scan
from wire.schemas import CATALOGUE, EVENTS, GAP, POSES, READINGS, STATES

__all__ = ["Absorber", "Batch", "Outcome", "readable"]

LOOKUPS_MAX = 16_384  # catalogue generations kept ready, one of each of 10,000 gateways; 10,000 points take 200 KB
_OTHERS = {(STATES, 1): "states", (EVENTS, 1): "events", (POSES, 1): "poses"}
_KNOWN = {(READINGS, 1), (CATALOGUE, 1), (GAP, 1), *_OTHERS}


@dataclass(slots=True)
class Batch:
    """What arrived since the last commit, in order: records (`nodes[i]` sent `payloads[i]`), hellos, wills."""

    nodes: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    hellos: list[tuple[str, Hello]] = field(default_factory=list)
    statuses: list[tuple[str, Status]] = field(default_factory=list)
    recv_us: int = 0
    now_s: float = 0.0

    def split(self) -> "list[Batch]":
        """Two halves, to find what in it cannot be absorbed."""
        middle = len(self.payloads) // 2
        halves = (slice(None, middle), slice(middle, None))
        first, second = (
            Batch(self.nodes[half], self.payloads[half], recv_us=self.recv_us, now_s=self.now_s) for half in halves
        )
        first.hellos, first.statuses = self.hellos, self.statuses
        return [first, second]


class _Group(NamedTuple):
    """Records that share a catalogue generation and a schema."""

    node: str
    epoch: bytes
    generation: int
    schema_id: int
    schema_version: int


@dataclass(slots=True)
class Outcome:
    """What one transaction did, to be made visible after its commit."""

    intake: Intake
    draft: Draft
    recv_us: int
    rows: Rows | None = None
    others: dict[str, pa.Table] = field(default_factory=dict)
    lookups: dict[tuple[str, bytes, int], Lookup] = field(default_factory=dict)
    catalogues: list[CatalogueRow] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    held: quarantine.Kept | None = None  # what the quarantine holds
    boots: dict[tuple[str, int], str] = field(default_factory=dict)  # (node, boot) → agent, of starts that are news
    appended: int | None = None  # ranges appended to the ledger since it was last joined


class Absorber:
    """Turns batches into transactions. `absorb` writes; `committed` makes the result visible, after the commit."""

    def __init__(self, site: str, reconciler: Reconciler, points: PointTable, state: LiveState) -> None:
        self.site, self.reconciler, self.points, self.state = site, reconciler, points, state
        self.counts: Counter[str] = Counter()
        self.on_rows: Callable[[Rows], None] = lambda _: None  # what was committed, in the writer's thread
        self.on_poses: Callable[[pa.Table], None] = lambda _: None  # likewise
        self._lookups: dict[tuple[str, bytes, int], Lookup] = {}
        self._boots: dict[str, int] = {}  # the start of each node that the database has seen last
        self._appended, self._appended_max = 0, APPENDED_MAX
        self._quarantine: quarantine.Kept | None = None

    def absorb(self, connection: duckdb.DuckDBPyConnection, batch: Batch, *, intake: Intake | None = None) -> Outcome:
        """Do one batch's work in the caller's transaction; `intake` decides what is new, by default a fresh one."""
        outcome = Outcome(intake or self.reconciler.begin(), self.points.draft(self.site), batch.recv_us)
        conflicts = self.reconciler.conflicts
        for node, status in batch.statuses:
            if self.reconciler.status(node, status):
                outcome.intake.ask.add(node)
        for node, hello in batch.hellos:
            outcome.intake.hello(node, hello, batch.now_s)
            if self._boots.get(node) != hello.boot:
                outcome.boots[node, hello.boot] = hello.agent
        if outcome.boots:
            starts.note(connection, self.site, outcome.boots, batch.recv_us)
        if self.reconciler.conflicts > conflicts:
            twice = {node: self.reconciler.presence[node].twice for node, _ in batch.hellos}
            starts.conflict(connection, {node: places for node, places in twice.items() if places}, batch.recv_us)
        if batch.payloads:
            self.state.arriving(batch.recv_us)
            self._records(connection, batch, outcome)
        self._write(connection, outcome)
        return outcome

    def committed(self, outcome: Outcome) -> None:
        """The transaction is durable: readers may see it."""
        self.reconciler.apply(outcome.intake)
        self._boots.update(outcome.boots.keys())
        self._remember(outcome.lookups)
        if outcome.appended is not None:
            self._appended = outcome.appended
        if outcome.suspects:
            self._quarantine = outcome.held
        if outcome.draft.rows:
            self.points.take(outcome.draft.rows)
        if outcome.rows is not None:
            self.state.update(outcome.rows)
            self.on_rows(outcome.rows)
        if "states" in outcome.others:
            texts = text_rows(outcome.others["states"], outcome.recv_us)
            self.state.update(texts)
            self.on_rows(texts)
        if "poses" in outcome.others:
            self.on_poses(outcome.others["poses"])
        self.counts.update(outcome.counts)
        self.counts.update({f"records_{fate}": n for fate, n in outcome.intake.counts.items()})

    def _records(self, connection: duckdb.DuckDBPyConnection, batch: Batch, outcome: Outcome) -> None:
        headers, errors = scan(batch.payloads)
        for position, error in errors.items():
            self._suspect(batch, position, error, outcome, admitted=False)
        groups = _groups(batch.nodes, headers, errors)
        first = [group for group in groups if (group.schema_id, group.schema_version) == (CATALOGUE, 1)]
        for group in first:
            for position in groups.pop(group):
                self._catalogue(batch, group, position, outcome)
        self._recall(connection, groups, outcome)
        chosen: list[tuple[_Group, list[int], Lookup]] = []
        for group, positions in groups.items():
            schema = group.schema_id, group.schema_version
            generation = group.generation if schema in _KNOWN and schema != (GAP, 1) else None
            taken = self._admit(group, generation, headers, positions, outcome)
            if taken and schema == (READINGS, 1):
                chosen.append((group, taken, self._lookup(group, outcome)))
            elif taken and generation is not None:
                self._others(batch, group, taken, self._lookup(group, outcome), outcome)
            elif taken:
                for position in taken:
                    self._gap_or_unknown(batch, group, position, outcome)
        if chosen:
            self._readings(batch, headers, chosen, outcome)

    def _admit(
        self,
        group: _Group,
        generation: int | None,
        headers: NDArray[np.void],
        positions: list[int],
        outcome: Outcome,
    ) -> list[int]:
        """The positions to store, ascending by seq so that the usual runs stay whole."""
        seqs = headers["seq"][positions]
        if len(positions) > 1 and not (seqs[1:] > seqs[:-1]).all():
            order = np.argsort(seqs, kind="stable")
            seqs, positions = seqs[order], [positions[at] for at in order]
        taken = outcome.intake.admit(group.node, group.epoch, generation, seqs.tolist())
        return positions if len(taken) == len(positions) else [positions[at] for at in taken]

    def _readings(
        self,
        batch: Batch,
        headers: NDArray[np.void],
        chosen: list[tuple[_Group, list[int], Lookup]],
        outcome: Outcome,
    ) -> None:
        positions = [position for _, taken, _ in chosen for position in taken]
        block = readings(batch.payloads, headers, positions)
        for position, error in block.errors.items():
            self._suspect(batch, position, error, outcome)
        group_at = np.empty(len(batch.payloads), np.intp)
        for at, (_, taken, _) in enumerate(chosen):
            group_at[taken] = at
        ends = np.cumsum(block.rows)
        ids, quality = mapped(block.columns, _parts(group_at[block.records], ends, chosen))
        columns = block.columns
        if not ids.all():
            bad = np.unique(np.searchsorted(ends, np.flatnonzero(ids == 0), side="right"))
            error = RecordError("body", "readings of points that the catalogue does not name")
            for at in bad:
                self._suspect(batch, int(block.records[at]), error, outcome)
            keep = ~np.repeat(np.isin(np.arange(len(ends)), bad), block.rows)
            point, ts, value, _ = columns
            columns = Columns(point[keep], ts[keep], value[keep], quality[keep])
            ids, quality = ids[keep], quality[keep]
        if len(ids):
            if self.points.limits is not None:
                quality = self.points.limits.flags(ids, columns.value, quality)
            outcome.rows = flagged(columns, ids, quality, outcome.recv_us)
            outcome.counts["readings"] += len(ids)
            if outcome.rows.quality.any():
                outcome.counts.update(_flags(outcome.rows.quality))

    def _others(self, batch: Batch, group: _Group, taken: list[int], lookup: Lookup, outcome: Outcome) -> None:
        kind = _OTHERS[group.schema_id, group.schema_version]
        tables = [outcome.others[kind]] if kind in outcome.others else []
        for position in taken:
            try:
                decoded = _body(batch.payloads[position])
                tables.append(others_mapped(decoded, lookup, group.node, outcome.recv_us))
            except RecordError as error:
                self._suspect(batch, position, error, outcome)
            else:
                outcome.counts[kind] += decoded.num_rows
        if tables:
            outcome.others[kind] = pa.concat_tables(tables)

    def _catalogue(self, batch: Batch, group: _Group, position: int, outcome: Outcome) -> None:
        header = read_header(batch.payloads[position])
        key = group.node, group.epoch
        points = []
        if not outcome.intake.knows(key, group.generation):
            try:
                points = catalogue.from_batch(_body(batch.payloads[position]))
            except RecordError as error:
                self._suspect(batch, position, error, outcome, admitted=False)
                return
        if not outcome.intake.catalogue(*key, group.generation, header.seq):
            return
        hello = self.reconciler.hellos.get(group.node)
        newest = hello is None or not hello.epochs or hello.epochs[-1].epoch == group.epoch.hex()
        lookup = outcome.draft.enter(group.node, points, newest=newest)
        outcome.lookups[(*key, group.generation)] = lookup
        digest, body = catalogue.digest(points), batch.payloads[position]
        outcome.catalogues.append(CatalogueRow(*key, group.generation, header.seq, digest, body))

    def _gap_or_unknown(self, batch: Batch, group: _Group, position: int, outcome: Outcome) -> None:
        try:
            if (group.schema_id, group.schema_version) != (GAP, 1):
                raise RecordError("schema", f"{group.schema_id}@{group.schema_version} is not known here")
            gaps = [_gap(group.node, row) for row in _body(batch.payloads[position]).to_pylist()]
        except RecordError as error:
            self._suspect(batch, position, error, outcome)
            return
        for gap in gaps:
            outcome.intake.gap(gap)
            outcome.counts["gaps"] += 1

    def _suspect(
        self, batch: Batch, position: int, error: RecordError, outcome: Outcome, *, admitted: bool = True
    ) -> None:
        """Keep a payload that cannot be used; commit its seq if its CRC says whose it is."""
        node, payload = batch.nodes[position], batch.payloads[position]
        whose = quarantine.identity(payload)
        if whose is None:
            outcome.counts[f"dead_letters_{error.reason}"] += 1
            outcome.counts["dead_letters"] += 1
            if self.counts["dead_letters"] + outcome.counts["dead_letters"] > DEAD_LETTERS_KEPT_MAX:
                return
        else:
            if not admitted and not outcome.intake.admit(node, whose.epoch, None, [whose.seq]):
                return
            outcome.counts[f"quarantined_{error.reason}"] += 1
            outcome.counts["quarantined"] += 1
        outcome.suspects.append(Suspect(node, whose, error, payload))

    def _recall(self, connection: duckdb.DuckDBPyConnection, groups: Iterable[_Group], outcome: Outcome) -> None:
        """Read the catalogues of these groups that are known and not ready, all at once."""
        keys = {(group.node, group.epoch, group.generation) for group in groups}
        wanted = [k for k in keys - self._lookups.keys() - outcome.lookups.keys() if outcome.intake.knows(k[:2], k[2])]
        found = ledger.read_catalogues(connection, self.site, wanted)
        for node, epoch, generation, body in found:
            points = catalogue.from_batch(_body(body))
            outcome.lookups[node, epoch, generation] = self.points.lookup(node, points)

    def _lookup(self, group: _Group, outcome: Outcome) -> Lookup:
        key = (group.node, group.epoch, group.generation)
        return outcome.lookups.get(key) or self._lookups[key]

    def _remember(self, lookups: dict[tuple[str, bytes, int], Lookup]) -> None:
        self._lookups.update(lookups)
        while len(self._lookups) > LOOKUPS_MAX:
            del self._lookups[next(iter(self._lookups))]

    def _write(self, connection: duckdb.DuckDBPyConnection, outcome: Outcome) -> None:
        if outcome.rows is not None:
            insert_readings(connection, outcome.rows)
        for kind, table in outcome.others.items():
            insert_others(connection, kind, table, outcome.recv_us)
        outcome.draft.write(connection)
        if outcome.suspects:
            held, dropped = quarantine.write(connection, self.site, outcome.suspects, outcome.recv_us, self._quarantine)
            outcome.held = held
            if dropped:
                outcome.counts["quarantine_dropped"] += dropped
        if outcome.catalogues:
            ledger.write_catalogues(connection, self.site, outcome.catalogues, outcome.recv_us)
        if outcome.intake.gaps:
            ledger.write_gaps(connection, self.site, outcome.intake.gaps, outcome.recv_us)
        if ranges := outcome.intake.ranges():
            outcome.appended = self._appended + len(ranges)
            if outcome.appended > self._appended_max:
                everything = [*self.reconciler.ranges(), *ranges]
                kept = ledger.rewrite(connection, self.site, everything)
                outcome.appended, self._appended_max = 0, kept + APPENDED_MAX
            else:
                ledger.write_ranges(connection, self.site, ranges)


def _flags(quality: NDArray[np.uint8]) -> dict[str, int]:
    """How many readings have which flag."""
    counts = {name: int(np.count_nonzero(quality & bit)) for name, bit in FLAGS.items()}
    return {f"flagged_{name}": n for name, n in counts.items() if n}


def readable(payload: bytes) -> Header | None:
    """The header of a record that this version can read to its last byte, else None."""
    try:
        header, _ = unpack(payload)
    except RecordError:
        return None
    return header if (header.schema_id, header.schema_version) in _KNOWN else None


def _groups(nodes: list[str], headers: NDArray[np.void], errors: dict[int, RecordError]) -> dict[_Group, list[int]]:
    """Positions of good records by group, in order of arrival."""
    groups: dict[_Group, list[int]] = defaultdict(list)
    epochs = headers["epoch"].tolist()
    fields = (headers[name].tolist() for name in ("generation", "schema_id", "schema_version"))
    for position, key in enumerate(zip(nodes, epochs, *fields, strict=True)):
        if position not in errors:
            groups[key].append(position)  # type: ignore[index]
    return {_Group(*key): positions for key, positions in groups.items()}


def _parts(
    group_at: NDArray[np.intp], ends: NDArray[np.int64], chosen: list[tuple[_Group, list[int], Lookup]]
) -> list[Part]:
    """Row ranges of neighbouring records that share a lookup."""
    if not len(group_at):
        return []
    last = np.flatnonzero(np.append(group_at[1:] != group_at[:-1], True))
    parts, start = [], 0
    for at in last:
        parts.append(Part(start, int(ends[at]), chosen[group_at[at]][2]))
        start = int(ends[at])
    return parts


def _gap(node: str, row: dict[str, object]) -> Gap:
    lo, hi, readings_lost = row["lo"], row["hi"], row["readings"]
    assert isinstance(lo, int)
    assert isinstance(hi, int)
    if not 0 < lo <= hi < 2**63:
        raise RecordError("body", f"gap from {lo} to {hi}")
    lost = readings_lost if isinstance(readings_lost, int) else None
    return Gap(node, bytes(row["epoch"]), lo, hi, str(row["reason"])[:200], lost)  # type: ignore[call-overload]


def _body(payload: bytes) -> pa.RecordBatch:
    header: Header = read_header(payload)
    return decode_body(header, memoryview(payload)[HEADER_BYTES:])
