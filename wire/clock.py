"""Clocks: wall time for people, monotonic time for waiting, boot id to tell one power-up from the next."""

import hashlib
import mmap
import os
import struct
import time
from pathlib import Path
from typing import Final, Protocol

from wire.errors import InputError

__all__ = ["RUN_CLOCK", "Clock", "ManualClock", "RunClock", "SystemClock", "boot_id"]

RUN_CLOCK: Final = "AID4_CLOCK"  # names the file of a RunClock, for every process of a simulated run
_RUN: Final = struct.Struct("<QqqddQ")  # turn, wall µs at, monotonic ns, speed now, speed meant, turn again


class Clock(Protocol):
    """Where code that must be tested gets its time from."""

    def wall_us(self) -> int:
        """Microseconds since 1970 by the wall clock, which may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        ...


class SystemClock:
    """The machine's own clocks; in a simulated run (`AID4_CLOCK`) the wall clock is that of the run."""

    def __init__(self) -> None:
        path = os.environ.get(RUN_CLOCK)
        self._run = RunClock(Path(path)) if path else None

    @property
    def is_of_a_run(self) -> bool:
        """Whether the wall clock is that of a simulated run."""
        return self._run is not None

    @property
    def speed(self) -> float:
        """How many seconds of the wall clock a second of this machine is meant to have: 1, but for a simulated run."""
        return 1.0 if self._run is None else self._run.speed

    def wall_us(self) -> int:
        """Microseconds since 1970 by the wall clock, which may jump."""
        return time.time_ns() // 1_000 if self._run is None else self._run.wall_us()

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


class RunClock:
    """The wall clock of a simulated run, which all its processes read from one file: it may run faster than real time,
    and wait. Only the wall clock is changed: whoever waits for a peer waits in real seconds."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                self._file = mmap.mmap(file.fileno(), _RUN.size)
        except (OSError, ValueError) as error:
            raise InputError(
                "is no clock of a run", file=str(path), field=RUN_CLOCK, fix=f"unset {RUN_CLOCK}"
            ) from error

    @classmethod
    def create(cls, path: Path, wall_us: int, speed: float) -> "RunClock":
        """A new clock, which stands at `wall_us` until `go`; `speed` is what its processes should prepare for."""
        path.write_bytes(_RUN.pack(0, wall_us, time.monotonic_ns(), 0.0, speed, 0))
        return cls(path)

    @property
    def speed(self) -> float:
        """The speed that is meant, whatever it is now."""
        return self._read()[4]

    def wall_us(self) -> int:
        """Microseconds since 1970, by the run."""
        _, wall_us, since_ns, speed, _, _ = self._read()
        return wall_us + int((time.monotonic_ns() - since_ns) * speed) // 1_000

    def go(self, speed: float) -> None:
        """Go on from now with another speed."""
        turn, *_, meant, _ = self._read()
        self._file[:] = _RUN.pack(turn + 1, self.wall_us(), time.monotonic_ns(), speed, meant, turn + 1)

    def _read(self) -> tuple[int, int, int, float, float, int]:
        while True:
            found = _RUN.unpack(self._file[:])
            if found[0] == found[5]:
                return found


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
