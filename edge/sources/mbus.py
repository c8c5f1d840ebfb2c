"""M-Bus meters (EN 13757): heat, water, gas, electricity, behind a level converter over TCP or a serial line.

[[source]]                      # tested: the sample is the config of the first test
kind = "mbus"
name = "meters"
url = "tcp://127.0.0.1:10001"   # or serial:///dev/ttyUSB0?baudrate=2400 (8E1 unless it says otherwise)
period_s = 900
meters = [
    { name = "heat-1", address = 5 },
    { name = "water-2", id = "12345678", manufacturer = "ELS" },
]

A meter stands by its primary address (1 to 250), or by its secondary one: the eight digits printed on it, with
manufacturer, version and medium where the digits alone are not unique. Of what a meter tells, the present values become
points; `storages = true` takes stored ones, too. Frames that are not whole and consistent to the last byte are refused
(ADR 0030). A meter that gives no answer has its points repeated once as stale; another meter at a known address is told
as an event. A meter's battery pays for each read-out: `period_s` is 15 minutes unless set.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec
import numpy as np

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.byte_line import ByteLine, line_spec
from edge.sources.columns import Happening, events
from edge.sources.mbus_link import MbusLink, Meter
from edge.sources.mbus_points import MeterPoints
from edge.sources.mbus_records import Answer
from edge.sources.modbus_poll import Poll
from edge.sources.running import Backoff, FieldSource, Pace
from wire.errors import ConfigError
from wire.quality import BAD

__all__ = ["SOURCE", "Mbus", "MbusConfig", "Meter"]

RETRY_S_MIN, RETRY_S_MAX = 0.2, 30.0
TRIES: Final = 3  # of a read-out; the standard asks for two repetitions


class MbusConfig(SourceConfig, tag="mbus"):
    """Config of one bus."""

    url: str
    meters: tuple[Meter, ...]
    period_s: Annotated[float, msgspec.Meta(ge=0.02, le=604_800)] = 900.0
    timeout_s: Annotated[float, msgspec.Meta(ge=0.05, le=60)] = 2.0


class Mbus(FieldSource):
    """One bus as a source; its meters are read in turn, as one line allows."""

    def __init__(self, config: MbusConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        _check(config)
        self._line = ByteLine(line_spec(config.url, baudrate=2400, parity="E"))
        self._link = MbusLink(self._line, config.timeout_s, self.health)
        self._of = {meter.name: MeterPoints(meter, self._points, config.period_s) for meter in config.meters}
        self._stale: set[str] = set()

    async def _open(self) -> None:
        self._held.callback(self._line.close)

    async def batches(self) -> AsyncIterator[Batch]:
        """One read-out of all meters a period; each meter's rows as soon as they are there."""
        pace = Pace(self._clock, self._config.period_s, self.health)
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            if not self._line.is_open:
                try:
                    await self._line.open(self._config.timeout_s)
                except SourceError as error:
                    self.health.state, self.health.why = "waiting", str(error)
                    for name in self._of:
                        for batch in self._gone(name):
                            yield batch
                    await backoff.wait()
                    pace.restart()
                    continue
            for meter in self._config.meters:
                for batch in await self._read(meter):
                    yield batch
                if not self._line.is_open:
                    break
            else:
                backoff.reset()
                await pace.rest()

    async def _read(self, meter: Meter) -> list[Batch]:
        """One meter, tried thrice; its rows, or its last ones as stale."""
        for _ in range(TRIES):
            try:
                answers = await self._link.read_out(meter)
            except SourceError as error:
                self.health.error(error.stage, f"{meter.name}: {error}")
                if not self._line.is_open:
                    break
            else:
                self._stale.discard(meter.name)
                return self._rows(meter, answers)
        if len(self._stale) + 1 >= len(self._config.meters):
            self.health.state = "waiting"
        return self._gone(meter.name)

    def _rows(self, meter: Meter, answers: list[Answer]) -> list[Batch]:
        at_us = self._clock.wall_us()
        self.health.state, self.health.last_us = "running", at_us
        poll, of = Poll(self._points), self._of[meter.name]
        told = [events([self._swapped(meter, was, answers[0], at_us)])] if (was := of.swapped(answers[0])) else []
        quality = BAD if any(answer.header.is_bad for answer in answers) else 0
        for point, value in of.rows(answers):
            if value is None:
                poll.repeat(self._last, [point], quality | BAD, at_us)
            elif isinstance(value, str):
                poll.take_texts([point], [value], at_us, quality)
            else:
                poll.take([point], np.array([value]), at_us, quality)
        if of.left_out:
            self.health.error("points", f"{meter.name} tells more kinds of records than one meter has")
            of.left_out = 0
        return [*told, *poll.batches(self._last, self.health)]

    def _swapped(self, meter: Meter, was: str, answer: Answer, at_us: int) -> Happening:
        now = answer.header.id
        text = f"another meter answers at {meter.name}: {now} where {was} did"
        self.health.error("identity", text)
        return Happening(at_us, meter.name, "meter_swapped", 2, text, {"was": was, "is": now})

    def _gone(self, name: str) -> list[Batch]:
        if name in self._stale:
            return []
        self._stale.add(name)
        return self._last.stale(self._of[name].ids, self._clock.wall_us(), self.health)


def _check(config: MbusConfig) -> None:
    if not config.meters:
        raise ConfigError("no meters", field="meters", fix="give a list of meters with an address or an id each")
    seen: dict[object, str] = {}
    for number, meter in enumerate(config.meters):
        if (meter.address is None) == (meter.id is None):
            raise ConfigError(
                f"{meter.name} needs an address or an id", field=f"meters[{number}].address", fix="give one of the two"
            )
        key = meter.address if meter.id is None else (meter.id, meter.manufacturer, meter.version, meter.medium)
        if key in seen:
            problem = f"{meter.name} has the address of {seen[key]}"
            raise ConfigError(problem, field=f"meters[{number}]", fix="give each meter its own")
        seen[key] = meter.name


SOURCE = SourceKind(MbusConfig, Mbus)
