"""Accounts, sessions, tokens and one-time links: whole in memory, each change durable before it holds."""

import threading
from typing import Any, TypeVar

import duckdb
import msgspec

from twin.access.roles import Grant
from twin.changes import write_audit
from twin.store import Store

__all__ = ["AccessBook", "Account", "ApiToken", "OneTimeLink", "Session"]


class Account(msgspec.Struct, frozen=True):
    """One person. `password` is an argon2 digest, empty until it is set; `issuer`, `subject` those of OpenID."""

    name: str
    full_name: str
    password: str
    issuer: str
    subject: str
    grants: tuple[Grant, ...]
    disabled: bool
    created_us: int
    changed_us: int


class Session(msgspec.Struct, frozen=True):
    """One signed-in browser; `digest` is that of its cookie."""

    digest: str
    user: str
    csrf: str
    created_us: int
    seen_us: int
    expires_us: int
    address: str
    agent: str


class ApiToken(msgspec.Struct, frozen=True):
    """A secret for programs, of a person and no more than its scopes; times are 0 for never."""

    id: str
    user: str
    name: str
    digest: str
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int
    used_us: int = 0
    revoked_us: int = 0


class OneTimeLink(msgspec.Struct, frozen=True):
    """Sets the password of `user` once; with no user it makes the first account."""

    digest: str
    user: str
    expires_us: int


Row = Account | Session | ApiToken | OneTimeLink
R = TypeVar("R", Account, Session, ApiToken, OneTimeLink)
_TABLES: dict[type[Row], str] = {
    Account: "access_accounts",
    Session: "access_sessions",
    ApiToken: "access_tokens",
    OneTimeLink: "access_links",
}


class AccessBook:
    """The four tables as dicts by their first column."""

    def __init__(self, store: Store) -> None:
        self._writer, self._cursor = store.writer, store.cursor
        self._turn = threading.Lock()
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[str, Session] = {}
        self.tokens: dict[str, ApiToken] = {}
        self.links: dict[str, OneTimeLink] = {}
        self.read()

    def read(self) -> None:
        """All of it anew from the database."""
        with self._cursor() as cursor:
            self.accounts = _rows(cursor, Account)
            self.sessions = _rows(cursor, Session)
            self.tokens = _rows(cursor, ApiToken)
            self.links = _rows(cursor, OneTimeLink)

    def put(self, *rows: Row, by: str = "", what: str = "", detail: Any = None) -> None:
        """Add or replace rows in one transaction; `what` writes a line of the audit with them."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            for row in rows:
                _delete(connection, type(row), _key(row))
                _insert(connection, row)
            if what:
                write_audit(connection, by, what, detail)

        with self._turn:
            self._writer.run(work)
            for row in rows:
                self._dict(type(row))[_key(row)] = row

    def drop(self, kind: type[Row], keys: list[str], *, by: str = "", what: str = "", detail: Any = None) -> None:
        """Take rows out; keys that are not there are no error."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            for key in keys:
                _delete(connection, kind, key)
            if what:
                write_audit(connection, by, what, detail)

        with self._turn:
            for key in keys:  # what is revoked is revoked at once, also on a full disk
                self._dict(kind).pop(key, None)
            self._writer.run(work)

    def later(self, row: Row) -> None:
        """Replace a row in memory now and in the database when there is time; for times of last use."""
        if self._dict(type(row)).get(_key(row)) is None:
            return
        self._dict(type(row))[_key(row)] = row
        kind, key = type(row), _key(row)

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            if self._dict(kind).get(key) is not None:  # revoked meanwhile
                _delete(connection, kind, key)
                _insert(connection, row)

        self._writer.submit(work)

    def _dict(self, kind: type[Row]) -> dict[str, Any]:
        dicts: dict[type[Row], dict[str, Any]]
        dicts = {Account: self.accounts, Session: self.sessions, ApiToken: self.tokens, OneTimeLink: self.links}
        return dicts[kind]


def _key(row: Row) -> str:
    return str(getattr(row, row.__struct_fields__[0]))


def _rows(cursor: duckdb.DuckDBPyConnection, kind: type[R]) -> dict[str, R]:
    names = kind.__struct_fields__
    columns = ", ".join(f'"{name}"' for name in names)
    rows = cursor.execute(f"SELECT {columns} FROM {_TABLES[kind]}").fetchall()  # noqa: S608  (names of ours)
    found = [msgspec.convert({n: _read(n, v) for n, v in zip(names, row, strict=True)}, kind) for row in rows]
    return {_key(row): row for row in found}


def _insert(connection: duckdb.DuckDBPyConnection, row: Row) -> None:
    values = [_written(getattr(row, name)) for name in row.__struct_fields__]
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {_TABLES[type(row)]} VALUES ({marks})", values)  # noqa: S608


def _delete(connection: duckdb.DuckDBPyConnection, kind: type[Row], key: str) -> None:
    connection.execute(f'DELETE FROM {_TABLES[kind]} WHERE "{kind.__struct_fields__[0]}" = ?', [key])  # noqa: S608


def _written(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, tuple) else value


def _read(name: str, value: Any) -> Any:
    return msgspec.json.decode(value) if name in {"grants", "scopes"} else value
