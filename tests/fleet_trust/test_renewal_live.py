"""A running agent over mTLS: certificate renewed, link cut, trust ended and given again; no reading lost."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge.agent import Agent
from edge.agent import serve as serve_agent
from edge.config import load
from edge.enrol import enrol, renew
from wire.clock import SystemClock

sys.path.insert(0, str(Path(__file__).parent))
from test_fresh_gateway import site

__all__ = ["site"]

WAIT_S = 120.0
READINGS = 6_000
SOURCE = f"""
[[source]]
kind = "flood"
name = "flood"
points = 10
rows = 20
per_s = 200.0
readings = {READINGS}
waits = false
"""


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[Agent]:
    agent, stop = Agent(load(file), SystemClock()), asyncio.Event()
    task = asyncio.create_task(serve_agent(agent, stop))
    try:
        yield agent
    finally:
        stop.set()
        await task


async def test_readings_go_on_over_renewal_cut_links_and_a_new_enrolment(site: Any, tmp_path: Path) -> None:
    trust, file = site.twin.trust, tmp_path / "edge.toml"
    file.write_text(f'site = "lab"\nnode = "gw-1"\n{SOURCE}')
    await asyncio.to_thread(enrol, file, trust.door, trust.invite("gw-1", "eva").token)
    async with running(file) as agent:
        await eventually(lambda: agent.uplink.core.records_acked > 0)
        first = trust.views()["gw-1"].serial

        held = await asyncio.to_thread(renew, agent.config)
        assert held.serial != first
        before = agent.uplink.core.records_acked
        await eventually(lambda: agent.uplink.core.records_acked > before)
        assert agent.uplink._link.stats.connects == 1  # renewal needs no new connection

        agent.uplink._link._session._transport.abort()  # type: ignore[union-attr]
        await eventually(lambda: agent.uplink._link.stats.connects == 2)  # by the new pair
        assert trust.register.read().of_node("gw-1").serial == held.serial

        await asyncio.to_thread(trust.revoke, "gw-1", "eva", "")
        await eventually(lambda: not agent.uplink.figures().connected)
        pending = agent.uplink.core.pending_records
        await eventually(lambda: agent.uplink.core.pending_records > pending)  # it goes on measuring
        await asyncio.to_thread(enrol, file, trust.door, trust.invite("gw-1", "eva").token)
        await eventually(lambda: agent.uplink.figures().connected)
        await eventually(lambda: agent.spool.readings_accepted == READINGS)
        await eventually(lambda: agent.uplink.core.pending_records == 0)
    counts = await asyncio.to_thread(site.twin.store.counts)
    assert counts["readings"] == READINGS
