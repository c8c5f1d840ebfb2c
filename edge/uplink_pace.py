"""How much may be on the way, and how long to wait for the twin's word before taking it for lost. Pure."""

from typing import Final

from wire.limits import PROBE_BACKOFF_S_MAX, PROGRESS_TIMEOUT_S

__all__ = ["WINDOW_BYTES_START", "Pace"]

WINDOW_BYTES_MIN: Final = 256 << 10  # a slow link still carries a few records at once
WINDOW_BYTES_START: Final = 1 << 20
SPARE_S: Final = 2.0  # of its allowance that a metered link may save up
DELAY_S_MAX: Final = 1.0  # sent to committed: above it the window shrinks, so that live data stays live


class Pace:
    """The window follows the delay of commits; the patience follows how often commits come at all."""

    def __init__(self, window_bytes: int, bytes_s: float = 0.0) -> None:
        self._bytes_s, self._allowed, self._allowed_at_s = bytes_s, bytes_s * SPARE_S, 0.0
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

    def budget(self, now: float, flying_bytes: int) -> int:
        """Bytes that may be sent now: what the window leaves, and what a metered link may still spend."""
        left = self.window_bytes - flying_bytes
        return min(left, int(self._spare(now))) if self._bytes_s else left

    def is_spent(self, now: float) -> bool:
        """Whether a metered link has used up its allowance; one record may have overdrawn it."""
        return bool(self._bytes_s) and self._spare(now) <= 0

    def spend(self, size: int) -> int:
        """`size` bytes are sent; returns them."""
        self._allowed -= size
        return size

    def _spare(self, now: float) -> float:
        passed_s = max(0.0, now - self._allowed_at_s)
        self._allowed = min(self._allowed + passed_s * self._bytes_s, SPARE_S * self._bytes_s)
        self._allowed_at_s = now
        return self._allowed

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
