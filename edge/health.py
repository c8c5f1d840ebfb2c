"""How the agent does: the message for the twin, the status file for the person at the gateway, and why it is silent."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from edge.sources import SourceHealth
from wire.messages import Health, SourceFigures, SpoolFigures

if TYPE_CHECKING:
    from edge.batcher import Batcher
    from edge.spool import Spool
    from edge.uplink import Uplink
    from wire.clock import Clock

__all__ = ["HealthReport", "read_status", "silence", "write_status"]

SILENT_S: Final = 60.0  # a running source that said nothing for so long is worth a word
TEXT_CHARS_MAX: Final = 500


class HealthReport:
    """Takes the figures of all parts of a running agent."""

    def __init__(self, spool: "Spool", uplink: "Uplink", batcher: "Batcher", clock: "Clock") -> None:
        self._spool, self._uplink, self._batcher, self._clock = spool, uplink, batcher, clock
        self._notes: list[str] = []
        self._cpu_s, self._at_s = time.process_time(), clock.monotonic_s()

    def note(self, text: str) -> None:
        """Something a person should know, kept until the agent stops."""
        self._notes.append(text[:TEXT_CHARS_MAX])

    def take(self, sources: Mapping[str, tuple[str, SourceHealth]]) -> Health:
        """The figures now; `sources` gives kind and counters by name."""
        now_us = self._clock.wall_us()
        return Health(
            ts_us=now_us,
            sources={name: _figures(kind, health, now_us) for name, (kind, health) in sources.items()},
            spool=self._spool_figures(),
            uplink=self._uplink.figures(),
            host=self._host(),
        )

    def _spool_figures(self) -> SpoolFigures:
        spool, core = self._spool, self._uplink.core
        oldest = core.oldest_pending
        return SpoolFigures(
            bytes=spool.used_bytes,
            records=spool.next_seq - 1,
            readings_accepted=spool.readings_accepted,
            pending_records=core.pending_records,
            pending_bytes=core.pending_bytes,
            epochs=len(spool.epochs),
            oldest_pending_us=spool.packed_us(*oldest) if oldest else None,
            refused=spool.readings_refused,
            thinned=spool.readings_thinned,
            free_bytes=spool.free_bytes,
        )

    def _host(self) -> dict[str, float | int | str]:
        cpu_s, at_s = time.process_time(), self._clock.monotonic_s()
        share = (cpu_s - self._cpu_s) / max(at_s - self._at_s, 1e-3)
        self._cpu_s, self._at_s = cpu_s, at_s
        figures: dict[str, float | int | str] = {
            "pid": os.getpid(),
            "cpu_ratio": round(share, 4),
            "rss_bytes": _rss_bytes(),
            "points": len(self._batcher.catalogue.points),
            "generation": self._spool.generation,
            "oversize": self._batcher.oversize,
            "torn_bytes": self._spool.torn_bytes,
            "bad_messages": self._uplink.bad_messages,
        }
        texts = {
            "link_error": self._uplink.link_error,
            "refused_by_twin": self._uplink.refused_by_twin,
            "why_refused": self._spool.why_refused if self._spool.readings_refused else "",
            "disk_error": self._spool.last_error,
            "notes": "; ".join(self._notes),
        }
        return figures | {name: text[:TEXT_CHARS_MAX] for name, text in texts.items() if text}


def silence(figures: SourceFigures, now_us: int) -> str:
    """Why a source says nothing, in one sentence; empty when it speaks."""
    if figures.state in {"failed", "waiting"}:
        return figures.why or f"is {figures.state} and gave no reason"
    if figures.state == "ended":
        return figures.why
    if not figures.last_us:
        return figures.why or "has not received anything yet"
    silent_s = (now_us - figures.last_us) / 1e6
    if silent_s > SILENT_S:
        return figures.why or f"has received nothing for {silent_s:.0f} s"
    return ""


def write_status(path: Path, health: Health) -> None:
    """Keep the newest figures beside the spool. No fsync: they are worth nothing after a power cut."""
    temporary = path.with_suffix(".part")
    try:
        temporary.write_bytes(msgspec.json.encode(health))
        temporary.replace(path)
    except OSError:  # a full disk must not stop the agent over a status file
        temporary.unlink(missing_ok=True)


def read_status(path: Path) -> Health | None:
    """The figures that a running or stopped agent left; None when there are none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Health)
    except (OSError, msgspec.MsgspecError):
        return None


def _figures(kind: str, health: SourceHealth, now_us: int) -> SourceFigures:
    figures = SourceFigures(
        kind=kind,
        state=health.state,
        received=health.received,
        sent=health.sent,
        discarded=health.discarded,
        errors=dict(health.errors),
        last_us=health.last_us or None,
        why=health.why[:TEXT_CHARS_MAX],
    )
    return msgspec.structs.replace(figures, why=silence(figures, now_us)[:TEXT_CHARS_MAX])


def _rss_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
