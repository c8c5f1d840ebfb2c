"""Commands to devices: checked against the catalogue, sent once, never late, followed until the device answers."""

import asyncio
import math
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import msgspec

from twin.changes import write_audit
from twin.directory import PointView
from twin.errors import ConflictError, NotFoundError
from twin.lookup import number
from twin.points import PointRow
from twin.store import Store
from wire.clock import Clock
from wire.errors import InputError
from wire.limits import COMMAND_LIFE_S, COMMANDS_KEPT_MAX
from wire.messages import Command, Reply

__all__ = ["CommandView", "Commands"]

_ANSWER_US = 2_000_000  # an answer may be under way when a command expires
_LATE = "no answer in time"
_FINAL = {"refused", "done", "failed", "expired"}
_WHOLE = {"u8": (0, 2**8 - 1), "i8": (-(2**7), 2**7 - 1), "u16": (0, 2**16 - 1), "i16": (-(2**15), 2**15 - 1),
          "u32": (0, 2**32 - 1), "i32": (-(2**31), 2**31 - 1)}  # fmt: skip
Value = bool | float | str
Send = Callable[[str, Command], bool]  # node, command; False when the broker is not there


class CommandView(msgspec.Struct, frozen=True):
    """A command as the API shows it. status: sent, accepted, refused, done, failed, expired."""

    id: str
    point: str
    value: Value
    issued: str
    expires: str
    by: str
    status: str
    detail: str


RELINQUISH: Final = "null"  # takes a command back, at points whose device keeps a list of them (BACnet)


