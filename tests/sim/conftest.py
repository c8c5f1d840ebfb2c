"""A campus of its own for each test, and a real broker on a free loopback port."""

import asyncio
import socket
import sysconfig
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sim_devices.site import Site, load_site

SITE_DIR = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
SUMMER_MORNING_US = int(datetime(2026, 6, 10, 4, 0, tzinfo=UTC).timestamp() * 1e6)  # 06:00 on site, a Wednesday


@pytest.fixture(scope="session")
def site_dir() -> Path:
    return SITE_DIR


@pytest.fixture(scope="session")
def site() -> Site:
    return load_site(SITE_DIR)


@pytest.fixture(scope="session")
def start_us() -> int:
    return SUMMER_MORNING_US


@pytest.fixture
async def broker_port(tmp_path: Path) -> AsyncIterator[int]:
    """A nats-server that speaks MQTT on this port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = tmp_path / "nats.conf"
    config.write_text(
        f'server_name: sim_test\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{tmp_path}/store" }}\n'
        f"mqtt {{ host: 127.0.0.1, port: {port} }}\n"
    )
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    process = await asyncio.create_subprocess_exec(binary, "-c", config, "-l", tmp_path / "nats.log")
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            break
        except OSError:
            await asyncio.sleep(0.05)
    yield port
    process.terminate()
    await process.wait()
