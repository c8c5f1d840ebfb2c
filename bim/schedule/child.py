"""The child process that reads one schedule: `python -m bim.schedule.child FILE OUT_DIR [--options JSON]`.

It bounds itself as the reader of models does, reads, computes the network, writes the tables, and about.json last of
all. Exit codes: 0 done, 3 refused with the reason as JSON on stdout; anything else is a crash.
"""

import errno
import json
import sys
from pathlib import Path

import msgspec
import pyarrow as pa

from bim.child import EXIT_REFUSED, bound_this_process
from bim.limits import ModelLimits
from bim.schedule.errors import ScheduleError
from bim.schedule.limits import ReaderLimits, ScheduleLimits
from bim.schedule.one_project import only_project
from bim.schedule.passes import DATES, Dates, compute
from bim.schedule.read import read_schedule
from bim.schedule.tables import About, Schedule
from bim.tables import write_table

__all__ = ["ABOUT_JSON", "NETWORK_ARROW", "Options", "ReadSchedule", "main"]

ABOUT_JSON = "about.json"
NETWORK_ARROW = "network.arrow"
_SPLIT = "export fewer projects into one file"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read, and within which bounds."""

    encoding: str = ""
    project: str = ""
    limits: ScheduleLimits = ScheduleLimits()
    reader: ReaderLimits = ReaderLimits()


class ReadSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """What about.json says; `network` is the problem of a network that cannot be computed, "" when it was."""

    about: About
    network: str = ""


def main(arguments: list[str]) -> int:
    """Read one schedule; see the module."""
    file, out_dir = arguments[0], Path(arguments[1])
    options = Options()
    if arguments[2:3] == ["--options"]:
        options = msgspec.json.decode(arguments[3], type=Options)
    bounds = options.reader
    bound_this_process(
        ModelLimits(
            memory_bytes=bounds.memory_bytes,
            cpu_s=bounds.cpu_s,
            output_bytes=bounds.output_bytes,
            unpacked_bytes=bounds.output_bytes,
        )
    )
    try:
        read = _read_into(file, out_dir, options)
    except ScheduleError as refusal:
        return _refuse(refusal)
    except (MemoryError, pa.ArrowMemoryError):
        problem = f"reading it takes more than {bounds.memory_bytes >> 20} MiB of memory"
        return _refuse(ScheduleError("memory", problem, file=file, fix=_SPLIT))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        problem = f"its tables are larger than {bounds.output_bytes >> 20} MiB"
        return _refuse(ScheduleError("too_big", problem, file=file, fix=_SPLIT))
    part = out_dir / f"{ABOUT_JSON}.part"
    part.write_bytes(msgspec.json.encode(read))
    part.replace(out_dir / ABOUT_JSON)
    return 0


def _read_into(file: str, out_dir: Path, options: Options) -> ReadSchedule:
    schedule = read_schedule(file, encoding=options.encoding, limits=options.limits)
    if options.project:
        try:
            schedule = only_project(schedule, options.project)
        except ScheduleError as refusal:
            raise refusal.in_file(file) from None
    for name, table in schedule.tables.items():
        write_table(table, out_dir / f"{name}.arrow")
    network, problem = _network(schedule, options.limits)
    write_table(network, out_dir / NETWORK_ARROW)
    return ReadSchedule(about=schedule.about, network=problem)


def _network(schedule: Schedule, limits: ScheduleLimits) -> tuple[pa.Table, str]:
    """Computed dates by task; a plan whose links go in circles keeps the dates that its file states."""
    try:
        dates: Dates = compute(schedule, limits)
    except ScheduleError as refusal:
        return DATES.empty_table(), f"{refusal.problem} ({refusal.fix})"
    return dates.table, ""


def _refuse(refusal: ScheduleError) -> int:
    sys.stdout.write(json.dumps(refusal.as_problem() | {"line": refusal.line}))
    sys.stdout.flush()
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
