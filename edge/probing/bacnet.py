"""BACnet devices: who answers a Who-Is, sent to a broadcast address or to one device."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from edge.probing import Found, SourceTable
from edge.sources.bacnet_find import find_controllers
from wire.errors import ConfigError

__all__ = ["SILENT", "STEPS", "look", "tables"]

STEPS: Final = 1
LISTEN_S: Final = 3.0
SILENT: Final = (
    "ask the broadcast address of their network (10.0.0.255:47808); devices that answer by broadcast need this "
    "gateway's port 47808 free, and those behind a router its address"
)


async def look(url: str, name: str) -> AsyncIterator[Found | None]:
    """Each device; one instance at two addresses is told and left out."""
    try:
        controllers = await find_controllers(url, wait_s=LISTEN_S)
    except ValueError as error:
        fix = "write 10.0.0.255:47808, or the address of one device"
        raise ConfigError(f"{url!r} is no BACnet/IP address", field="--bacnet", fix=fix) from error
    seen = Counter(one.instance for one in controllers)
    for one in controllers:
        device = {"name": f"bacnet-{one.instance}", "address": one.address}
        if seen[one.instance] > 1:
            fix = "give each device an instance of its own, then probe again"
            yield Found(f"device {one.instance}", one.address, device, "two devices have this instance", fix)
        elif "." not in one.address:
            fix = 'name it by instance and set who_is: { name = "…", instance = … }'
            yield Found(f"device {one.instance}", one.address, device, "it stands behind a BACnet router", fix)
        else:
            yield Found(f"device {one.instance}", one.address, device)


def tables(name: str, url: str, found: list[Found]) -> list[SourceTable]:
    """One source with every device that can be addressed."""
    devices = [dict(one.row) for one in found if not one.problem]
    return [SourceTable({"kind": "bacnet", "name": name, "devices": devices})] if devices else []
