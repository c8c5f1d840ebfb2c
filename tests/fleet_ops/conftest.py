"""A broker of its own for the tests of what a person does at a gateway."""

import asyncio
import shutil
import socket
import subprocess
import sysconfig
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from wire.mqtt import Link, LinkConfig


@pytest.fixture
def broker_url(tmp_path: Path) -> Iterator[str]:
    """nats-server with MQTT on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = tmp_path / "broker"
    folder.mkdir()
    (folder / "nats.conf").write_text(
        f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{folder}/js" }}\n'
        f"mqtt {{ host: 127.0.0.1, port: {port} }}\n"
    )
    server = Path(sysconfig.get_path("scripts")) / "nats-server"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([str(server), "-c", str(folder / "nats.conf")], stdout=log, stderr=log)
    try:
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def said(broker_url: str) -> Callable[[dict[str, bytes]], Awaitable[None]]:
    """Publish retained messages, each acknowledged by the broker."""

    async def publish(messages: dict[str, bytes]) -> None:
        port = int(broker_url.rpartition(":")[2])
        async with Link(LinkConfig("127.0.0.1", port, client_id="device")) as link, asyncio.timeout(60):
            await link.up()
            for topic, payload in messages.items():
                link.publish(topic, payload, qos=1, retain=True)
            while link.stats.acknowledged < len(messages):
                await asyncio.sleep(0.01)

    return publish
