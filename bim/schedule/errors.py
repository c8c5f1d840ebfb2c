"""Why a schedule was refused: one error with a reason that programs can branch on, and where in the file it is."""

from typing import Literal, get_args

from wire.errors import InputError

__all__ = ["REASONS", "Reason", "ScheduleError"]

Reason = Literal[
    "missing",  # no such file, or not a plain file
    "format",  # none of the formats that are read
    "encoding",  # text in an encoding that it does not state
    "truncated",  # the file ends before its end
    "malformed",  # a structure that cannot be read
    "entity",  # XML that defines entities or names other files
    "value",  # a date, a number or a code that cannot be
    "duplicate",  # two tasks, calendars or resources with one id
    "too_big",  # beyond a bound of ScheduleLimits
    "loop",  # tasks that wait for each other in a circle
    "no_work",  # a calendar in which a duration can never be worked
    "memory",  # the reader ran out of its memory
    "time",  # the reader ran out of its time
    "crash",  # the reader was ended by a signal
    "failed",  # the reader ended in another way than with a result
]
REASONS: frozenset[str] = frozenset(get_args(Reason))


class ScheduleError(InputError):
    """A schedule that was not taken in: reason, file, line (0: the whole file), field, problem and fix."""

    def __init__(
        self, reason: Reason, problem: str, *, fix: str, file: str = "", line: int = 0, field: str = ""
    ) -> None:
        self.reason: Reason = reason
        self.line = line
        where = ", ".join(part for part in (f"line {line}" if line else "", field) if part)
        super().__init__(problem, file=file, field=where, fix=fix)

    def in_file(self, file: str) -> "ScheduleError":
        """The same error with the name of the file, which a reader of bytes does not know."""
        self.file = file
        self.args = (str(self),)
        return self

    def as_problem(self) -> dict[str, str]:
        """Its data as a dict, with the reason."""
        return {**super().as_problem(), "reason": self.reason}
