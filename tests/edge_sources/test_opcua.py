"""OPC UA against asyncua's own server on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Server, ua

from edge.sources import SourceError
from wire.errors import ConfigError
from wire.quality import BAD, NOT_A_NUMBER, OUT_OF_RANGE, STALE

NAMESPACE = "urn:test:mill"
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Mill:
    """A small machine tool, that can be stopped and started again on its port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}"
        self.server: Server | None = None
        self.nodes: dict[str, Any] = {}

    async def start(self) -> None:
        self.server = server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        at = await server.register_namespace(NAMESPACE)
        mill = await server.nodes.objects.add_object(ua.NodeId("Mill", at), f"{at}:Mill")
        spindle = await mill.add_object(ua.NodeId("Mill.Spindle", at), f"{at}:Spindle")
        enum = await server.nodes.enum_data_type.add_data_type(ua.NodeId("ModeType", at), f"{at}:ModeType")
        await enum.add_property(0, "EnumStrings", [ua.LocalizedText("manual"), ua.LocalizedText("automatic")])
        for parent, name, value, kind in (
            (spindle, "Speed", 1200.0, ua.VariantType.Double), (mill, "Program", "O1000", ua.VariantType.String),
            (mill, "Door", False, ua.VariantType.Boolean), (mill, "Axes", [1.0, 2.0], ua.VariantType.Double),
            (mill, "Parts", 7, ua.VariantType.UInt32), (mill, "Load", 40.0, ua.VariantType.Float),
        ):  # fmt: skip
            path = f"{parent.nodeid.Identifier}.{name}"
            self.nodes[name] = await parent.add_variable(ua.NodeId(path, at), f"{at}:{name}", value, kind)
        self.nodes["Mode"] = await mill.add_variable(
            ua.NodeId("Mill.Mode", at), f"{at}:Mode", 1, ua.VariantType.Int32, datatype=enum.nodeid
        )
        await self.nodes["Load"].add_property(
            0, "EngineeringUnits", ua.EUInformation(DisplayName=ua.LocalizedText("%"))
        )
        await self.nodes["Load"].add_property(0, "EURange", ua.Range(0.0, 100.0))
        await self.nodes["Speed"].set_writable()
        await server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()
            self.server = None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill() -> AsyncIterator[Mill]:
    """One server for all tests here: loading the standard's address space takes seconds."""
    made = Mill()
    await made.start()
    yield made
    await made.stop()


def table(mill: Mill, **more: Any) -> dict[str, Any]:
    config = {
        "kind": "opcua",
        "name": "mill",
        "url": mill.url,
        "browse": "ns=2;s=Mill",
        "period_s": 0.02,
        "timeout_s": 2.0,
    }
    return config | more


async def test_sample_config_reads_a_machine_by_name_and_by_browsing(mill: Mill, tools: Any, tmp_path: Any) -> None:
    (sample,) = tools.sample("edge.sources.opcua")
    taken = tools.Taken()
    async with tools.make(sample | {"url": mill.url}, tmp_path) as source:
        await tools.take_until(source, taken, lambda t: len({key for key, *_ in t.rows}) == 7)
        got = {key: (value, quality) for key, _, value, quality in taken.rows}
        assert got == {
            "mill/spindle_speed": (1200.0, 0),
            "mill/program": ("O1000", 0),
            "mill/door": ("false", 0),
            "mill/axes": ("[1.0,2.0]", 0),
            "mill/parts": (7.0, 0),
            "mill/load": (40.0, 0),
            "mill/mode": ("automatic", 0),
        }
        points = {point.metric: point for point in source.points()}
        assert (points["load"].unit, points["load"].low, points["load"].high) == ("%", 0.0, 100.0)
        assert (points["spindle_speed"].unit, points["spindle_speed"].high) == ("{rev}/min", 12_000)
        assert points["spindle_speed"].writable
        assert not points["load"].writable
        assert source.health.sent == len(taken.rows)


