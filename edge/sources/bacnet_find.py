"""Which BACnet devices there are: a Who-Is to a broadcast or to one address, and who answered."""

import asyncio
from typing import Final, NamedTuple

from edge.sources import SourceHealth
from edge.sources.bacnet_link import BacnetLink, address_of

__all__ = ["Found", "find_controllers"]

INSTANCE_MAX: Final = 4_194_302
FOUND_MAX: Final = 2_000
OWN_INSTANCE: Final = 4_194_001


class Found(NamedTuple):
    """A device by its instance and the address it answered from."""

    instance: int
    address: str


async def find_controllers(
    who_is: str, *, bind: str = "0.0.0.0:0", low: int = 0, high: int = INSTANCE_MAX, wait_s: float = 3.0
) -> list[Found]:
    """Ask at `who_is` (`10.0.0.255:47808`, or one device) and listen for `wait_s`; sorted, two with one instance twice.

    Devices that answer by broadcast are heard only at the port they answer to: bind `0.0.0.0:47808` for those.
    Raises SourceError when the socket cannot be bound, ValueError when `who_is` is no address.
    """
    found: set[Found] = set()

    def heard(address: str, instance: int) -> None:
        if low <= instance <= high and len(found) < FOUND_MAX:
            found.add(Found(instance, address))

    to = address_of(who_is)
    link = BacnetLink(bind, OWN_INSTANCE, wait_s, SourceHealth(), lambda news: None, heard)
    link.is_open_to_all = True
    link.open()
    try:
        link.who_is(to, low, high)
        await asyncio.sleep(wait_s)
    finally:
        link.close()
    return sorted(found)
