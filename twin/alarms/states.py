"""The life of one alarm, after ISA-18.2: what the process does, what people do, what keeps it silent. Pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from twin.errors import ConflictError

__all__ = ["PRIORITIES", "STATES", "Alarm", "Definition", "State", "Step", "Verb"]

State = Literal[
    "normal", "unacknowledged", "acknowledged", "returned", "shelved", "suppressed", "out_of_service"
]  # fmt: skip
STATES: tuple[State, ...] = (
    "unacknowledged", "returned", "acknowledged", "shelved", "suppressed", "out_of_service", "normal",
)  # fmt: skip
Verb = Literal[
    "raised", "returned", "acknowledged", "shelved", "unshelved", "suppressed", "unsuppressed", "out_of_service",
    "in_service", "comment", "retired",
]  # fmt: skip
PRIORITIES = ("critical", "high", "medium", "low")  # by urgency; colour, shape and sound follow from it


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What an alarm is about. `key` names it for ever; `group` holds alarms of one cause (a device, a node)."""

    key: str
    kind: str  # high_high | high | low | low_low | bad | stale | state | offline | gap | late | …
    source: str  # point | node | plan | detector | scan | …
    priority: str = "medium"
    group: str = ""
    point: int | None = None
    element: str | None = None
    limit: float | str | None = None
    text: str = ""
    consequence: str = ""
    action: str = ""
    respond_min: float | None = None
    detail: dict[str, Any] = {}  # what the one who watches found: scores, channels, causes, elements


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal. `at_us` is when it happened in the process or to the person."""

    alarm: int
    at_us: int
    what: Verb
    state: State  # after it
    before: State
    by: str = ""
    note: str = ""
    value: float | str | None = None


@dataclass(slots=True)
class Alarm:
    """One condition that can ring. Methods that change it return the step, or None when nothing changed."""

    id: int
    definition: Definition
    active: bool = False
    acknowledged: bool = True  # nothing rings unseen
    raised_us: int | None = None
    returned_us: int | None = None
    value: float | str | None = None
    first_out: bool = False
    shelved_until_us: int | None = None
    shelved_by: str = ""
    shelved_why: str = ""
    suppressed_why: str = ""
    out_of_service_why: str = ""
    owner: str = ""
    occurrences: int = 0
    changed_us: int = 0
    retired: bool = field(default=False)  # its rule is gone

    @property
    def state(self) -> State:
        """One of the seven states; what silences stands above what rings."""
        if self.out_of_service_why:
            return "out_of_service"
        if self.suppressed_why:
            return "suppressed"
        if self.shelved_until_us is not None:
            return "shelved"
        if self.active:
            return "acknowledged" if self.acknowledged else "unacknowledged"
        return "normal" if self.acknowledged else "returned"

    @property
    def rings(self) -> bool:
        """Whether somebody must still look at it."""
        return self.state in ("unacknowledged", "returned")

    def raise_(self, at_us: int, value: float | str | None, *, first_out: bool) -> Step | None:
        """The condition holds."""
        if self.active:
            return None
        before = self.state
        self.active, self.acknowledged, self.first_out = True, False, first_out
        self.raised_us, self.returned_us, self.value = at_us, None, value
        self.occurrences += 1
        return self._step(at_us, "raised", before, value=value)

    def return_(self, at_us: int, value: float | str | None) -> Step | None:
        """The condition is over."""
        if not self.active:
            return None
        before = self.state
        self.active, self.returned_us, self.value = False, at_us, value
        if before in ("suppressed", "out_of_service"):
            self.acknowledged = True  # what nobody was to see needs no acknowledgement afterwards
        return self._step(at_us, "returned", before, value=value)

    def acknowledge(self, at_us: int, by: str, note: str = "") -> Step:
        """Somebody has seen it; ConflictError when nothing waits for that."""
        if self.acknowledged:
            raise ConflictError(f"alarm {self.id} waits for no acknowledgement", field="id")
        before = self.state
        self.acknowledged, self.owner = True, by
        return self._step(at_us, "acknowledged", before, by=by, note=note)

    def shelve(self, at_us: int, until_us: int, by: str, why: str) -> Step:
        """Silent until then, for a stated reason; shelving again sets another end."""
        before = self.state
        self.shelved_until_us, self.shelved_by, self.shelved_why = until_us, by, why
        return self._step(at_us, "shelved", before, by=by, note=why)

    def unshelve(self, at_us: int, by: str, note: str = "") -> Step:
        """Rings again if it has cause to; ConflictError when it is not shelved."""
        if self.shelved_until_us is None:
            raise ConflictError(f"alarm {self.id} is not shelved", field="id")
        before = self.state
        self.shelved_until_us, self.shelved_by, self.shelved_why = None, "", ""
        return self._step(at_us, "unshelved", before, by=by, note=note)

    def suppress(self, at_us: int, why: str, by: str = "") -> Step | None:
        """Silent by design for a reason; an empty reason ends it."""
        if why == self.suppressed_why:
            return None
        before = self.state
        self.suppressed_why = why
        return self._step(at_us, "suppressed" if why else "unsuppressed", before, by=by, note=why)

    def service(self, at_us: int, why: str, by: str) -> Step | None:
        """Out of service for a reason; an empty reason puts it back."""
        if why == self.out_of_service_why:
            return None
        before = self.state
        self.out_of_service_why = why
        return self._step(at_us, "out_of_service" if why else "in_service", before, by=by, note=why)

    def comment(self, at_us: int, by: str, note: str) -> Step:
        """A line of the journal that changes nothing."""
        return self._step(at_us, "comment", self.state, by=by, note=note)

    def retire(self, at_us: int) -> Step | None:
        """Its rule is gone: whatever it was, it rings no more."""
        if self.retired:
            return None
        before = self.state
        self.retired, self.active, self.acknowledged = True, False, True
        return self._step(at_us, "retired", before)

    def _step(
        self, at_us: int, what: Verb, before: State, *, by: str = "", note: str = "", value: float | str | None = None
    ) -> Step:
        self.changed_us = max(self.changed_us, at_us)
        return Step(
            alarm=self.id, at_us=at_us, what=what, state=self.state, before=before, by=by, note=note, value=value
        )
