"""Clocks: wall time for people, monotonic time for waiting, boot id to tell one power-up from the next."""

import hashlib
import time
from pathlib import Path
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock", "boot_id"]


class Clock(Protocol):
    """Where code that must be tested gets its time from."""

    def wall_us(self) -> int:
        """Microseconds since 1970 by the wall clock, which may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_us(self) -> int:
        """Microseconds since 1970 by the wall clock, which may jump."""
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told; `jump` moves the wall clock alone, as NTP does."""

    def __init__(self, wall_us: int = 1_750_000_000_000_000, monotonic_s: float = 0.0) -> None:
        self._wall_us, self._monotonic_s = wall_us, monotonic_s

    def wall_us(self) -> int:
        """Microseconds since 1970."""
        return self._wall_us

    def monotonic_s(self) -> float:
        """Seconds since this clock was made."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._monotonic_s += seconds
        self._wall_us += round(seconds * 1e6)

    def jump(self, us: int) -> None:
        """Step the wall clock, leaving the monotonic one alone."""
        self._wall_us += us


def boot_id() -> int:
    """64 bits that stay the same from power-up to power-down of this machine."""
    source = Path("/proc/sys/kernel/random/boot_id")
    text = source.read_text() if source.exists() else f"{round(time.time() - time.monotonic())}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
