"""Lags of links: how long after (or before) an anchor the other end lies, and on whose calendar."""

from bim.schedule.network import Edge
from bim.schedule.work_calendar import Calendars, WorkCalendar

__all__ = ["LagRule"]

_HOUR_S = 3600.0


class LagRule:
    """`rule` is the schedule's: predecessor | successor | project | 24h. Elapsed lags always run round the clock."""

    def __init__(self, rule: str, calendars: Calendars, by_node: list[WorkCalendar], work_s: list[int]) -> None:
        self._rule, self._calendars, self._by_node, self._work_s = rule, calendars, by_node, work_s

    def after(self, anchor: int, edge: Edge) -> int:
        """The moment at which the lag after `anchor` is over."""
        lag = self._seconds(edge)
        return self._moved(anchor, lag, edge) if lag else anchor

    def before(self, anchor: int, edge: Edge) -> int:
        """The latest moment after which the lag is over by `anchor`."""
        lag = self._seconds(edge)
        return self._moved(anchor, -lag, edge) if lag else anchor

    def _seconds(self, edge: Edge) -> int:
        if edge.lag_kind.endswith("percent"):
            return round(edge.lag / 100.0 * self._work_s[edge.source])
        return round(edge.lag * _HOUR_S)

    def _moved(self, anchor: int, by_s: int, edge: Edge) -> int:
        calendar = self._calendar(edge)
        done = calendar.work_at(anchor) + by_s
        return calendar.finish_at(done) if by_s > 0 else calendar.start_at(done)

    def _calendar(self, edge: Edge) -> WorkCalendar:
        if edge.lag_kind.startswith("elapsed") or self._rule == "24h":
            return self._calendars.elapsed
        if self._rule == "project":
            return self._calendars.of(None)
        return self._by_node[edge.source if self._rule == "predecessor" else edge.target]
