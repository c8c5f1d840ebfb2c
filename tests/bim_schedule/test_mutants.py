"""Hundreds of damaged schedules: each is read or refused with a reason; nothing else ever comes out."""

import random
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from bim.schedule.element_plan import ElementPlan
from bim.schedule.errors import REASONS, ScheduleError
from bim.schedule.progress import Progress
from bim.schedule.read import read_schedule
from bim.schedule.report import network_report, summary_of, task_rows

EACH = 20  # mutants of each kind
VALUES = [
    b"",
    b"-1",
    b"x",
    b"1e400",
    b"NaN",
    b"99999999999999999999",
    b"2026-02-30",
    b"\xff\xfe",
    b"0",
    b"PT-5H",
    b"\x00",
]


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def flipped(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 20)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def hole(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data))
    return data[:start] + data[start + dice.randint(1, 500) :]


def shuffled(data: bytes, dice: random.Random) -> bytes:
    """Lines, or elements of a one-line document, in another order."""
    parts = re.split(rb"(?<=\n)|(?<=>)(?=<)", data)
    a, b = sorted(dice.sample(range(len(parts)), 2))
    parts[a], parts[b] = parts[b], parts[a]
    return b"".join(parts)


def revalued(data: bytes, dice: random.Random) -> bytes:
    """Values become empty, huge, not a number, not a date."""

    def other(found: re.Match[bytes]) -> bytes:
        return dice.choice(VALUES) if dice.random() < 0.02 else found[0]

    return re.sub(rb"(?<=[\t,>'])[^\t,<>'\r\n]+(?=[\t,<'\r\n])", other, data)


def renumbered(data: bytes, dice: random.Random) -> bytes:
    """Numbers become other numbers of the file: references to the wrong things, and in circles."""
    numbers = re.findall(rb"\b\d{1,7}\b", data)

    def other(found: re.Match[bytes]) -> bytes:
        return dice.choice(numbers) if dice.random() < 0.02 else found[0]

    return re.sub(rb"\b\d{1,7}\b", other, data)


@pytest.fixture(scope="module")
def originals(bim_data) -> dict[str, bytes]:
    paths = [
        *sorted((bim_data / "schedules").glob("*Predecessor*.xer")),
        bim_data / "schedules" / "mpxj_percent-complete-8.4.xer",
        bim_data / "schedules" / "mpxj_assignment-assignments-project2019-mspdi.xml",
        bim_data / "schedules" / "mpxj_task-links-project2019-mspdi.xml",
        bim_data / "ifc" / "construction_scheduling_task_ifc4.ifc",
    ]
    table = (bim_data / "schependomlaan" / "element_tasks.csv").read_bytes()[:6000]
    return {**{path.name: path.read_bytes() for path in paths}, "links.csv": table[: table.rindex(b"\n") + 1]}


def use(path: Path) -> None:
    """Everything that the product does with a schedule."""
    schedule = read_schedule(path)
    for table in schedule.tables.values():
        table.validate(full=True)
    summary_of(schedule)
    task_rows(schedule)
    network_report(schedule)
    progress = Progress.of(schedule)
    moment = datetime(2016, 1, 8)
    progress.late(moment)
    progress.s_curve(11)
    ElementPlan.of(progress, schedule["element_tasks"]).table(moment)


def outcome(path: Path) -> ScheduleError | None:
    try:
        use(path)
    except ScheduleError as refusal:
        return refusal
    return None


@pytest.mark.parametrize("mutate", [cut, flipped, hole, shuffled, revalued, renumbered], ids=lambda one: one.__name__)
def test_a_damaged_schedule_is_read_or_refused(originals, tmp_path, mutate: Callable[[bytes, random.Random], bytes]):
    dice, refused = random.Random(5), 0
    for number in range(EACH):
        for name, original in originals.items():
            path = tmp_path / name
            path.write_bytes(mutate(original, dice))
            refusal = outcome(path)
            if refusal is not None:
                refused += 1
                assert (refusal.reason in REASONS, refusal.file) == (True, str(path)), (name, number)
                assert refusal.problem
                assert refusal.fix
    assert 0 < refused < EACH * len(originals)
