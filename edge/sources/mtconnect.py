"""MTConnect: follows an agent's stream of observations and turns them into readings.

[[source]]                      # tested: the sample is the config of the first test
kind = "mtconnect"
name = "mill-3"
url = "http://127.0.0.1:5000"   # of the agent; with a path for one device of several, e.g. …/OKUMA
items = [                       # optional: what the table says beats the agent's Devices document
    { id = "mill-3-spindle_load", metric = "spindle_load", unit = "%", high = 150 },
]

Samples and counts become readings; events, conditions (`FAULT 1010: Spindle overload`), vectors and time series become
states. Times are the machine's own. UNAVAILABLE is told as bad. When the link is lost every point is repeated once as
stale; after it the stream goes on where it was, so what the agent kept in its buffer is not lost, and what its buffer
no longer has is counted as a gap. An agent that was started anew (another instanceId) is probed again.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.columns import PointSpec, counted, readings, states
from edge.sources.mtconnect_documents import (
    DOCUMENT_BYTES_MAX,
    UNAVAILABLE,
    DataItem,
    Observation,
    OutOfRangeError,
    read_devices,
    read_streams,
)
from edge.sources.mtconnect_parts import boundary_of, parts
from edge.sources.recording import parse_iso
from edge.sources.running import Backoff, RunningSource
from wire.errors import ConfigError
from wire.quality import BAD, TIME_SUSPECT
from wire.schemas import READINGS, STATES

__all__ = ["SOURCE", "MtConnect", "MtConnectConfig"]

DOCUMENTS_WAITING_MAX = 8  # then the agent's own buffer waits
OBSERVATIONS_MAX = 1_000  # asked for at once
RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0
WHOLE_S_MAX = 60.0  # for a document that is asked for once


class ItemSpec(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What the config says of one data item, by its id or name in the Devices document; `scale` times what it tells."""

    id: str
    scale: float = 1.0


class MtConnectConfig(SourceConfig, tag="mtconnect"):
    """Config of one agent."""

    url: str
    items: tuple[ItemSpec, ...] = ()
    only: bool = False  # nothing but `items`
    interval_s: Annotated[float, msgspec.Meta(ge=0.01, le=60)] = 0.2
    heartbeat_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 2.0  # how often a silent agent says that it lives
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 4.0


