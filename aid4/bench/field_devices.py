"""Devices for `aid4 bench field`: what they say counts up from 1, so that the twin's rows tell what is missing.

    python -m aid4.bench.field_devices opcua FOLDER NAME NODES RATE SECONDS
    python -m aid4.bench.field_devices modbus FOLDER NAME UNITS REGISTERS
    python -m aid4.bench.field_devices mtconnect FOLDER NAME MACHINES PERIOD_S

Each writes its port, or ports, into FOLDER/NAME.port. The OPC UA server begins to count when FOLDER/NAME.go is there,
and says in FOLDER/NAME.made how far it came.
"""

import asyncio
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sim_devices.servers.mtconnect import MtConnectAgent
from sim_devices.site import Device, Metric

__all__ = ["mtconnect_machines", "opcua_changes", "registers"]

TICK_S = 0.02
LOOK_S = 0.05
LOOPBACK = "127.0.0.1"


async def opcua_changes(folder: Path, name: str, nodes: int, rate: float, seconds: float) -> None:
    """A server with `nodes` counters that change `rate` times a second together, each to its next whole number."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://{LOOPBACK}:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("urn:aid4:bench")
    ids = [ua.NodeId(f"c{number}", 2) for number in range(nodes)]
    for node in ids:
        await server.nodes.objects.add_variable(node, f"2:{node.Identifier}", 0, ua.VariantType.Int32)
    await server.start()
    (folder / f"{name}.port").write_text(str(server.bserver.port))
    while not (folder / f"{name}.go").exists():  # noqa: ASYNC110 - the bench is another process
        await asyncio.sleep(LOOK_S)
    loop = asyncio.get_running_loop()
    began, made = loop.time(), 0
    while (passed := loop.time() - began) < seconds:
        wanted = int(min(passed, seconds) * rate)
        now = datetime.now(UTC)
        for change in range(made, wanted):
            value = ua.Variant(change // nodes + 1, ua.VariantType.Int32)
            await server.write_attribute_value(ids[change % nodes], ua.DataValue(value, SourceTimestamp=now))
        made = max(made, wanted)
        await asyncio.sleep(TICK_S)
    (folder / f"{name}.made").write_text(json.dumps({"changes": made, "seconds": loop.time() - began}))
    await asyncio.Event().wait()


async def registers(folder: Path, name: str, units: int, count: int) -> None:
    """A gateway with `units` devices of `count` registers, which all say how often they were read."""
    reads: Counter[tuple[int, int]] = Counter()

    def device(unit: int) -> SimDevice:
        async def answer(
            _code: int, start: int, address: int, size: int, current: list[int], values: Any
        ) -> ExcCodes | None:
            if values is None:
                reads[unit, address] += 1
                current[address - start : address - start + size] = [reads[unit, address]] * size
            return None

        return SimDevice(unit, [SimData(0, values=[0] * count, datatype=DataType.REGISTERS)], action=answer)

    server = ModbusTcpServer([device(unit) for unit in range(1, units + 1)], address=(LOOPBACK, 0))
    await server.serve_forever(background=True)
    listening = server.transport
    assert isinstance(listening, asyncio.Server)
    (folder / f"{name}.port").write_text(str(listening.sockets[0].getsockname()[1]))
    await asyncio.Event().wait()


async def mtconnect_machines(folder: Path, name: str, machines: int, period_s: float) -> None:
    """Machines that count parts, one agent each."""
    metrics = (Metric("parts_made", "1"), Metric("spindle_speed", "/min"), Metric("execution", kind="state"))
    async with asyncio.TaskGroup() as tasks:
        agents = [
            MtConnectAgent(Device(f"machine-{number}", "machine-tool", "mtconnect", "Hall"), metrics)
            for number in range(machines)
        ]
        for agent in agents:
            await agent.publish({"parts_made": 0, "spindle_speed": 0.0, "execution": "ACTIVE"})
            await agent.start(tasks)
        (folder / f"{name}.port").write_text(json.dumps([agent.port for agent in agents]))
        parts = 0
        while True:
            await asyncio.sleep(period_s)
            parts += 1
            for agent in agents:
                await agent.publish({"parts_made": parts, "spindle_speed": parts * 1.5, "execution": "ACTIVE"})


if __name__ == "__main__":
    kind, target, file, *numbers = sys.argv[1:]
    if kind == "opcua":
        asyncio.run(opcua_changes(Path(target), file, int(numbers[0]), float(numbers[1]), float(numbers[2])))
    elif kind == "modbus":
        asyncio.run(registers(Path(target), file, int(numbers[0]), int(numbers[1])))
    else:
        asyncio.run(mtconnect_machines(Path(target), file, int(numbers[0]), float(numbers[1])))
