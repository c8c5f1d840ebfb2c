"""A card that was copied, the classic of the field: two agents with one name, one certificate and one spool. All are
told, by address; nothing that either measured is lost, and nothing is counted twice."""

import asyncio
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from edge.agent import Agent
from edge.config import load
from edge.doctor_trust import twice
from edge.enrol import enrol
from edge.health import write_status
from twin.presence import GRACE_S, Presence
from twin.reconcile import Reconciler
from wire.messages import EpochSpan, Hello

sys.path.insert(0, str(Path(__file__).parent))
from test_fresh_gateway import site
from test_renewal_live import eventually, running

__all__ = ["site"]

SOURCE = """
[[source]]
kind = "flood"
name = "flood"
points = 10
rows = 20
per_s = 100.0
waits = false
"""


async def handed_over(agent: Agent) -> None:
    """Its sources have ended and all that they gave is on its disk."""
    await agent.stop_sources()
    agent.batcher.flush()
    await eventually(lambda: agent.spool._queued_bytes == 0)


async def test_two_agents_of_one_card_are_told_apart_and_neither_loses_a_reading(site: Any, tmp_path: Path) -> None:
    trust, card = site.twin.trust, tmp_path / "card"
    card.mkdir()
    (card / "edge.toml").write_text(f'site = "lab"\nnode = "gw-1"\n{SOURCE}')
    await asyncio.to_thread(enrol, card / "edge.toml", trust.door, trust.invite("gw-1", "eva").token)
    async with running(card / "edge.toml") as first:
        await eventually(lambda: first.uplink.core.records_acked > 0)
        await asyncio.to_thread(shutil.copytree, card, tmp_path / "copy")
        async with running(tmp_path / "copy" / "edge.toml") as second:
            await eventually(lambda: first.uplink.refused_by_twin and second.uplink.refused_by_twin)
            told = second.uplink.refused_by_twin
            assert "2 gateways live as gw-1" in told
            assert told.count(socket.gethostname()) == 2
            assert {str(first.uplink.core.boot), str(second.uplink.core.boot)} <= set(told.replace(")", " ").split())
            shown = next(node for node in site.twin.nodes() if node.node == "gw-1")
            assert shown.twice
            assert "aid4 twin revoke gw-1" in shown.why_silent
            await asyncio.to_thread(write_status, second.status_file, second.health())
            assert "2 gateways" in twice(load(tmp_path / "copy" / "edge.toml"))[0].detail
            before = first.uplink.core.records_acked
            await eventually(lambda: first.uplink.core.records_acked > before)  # who was there first is served
            await handed_over(first)
            await eventually(lambda: first.uplink.core.pending_records == 0)
            await first.uplink.farewell()
            await handed_over(second)
            measured = first.spool.readings_accepted, second.spool.readings_accepted
        assert min(measured) > 0
    async with running(tmp_path / "copy" / "edge.toml") as later:
        await handed_over(later)
        await eventually(lambda: later.uplink.core.answered and later.uplink.core.pending_records == 0)
        assert not later.uplink.refused_by_twin
        total = sum(measured) + later.spool.readings_accepted
    assert (await asyncio.to_thread(site.twin.store.counts))["readings"] == total
    with site.twin.store.cursor() as cursor:
        events = cursor.execute("SELECT message FROM events WHERE kind = 'agent.conflict'").fetchall()
    assert any("2 gateways live as gw-1" in message for (message,) in events)


def test_what_one_copy_lacks_is_not_given_up_while_the_other_may_have_it() -> None:
    twin, epoch = Reconciler(boot=1), b"\x01" * 16

    def hello(boot: int, floor: int, absent: list[tuple[int, int]], now_s: float) -> list[tuple[int, int]]:
        intake = twin.begin()
        intake.hello("gw", Hello(boot, [EpochSpan(epoch.hex(), floor, 9, absent=absent)]), now_s)
        twin.apply(intake)
        return [(lo, hi) for _, _, lo, hi in twin.ranges()]

    assert hello(1, 1, [], 0.0) == []
    assert hello(2, 1, [], 0.1) == []  # waits while the first may live
    assert hello(1, 5, [(7, 8)], 0.2) == []
    assert hello(1, 5, [(7, 8)], 90.0) == [(1, 4), (7, 8)]  # the other has not been heard of for long


def test_one_gateway_that_starts_again_is_not_two() -> None:
    presence = Presence()
    presence.heard(1, 0.0, "10.0.0.1")
    presence.heard(2, 1.0, "10.0.0.1")
    presence.heard(2, 1.0 + GRACE_S, "10.0.0.1")
    assert (presence.owner, presence.twice) == (2, [])
