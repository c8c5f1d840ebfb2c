"""Tools of the sources' tests: a source made from a TOML table, and its batches collected as rows."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sysconfig
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.sources import Batch, Source, SourceContext, load_kind
from wire.clock import SystemClock
from wire.mqtt import Link, LinkConfig
from wire.schemas import READINGS


@dataclass
class Taken:
    """Rows taken from a source: (key, µs, value, quality), and how many batches they came in."""

    rows: list[tuple[str, int, Any, int]] = field(default_factory=list)
    batches: int = 0

    def values(self, key: str) -> list[Any]:
        return [value for name, _, value, _ in self.rows if name == key]

    def add(self, source: Source, batch: Batch) -> None:
        batch.rows.validate(full=True)
        keys = [point.key for point in source.points()]
        ids, _, values, quality = (column.to_pylist() for column in batch.rows.columns)
        times = batch.rows["ts"].cast("int64").to_pylist()
        self.rows += zip([keys[at] for at in ids], times, values, quality, strict=True)
        self.batches += 1
        kind = "value" if batch.schema_id == READINGS else "state"
        assert {source.points()[at].kind for at in ids} <= {kind}
        if batch.accepted:
            batch.accepted(0)


def make(table: dict[str, Any], folder: Path) -> Source:
    """A source as the agent makes it from a `[[source]]` table."""
    row = load_kind(table["kind"])
    return row.create(msgspec.convert(table, row.config), SourceContext(SystemClock(), folder))


async def take_all(source: Source) -> Taken:
    """Everything that a finite source has."""
    taken = Taken()
    async with source:
        async for batch in source.batches():
            taken.add(source, batch)
    return taken


async def take_until(source: Source, taken: Taken, enough: Callable[[Taken], bool], timeout_s: float = 10.0) -> None:
    """Read an entered source's batches into `taken` until it is enough."""
    batches = source.batches()
    try:
        async with asyncio.timeout(timeout_s):
            while not enough(taken):
                taken.add(source, await anext(batches))
    except TimeoutError:
        pytest.fail(f"not enough after {timeout_s} s: {taken.rows[-5:]}, {source.health}")
    finally:
        await batches.aclose()  # type: ignore[attr-defined]


def sample(module: str) -> list[dict[str, Any]]:
    """The `[[source]]` tables in the docstring of a source's module."""
    text = import_module(module).__doc__ or ""
    tables = [part for part in text.split("\n\n") if part.lstrip().startswith("[[source")]
    return list(tomllib.loads("\n".join(tables))["source"])


class Broker:
    """nats-server with MQTT on a free loopback port, that can be killed and started again there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        shutil.rmtree(self.folder / "js", ignore_errors=True)
        path = self.folder / "nats.conf"
        path.write_text(
            f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{self.folder}/js" }}\n'
            f"mqtt {{ host: 127.0.0.1, port: {self.port}, max_ack_pending: 8000 }}\n"
        )
        server = Path(sysconfig.get_path("scripts")) / "nats-server"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(server), "-c", str(path)], stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Link]:
        """A connected device."""
        async with Link(LinkConfig("127.0.0.1", self.port, client_id="device")) as link:
            async with asyncio.timeout(10):
                await link.up()
            yield link


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def tools() -> Any:
    """The functions of this file, for tests that cannot import it."""
    from types import SimpleNamespace

    return SimpleNamespace(make=make, take_all=take_all, take_until=take_until, sample=sample, Taken=Taken)
