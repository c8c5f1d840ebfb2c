"""The live socket: snapshot first, last value wins, credits, and a client that does not read harms nobody."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import websockets


class Socket:
    """A client of /live."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def tell(self, message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self, kind: str = "values", within_s: float = 5.0) -> Any:
        """The next message of a kind, or the next binary frame."""
        async with asyncio.timeout(within_s):
            while True:
                data = await self.connection.recv()
                if isinstance(data, bytes):
                    if kind == "arrow":
                        return data
                    continue
                message = json.loads(data, parse_constant=_no_constant)
                if message["type"] == kind:
                    return message


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@asynccontextmanager
async def socket(park: Any, **options: Any) -> AsyncIterator[Socket]:
    url = park.url.replace("http", "ws") + "/api/v1/live"
    async with websockets.connect(url, **options) as connection:
        yield Socket(connection)


async def test_a_socket_is_greeted_and_told_how_things_stand(park: Any) -> None:
    async with socket(park) as client:
        hello = await client.hear("hello")
        state = await client.hear("state")
    assert hello["site"] == "lab"
    assert hello["now"].endswith("Z")
    alarms = state.pop("alarms")
    assert alarms.keys() == {"version", "counts", "watched"}
    assert state.pop("scoring") in ("starting", None)  # nothing is wrong with it
    assert state == {"type": "state", "connected": False, "degraded": None, "nodes": {}}


async def test_the_first_frame_is_a_snapshot_of_the_view(park: Any) -> None:
    async with socket(park) as client:
        await client.tell({"type": "subscribe", "view": "v1", "points": [1, 2, 3], "rate_hz": 10})
        frame = await client.hear()
    assert (frame["view"], frame["p"], frame["dropped"]) == ("v1", [1, 2, 3], 0)
    assert isinstance(frame["v"][0], float)
    assert frame["v"][1] is None
    assert frame["q"][1] & 1
    assert frame["v"][2] == "HEATING"
    assert abs(frame["t"][0] / 1000 - time.time()) < 60