async def test_no_change_of_a_fast_variable_is_lost(mill: Mill, tools: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with tools.make(table(mill), tmp_path) as source:
        await tools.take_until(source, taken, lambda t: t.values("mill/parts") == [7.0])
        for count in range(8, 308):
            await mill.nodes["Parts"].write_value(count, ua.VariantType.UInt32)
        await tools.take_until(source, taken, lambda t: t.values("mill/parts")[-1] == 307.0)
    assert taken.values("mill/parts") == list(range(7, 308))


async def test_status_codes_become_quality_and_times_are_the_sources(mill: Mill, tools: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with tools.make(table(mill), tmp_path) as source:
        await tools.take_until(source, taken, lambda t: t.values("mill/load") == [40.0])
        at = datetime.now(UTC).replace(microsecond=123_456) - timedelta(minutes=5)
        for value, status in (
            (41.0, ua.StatusCodes.Good), (42.0, ua.StatusCodes.BadSensorFailure),
            (43.0, ua.StatusCodes.UncertainLastUsableValue),
            (120.0, ua.StatusCodes.Good), (float("nan"), ua.StatusCodes.Good), (50.0, ua.StatusCodes.Good),
        ):  # fmt: skip
            at += timedelta(seconds=1)
            variant = ua.Variant(value, ua.VariantType.Float)
            await mill.nodes["Load"].write_value(
                ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=at.replace(tzinfo=None))
            )
        await tools.take_until(source, taken, lambda t: len(t.values("mill/load")) == 7)
    rows = [(us, quality) for key, us, _, quality in taken.rows if key == "mill/load"][1:]
    assert [quality for _, quality in rows] == [0, BAD | NOT_A_NUMBER, STALE, OUT_OF_RANGE, NOT_A_NUMBER, 0]
    assert rows[-1][0] == int(at.timestamp()) * 1_000_000 + 123_456


async def test_link_loss_flags_every_point_stale_and_the_reconnect_reads_all_again(
    mill: Mill, tools: Any, tmp_path: Any
) -> None:
    taken = tools.Taken()
    async with tools.make(table(mill), tmp_path) as source:
        await tools.take_until(source, taken, lambda t: len(t.rows) == 7)
        before = {(key, us) for key, us, *_ in taken.rows}
        await mill.stop()
        taken.rows.clear()
        await tools.take_until(source, taken, lambda t: len(t.rows) == 7)
        assert all(quality & STALE for *_, quality in taken.rows)
        assert source.health.state == "waiting"
        assert source.health.why
        taken.rows.clear()
        await mill.start()
        await tools.take_until(source, taken, lambda t: len({key for key, *_ in t.rows}) == 7, timeout_s=20)
        assert {quality for *_, quality in taken.rows} == {0}
        assert not before & {(key, us) for key, us, *_ in taken.rows}, "nothing is told twice"
        await mill.nodes["Parts"].write_value(99, ua.VariantType.UInt32)
        await tools.take_until(source, taken, lambda t: t.values("mill/parts")[-1] == 99.0)
        assert source.health.errors == {"connect": 1}


async def test_a_write_reaches_the_server_or_fails(mill: Mill, tools: Any, tmp_path: Any) -> None:
    async with tools.make(table(mill), tmp_path) as source:
        await tools.take_until(source, tools.Taken(), lambda t: len(t.rows) == 7)
        points = {point.metric: point for point in source.points()}
        await source.write(points["spindle_speed"], 900.0)
        assert await mill.nodes["Speed"].read_value() == 900.0
        with pytest.raises(SourceError, match="no commands"):
            await source.write(points["load"], 1.0)
        with pytest.raises(SourceError, match="number"):
            await source.write(points["spindle_speed"], "fast")


async def test_a_node_that_does_not_exist_is_told_and_the_others_live(mill: Mill, tools: Any, tmp_path: Any) -> None:
    nodes = [{"id": "ns=2;s=None"}, {"id": "ns=2;s=Mill.Parts", "metric": "parts", "states": {"99": "full"}}]
    taken = tools.Taken()
    async with tools.make(table(mill, browse="", nodes=nodes), tmp_path) as source:
        await tools.take_until(source, taken, lambda t: t.values("mill/parts") == ["full"])
        assert source.health.errors == {"subscribe": 1}
        assert "None" in source.health.why


@pytest.mark.parametrize(
    ("change", "field"),
    [({"url": "http://x"}, "url"), ({"browse": ""}, "nodes"), ({"nodes": [{"id": "x=y"}]}, r"nodes\[0\]")],
)
async def test_a_wrong_config_names_field_and_fix(
    tools: Any, tmp_path: Any, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        tools.make({"kind": "opcua", "name": "m", "url": "opc.tcp://127.0.0.1:5", "browse": "i=85"} | change, tmp_path)
    assert caught.value.fix


async def test_a_dead_server_does_not_hold_up_the_stop(tools: Any, tmp_path: Any) -> None:
    silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(30), "127.0.0.1", 0)
    url = f"opc.tcp://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    source = tools.make({"kind": "opcua", "name": "m", "url": url, "browse": "i=85", "timeout_s": 0.3}, tmp_path)
    async with asyncio.timeout(10):
        async with source:
            while not source.health.why:
                await asyncio.sleep(0.01)
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < 2
    silent.close()
