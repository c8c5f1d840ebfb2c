"""The shift log: what people write down, and the handover from one shift to the next, signed by giver and taker.

Nothing is changed afterwards: an entry that was wrong is corrected by another one that names it.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

import duckdb
import msgspec
from msgspec import Meta

from twin.changes import write_audit
from twin.errors import ConflictError, NotFoundError
from twin.lookup import first, number
from twin.store import Store
from wire.clock import Clock
from wire.errors import InputError

__all__ = ["LISTED_MAX", "Entry", "Handover", "NewEntry", "OpenAlarm", "ShiftLog", "Snapshot"]

AHEAD_S_MAX: Final = 60
_AT: Final = "make_timestamptz(?::BIGINT)"
LISTED_MAX: Final = 500  # alarms in a snapshot; the counts are whole
_Text = Annotated[str, Meta(min_length=1, max_length=10_000)]
_Id = Annotated[str, Meta(min_length=1, max_length=64)]


class NewEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What a person writes: a text, the alarms and elements it is about, and which entry it corrects."""

    text: _Text
    alarms: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(max_length=100)] = []
    elements: Annotated[list[_Id], Meta(max_length=100)] = []
    corrects: Annotated[int, Meta(ge=1)] | None = None


class Entry(msgspec.Struct):
    """One entry; `at_us` is when it happened, `written_us` when it was written."""

    id: int
    at_us: int
    written_us: int
    by: str
    text: str
    alarms: list[int]
    elements: list[str]
    corrects: int | None


class OpenAlarm(msgspec.Struct):
    """An alarm in a handover's snapshot."""

    id: int
    state: str
    priority: str
    key: str
    label: str = ""  # what it is about, in words
    why: str = ""


class Snapshot(msgspec.Struct):
    """How the park stood when the shift was handed over."""

    counts: dict[str, int]
    open: list[OpenAlarm]
    shelved: list[OpenAlarm]
    out_of_service: list[OpenAlarm]
    silent_nodes: list[str]


class Handover(msgspec.Struct):
    """One handover; `taken_us` None while nobody has taken over."""

    id: int
    at_us: int
    giver: str
    note: str
    snapshot: Snapshot
    taken_us: int | None
    taker: str
    remark: str


