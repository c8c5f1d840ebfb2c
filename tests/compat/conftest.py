"""The frozen bytes of the first release, laid out as the program would find them; a twin's store driven by hand."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.epochs import recover
from edge.segments import Disk
from twin import ledger
from twin.absorb import Absorber, Batch
from twin.reconcile import Reconciler
from twin.store import Store
from wire.clock import ManualClock
from wire.messages import Hello

GOLDEN = Path(__file__).parent / "golden"
SITE, NODE = "plant", "gw-1"
NOW_US = 1_750_200_000_000_000  # two days after the readings


class Bench:
    """A store with the absorber of today in front of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.restart()

    def restart(self) -> None:
        """As a new twin process on the same data would."""
        store = self.store
        self.reconciler = Reconciler(boot=1)
        self.absorber = Absorber(SITE, self.reconciler, store.points, store.state)
        with store.cursor() as cursor:
            self.reconciler.load(*ledger.load(cursor, SITE))

    def take(self, payloads: list[bytes], hello: Hello | None = None) -> Any:
        batch = Batch([NODE] * len(payloads), list(payloads), [(NODE, hello)] if hello else [])
        batch.recv_us, batch.now_s = NOW_US, 0.0
        work = self.store.writer.submit(lambda c: self.absorber.absorb(c, batch), then=self.absorber.committed)
        return work.result(30)

    def ranges(self, epoch: bytes) -> list[tuple[int, int]]:
        return self.reconciler.acks([(NODE, epoch)])[0][1].ranges

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.cursor() as cursor:
            return cursor.execute(query).fetchall()

    def readings(self) -> list[list[Any]]:
        """(device/metric, µs, value or None for NaN, quality), as they stand in `spool-1.json`."""
        rows = self.sql(
            "SELECT device || '/' || metric, epoch_us(ts), value, quality FROM readings JOIN points ON id = point"
            " ORDER BY 2, 1"
        )
        return [[key, ts, None if math.isnan(value) else value, flags] for key, ts, value, flags in rows]


@pytest.fixture
def golden() -> Path:
    return GOLDEN


@pytest.fixture
def expected() -> dict[str, Any]:
    """What was put into `spool-1`."""
    found: dict[str, Any] = json.loads((GOLDEN / "spool-1.json").read_text())
    found["readings"].sort(key=lambda row: (row[1], row[0]))
    return found


@pytest.fixture
def spool(tmp_path: Path, expected: dict[str, Any]) -> Path:
    """A spool folder as an agent of the first release left it at a power cut."""
    folder = tmp_path / "spool"
    source = GOLDEN / "spool-1" / expected["epoch"]
    (folder / source.name).mkdir(parents=True)
    for file in source.glob("*.hex"):
        (folder / source.name / file.stem).write_bytes(bytes.fromhex("".join(file.read_text().split())))
    return folder


@pytest.fixture
def records(spool: Path, expected: dict[str, Any], tmp_path: Path) -> dict[int, bytes]:
    """The records of that spool by seq."""
    copy = tmp_path / "copy" / expected["epoch"]
    copy.mkdir(parents=True)
    for file in (spool / expected["epoch"]).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    found = recover(copy, Disk())
    records = dict(found.epoch.read(1, found.epoch.head))
    found.epoch.close()
    return records


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Path], Any]:
    """Opens a data directory with today's program."""

    @contextmanager
    def bench(folder: Path) -> Iterator[Bench]:
        with Store.open(folder, site=SITE, clock=ManualClock(NOW_US)) as store:
            yield Bench(store)

    return bench