class Commands:
    """Issues commands and takes in replies. What it knows is in the database too, with an audit row each.

    A restarted twin knows the newest again: replies still land, and `expire` ends those that were never answered.
    """

    def __init__(self, store: Store, clock: Clock, send: Send | None) -> None:
        self._store, self._clock, self._send = store, clock, send
        self._known: OrderedDict[str, tuple[str, Command, str, str]] = OrderedDict()
        with store.cursor() as cursor:
            self._counter = number(cursor, "SELECT coalesce(max(counter), 0) FROM commands")
            for node, command, status, detail in reversed(_newest(cursor, "", COMMANDS_KEPT_MAX)):
                self._known[command.id] = (node, command, status, detail)
        self._open = {known[1].id for known in self._known.values() if known[2] not in _FINAL}

    async def issue(self, view: PointView, row: PointRow, value: Any, *, by: str) -> CommandView:
        """Check, write down and send; InputError or Conflict when the point or the value does not allow it."""
        checked = check_value(view, row, value)
        if self._send is None:
            raise ConflictError("this twin has no link to the devices", fix="start it with a broker")
        now_us = self._clock.wall_us()
        self._counter = max(self._counter + 1, now_us)  # grows even when the wall clock jumps back
        command = Command(
            id=uuid.uuid4().hex, point=f"{row.device}/{row.metric}", value=checked, issued_us=now_us,
            expires_us=now_us + int(COMMAND_LIFE_S * 1e6), counter=self._counter, by=by,
        )  # fmt: skip
        await asyncio.to_thread(self._write_down, row.key, command)
        self._known[command.id] = (row.node, command, "sent", "")
        self._open.add(command.id)
        if not self._send(row.node, command):
            failed = Reply(command.id, "failed", now_us, "no connection to the broker")
            self.take_reply(row.node, failed)
        if len(self._known) > COMMANDS_KEPT_MAX:
            self._open.discard(self._known.popitem(last=False)[0])
        return self.get(command.id)

    def take_reply(self, node: str, reply: Reply) -> None:
        """What a node says about a command; what is not its own, or comes after the end, changes nothing."""
        known = self._known.get(reply.id)
        if known is None or known[0] != node or known[2] in _FINAL:
            return
        self._known[reply.id] = (node, known[1], reply.status, reply.detail)
        if reply.status in _FINAL:
            self._open.discard(reply.id)
        self._store.writer.submit(lambda connection: _update(connection, reply))

    def get(self, command_id: str) -> CommandView:
        """One command; NotFound."""
        known = self._known.get(command_id)
        if known is None:
            fix = "POST /api/v1/commands answers the id"
            raise NotFoundError(f"no command {command_id[:64]!r}", field="id", fix=fix)
        return self._shown(*known)

    def newest(self, key: str, limit: int) -> list[CommandView]:
        """The newest commands to a point, or to all with an empty key; those of memory as they stand now."""
        with self._store.cursor() as cursor:
            rows = _newest(cursor, key, limit)
        return [self._shown(*self._known.get(row[1].id, row)) for row in rows]

    def expire(self) -> None:
        """End what nobody answered in time; called now and then."""
        now_us = self._clock.wall_us()
        late = [known for known in map(self._known.get, [*self._open]) if known and self._is_late(known[1], now_us)]
        for node, command, _, _ in late:
            self.take_reply(node, Reply(command.id, "expired", now_us, _LATE))

    def _is_late(self, command: Command, now_us: int) -> bool:
        return now_us > command.expires_us + _ANSWER_US

    def _shown(self, node: str, command: Command, status: str, detail: str) -> CommandView:
        if status not in _FINAL and self._is_late(command, self._clock.wall_us()):
            status, detail = "expired", detail or _LATE
        return CommandView(
            command.id, f"{node}/{command.point}", command.value, _iso(command.issued_us),
            _iso(command.expires_us), command.by, status, detail,
        )  # fmt: skip

    def _write_down(self, key: str, command: Command) -> None:
        def work(connection: duckdb.DuckDBPyConnection) -> None:
            value = msgspec.json.encode(command.value).decode()
            at, expires = _moment(command.issued_us), _moment(command.expires_us)
            row = [command.id, key, value, at, expires, command.counter, command.by, "sent", "", at]
            connection.execute("INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            write_audit(connection, command.by, "command", {"id": command.id, "point": key, "value": command.value})

        self._store.writer.run(work)


def _newest(cursor: duckdb.DuckDBPyConnection, key: str, limit: int) -> list[tuple[str, Command, str, str]]:
    """Stored commands, newest first: node, command, status, detail."""
    rows = cursor.execute(
        'SELECT id, point, value, epoch_us(issued), epoch_us(expires), counter, "by", status, detail FROM commands'
        " WHERE ? = '' OR point = ? ORDER BY counter DESC LIMIT ?",
        [key, key, limit],
    ).fetchall()
    found = []
    for id_, point, value, issued_us, expires_us, counter, by, status, detail in rows:
        node, _, local = point.partition("/")
        command = Command(
            id=id_, point=local, value=msgspec.json.decode(value), issued_us=issued_us,
            expires_us=expires_us, counter=counter, by=by,
        )  # fmt: skip
        found.append((node, command, status, detail))
    return found


def check_value(view: PointView, row: PointRow, value: Any) -> Value:
    """A value that may be written to a point, in its declared type; InputError or Conflict."""
    if not view.writable:
        raise ConflictError(f"{view.key} is not writable", field="point", fix="choose a point with writable = true")
    if value == RELINQUISH and row.meta.get("takes_null") is True:
        return RELINQUISH
    if row.declared == "bool":
        if not isinstance(value, bool):
            raise InputError("this point takes true or false", field="value", fix="send true or false")
        return value
    if row.declared in {"text", "enum"}:
        return _check_text(row, value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError("this point takes a number", field="value", fix=f"send a number in {view.unit or 'its unit'}")
    low, high = _WHOLE.get(row.declared, (-math.inf, math.inf))
    if row.declared in _WHOLE and value != int(value):
        raise InputError(f"this point takes whole numbers ({row.declared})", field="value", fix="round it")
    low = low if view.low is None else max(low, view.low)
    high = high if view.high is None else min(high, view.high)
    if not low <= value <= high:
        raise InputError(f"{value:g} is outside {low:g} to {high:g}", field="value", fix="send a value inside")
    return float(value)


def _check_text(row: PointRow, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 2_000:
        raise InputError("this point takes a text of at most 2,000 characters", field="value", fix="send a text")
    allowed = row.meta.get("values")
    if isinstance(allowed, list) and value not in allowed:
        listed = ", ".join(map(str, allowed[:20]))
        raise InputError(f"{value[:80]!r} is none of its values", field="value", fix=f"send one of {listed}")
    return value


def _update(connection: duckdb.DuckDBPyConnection, reply: Reply) -> None:
    connection.execute(
        "UPDATE commands SET status = ?, detail = ?, changed = ? WHERE id = ?",
        [reply.status, reply.detail, datetime.now(UTC), reply.id],
    )
    write_audit(connection, "device", "command answered", {"id": reply.id, "status": reply.status})


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)


def _iso(us: int) -> str:
    return _moment(us).isoformat().replace("+00:00", "Z")
