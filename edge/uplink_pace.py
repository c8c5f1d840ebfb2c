"""How much may be on the way, and how long to wait for the twin's word before taking it for lost. Pure."""

from typing import Final

from wire.limits import PROBE_BACKOFF_S_MAX, PROGRESS_TIMEOUT_S

__all__ = ["WINDOW_BYTES_START", "Pace"]

WINDOW_BYTES_MIN: Final = 256 << 10  # a slow link still carries a few records at once
WINDOW_BYTES_START: Final = 1 << 20
DELAY_S_MAX: Final = 1.0  # sent to committed: above it the window shrinks, so that live data stays live


class Pace:
    """The window follows the delay of commits; the patience follows how often commits come at all."""

    def __init__(self, window_bytes: int) -> None:
        self._limit_bytes_max = self.limit_bytes = window_bytes
        self.window_bytes = min(WINDOW_BYTES_START, window_bytes)
        self._gap_s = 0.0  # mean time between news of commits while something is on the way
        self._since_s = 0.0
        self._backoff_s = PROGRESS_TIMEOUT_S
        self._heard_s: float | None = None

    def connected(self) -> None:
        """A new connection: what was learned of the last one counts no more."""
        self.window_bytes = min(WINDOW_BYTES_START, self.limit_bytes)
        self._gap_s = 0.0

    def limit(self, window_bytes: int) -> None:
        """The twin grants this window, at most what was configured."""
        self.limit_bytes = max(1, min(window_bytes, self._limit_bytes_max))
        self.window_bytes = min(self.window_bytes, self.limit_bytes)

    def landed(self, delay_s: float) -> None:
        """A run was committed so long after it was sent."""
        if delay_s > DELAY_S_MAX:
            self.window_bytes = max(min(WINDOW_BYTES_MIN, self.limit_bytes), self.window_bytes * 7 // 8)
        else:
            self.window_bytes = min(self.limit_bytes, self.window_bytes + (self.window_bytes >> 3) + 1)

    def wait_from(self, now: float) -> None:
        """From here on news is waited for."""
        self._since_s = now

    def progress(self, now: float) -> None:
        """There was news."""
        self._gap_s += (now - self._since_s - self._gap_s) / 4
        self._since_s, self._backoff_s, self._heard_s = now, PROGRESS_TIMEOUT_S, now

    def unheard_s(self, now: float, *, waiting: bool) -> float:
        """For how long there was no news although something waits; 0 when nothing does."""
        if self._heard_s is None or not waiting:
            self._heard_s = now
        return now - self._heard_s

    def is_stalled(self, now: float, *, probing: bool) -> bool:
        """Whether the wait was too long; longer waits are allowed on a link so slow that commits are rare."""
        patience_s = self._backoff_s if probing else max(PROGRESS_TIMEOUT_S, 2 * self._gap_s)
        return now - self._since_s >= patience_s

    def stall(self, *, probing: bool) -> None:
        """Wait longer for the next probe than for this one."""
        self._backoff_s = min(self._backoff_s * 2, PROBE_BACKOFF_S_MAX) if probing else PROGRESS_TIMEOUT_S
