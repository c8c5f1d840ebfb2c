"""What the schedule tests share: every real file read once, and small schedules written by hand."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bim.schedule.read import read_schedule
from bim.schedule.tables import Schedule

WEEK = "".join(
    f"(0||{day}()({'(0||0(s|08:00|f|12:00)())(0||1(s|13:00|f|17:00)())' if 2 <= day <= 6 else ''}))"
    for day in range(1, 8)
)
ROUND = "".join(f"(0||{day}()((0||0(s|00:00|f|00:00)())))" for day in range(1, 8))


def calendar_text(week: str, exceptions: str = "") -> str:
    return f"(0||CalendarData()((0||DaysOfWeek()({week}))(0||Exceptions()({exceptions}))))"


@pytest.fixture(scope="session")
def bim_data(shared_data: Path) -> Path:
    return shared_data / "bim"


@pytest.fixture(scope="session")
def read() -> Callable[[Path], Schedule]:
    return cache(read_schedule)


class Xer:
    """A P6 file written by hand: a project of one WBS, tasks, links."""

    def __init__(
        self, data_date: str = "2026-03-02 08:00", lag: str = "rcal_Predecessor", exceptions: str = ""
    ) -> None:
        self.tables: dict[str, list[dict[str, object]]] = {
            "PROJECT": [{"proj_id": 1, "proj_short_name": "P", "clndr_id": 10, "last_recalc_date": data_date}],
            "SCHEDOPTIONS": [{"proj_id": 1, "sched_calendar_on_relationship_lag": lag}],
            "CALENDAR": [
                {
                    "clndr_id": 10,
                    "clndr_name": "5x8",
                    "default_flag": "Y",
                    "clndr_data": calendar_text(WEEK, exceptions),
                },
                {"clndr_id": 11, "clndr_name": "24 h", "clndr_data": calendar_text(ROUND)},
            ],
            "PROJWBS": [
                {"wbs_id": 5, "proj_id": 1, "wbs_short_name": "P", "wbs_name": "Project", "proj_node_flag": "Y"}
            ],
            "TASK": [],
            "TASKPRED": [],
        }

    def task(self, key: str, hours: float, **more: object) -> None:
        self.tables["TASK"].append(
            {
                "task_id": key, "proj_id": 1, "wbs_id": 5, "clndr_id": 10, "complete_pct_type": "CP_Drtn",
                "task_type": "TT_Task", "status_code": "TK_NotStart", "task_code": key, "task_name": key,
                "remain_drtn_hr_cnt": hours, "target_drtn_hr_cnt": hours, **more,
            }
        )  # fmt: skip

    def link(self, before: str, after: str, kind: str = "FS", lag: float = 0) -> None:
        row = {"task_id": after, "pred_task_id": before, "pred_type": f"PR_{kind}", "lag_hr_cnt": lag}
        self.tables["TASKPRED"].append(row)

    def text(self) -> str:
        lines = ["ERMHDR\t19.12\t2026-03-01\tProject\tadmin"]
        for name, rows in self.tables.items():
            fields = list(dict.fromkeys(key for row in rows for key in row)) or ["none"]
            lines += [f"%T\t{name}", "\t".join(["%F", *fields])]
            lines += ["\t".join(["%R", *(str(row.get(field, "")) for field in fields)]) for row in rows]
        return "\r\n".join([*lines, "%E", ""])


@pytest.fixture
def xer() -> type[Xer]:
    return Xer


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file and gives its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
