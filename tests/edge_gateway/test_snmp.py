"""SNMP against pysnmp's own agent: v2c and v3, objects and columns, SET, what the agent lacks, an agent begun anew."""

import asyncio
import struct
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pysnmp.proto import rfc1902, rfc1905
from snmp_agent import PASSWORDS, Agent

from edge.conformance import free_port
from edge.sources import EXTRAS, SourceContext, SourceError, snmp
from edge.sources.snmp import Snmp, SnmpConfig
from edge.sources.snmp_link import ROWS_MAX
from edge.sources.snmp_values import SnmpPoint, number, to_send, word
from wire.clock import SystemClock
from wire.errors import ConfigError
from wire.quality import BAD, STALE

OUTLET = (1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 3, 1, 1, 4, 1)
LINK = (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)
UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
V3 = {"version": "3", "user": "engineer", "auth_password": PASSWORDS[0], "privacy_password": PASSWORDS[1]}


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    held = {UPTIME: rfc1902.TimeTicks(12_345), OUTLET: rfc1902.Integer32(1)}
    held |= {(*LINK, row): rfc1902.Integer32(1 + row % 2) for row in range(1, 41)}  # more than one GETBULK
    made = Agent(free_port(), held, {OUTLET})
    await made.start()
    yield made
    made.stop()


def source(agent: Agent, folder: Path, **other: Any) -> Snmp:
    """The sample of the docstring, at this agent."""
    table = tomllib.loads((snmp.__doc__ or "").split("\n\n")[1])["source"][0]
    table |= {"url": f"udp://127.0.0.1:{agent.port}", "period_s": 0.1, "timeout_s": 5.0, **other}
    return Snmp(msgspec.convert(table, SnmpConfig), SourceContext(SystemClock(), folder))


