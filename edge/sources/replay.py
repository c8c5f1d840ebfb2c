"""Replay: a recorded stream through the same door as a live one. MTConnect SHDR, CSV with a time column, Parquet.

[[source]]                      # tested: the sample is the config of the first test
kind = "replay"
name = "okuma"
file = "okuma.shdr.txt"         # relative to the config file
device = "okuma"                # default: the file's name
speed = "max"                   # 1.0 = original pace, 10.0 = ten times, "max" = as fast as it is accepted

[[source]]
kind = "replay"
name = "ahu"
file = "ahu.csv"
speed = "max"
time_zone = "America/Chicago"   # of times without an offset; hours that the clock shows twice are told apart
ignore = ["Fault*"]             # columns left out, by their name in the file
columns = [                     # the first rule that matches names a column's unit, class, limits, space
    { match = "*Temperature*", unit = "[degF]", low = -40, high = 250 },
    { match = "*Fan Speed*", unit = "1" },
]

Every value keeps its own time and is flagged as historical. A number becomes a reading, anything else a state: where
one quantity says both (a feed rate that is at times UNAVAILABLE), its words are the point `<metric>_text`.
A line that cannot be read is counted as discarded, with file, line and reason; its neighbours live.
A replay that is started again, after a crash or a reboot too, goes on after the last observation that the spool has.
Another `session` (any text) starts the recording over, and so do another file and other options of reading it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceHealth, SourceKind
from edge.sources.columns import TEXT_SUFFIX, PointList, PointSpec, readings, states
from edge.sources.recording import Block, Reader
from edge.sources.recording_table import TimeColumn
from edge.sources.replay_csv import CsvReader
from edge.sources.replay_parquet import ParquetReader
from edge.sources.replay_position import Progress, identity_of
from edge.sources.replay_shdr import ShdrReader, read_devices
from wire.catalogue import Point
from wire.errors import ConfigError, InputError
from wire.quality import HISTORICAL
from wire.schemas import READINGS, STATES

__all__ = ["SOURCE", "Replay", "ReplayConfig"]

BATCH_ROWS_MAX = 65_536  # one batch of 21 bytes a row stays near a mebibyte
PRESCAN_ROWS_MAX = 2_000_000  # looked through before the start, half a second, to know which quantities are numbers
TICK_S = 0.05  # at original pace, rows due within one tick travel together

_SHDR_LINE = re.compile(rb"(?m)^\d{4}-\d\d-\d\dT[^|,;\s]*\|[^|]+\|")

Format = Literal["auto", "shdr", "csv", "parquet"]
READ_BY = (  # what decides which rows a file gives, and in which order
    "session", "format", "time_zone", "time_column", "time_format", "ignore", "ignore_last", "empty", "delimiter",
    "decimal", "devices",
)  # fmt: skip


class ColumnRule(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What to say about the recorded quantities whose name matches the glob `match`."""

    match: str


class ReplayConfig(SourceConfig, tag="replay"):
    """Config of one recording; see the sample above."""

    file: str
    session: str = ""
    format: Format = "auto"
    speed: Annotated[float, msgspec.Meta(gt=0)] | Literal["max"] = 1.0
    gap_s_max: Annotated[float, msgspec.Meta(gt=0)] = 60.0  # a pause of months is not slept through
    time_zone: str = "UTC"
    time_column: str = ""
    time_format: str = "auto"
    ignore: tuple[str, ...] = ()
    ignore_last: bool = False
    empty: Literal["keep", "skip"] = "keep"  # an empty cell is a missing value (kept as NaN) or nothing at all
    delimiter: str = ""
    decimal: str = "."
    devices: str = ""  # the MTConnect device file that explains an SHDR stream
    columns: tuple[ColumnRule, ...] = ()


