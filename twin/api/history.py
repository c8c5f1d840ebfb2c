"""GET /history: a point's past, downsampled so that no peak is lost."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from twin.api.arrow import ARROW_MEDIA
from twin.api.errors import ProblemError
from twin.api.history_file import PARQUET_MEDIA, parquet_of
from twin.api.operation import Call, Operation, Time, micros
from twin.core import Twin
from twin.errors import NotFoundError
from twin.history import Series
from twin.live_frames import table_values
from twin.times import iso
from wire.limits import HISTORY_BUCKETS_MAX, HISTORY_POINTS_AT_ONCE, HISTORY_POINTS_MAX, HISTORY_RAW_ROWS_MAX

__all__ = ["OPERATIONS"]

_SPAN_US = 24 * 3_600_000_000  # without `from`: the last day before `to`
_SCHEMA = pa.schema(
    [("point", pa.uint32()), ("ts", pa.timestamp("us", "UTC")), ("value", pa.float64()), ("quality", pa.uint8())]
)


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`point` is an id or a key, and may stand several times.

    `carry` asks for the row that held when the range began; by default a state's is given, a value's is not.
    """

    point: Annotated[list[str], Meta(min_length=1, max_length=HISTORY_POINTS_MAX)]
    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    width: Annotated[int, Meta(ge=2, le=HISTORY_BUCKETS_MAX)] = 1_000
    agg: Literal["minmax", "avg", "raw"] = "minmax"
    known_at: Time | None = None
    carry: bool | None = None
    format: Literal["json", "arrow", "parquet"] = "json"


class CarriedRow(msgspec.Struct):
    """The last row before the range, at its own time."""

    t: float
    v: Any
    quality: int


class SeriesView(msgspec.Struct):
    """One point's series as columns: `t` in milliseconds since 1970; null where a value is no number.

    `carried` is the row that held at `from`: null when it was not asked for, when a row stands at `from` itself,
    and when nothing was known before. It is not one of the rows.
    """

    point: int
    unit: str
    kind: str
    t: list[float]
    v: list[Any]
    quality: list[int]
    source_rows: int
    downsampled: bool
    carried: CarriedRow | None = None


class History(msgspec.Struct):
    """The series of one call."""

    from_: str | None = msgspec.field(name="from")
    to: str | None
    series: list[SeriesView]


async def show_history(call: Call[HistoryQuery, None]) -> History | Response:
    """The past of some points."""
    query, twin = call.query, call.twin
    to_us = micros(query.to) if query.to else twin.clock.wall_us()
    from_us = micros(query.from_) if query.from_ else to_us - _SPAN_US
    if from_us >= to_us:
        raise ProblemError("`from` lies not before `to`", field="from", fix="give an earlier `from`")
    views = []
    for name in dict.fromkeys(query.point):
        view = twin.directory.find(name)
        if view is None:
            raise NotFoundError(f"no point {name[:120]!r}", field="point", fix="GET /api/v1/points?q=… finds points")
        views.append(view)
    series = await asyncio.to_thread(_read, twin, [view.id for view in views], from_us, to_us, query)
    if query.format == "arrow":
        return StreamingResponse(_arrow(series), media_type=ARROW_MEDIA)
    kinds = {view.id: view for view in views}
    if query.format == "parquet":
        return Response(await asyncio.to_thread(parquet_of, series, kinds), media_type=PARQUET_MEDIA)
    shown = await asyncio.to_thread(lambda: [_shown(s, kinds[s.point]) for s in series])
    await asyncio.to_thread(_carry, twin, shown, from_us, query)
    return History(iso(from_us), iso(to_us), shown)


def _read(twin: Twin, points: list[int], from_us: int, to_us: int, query: HistoryQuery) -> list[Series]:
    """A few points at a time, so that memory is bounded whatever is asked."""
    known_us = micros(query.known_at) if query.known_at else None
    width = None if query.agg == "raw" else query.width
    found: list[Series] = []
    rows = 0
    for start in range(0, len(points), HISTORY_POINTS_AT_ONCE):
        ids = points[start : start + HISTORY_POINTS_AT_ONCE]
        if query.agg == "raw":
            rows += twin.store.count_rows(ids, from_us, to_us, enough=HISTORY_RAW_ROWS_MAX - rows)
            if rows > HISTORY_RAW_ROWS_MAX:
                fix = "shorten the range, or let agg=minmax keep the peaks"
                raise ProblemError(f"more than {HISTORY_RAW_ROWS_MAX} rows", field="agg", fix=fix)
        found += twin.store.history(ids, from_us, to_us, width=width, agg=query.agg, known_at_us=known_us)
    return found


def _carry(twin: Twin, shown: list[SeriesView], from_us: int, query: HistoryQuery) -> None:
    wanted = {s.point: s for s in shown if (s.kind == "state" if query.carry is None else query.carry)}
    open_ = {point: s for point, s in wanted.items() if not s.t or s.t[0] * 1_000 > from_us}
    if not open_:
        return
    known_us = micros(query.known_at) if query.known_at else None
    held = twin.store.state_at(from_us - 1, known_at_us=known_us, point_ids=list(open_))
    for point, ts_us, value, quality in zip(
        held.point.tolist(), held.ts_us.tolist(), table_values(held), held.quality.tolist(), strict=True
    ):
        open_[point].carried = CarriedRow(ts_us / 1_000, value, quality)


def _shown(series: Series, view: Any) -> SeriesView:
    values = series.values.tolist() if isinstance(series.values, np.ndarray) else list(series.values)
    return SeriesView(
        point=series.point,
        unit=view.unit,
        kind=view.kind,
        t=(series.ts_us / 1_000).tolist(),
        v=values,
        quality=series.quality.tolist(),
        source_rows=series.source_rows,
        downsampled=series.downsampled,
    )


def _arrow(series: list[Series]) -> Iterator[bytes]:
    """One IPC stream, a batch a series. Series of text are left out: their values are no numbers."""
    sink = pa.BufferOutputStream()
    writer = pa.ipc.new_stream(sink, _SCHEMA)
    for one in series:
        values = np.asarray(one.values)
        if values.dtype.kind not in "fiub":
            continue
        columns = [
            pa.array(np.full(len(one.ts_us), one.point, np.uint32)),
            pa.array(one.ts_us, pa.timestamp("us", "UTC")),
            pa.array(values.astype(np.float64)),
            pa.array(one.quality.astype(np.uint8)),
        ]
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
    writer.close()
    data = memoryview(sink.getvalue())
    for start in range(0, len(data), 1 << 20):
        yield bytes(data[start : start + (1 << 20)])


OPERATIONS = [
    Operation(
        "GET", "/history", show_history, "series of some points", HistoryQuery, answer=History,
        media=("application/json", ARROW_MEDIA, PARQUET_MEDIA),
    ),
]  # fmt: skip
