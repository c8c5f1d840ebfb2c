"""The journal of a storm: readings that the park cannot forget, because what was accepted is written down outside.

The bench hands each agent numbered batches over a socket and notes which ones the agent has accepted. Values
follow from (seed, node, number) alone, so the bench can say what each stored reading must be, bit for bit. A
batch that was handed out but never confirmed (the agent was killed in between) may be stored or not; it is
never handed out again.

[[source]]
kind = "journal"
name = "journal"
port = 0
node = "node-0"
seed = 7
"""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceHealth, SourceKind
from wire.catalogue import Point
from wire.schemas import READINGS, schema

__all__ = ["ROWS", "SOURCE", "Expected", "Journal", "JournalConfig", "expected"]

ROWS = 200  # readings in a batch
POINTS = 40
RECONFIGURED_EVERY = 100  # batches
_START_US = 1_760_000_000_000_000
_TS = pa.timestamp("us", tz="UTC")


class Expected(NamedTuple):
    """The readings of one batch: metric number (not point id), µs, float64."""

    metric: NDArray[np.int64]
    ts_us: NDArray[np.int64]
    value: NDArray[np.float64]


def expected(seed: int, node: str, number: int) -> Expected:
    """What batch `number` of a node holds; (metric, ts) is unique over all batches of the node."""
    rng = np.random.default_rng((seed, zlib.crc32(node.encode()), number))
    row = np.arange(ROWS)
    value = rng.normal(size=ROWS) * 10.0 ** rng.integers(-6, 7, ROWS)
    value[rng.integers(0, ROWS, 2)] = (np.nan, np.inf)  # hostile numbers are stored, flagged, and not altered
    return Expected(rng.permutation(ROWS) % POINTS, _START_US + (number * ROWS + row) * 100, value)


class JournalConfig(SourceConfig, tag="journal"):
    """`port` of the bench's journal on loopback; `node` and `seed` say which readings."""

    port: int
    node: str
    seed: int


class Journal:
    """Asks the bench for batch numbers and tells it which of them were accepted.

    Each start lists its points in another order, and now and then one more point appears: local ids change between
    epochs, and the catalogue changes while records are in flight.
    """

    def __init__(self, config: JournalConfig, context: SourceContext) -> None:
        self._config = config
        self.health = SourceHealth()
        start = context.clock.wall_us()
        self._order = [int(metric) for metric in np.random.default_rng(start).permutation(POINTS)]
        self._place = np.argsort(self._order)
        self._extra = 0
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._config.port)
        except OSError as error:
            raise SourceError("connect", str(error)) from error
        self._say({"node": self._config.node})
        self.health.state = "running"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
        self.health.state = "ended"

    def points(self) -> list[Point]:
        """The metrics in this start's order, then those that appeared since."""
        metrics = [*self._order, *range(POINTS, POINTS + self._extra)]
        return [Point(id=at, device=f"device-{metric % 4}", metric=f"m{metric}") for at, metric in enumerate(metrics)]

    async def batches(self) -> AsyncIterator[Batch]:
        """One batch for each number that the bench hands out, until it says that there are no more."""
        while line := await self._reader.readline():
            number = json.loads(line)["number"]
            if number is None:
                await asyncio.Event().wait()  # the storm is over: stay, so that the backlog can drain
            if number % RECONFIGURED_EVERY == RECONFIGURED_EVERY - 1:
                self._extra += 1
            self.health.received += ROWS
            self.health.sent += ROWS
            yield self._batch(number)

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Nothing can be written to a journal."""

    def _batch(self, number: int) -> Batch:
        content = expected(self._config.seed, self._config.node, number)
        rows = pa.RecordBatch.from_arrays(
            [
                pa.array(self._place[content.metric].astype(np.uint32)),
                pa.array(content.ts_us).view(_TS),
                pa.array(content.value),
                pa.array(np.zeros(ROWS, np.uint8)),
            ],
            schema=schema(READINGS),
        )
        seqs: list[tuple[str, int, int]] = []
        return Batch(
            READINGS,
            rows,
            accepted=lambda refused: self._say({"accepted": number, "refused": refused, "seqs": seqs}),
            recorded=lambda epoch, first, last: seqs.append((epoch.hex(), first, last)),
        )

    def _say(self, message: dict[str, object]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(message).encode() + b"\n")


SOURCE = SourceKind(JournalConfig, Journal)
