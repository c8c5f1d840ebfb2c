"""asyncua's server with one variable, behind a wire that can be pulled."""

from pathlib import Path
from typing import Any

from asyncua import Server, ua
from wired_bench import Wired


class OpcUaBench(Wired):
    stale_within_s = 3.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.value = 1
        self.server: Server | None = None

    def table(self) -> dict[str, Any]:
        url = f"opc.tcp://127.0.0.1:{self.wire.port}"
        return {"kind": "opcua", "url": url, "nodes": [{"id": "ns=2;s=value"}], "period_s": 0.02, "timeout_s": 1.0}

    async def start(self) -> None:
        server = Server()
        await server.init()
        server.set_endpoint("opc.tcp://127.0.0.1:0")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace("urn:test")
        node_id, kind = ua.NodeId("value", 2), ua.VariantType.Int32
        self.node = await server.nodes.objects.add_variable(node_id, "2:value", self.value, kind)
        await server.start()
        self.server = server
        self.wire.target = server.bserver._server.sockets[0].getsockname()[1]
        await self.wire.start()

    async def stop(self) -> None:
        await self.wire.cut()
        if self.server is not None:
            await self.server.stop()
            self.server = None

    async def change(self, value: int) -> None:
        self.value = value
        if self.server is not None:
            await self.node.write_value(value, ua.VariantType.Int32)

    async def flood(self) -> None:
        for value in range(2, 300):
            await self.change(value)


BENCH = OpcUaBench
