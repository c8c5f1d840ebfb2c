"""Rules, interlocks, derived points and the page on an agent with a real Modbus device and no twin at all."""

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.agent import Agent, serve
from edge.config import load, problems
from edge.sources import SourceError
from wire.clock import SystemClock
from wire.records import unpack
from wire.schemas import EVENTS, READINGS

WAIT_S = 60.0
FAN, SUPPLY, FLOW, PRESSURE = range(4)
MAP = """
register = [
    { metric = "fan_speed", address = 0, unit = "%", low = 0, high = 100, writable = true },
    { metric = "supply_temperature", address = 1, type = "i16", scale = 0.1, unit = "Cel" },
    { metric = "air_flow", address = 2, unit = "m3/h" },
    { metric = "filter_pressure", address = 3, unit = "Pa" },
]
"""
CONFIG = """
site = "lab"
node = "gw"
[broker]
url = "mqtt://127.0.0.1:1"                 # nobody is there
[page]
port = 0
{page}
[[source]]
kind = "modbus"
name = "ahu"
device = "ahu-1"
url = "tcp://127.0.0.1:{port}"
period_s = 0.05
map = "map.toml"
[[process]]
points = ["ahu-1/air_flow"]
scale = 0.001
unit = "dam3/h"
deadband = 100.0
[[derived]]
device = "ahu-1"
metric = "filter_resistance"
expression = "filter_pressure / air_flow ** 2"
when = "air_flow > 0.5"
[[rule]]
name = "frost"
when = '"ahu-1/supply_temperature" < 4'
until = '"ahu-1/supply_temperature" > 8'
message = "Frost in air handler 1"
severity = 3
write = [{{ point = "ahu-1/fan_speed", value = 0 }}]
restore = [{{ point = "ahu-1/fan_speed", value = 60 }}]
[[interlock]]
points = ["ahu-1/fan_*"]
refuse_when = '"ahu-1/supply_temperature" < 4'
why = "Frost: the fan stays off"
"""


class Handler:
    """An air handling unit; its registers as they stand on the device."""

    def __init__(self) -> None:
        self.words = [60, 180, 2_000, 80]
        self.port = 0
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        device = SimDevice(1, [SimData(0, values=[0] * 4, datatype=DataType.REGISTERS)], action=self._answer)
        self._server = ModbusTcpServer([device], address=("127.0.0.1", 0))
        await self._server.serve_forever(background=True)
        self.port = self._server.transport.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _answer(self, _code: int, start: int, address: int, count: int, current: list[int], values: Any) -> None:
        if values is None:
            current[address - start : address - start + count] = self.words[address : address + count]
        else:
            self.words[address : address + len(values)] = values

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.shutdown()


@asynccontextmanager
async def running(folder: Path, page: str = "") -> AsyncIterator[tuple[Agent, Handler]]:
    handler = Handler()
    await handler.start()
    (folder / "map.toml").write_text(MAP)
    file = folder / "edge.toml"
    file.write_text(CONFIG.format(port=handler.port, page=page))
    agent, stop = Agent(load(file), SystemClock()), asyncio.Event()
    task = asyncio.create_task(serve(agent, stop))
    try:
        yield agent, handler
    finally:
        stop.set()
        await task
        await handler.stop()


