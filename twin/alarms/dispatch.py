"""From steps to messages: who is to be told, after which delay, once; kept until they are sent.

What rings within `GATHER_S` goes out as one message a route, so a flood is one page and not a hundred. A message that
cannot be sent is tried again, ever more rarely, for a day; an alarm that was acknowledged, or returned and seen, before
its message went out is left out of it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import msgspec

from twin.alarms.book import AlarmBook
from twin.alarms.class_words import Spoken
from twin.alarms.message_text import Reader, alarm_texts, by_urgency
from twin.alarms.routes import OnCall, Route, is_on_call, read_hours
from twin.alarms.send import Message, SendError, send
from twin.alarms.states import Alarm, Step
from twin.lookup import number
from twin.store import Store
from twin.times import iso
from wire.clock import Clock

__all__ = ["Dispatch"]

GATHER_S: Final = 2.0
RETRY_S_MIN, RETRY_S_MAX = 5.0, 600.0
GIVE_UP_US: Final = 86_400_000_000
_PERIOD_S = 0.5


@dataclass(slots=True)
class _Outgoing:
    """A message that waits: the alarms it is about, and since when."""

    id: int
    route: str
    alarms: dict[int, int]  # alarm -> occurrence
    made_us: int
    due_us: int
    attempts: int = 0
    problem: str = ""


@dataclass(slots=True)
class _Line:
    """A route in use, with its hours read."""

    route: Route
    hours: list[OnCall] = field(default_factory=list)


class Dispatch:
    """`heard` takes steps; `run` sends until cancelled. One process, any thread for `heard`."""

    def __init__(
        self, store: Store, clock: Clock, book: AlarmBook, *, site: Callable[[], tuple[str, str]],
        key_of: Callable[[int], str], meanings: Callable[[Spoken], Mapping[str, str]] = lambda _language: {},
    ) -> None:  # fmt: skip
        self._store, self._clock, self._book, self._site, self._key_of = store, clock, book, site, key_of
        self._meanings = meanings
        self._lines: dict[str, _Line] = {}
        self._heard: list[Step] = []
        self._waiting: list[_Outgoing] = []
        self.sent = self.failed = 0
        with store.cursor() as cursor:
            self._last_id = number(cursor, "SELECT coalesce(max(id), 0) FROM alarm_messages")
            rows = cursor.execute(
                "SELECT id, route, alarms, epoch_us(made), epoch_us(due), attempts, problem FROM alarm_messages"
                " WHERE sent IS NULL AND problem NOT LIKE 'given up%'"
            ).fetchall()
        for row in rows:
            alarms = {int(alarm): seen for alarm, seen in msgspec.json.decode(row[2]).items()}
            self._waiting.append(_Outgoing(row[0], row[1], alarms, *row[3:]))

    def use(self, routes: list[Route]) -> None:
        """These routes from now on. ValueError when hours are not understood."""
        self._lines = {route.name: _Line(route, read_hours(route)) for route in routes}

    def heard(self, steps: list[Step]) -> None:
        """Alarms changed."""
        self._heard += [step for step in steps if step.state in ("unacknowledged", "returned")]

    async def run(self) -> None:
        """Make messages of what was heard and send them."""
        while True:
            await asyncio.sleep(_PERIOD_S)
            self.gather()
            for message in self.due():
                await asyncio.to_thread(self.attempt, message)

    def gather(self) -> None:
        """Add what rings to the message of each route that is to be told of it."""
        heard, self._heard = self._heard, []
        now_us = self._clock.wall_us()
        for step in heard:
            alarm = self._book.get(step.alarm)
            keys = self._keys(alarm)
            for line in self._lines.values():
                if step.what in ("raised", "unshelved", "unsuppressed") and any(
                    line.route.wants(alarm, key) for key in keys
                ):
                    self._add(line, alarm, step.at_us, now_us)

    def _keys(self, alarm: Alarm) -> list[str]:
        """The points that it is about: its own, or those of all that it stands for."""
        members = [self._book.find(key) for key in alarm.definition.detail.get("members", [])]
        points = [one.definition.point for one in [alarm, *members] if one is not None]
        return [self._key_of(point) for point in points if point is not None] or [""]

    def due(self) -> list[_Outgoing]:
        """Messages whose time has come, and whose route is on call."""
        now_us, zone = self._clock.wall_us(), self._site()[1]
        return [
            message
            for message in self._waiting
            if message.due_us <= now_us
            and ((line := self._lines.get(message.route)) is None or is_on_call(line.hours, now_us, zone))
        ]

    def attempt(self, message: _Outgoing) -> None:
        """Send one message, or set when it is tried again; blocks."""
        now_us = self._clock.wall_us()
        line = self._lines.get(message.route)
        alarms = [self._book.get(one) for one, seen in message.alarms.items() if self._is_open(one, seen)]
        if line is None or not alarms:
            self._end(message, "given up: the route is gone" if line is None else "given up: nobody needs it any more")
            return
        try:
            send(line.route, self._compose(line.route, alarms))
        except SendError as error:
            message.attempts += 1
            message.problem = str(error)
            self.failed += 1
            if now_us - message.made_us > GIVE_UP_US:
                self._end(message, f"given up: {error}")
                return
            wait_s = min(RETRY_S_MIN * 2 ** min(message.attempts - 1, 10), RETRY_S_MAX)
            message.due_us = now_us + round(wait_s * 1e6)
            self._write(message)
        else:
            self.sent += 1
            self._end(message, "", sent_us=now_us)

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest messages and what became of them."""
        with self._store.cursor() as cursor:
            rows = cursor.execute(
                "SELECT id, route, alarms, epoch_us(made), epoch_us(due), attempts, epoch_us(sent), problem"
                " FROM alarm_messages ORDER BY id DESC LIMIT ?",
                [limit],
            ).fetchall()
        names = ("id", "route", "alarms", "made", "due", "attempts", "sent", "problem")
        items = [dict(zip(names, row, strict=True)) for row in rows]
        for item in items:
            item |= {name: iso(item[name]) for name in ("made", "due", "sent")}
            item["alarms"] = [int(alarm) for alarm in msgspec.json.decode(item["alarms"])]
        return items

    def _add(self, line: _Line, alarm: Alarm, at_us: int, now_us: int) -> None:
        due_us = max(now_us, at_us + round(line.route.after_s * 1e6)) + round(GATHER_S * 1e6)
        for message in self._waiting:
            near = abs(message.due_us - due_us) <= GATHER_S * 1e6
            if message.route == line.route.name and near and not message.attempts:
                message.alarms[alarm.id] = alarm.occurrences
                self._write(message)
                return
        self._last_id += 1
        message = _Outgoing(self._last_id, line.route.name, {alarm.id: alarm.occurrences}, now_us, due_us)
        self._waiting.append(message)
        self._write(message)

    def _is_open(self, alarm_id: int, occurrence: int) -> bool:
        alarm = self._book.get(alarm_id)
        return alarm.occurrences == occurrence and alarm.rings

    def _compose(self, route: Route, alarms: list[Alarm]) -> Message:
        alarms = by_urgency(alarms)
        site, zone = self._site()
        reader = Reader(route.language, zone, self._meanings(route.language))
        title, text = alarm_texts(site, alarms, reader, self._key_of)
        shown = [
            {
                "id": alarm.id, "key": alarm.definition.key, "priority": alarm.definition.priority,
                "state": alarm.state, "raised": iso(alarm.raised_us), "value": alarm.value,
                "limit": alarm.definition.limit, "element": alarm.definition.element,
            }
            for alarm in alarms
        ]  # fmt: skip
        return Message(title, text, site, shown)  # type: ignore[arg-type]

    def _end(self, message: _Outgoing, problem: str, sent_us: int | None = None) -> None:
        self._waiting.remove(message)
        message.problem = problem
        self._write(message, sent_us)

    def _write(self, message: _Outgoing, sent_us: int | None = None) -> None:
        alarms = msgspec.json.encode({str(alarm): seen for alarm, seen in message.alarms.items()}).decode()
        values = [
            message.id, message.route, alarms, message.made_us, message.due_us, message.attempts, sent_us,
            message.problem,
        ]  # fmt: skip

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute("DELETE FROM alarm_messages WHERE id = ?", values[:1])
            connection.execute(
                "INSERT INTO alarm_messages SELECT ?, ?, ?, make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT),"
                " ?, make_timestamptz(?::BIGINT), ?",
                values,
            )

        self._store.writer.submit(work)
