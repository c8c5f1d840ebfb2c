"""pysnmp's own agent on a UDP port, which can be left to somebody mute or mad."""

import random
from pathlib import Path
from typing import Any

from pysnmp.proto import rfc1902
from snmp_agent import Agent

from edge.conformance import Bench, free_port

OID = (1, 3, 6, 1, 4, 1, 9, 1, 0)


class SnmpBench(Bench):
    can = frozenset({"leaves", "freezes", "garbles", "polled", "floods"})
    period_s = 0.1
    stale_within_s = 2.5  # pysnmp looks at its time-outs twice a second

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.agent = Agent(free_port(), {OID: rfc1902.Integer32(1)}, set())

    def table(self) -> dict[str, Any]:
        point = {"oid": ".".join(map(str, OID)), "metric": "number"}
        url = f"udp://127.0.0.1:{self.agent.port}"
        limits = {"period_s": self.period_s, "timeout_s": 0.4, "retries": 0}
        return {"kind": "snmp", "url": url, "points": [point], **limits}

    async def start(self) -> None:
        await self.agent.start()

    async def stop(self) -> None:
        self.agent.stop()

    async def change(self, value: int) -> None:
        self.agent.held[OID] = rfc1902.Integer32(value)

    async def freeze(self) -> None:
        await self.agent.mute()

    async def thaw(self) -> None:
        await self.agent.start()

    async def garble(self) -> None:
        await self.agent.mute(random.Random(7))

    async def mend(self) -> None:
        await self.agent.start()

    def polls(self) -> int:
        return self.agent.values.asked

    async def flood(self) -> None:
        for value in range(2, 1_000):
            await self.change(value)


BENCH = SnmpBench
