"""What each reader takes and what it refuses, naming line, field and fix."""

from datetime import date, datetime

import pytest

from bim.schedule.errors import ScheduleError
from bim.schedule.limits import ScheduleLimits
from bim.schedule.mspdi import read_mspdi
from bim.schedule.passes import compute
from bim.schedule.read import read_schedule
from bim.schedule.times import duration_hours, minute_of_day, parse_finish, parse_time
from bim.schedule.xml_tree import parse_xml

MSPDI = """<?xml version="1.0" encoding="UTF-8"?>
<Project xmlns="http://schemas.microsoft.com/project">
<Title>T</Title><StartDate>2026-03-02T08:00:00</StartDate><CalendarUID>1</CalendarUID>
<Calendars><Calendar><UID>1</UID><Name>Std</Name><IsBaseCalendar>1</IsBaseCalendar><WeekDays>
{week}</WeekDays><Exceptions>{exceptions}</Exceptions></Calendar></Calendars>
<Tasks>{tasks}</Tasks></Project>"""
SHIFT = "<WorkingTimes><WorkingTime><FromTime>08:00:00</FromTime><ToTime>16:00:00</ToTime></WorkingTime></WorkingTimes>"
WEEK = "".join(
    f"<WeekDay><DayType>{day}</DayType><DayWorking>{int(bool(shift))}</DayWorking>{shift}</WeekDay>"
    for day, shift in enumerate(["", SHIFT, SHIFT, SHIFT, SHIFT, SHIFT, ""], start=1)
)


def mspdi(tasks: str, exceptions: str = "") -> str:
    return MSPDI.format(week=WEEK, exceptions=exceptions, tasks=tasks)


def task(uid: int, hours: int, more: str = "") -> str:
    return f"<Task><UID>{uid}</UID><ID>{uid}</ID><Name>T{uid}</Name><Duration>PT{hours}H0M0S</Duration>{more}</Task>"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "基础 Základy"),
        ("utf-16", "基础 Základy"),
        ("gb18030", "基础混凝土浇筑 一层楼板 二层"),
        ("big5", "基礎混凝土澆置 一樓樓板 鋼筋綁紮"),
        ("cp1251", "Бетонирование фундамента и плиты"),
        ("cp1250", "Základová doska, mäkké tehly, strešná väzba, múr č. 2: dosť ďaleko, deväť stĺpov, kúpeľňa"),
        ("cp1252", "Gründung und Bodenplatte, Außenwände, Dächer"),
    ],
)
def test_names_survive_whatever_code_page_p6_wrote_them_in(xer, written, encoding, name):
    plan = xer()
    plan.task("A", 8, task_name=name)
    schedule = read_schedule(written("e.xer", plan.text().encode(encoding)))
    assert schedule.tasks["name"].to_pylist() == [name]


def test_an_encoding_that_is_given_is_believed(xer, written):
    plan = xer()
    plan.task("A", 8, task_name="ř")
    path = written("e.xer", plan.text().encode("cp1250"))
    assert read_schedule(path, encoding="cp1250").tasks["name"].to_pylist() == ["ř"]
    for wrong in ("utf-8", "no-such"):
        with pytest.raises(ScheduleError) as refusal:
            read_schedule(path, encoding=wrong)
        assert refusal.value.reason == "encoding"


@pytest.mark.parametrize(
    ("change", "reason", "where"),
    [
        (("%E", ""), "truncated", "line"),
        (("ERMHDR", "ERMHDX"), "format", ""),
        (("PR_FS", "PR_XX"), "value", "TASKPRED.pred_type"),
        (("\tA\tA\t8\t8", "\tA\tA\t8\t8h"), "value", "TASK.target_drtn_hr_cnt"),
        (("2026-03-02 08:00", "2026-13-02 08:00"), "value", "PROJECT.last_recalc_date"),
        (("s|08:00", "s|48:00"), "value", "CALENDAR.clndr_data"),
        (("CalendarData()((", "CalendarData()(("[:-2]), "value", "CALENDAR.clndr_data"),
        (("%R\tB\t", "%R\tA\t"), "duplicate", "tasks"),
        (("%T\tPROJECT", "%T\tPRJ"), "malformed", "PROJECT"),
    ],
)
def test_a_damaged_xer_is_refused_with_line_field_and_fix(xer, written, change, reason, where):
    plan = xer()
    plan.task("A", 8)
    plan.task("B", 8)
    plan.link("A", "B")
    assert change[0] in plan.text()
    path = written("bad.xer", plan.text().replace(*change, 1))
    with pytest.raises(ScheduleError) as refusal:
        read_schedule(path)
    problem = refusal.value.as_problem()
    assert problem["reason"] == reason
    assert where in problem.get("field", "")
    assert problem["file"] == str(path)
    assert problem["fix"]


