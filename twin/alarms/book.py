"""All alarms of a twin in memory, and every step of theirs in the database. Memory changes only with what is kept."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from twin.alarms.states import Alarm, Definition, State, Step
from twin.errors import NotFoundError
from twin.store import Store
from twin.times import iso
from wire.clock import Clock

__all__ = ["AlarmBook", "Report"]

FIRST_OUT_US: Final = 60_000_000  # what rings within a minute of the first of its group is its consequence
_TS = pa.timestamp("us", tz="UTC")
_COLUMNS = 'alarm, epoch_us("at"), what, state, before, priority, "by", note, value, count(*) OVER ()'
_JOURNAL = f"SELECT {_COLUMNS} FROM alarm_journal"  # noqa: S608  (fixed names)
_NEWEST_FIRST = 'ORDER BY "at" DESC, known DESC LIMIT ? OFFSET ?'


class Report(NamedTuple):
    """A condition began or ended, at this time of the process."""

    definition: Definition
    active: bool
    at_us: int
    value: float | str | None = None


class AlarmBook:
    """Thread-safe. Each change is a list of steps, written in one transaction; `on_steps` hears of them afterwards.

    When the disk cannot take them they are kept and written with the next ones, so that alarms ring on a full disk.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.RLock()
        self._by_id: dict[int, Alarm] = {}
        self._by_key: dict[str, Alarm] = {}
        self._rung: dict[str, int] = {}  # group -> when its last alarm was raised
        self._owed: list[Step] = []
        self.version = 0
        self.on_steps: list[Callable[[list[Step]], None]] = []
        self._load()

    # -- reading

    def all(self) -> list[Alarm]:
        """Every alarm that was ever raised, silenced or commented on and has a rule still."""
        with self._lock:
            return [alarm for alarm in self._by_id.values() if not alarm.retired]

    def get(self, alarm_id: int) -> Alarm:
        """One alarm; NotFoundError."""
        alarm = self._by_id.get(alarm_id)
        if alarm is None:
            fix = "GET /api/v1/alarms lists them"
            raise NotFoundError(f"no alarm {alarm_id}", field="id", fix=fix)
        return alarm

    def find(self, key: str) -> Alarm | None:
        """The alarm of this key, if it was ever heard of."""
        return self._by_key.get(key)

    def active_keys(self, source: str) -> set[str]:
        """Keys of the alarms of a source whose condition holds."""
        with self._lock:
            return {
                alarm.definition.key
                for alarm in self._by_id.values()
                if alarm.active and alarm.definition.source == source
            }

    def counts(self) -> dict[State, int]:
        """How many alarms are in each state but normal."""
        found: dict[State, int] = {}
        for alarm in self.all():
            if alarm.state != "normal":
                found[alarm.state] = found.get(alarm.state, 0) + 1
        return found

    def journal(
        self, alarm: int | None, from_us: int, to_us: int, limit: int, offset: int = 0, what: Sequence[str] = ()
    ) -> tuple[list[dict[str, Any]], int]:
        """Steps of one alarm or of all, of some kinds or of all, newest first, and how many there are."""
        where = '"at" >= make_timestamptz(?::BIGINT) AND "at" < make_timestamptz(?::BIGINT)'
        values: list[Any] = [from_us, to_us]
        if alarm is not None:
            where, values = f"{where} AND alarm = ?", [*values, alarm]
        if what:
            where, values = f"{where} AND what IN (SELECT unnest(?))", [*values, list(what)]
        with self._store.cursor() as cursor:
            rows = cursor.execute(f"{_JOURNAL} WHERE {where} {_NEWEST_FIRST}", [*values, limit, offset]).fetchall()
        names = ("alarm", "at", "what", "state", "before", "priority", "by", "note", "value")
        items = [dict(zip(names, row[:9], strict=True)) for row in rows]
        for item in items:
            item["at"], item["value"] = iso(item["at"]), msgspec.json.decode(item["value"])
        return items, rows[0][9] if rows else 0

    def states_at(self, at_us: int) -> dict[int, State]:
        """The state of every alarm at a moment of the past, from the journal; normal ones are left out."""
        with self._store.cursor() as cursor:
            rows = cursor.execute(
                'SELECT alarm, arg_max(state, ("at", known)) FROM alarm_journal'
                ' WHERE "at" <= make_timestamptz(?::BIGINT) GROUP BY alarm',
                [at_us],
            ).fetchall()
        return {alarm: state for alarm, state in rows if state != "normal"}

    # -- changing

    def condition(
        self, definition: Definition, *, active: bool, at_us: int, value: float | str | None = None
    ) -> list[Step]:
        """A condition began or ended; the first one of a key makes the alarm."""
        return self.conditions([Report(definition, active, at_us, value)])

    def conditions(self, reports: Iterable[Report], silent: Callable[[Definition], str] = lambda _: "") -> list[Step]:
        """Many at once, in their order. `silent` says why an alarm must not ring by design, empty when it may."""
        with self._lock:
            steps: list[Step | None] = []
            for report in reports:
                definition, at_us = report.definition, report.at_us
                alarm = self._by_key.get(definition.key)
                if alarm is None:
                    if not report.active:
                        continue
                    alarm = self._add(definition)
                alarm.definition, alarm.retired = definition, False
                if not report.active:
                    steps.append(alarm.return_(at_us, report.value))
                elif not alarm.active:
                    steps.append(alarm.suppress(at_us, silent(definition)))
                    first = not alarm.suppressed_why and self._is_first(definition.group, at_us)
                    steps.append(alarm.raise_(at_us, report.value, first_out=first))
            return self._keep([step for step in steps if step is not None])

    def act(self, alarm_ids: Iterable[int], change: Callable[[Alarm], Step | None]) -> list[Step]:
        """Change alarms by people or by design; what `change` raises is raised, and nothing is changed then."""
        with self._lock:
            alarms = [self.get(alarm_id) for alarm_id in dict.fromkeys(alarm_ids)]
            before = [msgspec.to_builtins(_body(alarm)) for alarm in alarms]
            try:
                steps = [step for alarm in alarms if (step := change(alarm)) is not None]
            except BaseException:
                for alarm, body in zip(alarms, before, strict=True):
                    _restore(alarm, msgspec.convert(body, type=_Body))
                raise
            return self._keep(steps)

    def entry(self, definition: Definition) -> Alarm:
        """The alarm of a key, made if there is none: so that one that never rang can be taken out of service."""
        with self._lock:
            return self._by_key.get(definition.key) or self._add(definition)

    def retire(self, keys: Iterable[str], at_us: int) -> list[Step]:
        """Rules are gone: their alarms ring no more."""
        with self._lock:
            found = [self._by_key[key] for key in keys if key in self._by_key]
            return self._keep([step for alarm in found if (step := alarm.retire(at_us)) is not None])

    # -- inside

    def _is_first(self, group: str, at_us: int) -> bool:
        last = self._rung.get(group)
        self._rung[group] = at_us
        return not group or last is None or at_us - last > FIRST_OUT_US

    def _add(self, definition: Definition) -> Alarm:
        alarm = Alarm(max(self._by_id, default=0) + 1, definition)
        self._by_id[alarm.id] = self._by_key[definition.key] = alarm
        return alarm

    def _keep(self, steps: list[Step]) -> list[Step]:
        if not steps:
            return steps
        self.version += 1
        batch, self._owed = self._owed + steps, []
        changed = [self._by_id[number] for number in {step.alarm for step in batch}]
        future = self._store.writer.submit(
            lambda connection: _write(connection, batch, changed, self._by_id, self._clock.wall_us())
        )
        future.add_done_callback(lambda done: self._owe(batch) if done.exception() is not None else None)
        for listener in self.on_steps:
            listener(steps)
        return steps

    def _owe(self, unwritten: list[Step]) -> None:
        with self._lock:
            self._owed = unwritten + self._owed

    def _load(self) -> None:
        with self._store.cursor() as cursor:
            rows = cursor.execute("SELECT id, body FROM alarms ORDER BY id").fetchall()
        for number, text in rows:
            body = msgspec.json.decode(text, type=_Body)
            alarm = Alarm(number, body.definition)
            _restore(alarm, body)
            self._by_id[number] = self._by_key[alarm.definition.key] = alarm