class Replay:
    """One recording as a source. It ends; what follows a failure in the middle of the file is not read again."""

    def __init__(self, config: ReplayConfig, context: SourceContext) -> None:
        self.health = SourceHealth()
        self.can_wait = config.speed == "max"  # without a pace of its own it may be held back
        self._config, self._clock, self._position = config, context.clock, context.position
        self._progress = Progress(self.health)
        self._path = context.folder / config.file
        self._folder = context.folder
        self._points = PointList()
        self._reader: Reader | None = None
        self._numeric: set[str] = set()
        self._ids = {False: np.zeros(0, np.int64), True: np.zeros(0, np.int64)}  # point of a series, by "is a text"
        self._started_s: float | None = None
        self._due_s = 0.0
        self._last_us: int | None = None

    async def __aenter__(self) -> Self:
        self._numeric = await asyncio.to_thread(self._prescan)
        self._reader = self._open()
        identity = identity_of(self._path, {name: getattr(self._config, name) for name in READ_BY})
        await self._progress.resume(self._position, identity)
        self.health.state = "running"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader = None

    def points(self) -> list[Point]:
        """The quantities met so far."""
        return self._points.points

    async def write(self, point: Point, value: float | str | bool) -> None:
        """A recording takes no commands."""
        raise SourceError("write", f"{point.key} is a recording")

    async def batches(self) -> AsyncIterator[Batch]:
        """The recording's readings and states, paced by `speed`, in file order."""
        assert self._reader is not None, "enter the source first"
        blocks = self._reader.blocks()
        while (block := await asyncio.to_thread(self._next, blocks)) is not None:
            self._count_rejected(block)
            for part in self._parts(block):
                if self._config.speed != "max":
                    await self._until(float(part.due[0]))
                for schema, rows in part.batches():
                    yield self._progress.batch(schema, rows)
        word = await self._progress.finish()
        if self.health.state == "running":
            self.health.state = "ended"
            self.health.why = f"{word}; {self.health.why}" if self.health.errors else word

    def _open(self) -> Reader:
        return _open(self._config, self._path, self._folder)

    def _prescan(self) -> set[str]:
        """Names of the quantities that are numbers at least once, as far as the first rows tell."""
        reader = self._open()
        numeric: set[int] = set()
        rows = 0
        for block in reader.blocks():
            is_text = _is_text(block)
            numeric.update(np.unique(block.series[~is_text]).tolist())
            rows += len(block.series)
            if rows > PRESCAN_ROWS_MAX:
                break
        return {_series_key(reader, at) for at in numeric}

    def _next(self, blocks: Iterator[Block]) -> Block | None:
        try:
            return next(blocks, None)
        except (pa.ArrowException, OSError, InputError) as error:
            self.health.error("read", f"{self._path.name}: {error}")
            self.health.state = "failed"
            return None

    def _count_rejected(self, block: Block) -> None:
        for one in block.rejected:
            self.health.error("decode", f"{self._path.name}:{one.line}: {one.reason}")
            self.health.discarded += one.count
            self.health.received += one.count

    def _parts(self, block: Block) -> Iterator["_Part"]:
        """The block as parts of rows that travel together; at full speed as few as possible."""
        is_text = _is_text(block)
        ids = self._point_ids(block.series, is_text)
        quality = np.full(len(ids), HISTORICAL, np.uint8)
        if block.quality is not None:
            quality |= block.quality
        quality[~is_text] |= self._points.flags(ids[~is_text], block.value[~is_text])
        whole = _Part(self._due(block.ts_us), ids, block.ts_us, block.value, block.text, is_text, quality)
        left = whole if (rows := self._progress.left(is_text)) is None else whole.take(rows)
        self.health.received += len(left.ids)
        self.health.last_us = self._clock.wall_us() if len(left.ids) else self.health.last_us
        for start, stop in _spans(left.due, self._config.speed):
            yield left.take(slice(start, stop))

    def _point_ids(self, series: NDArray[np.uint32], is_text: NDArray[np.bool_]) -> NDArray[np.uint32]:
        ids = np.empty(len(series), dtype=np.int64)
        for text, rows in ((False, ~is_text), (True, is_text)):
            used = np.unique(series[rows])
            table = self._ids[text]
            if len(used) and used[-1] >= len(table):
                table = self._ids[text] = np.concatenate((table, np.full(int(used[-1]) + 1 - len(table), -1)))
            for at in used[table[used] < 0]:
                table[at] = self._add_point(int(at), text=text)
            ids[rows] = table[series[rows]]
        return ids.astype(np.uint32)

    def _add_point(self, at: int, *, text: bool) -> int:
        assert self._reader is not None
        series = self._reader.series[at]
        rule = next((r for r in self._config.columns if fnmatchcase(series.name, r.match)), ColumnRule(match=""))
        about = rule.about() | {"unit": rule.unit or series.unit, "label": rule.label or series.label or series.name}
        device = self._config.device or series.device or _stem(self._path)
        metric = rule.metric or series.name
        if not text:
            return self._points.add(device, metric, **about)
        suffix = TEXT_SUFFIX if _series_key(self._reader, at) in self._numeric else ""
        about.update(unit="", low=None, high=None)
        return self._points.add(device, metric + suffix, kind="state", **about)

    def _due(self, ts_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """When each row is to leave, in seconds from the start; steps back and long pauses are cut short."""
        if not len(ts_us) or self._config.speed == "max":
            return np.zeros(len(ts_us))
        steps = np.diff(ts_us, prepend=ts_us[0] if self._last_us is None else self._last_us)
        due_s = self._due_s + np.cumsum(np.clip(steps / 1e6, 0.0, self._config.gap_s_max)) / self._config.speed
        self._due_s, self._last_us = float(due_s[-1]), int(ts_us[-1])
        return due_s

    async def _until(self, due_s: float) -> None:
        now_s = self._clock.monotonic_s()
        if self._started_s is None:
            self._started_s = now_s - due_s
        if (left_s := self._started_s + due_s - now_s) > 0:
            await asyncio.sleep(left_s)


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows (n,) in file order, and when each is due, in seconds from the start."""

    due: NDArray[np.float64]
    ids: NDArray[np.uint32]
    ts_us: NDArray[np.int64]
    value: NDArray[np.float64]
    text: pa.Array | None
    is_text: NDArray[np.bool_]
    quality: NDArray[np.uint8]

    def take(self, at: NDArray[np.int64] | slice) -> "_Part":
        """The rows `at`."""
        text = None if self.text is None else self.text[at] if isinstance(at, slice) else self.text.take(pa.array(at))
        return _Part(
            self.due[at], self.ids[at], self.ts_us[at], self.value[at], text, self.is_text[at], self.quality[at]
        )

    def batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Its readings, then its states, with their schema."""
        numbers = ~self.is_text
        if numbers.any():
            yield (
                READINGS,
                readings(self.ids[numbers], self.ts_us[numbers], self.value[numbers], self.quality[numbers]),
            )
        if self.is_text.any():
            assert self.text is not None
            words = self.text.filter(pa.array(self.is_text))
            yield STATES, states(self.ids[self.is_text], self.ts_us[self.is_text], words, self.quality[self.is_text])


def _is_text(block: Block) -> NDArray[np.bool_]:
    if block.text is None:
        return np.zeros(len(block.series), dtype=np.bool_)
    mask: NDArray[np.bool_] = pc.is_valid(block.text).to_numpy(zero_copy_only=False)
    return mask


def _spans(due_s: NDArray[np.float64], speed: float | str) -> Iterator[tuple[int, int]]:
    """Ranges of rows that travel together: due within one tick, and not more than a batch holds."""
    start = 0
    while start < len(due_s):
        stop = len(due_s) if speed == "max" else int(np.searchsorted(due_s, due_s[start] + TICK_S, side="right"))
        stop = min(stop, start + BATCH_ROWS_MAX)
        yield start, stop
        start = stop


def _series_key(reader: Reader, at: int) -> str:
    return f"{reader.series[at].device}:{reader.series[at].name}"


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _open(config: ReplayConfig, path: Path, folder: Path) -> Reader:
    """The reader of the recording's format, at its start."""
    if not path.is_file():
        raise InputError("no such recording", file=str(path), field="file", fix="give the path of a recording")
    try:
        ZoneInfo(config.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        fix = 'give a name of the tz database, such as "Europe/Bratislava"'
        raise ConfigError(f"unknown time zone {config.time_zone!r}", field="time_zone", fix=fix) from error
    times = TimeColumn(str(path), config.time_format, config.time_zone)
    ignore, keep_empty = config.ignore, config.empty == "keep"
    match _format(path) if config.format == "auto" else config.format:
        case "shdr":
            devices = read_devices(folder / config.devices) if config.devices else {}
            return ShdrReader(path, devices, config.time_zone)
        case "parquet":
            return ParquetReader(
                path, time_column=config.time_column, times=times, ignore=ignore,
                ignore_last=config.ignore_last, keep_empty=keep_empty,
            )  # fmt: skip
        case _:
            return CsvReader(
                path, time_column=config.time_column, times=times, ignore=ignore, ignore_last=config.ignore_last,
                delimiter=config.delimiter, decimal=config.decimal, keep_empty=keep_empty,
            )  # fmt: skip


def _format(path: Path) -> Format:
    """By content, for a recording seldom has a telling name."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"PAR1":
        return "parquet"
    return "shdr" if _SHDR_LINE.search(head) else "csv"


SOURCE = SourceKind(ReplayConfig, Replay)