def test_rows_that_lost_most_of_their_values_are_told(xer, written):
    plan = xer()
    plan.task("A", 8)
    text = plan.text().replace("%R\tA\t1\t5\t10\tCP_Drtn\tTT_Task\tTK_NotStart\tA\tA\t8\t8", "%R\tA\t1")
    assert read_schedule(written("short.xer", text)).about.warnings == (
        "1 rows have fewer than half of their values: the others are taken as empty",
    )


def test_codes_fields_baselines_and_outside_links_of_an_xer_are_kept(xer, written):
    plan = xer()
    plan.task("A", 8)
    plan.link("elsewhere", "A")
    plan.tables["PROJECT"].append({"proj_id": 2, "proj_short_name": "P-B1", "orig_proj_id": 1})
    old = {**plan.tables["TASK"][0], "task_id": "A2", "task_code": "A", "proj_id": 2}
    plan.tables["TASK"].append({**old, "target_start_date": "2026-02-02 08:00", "target_end_date": "2026-02-02 17:00"})
    plan.tables["ACTVTYPE"] = [{"actv_code_type_id": 1, "actv_code_type": "Storey"}]
    plan.tables["ACTVCODE"] = [
        {"actv_code_id": 9, "actv_code_type_id": 1, "short_name": "01", "actv_code_name": "First"}
    ]
    plan.tables["TASKACTV"] = [{"task_id": "A", "actv_code_type_id": 1, "actv_code_id": 9}]
    plan.tables["UDFTYPE"] = [{"udf_type_id": 3, "table_name": "TASK", "udf_type_label": "GUID"}]
    plan.tables["UDFVALUE"] = [{"udf_type_id": 3, "fk_id": "A", "udf_text": "x"}]
    schedule = read_schedule(written("c.xer", plan.text()))
    assert schedule.tasks.num_rows == 1
    assert [(row["type"], row["value"], row["text"], row["kind"]) for row in schedule["codes"].to_pylist()] == [
        ("Storey", "01", "First", "code"),
        ("GUID", "x", "", "field"),
    ]
    (baseline,) = schedule["baselines"].to_pylist()
    assert (baseline["task"], baseline["name"], baseline["start"]) == ("A", "P-B1", datetime(2026, 2, 2, 8))
    (link,) = schedule.links.to_pylist()
    assert (link["predecessor"], link["outside"]) == (None, "elsewhere")
    assert any("outside the file" in line for line in schedule.about.warnings)
    assert compute(schedule).table.num_rows == 1


def test_mspdi_baselines_are_the_plan_and_outline_gives_parents(written):
    saved = (
        "<Baseline><Number>0</Number><Start>2026-03-02T08:00:00</Start><Finish>2026-03-02T16:00:00</Finish></Baseline>"
    )
    dates = "<Start>2026-03-04T08:00:00</Start><Finish>2026-03-04T16:00:00</Finish>"
    rows = task(1, 8, "<OutlineLevel>1</OutlineLevel><Summary>1</Summary>") + task(
        2, 8, f"<OutlineLevel>2</OutlineLevel>{dates}{saved}"
    )
    schedule = read_schedule(written("b.xml", mspdi(rows + task(3, 8, "<OutlineLevel>1</OutlineLevel>"))))
    one, two, three = schedule.tasks.to_pylist()
    assert (one["kind"], two["parent"], three["parent"]) == ("summary", "1", None)
    assert (two["planned_start"], two["planned_from"]) == (datetime(2026, 3, 2, 8), "baseline")
    assert two["forecast_start"] == datetime(2026, 3, 4, 8)


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ("<Type>1</Type>", [4, 5, 6]),
        ("<Type>1</Type><Period>2</Period>", [4, 6]),
        ("<Type>6</Type><DaysOfWeek>32</DaysOfWeek>", [6]),
        ("<Type>4</Type><Period>1</Period><MonthDay>5</MonthDay>", [5]),
        ("<Type>5</Type><Period>1</Period><MonthItem>7</MonthItem><MonthPosition>0</MonthPosition>", [5]),
        ("<Type>2</Type><Month>2</Month><MonthDay>6</MonthDay>", [6]),
    ],
)
def test_recurring_exceptions_of_mspdi_fall_on_their_days(written, fields, days):
    period = "<TimePeriod><FromDate>2026-03-04T00:00:00</FromDate><ToDate>2026-03-06T23:59:00</ToDate></TimePeriod>"
    exception = f"<Exception>{period}<Name>x</Name><DayWorking>0</DayWorking>{fields}</Exception>"
    schedule = read_schedule(written("x.xml", mspdi(task(1, 8), exception)))
    rows = [row for row in schedule["work_times"].to_pylist() if row["first"] is not None]
    found = [day for row in rows for day in range(row["first"].day, row["last"].day + 1)]
    assert found == days


