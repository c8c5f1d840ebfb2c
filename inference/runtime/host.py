"""Keeps a scoring child alive beside something that must not stop: feeds it, hears it, and ends it when it misbehaves.

`leave` is called from any thread and never waits; what the child cannot take in time is dropped, oldest first, and
counted. A child that dies, hangs, or grows beyond its bound is killed and started again with backoff; it goes on from
its state, and what it missed is read again by `history`, as far as there is any.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from inference.runtime.episodes import Event
from inference.runtime.frames import FRAME_BYTES_MAX, HEAD, Feedback, Open, Push, Said, Tick, Watch, frame, table_of
from wire.clock import Clock
from wire.errors import Aid4Error

__all__ = ["Answer", "Host"]

_ROOT = Path(__file__).resolve().parents[2]
PERIOD_S: Final = 1.0
QUEUED_ROWS_MAX: Final = 1_000_000
START_S: Final = 60.0  # a child loads numpy and Arrow on a busy gateway
HANG_S: Final = 60.0  # ten thousand streams take a quarter of a second
RSS_BYTES_MAX: Final = 1 << 30
SAVE_S: Final = 60.0
RESTART_S_MIN, RESTART_S_MAX = 1.0, 60.0
_SETTLED_S: Final = 120.0
_STOP_S: Final = 3.0


class Answer:
    """What one tick said. `caught_up`: the first one of a child, whose events are all episodes that are open."""

    __slots__ = ("caught_up", "events", "table")

    def __init__(self, events: list[Event], table: pa.RecordBatch | None, *, caught_up: bool = False) -> None:
        self.events, self.table, self.caught_up = events, table, caught_up


class _ChildError(Aid4Error):
    """The child died, hung, or grew too large."""


History = Callable[[int | None], AsyncIterator[tuple[pa.RecordBatch, int, bool]]]


async def _no_history(_: int | None) -> AsyncIterator[tuple[pa.RecordBatch, int, bool]]:
    nothing: list[tuple[pa.RecordBatch, int, bool]] = []
    for one in nothing:
        yield one


class Host:
    """`run` until cancelled. `heard` gets every answer; `watched` is asked before each tick for what is new."""

    def __init__(
        self,
        module: str,
        opening: Callable[[], Open],
        *,
        clock: Clock,
        watched: Callable[[bool], Watch | None],
        heard: Callable[[Answer], Awaitable[None]],
        history: History = _no_history,
        period_s: float = PERIOD_S,
    ) -> None:
        self._command = [sys.executable, "-P", "-m", module]
        self._opening, self._clock, self._watched, self._heard = opening, clock, watched, heard
        self._history, self._period_s = history, period_s
        self._queue: deque[tuple[pa.RecordBatch, int]] = deque()
        self._queued, self._lock = 0, threading.Lock()
        self._orders: deque[Feedback] = deque(maxlen=1_000)
        self._process: asyncio.subprocess.Process | None = None
        self._saved_s = 0.0
        self.counts: Counter[str] = Counter(starts=0, failures=0, dropped=0, ticks=0)
        self.figures: dict[str, int] = {}
        self.rss_bytes, self.tick_s = 0, 0.0
        self.problem = "starting"  # why nothing is scored now; empty when it is
        self.notes: list[str] = []

    @property
    def pid(self) -> int | None:
        """Of the living child."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def leave(self, readings: pa.RecordBatch, arrived_us: int) -> None:
        """Readings for the child, of schema `readings@1` with the ids of `Stream`."""
        with self._lock:
            self._queue.append((readings, arrived_us))
            self._queued += readings.num_rows
            while self._queued > QUEUED_ROWS_MAX and len(self._queue) > 1:
                gone, _ = self._queue.popleft()
                self._queued -= gone.num_rows
                self.counts["dropped"] += gone.num_rows

    def feedback(self, keys: Sequence[str], *, accepted: bool) -> None:
        """An operator's verdict, for the child's next turn."""
        self._orders.append(Feedback(keys=list(keys), accepted=accepted))

    async def run(self) -> None:
        """Keep a child alive until cancelled; its end is told and answered with a new one."""
        backoff_s = RESTART_S_MIN
        while True:
            began_s = self._clock.monotonic_s()
            try:
                await self._live()
            except (Aid4Error, OSError, asyncio.IncompleteReadError, msgspec.MsgspecError, pa.ArrowException) as error:
                self.counts["failures"] += 1
                self.problem = f"scoring stopped: {error or type(error).__name__}"[:300]
            finally:
                await self._end()
            if self._clock.monotonic_s() - began_s > _SETTLED_S:
                backoff_s = RESTART_S_MIN
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, RESTART_S_MAX)

    async def _live(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=_environment(), limit=1 << 20,
        )  # fmt: skip
        self.counts["starts"] += 1
        self._saved_s = self._clock.monotonic_s()
        await self._send(self._opening())
        said, _ = await self._hear(START_S)
        await self._send_watch(first=True)
        self._forget_queue()
        await self._catch_up(said.scored_us)
        while True:
            await asyncio.sleep(self._period_s)
            await self._send_watch(first=False)
            await self._turn()

    async def _catch_up(self, scored_us: int | None) -> None:
        """Read again what was missed; of its episodes only those that still last are told."""
        lasting: dict[str, Event] = {}
        async for readings, until_us, exact in self._history(scored_us):
            self.problem = "catching up with what is stored"
            await self._send(Push())
            await self._send(readings)
            await self._send(Tick(now_us=until_us, facts=exact))
            answer = await self._answer()
            _follow(lasting, answer.events)
            await self._heard(Answer([], answer.table))
        await self._send(Tick(now_us=self._clock.wall_us()))
        _follow(lasting, (await self._answer()).events)
        self.problem = ""
        await self._heard(Answer(list(lasting.values()), None, caught_up=True))

    async def _turn(self) -> None:
        with self._lock:
            batches, self._queue, self._queued = self._queue, deque(), 0
        while self._orders:
            await self._send(self._orders.popleft())
        for readings, arrived_us in batches:
            await self._send(Push(arrived_us=arrived_us))
            await self._send(readings)
        now_s = self._clock.monotonic_s()
        save = now_s - self._saved_s >= SAVE_S
        self._saved_s = now_s if save else self._saved_s
        await self._send(Tick(now_us=self._clock.wall_us(), save=save))
        answer = await self._answer()
        self.tick_s = self._clock.monotonic_s() - now_s
        self.counts["ticks"] += 1
        await self._heard(answer)

    async def _send_watch(self, *, first: bool) -> None:
        watch = self._watched(first)
        if watch is not None:
            await self._send(watch)

    def _forget_queue(self) -> None:
        """What came while no child lived is stored by now; `history` reads it in the order of its times."""
        if self._history is not _no_history:
            with self._lock:
                self._queue.clear()
                self._queued = 0

    async def _answer(self) -> Answer:
        said, table = await self._hear(HANG_S)
        self.figures, self.rss_bytes = said.figures, said.rss_bytes
        self.notes = [*self.notes, *said.problems][-20:]
        if said.rss_bytes > RSS_BYTES_MAX:
            raise _ChildError(f"it took {said.rss_bytes >> 20} MiB of memory")
        return Answer(said.events, table)

    async def _send(self, body: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(frame(body))
        try:
            async with asyncio.timeout(HANG_S):
                await self._process.stdin.drain()
        except TimeoutError:
            raise _ChildError(f"it has read nothing for {HANG_S:g} s") from None

    async def _hear(self, within_s: float) -> tuple[Said, pa.RecordBatch | None]:
        try:
            async with asyncio.timeout(within_s):
                said = msgspec.json.decode(await self._read(), type=Said)
                return said, table_of(await self._read()) if said.table else None
        except TimeoutError:
            raise _ChildError(f"no answer within {within_s:g} s") from None
        except asyncio.IncompleteReadError:
            raise _ChildError("its process died") from None

    async def _read(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        size, _ = HEAD.unpack(await self._process.stdout.readexactly(HEAD.size))
        if size > FRAME_BYTES_MAX:
            raise _ChildError("it speaks nonsense")
        return await self._process.stdout.readexactly(size)

    async def _end(self) -> None:
        """Let the child write its state and go; kill it if it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError, RuntimeError):
            assert process.stdin is not None
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S if not self.problem else 0.1):
                await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _follow(lasting: dict[str, Event], events: Sequence[Event]) -> None:
    """Of episodes told one after the other, those that are open in the end."""
    for event in events:
        if event.kind == "closed":
            lasting.pop(event.asset, None)
        elif event.kind != "regime":
            lasting[event.asset] = event


def _environment() -> dict[str, str]:
    """Only what Python needs, no credentials; one thread."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    frugal = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    return {**kept, **frugal, "PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1"}