async def take(made: Snmp, enough: Callable[[dict[str, tuple[Any, int]]], Any]) -> dict[str, tuple[Any, int]]:
    """Value and quality of each point, newest, when there is enough."""
    newest: dict[str, tuple[Any, int]] = {}
    async with asyncio.timeout(120), aclosing(made.batches()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            for row in batch.rows.to_pylist():
                newest[made.points()[row["point"]].metric] = (row["value"], row["quality"])
            if enough(newest):
                return newest
    raise AssertionError("a source of an agent never ends")


@pytest.mark.parametrize("login", [{}, V3], ids=["v2c", "v3"])
async def test_objects_and_columns_are_read_and_a_set_arrives(
    login: dict[str, str], agent: Agent, tmp_path: Path
) -> None:
    async with source(agent, tmp_path, **login) as made:
        found = await take(made, lambda newest: len(newest) == 42)
        assert found["uptime"] == (123.45, 0)
        assert found["outlet_1"] == (1.0, 0)
        assert {name: found[name] for name in ("link_1", "link_40")} == {"link_1": ("down", 0), "link_40": ("up", 0)}
        outlet = next(point for point in made.points() if point.metric == "outlet_1")
        await made.write(outlet, 2)
        assert int(agent.held[OUTLET]) == 2
        await take(made, lambda newest: newest.get("outlet_1") == (2.0, 0))
        agent.writable.clear()
        with pytest.raises(SourceError, match="notWritable"):
            await made.write(outlet, 1)
        uptime = next(point for point in made.points() if point.metric == "uptime")
        with pytest.raises(SourceError, match="takes no commands"):
            await made.write(uptime, 0)


async def test_what_the_agent_lacks_is_bad_and_the_rest_goes_on(agent: Agent, tmp_path: Path) -> None:
    async with source(agent, tmp_path) as made:
        await take(made, lambda newest: len(newest) == 42)
        del agent.held[OUTLET], agent.held[(*LINK, 7)]
        found = await take(made, lambda newest: newest.get("link_7", (0, 0))[1] == BAD)
        assert found["outlet_1"] == (1.0, BAD)
        assert found["uptime"] == (123.45, 0)
        assert made.health.errors["decode"] >= 1
        assert made.health.state == "running"


async def test_an_agent_of_v3_that_began_anew_is_read_again(agent: Agent, tmp_path: Path) -> None:
    async with source(agent, tmp_path, **V3, timeout_s=0.5, retries=0) as made:
        await take(made, lambda newest: len(newest) == 42)
        agent.stop()
        await take(made, lambda newest: newest.get("uptime", (0, 0))[1] & STALE)
        agent.held[UPTIME] = rfc1902.TimeTicks(100)
        await agent.start()
        await take(made, lambda newest: newest.get("uptime") == (1.0, 0))


async def test_a_wrong_password_gives_nothing_and_says_why(agent: Agent, tmp_path: Path) -> None:
    login = V3 | {"auth_password": "not the words"}
    async with source(agent, tmp_path, **login, timeout_s=0.5, retries=0) as made:
        reading = asyncio.create_task(take(made, len))
        async with asyncio.timeout(60):
            while not made.health.why:
                await asyncio.sleep(0.05)
        assert made.health.state == "waiting"
        assert not reading.done()
        reading.cancel()


async def test_a_column_without_an_end_is_cut(agent: Agent, tmp_path: Path) -> None:
    agent.held |= {(*LINK, row): rfc1902.Integer32(1) for row in range(1, ROWS_MAX + 100)}
    async with source(agent, tmp_path) as made:
        await take(made, lambda newest: len(newest) >= ROWS_MAX)
        assert len(made.points()) == ROWS_MAX + 2


def test_numbers_and_words_are_those_of_the_standards() -> None:
    plain, name = SnmpPoint(oid="1.3.6.1.0", scale=0.1), SnmpPoint(oid="1.3.6.1.0", text=True)
    assert number(plain, rfc1902.Integer32(-235)) == pytest.approx(-23.5)
    assert number(plain, rfc1902.Counter64(2**63)) == pytest.approx(2**63 / 10)
    assert number(plain, rfc1902.OctetString("23.5")) == pytest.approx(2.35)
    opaque = rfc1902.Opaque(b"\x9f\x78\x04" + struct.pack(">f", 21.5))
    assert number(SnmpPoint(oid="1.3.6.1.0"), opaque) == 21.5
    for nothing in (rfc1905.noSuchObject, rfc1905.endOfMibView, rfc1902.OctetString("nan"), rfc1902.OctetString("n/a"),
                    rfc1902.Opaque(b"\x9f\x78\x04\x00"), rfc1902.ObjectIdentifier((1, 3))):  # fmt: skip
        assert number(plain, nothing) is None
    assert word(name, rfc1902.OctetString(b"rack \xff\x00")) == "rack \ufffd"
    assert word(name, rfc1902.IpAddress("10.0.0.1")) == "10.0.0.1"
    assert int(to_send(plain, 21.5)) == 215
    with pytest.raises(SourceError, match="does not fit"):
        to_send(SnmpPoint(oid="1.3.6.1.0", sent_as="unsigned"), -1)
    with pytest.raises(SourceError, match="one of on, off"):
        to_send(SnmpPoint(oid="1.3.6.1.0", states={"1": "on", "2": "off"}), "maybe")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"url": "http://x"}, "url"), ({"url": "udp://x:99999"}, "url"), ({**V3, "privacy_password": "short"}, "user"),
     ({**V3, "auth_password": ""}, "user")],
)  # fmt: skip
def test_a_config_that_cannot_work_is_refused_with_its_field(wrong: dict[str, str], field: str, tmp_path: Path) -> None:
    agent = Agent(1, {}, set())
    with pytest.raises(ConfigError) as refused:
        source(agent, tmp_path, **wrong)
    assert (refused.value.field, bool(refused.value.fix)) == (field, True)
    assert EXTRAS["snmp"] == "snmp"
