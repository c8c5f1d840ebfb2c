"""P6 XER: tables of PROJECT, TASK, TASKPRED, CALENDAR, PROJWBS, ACTVCODE, UDFVALUE, RSRC, TASKRSRC and SCHEDOPTIONS.

A project that is the baseline of another one in the file gives rows of `baselines`, no tasks.
"""

from collections import defaultdict
from datetime import datetime

from bim.schedule.build import Draft
from bim.schedule.constraints import P6_CONSTRAINTS, P6_LINKS
from bim.schedule.decode import decode
from bim.schedule.errors import ScheduleError
from bim.schedule.p6_calendar import read_calendar_text
from bim.schedule.rows import Baseline, Calendar, Link, Task, Wbs
from bim.schedule.tables import About
from bim.schedule.times import parse_finish, parse_time
from bim.schedule.wbs_paths import set_paths
from bim.schedule.xer_extras import read_codes, read_resources
from bim.schedule.xer_text import Record, XerText, read_tables

__all__ = ["read_xer"]

_KINDS = {
    "TT_Task": "task", "TT_Rsrc": "task", "TT_Mile": "start_milestone", "TT_FinMile": "finish_milestone",
    "TT_LOE": "level_of_effort", "TT_WBS": "summary",
}  # fmt: skip
_STATUS = {"TK_NotStart": "not_started", "TK_Active": "in_progress", "TK_Complete": "finished"}
_PERCENT = {"CP_Drtn": "duration", "CP_Phys": "physical", "CP_Units": "units"}
_LAG = {
    "rcal_Predecessor": "predecessor", "rcal_Successor": "successor", "rcal_24Hour": "24h",
    "rcal_ProjDefault": "project",
}  # fmt: skip
_FLOAT = {"FT_FF": "finish", "FT_SF": "start", "FT_MIN": "least"}
_SCOPE = {"CA_Base": "global", "CA_Project": "project", "CA_Rsrc": "resource"}


def read_xer(data: bytes, encoding: str = "") -> Draft:
    """Rows of one XER file; raises ScheduleError with line and field."""
    text, used, warnings = decode(data, encoding)
    xer = read_tables(text)
    baseline_of = _baselines_of(xer)
    draft = Draft(about=_about(xer, used, baseline_of), warnings=[*warnings, *xer.warnings])
    mains = [row for row in xer.rows("PROJECT") if row.text("proj_id") not in baseline_of]
    if len({row.text("last_recalc_date") for row in mains}) > 1:
        draft.warnings.append("its projects have different data dates; that of the first holds for all")
    _read_calendars(xer, draft)
    _read_wbs(xer, draft)
    _read_tasks(xer, draft, baseline_of)
    for row in xer.rows("TASKPRED"):
        draft.links.append(_link(row))
    read_codes(xer, draft)
    read_resources(xer, draft)
    return draft


def _baselines_of(xer: XerText) -> dict[str, str]:
    """Project id of each baseline in the file: the project that it is a baseline of."""
    projects = {row.needed("proj_id"): row for row in xer.rows("PROJECT")}
    found = {}
    for proj_id, row in projects.items():
        original = row.text("orig_proj_id")
        if original in projects and original != proj_id:
            found[proj_id] = original
    return found


def _about(xer: XerText, encoding: str, baseline_of: dict[str, str]) -> About:
    mains = [row for row in xer.rows("PROJECT") if row.text("proj_id") not in baseline_of]
    if not mains:
        raise ScheduleError("malformed", "it holds no project", field="PROJECT", fix="export a project from P6")
    main = mains[0]
    names = {
        row.text("proj_id"): row.text("wbs_name") for row in xer.rows("PROJWBS") if row.text("proj_node_flag") == "Y"
    }
    options = next((row for row in xer.rows("SCHEDOPTIONS") if row.text("proj_id") == main.text("proj_id")), None)
    option = options.text if options is not None else lambda _: ""
    return About(
        format="xer",
        version=xer.version,
        encoding=encoding,
        name=names.get(main.text("proj_id")) or main.text("proj_short_name"),
        projects=tuple(row.text("proj_short_name") for row in mains),
        start=main.parsed("plan_start_date", parse_time),
        finish=main.parsed("scd_end_date", parse_finish),
        must_finish=main.parsed("plan_end_date", parse_finish),
        data_date=main.parsed("last_recalc_date", parse_time),
        default_calendar=main.optional("clndr_id"),
        lag_calendar=_LAG.get(option("sched_calendar_on_relationship_lag"), "predecessor"),
        progress="override" if option("sched_progress_override") == "Y" else "retained",
        float_kind=_FLOAT.get(option("sched_float_type"), "finish"),
        critical_float_h=main.number("critical_drtn_hr_cnt") or 0.0,
        critical_by="longest_path" if main.text("critical_path_type") == "CT_DrivPath" else "float",
    )


def _read_calendars(xer: XerText, draft: Draft) -> None:
    for row in xer.rows("CALENDAR"):
        one = Calendar(
            id=row.needed("clndr_id"),
            name=row.text("clndr_name"),
            base=row.optional("base_clndr_id"),
            default=row.text("default_flag") == "Y",
            scope=_SCOPE.get(row.text("clndr_type"), "global"),
            hours_per_day=row.number("day_hr_cnt"),
            hours_per_week=row.number("week_hr_cnt"),
            line=row.line,
        )
        draft.calendars.append(one)
        found = row.parsed("clndr_data", lambda text, one=one: read_calendar_text(text, one.id, one.line))  # type: ignore[misc]
        draft.work_times.extend(found or [])


