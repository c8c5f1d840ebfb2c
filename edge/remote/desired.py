"""The desired state as it comes: each section goes to who reaches it; what nobody here knows is left alone."""

from collections.abc import Callable

from wire.messages import Desired

__all__ = ["DesiredState"]


class DesiredState:
    """`reached_by[section]` takes the whole message; an older revision than the newest heard is a late one."""

    def __init__(self) -> None:
        self.revision = 0
        self.reached_by: dict[str, Callable[[Desired], None]] = {}

    def heard(self, desired: Desired) -> None:
        """From the twin; it says it again until our health tells this revision."""
        if desired.revision < self.revision:
            return
        self.revision = desired.revision
        for section in desired.state:
            if section in self.reached_by:
                self.reached_by[section](desired)
