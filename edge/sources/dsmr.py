"""Smart meters by their P1 port (DSMR, ESMR, eMUCS): a serial cable or a port server.

[[source]]                      # tested: the sample is the config of the first test
kind = "dsmr"
name = "grid"
url = "tcp://127.0.0.1:8899"    # or serial:///dev/ttyUSB0; before DSMR 4 ?baudrate=9600&parity=E&bytesize=7
timeout_s = 30

The meter speaks by itself, each second or every ten. Its codes become points: energies by tariff and direction, powers,
voltages and currents by phase, tariff, failures, and the gas, water or heat meters behind it (`gas_1`), whose value is
told again only when the meter has read it anew. A telegram with a wrong CRC is dropped and counted. Without a telegram
for `timeout_s` every point is repeated once as stale.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.byte_line import ByteLine, line_spec
from edge.sources.columns import PointSpec
from edge.sources.dsmr_telegram import Line, Meaning, TelegramError, Telegrams, decode_telegram, meaning, number
from edge.sources.modbus_poll import Poll
from edge.sources.running import Backoff, FieldSource
from wire.errors import UserError
from wire.quality import BAD
from wire.units import canonical, convert

__all__ = ["SOURCE", "Dsmr", "DsmrConfig"]

RETRY_S_MIN, RETRY_S_MAX = 0.2, 10.0
TELEGRAMS_MAX: Final = 20  # a second; meters send one
_CHILD_TYPE: Final = "24.1.0"


class DsmrConfig(SourceConfig, tag="dsmr"):
    """Config of one meter; `points` say more about its metrics."""

    url: str
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=3_600)] = 30.0
    points: tuple[PointSpec, ...] = ()


class Dsmr(FieldSource):
    """One P1 port as a source."""

    def __init__(self, config: DsmrConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        self._line = ByteLine(line_spec(config.url, baudrate=115_200, parity="N"))
        self._device = config.device or config.name
        self._told = {spec.metric: spec for spec in config.points}
        self._known: dict[str, int] = {}
        self._captured: dict[str, tuple[str, ...]] = {}
        self._is_stale = True
        self._second, self._count = 0, 0

    async def _open(self) -> None:
        self._held.callback(self._line.close)

    async def batches(self) -> AsyncIterator[Batch]:
        """A batch of readings and one of states a telegram."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            try:
                await self._line.open(min(self._config.timeout_s, 10.0))
                async for lines in self._telegrams():
                    backoff.reset()
                    for batch in self._take(lines):
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

    async def _telegrams(self) -> AsyncIterator[list[Line]]:
        """Legal telegrams of one connection; SourceError when none comes in time, however much else does."""
        reader, heard_s = Telegrams(), self._clock.monotonic_s()
        while True:
            try:
                async with asyncio.timeout(max(0.0, heard_s + self._config.timeout_s - self._clock.monotonic_s())):
                    data = await self._line.read_some()
            except TimeoutError:
                raise SourceError("read", f"no telegram in {self._config.timeout_s:g} s") from None
            skipped = reader.skipped
            for telegram in reader.feed(data):
                if lines := self._decoded(telegram):
                    heard_s = self._clock.monotonic_s()
                    yield lines
            if reader.skipped > skipped:
                self.health.error("decode", f"{reader.skipped - skipped} bytes between telegrams")

    def _decoded(self, telegram: bytes) -> list[Line]:
        second = int(self._clock.monotonic_s())
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        if self._count > TELEGRAMS_MAX:
            self.health.error("flood", f"more than {TELEGRAMS_MAX} telegrams a second")
            return []
        try:
            return decode_telegram(telegram)
        except TelegramError as error:
            self.health.error("decode", str(error))
            return []

    def _take(self, lines: list[Line]) -> list[Batch]:
        children = _children(lines)
        at_us, poll = self._clock.wall_us(), Poll(self._points)
        for line in lines:
            what = meaning(line.code, children)
            if what is None or not line.values or self._is_repeated(line):
                continue
            self._row(poll, line, what, at_us)
        self.health.state, self.health.last_us, self._is_stale = "running", at_us, False
        return poll.batches(self._last, self.health)

    def _is_repeated(self, line: Line) -> bool:
        """Of a meter behind the meter: whether it has not been read anew since."""
        if len(line.values) < 2:
            return False
        was, self._captured[line.code] = self._captured.get(line.code), line.values
        return was == line.values

    def _row(self, poll: Poll, line: Line, what: Meaning, at_us: int) -> None:
        told = line.values[-1]
        if what.kind == "text":
            poll.take_texts([self._point(what, "")], [_text(told)], at_us)
            return
        found = number(told)
        if found is None:
            if told:
                self.health.error("decode", f"{line.code}: {told[:40]!r} is no number")
            return
        unit = found[1] or (line.values[-2] if line.code.endswith("24.3.0") and len(line.values) > 1 else "")
        try:
            value = convert(found[0], unit, what.unit) if unit and what.unit else found[0]
            point = self._point(what, canonical(unit) if unit and not what.unit else what.unit)
        except UserError:
            if what.metric == "power_limit":  # of old meters in ampere
                return
            poll.take([self._point(what, what.unit)], np.array([found[0]]), at_us, BAD)
            self.health.error("decode", f"{line.code}: unit {unit!r} is not {what.unit!r}")
            return
        poll.take([point], np.array([value]), at_us)

    def _point(self, what: Meaning, unit: str) -> int:
        if what.metric not in self._known:
            about: dict[str, Any] = {"unit": unit, "point_class": what.point_class}
            if told := self._told.get(what.metric):
                about |= {field: value for field, value in told.about().items() if value not in (None, "", unit)}
                about["unit"] = unit
            kind = "state" if what.kind == "text" else "value"
            self._known[what.metric] = self._points.add(self._device, what.metric, kind=kind, **about)  # type: ignore[arg-type]
        return self._known[what.metric]

    def _stale(self) -> list[Batch]:
        if self._is_stale:
            return []
        self._is_stale = True
        self._captured.clear()
        return self._last.stale(range(len(self._points.points)), self._clock.wall_us(), self.health)


def _children(lines: list[Line]) -> dict[str, int]:
    """The device type of each M-Bus channel."""
    found = {}
    for line in lines:
        medium, _, rest = line.code.partition(":")
        if rest == _CHILD_TYPE and line.values and line.values[0].isdecimal():
            found[medium.partition("-")[2]] = int(line.values[0])
    return found


def _text(hexed: str) -> str:
    """Texts come as hexadecimal ASCII."""
    try:
        return bytes.fromhex(hexed).decode("latin-1")
    except ValueError:
        return hexed


SOURCE = SourceKind(DsmrConfig, Dsmr)