BOMB = '<?xml version="1.0"?><!DOCTYPE Project [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Project>&b;</Project>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "entity"),
        ('<!DOCTYPE Project SYSTEM "file:///etc/passwd"><Project/>', "entity"),
        ("<Project><Tasks>", "truncated"),
        ("<Project><Tasks></Project>", "malformed"),
        ("<Project>&x;</Project>", "malformed"),
        ("<Projects/>", "format"),
        ("<?xml version='1.0' encoding='klingon'?><Project/>", "encoding"),
        (f"<Project>{'<a>' * 100}{'</a>' * 100}</Project>", "too_big"),
        (mspdi(task(1, 8, "<ConstraintType>77</ConstraintType>")), "value"),
        (mspdi(task(1, 8, "<Start>tomorrow</Start>")), "value"),
        (mspdi("<Task><Name>no id</Name></Task>"), "value"),
        (mspdi(task(1, 8) + task(1, 8)), "duplicate"),
        ("", "format"),
        ("just words", "format"),
        ("\x00\x01\x02,\x03", "format"),
    ],
)
def test_xml_that_is_wrong_or_dangerous_is_refused(written, text, reason):
    with pytest.raises(ScheduleError) as refusal:
        read_schedule(written("bad.xml", text))
    assert refusal.value.reason == reason
    assert refusal.value.fix


def test_the_line_of_a_wrong_date_is_named(written):
    text = mspdi(task(7, 8, "\n\n<Start>2026-02-30T08:00:00</Start>"))
    with pytest.raises(ScheduleError, match=r"line \d+, Task 7, Start: .*is not a date") as refusal:
        read_schedule(written("d.xml", text))
    assert refusal.value.line == text[: text.index("2026-02-30")].count("\n") + 1


def test_bounds_are_kept(written):
    tight = ScheduleLimits(tasks=1)
    with pytest.raises(ScheduleError, match="the bound is 1"):
        read_schedule(written("m.xml", mspdi(task(1, 8) + task(2, 8))), limits=tight)
    with pytest.raises(ScheduleError, match="more than 5 elements"):
        parse_xml(b"<Project>" + b"<a/>" * 9 + b"</Project>", ScheduleLimits(xml_nodes=5))
    with pytest.raises(ScheduleError, match="the bound is 0 MiB"):
        read_schedule(written("m.xml", mspdi("")), limits=ScheduleLimits(file_bytes=10))
    with pytest.raises(ScheduleError) as refusal:
        read_schedule("/no/such/file.xer")
    assert refusal.value.reason == "missing"


def test_subtrees_that_say_nothing_about_tasks_are_not_kept():
    more = "<TimephasedData><Value>PT8H0M0S</Value></TimephasedData>" * 50
    assert len(read_mspdi(mspdi(task(1, 8, more)).encode(), ScheduleLimits(xml_nodes=80)).tasks) == 1


