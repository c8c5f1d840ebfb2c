"""MQTT topics: `aid4/1/{site}/{node}/up/{kind}` from an agent, `…/down/{kind}` to it."""

from typing import Final, NamedTuple

from wire.errors import MessageError
from wire.names import is_name

__all__ = ["DOWN_KINDS", "UP_KINDS", "Topic", "down", "parse", "up"]

UP_KINDS: Final = ("birth", "hello", "data", "event", "health", "reply", "status", "fetch", "answer")
DOWN_KINDS: Final = ("hello", "ack", "cmd", "desired", "file", "ask")
_PREFIX = "aid4/1"


class Topic(NamedTuple):
    """A topic taken apart."""

    site: str
    node: str
    direction: str
    kind: str


def up(site: str, node: str, kind: str) -> str:
    """Topic on which `node` publishes; `+` is allowed for site, node and kind in a subscription."""
    return f"{_PREFIX}/{site}/{node}/up/{kind}"


def down(site: str, node: str, kind: str) -> str:
    """Topic on which the twin publishes to `node`."""
    return f"{_PREFIX}/{site}/{node}/down/{kind}"


def parse(topic: str) -> Topic:
    """Take a topic apart; MessageError when it is none of ours."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[:2] != ["aid4", "1"] or not (is_name(parts[2]) and is_name(parts[3])):
        raise MessageError("topic", f"{topic[:120]!r} is not aid4/1/site/node/up|down/kind")
    kinds = {"up": UP_KINDS, "down": DOWN_KINDS}.get(parts[4], ())
    if parts[5] not in kinds:
        raise MessageError("topic", f"{topic[:120]!r} has no known kind")
    return Topic(*parts[2:])
