"""The time of a link: wall time that a step of the clock does not tear. Silence is measured on it."""

from typing import Final

from wire.clock import Clock

__all__ = ["LinkTime"]

STEP_US: Final = 1_000_000  # a wall clock that slews stays below between two polls; NTP's first word does not


class LinkTime:
    """Runs with the monotonic clock from the wall time at the start; follows a step of the wall clock when asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_us = self._offset()

    def now_us(self) -> int:
        """UTC in µs, without steps since `step_us` was last asked."""
        return round(self._clock.monotonic_s() * 1e6) + self._offset_us

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        return self._clock.monotonic_s()

    def step_us(self) -> int:
        """By how much the wall clock was set; 0 when it only drifted, which is followed without a word."""
        before, self._offset_us = self._offset_us, self._offset()
        step = self._offset_us - before
        return step if abs(step) > STEP_US else 0

    def _offset(self) -> int:
        return self._clock.wall_us() - round(self._clock.monotonic_s() * 1e6)
