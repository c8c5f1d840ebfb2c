"""pymodbus's own server behind a wire that can be pulled."""

from pathlib import Path
from typing import Any

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from wired_bench import Wired


class ModbusBench(Wired):
    can = Wired.can | {"polled"}
    period_s = 0.05
    stale_within_s = 0.4

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.value, self.asked = 1, 0
        self.server: ModbusTcpServer | None = None
        (folder / "map.toml").write_text('register = [{metric="value",address=0}]')

    def table(self) -> dict[str, Any]:
        url = f"tcp://127.0.0.1:{self.wire.port}"
        return {"kind": "modbus", "url": url, "map": "map.toml", "period_s": self.period_s, "timeout_s": 0.3}

    async def start(self) -> None:
        data = [SimData(0, values=[0, 0], datatype=DataType.REGISTERS)]
        device = SimDevice(1, data, action=self._answer)
        self.server = ModbusTcpServer([device], address=("127.0.0.1", 0))
        await self.server.serve_forever(background=True)
        self.wire.target = self.server.transport.sockets[0].getsockname()[1]
        await self.wire.start()

    async def _answer(self, code: int, start: int, address: int, count: int, current: list[int], values: Any) -> None:
        self.asked += 1
        current[0] = self.value

    async def stop(self) -> None:
        await self.wire.cut()
        if self.server is not None:
            await self.server.shutdown()
            self.server = None

    async def change(self, value: int) -> None:
        self.value = value

    def polls(self) -> int:
        return self.asked

    async def flood(self) -> None:
        for value in range(2, 1_000):
            await self.change(value)


BENCH = ModbusBench
