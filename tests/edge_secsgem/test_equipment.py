"""Fab equipment of the library against the host source, over real HSMS; what breaks it, breaks only its own process."""

import asyncio
import os
import random
import signal
import socket
import struct
import tomllib
from contextlib import asynccontextmanager

import msgspec
import pytest
from acting_reader import Reader

from edge.sources import SourceError, load_kind
from sim_devices.servers.secsgem import SecsGemServer
from sim_devices.servers.secsgem_ids import ALARM
from sim_devices.site import Device, Metric
from wire.quality import STALE

METRICS = (
    Metric("chamber_pressure", "Pa", low=0, high=200),
    Metric("rf_power", "W", low=0, high=1500),
    Metric("process_state", kind="state", declared="enum"),
    Metric("chuck_setpoint", "Cel", low=10, high=90, writable=True),
    Metric("vacuum_leak", kind="state", declared="bool", point_class="alarm"),
)
IDLE = {"chamber_pressure": 1.5, "rf_power": 0.0, "process_state": "IDLE", "chuck_setpoint": 40.0, "vacuum_leak": False}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Tool:
    """An etch tool with what it was told."""

    def __init__(self) -> None:
        self.obeyed: list[tuple[str, float]] = []
        device = Device(name="etcher", kind="etch-tool", protocol="secsgem", space="Fab", label="Etcher")  # type: ignore[arg-type]
        self.server = SecsGemServer(
            device, METRICS, lambda metric, value: self.obeyed.append((metric, value)),
            lambda word: self.obeyed.append((word, 0.0)), period_s=0.3, port=free_port(),
        )  # fmt: skip

    async def show(self, **changes: object) -> None:
        await self.server.publish({**IDLE, **changes})  # type: ignore[dict-item]


@asynccontextmanager
async def fab(tmp_path, **config):
    tool = Tool()
    async with asyncio.TaskGroup() as tasks:
        try:
            await tool.server.start(tasks)
            await tool.show()
            async with Reader({**tool.server.source(), **config}, tmp_path) as reader:
                await reader.until(lambda: reader.value("etcher/chamber_pressure") == 1.5)
                yield tool, reader, tasks
        finally:
            await tool.server.close()


def test_the_sample_of_the_docstring_is_a_config():
    from edge.sources import secsgem

    table = tomllib.loads((secsgem.__doc__ or "").split("\n\n")[1])["source"][0]
    assert msgspec.convert(table, load_kind("secsgem").config).events[0].name == "recipe_changed"


async def test_variables_events_alarms_constants_and_commands_round_trip(tmp_path):
    """S1F3/F11, S2F33/35/37 with S6F11, S5F1, S2F15 and S2F41, each seen from both ends; then an outage."""
    async with fab(tmp_path) as (tool, reader, tasks):
        point = reader.point("etcher/chuck_setpoint")
        assert (point.unit, point.low, point.high, point.writable) == ("Cel", 10.0, 90.0, True)
        assert reader.value("etcher/process_state") == "IDLE"
        assert reader.value("etcher/alarm_vacuum_leak") == "clear"
        await tool.show(process_state="PROCESSING", rf_power=850.5, vacuum_leak=True)
        await reader.until(lambda: "collection_event" in reader.kinds() and "equipment_alarm_set" in reader.kinds())
        event = reader.events[reader.kinds().index("collection_event")]
        assert '"event":"process_state_changed"' in event["detail"]
        assert '"process_state":"PROCESSING"' in event["detail"]
        await reader.until(lambda: reader.value("etcher/rf_power") == 850.5)
        assert reader.value("etcher/alarm_vacuum_leak") == "set"
        await reader.source.write(point, 55.0)
        await reader.until(lambda: ("chuck_setpoint", 55.0) in tool.obeyed)
        await reader.until(lambda: reader.value("etcher/chuck_setpoint") == 55.0)
        await reader.source.write(reader.point("etcher/command"), "START")
        await reader.until(lambda: ("START", 0.0) in tool.obeyed)
        with pytest.raises(SourceError, match="outside"):
            await reader.source.write(point, 555.0)
        with pytest.raises(SourceError, match="takes START"):
            await reader.source.write(reader.point("etcher/command"), "EXPLODE")
        await tool.server.cut()
        await reader.until(lambda: reader.quality("etcher/rf_power") == STALE)
        assert reader.quality("etcher/process_state") == STALE
        assert "equipment_lost" in reader.kinds()
        with pytest.raises(SourceError, match="no connection"):
            await reader.source.write(point, 50.0)
        await tool.server.start(tasks)
        await tool.show(chamber_pressure=7.0)
        await reader.until(lambda: reader.value("etcher/chamber_pressure") == 7.0)
        assert reader.quality("etcher/chamber_pressure") == 0