class ShiftLog:
    """`snapshot` says how the park stands now."""

    def __init__(self, store: Store, clock: Clock, snapshot: Callable[[], Snapshot]) -> None:
        self._store, self._clock, self._snapshot = store, clock, snapshot

    def now(self) -> Snapshot:
        """How the park stands."""
        return self._snapshot()

    def write(self, new: NewEntry, by: str, at_us: int | None = None) -> Entry:
        """Write an entry; `at_us` is when it happened, now by default and never later."""
        now_us = self._clock.wall_us()
        if at_us is not None and at_us > now_us + AHEAD_S_MAX * 1_000_000:
            raise InputError("this is not over yet", field="at", fix="give a time of the past")
        if not new.text.strip():
            raise InputError("an entry has a text", field="text", fix="write it")

        def work(connection: duckdb.DuckDBPyConnection) -> Entry:
            if (
                new.corrects is not None
                and first(connection, "SELECT 1 FROM shift_entries WHERE id = ?", [new.corrects]) is None
            ):
                raise NotFoundError(f"no entry {new.corrects}", field="corrects", fix="GET /api/v1/shift lists them")
            ident = number(connection, "SELECT coalesce(max(id), 0) + 1 FROM shift_entries")
            entry = Entry(ident, at_us or now_us, now_us, by, new.text.strip(), new.alarms, new.elements, new.corrects)
            connection.execute(
                f"INSERT INTO shift_entries VALUES (?, {_AT}, {_AT}, ?, ?, ?, ?, ?)",  # noqa: S608  (fixed names)
                [ident, entry.at_us, now_us, by, entry.text, _json(new.alarms), _json(new.elements), new.corrects],
            )
            write_audit(connection, by, "shift entry", {"id": ident})
            return entry

        return self._store.writer.run(work)

    def entries(self, from_us: int, to_us: int, *, limit: int, words: str = "") -> list[Entry]:
        """Entries of a range, newest first; `words` all stand in the text or name."""
        tests, values = _range(from_us, to_us)
        for word in words.lower().split():
            tests += " AND contains(lower(\"by\" || ' ' || text), ?)"
            values.append(word)
        select = (
            f'SELECT id, epoch_us("at"), epoch_us(written), "by", text, alarms, elements, corrects FROM shift_entries '  # noqa: S608  (fixed names)
            f'WHERE {tests} ORDER BY "at" DESC, id DESC LIMIT ?'
        )
        with self._store.cursor() as cursor:
            rows = cursor.execute(select, [*values, limit]).fetchall()
        read = msgspec.json.decode
        return [Entry(*row[:5], read(row[5]), read(row[6]), row[7]) for row in rows]  # type: ignore[call-arg]

    def give(self, note: str, by: str) -> Handover:
        """Hand the shift over: a note and how the park stands; one handover waits at a time."""
        now_us, snapshot = self._clock.wall_us(), self._snapshot()

        def work(connection: duckdb.DuckDBPyConnection) -> Handover:
            if (open_one := first(connection, "SELECT id, giver FROM shift_handovers WHERE taken IS NULL")) is not None:
                problem = f"the handover of {open_one[1]} waits to be taken"
                raise ConflictError(problem, field="note", fix="take it over first")
            ident = number(connection, "SELECT coalesce(max(id), 0) + 1 FROM shift_handovers")
            connection.execute(
                f"INSERT INTO shift_handovers VALUES (?, {_AT}, ?, ?, ?, NULL, '', '')",  # noqa: S608  (fixed names)
                [ident, now_us, by, note, _json(snapshot)],
            )
            write_audit(connection, by, "shift given", {"id": ident})
            return Handover(ident, now_us, by, note, snapshot, None, "", "")

        return self._store.writer.run(work)

    def take(self, ident: int, remark: str, by: str, *, alone: bool) -> Handover:
        """Take a handover, signed; not by its giver, unless nobody signs in here (`alone`)."""
        now_us = self._clock.wall_us()

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            row = first(connection, "SELECT giver, taken FROM shift_handovers WHERE id = ?", [ident])
            if row is None:
                raise NotFoundError(f"no handover {ident}", field="id", fix="GET /api/v1/shift/handovers lists them")
            if row[1] is not None:
                raise ConflictError("this handover is taken already", field="id")
            if row[0] == by and not alone:
                fix = "somebody of the next shift signs in and takes it"
                raise ConflictError("nobody takes over from himself", field="id", fix=fix)
            connection.execute(
                f"UPDATE shift_handovers SET taken = {_AT}, taker = ?, remark = ? WHERE id = ?",  # noqa: S608  (fixed names)
                [now_us, by, remark, ident],
            )
            write_audit(connection, by, "shift taken", {"id": ident, "from": row[0]})

        self._store.writer.run(work)
        [found] = [one for one in self.handovers(0, now_us + 1, limit=LISTED_MAX) if one.id == ident]
        return found

    def handovers(self, from_us: int, to_us: int, *, limit: int) -> list[Handover]:
        """Handovers of a range, newest first."""
        tests, values = _range(from_us, to_us)
        select = (
            'SELECT id, epoch_us("at"), giver, note, snapshot, epoch_us(taken), taker, remark FROM shift_handovers '  # noqa: S608  (fixed names)
            f"WHERE {tests} ORDER BY id DESC LIMIT ?"
        )
        with self._store.cursor() as cursor:
            rows = cursor.execute(select, [*values, limit]).fetchall()
        shown = msgspec.json.Decoder(Snapshot)
        return [Handover(*row[:4], shown.decode(row[4]), *row[5:]) for row in rows]  # type: ignore[call-arg]


def _range(from_us: int, to_us: int) -> tuple[str, list[Any]]:
    return '"at" >= make_timestamptz(?::BIGINT) AND "at" < make_timestamptz(?::BIGINT)', [from_us, to_us]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
