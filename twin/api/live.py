"""WS /live: one socket of a page. The client says what its view shows and how many frames it has read."""

import asyncio
import contextlib
import time
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from starlette.websockets import WebSocket, WebSocketDisconnect

from twin.core import Twin
from twin.live import LiveClient
from wire.limits import (
    LIVE_CREDIT_MAX,
    LIVE_POINTS_MAX,
    LIVE_RATE_HZ_MAX,
    LIVE_SEND_S_MAX,
    LIVE_VIEWS_MAX,
)

__all__ = ["live"]

_MISTAKES_MAX = 8  # messages that are not understood; then the socket is closed


class Subscribe(msgspec.Struct, tag="subscribe", tag_field="type", forbid_unknown_fields=True):
    """Show these points, or all, under the name `view`; replaces the view of that name.

    With `poses` where every drone is comes too, or no longer; then the view may be left out.
    """

    view: Annotated[str, Meta(max_length=64)] = ""
    points: (
        Literal["all"] | Annotated[list[Annotated[int, Meta(ge=0, lt=2**32)]], Meta(max_length=LIVE_POINTS_MAX)] | None
    ) = None
    poses: bool | None = None
    rate_hz: Annotated[float, Meta(gt=0, le=LIVE_RATE_HZ_MAX)] = 2.0
    format: Literal["json", "arrow"] = "json"


class Unsubscribe(msgspec.Struct, tag="unsubscribe", tag_field="type", forbid_unknown_fields=True):
    """Forget a view."""

    view: Annotated[str, Meta(max_length=64)]


class Credit(msgspec.Struct, tag="credit", tag_field="type", forbid_unknown_fields=True):
    """So many frames were read."""

    n: Annotated[int, Meta(ge=1, le=LIVE_CREDIT_MAX)]


class Ping(msgspec.Struct, tag="ping", tag_field="type", forbid_unknown_fields=True):
    """Answered with a pong."""


_DECODER = msgspec.json.Decoder(Subscribe | Unsubscribe | Credit | Ping)


async def live(socket: WebSocket) -> None:
    """Serve one socket until either side closes it."""
    twin: Twin = socket.app.state.twin
    await socket.accept()
    client = LiveClient()
    client.tell({"type": "hello", "now": twin.now_text(), "site": twin.site.name})
    twin.live.join(client)
    sender = asyncio.create_task(_send(socket, client, twin), name="live.send")
    try:
        await _receive(socket, client, twin)
    finally:
        twin.live.leave(client)
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender


async def _receive(socket: WebSocket, client: LiveClient, twin: Twin) -> None:
    mistakes = 0
    while not client.overrun:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("text") or message.get("bytes") or b""
        try:
            _obey(_DECODER.decode(data), client, twin)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
            mistakes += 1
            client.tell({"type": "error", "detail": str(error)[:300]})
        if mistakes >= _MISTAKES_MAX:
            break
    twin.live.counts["refused"] += 1
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(1008, "not understood, or not reading")


def _obey(message: Subscribe | Unsubscribe | Credit | Ping, client: LiveClient, twin: Twin) -> None:
    match message:
        case Subscribe():
            if message.poses is not None:
                client.show_poses(message.poses)
            if message.points is None and message.poses is not None:
                return
            if message.points is None or not message.view:
                raise ValueError("a subscription names its view and its points, or poses")
            if message.view not in client.views and len(client.views) >= LIVE_VIEWS_MAX:
                raise ValueError(f"at most {LIVE_VIEWS_MAX} views a socket: unsubscribe one")
            ids = None if message.points == "all" else _known(twin, message.points)
            view = client.subscribe(message.view, ids, rate_hz=message.rate_hz, arrow=message.format == "arrow")
            if view.arrow:
                client.tell({"type": "subscribed", "view": view.name, "stream": view.stream})
        case Unsubscribe():
            client.views.pop(message.view, None)
        case Credit():
            client.grant(message.n)
        case Ping():
            client.tell({"type": "pong", "now": twin.now_text()})


def _known(twin: Twin, points: str | list[int]) -> NDArray[np.uint32]:
    """Those ids that are points; others are left out, since a view may outlive a catalogue."""
    return np.array(sorted({i for i in points if i in twin.store.points.by_id}), np.uint32)


async def _send(socket: WebSocket, client: LiveClient, twin: Twin) -> None:
    """The only task that writes to the socket. One that takes nothing for too long is closed."""
    try:
        while True:
            await client.wake.wait()
            client.wake.clear()
            while client.outbox:
                await _write(socket, client.outbox.pop(0).decode())
            if (poses := client.take_poses()) is not None:
                await _write(socket, poses.decode())
            while (view := twin.live.due(client, now_s := time.monotonic())) is not None:
                for frame in twin.live.frames(client, view, now_s):
                    await _write(socket, frame)
    except TimeoutError:
        twin.live.counts["refused"] += 1
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(1.0):
                await socket.close(1008, "not reading")
    except (RuntimeError, WebSocketDisconnect):
        return  # the socket is closed; the receiver sees it too


async def _write(socket: WebSocket, frame: bytes | str) -> None:
    async with asyncio.timeout(LIVE_SEND_S_MAX):
        if isinstance(frame, str):
            await socket.send_text(frame)
        else:
            await socket.send_bytes(frame)
