"""A recording: it neither comes nor goes."""

from pathlib import Path
from typing import Any

from edge.conformance import Bench


class ReplayBench(Bench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        rows = "".join(f"2024-01-01T00:{at // 60:02}:{at % 60:02}Z,{at}\n" for at in range(3000))
        (folder / "value.csv").write_text("time,value\n" + rows)

    def table(self) -> dict[str, Any]:
        return {"kind": "replay", "file": "value.csv", "speed": 10.0, "device": "source"}

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def change(self, value: int) -> None: ...


BENCH = ReplayBench
