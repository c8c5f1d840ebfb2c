"""Construction at the end of a day: planned, reported and forecast, the S-curve, what is late, what scans saw."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from twin.lookup import first
from twin.plan_views import counts_of, coverage_of, curve_of, late_of
from twin.reports.document import Figure, Lines, Section, Table
from twin.reports.period import Period
from twin.reports.settings import ReportSettings
from twin.reports.words import Words

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["build"]

_LATE_MAX: Final = 40
_STATES: Final = ("finished", "in_progress", "not_started", "unknown")


def build(twin: "Twin", _settings: ReportSettings, period: Period, words: Words) -> tuple[list[Section], list[str]]:
    """The plan as the evening knew it."""
    at_us = period.end_us
    plan = twin.plan.at()
    if plan is None:
        return [Section(words("kind_construction"), words("no_plan"))], []
    now_s = at_us // 1_000_000
    late, late_total = late_of(plan, at_us)
    coverage = coverage_of(plan, twin.plan.missing)
    curve = curve_of(plan)
    sets = {"planned": words("planned"), "actual": words("reported"), "forecast": words("forecast")}
    chart = Lines(
        words("s_curve"), "%", [moment[:10] for moment in curve.times],
        {
            sets["planned"]: [100 * one for one in curve.planned],
            sets["actual"]: [None if one is None else 100 * one for one in curve.actual],
            sets["forecast"]: [100 * one for one in curve.forecast],
        },
    )  # fmt: skip
    tables = []
    for name, counted in (("elements", counts_of(plan.elements, now_s)), ("tasks", counts_of(plan.tasks, now_s))):
        rows = [[sets[one], *(words.number(counted[one].get(state, 0)) for state in _STATES)] for one in sets]
        tables.append(Table([words(name), *(words(state) for state in _STATES)], rows, [1, 2, 3, 4]))
    figures = [
        Figure(words("late"), words.number(late_total), mark=late_total > 0),
        Figure(words("coverage"), f"{words.number(coverage.linked)} / {words.number(coverage.elements)}"),
        *_scanned(twin, at_us, words),
    ]
    rows = [
        [one.code or one.task, one.name, words(f"why_{one.why}"), _day(one.planned_finish, words),
         _day(one.forecast_finish, words), words.number(one.days_late, 1)]
        for one in late[:_LATE_MAX]
    ]  # fmt: skip
    columns = [words(name) for name in ("task", "text", "why", "planned_finish", "forecast_finish", "days_late")]
    more = words("more", n=late_total - _LATE_MAX) if late_total > _LATE_MAX else ""
    sections = [
        Section(words("kind_construction"), figures=figures, charts=[chart], tables=tables),
        Section(
            words("late"), "" if rows else words("no_entries"), tables=[Table(columns, rows, [5], more)] if rows else []
        ),
    ]
    return sections, [plan.stored.file] if getattr(plan.stored, "file", "") else []


def _scanned(twin: "Twin", at_us: int, words: Words) -> list[Figure]:
    """Elements whose newest accepted verdict up to then is built or not; simulated scans are called so."""
    with twin.store.cursor() as cursor:
        row = first(
            cursor,
            "SELECT count(*) FILTER (verdict = 'built'), count(*), bool_or(simulated) FROM (SELECT element, "
            'arg_max(verdict, "at") AS verdict, bool_or(simulated) AS simulated FROM verdicts '
            "WHERE \"at\" < make_timestamptz(?::BIGINT) AND verdict <> 'unknown' GROUP BY element)",
            [at_us],
        )
    if row is None or not row[1]:
        return []
    note = words("scans_simulated") if row[2] else ""
    return [Figure(words("built_by_scan"), f"{words.number(row[0])} / {words.number(row[1])}", note)]


def _day(text: str | None, words: Words) -> str:
    return words.day(datetime.fromisoformat(text).date()) if text else "–"