class MtConnect(RunningSource):
    """One agent as a source."""

    gather_s = 0.0

    def __init__(self, config: MtConnectConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        address = urlsplit(config.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigError(f"{config.url!r} is no agent's address", field="url", fix="write http://host:5000")
        self._url = config.url.rstrip("/")
        self._specs = {spec.id: spec for spec in config.items}
        self._items: dict[str, DataItem] = {}
        self._ids: dict[str, int] = {}
        self._scales: NDArray[np.float64] = np.ones(0)  # by point
        self._instance, self._next = "", 0
        self._queue: asyncio.Queue[list[Batch]] = asyncio.Queue(DOCUMENTS_WAITING_MAX)

    def _poll(self) -> list[Batch]:
        """One document, so that the others wait in the queue, which holds the agent back."""
        batches = [] if self._queue.empty() else self._queue.get_nowait()
        if not self._queue.empty():
            self._wake.set()
        return batches

    # -- the connection

    async def _run(self) -> None:
        """Keep a stream up until cancelled."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        timeout = httpx.Timeout(self._config.timeout_s, read=self._config.timeout_s + self._config.heartbeat_s)
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as client:
            while True:
                was_running = False
                try:
                    await self._session(client)
                except (httpx.HTTPError, httpx.InvalidURL, SourceError, OSError) as error:
                    was_running = self.health.state == "running"
                    stage = error.stage if isinstance(error, SourceError) else "connect"
                    self.health.error(stage, str(error) or f"no answer from {self._url}")
                self.health.state = "waiting"
                if was_running:
                    backoff.reset()
                    await self._tell_stale()
                await backoff.wait()

    async def _session(self, client: httpx.AsyncClient) -> None:
        """Probe, read what is, then follow the stream from where it was left."""
        instance, items = read_devices(await self._get(client, "probe"))
        if instance != self._instance or not self._next:
            self._items = {item.id: item for item in items if self._wanted(item)}
            if not self._items:
                raise SourceError("browse", "the agent has none of the data items")
            await self._read_current(client)
        self.health.state, self.health.why = "running", ""
        while True:
            try:
                await self._follow(client)
            except OutOfRangeError:
                before = self._next
                await self._read_current(client)
                self._count_gap(self._next - before)

    async def _read_current(self, client: httpx.AsyncClient) -> None:
        header, observations = read_streams(await self._get(client, "current"))
        self._instance, self._next = header.instance, header.next
        await self._hand_over(observations)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        config = self._config
        query = {
            "from": self._next,
            "count": OBSERVATIONS_MAX,
            "interval": round(1_000 * config.interval_s),
            "heartbeat": round(1_000 * config.heartbeat_s),
        }
        silence_s = config.heartbeat_s + config.interval_s + config.timeout_s
        clock = asyncio.get_running_loop()
        try:
            async with aclosing(self._documents(client, query)) as documents, asyncio.timeout(silence_s) as deadline:
                async for document in documents:
                    deadline.reschedule(None)  # a full spool may take its time
                    await self._take(document)
                    deadline.reschedule(clock.time() + silence_s)
        except TimeoutError as error:  # bytes that never become a document are no sign of life
            raise SourceError("read", f"no whole document within {silence_s:g} s") from error

    async def _documents(self, client: httpx.AsyncClient, query: Mapping[str, int]) -> AsyncGenerator[bytes, None]:
        async with client.stream("GET", f"{self._url}/sample", params=query) as answer:
            boundary = boundary_of(answer.headers.get("content-type", ""))
            if boundary is None:  # an error, or an agent that does not stream
                yield await _body(answer)
                await asyncio.sleep(self._config.interval_s)
                return
            async for document in parts(answer.aiter_raw(), boundary):
                yield document
        raise SourceError("read", "the agent ended its stream")

    async def _take(self, document: bytes) -> None:
        header, observations = read_streams(document)
        if header.instance != self._instance:
            self._next = 0
            raise SourceError("read", "the agent was started anew")
        self._count_gap(header.first - self._next)
        await self._hand_over([one for one in observations if one.sequence >= self._next])
        self._next = max(self._next, header.next)

    def _count_gap(self, lost: int) -> None:
        if lost > 0:
            self.health.received += lost
            self.health.discarded += lost
            self.health.error("gap", f"{lost} observations are no longer in the agent's buffer")

    async def _get(self, client: httpx.AsyncClient, what: str) -> bytes:
        try:
            async with asyncio.timeout(WHOLE_S_MAX), client.stream("GET", f"{self._url}/{what}") as answer:
                return await _body(answer)
        except TimeoutError as error:
            raise SourceError("read", f"no whole /{what} within {WHOLE_S_MAX:g} s") from error

    async def _tell_stale(self) -> None:
        batches = self._last.stale(range(len(self._points.points)), self._clock.wall_us(), self.health)
        if batches:
            await self._hand(batches)

    async def _hand(self, batches: list[Batch]) -> None:
        await self._queue.put(batches)
        self._wake.set()

    # -- from observations to rows

    def _wanted(self, item: DataItem) -> bool:
        return not self._config.only or item.id in self._specs or item.name in self._specs

    async def _hand_over(self, observations: Sequence[Observation]) -> None:
        known = [one for one in observations if one.item in self._items]
        numbers = [one for one in known if self._items[one.item].kind == "value"]
        texts = [one for one in known if self._items[one.item].kind == "state"]
        batches = [*self._numbers(numbers), *self._texts(texts)]
        if batches:
            self.health.received += len(known)
            self.health.last_us = self._clock.wall_us()
            await self._hand(batches)

    def _numbers(self, observations: Sequence[Observation]) -> list[Batch]:
        if not observations:
            return []
        ids = self._points_of(observations)
        values = np.array([_number(one.text) for one in observations]) * self._scales[ids]
        times, quality = self._times(observations)
        quality[np.isnan(values)] |= BAD
        good = (quality & BAD) == 0
        self._last.take_values(ids[good], values[good])
        return [counted(READINGS, readings(ids, times, values, quality | self._points.flags(ids, values)), self.health)]

    def _texts(self, observations: Sequence[Observation]) -> list[Batch]:
        if not observations:
            return []
        ids = self._points_of(observations)
        words = [one.text for one in observations]
        times, quality = self._times(observations)
        quality[np.array([word == UNAVAILABLE for word in words])] |= BAD
        self._last.take_texts(ids.tolist(), words)
        return [counted(STATES, states(ids, times, words, quality), self.health)]

    def _times(self, observations: Sequence[Observation]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Times of the machine in µs; where one cannot be read, that of now, suspect."""
        times, readable, _ = parse_iso(pa.array([one.timestamp for one in observations], pa.string()))
        quality = np.where(readable, 0, TIME_SUSPECT).astype(np.uint8)
        return np.where(readable, times, self._clock.wall_us()), quality

    def _points_of(self, observations: Sequence[Observation]) -> NDArray[np.uint32]:
        return np.array([self._point(one.item) for one in observations], np.uint32)

    def _point(self, item_id: str) -> int:
        if item_id not in self._ids:
            item = self._items[item_id]
            spec = self._specs.get(item.id) or self._specs.get(item.name) or ItemSpec(id=item.id)
            about = spec.about()
            about["label"] = about["label"] or item.label
            about["unit"] = (about["unit"] or item.unit) if item.kind == "value" else ""
            device = self._config.device or item.device
            self._ids[item_id] = self._points.add(device, spec.metric or item.name, kind=item.kind, **about)
            self._scales = np.append(self._scales, spec.scale)
        return self._ids[item_id]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


async def _body(answer: httpx.Response) -> bytes:
    """The whole document of an answer, bounded."""
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > DOCUMENT_BYTES_MAX:
            raise SourceError("decode", f"a document of more than {DOCUMENT_BYTES_MAX >> 20} MiB")
    return bytes(body)


SOURCE = SourceKind(MtConnectConfig, MtConnect)