class _Body(msgspec.Struct, frozen=True):
    """An alarm as the database keeps it, beside the columns that are asked for."""

    definition: Definition
    active: bool
    acknowledged: bool
    raised_us: int | None
    returned_us: int | None
    value: float | str | None
    first_out: bool
    shelved_until_us: int | None
    shelved_by: str
    shelved_why: str
    suppressed_why: str
    out_of_service_why: str
    owner: str
    occurrences: int
    changed_us: int
    retired: bool


_FIELDS = tuple(field.name for field in msgspec.structs.fields(_Body))


def _body(alarm: Alarm) -> _Body:
    return _Body(*(getattr(alarm, name) for name in _FIELDS))


def _restore(alarm: Alarm, body: _Body) -> None:
    for name in _FIELDS:
        setattr(alarm, name, getattr(body, name))


def _write(
    connection: duckdb.DuckDBPyConnection,
    steps: list[Step],
    alarms: list[Alarm],
    by_id: dict[int, Alarm],
    now_us: int,
) -> None:
    rows = [
        {
            "id": alarm.id, "key": alarm.definition.key, "source": alarm.definition.source,
            "kind": alarm.definition.kind, "state": alarm.state, "priority": alarm.definition.priority,
            "point": alarm.definition.point, "element": alarm.definition.element, "raised": alarm.raised_us,
            "returned": alarm.returned_us, "changed": alarm.changed_us, "occurrences": alarm.occurrences,
            "body": msgspec.json.encode(_body(alarm)).decode(),
        }
        for alarm in alarms
    ]  # fmt: skip
    times = {"raised": _TS, "returned": _TS, "changed": _TS}
    kinds = {"id": pa.uint32(), "point": pa.uint32(), "occurrences": pa.uint32(), "element": pa.string(), **times}
    new_alarms = _table(rows, kinds)
    new_steps = _table(
        [
            {
                "alarm": step.alarm, "at": step.at_us, "what": step.what, "state": step.state, "before": step.before,
                "priority": by_id[step.alarm].definition.priority, "by": step.by, "note": step.note,
                "value": msgspec.json.encode(step.value).decode(), "known": now_us,
            }
            for step in steps
        ],
        {"alarm": pa.uint32(), "at": _TS, "known": _TS},
    )  # fmt: skip
    assert new_alarms.num_rows
    assert new_steps.num_rows
    connection.execute("DELETE FROM alarms WHERE id IN (SELECT id FROM new_alarms)")
    connection.execute("INSERT INTO alarms BY NAME SELECT * FROM new_alarms")
    connection.execute("INSERT INTO alarm_journal BY NAME SELECT * FROM new_steps")


def _table(rows: list[dict[str, Any]], kinds: dict[str, pa.DataType]) -> pa.Table:
    columns = {}
    for name in rows[0]:
        values, kind = [row[name] for row in rows], kinds.get(name)
        columns[name] = pa.array(values, pa.int64()).cast(kind) if kind == _TS else pa.array(values, kind)
    return pa.table(columns)
