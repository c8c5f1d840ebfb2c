"""The parent's side: have one schedule read in a child process, and turn every failure into a refusal.

`open_schedule` blocks its thread until the child ends or is killed; no file can harm the caller's own process.
"""

import signal
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pyarrow as pa

from bim.child import EXIT_REFUSED
from bim.child_process import run_child
from bim.schedule.child import ABOUT_JSON, NETWORK_ARROW, Options, ReadSchedule
from bim.schedule.errors import REASONS, ScheduleError
from bim.schedule.passes import DATES
from bim.schedule.tables import SCHEMAS, Schedule
from bim.tables import read_table

__all__ = ["OpenedSchedule", "open_schedule"]

_ANSWER_BYTES_MAX = 65_536  # a refusal is a few hundred bytes
_COMPLAINT_CHARS = 500  # of a crashed child's last words
_ASK = "raise the bounds if the schedule is large; else please report it with the file"
_SPLIT = "export fewer projects into one file"
_NO_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate memory", "alloc of size")


@dataclass(frozen=True, slots=True)
class OpenedSchedule:
    """The schedule, its computed dates (table DATES, empty when they cannot be computed) and then the problem."""

    schedule: Schedule
    network: pa.Table
    problem: str

    def called(self, name: str) -> "OpenedSchedule":
        """The same under the name that people know its file by."""
        about = msgspec.structs.replace(self.schedule.about, file=name)
        return replace(self, schedule=Schedule(about, self.schedule.tables))


class _Answer(msgspec.Struct):
    """What a refusing child prints."""

    problem: str
    reason: str
    fix: str = ""
    field: str = ""
    line: int = 0


def open_schedule(path: str | Path, options: Options | None = None) -> OpenedSchedule:
    """Read one file; raises ScheduleError with file, reason and fix, whatever the file does to the child."""
    options = options or Options()
    with tempfile.TemporaryDirectory(prefix="aid4-schedule-") as folder:
        work = Path(folder)
        given = [str(Path(path).absolute()), str(work), "--options", msgspec.json.encode(options).decode()]
        code = run_child("bim.schedule.child", given, work, options.reader.wall_s)
        if code is None:
            problem = f"reading it takes more than {options.reader.wall_s:g} s"
            raise ScheduleError("time", problem, file=str(path), fix=_SPLIT)
        if code != 0:
            raise _refusal(code, work, str(path), options)
        return _take(work, str(path))


def _refusal(code: int, work: Path, file: str, options: Options) -> ScheduleError:
    if code == EXIT_REFUSED and (answer := _answer(work)) is not None:
        field = answer.field.removeprefix(f"line {answer.line}").removeprefix(", ")
        return ScheduleError(
            answer.reason,  # type: ignore[arg-type]
            answer.problem,
            file=file,
            line=answer.line,
            field=field,
            fix=answer.fix,
        )
    words = (work / "stderr").read_bytes()[-_COMPLAINT_CHARS:].decode("utf-8", "replace").strip()
    bounds = options.reader
    if code == -signal.SIGXCPU:
        problem = f"reading it takes more than {bounds.cpu_s} s of processor time"
        return ScheduleError("time", problem, file=file, fix=_SPLIT)
    if code == -signal.SIGKILL or any(sign in words for sign in _NO_MEMORY):
        problem = f"reading it takes more than {bounds.memory_bytes >> 20} MiB of memory, or more than there is"
        return ScheduleError("memory", problem, file=file, fix=_SPLIT)
    if code < 0:
        return ScheduleError("crash", f"the reader was ended by signal {-code}", file=file, fix=_ASK)
    last = words.splitlines()[-1] if words else f"exit code {code}"
    return ScheduleError("failed", f"the reader failed: {last}", file=file, fix=_ASK)


def _answer(work: Path) -> _Answer | None:
    try:
        answer = msgspec.json.decode((work / "stdout").read_bytes()[:_ANSWER_BYTES_MAX], type=_Answer)
    except msgspec.DecodeError:
        return None
    return answer if answer.reason in REASONS else None


def _take(work: Path, file: str) -> OpenedSchedule:
    """What the child wrote, checked."""
    try:
        read = msgspec.json.decode((work / ABOUT_JSON).read_bytes(), type=ReadSchedule)
        tables = {name: read_table(work / f"{name}.arrow", schema) for name, schema in SCHEMAS.items()}
        network = read_table(work / NETWORK_ARROW, DATES)
    except (OSError, msgspec.DecodeError, pa.ArrowInvalid) as error:
        raise ScheduleError("failed", f"the reader left no whole result: {error}", file=file, fix=_ASK) from error
    return OpenedSchedule(Schedule(read.about, tables), network, read.network)
