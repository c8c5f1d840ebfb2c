"""The end of a counted run: stop what makes readings, bring home what is left, compare spool and database at rest."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from aid4.account import Key, Ledger, compare, ledger_of, spooled
from aid4.park_children import ParkChildren
from aid4.park_config import AgentLayout, Layout
from aid4.twin_client import TwinClient, TwinSilentError
from edge.epochs import epoch_folders
from edge.health import read_status
from wire.messages import Health

__all__ = ["Report", "settle"]

_POLL_S = 0.5
_STOP_S = 5.0  # the agent's last flush, the twin's last checkpoint
_DRAIN_S = 30.0  # without progress the rest of the spool counts as not stored


@dataclass(slots=True)
class Report:
    """What a run ends with, as `--json` prints it."""

    accepted: int = 0
    stored: int = 0
    lost: int = 0
    duplicated: int = 0
    points: int = 0
    bound_points: int = 0
    elements: int = 0
    first_value_s: float | None = None
    agents: dict[str, dict[str, float]] = field(default_factory=dict)  # by gateway: its readings and its memory
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


async def settle(
    report: Report,
    layout: Layout,
    nodes: Sequence[str],
    children: ParkChildren,
    twin: TwinClient,
    before: Ledger,
    warn: Callable[[str], None],
) -> None:
    """Fill the report of a run whose time is up; `before` is what the database held when it began."""
    await children.stop(*(f"agent-{node}" for node in nodes), within_s=_STOP_S)
    await children.stop("devices", within_s=_STOP_S)
    healths = {node: read_status(layout.agent(node).status) for node in nodes}
    report.warnings += [text for node in nodes for text in _agent_warnings(node, healths[node])]
    left = [node for node in nodes if (health := healths[node]) is None or health.spool.pending_records]
    for node in left:
        layout.agent(node).status.unlink(missing_ok=True)
        children.start_agent(node, [], drain=True)
    if not all(await asyncio.gather(*(_is_drained(layout.agent(node), twin) for node in left))):
        warn(f"the spool was not empty {_DRAIN_S:g} s after its last progress")
    accepted: Counter[Key] = Counter()
    for node in nodes:
        rows = await asyncio.to_thread(spooled, layout.agent(node).spool, node, before.committed)
        report.agents[node] = {"accepted": rows.total(), **_host_figures(healths[node])}
        accepted += rows
    await _look_around(report, twin, warn)
    await children.stop(within_s=_STOP_S)
    after = await asyncio.to_thread(ledger_of, layout.twin)
    tally = compare(accepted, before, after)
    report.accepted, report.stored = tally.accepted, tally.stored
    report.lost, report.duplicated = tally.lost, tally.duplicated
    report.warnings += _twin_warnings(report, before, after)


async def _is_drained(layout: AgentLayout, twin: TwinClient) -> bool:
    """Wait until an agent without sources has emptied every epoch of the spool; False when it makes no progress."""
    epochs, first_us = len(epoch_folders(layout.spool)), 0
    seen, progress_s = (-1, -1), time.monotonic()
    while time.monotonic() - progress_s < _DRAIN_S:
        await asyncio.sleep(_POLL_S)
        health = read_status(layout.status)
        if health is not None:
            first_us = first_us or health.ts_us
            has_all = health.spool.epochs >= epochs or health.ts_us > first_us  # it needs a moment to take them over
            if has_all and not health.spool.pending_records:
                return True
        with contextlib.suppress(TwinSilentError):
            rows = (await twin.get("site"))["counts"]["readings"]
            now = (rows, health.spool.pending_records if health is not None else -1)
            if now != seen:
                seen, progress_s = now, time.monotonic()
    return False


async def _look_around(report: Report, twin: TwinClient, warn: Callable[[str], None]) -> None:
    try:
        counts = (await twin.get("site"))["counts"]
    except TwinSilentError as error:
        warn(f"the twin did not say how it does: {error}")
        return
    report.points, report.bound_points, report.elements = (
        counts[name] for name in ("points", "bound_points", "elements")
    )


def _twin_warnings(report: Report, before: Ledger, after: Ledger) -> list[str]:
    figures = {
        "records put into quarantine": after.quarantined - before.quarantined,
        "gaps recorded": after.gaps - before.gaps,
        "points bound to no element": report.points - report.bound_points,
    }
    return [f"{name}: {count}" for name, count in figures.items() if count > 0]


def _host_figures(health: Health | None) -> dict[str, float]:
    """The memory that an agent said it had when it stopped, in MiB."""
    rss = health.host.get("rss_bytes") if health is not None else None
    return {"rss_mib": round(rss / 2**20, 1)} if isinstance(rss, int) else {}


def _agent_warnings(node: str, health: Health | None) -> list[str]:
    """What an operator should know of the figures that an agent writes when it stops."""
    if health is None:
        return [f"{node} left no figures"]
    found = []
    for name, source in health.sources.items():
        errors = ", ".join(f"{count} x {stage}" for stage, count in source.errors.items())
        if source.discarded:
            found.append(f"{name}: readings discarded: {source.discarded} ({source.why or errors or 'unknown'})")
        elif source.errors:
            found.append(f"{name}: {errors} ({source.why or 'it works again'})")
    if health.spool.refused:
        found.append(f"readings refused since the spool was full: {health.spool.refused}")
    if health.spool.thinned:
        found.append(f"readings thinned since the spool was full: {health.spool.thinned}")
    return found
