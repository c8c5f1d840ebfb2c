"""A foreign MQTT broker: a few seconds of listening to everything, and which families of devices speak there."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, Final

from edge.probing import Found, SourceTable
from edge.sources import SourceError
from edge.sources.mqtt_config import BrokerConfig, link_config
from edge.sources.profiles import PROFILES
from wire.errors import LinkError
from wire.mqtt import Link, Message

__all__ = ["SILENT", "STEPS", "family", "look", "tables"]

STEPS: Final = 10
LISTEN_S: Final = 5.0
CONNECT_S: Final = 5.0
TOPICS_MAX: Final = 20_000
SILENT: Final = "nothing was published meanwhile, or this user may not read it; name a topic in the source by hand"
_PROFILED: Final = {"zigbee2mqtt": "zigbee2mqtt", "shellies": "shelly-gen1", "tele": "tasmota", "stat": "tasmota"}
_UNREAD: Final = {"$SYS", "aid4", "homeassistant", "cmnd"}  # the broker, ourselves, descriptions, commands


def family(topic: str) -> tuple[str, str]:
    """(kind of source, what tells its table: a profile, or the first level of plain topics); ("", "") for none."""
    levels = topic.split("/")
    if levels[0] == "spBv1.0":
        return "sparkplug", ""
    if levels[0] == "application" and levels[2:3] == ["device"]:
        return "lorawan", "chirpstack"
    if levels[0] == "v3" and levels[2:3] == ["devices"]:
        return "lorawan", "ttn"
    if levels[0] in _UNREAD or not levels[0]:
        return "", ""
    if levels[1:3] == ["events", "rpc"]:
        return "mqtt", "profiles/mqtt/shelly.toml"
    if profile := _PROFILED.get(levels[0]):
        return "mqtt", f"profiles/mqtt/{profile}.toml"
    return "mqtt", levels[0]


async def look(url: str, name: str) -> AsyncIterator[Found | None]:
    """Each family with the number of its topics and one of them."""
    topics: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def heard(messages: list[Message]) -> None:
        for message in messages:
            which = family(message.topic)
            if which[0] and sum(map(len, topics.values())) < TOPICS_MAX:
                topics[which].add(message.topic)

    link = Link(link_config(BrokerConfig(name=name, url=url), PROFILES))
    link.on_messages = heard
    async with link:
        try:
            async with asyncio.timeout(CONNECT_S):
                await link.up()
                await link.subscribe([("#", 0)])
        except (TimeoutError, LinkError) as error:
            why = link.stats.last_error or str(error) or "no answer in time"
            raise SourceError("connect", f"{url}: {why}") from error
        for _ in range(STEPS):
            await asyncio.sleep(LISTEN_S / STEPS)
            yield None
    for (kind, which), members in sorted(topics.items()):
        row = {"kind": kind, "which": which, "deep": any("/" in topic for topic in members)}
        yield Found(which or kind, f"{len(members)} topics, such as {min(members)}", row)


def tables(name: str, url: str, found: list[Found]) -> list[SourceTable]:
    """A source a family; the first has the plain name."""
    made: list[SourceTable] = []
    for number, one in enumerate(found, 1):
        kind, which = one.row["kind"], one.row["which"]
        table: dict[str, Any] = {"kind": kind, "name": name if number == 1 else f"{name}-{number}", "url": url}
        if kind == "lorawan":
            note = "each device by its eui, with the profile that tells its payload"
            made.append(SourceTable(table | {"network": which, "enabled": False}, note))
        elif kind == "sparkplug":
            made.append(SourceTable(table))
        elif which.startswith("profiles/"):
            made.append(SourceTable(table | {"profile": which}))
        else:
            pattern = f"{which}/{{device}}/#" if one.row["deep"] else which
            made.append(SourceTable(table | {"topic": [{"pattern": pattern, "payload": "generic"}]}))
    return made
