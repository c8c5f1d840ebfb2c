"""Work schedules of IFC4 and IFC2X3 written by hand: times, lags, calendars, nesting, the elements of tasks."""

from datetime import date, datetime

import pytest

from bim.schedule.errors import ScheduleError
from bim.schedule.passes import compute
from bim.schedule.read import read_schedule

WALL, SLAB = "1Wall0000000000000000A", "1Slab0000000000000000A"


def ifc(schema: str, body: str) -> str:
    return f"ISO-10303-21;\nHEADER;\nFILE_SCHEMA(('{schema}'));\nENDSEC;\nDATA;\n{body}\nENDSEC;\nEND-ISO-10303-21;\n"


def key(name: str) -> str:
    return name.ljust(22, "0")


def task(number: int, name: str, time: str = "$", more: str = ".F.") -> str:
    return f"#{number}=IFCTASK('{key(name)}',$,'{name}',$,$,'{name}',$,$,$,{more},$,{time},.CONSTRUCTION.);\n"


def task_time(number: int, start: str, finish: str, hours: int, rest: str = "$,$,$,$,$") -> str:
    dates = f"'PT{hours}H','{start}','{finish}'"
    return f"#{number}=IFCTASKTIME($,$,$,.WORKTIME.,{dates},$,$,$,$,$,$,$,$,{rest});\n"


IFC4 = ifc(
    "IFC4",
    task(1, "S")
    + task_time(20, "2026-03-02T08:00:00", "2026-03-03T16:00:00", 16, "'PT16H','2026-03-02T08:00:00',$,$,0.5")
    + task(2, "A", "#20")
    + task_time(30, "2026-03-04", "2026-03-04", 8)
    + task(3, "B", "#30")
    + task(4, "C;\\X2\\57FA790E\\X0\\", "#30")
    + f"""#5=IFCRELNESTS('{key("n")}',$,$,$,#1,(#2,#3));
/* a comment with #99=IFCTASK('x'); and a ' quote */
#6=IFCLAGTIME($,$,$,IFCDURATION('P1D'),.ELAPSEDTIME.);
#7=IFCRELSEQUENCE('{key("s1")}',$,$,$,#2,#3,#6,.FINISH_START.,$);
#8=IFCLAGTIME($,$,$,IFCRATIOMEASURE(0.5),.WORKTIME.);
#9=IFCRELSEQUENCE('{key("s2")}',$,$,$,#2,#4,#8,.START_START.,$);
#10=IFCTIMEPERIOD('08:00:00','16:00:00');
#11=IFCRECURRENCEPATTERN(.WEEKLY.,$,(1,2,3,4,5),$,$,$,$,(#10));
#12=IFCWORKTIME('week',$,$,#11,$,$);
#13=IFCWORKTIME('holiday',$,$,$,'2026-03-03','2026-03-03');
#14=IFCWORKCALENDAR('{key("cal")}',$,'Site',$,$,$,(#12),(#13),.FIRSTSHIFT.);
#15=IFCRELASSIGNSTOCONTROL('{key("c")}',$,$,$,(#1,#4),$,#14);
#16=IFCWALL('{WALL}',$,$,$,$,$,$,$,$);
#17=IFCSLAB('{SLAB}',$,$,$,$,$,$,$,$);
#18=IFCRELASSIGNSTOPRODUCT('{key("p")}',$,$,$,(#2),$,#16);
#19=IFCRELASSIGNSTOPROCESS('{key("q")}',$,$,$,(#17,#16),$,#3,$);""",
)


