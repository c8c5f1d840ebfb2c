"""What hangs on the activities of an XER file: activity codes, user fields, resources and their assignments."""

from bim.schedule.build import Draft
from bim.schedule.rows import Assignment, Code, Resource
from bim.schedule.times import parse_finish, parse_time
from bim.schedule.xer_text import XerText

__all__ = ["read_codes", "read_resources"]

_RESOURCE = {"RT_Labor": "labour", "RT_Equip": "equipment", "RT_Mat": "material"}


def read_codes(xer: XerText, draft: Draft) -> None:
    """Activity codes and user fields of tasks; raises ScheduleError."""
    types = {row.text("actv_code_type_id"): row.text("actv_code_type") for row in xer.rows("ACTVTYPE")}
    codes = {row.text("actv_code_id"): row for row in xer.rows("ACTVCODE")}
    for row in xer.rows("TASKACTV"):
        code, name = codes.get(row.text("actv_code_id")), types.get(row.text("actv_code_type_id"), "")
        if code is not None:
            value, text = code.text("short_name"), code.text("actv_code_name")
            draft.codes.append(Code(task=row.needed("task_id"), type=name, value=value, text=text, line=row.line))
    fields = {
        row.text("udf_type_id"): row.text("udf_type_label")
        for row in xer.rows("UDFTYPE")
        if row.text("table_name") == "TASK"
    }
    for row in xer.rows("UDFVALUE"):
        label = fields.get(row.text("udf_type_id"))
        value = next((row.text(n) for n in ("udf_text", "udf_number", "udf_date", "udf_code_id") if row.text(n)), "")
        if label is not None and value:
            draft.codes.append(Code(task=row.needed("fk_id"), type=label, value=value, kind="field", line=row.line))


def read_resources(xer: XerText, draft: Draft) -> None:
    """Resources and what tasks use of them; raises ScheduleError."""
    for row in xer.rows("RSRC"):
        draft.resources.append(
            Resource(
                id=row.needed("rsrc_id"),
                code=row.text("rsrc_short_name"),
                name=row.text("rsrc_name"),
                kind=_RESOURCE.get(row.text("rsrc_type"), "labour"),
                calendar=row.optional("clndr_id"),
                line=row.line,
            )
        )
    for row in xer.rows("TASKRSRC"):
        act = [row.number("act_reg_qty"), row.number("act_ot_qty")]
        draft.assignments.append(
            Assignment(
                task=row.needed("task_id"),
                resource=row.optional("rsrc_id"),
                units=row.number("target_qty_per_hr"),
                planned=row.number("target_qty"),
                actual=sum(one for one in act if one is not None) if any(one is not None for one in act) else None,
                remaining=row.number("remain_qty"),
                start=row.parsed("target_start_date", parse_time),
                finish=row.parsed("target_end_date", parse_finish),
                line=row.line,
            )
        )
