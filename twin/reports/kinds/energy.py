"""Energy and CO₂ of a day, with lineage: which counters, which readings, which factor and whose."""

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.reports.document import Bars, Figure, Section, Table
from twin.reports.period import Period
from twin.reports.settings import Factor, Meter, ReportSettings
from twin.reports.words import Words

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["Counted", "build", "count_up"]

_UNITS: Final = {"kW.h": 1.0, "W.h": 1e-3, "MW.h": 1e3}  # UCUM -> kWh
_METERS_MAX: Final = 200


class Counted(NamedTuple):
    """What a counter ran in a period: in all and by hour, with its ends, resets and longest silence."""

    total: float
    hours: NDArray[np.float64]
    first_us: int | None
    last_us: int | None
    resets: int
    silent_s: float


class _Metered(NamedTuple):
    meter: Meter
    key: str
    counted: Counted


def build(twin: "Twin", settings: ReportSettings, period: Period, words: Words) -> tuple[list[Section], list[str]]:
    """Totals, hours, meters with their lineage, factors with their sources."""
    metered = _metered(twin, settings, period)
    if not metered:
        return [Section(words("energy"), words("no_meters"))], []
    factors = {factor.name: factor for factor in settings.factor}
    sums = {
        role: sum(one.counted.total for one in metered if one.meter.role == role) for role in ("grid", "generation")
    }
    co2 = sum(one.counted.total * factors[one.meter.factor].kg_co2e_per_kwh for one in metered if _counts(one, factors))
    has_factor = any(_counts(one, factors) for one in metered)
    figures = [
        Figure(words("net"), words.number(sums["grid"], 1), words("kwh")),
        Figure(words("generated"), words.number(sums["generation"], 1), words("kwh")),
        Figure(words("co2"), f"{words.number(co2, 1)} kg" if has_factor else "–", "" if has_factor else "CO₂e"),
    ]
    labels = [words.clock(start) for start in period.hours_us[:-1]]
    shown = {role: words(name) for role, name in (("grid", "consumed"), ("generation", "generated"))}
    series = {shown[role]: _by_hour(metered, role) for role in shown if any(one.meter.role == role for one in metered)}
    series = series or {words("energy"): _by_hour(metered, "part")}
    chart = Bars(words("energy_by_hour"), words("kwh"), labels, series)
    sections = [
        Section(words("energy"), "" if has_factor else words("factor_missing"), figures, [chart]),
        Section(words("meters"), tables=[_meters_table(metered, factors, words)]),
        Section(words("lineage"), words("lineage_text"), tables=[_lineage(metered, words), *_factors(settings, words)]),
    ]
    return sections, []


def count_up(ts_us: NDArray[np.int64], values: NDArray[np.float64], before: float | None, period: Period) -> Counted:
    """Read a counter: rows of the period by ascending time, and its value at the beginning (None: not known).

    A value below the one before it is a reset: the counter began anew at zero, so the new value was run since then.
    """
    hours = np.array(period.hours_us, np.int64)
    is_fine = np.isfinite(values)
    ts_us, values = ts_us[is_fine], values[is_fine]
    if not len(values):
        return Counted(0.0, np.zeros(len(hours) - 1), None, None, 0, (period.end_us - period.start_us) / 1e6)
    steps = np.diff(values, prepend=values[0] if before is None else before)
    is_reset = steps < 0
    steps = np.where(is_reset, values, steps)
    by_hour, _ = np.histogram(ts_us, hours, weights=steps)
    silences = np.diff(np.concatenate([[period.start_us], ts_us, [period.end_us]]))
    return Counted(
        float(steps.sum()), by_hour, int(ts_us[0]), int(ts_us[-1]), int(is_reset.sum()), float(silences.max()) / 1e6
    )


def _metered(twin: "Twin", settings: ReportSettings, period: Period) -> list[_Metered]:
    counters = [view for view in twin.directory.views if view.unit in _UNITS and view.kind != "state"]
    meters = settings.meter or [
        Meter(view.label or view.key, view.key) for view in counters if view.point_class == "energy"
    ]
    chosen = [(meter, view) for meter in meters for view in counters if fnmatchcase(view.key, meter.points)][
        :_METERS_MAX
    ]
    if not chosen:
        return []
    ids = sorted({view.id for _, view in chosen})
    before = twin.store.state_at(period.start_us - 1, point_ids=ids)
    starts = dict(zip(before.point.tolist(), before.value.tolist(), strict=True))
    found = {one.point: one for one in twin.store.history(ids, period.start_us, period.end_us)}
    metered = []
    for meter, view in chosen:
        series, start = found[view.id], starts.get(view.id)
        start = None if start is None or not np.isfinite(start) else float(start)
        scale = _UNITS[view.unit]
        counted = count_up(series.ts_us, series.values.astype(np.float64), start, period)
        counted = counted._replace(total=counted.total * scale, hours=counted.hours * scale)
        metered.append(_Metered(meter, view.key, counted))
    return metered


def _counts(one: _Metered, factors: dict[str, Factor]) -> bool:
    return one.meter.role == "grid" and one.meter.factor in factors


def _by_hour(metered: list[_Metered], role: str) -> list[float]:
    hours = [one.counted.hours for one in metered if one.meter.role == role]
    return [float(value) for value in np.sum(hours, axis=0)]


def _meters_table(metered: list[_Metered], factors: dict[str, Factor], words: Words) -> Table:
    rows = []
    for one in metered:
        factor = factors.get(one.meter.factor)
        co2 = one.counted.total * factor.kg_co2e_per_kwh if factor is not None else None
        rows.append([one.meter.name, words.number(one.counted.total, 1), words.number(co2, 1), one.meter.factor or "–"])
    return Table([words("carrier"), words("kwh"), "kg CO₂e", words("factor")], rows, [1, 2])


def _lineage(metered: list[_Metered], words: Words) -> Table:
    rows = [
        [one.key, words.moment(one.counted.first_us), words.moment(one.counted.last_us), str(one.counted.resets),
         words.duration(one.counted.silent_s)]
        for one in metered
    ]  # fmt: skip
    columns = [words("point"), words("first_reading"), words("last_reading"), words("resets"), words("silent_gap")]
    return Table(columns, rows, [3, 4])


def _factors(settings: ReportSettings, words: Words) -> list[Table]:
    rows = [
        [one.name, words.number(one.kg_co2e_per_kwh, 4), one.source, one.valid or "–"] for one in settings.factor
    ]  # fmt: skip
    return [Table([words("factor"), "kg CO₂e/kWh", words("source"), words("when")], rows, [1])] if rows else []
