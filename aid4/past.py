"""The past of a simulated park, handed to its twin: `python -m aid4.past`, a child of `aid4 run` with low priority.

It lives the days before the park's start (`sim_devices.past`) and lays them into the spool of each gateway as an epoch
of its own, of the points that the gateway's catalogue names. The agent finds the epoch and drains it behind what is
live, so every reading comes in once, whoever dies in between. Readings are flagged as simulated and as historical.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from aid4.past_computed import Computed
from aid4.past_order import Order, read_order, write_order
from edge.batcher import Batcher
from edge.config import FlushConfig, SpoolConfig
from edge.epochs import epoch_folders
from edge.sources import Batch
from edge.spool import Spool
from sim_devices.past import Past, Rows, live_past
from sim_devices.site import load_site
from wire.catalogue import Point, from_batch
from wire.clock import SystemClock
from wire.quality import HISTORICAL, NOT_A_NUMBER, SIMULATED
from wire.records import unpack
from wire.schemas import EVENTS, READINGS, STATES, schema

__all__ = ["KIND", "MADE", "lay"]

MADE: Final = HISTORICAL | SIMULATED
KIND: Final = "park.past"  # of the event that says so
_SETTLED_S: Final = 3.0  # a catalogue that has not grown for so long names all that there is
_WAIT_S: Final = 60.0
_INFO: Final = 0
_TS = schema(READINGS).field("ts").type


class _Deaf:
    """What a spool that no uplink empties tells to nobody."""

    def appended(self, *_: object) -> None: ...
    def declared(self, *_: object) -> None: ...
    def absent(self, *_: object) -> None: ...
    def retired(self, *_: object) -> None: ...
    def forgotten(self, *_: object) -> None: ...


def lay(path: Path) -> int:
    """Carry an order out as far as it is not; how many readings and states were laid. Blocks for seconds a day."""
    order = read_order(path)
    assert order is not None, f"{path} is no order"
    laid, scratch = 0, path.with_name("past")
    for node, epoch in order.made.items():  # named, but not yet moved when the power went
        _hand_over(scratch / node / epoch, Path(order.spools[node]))
    shutil.rmtree(scratch, ignore_errors=True)
    left = [node for node in order.spools if node not in order.made]
    if left:
        scratch.mkdir()
        past = live_past(load_site(Path(order.site)), order.seed, order.start_us, order.days, scratch / "values")
        for node in left:
            spool = Path(order.spools[node])
            epoch, rows = asyncio.run(_epoch(past, _catalogue(spool), scratch / node, order))
            order.made[node] = epoch
            write_order(path, order)
            if rows:
                _hand_over(scratch / node / epoch, spool)
            laid += rows
        shutil.rmtree(scratch, ignore_errors=True)
    order.done = True
    write_order(path, order)
    return laid


def _hand_over(epoch: Path, spool: Path) -> None:
    if epoch.is_dir():
        epoch.replace(spool / epoch.name)


def _catalogue(spool: Path) -> list[Point]:
    """The points that a running agent knows, once they have settled; none when it knows none in time."""
    newest, since_s, began_s = b"", time.monotonic(), time.monotonic()
    while time.monotonic() - began_s < _WAIT_S:
        found = _newest(spool)
        if found != newest:
            newest, since_s = found, time.monotonic()
        elif newest and time.monotonic() - since_s >= _SETTLED_S:
            break
        time.sleep(_SETTLED_S / 10)
    return from_batch(unpack(newest)[1]) if newest else []


def _newest(spool: Path) -> bytes:
    with contextlib.suppress(OSError):
        for folder in epoch_folders(spool)[:1]:
            records = sorted(folder.glob("catalogue-*.rec"), key=lambda one: int(one.stem.rpartition("-")[2]))
            if records:
                return records[-1].read_bytes()
    return b""


async def _epoch(past: Past, points: Sequence[Point], folder: Path, order: Order) -> tuple[str, int]:
    """Write what is past of `points` as an epoch below `folder`; its name, and its rows."""
    columns = {key: at for at, key in enumerate(past.numbers)}
    numbers = [point for point in points if point.kind == "value" and point.key in columns]
    computed = Computed(points, columns)
    texts = {point.key: point for point in points if point.kind == "state" and point.key not in columns}
    clock, laid = SystemClock(), 0
    wanted = np.array([columns[point.key] for point in numbers], np.intp)
    async with Spool(folder, SpoolConfig(), clock, _Deaf()) as spool:
        batcher = Batcher(spool, FlushConfig(age_s=60.0), FlushConfig(age_s=60.0), clock, lambda _: None)
        own = [*numbers, *computed.points, *texts.values()]
        place = {point.key: at for at, point in enumerate(own)}
        for part in past.parts():
            for batch in _batches(part, wanted, computed, place):
                await batcher.put("past", own, batch)
                laid += batch.rows.num_rows
        if laid:
            await batcher.put("past", own, _event(past, order))
        batcher.flush()
    return spool.epoch.hex(), laid


def _batches(
    part: Rows, wanted: np.ndarray[Any, np.dtype[np.intp]], computed: Computed, place: Mapping[str, int]
) -> list[Batch]:
    """Readings in the order of time, then states that changed."""
    found = []
    measured, (more, told) = part.values[:, wanted], computed.of(part.values)
    values = np.hstack([measured, more])
    keep = np.hstack([np.ones(measured.shape, bool), told]).ravel()
    count, width = values.shape
    if width:
        quality = np.where(np.isfinite(values), MADE, MADE | NOT_A_NUMBER).astype(np.uint8)
        columns = [
            pa.array(np.tile(np.arange(width, dtype=np.uint32), count)[keep]),
            pa.array(np.repeat(part.ts_us, width)[keep]).view(_TS),
            pa.array(values.ravel()[keep]),
            pa.array(quality.ravel()[keep]),
        ]
        found.append(Batch(READINGS, pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))))
    states = [(place[key], int(part.ts_us[row]), text) for row, key, text in part.states if key in place]
    if states:
        point, ts_us, text = zip(*states, strict=True)
        kind = schema(STATES)
        given = {"point": pa.array(point, pa.uint32()), "ts": pa.array(ts_us, pa.int64()).view(_TS)}
        given |= {"value": pa.array(text), "quality": pa.array([MADE] * len(states), pa.uint8())}
        found.append(Batch(STATES, pa.RecordBatch.from_arrays([given[name] for name in kind.names], schema=kind)))
    return found


def _event(past: Past, order: Order) -> Batch:
    """Say that this past was made."""
    kind = schema(EVENTS)
    detail = {"days": order.days, "seed": order.seed, "rows": len(past), "simulated": True}
    row = {
        "ts": order.start_us, "device": "", "kind": KIND, "severity": _INFO, "point": None,
        "message": f"the {order.days:g} days before are simulated, seed {order.seed}", "detail": json.dumps(detail),
    }  # fmt: skip
    columns = [pa.array([row[field.name]], field.type) for field in kind]
    return Batch(EVENTS, pa.RecordBatch.from_arrays(columns, schema=kind))


if __name__ == "__main__":
    os.nice(19)
    lay(Path(sys.argv[1]))
