"""Which agent owns a node name: one is served, and two that live at once are told apart. Pure: no clock.

Every start of an agent process has its own boot id. A new boot id is normal (the agent was restarted); it
becomes a conflict when the earlier one is heard *after* the newcomer came. So a newcomer waits `GRACE_S`
while the twin asks for a hello: if the incumbent is silent or its last will arrived, the newcomer takes
over, else it is refused.
"""

from dataclasses import dataclass, field
from enum import Enum

__all__ = ["GRACE_S", "QUIET_S", "Presence", "Standing"]

GRACE_S = 1.0  # a living agent answers down/hello well within a second
QUIET_S = 5.0  # an incumbent heard beside a newcomer and then silent for so long is gone
FORGET_S = 60.0  # six health periods without a word
BOOTS_MAX = 16  # boot ids remembered of one node; a crash-looping agent makes one a second


class Standing(Enum):
    """How one boot of an agent stands."""

    OWNER = "owner"
    WAITING = "waiting"  # came while another boot may still live: nothing is sent to it yet
    REFUSED = "refused"  # another boot of the same name lives


@dataclass(slots=True)
class _Boot:
    first_s: float
    last_s: float
    offline: bool = False
    where: str = ""


@dataclass(slots=True)
class Presence:
    """The boots of one node and which of them is served. Times are the caller's monotonic seconds."""

    owner: int | None = None
    conflicts: int = 0
    refused: set[int] = field(default_factory=set)
    _boots: dict[int, _Boot] = field(default_factory=dict)

    @property
    def online(self) -> bool:
        """Whether the owner is there, as far as the broker said."""
        boot = self._boots.get(self.owner) if self.owner is not None else None
        return boot is not None and not boot.offline

    @property
    def disputed(self) -> bool:
        """Whether some other boot waits or is refused: the twin then keeps asking for a hello."""
        return any(boot != self.owner and not seen.offline for boot, seen in self._boots.items())

    @property
    def twice(self) -> list[str]:
        """Where the agents are that live under one name, the one that is served first; empty while there is one."""
        if not self.refused:
            return []
        first = [self.owner] if self.owner is not None else []
        return [f"{self._boots[b].where or 'unknown'} (start {b})" for b in (*first, *sorted(self.refused))]

    def heard(self, boot: int, now_s: float, where: str = "") -> Standing:
        """A live hello of this boot arrived; says how it stands now."""
        self._forget(now_s)
        seen = self._boots.setdefault(boot, _Boot(now_s, now_s))
        seen.last_s, seen.offline, seen.where = now_s, False, where or seen.where
        other = self._boots.get(self.owner) if self.owner not in (None, boot) else None
        if other is None or other.offline:
            return self._own(boot)
        if other.last_s <= seen.first_s:
            return self._own(boot) if now_s >= seen.first_s + GRACE_S else Standing.WAITING
        return self._own(boot) if now_s >= other.last_s + QUIET_S else self._refuse(boot)

    def gone(self, boot: int) -> None:
        """The last will of a boot arrived, or it said goodbye."""
        if boot in self._boots:
            self._boots[boot].offline = True
            self.refused.discard(boot)

    def _own(self, boot: int) -> Standing:
        if self.owner is not None and self.owner != boot:
            self._boots.pop(self.owner, None)
        self.owner = boot
        self.refused.discard(boot)
        return Standing.OWNER

    def _refuse(self, boot: int) -> Standing:
        if boot not in self.refused:
            self.refused.add(boot)
            self.conflicts += 1
        return Standing.REFUSED

    def _forget(self, now_s: float) -> None:
        by_age = sorted(self._boots, key=lambda boot: self._boots[boot].last_s)
        for at, boot in enumerate(by_age):
            silent = now_s - self._boots[boot].last_s > FORGET_S
            if boot != self.owner and (silent or at < len(by_age) - BOOTS_MAX):
                del self._boots[boot]
                self.refused.discard(boot)
