"""The alarms of a day, measured against EEMUA 191."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from twin.alarms.states import PRIORITIES
from twin.reports.document import Bars, Figure, Section, Table
from twin.reports.period import Period
from twin.reports.settings import ReportSettings
from twin.reports.words import Words

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["build", "by_hour", "frequent_table", "key_figures"]

_PEAK_MAX: Final = 10  # in ten minutes
_FLOOD_SHARE_MAX: Final = 0.01
_SHARES: Final = {"high": 0.05, "medium": 0.15, "low": 0.80}
_STEPS_MAX: Final = 40


def build(twin: "Twin", _settings: ReportSettings, period: Period, words: Words) -> tuple[list[Section], list[str]]:
    """Figures, when they rang, priorities, what rings most, and what people did."""
    found = twin.alarms.figures(period.start_us, period.end_us)
    total = max(1, found["raised"])
    rows = [
        [words(name), str(found["priorities"][name]), words.percent(found["priorities"][name] / total),
         words.percent(_SHARES[name]) if name in _SHARES else "–"]
        for name in PRIORITIES
    ]  # fmt: skip
    priorities = Table([words("priority"), words("count"), words("share"), words("target")], rows, [1, 2, 3])
    sections = [
        Section(words("alarms"), figures=key_figures(found, words), charts=[by_hour(twin, period, words)]),
        Section(words("priority"), tables=[priorities]),
        Section(words("frequent"), tables=[frequent_table(found, words)]),
        Section(words("operators"), tables=[_steps(twin, period, words)]),
    ]
    return sections, [f"{words('target')}: EEMUA 191, ISA-18.2"]


def key_figures(found: dict[str, Any], words: Words) -> list[Figure]:
    """The rates, each beside its target."""
    rate, most, peak = found["per_hour"], found["acceptable_per_hour"], found["peak_10_min"]
    return [
        Figure(words("alarms_raised"), words.number(found["raised"])),
        Figure(words("alarms_per_hour"), words.number(rate, 1), words("at_most", n=words.number(most)), rate > most),
        Figure(words("peak"), str(peak), words("at_most", n=_PEAK_MAX), peak > _PEAK_MAX),
        Figure(
            words("flood"), words.percent(found["flood_share"], 1), words("at_most", n=words.percent(_FLOOD_SHARE_MAX)),
            found["flood_share"] > _FLOOD_SHARE_MAX,
        ),
        Figure(words("acknowledged_in"), words.duration(found["median_s_to_acknowledge"])),
        Figure(words("chattering"), str(len(found["chattering"])), mark=bool(found["chattering"])),
        Figure(words("standing"), str(len(found["standing_over_a_day"])), mark=bool(found["standing_over_a_day"])),
        Figure(words("shelved"), str(found["shelved"]), words("now")),
        Figure(words("suppressed"), str(found["suppressed"]), words("now")),
        Figure(words("service"), str(found["out_of_service"]), words("now")),
    ]  # fmt: skip


def by_hour(twin: "Twin", period: Period, words: Words) -> Bars:
    """How many rang in each hour."""
    with twin.store.cursor() as cursor:
        found = cursor.execute(
            'SELECT epoch_us("at") AS at FROM alarm_journal WHERE "at" >= make_timestamptz(?::BIGINT)'
            " AND \"at\" < make_timestamptz(?::BIGINT) AND what = 'raised' AND state = 'unacknowledged'",
            [period.start_us, period.end_us],
        ).fetchnumpy()["at"]
    counts, _ = np.histogram(found.astype(np.int64), np.array(period.hours_us, np.int64))
    labels = [words.clock(start) for start in period.hours_us[:-1]]
    return Bars(words("alarms_by_hour"), "", labels, {words("alarms"): [float(count) for count in counts]})


def frequent_table(found: dict[str, Any], words: Words) -> Table:
    """Which rang most."""
    rows = [[one["key"], str(one["count"])] for one in found["most_frequent"]]
    return Table([words("alarm"), words("count")], rows, [1])


def _steps(twin: "Twin", period: Period, words: Words) -> Table:
    steps, total = twin.alarms.book.journal(None, period.start_us, period.end_us, 5_000, 0)
    done = [step for step in steps if step["by"]]
    book = twin.alarms.book
    rows = [
        [str(step["at"])[11:16], str(step["by"]), str(step["what"]), book.get(step["alarm"]).definition.key,
         str(step["note"])]
        for step in done[:_STEPS_MAX]
    ]  # fmt: skip
    more = words("more", n=len(done) - _STEPS_MAX) if len(done) > _STEPS_MAX and total else ""
    return Table([f"{words('when')} (UTC)", words("by"), words("steps"), words("alarm"), words("text")], rows, [], more)
