"""Two foreign implementations of Sparkplug B, each in an environment of its own, both ways over a real broker.

`make interop-env` makes the environments; in CI their absence is a failure.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.publish.config import SparkplugOutConfig
from edge.publish.outlet import Outlet
from edge.publish.sparkplug import SparkplugOut
from edge.sources.columns import check_value, readings, states
from wire.catalogue import Point
from wire.clock import SystemClock
from wire.quality import HISTORICAL
from wire.schemas import READINGS, STATES

GENEROUS_S = 90.0
HERE = Path(__file__).parent / "interop"
EXPECTED = {
    "int8": [-5.0, 7.0], "int16": [-30000.0], "int32": [-2e9], "uint8": [250.0], "uint16": [65000.0],
    "uint32": [4e9], "float": [1.5, 0.5], "double": [2.718281828459045, 3.25], "boolean": ["true"],
    "string": ["Dubnica nad Váhom 竹科"], "text": ["auto"], "uuid": ["0f8fad5b-d9cb-469f-a165-70867728950e"],
    "datetime": ["2026-03-01T12:30:15.000Z"],
}  # fmt: skip
ONLY = {
    "python": {
        "int64": [-9007199254740991.0], "uint64": [9007199254740991.0], "int16s_0": [-1.0], "int16s_2": [300.0],
        "doubles_1": [-0.25], "booleans_0": ["true"], "booleans_1": ["false"], "strings_1": ["two"],
    },
    "node": {
        "table_0_level": [1.5], "table_1_name": ["second"], "motor_speed": [1480.0], "motor_on": ["true"],
    },
}  # fmt: skip


def command(language: str) -> list[str]:
    """How a peer is started; without its environment, no pass in CI."""
    if language == "python":
        found = HERE / ".venv" / "bin" / "python"
        if found.exists():
            return [str(found), str(HERE / "peer_python.py")]
    elif (HERE / "node_modules" / "sparkplug-payload").is_dir():
        return [node(), str(HERE / "peer_node.cjs")]
    if os.environ.get("CI"):
        pytest.fail("the foreign implementations are needed in CI: make interop-env")
    pytest.skip("the foreign implementations are not here: make interop-env")


def node() -> str:
    """Node.js as the build of the page finds it."""
    spec = spec_from_file_location("web_build", Path(__file__).parents[2] / "web" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = module_from_spec(spec)
    spec.loader.exec_module(build)
    _, environment = build._npm()
    return str(shutil.which("node", path=environment["PATH"]))


class Peer:
    """A running peer: what it said, line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(json.loads(line))

    def ask(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    async def until(self, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        try:
            async with asyncio.timeout(GENEROUS_S):
                while not condition(self.said):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"not said: {self.said[-3:]}")

    def values(self, name: str, kind: str) -> list[Any]:
        return [m["value"] for one in self.said if kind in one["kind"] for m in one["metrics"] if m["name"] == name]


@asynccontextmanager
async def peer(language: str, role: str, port: int) -> AsyncIterator[Peer]:
    process = await asyncio.create_subprocess_exec(
        *command(language), role, str(port), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    made = Peer(process)
    listening = asyncio.create_task(made.listen())
    try:
        await made.until(lambda said: any(one["kind"] == "ready" for one in said))
        yield made
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(GENEROUS_S):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        await listening


async def collect(batches: Any, taken: Any, source: Any) -> None:
    async for batch in batches:
        taken.add(source, batch)


async def until(condition: Callable[[], bool], taken: Any) -> None:
    try:
        async with asyncio.timeout(GENEROUS_S):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not reached: {taken.rows[-5:]}")


@pytest.mark.parametrize("language", ["python", "node"])
async def test_their_births_data_and_deaths_have_the_same_values_here(
    tools: Any, broker: Any, tmp_path: Any, language: str
) -> None:
    name = f"{language}-node"
    table = {
        "kind": "sparkplug", "name": "s", "url": broker.url, "groups": ["foreign"], "confirm_s": GENEROUS_S,
        "devices": {f"foreign/{name}/press": "press"}, "metrics": [{"path": "*/setpoint", "writable": True}],
    }  # fmt: skip
    taken = tools.Taken()
    async with tools.make(table, tmp_path) as source:
        await source._link.up()
        reading = asyncio.create_task(collect(source.batches(), taken, source))
        async with peer(language, "node", broker.port) as foreign:
            await until(lambda: bool(taken.values("press/setpoint")), taken)
            foreign.ask("data")
            await until(lambda: len(taken.values("press/float")) == 2, taken)
            expected = EXPECTED | ONLY[language]
            assert {metric: taken.values(f"press/{metric}") for metric in expected} == expected
            past = [row for row in taken.rows if row[3] & HISTORICAL]
            assert past == [("press/float", 1_750_000_000_000_000, 0.5, HISTORICAL)]
            point = next(point for point in source.points() if point.key == "press/setpoint")
            await source.write(point, -41)  # returns when the peer reports it
            assert foreign.values("setpoint", "DCMD") == [-41]
            if language == "node":
                assert next(p for p in source.points() if p.key == "press/double").unit == "Cel"
        await until(lambda: taken.values(f"{name}/online")[-1:] == ["false"], taken)
        reading.cancel()
    unexpected = {"gap", "alias", "decode", "unknown", "unborn", "repeated", "seq", "bdseq"}
    assert not unexpected & source.health.errors.keys(), source.health


POINTS = [
    Point(id=0, device="ahu-1", metric="supply_temperature", unit="Cel", low=-20.0, high=60.0),
    Point(id=1, device="ahu-1", metric="setpoint", unit="Cel", low=10.0, high=30.0, writable=True),
    Point(id=2, device="ahu-1", metric="mode", kind="state", declared="text"),
    Point(id=3, device="ahu-1", metric="running", kind="state", declared="bool"),
]


@pytest.mark.parametrize("language", ["python", "node"])
async def test_our_births_data_and_deaths_have_the_same_values_there(broker: Any, tmp_path: Any, language: str) -> None:
    written: list[tuple[str, Any]] = []

    async def write(key: str, value: Any) -> None:
        check_value(next(point for point in POINTS if point.key == key), value)
        written.append((key, value))

    outlet = Outlet("campus", "gw-1", tmp_path, tmp_path, SystemClock(), lambda: POINTS, lambda: set(), write)
    config = {"url": broker.url, "group": "ours", "period_s": 0.02, "commands": True}
    out = SparkplugOut(msgspec.convert(config, SparkplugOutConfig), outlet)

    def measure(point: int, value: float | str, quality: int = 0) -> None:
        ids, times = np.array([point], np.uint32), np.array([1_750_000_000_000_000 + point])
        flags = np.array([quality], np.uint8)
        rows = (
            states(ids, times, [value], flags)
            if isinstance(value, str)
            else readings(ids, times, np.array([value]), flags)
        )
        for listener in outlet.listeners:
            listener(STATES if isinstance(value, str) else READINGS, rows)

    async with peer(language, "host", broker.port) as foreign:
        for point, value in enumerate((21.25, 20.0, "auto", "true")):
            measure(point, value)
        running = asyncio.create_task(out.run())
        await foreign.until(lambda _: bool(foreign.values("running", "DBIRTH")))
        assert foreign.values("supply_temperature", "DBIRTH") == [21.25]
        assert foreign.values("mode", "DBIRTH") == ["auto"]
        assert foreign.values("running", "DBIRTH") == [True]
        measure(0, 1e-3)
        measure(0, 17.5, HISTORICAL)
        told = [name for name in ("supply_temperature", None) if name or language == "node"]
        await foreign.until(lambda _: any(17.5 in foreign.values(name, "DDATA") for name in told))
        metrics = [m for one in foreign.said if one["kind"] == "DDATA" for m in one["metrics"] if m["value"] == 17.5]
        assert [m["historical"] for m in metrics] == [True]
        assert any(1e-3 in foreign.values(name, "DDATA") for name in told)
        foreign.ask(
            json.dumps({"node": "gw-1", "device": "ahu-1", "metric": "setpoint", "type": "DOUBLE", "value": 22})
        )
        await foreign.until(lambda _: bool(written))
        assert written == [("ahu-1/setpoint", 22.0)]
        births = len(foreign.values("bdSeq", "NBIRTH"))
        foreign.ask(
            json.dumps(
                {"node": "gw-1", "device": "", "metric": "Node Control/Rebirth", "type": "BOOLEAN", "value": True}
            )
        )
        await foreign.until(lambda _: len(foreign.values("bdSeq", "NBIRTH")) == births + 1)
        running.cancel()
        await asyncio.wait([running])
        await foreign.until(lambda said: said[-1]["kind"] == "NDEATH")
        seqs = [one["seq"] for one in foreign.said if one.get("seq") is not None]
        start = len(seqs) - 1 - seqs[::-1].index(0)
        assert seqs[start:] == list(range(len(seqs) - start))
