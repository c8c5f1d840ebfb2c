"""A store in a folder of its own, and records as an agent makes them."""

import socket
import subprocess
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from twin.absorb import Absorber, Batch
from twin.reconcile import Reconciler
from twin.store import Store
from wire.catalogue import Point, to_batch
from wire.clock import ManualClock
from wire.messages import Hello
from wire.mqtt import LinkConfig
from wire.records import CLASS_CONTROL, Stamp, pack, pack_split
from wire.schemas import CATALOGUE, EVENTS, GAP, READINGS, STATES, schema

SITE = "lab"
T0 = 1_750_000_000_000_000  # 2025-06-15
EPOCH = b"\x11" * 16
TS = pa.timestamp("us", tz="UTC")


class Agent:
    """Makes the records of one epoch of one node."""

    def __init__(self, node: str = "gw1", epoch: bytes = EPOCH) -> None:
        self.node, self.epoch, self.seq, self.generation = node, epoch, 0, 0

    def stamp(self, **changed: Any) -> Stamp:
        fields = {"generation": self.generation, "boot": 1, "clock_us": T0, "mono_us": 0}
        return Stamp(epoch=self.epoch, **(fields | changed))

    @staticmethod
    def points(count: int, **fields: Any) -> list[Point]:
        """Points with the ids 0 to count − 1."""
        return [Point(id=at, device="dev", metric=f"m{at}", **fields) for at in range(count)]

    def sibling(self, **changed: Any) -> "Agent":
        """Another start, or another node."""
        return Agent(**({"node": self.node, "epoch": self.epoch} | changed))

    def catalogue(self, points: list[Point]) -> bytes:
        self.seq, self.generation = self.seq + 1, self.generation + 1
        stamp = self.stamp(cls=CLASS_CONTROL)
        return pack(to_batch(points), schema_id=CATALOGUE, stamp=stamp, seq=self.seq)

    def readings(self, point: Any, ts_us: Any, value: Any, quality: Any = None, *, rows: int = 1_000) -> list[bytes]:
        quality = np.zeros(len(point), np.uint8) if quality is None else np.asarray(quality, np.uint8)
        ts = pa.array(np.asarray(ts_us, np.int64)).view(TS)
        columns = [pa.array(np.asarray(point, np.uint32)), ts, pa.array(np.asarray(value, float)), pa.array(quality)]
        batch = pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))
        made = pack_split(batch, rows, schema_id=READINGS, stamp=self.stamp(), first_seq=self.seq + 1)
        self.seq += len(made)
        return made

    def other(self, schema_id: int, columns: dict[str, Any]) -> bytes:
        self.seq += 1
        batch = pa.RecordBatch.from_pydict(columns, schema=schema(schema_id))
        return pack(batch, schema_id=schema_id, stamp=self.stamp(), seq=self.seq)

    def states(self, point: list[int], ts_us: list[int], value: list[str]) -> bytes:
        return self.other(
            STATES, {"point": point, "ts": pa.array(ts_us).view(TS), "value": value, "quality": [0] * len(point)}
        )

    def event(self, ts_us: int, message: str, point: int | None = None) -> bytes:
        columns = {"ts": pa.array([ts_us]).view(TS), "device": ["pump"], "kind": ["trip"], "severity": [2]}
        return self.other(EVENTS, {**columns, "point": [point], "message": [message], "detail": ["{}"]})

    def gap(self, epoch: bytes, lo: int, hi: int, reason: str = "thinned", lost: int | None = None) -> bytes:
        return self.other(GAP, {"epoch": [epoch], "lo": [lo], "hi": [hi], "reason": [reason], "readings": [lost]})


class Bench:
    """A store with the absorber in front of it, driven by hand."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.restart()

    def restart(self) -> None:
        """As a new twin process on the same data would."""
        self.reconciler = Reconciler(boot=1)
        self.absorber = Absorber(SITE, self.reconciler, self.store.points, self.store.state)
        self.reread()

    def reread(self) -> None:
        from twin import ledger

        with self.store.cursor() as cursor:
            self.reconciler.load(*ledger.load(cursor, SITE))

    def take(self, payloads: list[bytes], node: str = "gw1", hellos: list[tuple[str, Hello]] | None = None) -> Any:
        batch = Batch([node] * len(payloads), list(payloads), hellos or [])
        batch.recv_us, batch.now_s = self.clock.wall_us(), self.clock.monotonic_s()
        future = self.store.writer.submit(
            lambda connection: self.absorber.absorb(connection, batch), then=self.absorber.committed
        )
        return future.result(30)

    def ranges(self, node: str = "gw1", epoch: bytes = EPOCH) -> list[tuple[int, int]]:
        return self.reconciler.acks([(node, epoch)])[0][1].ranges

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.cursor() as cursor:
            return cursor.execute(query).fetchall()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall_us=T0)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    with Store.open(tmp_path / "data", site=SITE, clock=clock) as store:
        yield store


@pytest.fixture
def bench(store: Store, clock: ManualClock) -> Bench:
    return Bench(store, clock)


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LinkConfig]:
    """A NATS server with MQTT on loopback; gives the way to reach it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = tmp_path / "nats"
    folder.mkdir()
    config = folder / "nats.conf"
    config.write_text(
        f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{folder}/js" }}\n'
        f"mqtt {{ host: 127.0.0.1, port: {port} }}\n"
        'authorization { users: [ { user: u, password: "secret" } ] }\n'
    )
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(program), "-c", str(config)], stdout=log, stderr=log)
    yield LinkConfig("127.0.0.1", port, user="u", password="secret")
    process.kill()
    process.wait()


@pytest.fixture
def in_thread() -> Callable[[Callable[[], Any]], Any]:
    """Repeats something in a thread while a block runs; what it raises, the block's end raises."""

    @contextmanager
    def repeat(action: Callable[[], Any]) -> Iterator[None]:
        stop, failures = threading.Event(), []

        def loop() -> None:
            try:
                while not stop.is_set():
                    action()
            except BaseException as error:  # noqa: BLE001 - it is raised again below
                failures.append(error)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if failures:
            raise failures[0]

    return repeat
