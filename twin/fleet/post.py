"""One message for all that a node shall be: the sections of its desired state, said until its health follows."""

from collections.abc import Callable
from typing import Any

import msgspec

from wire.clock import Clock
from wire.messages import Desired

__all__ = ["Post"]

_AGAIN_S_MIN, _AGAIN_S_MAX = 3.0, 300.0  # an agent that is too old never follows
Section = Callable[[str], Any]


class Post:
    """`sections[name](node)` gives what is wanted there, as plain data; None where nothing is. `send` publishes."""

    def __init__(self, clock: Clock, send: Callable[[str, str, msgspec.Struct], bool]) -> None:
        self._clock, self._send = clock, send
        self.sections: dict[str, Section] = {}
        self._sent: dict[str, tuple[bytes, int, float, float]] = {}  # node -> state, revision, when, wait

    def tell(self, node: str, followed: int) -> None:
        """Send the desired state when it changed, and again until the node's health has its revision."""
        wanted = {name: section(node) for name, section in self.sections.items()}
        state = {name: value for name, value in wanted.items() if value is not None}
        before, now_s = self._sent.get(node), self._clock.monotonic_s()
        if not state and before is None:
            return
        packed = msgspec.json.encode(state)
        if before is None or before[0] != packed:
            last = before[1] if before else followed
            revision, wait_s = max(last + 1, self._clock.wall_us() // 1_000_000), _AGAIN_S_MIN
        elif followed == before[1]:
            self._sent[node] = (*before[:3], _AGAIN_S_MIN)
            return
        elif now_s - before[2] < before[3]:
            return
        else:
            revision, wait_s = before[1], min(2 * before[3], _AGAIN_S_MAX)
        self._sent[node] = (packed, revision, now_s, wait_s)
        self._send(node, "desired", Desired(revision, state))
