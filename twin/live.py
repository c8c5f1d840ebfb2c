"""The live hub: every tenth of a second it looks once at what changed and wakes the sockets that want it.

A view remembers only the version of the state that it has seen, so a slow client costs no memory: what it
missed is overwritten by newer values and counted as dropped. Frames that many views share are encoded once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from twin.live_frames import columns_json, split_states, stream_bytes, values_frame
from twin.state import LiveState, StateTable
from wire.limits import LIVE_CREDIT_FIRST, LIVE_CREDIT_MAX, LIVE_RATE_HZ_MAX

__all__ = ["LiveClient", "LiveHub", "View"]

_log = structlog.get_logger("twin.live")

_PERIOD_S = 1.0 / LIVE_RATE_HZ_MAX
_PERIOD_S_MAX = 1.0  # an overloaded twin sends coarser, never later and later
_LATE_S = 0.05  # a tick so late says that the loop is overloaded
_POSES_PERIOD_S = 0.2  # five times a second: a map moves smoothly between them
_SLACK_S = 0.02  # a view is due when its time comes within this tick
_STATE_PERIOD_S = 0.5  # how often nodes and health are looked at
_CACHE_MAX = 256  # different frames of one version of the state
_OUTBOX_MAX = 64  # control messages that wait for a socket; a client that makes more does not read


class View:
    """What one socket wants to see under one name."""

    def __init__(self, name: str, ids: NDArray[np.uint32] | None, *, rate_hz: float, arrow: bool, stream: int) -> None:
        self.name, self.ids, self.arrow, self.stream = name, ids, arrow, stream
        self.period_s = 1.0 / rate_hz
        self.key = b"all" if ids is None else ids.tobytes()
        self.since: int | None = None  # None: the snapshot is still to come
        self.due_s = 0.0
        self.pending = 0  # updates seen since the last frame
        self._mask: NDArray[np.bool_] | None = None
        if ids is not None:
            self._mask = np.zeros(int(ids.max()) + 1 if len(ids) else 1, bool)
            self._mask[ids] = True

    def mine(self, changed: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Those of `changed` that the view shows."""
        if self._mask is None:
            return changed
        changed = changed[changed < len(self._mask)]
        return changed[self._mask[changed]]


