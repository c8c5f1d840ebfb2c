"""Uploads as the twin keeps them: one row a file, one a group of files that belong together; every step a transaction.

A group is what is worked on: the files of one flight, or a cloud with what says where its sensor stood. A file that
came without a group is one of its own, committed at once.
"""

import re
import secrets
from collections import Counter
from typing import Annotated, Any, Literal

import duckdb
import msgspec
from msgspec import Meta

from twin.errors import ConflictError, NotFoundError
from twin.lookup import first, number
from twin.store import Store
from twin.times import iso
from twin.uploads_kinds import UploadKind
from wire.errors import InputError

__all__ = ["ENDED", "STATES", "Upload", "UploadState", "Uploads", "Wishes"]

UploadState = Literal["receiving", "queued", "reading", "registering", "judging", "done", "refused", "failed"]
STATES: tuple[UploadState, ...] = (
    "receiving", "queued", "reading", "registering", "judging", "done", "refused", "failed",
)  # fmt: skip
ENDED = ("done", "refused", "failed")
WORKING = ("reading", "registering", "judging")
ROWS_KEPT_MAX = 100_000  # a site that flies fifty photos a day for five years; the oldest that ended go
ATTEMPTS_MAX = 3  # a group whose work is cut off by the end of the twin again and again is given up
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_COLUMNS = (
    'id, "group", name, kind, state, file, bytes, sha256, flight, scan, problem, reasons, device, epoch_us(taken),'
    ' attempts, "by", epoch_us(received)'
)
_NOW = "make_timestamptz($now::BIGINT)"


class Wishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a cloud is to be judged. `shift_m` and `yaw_deg` take it roughly to model metres (prior `given`)."""

    register: bool = True
    sigma_m: Annotated[float, Meta(gt=0, le=1)] | None = None
    prior: Literal["given", "rtk", "gcp", "site"] | None = None
    shift_m: tuple[float, float, float] | None = None
    yaw_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One file, as the API shows it. `at` is when it came, `taken` when it was taken as far as its sender said."""

    id: str
    group: str
    name: str
    kind: UploadKind
    state: UploadState
    bytes: int
    sha256: str
    progress: float
    flight: str | None
    scan: str | None
    problem: dict[str, str] | None
    reasons: list[dict[str, Any]]
    device: str
    taken: str | None
    by: str
    at: str | None


class Row(msgspec.Struct, frozen=True):
    """One row of the table; `file` is its name on disk, "" when nothing of it is kept."""

    id: str
    group: str
    name: str
    kind: UploadKind
    state: UploadState
    file: str
    bytes: int
    sha256: str
    flight: str | None
    scan: str | None
    problem: str
    reasons: str
    device: str
    taken_us: int | None
    attempts: int
    by: str
    received_us: int

    def shown(self, progress: float) -> Upload:
        """As the API shows it."""
        return Upload(
            id=self.id, group=self.group, name=self.name, kind=self.kind, state=self.state, bytes=self.bytes,
            sha256=self.sha256, progress=round(progress, 3), flight=self.flight, scan=self.scan,
            problem=msgspec.json.decode(self.problem) if self.problem else None,
            reasons=msgspec.json.decode(self.reasons) if self.reasons else [], device=self.device,
            taken=iso(self.taken_us), by=self.by, at=iso(self.received_us),
        )  # fmt: skip


