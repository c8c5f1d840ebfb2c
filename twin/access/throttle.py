"""Guessing gets slower: after some failures each further one doubles the wait. Kept in memory, bounded."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["Throttle"]

_KEYS_MAX: Final = 20_000  # who fails under ever new names is slowed by the address, which is one
_WAIT_S_MAX: Final = 900.0
_FORGET_S: Final = 86_400.0


class Throttle:
    """Counts failures by key; `free` failures cost nothing, then 1, 2, 4 … seconds."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._failed: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()

    def wait_s(self, *keys: tuple[str, ...]) -> float:
        """How long the next attempt must wait; 0 when it may be made now."""
        now = self._now_s()
        return max((self._until(key) - now for key in keys), default=0.0)

    def failed(self, *keys: tuple[str, ...]) -> None:
        """One more failure under each key."""
        now = self._now_s()
        for key in keys:
            count, since = self._failed.pop(key, (0, now))
            self._failed[key] = ((0 if now - since > _FORGET_S else count) + 1, now)
        while len(self._failed) > _KEYS_MAX:
            self._failed.popitem(last=False)

    def passed(self, *keys: tuple[str, ...]) -> None:
        """Forget the failures under these keys."""
        for key in keys:
            self._failed.pop(key, None)

    def _until(self, key: tuple[str, ...]) -> float:
        count, last = self._failed.get(key, (0, 0.0))
        over = count - _FREE[key[0]]
        return last + min(2.0**over, _WAIT_S_MAX) if over >= 0 else 0.0


_FREE: Final = {"both": 5, "name": 50, "address": 20}  # a stranger cannot lock a known person out everywhere at once
