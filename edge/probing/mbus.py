"""M-Bus meters: each primary address read once, and who it says it is. A read-out costs a meter's battery little, but
something; so it is not repeated."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from edge.probing import Found, SourceTable
from edge.sources.mbus_find import ADDRESSES, FoundMeter, ask_each
from wire.names import slug

__all__ = ["SILENT", "STEPS", "look", "tables"]

STEPS: Final = len(ADDRESSES)
ANSWER_S: Final = 0.5
SILENT: Final = (
    "check the wiring and the baud rate (2400 8E1 unless the URL says otherwise), and that the bus has power"
)


async def look(url: str, name: str) -> AsyncIterator[Found | None]:
    """Each address that answers; where answers collide, two meters share it."""
    async with aclosing(ask_each(url, timeout_s=ANSWER_S)) as asked:
        async for meter in asked:
            yield None if meter is None else _described(meter)


def tables(name: str, url: str, found: list[Found]) -> list[SourceTable]:
    """One source with every meter that can be understood."""
    meters = [dict(one.row) for one in found if not one.problem]
    return [SourceTable({"kind": "mbus", "name": name, "url": url, "meters": meters})] if meters else []


def _described(meter: FoundMeter) -> Found:
    where, head = f"address {meter.address}", meter.header
    if head is None:
        fix = "two meters share this address: give one another, or name both by the digits printed on them (id)"
        return Found(where, "answers collide", {}, "nobody can be understood", fix)
    told = " ".join(part for part in (head.manufacturer, head.medium, head.id) if part)
    row = {"name": f"{slug(head.medium)}-{head.id}", "address": meter.address}
    return Found(where, f"{told}, version {head.version}", row)
