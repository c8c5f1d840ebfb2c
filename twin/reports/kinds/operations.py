"""What happened in a day: gateways, alarms, commands and what the shift wrote."""

from typing import TYPE_CHECKING, Final

from twin.lookup import number
from twin.reports.document import Figure, Section, Table
from twin.reports.kinds.alarms import by_hour, frequent_table, key_figures
from twin.reports.period import Period
from twin.reports.settings import ReportSettings
from twin.reports.words import Words

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["build"]

_ROWS_MAX: Final = 40
_FIGURES: Final = 5  # of the alarm report's, those that a morning needs


def build(twin: "Twin", _settings: ReportSettings, period: Period, words: Words) -> tuple[list[Section], list[str]]:
    """The day on a page or two."""
    found = twin.alarms.figures(period.start_us, period.end_us)
    nodes = twin.nodes()
    online = sum(1 for node in nodes if node.online)
    with_values = int((twin.store.state_at(period.end_us - 1).ts_us >= period.start_us).sum())
    summary = [
        Figure(words("nodes_online"), f"{online} / {len(nodes)}", mark=online < len(nodes)),
        Figure(words("readings_stored"), f"{words.number(with_values)} / {words.number(len(twin.directory.views))}"),
        *key_figures(found, words)[:_FIGURES],
    ]
    silent = [[node.node, node.why_silent or "–"] for node in nodes if not node.online]
    sections = [
        Section(words("summary"), figures=summary),
        *([Section(words("nodes"), tables=[Table([words("nodes"), words("why")], silent)])] if silent else []),
        Section(words("alarms"), charts=[by_hour(twin, period, words)], tables=[frequent_table(found, words)]),
        _commands(twin, period, words),
        _log(twin, period, words),
    ]
    return sections, []


def _commands(twin: "Twin", period: Period, words: Words) -> Section:
    with twin.store.cursor() as cursor:
        total = number(cursor, f"SELECT count(*) FROM commands WHERE {_IN}", _range(period))  # noqa: S608  (fixed names)
        rows = cursor.execute(
            f'SELECT epoch_us(issued), "by", point, value, status FROM commands WHERE {_IN} ORDER BY issued LIMIT ?',  # noqa: S608  (fixed names)
            [*_range(period), _ROWS_MAX],
        ).fetchall()
    cells = [[words.clock(at), str(by), str(key), str(value), str(status)] for at, by, key, value, status in rows]
    columns = [words("when"), words("by"), words("point"), words("what"), words("result")]
    more = words("more", n=total - _ROWS_MAX) if total > _ROWS_MAX else ""
    text = "" if cells else words("no_entries")
    return Section(words("commands"), text, tables=[Table(columns, cells, [], more)] if cells else [])


def _log(twin: "Twin", period: Period, words: Words) -> Section:
    entries = twin.shift.entries(period.start_us, period.end_us, limit=_ROWS_MAX)
    handovers = twin.shift.handovers(period.start_us, period.end_us, limit=_ROWS_MAX)
    rows = [[words.clock(one.at_us), one.by, one.text] for one in entries]
    tables = [Table([words("when"), words("by"), words("text")], rows)] if rows else []
    if handovers:
        given = [[words.clock(one.at_us), f"{one.giver} → {one.taker or '–'}", one.note] for one in handovers]
        tables.append(Table([words("handovers"), words("by"), words("text")], given))
    return Section(words("log"), "" if tables else words("no_entries"), tables=tables)


_IN: Final = "issued >= make_timestamptz(?::BIGINT) AND issued < make_timestamptz(?::BIGINT)"


def _range(period: Period) -> list[int]:
    return [period.start_us, period.end_us]
