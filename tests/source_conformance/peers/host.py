"""This machine: it neither comes nor goes."""

from typing import Any

from edge.conformance import Bench


class HostBench(Bench):
    def table(self) -> dict[str, Any]:
        return {"kind": "host", "device": "gateway", "period_s": 0.05}

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def change(self, value: int) -> None: ...


BENCH = HostBench
