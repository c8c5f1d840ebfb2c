"""Devices that speak lines of text on a serial port: scales, indicators, weather stations, satellite receivers.

[[source]]                      # tested: the sample is the config of the first test
kind = "serial"
name = "scale"
url = "serial:///dev/ttyUSB0?baudrate=9600"   # or tcp://host:port of a port server
form = "pattern"                # or "columns", parted by `separator`, or "nmea", whose checksum is verified
pattern = '(?P<motion>ST|US),GS,(?P<weight>[+-] *[0-9.]+) *kg'
points = [
    { metric = "weight", unit = "kg", low = 0, high = 60 },
    { metric = "motion", type = "text" },
    { metric = "target", unit = "kg", low = 0, high = 60, command = "TARGET {value}\\r\\n" },
]
ask = "W\\r\\n"                 # sent each period_s; without it the device speaks by itself
period_s = 1.0
timeout_s = 5.0

A point is told by the group of its name, or by `field`: another group, or the number of a column from 1; in NMEA by
`sentence` and `field` as well. A line that does not fit is dropped and counted. Without one that fits for `timeout_s`
every point is repeated once as stale. A command is written as it stands; its success is what the device says next.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.byte_line import ByteLine, line_spec
from edge.sources.columns import check_value
from edge.sources.row_list import RowList
from edge.sources.running import Backoff, FieldSource
from edge.sources.serial_lines import Form, LineError, LinePoint, LineSplitter, Taker, value_of
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.quality import BAD

__all__ = ["SOURCE", "Serial", "SerialConfig"]

RETRY_S_MIN, RETRY_S_MAX = 0.2, 10.0
POINTS_MAX = 200


class SerialConfig(SourceConfig, tag="serial"):
    """Config of one port."""

    url: str
    points: Annotated[tuple[LinePoint, ...], msgspec.Meta(min_length=1, max_length=POINTS_MAX)]
    form: Form = "pattern"
    pattern: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    separator: Annotated[str, msgspec.Meta(max_length=8)] = ","
    ask: Annotated[str, msgspec.Meta(max_length=256)] = ""
    period_s: Annotated[float, msgspec.Meta(ge=0.02, le=86_400)] = 1.0
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=86_400)] = 10.0


class Serial(FieldSource):
    """One port as a source."""

    def __init__(self, config: SerialConfig, context: SourceContext) -> None:
        super().__init__(config, f"nothing said on {config.url} yet")
        self._config, self._clock = config, context.clock
        self._line = ByteLine(line_spec(config.url, baudrate=9600, parity="N"))
        told = tuple(point for point in config.points if not point.command or point.field)
        self._taker = Taker(config.form, config.pattern, config.separator, told)
        self._rows = RowList(self._points)
        self._is_stale = True
        self._specs = [self._point(number, spec) for number, spec in enumerate(config.points)]

    def _point(self, number: int, spec: LinePoint) -> LinePoint:
        if not spec.metric:
            raise ConfigError("is missing", field=f"points[{number}].metric", fix="name the point")
        about = spec.about() | {"writable": bool(spec.command), "period_s": self._config.period_s}
        if spec.type == "text":
            about |= {"unit": "", "low": None, "high": None}
        device = self._config.device or self._config.name
        self._points.add(device, spec.metric, kind="state" if spec.type == "text" else "value", **about)
        return spec

    async def _open(self) -> None:
        self._held.callback(self._line.close)

    async def batches(self) -> AsyncIterator[Batch]:
        """What each piece of text tells."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            try:
                await self._line.open(min(self._config.timeout_s, 10.0))
                async for lines in self._lines():
                    backoff.reset()
                    self._take(lines)
                    for batch in self._rows.batches(self._last, self.health):
                        yield batch
            except SourceError as error:
                if self.health.state == "running":
                    self.health.error(error.stage, error.detail)
                self.health.why = str(error)
            self._line.close()
            self.health.state = "waiting"
            for batch in self._stale():
                yield batch
            await backoff.wait()

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Send the point's command."""
        check_value(point, value)
        word = str(value).lower() if isinstance(value, bool) else f"{value}"
        if not word.isprintable():
            raise SourceError("write", f"{point.key}: a command is one line of text")
        try:
            await self._line.write(self._specs[point.id].command.replace("{value}", word).encode())
        except SourceError as error:
            self.health.error("write", f"{point.key}: {error.detail}")
            raise SourceError("write", f"{point.key}: {error.detail}") from error

    async def _lines(self) -> AsyncIterator[list[tuple[str, dict[str, str]]]]:
        """Lines that fit, with what they are made of; SourceError when none comes in time, however much else does."""
        splitter, ask_s = LineSplitter(), self._clock.monotonic_s()
        silent_s = ask_s + self._config.timeout_s
        while True:
            now_s = self._clock.monotonic_s()
            if self._config.ask and now_s >= ask_s:
                await self._line.write(self._config.ask.encode())
                ask_s = max(ask_s + self._config.period_s, now_s)
            if now_s >= silent_s:
                raise SourceError("read", f"no line that fits in {self._config.timeout_s:g} s")
            until_s = min(silent_s, ask_s) if self._config.ask else silent_s
            try:
                async with asyncio.timeout(max(0.0, until_s - now_s)):
                    data = await self._line.read_some()
            except TimeoutError:
                continue
            skipped = splitter.skipped
            if found := [fields for line in splitter.feed(data) if (fields := self._fields(line)) is not None]:
                silent_s = self._clock.monotonic_s() + self._config.timeout_s
                yield found
            if splitter.skipped > skipped:
                self._drop(f"{splitter.skipped - skipped} bytes without the end of a line")

    def _fields(self, line: str) -> tuple[str, dict[str, str]] | None:
        try:
            kind, fields = self._taker.fields(line)
        except LineError as error:
            self._drop(str(error))
            return None
        return kind, dict(fields)

    def _take(self, lines: list[tuple[str, dict[str, str]]]) -> None:
        at_us = self._clock.wall_us()
        for number, (kind, fields) in enumerate(lines):
            for point, spec in enumerate(self._specs):
                if spec.sentence != kind or (spec.command and not spec.field):
                    continue
                try:
                    value = value_of(spec, fields)
                except LineError as error:
                    self.health.error("decode", str(error))
                    self._rows.add(point, at_us + number, "" if spec.type == "text" else float("nan"), BAD)
                    continue
                if value is not None:
                    self._rows.add(point, at_us + number, value)
        self.health.state, self.health.last_us, self._is_stale = "running", at_us, False

    def _drop(self, why: str) -> None:
        self.health.received += 1
        self.health.discarded += 1
        self.health.error("decode", why)

    def _stale(self) -> list[Batch]:
        if self._is_stale:
            return []
        self._is_stale = True
        return self._last.stale(range(len(self._points.points)), self._clock.wall_us(), self.health)


SOURCE = SourceKind(SerialConfig, Serial)