class Uploads:
    """The tables `uploads` and `upload_groups`. Any thread may call; each call is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.counts: Counter[str] = Counter()  # since the start: received, done, refused, failed, quarantined, removed

    # -- reading

    def row(self, upload: str) -> Row:
        """One upload; NotFoundError."""
        found = self._rows("WHERE id = $id", {"id": upload})
        if not found:
            fix = "GET /api/v1/uploads lists them"
            raise NotFoundError(f"no upload {upload[:80]!r}", field="id", fix=fix)
        return found[0]

    def newest(self, state: UploadState | None, group: str, limit: int, offset: int) -> tuple[list[Row], int]:
        """A page, newest first, and how many there are."""
        where = " AND ".join(
            [*(["state = $state"] if state else []), *(['"group" = $group'] if group else [])] or ["true"]
        )
        values = {name: value for name, value in (("state", state), ("group", group)) if value}
        rows = self._rows(
            f"WHERE {where} ORDER BY received DESC, id LIMIT $limit OFFSET $offset",
            {**values, "limit": limit, "offset": offset},
        )
        with self._store.cursor() as cursor:
            total = cursor.execute(f"SELECT count(*) FROM uploads WHERE {where}", values).fetchall()[0][0]  # noqa: S608
        return rows, int(total)

    def of_group(self, group: str) -> list[Row]:
        """Files of a group in the order in which they came."""
        return self._rows('WHERE "group" = $group ORDER BY received, id', {"group": group})

    def same(self, sha256: str, name: str) -> Row | None:
        """A file with these bytes and this name that is still kept, worked on or done."""
        found = self._rows(
            "WHERE sha256 = $sha256 AND name = $name AND file <> '' AND state NOT IN ('refused', 'failed')"
            " ORDER BY received LIMIT 1",
            {"sha256": sha256, "name": name},
        )
        return found[0] if found else None

    def wishes(self, group: str) -> Wishes:
        """What was wished for a group."""
        with self._store.cursor() as cursor:
            row = first(cursor, 'SELECT wishes FROM upload_groups WHERE "group" = ?', [group])
        return msgspec.json.decode(row[0], type=Wishes) if row else Wishes()

    def next_group(self) -> str | None:
        """The group that waits longest for its work."""
        with self._store.cursor() as cursor:
            row = first(
                cursor, "SELECT \"group\" FROM uploads WHERE state = 'queued' ORDER BY changed, received LIMIT 1"
            )
        return None if row is None else str(row[0])

    def files_kept(self) -> set[str]:
        """Names of the files that any row still needs."""
        with self._store.cursor() as cursor:
            return {row[0] for row in cursor.execute("SELECT file FROM uploads WHERE file <> ''").fetchall()}

    def open_count(self) -> int:
        """How many are being received or wait."""
        with self._store.cursor() as cursor:
            return number(cursor, "SELECT count(*) FROM uploads WHERE state NOT IN ('done', 'refused', 'failed')")

    # -- changing

    def begin(self, name: str, kind: UploadKind, group: str, *, device: str, taken_us: int | None, by: str) -> Row:
        """A file begins to come; without a group it is one of its own."""
        upload = f"u{secrets.token_hex(8)}"
        if group and not _NAME.match(group):
            fix = "name it with letters, digits, - and _"
            raise InputError(f"{group[:80]!r} is no name of a group", field="group", fix=fix)
        now_us = self._store.clock.wall_us()
        row = Row(
            upload, group or upload, name, kind, "receiving", f"{upload}.part", 0, "", None, None, "", "", device,
            taken_us, 0, by, now_us,
        )  # fmt: skip

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            _insert(connection, row, now_us)
            _forget_oldest(connection)

        self._store.writer.run(work)
        return row

    def received(self, upload: str, file: str, size: int, sha256: str, *, alone: bool, wishes: Wishes) -> None:
        """All of a file is on disk; one that came alone is committed with its wishes."""
        self.counts["received"] += 1

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            state = "queued" if alone else "receiving"
            values = {"id": upload, "file": file, "bytes": size, "sha256": sha256, "state": state}
            _update(connection, "file = $file, bytes = $bytes, sha256 = $sha256, state = $state", values, self._now())
            if alone:
                _commit(connection, upload, wishes, self._now())

        self._store.writer.run(work)

    def commit(self, group: str, wishes: Wishes, *, taken_us: int | None) -> list[Row]:
        """All files of a group are here: its work begins, or begins again with what came since."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            rows = connection.execute('SELECT state, sha256 FROM uploads WHERE "group" = ?', [group]).fetchall()
            if not rows:
                fix = "send its files first: POST /api/v1/uploads?group=…"
                raise NotFoundError(f"no group {group[:80]!r}", field="group", fix=fix)
            if any(state in WORKING for state, _ in rows):
                raise ConflictError(f"group {group} is being worked on", field="group", fix="wait until it ended")
            if any(state == "receiving" and not sha256 for state, sha256 in rows):
                fix = "wait for the last file, or DELETE the upload that broke off"
                raise ConflictError("a file of it is still coming", field="group", fix=fix)
            _commit(connection, group, wishes, self._now())
            connection.execute(
                f"UPDATE uploads SET state = 'queued', problem = '', reasons = '', attempts = 0, changed = {_NOW},"  # noqa: S608
                " taken = coalesce(make_timestamptz($taken::BIGINT), taken) WHERE \"group\" = $group AND file <> ''",
                {"group": group, "now": self._now(), "taken": taken_us},
            ).fetchall()

        self._store.writer.run(work)
        return self.of_group(group)

    def step(self, uploads: list[str], state: UploadState, *, attempt: bool = False) -> None:
        """These are a step further."""
        if state in ENDED:
            self.counts[state] += len(uploads)
        more = ", attempts = attempts + 1" if attempt else ""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            for upload in uploads:
                _update(connection, f"state = $state{more}", {"id": upload, "state": state}, self._now())

        self._store.writer.run(work)

    def end(
        self, connection: duckdb.DuckDBPyConnection, upload: str, state: UploadState, *, flight: str | None = None,
        scan: str | None = None, problem: dict[str, str] | None = None, reasons: list[dict[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        """Within the caller's transaction: how one ended and what came of it."""
        self.counts[state] += 1
        values = {
            "id": upload, "state": state, "flight": flight, "scan": scan,
            "problem": msgspec.json.encode(problem).decode() if problem else "",
            "reasons": msgspec.json.encode(reasons).decode() if reasons else "",
        }  # fmt: skip
        change = (
            "state = $state, flight = $flight, scan = coalesce($scan, scan), problem = $problem, reasons = $reasons"
        )
        _update(connection, change, values, self._now())

    def fail(self, upload: str, state: UploadState, problem: dict[str, str], *, file: str | None = None) -> None:
        """It ended without a result; `file` is what is kept of it now."""
        self.counts[state] += 1
        values: dict[str, Any] = {"id": upload, "state": state, "problem": msgspec.json.encode(problem).decode()}
        more = ""
        if file is not None:
            values["file"], more = file, ", file = $file"
        self._store.writer.run(lambda c: _update(c, f"state = $state, problem = $problem{more}", values, self._now()))

    def wait_again(self, uploads: list[str]) -> None:
        """The disk was full: these wait, and it does not count against them."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute(
                "UPDATE uploads SET state = 'queued', attempts = greatest(attempts, 1) - 1"
                " WHERE id IN (SELECT unnest(?)) AND state IN ('reading', 'registering', 'judging')",
                [uploads],
            ).fetchall()

        self._store.writer.run(work)

    def begin_again(self) -> list[Row]:
        """At a start: what was being worked on waits again, or is given up; returns the uploads that broke off."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            problem = {"problem": "the twin ended three times while this was worked on", "fix": "send it once more"}
            connection.execute(
                "UPDATE uploads SET state = CASE WHEN attempts >= $most THEN 'failed' ELSE 'queued' END,"
                " problem = CASE WHEN attempts >= $most THEN $problem ELSE '' END"
                " WHERE state IN ('reading', 'registering', 'judging')",
                {"most": ATTEMPTS_MAX, "problem": msgspec.json.encode(problem).decode()},
            ).fetchall()

        self._store.writer.run(work)
        return self._rows("WHERE state = 'receiving' AND sha256 = ''", {})

    def without_files(self, uploads: list[str]) -> None:
        """Nothing of these is kept on the disk any more."""
        if uploads:
            sql = "UPDATE uploads SET file = '' WHERE id IN (SELECT unnest(?))"
            self._store.writer.run(lambda connection: connection.execute(sql, [uploads]).fetchall())

    def remove(self, connection: duckdb.DuckDBPyConnection, uploads: list[str]) -> None:
        """Within the caller's transaction: forget these."""
        self.counts["removed"] += len(uploads)
        for upload in uploads:
            connection.execute("DELETE FROM uploads WHERE id = ?", [upload]).fetchall()
        connection.execute('DELETE FROM upload_groups WHERE "group" NOT IN (SELECT "group" FROM uploads)').fetchall()

    def _now(self) -> int:
        return self._store.clock.wall_us()

    def _rows(self, rest: str, values: dict[str, Any]) -> list[Row]:
        with self._store.cursor() as cursor:
            found = cursor.execute(f"SELECT {_COLUMNS} FROM uploads {rest}", values).fetchall()  # noqa: S608
        return [Row(*one) for one in found]


def _insert(connection: duckdb.DuckDBPyConnection, row: Row, now_us: int) -> None:
    connection.execute(
        "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamptz(?::BIGINT), ?, ?,"
        " make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT))",
        [*msgspec.structs.astuple(row), now_us],
    ).fetchall()


def _update(connection: duckdb.DuckDBPyConnection, change: str, values: dict[str, Any], now_us: int) -> None:
    sql = f"UPDATE uploads SET {change}, changed = {_NOW} WHERE id = $id"  # noqa: S608  (texts of ours)
    connection.execute(sql, {**values, "now": now_us}).fetchall()


def _commit(connection: duckdb.DuckDBPyConnection, group: str, wishes: Wishes, now_us: int) -> None:
    connection.execute('DELETE FROM upload_groups WHERE "group" = ?', [group]).fetchall()
    connection.execute(
        "INSERT INTO upload_groups VALUES (?, ?, make_timestamptz(?::BIGINT))",
        [group, msgspec.json.encode(wishes).decode(), now_us],
    ).fetchall()


def _forget_oldest(connection: duckdb.DuckDBPyConnection) -> None:
    """Rows of files that are gone from the disk, beyond the bound."""
    if number(connection, "SELECT count(*) FROM uploads") > ROWS_KEPT_MAX:
        connection.execute(
            "DELETE FROM uploads WHERE id = (SELECT id FROM uploads WHERE state IN ('done', 'refused', 'failed')"
            " ORDER BY received LIMIT 1)"
        ).fetchall()