def _read_wbs(xer: XerText, draft: Draft) -> None:
    for row in xer.rows("PROJWBS"):
        draft.wbs.append(
            Wbs(
                id=row.needed("wbs_id"),
                parent=row.optional("parent_wbs_id"),
                project=row.text("proj_id"),
                code=row.text("wbs_short_name"),
                name=row.text("wbs_name"),
                line=row.line,
            )
        )
    set_paths(draft.wbs)


def _read_tasks(xer: XerText, draft: Draft, baseline_of: dict[str, str]) -> None:
    names = {row.text("proj_id"): row.text("proj_short_name") for row in xer.rows("PROJECT")}
    paths = {one.id: one.path for one in draft.wbs}
    saved: dict[tuple[str, str], list[Baseline]] = defaultdict(list)
    for row in xer.rows("TASK"):
        project = row.text("proj_id")
        if project in baseline_of:
            saved[baseline_of[project], row.text("task_code")].append(_baseline(row, names[project]))
        else:
            task = _task(row, names.get(project, project))
            task.wbs_code = paths.get(task.wbs or "", "")
            task.outline = task.wbs_code.count(".") if task.wbs_code else 0
            draft.tasks.append(task)
    for row, task in zip(
        (r for r in xer.rows("TASK") if r.text("proj_id") not in baseline_of), draft.tasks, strict=True
    ):
        for one in saved.get((row.text("proj_id"), task.code), ()):
            one.task = task.id
            draft.baselines.append(one)


def _baseline(row: Record, name: str) -> Baseline:
    return Baseline(
        task="",
        name=name,
        start=row.parsed("target_start_date", parse_time),
        finish=row.parsed("target_end_date", parse_finish),
        duration_h=row.number("target_drtn_hr_cnt"),
        work_h=row.number("target_work_qty"),
        line=row.line,
    )


def _task(row: Record, project: str) -> Task:
    status = _STATUS.get(row.text("status_code"), "not_started")
    planned = row.number("target_drtn_hr_cnt")
    remaining = row.number("remain_drtn_hr_cnt")
    actual_start, actual_finish = row.parsed("act_start_date", parse_time), row.parsed("act_end_date", parse_finish)
    task = Task(
        id=row.needed("task_id"),
        code=row.text("task_code"),
        name=row.text("task_name"),
        project=project,
        kind=_KINDS.get(row.text("task_type"), "task"),
        wbs=row.optional("wbs_id"),
        calendar=row.optional("clndr_id"),
        status=status,
        percent=_percent(row, status, planned, remaining),
        percent_kind=_PERCENT.get(row.text("complete_pct_type"), ""),
        duration_h=planned,
        remaining_h=remaining,
        planned_start=row.parsed("target_start_date", parse_time),
        planned_finish=row.parsed("target_end_date", parse_finish),
        planned_from="target",
        actual_start=actual_start,
        actual_finish=actual_finish,
        suspended=row.parsed("suspend_date", parse_time),
        resumed=row.parsed("resume_date", parse_time),
        early_start=row.parsed("early_start_date", parse_time),
        early_finish=row.parsed("early_end_date", parse_finish),
        late_start=row.parsed("late_start_date", parse_time),
        late_finish=row.parsed("late_end_date", parse_finish),
        total_float_h=row.number("total_float_hr_cnt"),
        free_float_h=row.number("free_float_hr_cnt"),
        constraint=P6_CONSTRAINTS.get(row.text("cstr_type"), ""),
        constraint_at=row.parsed("cstr_date", parse_time),
        constraint2=P6_CONSTRAINTS.get(row.text("cstr_type2"), ""),
        constraint2_at=row.parsed("cstr_date2", parse_time),
        line=row.line,
    )
    if row.text("driving_path_flag") == "Y":
        task.critical = True
    task.forecast_start = actual_start or _first(row, "restart_date", "early_start_date", "target_start_date")
    task.forecast_finish = actual_finish or _first(row, "reend_date", "early_end_date", "target_end_date")
    return task


def _first(row: Record, *names: str) -> datetime | None:
    return next((found for name in names if (found := row.parsed(name, parse_time)) is not None), None)


def _percent(row: Record, status: str, planned: float | None, remaining: float | None) -> float | None:
    """Percent complete by the kind that the activity is measured by."""
    kind = row.text("complete_pct_type")
    if kind == "CP_Phys":
        return row.number("phys_complete_pct")
    if kind == "CP_Units":
        done = (row.number("act_work_qty") or 0.0) + (row.number("act_equip_qty") or 0.0)
        rest = (row.number("remain_work_qty") or 0.0) + (row.number("remain_equip_qty") or 0.0)
        return 100.0 * done / (done + rest) if done + rest else 0.0
    if status == "finished":
        return 100.0
    if status == "not_started" or not planned or remaining is None:
        return 0.0
    return min(100.0, max(0.0, 100.0 * (planned - remaining) / planned))


def _link(row: Record) -> Link:
    kind = row.text("pred_type")
    if kind not in P6_LINKS:
        raise ScheduleError(
            "value",
            f"there is no link type {kind[:40]!r}",
            line=row.line,
            field="TASKPRED.pred_type",
            fix=f"use one of {', '.join(P6_LINKS)}",
        )
    return Link(
        predecessor=row.needed("pred_task_id"),
        successor=row.needed("task_id"),
        type=P6_LINKS[kind],
        lag_h=row.number("lag_hr_cnt") or 0.0,
        line=row.line,
    )
