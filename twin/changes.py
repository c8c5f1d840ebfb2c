"""Changes by people: preview with a diff, activate, revert; each step audited, nothing lost.

| kind | body |
|---|---|
| bindings | `{"set": [{"point", "element", "space"}], "clear": [point]}`; both places null: belongs nowhere |
| limits | `{"set": [{"point", "low", "high"}], "clear": [point]}` |
| points | `{"limits": …, "bindings": …}`: the bodies of both, undone together; POST /pointlist makes it of a list |
| site | any of title, time_zone, languages, crs, bounds |
| model | `{"upload": id}` of POST /uploads, or `{"file": name}` in the site's folder; several: `{"uploads": [id]}`, |
| | `{"files": [name]}` or `{"parts": [{"upload" or "file", "name", "place": {"offset_m", "rotate_deg"}}]}` |
| alarms | `{"toml": text}` of an alarms.toml (see `twin.alarms.rules` and `.routes`), or null: the site's own |
| rollout | how far a trained model has come; see `twin.models_rollout` |
| schedule, links, actuals | see `twin.plan_changes` and `twin.plan_actuals` |
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import duckdb
import msgspec

from twin.errors import ConflictError, NotFoundError
from twin.lookup import first, number
from twin.store import Store
from wire.errors import InputError
from wire.limits import CHANGES_KEPT_MAX

__all__ = ["Change", "ChangeKind", "ChangeKindName", "Changes", "DiffRow", "Preview", "read_body", "write_audit"]

ChangeKindName = Literal[
    "alarms", "actuals", "bindings", "limits", "links", "model", "points", "rollout", "schedule", "site"
]
_DIFF_ROWS_MAX = 5_000  # of one preview; a person reads far fewer, and the count of all is told


class DiffRow(msgspec.Struct, frozen=True):
    """One thing that a change changes."""

    op: str  # add | remove | replace
    path: str
    old: Any
    new: Any


class Change(msgspec.Struct, frozen=True):
    """A change as the API shows it."""

    id: int
    kind: ChangeKindName
    state: Literal["preview", "active", "reverted"]
    diff: list[DiffRow]
    problems: list[str]
    note: str
    by: str
    at: str


class Preview(msgspec.Struct, frozen=True):
    """What a kind of change says about a body. With problems it cannot be activated. `body` is what is kept."""

    body: Any
    diff: list[DiffRow]
    problems: list[str]


class ChangeKind(Protocol):
    """One kind of change."""

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Check a body; InputError when it is not understood."""
        ...

    def apply(self, cursor: duckdb.DuckDBPyConnection, change: int, body: Any) -> Any:
        """Within a transaction: make it so; returns what `revert` needs."""
        ...

    def revert(self, cursor: duckdb.DuckDBPyConnection, change: int, undo: Any) -> None:
        """Within a transaction: bring the state before back; Conflict when later changes stand on it."""
        ...

    def refresh(self) -> None:
        """After the commit, in a thread: bring what is in memory up to date."""
        ...


def read_body(kind: type[Any], body: dict[str, Any]) -> Any:
    """Check a body against a struct; InputError names the field."""
    try:
        return msgspec.convert(body, type=kind)
    except msgspec.ValidationError as error:
        detail, _, at = str(error).partition(" - at ")
        field = at.strip("`").removeprefix("$").strip(".")
        raise InputError(detail, field=f"body.{field}".rstrip("."), fix="see twin/changes.py for the bodies") from error