async def test_only_what_the_view_shows_and_what_changed_is_sent(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    async with socket(park) as client:
        await client.tell({"type": "subscribe", "view": "v", "points": [1], "rate_hz": 10})
        await client.hear()
        await asyncio.to_thread(park.feed.readings, [0, 3], now_us, [7.0, 22.0])
        frame = await client.hear()
    assert (frame["p"], frame["v"]) == ([1], [7.0])


async def test_the_last_value_wins_and_what_was_passed_over_is_counted(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    async with socket(park) as client:
        await client.tell({"type": "subscribe", "view": "v", "points": [1], "rate_hz": 10})
        await client.tell({"type": "subscribe", "view": "w", "points": [1], "rate_hz": 10})
        for _ in range(2):
            await client.hear()
        for at in range(1, 9):  # two credits are left: the frames after them wait
            await asyncio.to_thread(park.feed.readings, 0, now_us + at, float(at))
            await asyncio.sleep(0.12)
        await client.tell({"type": "credit", "n": 4})
        seen = [(await client.hear()) for _ in range(4)]
    last = {frame["view"]: frame for frame in seen}
    assert [frame["v"] for frame in last.values()] == [[8.0], [8.0]]
    assert sum(frame["dropped"] for frame in seen) > 0
    assert len(seen) == 4


async def test_without_credit_nothing_more_is_sent(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    async with socket(park) as client:
        await client.tell({"type": "subscribe", "view": "v", "points": "all", "rate_hz": 10})
        for at in range(1, 4):
            await client.hear()
            await asyncio.to_thread(park.feed.readings, 0, now_us + at, float(at))
        await client.hear()
        await asyncio.to_thread(park.feed.readings, 0, now_us + 9, 9.0)
        with pytest.raises(TimeoutError):
            await client.hear(within_s=0.6)
        await client.tell({"type": "credit", "n": 1})
        assert (await client.hear())["v"] == [9.0]


async def test_arrow_frames_carry_numbers_and_states_come_as_json(park: Any) -> None:
    async with socket(park) as client:
        await client.tell({"type": "subscribe", "view": "a", "points": "all", "format": "arrow", "rate_hz": 10})
        told = await client.hear("subscribed")
        frame = await client.hear("arrow")
        states = await client.hear()
    table = pa.ipc.open_stream(frame[1:]).read_all()
    assert frame[0] == told["stream"] == 0
    assert table.column_names == ["point", "ts", "value", "quality"]
    assert table.schema.field("ts").type == pa.timestamp("us")
    assert table["point"].to_pylist() == [1, 2, 4]
    assert (states["p"], states["v"]) == ([3], ["HEATING"])


async def test_a_replaced_view_starts_with_a_snapshot_again(park: Any) -> None:
    async with socket(park) as client:
        await client.tell({"type": "subscribe", "view": "v", "points": [1]})
        await client.hear()
        await client.tell({"type": "subscribe", "view": "v", "points": [4]})
        assert (await client.hear())["p"] == [4]


async def test_a_view_of_points_that_nobody_knows_is_an_empty_snapshot(park: Any) -> None:
    async with socket(park) as client:
        await client.tell({"type": "subscribe", "view": "v", "points": [4_294_967_295, 999]})
        assert (await client.hear())["p"] == []


async def test_ping_is_answered(park: Any) -> None:
    async with socket(park) as client:
        await client.tell({"type": "ping"})
        assert (await client.hear("pong"))["now"]


@pytest.mark.parametrize(
    "nonsense",
    [
        "no json",
        b"\xff\xfe",
        "[]",
        "[" * 10_000,
        '{"type":"launch"}',
        '{"type":"subscribe","view":"v","points":[-1]}',
        '{"type":"subscribe","view":"v","points":[1],"rate_hz":1e9}',
        '{"type":"subscribe","view":"v","points":[1],"extra":1}',
        '{"type":"credit","n":1000000}',
    ],
)
async def test_nonsense_is_answered_and_the_socket_lives_on(park: Any, nonsense: str | bytes) -> None:
    async with socket(park) as client:
        await client.connection.send(nonsense)
        assert (await client.hear("error"))["detail"]
        await client.tell({"type": "subscribe", "view": "v", "points": [1]})
        assert (await client.hear())["p"] == [1]


async def test_a_socket_that_sends_only_nonsense_is_closed(park: Any) -> None:
    async with socket(park) as client:
        for _ in range(8):
            await client.connection.send("nonsense")
        with pytest.raises(websockets.ConnectionClosed):
            await client.hear("never")


async def test_too_many_views_of_one_socket_are_refused(park: Any) -> None:
    async with socket(park) as client:
        for number in range(33):
            await client.tell({"type": "subscribe", "view": f"v{number}", "points": [1]})
        assert "views" in (await client.hear("error"))["detail"]


async def test_a_page_of_another_site_may_not_open_the_socket(park: Any) -> None:
    with pytest.raises(websockets.InvalidStatus):
        async with socket(park, origin="https://evil.example"):
            pass


async def test_sockets_leave_nothing_behind(park: Any) -> None:
    async with socket(park), socket(park):
        await asyncio.sleep(0.1)
        assert len(park.twin.live.clients) == 2
    for _ in range(50):
        if not park.twin.live.clients:
            break
        await asyncio.sleep(0.05)
    assert not park.twin.live.clients


async def test_one_that_does_not_read_does_not_slow_hundreds_of_others(empty: Any) -> None:
    """F26: 300 sockets, one of which reads nothing and grants endless credit."""
    from wire.catalogue import Point

    points = [Point(id=at, device="d", metric=f"m{at}") for at in range(500)]
    await asyncio.to_thread(empty.feed.catalogue, points)
    waits: list[float] = []

    async def reader(ready: asyncio.Event) -> None:
        async with socket(empty, ping_interval=None) as client:
            await client.tell({"type": "subscribe", "view": "v", "points": list(range(1, 21)), "rate_hz": 2})
            await client.hear()
            await client.tell({"type": "credit", "n": 1})
            ready.set()
            frame = await client.hear(within_s=30)
            waits.append(time.time() - frame["v"][0])

    async with socket(empty, ping_interval=None) as deaf:
        deaf.connection.transport.pause_reading()
        await deaf.tell({"type": "subscribe", "view": "v", "points": "all", "rate_hz": 10})
        for _ in range(8):
            await deaf.tell({"type": "credit", "n": 64})
        flags = [asyncio.Event() for _ in range(300)]
        readers = [asyncio.create_task(reader(flag)) for flag in flags]
        await asyncio.gather(*(flag.wait() for flag in flags))
        now_us = empty.twin.clock.wall_us()
        for at in range(3):
            await asyncio.to_thread(empty.feed.readings, np.arange(500), now_us + at, time.time())
        await asyncio.gather(*readers)
        assert len(waits) == 300
        assert float(np.quantile(waits, 0.99)) < 5.0  # a shared test machine; the figure itself is in the bench
        assert empty.twin.live.counts["frames"] > 600


def test_a_frame_of_shared_columns_is_whole_json() -> None:
    from twin.live_frames import columns_json, values_frame
    from twin.state import StateTable

    table = StateTable(
        np.array([1, 2], np.uint32), np.array([0, 1_500], np.int64), np.array([np.inf, 2.5]),
        np.array([None, None], object), np.array([1, 0], np.uint8),
    )  # fmt: skip
    frame = msgspec.json.decode(values_frame(columns_json(table), view='a"b', ts="now", dropped=3))
    assert frame == {
        "type": "values", "view": 'a"b', "ts": "now", "dropped": 3,
        "p": [1, 2], "t": [0.0, 1.5], "v": [None, 2.5], "q": [1, 0],
    }  # fmt: skip