def test_a_csv_of_tasks_is_read_with_its_links_and_fields(written):
    text = (
        "Activity ID;Activity Name;Start;Finish;Duration;Predecessors;% Complete;Actual Start;Storey\n"
        "A1;Raft;2-3-2026;6-3-2026;5d;;100%;2-3-2026;00\n"
        "A2;Columns;9-3-2026;10-3-2026;16h;A1FS+1d,A0SS-50%;;;01\n"
    )
    schedule = read_schedule(written("t.csv", text.encode("cp1252")))
    one, two = schedule.tasks.to_pylist()
    assert (one["duration_h"], one["percent"], one["status"]) == (40, 100, "finished")
    assert (two["planned_start"], two["planned_finish"]) == (datetime(2026, 3, 9), datetime(2026, 3, 10, 23, 59, 59))
    links = [(row["predecessor"], row["type"], row["lag_h"], row["lag_kind"]) for row in schedule.links.to_pylist()]
    assert links == [("A1", "FS", 8, "work"), (None, "SS", -50, "percent")]
    assert [(row["type"], row["value"]) for row in schedule["codes"].to_pylist()] == [
        ("Storey", "00"),
        ("Storey", "01"),
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a,b\n1,2\n", "line 1"),
        ("id,name\n1,2\n", "line 1"),
        ("id,start,finish\nA,2026-02-30,2026-03-01\n", "line 2, start"),
        ("id,start,duration\nA,2026-03-01,soon\n", "line 2, duration"),
        ("id,start,percent\nA,2026-03-01,150\n", "line 2, percent"),
        ("id,start\n,2026-03-01\n", "line 2, id"),
        ("GlobalId,task_id,start,finish\nshort,A,2026-03-01,2026-03-02\n", "line 2, element"),
        (f"GlobalId,task_id,start\n{'a' * 22},A,2026-03-01\n{'b' * 22},A,2026-03-02\n", "line 3, start"),
        ("id,start\n", ""),
    ],
)
def test_a_wrong_csv_is_refused_with_its_line_and_column(written, text, where):
    with pytest.raises(ScheduleError) as refusal:
        read_schedule(written("bad.csv", text))
    assert refusal.value.field == where


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2015-02-18T08:00:00", datetime(2015, 2, 18, 8)),
        ("2015-02-18 08:00", datetime(2015, 2, 18, 8)),
        ("26-2-2015", datetime(2015, 2, 26)),
        ("26.2.2015 16:30", datetime(2015, 2, 26, 16, 30)),
        ("2015-02-18T24:00:00", datetime(2015, 2, 19)),
        ("2015-02-18T08:00:00.123+02:00", datetime(2015, 2, 18, 8)),
    ],
)
def test_dates_are_read_in_the_forms_that_tools_write(text, value):
    assert parse_time(text) == value
    assert parse_finish("2015-02-18") == datetime(2015, 2, 18, 23, 59, 59)