async def eventually(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():
            await asyncio.sleep(0.02)


def rows(agent: Agent, schema_id: int) -> list[dict[str, Any]]:
    """Everything of one schema that is on the disk of the gateway, with the point's key."""
    keys = {point.id: point.key for point in agent.batcher.catalogue.points}
    found = [unpack(data) for _, data in agent.spool.read(agent.spool.epoch, 1, agent.spool.next_seq - 1)]
    parts = [batch.to_pylist() for header, batch in found if header.schema_id == schema_id]
    return [row | {"key": keys.get(row["point"], "")} for part in parts for row in part]


async def test_a_rule_acts_and_an_interlock_refuses_without_any_twin(tmp_path: Path) -> None:
    async with running(tmp_path) as (agent, handler):
        assert agent.local is not None
        await eventually(lambda: "ahu-1/supply_temperature" in agent.local.values)  # type: ignore[union-attr]
        await agent.commands.local("ahu-1/fan_speed", 45)
        assert handler.words[FAN] == 45
        handler.words[SUPPLY] = 35
        await eventually(lambda: handler.words[FAN] == 0)
        assert [alarm.message for alarm in agent.local.alarms] == ["Frost in air handler 1"]
        with pytest.raises(SourceError, match="the fan stays off"):
            await agent.commands.local("ahu-1/fan_speed", 45)
        handler.words[SUPPLY] = 60  # between the two limits nothing changes
        await eventually(lambda: agent.local.values["ahu-1/supply_temperature"] == pytest.approx(6.0))  # type: ignore[union-attr]
        assert handler.words[FAN] == 0
        assert agent.local.alarms
        handler.words[SUPPLY] = 120
        await eventually(lambda: handler.words[FAN] == 60)
        assert agent.local.alarms == []
        await eventually(lambda: len(rows(agent, EVENTS)) == 2)
        first, second = rows(agent, EVENTS)
        assert (first["kind"], first["severity"], first["device"]) == ("local-alarm", 3, "rule-frost")
        assert json.loads(first["detail"])["values"] == {"ahu-1/supply_temperature": pytest.approx(3.5)}
        assert second["kind"] == "local-alarm-over"


async def test_values_are_scaled_thinned_and_derived_before_they_are_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as (agent, handler):
        await eventually(lambda: any(row["key"] == "ahu-1/filter_resistance" for row in rows(agent, READINGS)))
        handler.words[PRESSURE] = 160
        await eventually(
            lambda: [row["value"] for row in rows(agent, READINGS) if row["key"] == "ahu-1/filter_resistance"][-1] == 40
        )
        kept = rows(agent, READINGS)
        flow = [row["value"] for row in kept if row["key"] == "ahu-1/air_flow"]
        assert flow == [2.0], "m3/h became dam3/h, and nothing moved by more than the deadband"
        assert len([row for row in kept if row["key"] == "ahu-1/filter_pressure"]) > 1
        assert next(row["value"] for row in kept if row["key"] == "ahu-1/filter_resistance") == pytest.approx(80 / 4)
        point = next(one for one in agent.batcher.catalogue.points if one.key == "ahu-1/air_flow")
        assert point.unit == "dam3/h"
        handler.words[FLOW] = 100
        await eventually(lambda: agent.local.values.get("ahu-1/air_flow") == pytest.approx(0.1))  # type: ignore[union-attr]


async def test_the_page_shows_what_is_and_asks_for_its_password(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("s3cret\n")
    async with running(tmp_path, 'password_file = "word"') as (_, handler):
        handler.words[SUPPLY] = 10
        file = tmp_path / "spool" / "page.port"
        await eventually(file.exists)
        base = f"http://127.0.0.1:{file.read_text().strip()}"

        def get(path: str, password: str) -> tuple[int, str]:
            token = base64.b64encode(f"me:{password}".encode()).decode()
            request = urllib.request.Request(base + path, headers={"Authorization": f"Basic {token}"})
            try:
                with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, ""

        assert (await asyncio.to_thread(get, "/now.json", "wrong"))[0] == 401
        assert (await asyncio.to_thread(get, "/../etc/passwd", "s3cret"))[0] == 404
        status, page = await asyncio.to_thread(get, "/", "s3cret")
        assert (status, "now.json" in page) == (200, True)
        shown: dict[str, Any] = {}

        async def complete() -> bool:
            shown.update(json.loads((await asyncio.to_thread(get, "/now.json", "s3cret"))[1]))
            return bool(shown["alarms"]) and len(shown["values"]) >= 5

        async with asyncio.timeout(WAIT_S):
            while not await complete():
                await asyncio.sleep(0.05)
        values = {row["point"]: row["value"] for row in shown["values"]}
        assert values["ahu-1/supply_temperature"] == pytest.approx(1.0)
        assert values["rule-frost/state"] == "active"
        assert shown["health"]["uplink"]["connected"] is False
        assert shown["alarms"][0]["message"] == "Frost in air handler 1"


@pytest.mark.parametrize(
    ("rows_", "field"),
    [
        ('[[process]]\npoints = ["a/b"]\ndeadband = 1.0\nevery_s = 2.0\n', "process a/b"),
        ('[[process]]\npoints = ["a/b"]\nscale = 0.0\n', "process a/b.scale"),
        ('[[derived]]\ndevice = "a"\nmetric = "b"\nexpression = "open(1)"\n', "derived.b.expression"),
        ('[[rule]]\nname = "Not Legal"\nwhen = "x > 1"\n', "rule.name"),
        ('[[rule]]\nname = "r"\nwhen = "x >"\n', "rule.r.when"),
        ('[[rule]]\nname = "r"\nwhen = "x > 1"\n[[rule]]\nname = "r"\nwhen = "x > 2"\n', "rule.name"),
        ('[[interlock]]\npoints = ["a/b"]\nrefuse_when = "__import__"\nwhy = 3\n', "interlock"),
        ('[page]\nprot = 1\n', "page"),
        ('[[source]]\nkind = "onewire"\nname = "local"\n', "source[0].name"),
    ],
)  # fmt: skip
def test_a_wrong_table_names_field_and_fix(rows_: str, field: str, tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(f'site = "lab"\nnode = "gw"\n{rows_}')
    found = problems(file)
    assert found
    assert field in found[0].field
    assert found[0].file == str(file)
    assert found[0].fix


def test_a_page_for_others_needs_a_password(tmp_path: Path) -> None:
    from edge.config import AgentConfig, PageConfig
    from edge.page import serve_page
    from wire.errors import ConfigError

    config = AgentConfig(site="lab", node="gw", page=PageConfig(host="0.0.0.0", port=0))
    with pytest.raises(ConfigError, match="password"):
        asyncio.run(serve_page(config, None, None, None))  # type: ignore[arg-type]
