"""SHDR: an MTConnect adapter over TCP, read as an MTConnect agent reads it, with PING and PONG.

[[source]]                      # tested: the sample is the config of the first test
kind = "shdr"
name = "lathe"
url = "shdr://127.0.0.1:7878"
devices = ""                    # an MTConnect device file, which says what is a condition, and units
zone = "UTC"                    # of times without one; adapters are to use UTC
link_loss_s = 10.0              # without a PONG or any line for so long, the adapter is lost

Lines are decoded as those of a recording (`replay_shdr`). Numbers become readings, words states, UNAVAILABLE is bad.
When the link is lost every point is repeated once as stale; an adapter then tells everything anew, and what did not
change in between is told with the time of its arrival.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.columns import TEXT_SUFFIX, PointSpec
from edge.sources.link_time import LinkTime
from edge.sources.recording import Block
from edge.sources.replay_shdr import ShdrReader, read_devices
from edge.sources.row_list import RowList
from edge.sources.running import Backoff, RunningSource
from wire.errors import ConfigError, InputError

__all__ = ["SOURCE", "Shdr", "ShdrConfig"]

RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0
LINE_BYTES_MAX: Final = 1 << 20  # as in a recording; a line that never ends is no adapter's
LINES_MAX: Final = 20_000  # that wait to be decoded; the adapter then waits in its socket
SERIES_MAX: Final = 5_000
PING: Final = b"* PING\n"


class ShdrConfig(SourceConfig, tag="shdr"):
    """Config of one adapter."""

    url: str
    devices: str = ""
    zone: str = "UTC"
    link_loss_s: Annotated[float, msgspec.Meta(ge=0.3, le=3_600)] = 10.0
    points: tuple[PointSpec, ...] = ()  # what is known of points by their names in the stream


class Shdr(RunningSource):
    """One adapter as a source."""

    def __init__(self, config: ShdrConfig, context: SourceContext) -> None:
        super().__init__(config, f"no connection to {config.url} yet")
        self._config, self._time = config, LinkTime(context.clock)
        self._host, self._port = _address(config.url)
        try:
            items = read_devices(context.folder / config.devices) if config.devices else {}
            self._reader = ShdrReader(Path(config.name), items, config.zone)
        except (OSError, InputError, ValueError) as error:
            raise ConfigError(
                f"cannot be used: {error}", field="devices", fix="name a device file and a zone"
            ) from error
        self._specs = {spec.metric: spec for spec in config.points}
        self._rows = RowList(self._points)
        self._ids: dict[tuple[int, bool], int] = {}
        self._newest: dict[int, int] = {}
        self._again: set[int] = set()
        self._lines: list[str] = []
        self._count = 0
        self._room = asyncio.Event()
        self._lost = False

    # -- the link

    async def _run(self) -> None:
        """Keep a connection until cancelled."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            try:
                await self._session()
                why = "the adapter closed the connection"
            except TimeoutError:
                why = f"the adapter said nothing for {self._config.link_loss_s:g} s"
            except (OSError, ValueError) as error:
                why = str(error) or type(error).__name__
            if self.health.state == "running":
                self.health.error("connect", why)
                self._lost = True
                backoff.reset()
            self.health.state, self.health.why = "waiting", f"{self._config.url}: {why}"
            await backoff.wait()

    async def _session(self) -> None:
        """One connection: lines in, a PING now and then."""
        async with asyncio.timeout(self._config.link_loss_s):
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=LINE_BYTES_MAX)
        pinging = asyncio.create_task(self._ping(writer), name="shdr ping")
        try:
            while True:
                async with asyncio.timeout(self._config.link_loss_s):
                    line = await reader.readline()
                if not line:
                    return
                self.health.state, self.health.why = "running", ""
                if line[:1] != b"*":  # PONG and commands are the link's own
                    self._lines.append(line.decode("utf-8", errors="replace"))
                if len(self._lines) >= LINES_MAX:
                    await self._room.wait()
        finally:
            pinging.cancel()
            writer.close()

    async def _ping(self, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(PING)
            await asyncio.sleep(self._config.link_loss_s / 3)

    # -- from lines to rows

    def _poll(self) -> list[Batch]:
        self._time.step_us()
        lines, self._lines = self._lines, []
        self._room.set()
        self._room.clear()
        if lines:
            self._take(self._reader.block(lines, self._count + 1))
            self._count += len(lines)
        found = self._rows.batches(self._last, self.health)
        if found:
            self.health.last_us = self._time.now_us()
        if self._lost:
            self._lost = False
            self._again = set(self._newest)
            found += self._last.stale(range(len(self._points.points)), self._time.now_us(), self.health)
        return found

    def _take(self, block: Block) -> None:
        for rejected in block.rejected:
            self.health.received += rejected.count
            self.health.discarded += rejected.count
            self.health.error("decode", f"line {rejected.line}: {rejected.reason}")
        if len(self._reader.series) > 2 * SERIES_MAX:
            raise SourceError("decode", f"the adapter has said more than {2 * SERIES_MAX} names; it starts afresh")
        texts = block.text.to_pylist() if block.text is not None else [None] * len(block.series)
        flags = block.quality if block.quality is not None else [0] * len(block.series)
        now_us = self._time.now_us()
        columns = (block.series.tolist(), block.ts_us.tolist(), block.value.tolist(), texts, map(int, flags))
        for series, ts_us, value, text, quality in zip(*columns, strict=True):
            at_us = ts_us
            if series in self._again:
                self._again.discard(series)
                if self._newest[series] >= ts_us:
                    at_us = now_us  # not a new change, but still so after the outage
            self._newest[series] = max(ts_us, self._newest.get(series, ts_us))
            if text == "UNAVAILABLE":
                if (series, False) in self._ids:
                    text = None  # of a number: bad, and none
                elif (series, True) not in self._ids:
                    continue  # it has never had a value, so what it is, is not known
            if (point := self._point(series, text=text is not None)) is not None:
                self._rows.add(point, at_us, value if text is None else text, quality)

    def _point(self, series: int, *, text: bool) -> int | None:
        found = self._ids.get((series, text))
        if found is None:
            if len(self._ids) >= SERIES_MAX:
                self.health.error("points", f"more than {SERIES_MAX} names")
                return None
            said = self._reader.series[series]
            spec = self._specs.get(said.name, PointSpec())
            told = {key: value for key, value in spec.about().items() if value not in ("", None)}
            about = {"label": said.label or said.name, "point_class": said.point_class, **told}
            device = self._config.device or said.device or self._config.name
            if text:
                suffix = TEXT_SUFFIX if (series, False) in self._ids else ""
                words = {key: value for key, value in about.items() if key not in ("unit", "low", "high")}
                found = self._points.add(device, said.name + suffix, kind="state", **words)
            else:
                found = self._points.add(device, said.name, **({"unit": said.unit} | about))
            self._ids[series, text] = found
        return found


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "shdr" or not parts.hostname or not port:
        raise ConfigError(f"{url!r} is no adapter's address", field="url", fix="write shdr://host:7878")
    return parts.hostname, port


SOURCE = SourceKind(ShdrConfig, Shdr)
