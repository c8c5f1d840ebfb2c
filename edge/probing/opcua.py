"""An OPC UA server: the machines of its folder Machines, else the objects below Objects that hold variables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from asyncua import Client, ua

from edge.probing import Found, SourceTable
from edge.sources import SourceError
from edge.sources.opcua_nodes import NODES_MAX, find_machines, find_variables
from wire.errors import ConfigError

__all__ = ["SILENT", "STEPS", "look", "tables"]

STEPS: Final = 1
ANSWER_S: Final = 5.0
CLOSE_S: Final = 1.0
OBJECTS_MAX: Final = 200
OBJECTS: Final = "i=85"
SILENT: Final = "the server shows no variables to an anonymous user; give user and password in the source's table"
_OWN: Final = {"Server", "Aliases", "Locations"}


async def look(url: str, name: str) -> AsyncIterator[Found | None]:
    """Each machine, or each object with variables below it."""
    if not url.startswith("opc.tcp://"):
        raise ConfigError(f"{url!r} is no OPC UA address", field="--opcua", fix="write opc.tcp://host:4840")
    client = Client(url, timeout=ANSWER_S)
    try:
        async with asyncio.timeout(ANSWER_S):
            await client.connect()
    except (OSError, ua.UaError, TimeoutError) as error:
        raise SourceError("connect", f"{url}: {error or 'no answer in time'}{await _wants(url)}") from error
    try:
        async for one in _objects(client):
            yield one
    except (OSError, ua.UaError, TimeoutError) as error:
        raise SourceError("browse", f"{url}: {error or type(error).__name__}") from error
    finally:
        with suppress(OSError, ua.UaError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await client.disconnect()


def tables(name: str, url: str, found: list[Found]) -> list[SourceTable]:
    """One source: all machines, or what is below the one object, or below Objects."""
    base = {"kind": "opcua", "name": name, "url": url}
    if all("machine" in one.row for one in found):
        return [SourceTable(base | {"machines": True})]
    roots = [one.row["node"] for one in found if "node" in one.row]
    return [SourceTable(base | {"browse": roots[0] if len(roots) == 1 else OBJECTS})]


async def _objects(client: Client) -> AsyncIterator[Found]:
    try:
        machines = await find_machines(client)
    except ua.UaError:
        machines = []
    for node, machine in machines:
        yield Found(machine, f"machine, {await _count(client, node)}", {"machine": machine})
    if machines:
        return
    children = await client.nodes.objects.get_children_descriptions(refs=ua.ObjectIds.HierarchicalReferences)
    for child in children[:OBJECTS_MAX]:
        if child.NodeId.NamespaceIndex == 0 and child.BrowseName.Name in _OWN:
            continue
        node = child.NodeId.to_string()
        is_variable = child.NodeClass == ua.NodeClass.Variable
        if (variables := "a variable" if is_variable else await _count(client, node)) != "0 variables":
            yield Found(child.BrowseName.Name, f"{node}, {variables}", {"node": OBJECTS if is_variable else node})


async def _count(client: Client, node: str) -> str:
    count = 0
    async for _ in find_variables(client, node):
        count += 1
    return f"{count} variables" if count < NODES_MAX else f"over {count} variables: split them over sources"


async def _wants(url: str) -> str:
    """What the server offers instead of an anonymous session without security, where it says so."""
    try:
        async with asyncio.timeout(ANSWER_S):
            ends = await Client(url, timeout=ANSWER_S).connect_and_get_server_endpoints()
    except (OSError, ua.UaError, TimeoutError):
        return ""
    policies = sorted({one.SecurityPolicyUri.rpartition("#")[2] for one in ends})
    return f" (it offers {', '.join(policies)}: set policy, user and password in the source's table)"
