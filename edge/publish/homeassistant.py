"""Home Assistant's MQTT discovery: a retained configuration a point, its state, its availability, its commands.

An entity is available while the agent is connected (a will says when not) and its point's value is usable. What was
announced is remembered on disk: a point that its sources offer no more, after a reload or a while after a start, is
removed with an empty retained message, so no dead entity stays in anyone's home.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec

from edge.publish.config import HomeAssistantConfig
from edge.publish.homeassistant_entities import entity, state_of, usable, value_of
from edge.publish.outlet import Outlet, Row, Rows
from edge.sources import SourceError
from wire.catalogue import Point
from wire.mqtt import Link, Message
from wire.mqtt.packets import Will

__all__ = ["HomeAssistantOut"]

COMMANDS_MAX: Final = 64
COMMAND_BYTES_MAX: Final = 1_024
ANNOUNCED_A_ROUND: Final = 200  # configurations of 500 B: a broker and Home Assistant breathe between two rounds
ONLINE, OFFLINE = "online", "offline"


class HomeAssistantOut:
    """Announces the points and keeps their states; `run` until cancelled."""

    def __init__(self, config: HomeAssistantConfig, outlet: Outlet) -> None:
        self._config, self._outlet = config, outlet
        self._rows = Rows(outlet, config.points)
        self._base = config.base or f"aid4-ha/{outlet.site}/{outlet.node}"
        self._file = outlet.spool_dir / "publish-homeassistant.json"
        self._announced: dict[str, str] = _remembered(self._file)  # configuration topic by key
        self._told: dict[str, Point] = {}  # as announced on this connection
        self._there: dict[str, bool] = {}  # whether each is said to be available
        self._started_s = outlet.clock.monotonic_s()
        self._offered_before: set[str] = set()
        self._commands: asyncio.Queue[tuple[str, str]] = asyncio.Queue(COMMANDS_MAX)
        self._fresh = False
        self.counts: dict[str, int] = dict.fromkeys(("announced", "sent", "removed", "commands", "refused"), 0)

    def figures(self) -> dict[str, float | int | str]:
        """What it did, for the health report."""
        return {f"homeassistant_{name}": count for name, count in self.counts.items()}

    async def run(self) -> None:
        """Announce, tell and obey."""
        config = self._config
        link = Link(config.link(f"homeassistant-{self._outlet.node}", self._outlet.folder))
        link.config = replace(link.config, will=Will(f"{self._base}/status", OFFLINE.encode(), qos=1, retain=True))
        link.on_connect = lambda: self._connected(link)
        link.on_messages = self._take
        await link.subscribe([(f"{config.prefix}/status", 1)])
        if config.commands:
            await link.subscribe([(f"{self._base}/+/+/set", 1)])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._carry_out(), name="home assistant commands")
            async with link:
                try:
                    while True:
                        await asyncio.sleep(config.period_s)
                        self._round(link)
                finally:
                    link.publish(f"{self._base}/status", OFFLINE.encode(), qos=1, retain=True)

    # -- one round

    def _connected(self, link: Link) -> None:
        self._told, self._there = {}, {}
        link.publish(f"{self._base}/status", ONLINE.encode(), qos=1, retain=True)

    def _round(self, link: Link) -> None:
        rows = self._rows.take()
        if not link.connected:
            return
        if self._fresh:  # Home Assistant has started and forgot what is not retained
            self._told, self._there, self._fresh = {}, {}, False
        offered = set(self._outlet.offered())
        points = {point.key: point for point in self._rows.wanted()}
        newest = {row.point: row for row in rows}
        budget = ANNOUNCED_A_ROUND
        for key, point in points.items():
            if key in offered and self._told.get(key) != point and budget and self._announce(link, point):
                budget -= 1
                row = self._rows.latest.get(point.id)
                if row is not None:
                    newest[point.id] = row
        for row in newest.values():
            self._tell(link, row)
        self._clear_away(link, offered, points)

    def _announce(self, link: Link, point: Point) -> bool:
        made = entity(point, commands=self._config.commands)
        node, here = self._outlet.node, f"{self._base}/{point.device}/{point.metric}"
        unique = f"aid4_{self._outlet.site}_{node}_{point.device}_{point.metric}"
        available = [{"topic": f"{self._base}/status"}, {"topic": f"{here}/available"}]
        device = {"identifiers": [f"aid4_{self._outlet.site}_{point.device}"], "name": point.device}
        if point.space_hint:
            device["suggested_area"] = point.space_hint
        config: dict[str, Any] = {
            **made.config,
            "unique_id": unique,
            "state_topic": f"{here}/state",
            "availability": available,
            "availability_mode": "all",
            "device": device,
            "origin": {"name": "aid4"},
        }
        if made.commands:
            config["command_topic"] = f"{here}/set"
        topic = f"{self._config.prefix}/{made.component}/{node}/{point.device}-{point.metric}/config"
        before = self._announced.get(point.key)
        if before is not None and before != topic:
            link.publish(before, b"", qos=1, retain=True)  # it became another component
        if not link.publish(topic, msgspec.json.encode(config), qos=1, retain=True):
            return False
        self._told[point.key] = point
        self.counts["announced"] += 1
        if before != topic:
            self._announced[point.key] = topic
            self._remember()
        return True

    def _tell(self, link: Link, row: Row) -> None:
        point = self._outlet.points()[row.point]
        if point.key not in self._told:
            return
        here, good = f"{self._base}/{point.device}/{point.metric}", usable(row)
        if good and link.publish(f"{here}/state", state_of(row).encode(), retain=True):
            self.counts["sent"] += 1
        if self._there.get(point.key) != good:
            word = ONLINE if good else OFFLINE
            if link.publish(f"{here}/available", word.encode(), qos=1, retain=True):
                self._there[point.key] = good

    def _clear_away(self, link: Link, offered: set[str], points: dict[str, Point]) -> None:
        """Remove entities of points that are offered no more; after a start, only once they had time to return."""
        settled = self._outlet.clock.monotonic_s() - self._started_s >= self._config.forget_s
        gone = [key for key in self._announced if key not in offered or (key in offered and key not in points)]
        for key in [key for key in gone if settled or key in self._offered_before]:
            here = f"{self._base}/{key}"
            topics = [self._announced[key], f"{here}/state", f"{here}/available"]
            if all(link.publish(topic, b"", qos=1, retain=True) for topic in topics):
                del self._announced[key]
                self._told.pop(key, None)
                self._there.pop(key, None)
                self.counts["removed"] += 1
                self._remember()
        self._offered_before = offered

    def _remember(self) -> None:
        with suppress(OSError):
            fresh = self._file.with_suffix(".part")
            fresh.write_bytes(msgspec.json.encode(self._announced))
            fresh.replace(self._file)

    # -- what is heard

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if message.topic == f"{self._config.prefix}/status":
                self._fresh |= message.payload == ONLINE.encode() and not message.retain
                continue
            key = message.topic.removeprefix(f"{self._base}/").removesuffix("/set")
            try:
                if message.retain or len(message.payload) > COMMAND_BYTES_MAX:
                    raise ValueError("retained or too long")
                self._commands.put_nowait((key, message.payload.decode()))
            except (ValueError, asyncio.QueueFull):
                self.counts["refused"] += 1

    async def _carry_out(self) -> None:
        while True:
            key, text = await self._commands.get()
            point = self._told.get(key)
            try:
                if point is None or not point.writable:
                    raise ValueError(f"{key} takes no commands")
                await self._outlet.write(key, value_of(point, text))
                self.counts["commands"] += 1
            except (SourceError, ValueError):
                self.counts["refused"] += 1
                if point is not None and (row := self._rows.latest.get(point.id)) is not None:
                    self._rows.again(row)  # what it is, since it is not as asked


def _remembered(file: Any) -> dict[str, str]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        return {}