def test_ifc4_tasks_calendars_lags_and_elements(written):
    schedule = read_schedule(written("m.ifc", IFC4))
    summary, one, two, three = schedule.tasks.to_pylist()
    assert (summary["kind"], one["parent"], one["outline"]) == ("summary", key("S"), 1)
    assert one["calendar"] == three["calendar"] == key("cal")
    assert three["name"] == "C;基礎"
    assert (one["percent"], one["status"], one["remaining_h"]) == (50, "in_progress", None)
    assert (one["actual_start"], one["purpose"]) == (datetime(2026, 3, 2, 8), "CONSTRUCTION")
    assert two["planned_finish"] == datetime(2026, 3, 4, 23, 59, 59)
    lags = [(row["type"], row["lag_h"], row["lag_kind"]) for row in schedule.links.to_pylist()]
    assert lags == [("FS", 24, "elapsed"), ("SS", 50, "percent")]
    rows = schedule["work_times"].to_pylist()
    assert next(row["minutes"] for row in rows if row["weekday"] == 0) == [480, 960]
    assert [row["first"] for row in rows if row["first"]] == [date(2026, 3, 3)]
    links = {(row["element"], row["task"], row["role"]) for row in schedule["element_tasks"].to_pylist()}
    assert links == {(WALL, key("A"), "output"), (SLAB, key("B"), "input"), (WALL, key("B"), "input")}


def test_ifc_calendars_drive_the_network(written):
    found = {row["id"]: row for row in compute(read_schedule(written("m.ifc", IFC4))).table.to_pylist()}
    assert found[key("A")]["early_finish"] == datetime(2026, 3, 4, 16)  # the holiday on the 3rd
    assert found[key("B")]["early_start"] == datetime(2026, 3, 6, 8)  # a day round the clock, then the next morning


IFC2X3 = ifc(
    "IFC2X3",
    f"""#1=IFCTASK('{key("A")}',$,'Raft',$,$,'T1',$,$,.F.,$);
#2=IFCTASK('{key("B")}',$,'Walls',$,$,'T2',$,$,.F.,$);
#3=IFCCALENDARDATE(2,3,2026);
#4=IFCLOCALTIME(8,30,$,$,$);
#5=IFCDATEANDTIME(#3,#4);
#6=IFCCALENDARDATE(4,3,2026);
#7=IFCSCHEDULETIMECONTROL('{key("t")}',$,$,$,$,$,$,$,#5,$,$,$,#6,86400.,$,$,$,$,$,$,$,$,0.25);
#8=IFCRELASSIGNSTASKS('{key("r")}',$,$,$,(#1),$,$,#7);
#9=IFCRELSEQUENCE('{key("s")}',$,$,$,#1,#2,3600.,.FINISH_START.);
#10=IFCWALL('{WALL}',$,$,$,$,$,$,$);
#11=IFCRELASSIGNSTOPROCESS('{key("q")}',$,$,$,(#10),$,#1,$);""",
)


def test_ifc2x3_times_in_parts_are_read(written):
    schedule = read_schedule(written("old.ifc", IFC2X3))
    one, two = schedule.tasks.to_pylist()
    assert (one["code"], one["planned_start"]) == ("T1", datetime(2026, 3, 2, 8, 30))
    assert (one["planned_finish"], one["duration_h"], one["percent"]) == (datetime(2026, 3, 4, 23, 59, 59), 24, 25)
    assert two["planned_start"] is None
    (link,) = schedule.links.to_pylist()
    assert (link["type"], link["lag_h"], link["lag_kind"]) == ("FS", 1, "elapsed")
    assert schedule["element_tasks"]["element"].to_pylist() == [WALL]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ifc("IFC4", f"#1=IFCWALL('{WALL}',$,$,$,$,$,$,$,$);"), "format"),
        (ifc("IFC4", "#1=IFCTASK('x');"), "malformed"),
        (ifc("IFC4", task(1, "A")).replace("END-ISO-10303-21;", ""), "truncated"),
        (ifc("IFC4", task_time(2, "soon", "later", 8) + task(1, "A", "#2")), "value"),
        (ifc("IFC4", f"#1=IFCTASK({'(' * 60}{')' * 60});"), "malformed"),
    ],
)
def test_a_model_whose_schedule_cannot_be_read_is_refused(written, text, reason):
    with pytest.raises(ScheduleError) as refusal:
        read_schedule(written("bad.ifc", text))
    assert refusal.value.reason == reason


def test_a_quote_that_never_closes_does_not_stall_the_reader(written):
    """A search that tries every way to cut a text takes for ever on this one; ours is linear."""
    text = ifc("IFC4", task(1, "A") + "#2=IFCTASK(" + "'a',b" * 20_000 + "'" + ";" * 10)
    with pytest.raises(ScheduleError, match="#2: the instance has no end"):
        read_schedule(written("open.ifc", text))
