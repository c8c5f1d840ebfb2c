"""What a scoring child has missed, read again from the store: exactly after a short absence, as means of rows for days.

A child without a state learns from the last days that are stored, so scoring begins with what is known already.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pyarrow as pa

from twin.lookup import number
from twin.store import Store
from wire.clock import Clock
from wire.quality import UNUSABLE
from wire.schemas import READINGS, schema

__all__ = ["ScoringHistory"]

SPAN_US_MAX: Final = 3 * 86_400_000_000
EXACT_US_MAX: Final = 3_600_000_000
ROWS_MAX: Final = 30_000_000  # of the store, read for a start: ten seconds of DuckDB
EXACT_ROWS_MAX: Final = 2_000_000
_PART_US: Final = 3_600_000_000
_EXACT_PART_US: Final = 600_000_000


class ScoringHistory:
    """Callable with the time up to which is scored (µs), None for never: yields (readings, until, exact)."""

    def __init__(self, store: Store, clock: Clock, row_s: Callable[[], float]) -> None:
        self._store, self._clock, self._row_s = store, clock, row_s

    async def __call__(self, scored_us: int | None) -> AsyncIterator[tuple[pa.RecordBatch, int, bool]]:
        """In the order of time, up to now."""
        now_us = self._clock.wall_us()
        start_us, exact = await asyncio.to_thread(self._plan, scored_us, now_us)
        part_us = _EXACT_PART_US if exact else _PART_US
        while start_us < now_us:
            end_us = min(start_us + part_us, now_us)
            rows = await asyncio.to_thread(self._read, start_us, end_us, exact)
            if rows.num_rows:
                yield rows, end_us, exact
            start_us = end_us

    def _plan(self, scored_us: int | None, now_us: int) -> tuple[int, bool]:
        """From when to read, and whether reading by reading."""
        if scored_us is not None and now_us - scored_us <= EXACT_US_MAX:
            return min(scored_us, now_us), True
        with self._store.cursor() as cursor:
            recent = number(
                cursor,
                "SELECT count(*) FROM readings_warm WHERE ts >= make_timestamptz(?::BIGINT)",
                [now_us - _PART_US],
            )
            oldest = cursor.execute("SELECT epoch_us(min(ts)) FROM readings").fetchall()[0][0]
        if oldest is None:
            return now_us, True
        span_us = min(SPAN_US_MAX, ROWS_MAX * _PART_US // max(recent, 1))
        start_us = max(now_us - span_us, oldest, scored_us or 0)
        return min(start_us, now_us), (now_us - start_us <= EXACT_US_MAX and recent <= EXACT_ROWS_MAX)

    def _read(self, start_us: int, end_us: int, exact: bool) -> pa.RecordBatch:
        where = (
            "WHERE ts >= make_timestamptz($start::BIGINT) AND ts < make_timestamptz($end::BIGINT)"
            f" AND (quality & {UNUSABLE}) = 0"
        )
        values: dict[str, Any] = {"start": start_us, "end": end_us}
        if exact:
            sql = f"SELECT point, ts, value, quality FROM readings {where} ORDER BY ts"  # noqa: S608  (texts of ours)
        else:
            values["row"] = max(round(self._row_s() * 1e6), 1)
            means = "make_timestamptz(avg(epoch_us(ts))::BIGINT) AS ts, avg(value) AS value, 0::UTINYINT AS quality"
            rows = "GROUP BY point, epoch_us(ts) // $row::BIGINT ORDER BY ts"
            sql = f"SELECT point, {means} FROM readings {where} {rows}"  # noqa: S608  (likewise)
        kind = schema(READINGS)
        with self._store.cursor() as cursor:
            table: pa.Table = cursor.sql(sql, params=values).to_arrow_table()
        columns = [table.column(name).combine_chunks().cast(kind.field(name).type) for name in kind.names]
        return pa.RecordBatch.from_arrays(columns, schema=kind)
