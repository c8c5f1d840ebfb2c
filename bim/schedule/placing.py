"""Where a task lies between its bounds: as early or as late as its calendar allows. Pure, in wall-clock seconds."""

from typing import Any

from bim.schedule.work_calendar import WorkCalendar, seconds

__all__ = ["ALWAYS", "FINISH_ONLY", "NEVER", "constraints_of", "earliest", "latest"]

NEVER, ALWAYS = 2**62, -(2**62)  # bounds that bind nothing
FINISH_ONLY = ALWAYS + 1  # a start that follows from a mandatory finish


def constraints_of(row: dict[str, Any]) -> list[tuple[str, int]]:
    """Name and moment of the constraints of a task row; those without a date bind nothing."""
    pairs = ((row["constraint"], row["constraint_at"]), (row["constraint2"], row["constraint2_at"]))
    return [(name, seconds(moment)) for name, moment in pairs if name and moment is not None]


def earliest(calendar: WorkCalendar, work: int, start: int, finish: int, kind: str) -> tuple[int, int]:
    """Start and finish not before the bounds, moved to working time."""
    if start == FINISH_ONLY:  # only the finish is set
        done = calendar.work_at(finish)
        return calendar.start_at(max(0, done - work)), finish
    if work == 0:
        moment = max(start, finish)
        if kind == "finish_milestone" or calendar.is_open(moment):
            return moment, moment
        closed = calendar.finish_at(calendar.work_at(moment)) == moment
        opened = moment if closed else calendar.start_at(calendar.work_at(moment))
        return opened, opened
    done = calendar.work_at(start) + work
    if finish > ALWAYS:
        done = max(done, calendar.work_at(finish))
    return calendar.start_at(done - work), calendar.finish_at(done)


def latest(calendar: WorkCalendar, work: int, start: int, finish: int) -> tuple[int, int]:
    """Start and finish not after the bounds, moved to working time."""
    if work == 0:
        moment = min(start, finish)
        return moment, moment
    done = min(calendar.work_at(finish), calendar.work_at(start) + work if start < NEVER else NEVER)
    return calendar.start_at(done - work), calendar.finish_at(done)