class LiveClient:
    """One socket's side of the hub: its views, its credit, and what waits for it."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}
        self.credit = LIVE_CREDIT_FIRST
        self.wake = asyncio.Event()
        self.outbox: list[bytes] = []
        self.overrun = False  # it makes control messages and reads none
        self.wants_poses = False
        self._poses: bytes | None = None  # only the newest waits for a socket that is slow
        self._streams = 0

    def tell(self, message: Any) -> None:
        """Queue a control message."""
        if len(self.outbox) >= _OUTBOX_MAX:
            self.overrun = True
        else:
            self.outbox.append(message if isinstance(message, bytes) else msgspec.json.encode(message))
        self.wake.set()

    def show_poses(self, wanted: bool) -> None:
        """From now on where drones are is sent, or no longer."""
        self.wants_poses, self._poses = wanted, None

    def give_poses(self, message: bytes) -> None:
        """Where drones are now; what still waits is out of date."""
        self._poses = message
        self.wake.set()

    def take_poses(self) -> bytes | None:
        """What waits to be sent."""
        message, self._poses = self._poses, None
        return message

    def subscribe(self, name: str, ids: NDArray[np.uint32] | None, *, rate_hz: float, arrow: bool) -> View:
        """Add or replace a view; its first frame is a snapshot. A replaced view keeps its stream number."""
        old = self.views.get(name)
        stream = old.stream if old else self._streams
        self._streams += old is None
        view = View(name, ids, rate_hz=rate_hz, arrow=arrow, stream=stream % 256)
        self.views[name] = view
        self.wake.set()
        return view

    def grant(self, frames: int) -> None:
        """The client has read so many frames."""
        self.credit = min(self.credit + frames, LIVE_CREDIT_MAX)
        self.wake.set()


class LiveHub:
    """Owns all clients. `status` says how nodes and the twin do; `now` gives the time as text; `poses` where every
    drone is as a message, None where nothing moved since it was last asked, unless it is asked with True."""

    def __init__(
        self,
        state: LiveState,
        *,
        status: Callable[[], dict[str, Any]],
        now: Callable[[], str],
        poses: Callable[[bool], Awaitable[bytes | None]],
    ) -> None:
        self._state, self._status, self._now, self._poses = state, status, now, poses
        self.clients: set[LiveClient] = set()
        self.counts = {"frames": 0, "rows": 0, "dropped": 0, "bytes": 0, "refused": 0}
        self._cache: dict[tuple[bytes, int | None, bool], tuple[int, list[bytes]]] = {}
        self._cached_version = -1
        self._last_status: dict[str, Any] = {}
        self.period_s = _PERIOD_S

    async def run(self) -> None:
        """Tick until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._run_values(), name="live.values")
            both.create_task(self._run_poses(), name="live.poses")

    async def _run_poses(self) -> None:
        """What moved goes to all who want it; a new one is told within a tick even if nothing moves."""
        last: bytes | None = None
        told: set[LiveClient] = set()
        while True:
            await asyncio.sleep(_POSES_PERIOD_S)
            wanted = {client for client in self.clients if client.wants_poses}
            if not wanted:
                last, told = None, set()
                continue
            try:
                moved = await self._poses(last is None)
            except Exception as error:  # noqa: BLE001  (the database may be being opened anew; the next tick asks again)
                _log.warning("where drones are is not told", problem=str(error)[:300])
                continue
            last = moved or last
            for client in wanted if moved is not None else wanted - told:
                if last is not None:
                    client.give_poses(last)
            told = wanted

    async def _run_values(self) -> None:
        seen = self._state.version
        status_due_s = 0.0
        while True:
            before = time.monotonic()
            await asyncio.sleep(self.period_s)
            now_s = time.monotonic()
            self._adapt(now_s - before)
            if now_s >= status_due_s:
                status_due_s = now_s + _STATE_PERIOD_S
                self._tell_status()
            version = self._state.version
            if version != seen:
                changed = self._state.changed(seen)
                seen = version
                for client in self.clients:
                    _note(client, changed)
            for client in self.clients:
                if self.due(client, now_s) is not None:
                    client.wake.set()

    def join(self, client: LiveClient) -> None:
        """Take a socket in and tell it how things stand."""
        self._last_status = self._last_status or self._status()
        client.tell(self._last_status)
        self.clients.add(client)

    def leave(self, client: LiveClient) -> None:
        """Forget a socket."""
        self.clients.discard(client)

    def due(self, client: LiveClient, now_s: float) -> View | None:
        """The view that has waited longest for a frame that may be sent now."""
        if client.credit <= 0:
            return None
        ready = [v for v in client.views.values() if (v.since is None or v.pending) and v.due_s <= now_s + _SLACK_S]
        return min(ready, key=lambda view: view.due_s, default=None)

    def frames(self, client: LiveClient, view: View, now_s: float) -> list[bytes | str]:
        """What to send for a view now; takes one credit. Texts are str, binary frames bytes."""
        first = view.since is None
        rows, parts = self._encoded(view)
        dropped = 0 if first else max(0, view.pending - rows)
        view.since, view.pending, view.due_s = self._cached_version, 0, now_s + view.period_s
        client.credit -= 1
        self.counts["frames"] += 1
        self.counts["rows"] += rows
        self.counts["dropped"] += dropped
        out: list[bytes | str] = []
        for part in parts:
            if part[:1] == b'"':
                frame = values_frame(part, view=view.name, ts=self._now(), dropped=dropped)
                out.append(frame.decode())
            else:
                out.append(bytes([view.stream]) + part)
        self.counts["bytes"] += sum(map(len, out))
        return out

    def _encoded(self, view: View) -> tuple[int, list[bytes]]:
        """Rows and shared parts of what a view has not seen; encoded once for all views alike."""
        version = self._state.version
        if version != self._cached_version or len(self._cache) >= _CACHE_MAX:
            self._cache.clear()
            self._cached_version = version
        key = (view.key, view.since, view.arrow)
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = _encode(self._table(view), arrow=view.arrow)
        return found

    def _table(self, view: View) -> StateTable:
        if view.since is None:
            return self._state.snapshot(view.ids)
        return self._state.snapshot(view.mine(self._state.changed(view.since)))

    def _adapt(self, slept_s: float) -> None:
        late = slept_s - self.period_s > _LATE_S
        self.period_s = min(self.period_s * 1.5, _PERIOD_S_MAX) if late else max(self.period_s * 0.9, _PERIOD_S)

    def _tell_status(self) -> None:
        status = self._status()
        if status != self._last_status:
            self._last_status = status
            message = msgspec.json.encode(status)
            for client in self.clients:
                client.tell(message)


def _note(client: LiveClient, changed: NDArray[np.uint32]) -> None:
    for view in client.views.values():
        if view.since is not None:
            view.pending += len(view.mine(changed))


def _encode(table: StateTable, *, arrow: bool) -> tuple[int, list[bytes]]:
    if not arrow:
        return len(table.point), [columns_json(table)]
    numbers, states = split_states(table)
    parts = [stream_bytes(numbers)] if len(numbers.point) or not len(states.point) else []
    if len(states.point):
        parts.append(columns_json(states))
    return len(table.point), parts