async def test_a_host_process_that_is_killed_is_started_again(tmp_path):
    """Its points go stale at once, and are read anew by the next one; the agent's process never notices."""
    async with fab(tmp_path) as (tool, reader, _):
        children = [int(one) for one in _children_of(os.getpid(), "edge.sources.secsgem_child")]
        assert len(children) == 1
        os.kill(children[0], signal.SIGKILL)
        await reader.until(lambda: reader.quality("etcher/chamber_pressure") == STALE)
        await tool.show(chamber_pressure=3.25)
        await reader.until(lambda: reader.value("etcher/chamber_pressure") == 3.25)
        assert reader.source.health.errors["child"] == 1


def _children_of(parent: int, word: str) -> list[str]:
    from pathlib import Path

    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [one for one in listed if word in Path(f"/proc/{one}/cmdline").read_text()]


async def test_rubbish_on_the_wire_does_not_end_the_source(tmp_path):
    """A peer that answers with broken frames, lying lengths and noise; then the real equipment is at that address."""
    rng, tool, served = random.Random(7), Tool(), 0
    frames = [
        b"\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01",  # selected
        struct.pack(">L", 0xFFFFFFF0) + b"x" * 100, struct.pack(">L", 3) + b"abc",
        b"\x00\x00\x00\x0c\x00\x00\x81\x0d\x00\x00\x00\x00\x00\x09\x41\xff", rng.randbytes(400),
    ]  # fmt: skip

    async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        writer.write(frames[0] + frames[1 + served % 4])
        served += 1
        try:
            async with asyncio.timeout(0.5):
                await reader.read()
        except TimeoutError:
            writer.close()

    peer = await asyncio.start_server(rubbish, "127.0.0.1", tool.server.port)
    async with Reader({**tool.server.source(), "timeout_s": 1.0}, tmp_path) as reader:
        await reader.until(lambda: served >= 4)
        assert not reader.rows
        peer.close()
        async with asyncio.TaskGroup() as tasks:
            try:
                await tool.server.start(tasks)
                await tool.show()
                await reader.until(lambda: reader.value("etcher/chamber_pressure") == 1.5)
            finally:
                await tool.server.close()


def test_no_line_of_the_host_process_breaks_the_rows():
    """Seeded fuzz of what the equipment may have said: isolated, and points stay bounded."""
    from edge.sources import SourceContext, secsgem
    from wire.clock import SystemClock

    rng = random.Random(11)
    config = msgspec.convert({"kind": "secsgem", "name": "x", "url": "hsms://h:1"}, secsgem.SecsGemConfig)
    source = secsgem.SecsGem(config, SourceContext(SystemClock(), None))  # type: ignore[arg-type]
    wild = [None, True, -1, 1e308, "", "x" * 3000, [], {}, [1, 2], 2**70, "Ω"]
    lines = [
        {"what": "ready", "variables": [[1, "kind", "Pa"]], "constants": [[2, "b", 0, 1, 0, ""]],
         "alarms": [[3, "c", 130]]},
        {"what": "values", "at": 1_795_424_400_000_000, "values": {"1": 2.5, "9": "x"}, "constants": {"2": 1}},
        {"what": "event", "at": 1_795_424_400_000_000, "event": 5, "values": {"1": [1, 2]}},
        {"what": "alarm", "at": 1_795_424_400_000_000, "alarm": ALARM, "code": 130, "text": "leak"},
        {"what": "answer", "id": 1, "why": ""},
    ]  # fmt: skip

    def spoil(value: object) -> object:
        if rng.random() < 0.2:
            return rng.choice(wild)
        if isinstance(value, dict):
            return {key: spoil(one) for key, one in value.items() if rng.random() < 0.9}
        return [spoil(one) for one in value] if isinstance(value, list) else value

    for _ in range(1_500):
        text = msgspec.json.encode(spoil(rng.choice(lines)))
        source._heard(text[: rng.randrange(len(text) + 1)] if rng.random() < 0.1 else text)
        if rng.random() < 0.1:
            for batch in source._rows.batches():
                batch.rows.validate(full=True)
    assert source.health.errors["decode"] > 100
    assert len(source.points()) < 200