@pytest.mark.parametrize("text", ["", "2015", "2015-13-01", "0001-01-01", "2300-01-01", "18/2/15", "2015-02-18T25:00"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match=r"date|year"):
        parse_time(text)


def test_durations_and_times_of_day():
    texts = ("PT8H30M0S", "P1DT16H", "-PT1H", "P0Y0M0DT8H0M0S", "P2W")
    assert [duration_hours(text) for text in texts] == [8.5, 40, -1, 8, 336]
    assert (minute_of_day("08:00"), minute_of_day("00:00", closing=True), minute_of_day("23:59:59")) == (
        480,
        1440,
        1440,
    )
    for text in ("P1Y", "PT", "8h", "P"):
        with pytest.raises(ValueError, match=r"duration|fixed length"):
            duration_hours(text)


PMXML = """<?xml version="1.0" encoding="UTF-8"?>
<APIBusinessObjects xmlns="http://xmlns.oracle.com/Primavera/P6/V19.12/API/BusinessObjects">
<ActivityCodeType><ObjectId>70</ObjectId><Name>Storey</Name></ActivityCodeType>
<ActivityCode><ObjectId>71</ObjectId><CodeTypeObjectId>70</CodeTypeObjectId><CodeValue>01</CodeValue>
 <Description>First</Description></ActivityCode>
<Calendar><ObjectId>10</ObjectId><Name>Week</Name><Type>Global</Type><IsDefault>1</IsDefault><StandardWorkWeek>{week}
</StandardWorkWeek><HolidayOrExceptions><HolidayOrException><Date>2026-03-03T00:00:00</Date></HolidayOrException>
</HolidayOrExceptions></Calendar>
<Resource><ObjectId>50</ObjectId><Id>CARP</Id><Name>Carpenter</Name><ResourceType>Labor</ResourceType></Resource>
<Project><ObjectId>1</ObjectId><Id>P</Id><Name>Project</Name><DataDate>2026-03-02T08:00:00</DataDate>
<ActivityDefaultCalendarObjectId>10</ActivityDefaultCalendarObjectId>
<ScheduleOptions><RelationshipLagCalendar>24 Hour Calendar</RelationshipLagCalendar></ScheduleOptions>
<WBS><ObjectId>5</ObjectId><Code>A</Code><Name>Raft</Name></WBS>
<WBS><ObjectId>6</ObjectId><ParentObjectId>5</ParentObjectId><Code>1</Code><Name>Slab</Name></WBS>
<Activity><ObjectId>100</ObjectId><Id>A100</Id><Name>Formwork</Name>
<Type>Task Dependent</Type><WBSObjectId>6</WBSObjectId>
<Status>Not Started</Status><CalendarObjectId>10</CalendarObjectId><PlannedDuration>16</PlannedDuration>
<RemainingDuration>16</RemainingDuration><PlannedStartDate>2026-03-02T08:00:00</PlannedStartDate>
<PlannedFinishDate>2026-03-04T17:00:00</PlannedFinishDate><PercentCompleteType>Physical</PercentCompleteType>
<PhysicalPercentComplete>0.25</PhysicalPercentComplete>
<RemainingEarlyFinishDate>2026-03-04T17:00:00</RemainingEarlyFinishDate>
<Code><TypeObjectId>70</TypeObjectId><ValueObjectId>71</ValueObjectId></Code></Activity>
<Activity><ObjectId>101</ObjectId><Id>A101</Id><Name>Pour</Name><Type>Task Dependent</Type><WBSObjectId>6</WBSObjectId>
<Status>Not Started</Status><PlannedDuration>8</PlannedDuration><RemainingDuration>8</RemainingDuration>
<PrimaryConstraintType>Start On or After</PrimaryConstraintType>
<PrimaryConstraintDate>2026-03-06T08:00:00</PrimaryConstraintDate></Activity>
<Relationship><PredecessorActivityObjectId>100</PredecessorActivityObjectId>
<SuccessorActivityObjectId>101</SuccessorActivityObjectId><Type>Finish to Start</Type><Lag>24</Lag></Relationship>
<ResourceAssignment><ObjectId>9</ObjectId><ActivityObjectId>100</ActivityObjectId><ResourceObjectId>50</ResourceObjectId>
<PlannedUnits>16</PlannedUnits></ResourceAssignment></Project>
<BaselineProject><ObjectId>2</ObjectId><OriginalProjectObjectId>1</OriginalProjectObjectId><Name>B1</Name>
<Activity><ObjectId>200</ObjectId><Id>A100</Id><PlannedStartDate>2026-02-23T08:00:00</PlannedStartDate>
<PlannedFinishDate>2026-02-24T17:00:00</PlannedFinishDate></Activity></BaselineProject></APIBusinessObjects>"""
P6_SHIFTS = "".join(
    f"<WorkTime><Start>{a}:00:00</Start><Finish>{b}:59:00</Finish></WorkTime>" for a, b in (("08", "11"), ("13", "16"))
)
P6_WEEK = "".join(
    f"<StandardWorkHours><DayOfWeek>{day}</DayOfWeek>{P6_SHIFTS if at < 5 else ''}</StandardWorkHours>"
    for at, day in enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"))
)


def test_pmxml_gives_the_same_tables_as_the_other_tools(written):
    schedule = read_schedule(written("p.xml", PMXML.format(week=P6_WEEK)))
    one, two = schedule.tasks.to_pylist()
    assert (one["code"], one["wbs_code"], one["duration_h"], one["percent"]) == ("A100", "A.1", 16, 25)
    assert (two["constraint"], two["constraint_at"]) == ("start_no_earlier", datetime(2026, 3, 6, 8))
    assert schedule.about.lag_calendar == "24h"
    monday = next(row for row in schedule["work_times"].to_pylist() if row["weekday"] == 0)
    assert monday["minutes"] == [480, 720, 780, 1020]
    holiday = next(row for row in schedule["work_times"].to_pylist() if row["first"] is not None)
    assert (holiday["first"], holiday["minutes"]) == (date(2026, 3, 3), [])
    (baseline,) = schedule["baselines"].to_pylist()
    assert (baseline["task"], baseline["name"], baseline["finish"]) == ("100", "B1", datetime(2026, 2, 24, 17))
    assert schedule["codes"].to_pylist()[0]["value"] == "01"
    assert schedule["assignments"].to_pylist()[0]["resource"] == "50"
    dates = compute(schedule).table.to_pylist()
    assert dates[0]["early_finish"] == datetime(2026, 3, 4, 17)
    assert dates[1]["early_start"] == datetime(2026, 3, 6, 8)


def test_pmxml_of_another_link_type_or_day_is_refused(written):
    for old, new, field in (("Finish to Start", "Sideways", "Relationship, Type"), ("Monday", "Moonday", "Week")):
        with pytest.raises(ScheduleError) as refusal:
            read_schedule(written("p.xml", PMXML.format(week=P6_WEEK).replace(old, new, 1)))
        assert field in refusal.value.field
