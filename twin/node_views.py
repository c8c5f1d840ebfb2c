"""The agents as people look at them: there or not, how far behind, and why one is silent."""

from typing import Any

import msgspec

from twin.ingest import Ingest, NodeView
from twin.times import iso
from twin.trust import CertificateView

__all__ = ["NodeStatus", "node_statuses", "with_certificates"]

_QUIET_US = 30_000_000  # three health periods without a word
_DISTRUST = {
    "revoked": "its certificate was revoked; a new token lets it in again",
    "expired": "its certificate ended; it renews by itself when it reaches the twin, else it needs a new token",
}


class NodeStatus(msgspec.Struct):
    """One agent, as GET /nodes shows it."""

    node: str
    online: bool
    since: str | None
    agent: str
    boot: str | None  # of this start of the agent; a u64, which JSON numbers of a browser would round
    last_seen: str | None
    lag_records: int
    spool: dict[str, Any]
    sources: dict[str, Any]
    epochs: int
    clock_ahead_s: float | None  # how far its clock is ahead of the twin's
    why_silent: str | None
    scoring: dict[str, float | int | str] = {}  # how detectors on the gateway do; empty where there are none
    certificate: CertificateView = CertificateView()
    twice: bool = False  # two live gateways use its name, as `why_silent` says


def node_statuses(ingest: Ingest, now_us: int) -> list[NodeStatus]:
    """All agents that were ever heard of, by name."""
    return [_status(view, now_us, connected=ingest.link.connected) for _, view in sorted(ingest.nodes.items())]


def with_certificates(
    statuses: list[NodeStatus], certificates: dict[str, CertificateView], *, unheard: bool = True
) -> list[NodeStatus]:
    """The agents with their certificates, and with `unheard` gateways that were enrolled but never heard of."""
    known = {one.node for one in statuses}
    silent = "it has a certificate, and was never heard of"
    added = [
        NodeStatus(name, False, None, "", None, None, 0, {}, {}, 0, None, silent)
        for name in certificates
        if unheard and name not in known
    ]
    return [_certified(one, certificates.get(one.node)) for one in sorted([*statuses, *added], key=_name)]


def _certified(status: NodeStatus, certificate: CertificateView | None) -> NodeStatus:
    if certificate is None:
        return status
    why = _DISTRUST.get(certificate.state) if not status.online else None
    return msgspec.structs.replace(status, certificate=certificate, why_silent=why or status.why_silent)


def _name(status: NodeStatus) -> str:
    return status.node


def _status(view: NodeView, now_us: int, *, connected: bool) -> NodeStatus:
    status, health, hello = view.status, view.health, view.hello
    online = view.online or bool(status and status.online)
    spool: dict[str, Any] = msgspec.to_builtins(health.spool) if health else {}
    return NodeStatus(
        node=view.node,
        online=online,
        since=iso(status.since_us) if status else None,
        agent=status.agent if status else hello.agent if hello else "",
        boot=_boot(view),
        last_seen=iso(view.last_seen_us),
        lag_records=int(spool.get("pending_records", 0)),
        spool=spool,
        sources=msgspec.to_builtins(health.sources) if health else {},
        epochs=len(hello.epochs) if hello else 0,
        clock_ahead_s=None if view.clock_ahead_us is None else round(view.clock_ahead_us / 1e6, 3),
        twice=bool(view.twice),
        why_silent=_why_silent(view, now_us, online=online, connected=connected),
        scoring={
            name.removeprefix("scoring_"): value
            for name, value in (health.host if health else {}).items()
            if name.startswith("scoring_")
        },
    )


def _boot(view: NodeView) -> str | None:
    said = view.status or view.hello
    return None if said is None else str(said.boot)


def _why_silent(view: NodeView, now_us: int, *, online: bool, connected: bool) -> str | None:
    if view.twice:
        return view.twice
    if not connected:
        return "the twin has no connection to the broker"
    if view.status is None and view.last_seen_us is None:
        return "it has not been heard of since the twin started"
    if not online:
        return "its connection to the broker ended: the gateway is off or its link is down"
    if view.health is not None:
        failing = [f"{name}: {source.why}" for name, source in view.health.sources.items() if source.why]
        if failing:
            return "; ".join(failing)[:500]
    if view.last_seen_us is not None and now_us - view.last_seen_us > _QUIET_US:
        return f"connected, but silent for {(now_us - view.last_seen_us) // 1_000_000} s"
    return None
