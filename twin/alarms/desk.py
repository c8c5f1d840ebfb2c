"""The alarms of one twin joined: rules in use, what watches, who is told; and what people do with alarms."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import duckdb
import msgspec
from msgspec import Meta

from twin.alarms.book import AlarmBook, Report
from twin.alarms.dispatch import Dispatch
from twin.alarms.equipment import with_equipment
from twin.alarms.figures import figures
from twin.alarms.rules import Rules, alarms_of, meanings, read_rules, rules_from_toml
from twin.alarms.service import AlarmService
from twin.alarms.states import Alarm, Step
from twin.change_kinds import SettingChange, read_settings
from twin.changes import DiffRow, Preview, read_body, write_audit
from twin.directory import Directory
from twin.node_views import NodeStatus
from twin.plan_book import PlanBook
from twin.siteconfig import SiteConfig
from twin.store import Store
from wire.errors import ConfigError, InputError

__all__ = ["AlarmDesk", "AlarmsChange"]

SHELVE_S_MAX: Final = 7 * 86_400.0  # what is silent for longer is taken out of service, which is seen
RULES_FILE = "alarms.toml"
_NAME = "toml"


class AlarmDesk:
    """`run` until cancelled. What people do is a call of their name; each is audited."""

    def __init__(
        self,
        store: Store,
        *,
        site: Callable[[], SiteConfig],
        directory: Callable[[], Directory],
        nodes: Callable[[], list[NodeStatus]],
        plan: PlanBook,
    ) -> None:
        self._store, self._clock, self._site, self._directory = store, store.clock, site, directory
        self.rules, self.problem = Rules(), ""
        self.book = AlarmBook(store, self._clock)
        self.service = AlarmService(
            store, self._clock, self.book, rules=lambda: self.rules, directory=directory, nodes=nodes, plan=plan
        )
        self.dispatch = Dispatch(
            store,
            self._clock,
            self.book,
            site=lambda: (site().title or site().name, site().time_zone),
            key_of=lambda point: view.key if (view := directory().by_id.get(point)) else "",
            meanings=lambda language: meanings(self.rules, language),
        )
        self.book.on_steps.append(self.dispatch.heard)

    async def run(self) -> None:
        """Watch and tell until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self.service.run(), name="alarms.watch")
            both.create_task(self.dispatch.run(), name="alarms.dispatch")

    def refresh(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Read the rules anew: those of an active change, else those of the site's folder.

        A file that is refused leaves the rules before; `problem` says why.
        """
        text = read_settings(cursor, "alarms").get(_NAME)
        try:
            rules = self._equipped(rules_from_toml(text, file="changes of kind alarms")) if text else self.of_site()
        except ConfigError as error:
            self.problem = str(error)
            return
        self.problem = ""
        if rules != self.rules:
            self.rules = rules
            self.dispatch.use(rules.routes)

    def report(self, reports: Iterable[Report]) -> list[Step]:
        """Conditions that others watch: detectors, scans, geofences."""
        return self.book.conditions(reports, self.service.why_silent)

    def acknowledge(self, alarms: list[int], by: str, note: str = "") -> list[Step]:
        """Seen; ConflictError when one of them waits for nothing, and then none is."""
        now_us = self._clock.wall_us()
        members = self._members(alarms)

        def seen(one: Alarm) -> Step | None:
            return None if one.id in members and one.acknowledged else one.acknowledge(now_us, by, note)

        return self._done("ack", by, alarms, self.book.act([*alarms, *members], seen))

    def shelve(self, alarms: list[int], by: str, reason: str, for_s: float) -> list[Step]:
        """Silent for a while and a reason."""
        if not reason.strip():
            raise InputError("a shelved alarm has a reason", field="reason", fix="say why it may be silent")
        now_us = self._clock.wall_us()
        until_us = now_us + round(min(for_s, SHELVE_S_MAX) * 1e6)
        steps = self.book.act(alarms, lambda one: one.shelve(now_us, until_us, by, reason))
        return self._done("shelve", by, alarms, steps)

    def unshelve(self, alarms: list[int], by: str, note: str = "") -> list[Step]:
        """Rings again if it has cause to."""
        now_us = self._clock.wall_us()
        return self._done("unshelve", by, alarms, self.book.act(alarms, lambda one: one.unshelve(now_us, by, note)))

    def service_state(self, alarms: list[int], by: str, reason: str) -> list[Step]:
        """Out of service for a reason, back with an empty one."""
        now_us = self._clock.wall_us()
        return self._done(
            "out of service", by, alarms, self.book.act(alarms, lambda one: one.service(now_us, reason, by))
        )

    def comment(self, alarms: list[int], by: str, note: str) -> list[Step]:
        """A line of the journal."""
        if not note.strip():
            raise InputError("a comment has a text", field="note", fix="write one")
        now_us = self._clock.wall_us()
        return self._done("comment", by, alarms, self.book.act(alarms, lambda one: one.comment(now_us, by, note)))

    def figures(self, from_us: int, to_us: int) -> dict[str, Any]:
        """Those of EEMUA 191 over a stretch of time. Blocking."""
        with self._store.cursor() as cursor:
            return figures(cursor, self.book, from_us, to_us)

    def summary(self) -> dict[str, Any]:
        """For /live: what changed, and how much rings."""
        return {"version": self.book.version, "counts": self.book.counts(), "watched": self.service.watched}

    def of_site(self) -> Rules:
        """The rules of the site's folder; ConfigError."""
        folder = self._site().folder
        return self._equipped(read_rules(Path(folder, RULES_FILE))) if folder else Rules()

    def of_text(self, text: str) -> Rules:
        """The rules that an alarms.toml of this text would be here; ConfigError."""
        return self._equipped(rules_from_toml(text, file="body.toml"))

    def _equipped(self, rules: Rules) -> Rules:
        folder = self._site().folder
        return with_equipment(rules, Path(folder)) if folder else rules

    def rules_text(self) -> tuple[str, Literal["change", "site", "none"]]:
        """The text of the rules in use, and where it is from: a change, the site's folder, or nowhere."""
        with self._store.cursor() as cursor:
            text = read_settings(cursor, "alarms").get(_NAME)
        if text:
            return text, "change"
        file = Path(self._site().folder, RULES_FILE) if self._site().folder else None
        return (file.read_text(encoding="utf-8"), "site") if file and file.is_file() else ("", "none")

    def _members(self, alarms: list[int]) -> set[int]:
        """The alarms that those of alike devices among these stand for, and that are not named themselves."""
        keys = {key for one in alarms for key in self.book.get(one).definition.detail.get("members", [])}
        found = {member.id for key in keys if (member := self.book.find(key)) is not None}
        return found - set(alarms)

    def _done(self, what: str, by: str, alarms: list[int], steps: list[Step]) -> list[Step]:
        self._store.writer.submit(lambda connection: write_audit(connection, by, f"alarm {what}", {"alarms": alarms}))
        return steps


class AlarmsBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of kind `alarms`: the whole text of an alarms.toml, or null to go back to the site's own."""

    toml: Annotated[str, Meta(max_length=1_000_000)] | None


class AlarmsChange(SettingChange):
    """Replaces rules, classes and routes."""

    kind = "alarms"

    def __init__(self, refresh: Callable[[], None], desk: AlarmDesk, directory: Callable[[], Directory]) -> None:
        super().__init__(refresh)
        self._desk, self._directory = desk, directory

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Which alarms come, go and get another limit; a text that is refused is a problem."""
        return await asyncio.to_thread(self._preview, read_body(AlarmsBody, body))

    def _preview(self, body: AlarmsBody) -> Preview:
        try:
            new = self._desk.of_text(body.toml) if body.toml is not None else self._desk.of_site()
        except ConfigError as error:
            return Preview({_NAME: body.toml}, [], [f"{error.field or 'toml'}: {error.problem}; {error.fix}"])
        views = self._directory().views
        before, after = (
            {one.definition.key: one.definition for one in alarms_of(views, rules)} for rules in (self._desk.rules, new)
        )
        diff = [DiffRow("add", f"/alarms/{key}", None, after[key].limit) for key in after if key not in before]
        diff += [DiffRow("remove", f"/alarms/{key}", before[key].limit, None) for key in before if key not in after]
        diff += [
            DiffRow("replace", f"/alarms/{key}", _told(before[key]), _told(after[key]))
            for key in after
            if key in before and _told(before[key]) != _told(after[key])
        ]
        old_routes, new_routes = ({route.name: route for route in rules.routes} for rules in (self._desk.rules, new))
        for name in sorted(old_routes.keys() | new_routes.keys()):
            if old_routes.get(name) != new_routes.get(name):
                op = "add" if name not in old_routes else "remove" if name not in new_routes else "replace"
                diff.append(DiffRow(op, f"/routes/{name}", _receivers(old_routes, name), _receivers(new_routes, name)))
        return Preview({_NAME: body.toml}, diff, [])


def _told(definition: Any) -> list[Any]:
    return [definition.limit, definition.priority]


def _receivers(routes: dict[str, Any], name: str) -> str | None:
    route = routes.get(name)
    return None if route is None else route.url or ", ".join(route.receivers)
