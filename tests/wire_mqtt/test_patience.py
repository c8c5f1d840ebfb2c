"""A broker with too many at its door is given time: who comes back too soon makes it work for nothing."""

import asyncio

from wire.mqtt import Link, LinkConfig
from wire.mqtt.link import PATIENCE_S_MAX

CONNACK = b"\x20\x02\x00\x00"


async def test_each_wait_for_an_answer_is_longer_than_the_one_before_until_there_is_one() -> None:
    answering, told, waits = asyncio.Event(), list[str](), list[str]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        if answering.is_set():
            writer.write(CONNACK)
            answering.clear()
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Link(LinkConfig("127.0.0.1", port, connect_timeout_s=0.1))
    link.on_connect = lambda: told.append("up")
    async with server, link, asyncio.timeout(120):
        while " in 0.4 s" not in link.stats.last_error:
            await asyncio.sleep(0.01)
        answering.set()
        while not told:
            await asyncio.sleep(0.01)
        link.stats.last_error = ""
        while not waits:
            await asyncio.sleep(0.01)
            waits += [link.stats.last_error] if link.stats.last_error.startswith("no answer") else []
    assert waits == [f"no answer from 127.0.0.1:{port} in 0.1 s"], "an answer makes the next wait short again"


async def test_the_wait_grows_by_two_and_ends_at_its_bound() -> None:
    waits = list[str]()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Link(LinkConfig("127.0.0.1", port, connect_timeout_s=0.05)) as link, asyncio.timeout(120):
        while len(waits) < 4:
            await asyncio.sleep(0.005)
            error = link.stats.last_error
            waits += [error] if error and error not in waits else []
    assert [wait.rpartition(" in ")[2] for wait in waits] == ["0.05 s", "0.1 s", "0.2 s", "0.4 s"]
    assert PATIENCE_S_MAX < 60
