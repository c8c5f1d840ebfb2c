"""SNMP v2c and v3: polls the objects of one agent (switch, UPS, PDU, printer, modem), and writes them.

[[source]]                      # tested: the sample is the config of the first test
kind = "snmp"
name = "switch"
url = "udp://127.0.0.1:161"
community = "public"            # or version = "3", user, auth_password_file, privacy_password_file
period_s = 10.0
points = [
    { oid = "1.3.6.1.2.1.1.3.0", metric = "uptime", unit = "s", scale = 0.01 },
    { oid = "1.3.6.1.2.1.2.2.1.8", metric = "link", column = true, states = { 1 = "up", 2 = "down" } },
    { oid = "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.1", metric = "outlet_1", sent_as = "integer", writable = true },
]

Single objects are asked for together, columns by GETBULK. What an agent does not have is bad and counted, and the
others go on; when it does not answer at all, every point is repeated once with its last value, flagged as stale.
Prefer v3: a community goes over the wire as it is, for everyone to read. Traps are not taken.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import numpy as np

from edge.sources import Batch, SourceContext, SourceError, SourceKind
from edge.sources.columns import check_value
from edge.sources.modbus_poll import Poll
from edge.sources.running import FieldSource, Pace
from edge.sources.snmp_link import Oid, SnmpError, SnmpLink, SnmpLogin
from edge.sources.snmp_values import SnmpPoint, number, to_send, word
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.quality import BAD

__all__ = ["SOURCE", "Snmp", "SnmpConfig"]

PORT = 161
POINTS_MAX = 1_000


class SnmpConfig(SnmpLogin, kw_only=True, tag="snmp"):
    """Config of one agent."""

    url: str
    points: Annotated[tuple[SnmpPoint, ...], msgspec.Meta(min_length=1, max_length=POINTS_MAX)]
    period_s: Annotated[float, msgspec.Meta(ge=0.05, le=86_400)] = 10.0


class Snmp(FieldSource):
    """One agent as a source."""

    def __init__(self, config: SnmpConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        self._link = SnmpLink(config, context.folder, *_address(config.url))
        self._ids: dict[Oid, int] = {}
        self._specs: dict[int, tuple[SnmpPoint, Oid]] = {}
        self._single = [(spec, _oid(spec.oid)) for spec in config.points if not spec.column]
        self._columns = [(spec, _oid(spec.oid)) for spec in config.points if spec.column]
        self._told_stale = False
        for spec, oid in self._single:
            self._point(spec, oid, spec.metric or f"o_{spec.oid.strip('.')}")

    async def _open(self) -> None:
        self._held.callback(self._link.close)

    async def batches(self) -> AsyncIterator[Batch]:
        """All objects once a period."""
        pace = Pace(self._clock, self._config.period_s, self.health)
        while True:
            for batch in await self._poll():
                yield batch
            await pace.rest()

    async def write(self, point: Point, value: float | str | bool) -> None:
        """SET one object, and wait for the agent's word."""
        check_value(point, value)
        spec, oid = self._specs[point.id]
        try:
            await self._link.set(oid, to_send(spec, value))
        except (SnmpError, OSError) as error:
            self.health.error("write", f"{point.key}: {error}")
            raise SourceError("write", f"{point.key}: {error}") from error

    async def _poll(self) -> list[Batch]:
        poll = Poll(self._points)
        try:
            await self._ask_single(poll)
            for spec, oid in self._columns:
                await self._ask_column(poll, spec, oid)
        except (SnmpError, OSError) as error:
            self.health.error("read", f"{self._config.url}: {error}")
            if self._config.version == "3":
                self._link.close()  # an agent that began anew has another clock, which must be learned
            self.health.state = "waiting"
            return self._stale()
        self.health.state, self.health.last_us, self._told_stale = "running", self._clock.wall_us(), False
        return poll.batches(self._last, self.health)

    async def _ask_single(self, poll: Poll) -> None:
        found = await self._link.get([oid for _, oid in self._single])
        now_us = self._clock.wall_us()
        for (spec, oid), value in zip(self._single, found, strict=True):
            self._take(poll, spec, self._ids[oid], value, now_us)

    async def _ask_column(self, poll: Poll, spec: SnmpPoint, oid: Oid) -> None:
        rows = await self._link.column(oid)
        now_us = self._clock.wall_us()
        here = set()
        for index, value in rows:
            name = f"{spec.metric or 'o_' + spec.oid.strip('.')}_{'_'.join(map(str, index))}"
            point = self._point(spec, oid + index, name)
            if point is not None:
                here.add(point)
                self._take(poll, spec, point, value, now_us)
        gone = [point for at, point in self._ids.items() if at[: len(oid)] == oid and point not in here]
        poll.repeat(self._last, gone, BAD, now_us)

    def _take(self, poll: Poll, spec: SnmpPoint, point: int, value: Any, now_us: int) -> None:
        said = word(spec, value) if spec.is_state else number(spec, value)
        if said is None:
            self.health.error("decode", f"{self._points.points[point].key}: {type(value).__name__}")
            poll.repeat(self._last, [point], BAD, now_us)
        elif isinstance(said, str):
            poll.take_texts([point], [said], now_us)
        else:
            poll.take([point], np.array([said]), now_us)

    def _point(self, spec: SnmpPoint, oid: Oid, metric: str) -> int | None:
        """The point of an object; None when there are too many already."""
        if oid not in self._ids:
            if len(self._ids) >= POINTS_MAX:
                self.health.error("points", f"more than {POINTS_MAX} objects; name fewer columns")
                return None
            about = spec.about() | {"writable": spec.writable, "period_s": self._config.period_s}
            if spec.states:
                about["declared"] = "enum"
            device, kind = self._config.device or self._config.name, "state" if spec.is_state else "value"
            self._ids[oid] = self._points.add(device, metric, kind=kind, **about)  # type: ignore[arg-type]
            self._specs[self._ids[oid]] = (spec, oid)
        return self._ids[oid]

    def _stale(self) -> list[Batch]:
        """Every point's last value as stale, once an outage."""
        if self._told_stale:
            return []
        self._told_stale = True
        return self._last.stale(range(len(self._points.points)), self._clock.wall_us(), self.health)


def _oid(text: str) -> Oid:
    return tuple(int(part) for part in text.strip(".").split("."))


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        if parts.scheme == "udp" and parts.hostname and not parts.path:
            return parts.hostname, parts.port or PORT
    except ValueError:
        pass
    raise ConfigError(f"{url!r} is no SNMP agent", field="url", fix="write udp://host:161")


SOURCE = SourceKind(SnmpConfig, Snmp)