class Changes:
    """All changes of a twin. One step at a time; the database decides, memory follows."""

    def __init__(self, store: Store, kinds: dict[str, ChangeKind]) -> None:
        self._cursor, self._write, self._kinds = store.cursor, store.writer.run, kinds
        self._turn = asyncio.Lock()

    async def propose(self, kind: ChangeKindName, body: dict[str, Any], *, note: str, by: str) -> Change:
        """Check a change and keep it as a preview."""
        return await self.keep(kind, await self._kinds[kind].preview(body), note=note, by=by)

    async def keep(self, kind: ChangeKindName, preview: Preview, *, note: str, by: str) -> Change:
        """Keep what was checked already."""
        problems, diff = list(preview.problems), preview.diff
        if len(diff) > _DIFF_ROWS_MAX:
            note = f"{note} ({len(diff)} differences, the first {_DIFF_ROWS_MAX} are shown)".strip()
            diff = diff[:_DIFF_ROWS_MAX]
        async with self._turn:
            return await asyncio.to_thread(self._insert, kind, preview.body, diff, problems, note, by)

    async def activate(self, change: int, *, by: str) -> Change:
        """Make a preview, or a reverted change, true."""
        return await self._step(change, by, "active")

    async def revert(self, change: int, *, by: str) -> Change:
        """Undo an active change."""
        return await self._step(change, by, "reverted")

    def get(self, change: int) -> Change:
        """One change; NotFound."""
        with self._cursor() as cursor:
            return _shown(_row(cursor, change))

    def newest(self, limit: int, offset: int) -> tuple[list[Change], int]:
        """A page of changes, newest first, and how many there are."""
        with self._cursor() as cursor:
            rows = cursor.execute(
                f"SELECT {_COLUMNS} FROM changes ORDER BY id DESC LIMIT ? OFFSET ?",  # noqa: S608  (fixed names)
                [limit, offset],
            ).fetchall()
            total = number(cursor, "SELECT count(*) FROM changes")
        return [_shown(row) for row in rows], total

    async def _step(self, change: int, by: str, to: Literal["active", "reverted"]) -> Change:
        async with self._turn:
            done = await asyncio.to_thread(self._move, change, by, to)
            await asyncio.to_thread(self._kinds[done.kind].refresh)
            return done

    def _move(self, change: int, by: str, to: Literal["active", "reverted"]) -> Change:
        def work(connection: duckdb.DuckDBPyConnection) -> Change:
            row = _row(connection, change)
            shown = _shown(row)
            _check_step(shown, to)
            kind = self._kinds[shown.kind]
            undo = msgspec.json.decode(row[7])
            if to == "active":
                undo = kind.apply(connection, change, msgspec.json.decode(row[3]))
            else:
                kind.revert(connection, change, undo)
            connection.execute(
                "UPDATE changes SET state = ?, undo = ? WHERE id = ?",
                [to, msgspec.json.encode(undo).decode(), change],
            )
            write_audit(connection, by, f"change {to}", {"change": change, "kind": shown.kind})
            return _shown(_row(connection, change))

        return self._write(work)

    def _insert(self, kind: str, body: Any, diff: list[DiffRow], problems: list[str], note: str, by: str) -> Change:
        texts = [msgspec.json.encode(value).decode() for value in (diff, problems, None)]

        def work(connection: duckdb.DuckDBPyConnection) -> Change:
            change = number(connection, "SELECT coalesce(max(id), 0) + 1 FROM changes")
            if number(connection, "SELECT count(*) FROM changes") >= CHANGES_KEPT_MAX:
                connection.execute(
                    "DELETE FROM changes WHERE id = (SELECT min(id) FROM changes WHERE state = 'preview')"
                )
            connection.execute(
                "INSERT INTO changes VALUES (?, ?, 'preview', ?, ?, ?, ?, ?, ?, ?)",
                [change, kind, msgspec.json.encode(body).decode(), note, *texts, by, datetime.now(UTC)],
            )
            write_audit(connection, by, "change proposed", {"change": change, "kind": kind})
            return _shown(_row(connection, change))

        return self._write(work)


def _check_step(change: Change, to: str) -> None:
    if to == "active" and change.state == "active":
        raise ConflictError(f"change {change.id} is active already", field="id")
    if to == "active" and change.problems:
        fix = "post a change without problems"
        raise ConflictError(f"change {change.id} has a problem: {change.problems[0]}", field="id", fix=fix)
    if to == "reverted" and change.state != "active":
        raise ConflictError(f"change {change.id} is not active", field="id", fix="activate it first")


_COLUMNS = 'id, kind, state, body, note, diff, problems, undo, "by", epoch_us("at")'


def _row(cursor: duckdb.DuckDBPyConnection, change: int) -> tuple[Any, ...]:
    row = first(cursor, f"SELECT {_COLUMNS} FROM changes WHERE id = ?", [change])  # noqa: S608  (fixed names)
    if row is None:
        raise NotFoundError(f"no change {change}", field="id", fix="GET /api/v1/changes lists them")
    return row


def _shown(row: tuple[Any, ...]) -> Change:
    at = datetime.fromtimestamp(row[9] / 1e6, UTC).isoformat().replace("+00:00", "Z")
    diff = msgspec.json.decode(row[5], type=list[DiffRow])
    return Change(row[0], row[1], row[2], diff, msgspec.json.decode(row[6]), row[4], row[8], at)


def write_audit(connection: duckdb.DuckDBPyConnection, by: str, what: str, detail: Any, result: str = "done") -> None:
    """One row of the audit, within the caller's transaction."""
    row = [datetime.now(UTC), by, what, msgspec.json.encode(detail).decode(), result]
    connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)
