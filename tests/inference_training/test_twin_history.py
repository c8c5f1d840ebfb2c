"""Learning from a running twin: over its API alone, rows as they were stored, alarms and lost data left out."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from click.testing import CliRunner

from inference.bundle import Bundle
from inference.cli import model
from inference.training.history import TwinHistory
from inference.twin_api import TwinApi
from twin.absorb import Absorber, Batch
from twin.reconcile import Reconciler
from twin.server import TwinConfig, serve
from twin.siteconfig import site_from_dict
from wire.catalogue import Point, to_batch
from wire.quality import STALE
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, EVENTS, READINGS, schema

START_US, STEP_US, COUNT = 1_780_000_000_000_000, 30_000_000, 1_200  # ten hours
TS = pa.timestamp("us", tz="UTC")
POINTS = [
    Point(id=0, device="ahu-1", metric="supply_air_temperature", unit="Cel", point_class="temperature", period_s=30.0),
    Point(id=1, device="ahu-1", metric="heating_valve", unit="%", point_class="valve_command", period_s=30.0),
    Point(id=2, device="ahu-1", metric="energy", unit="kW.h", point_class="energy", period_s=30.0),
    Point(id=3, device="room", metric="temperature", unit="Cel", point_class="temperature", period_s=30.0),
]


def _fill(twin: Any) -> None:
    """A catalogue, ten hours of readings and one complaint, through ingest's own write path."""
    absorber = Absorber("lab", Reconciler(boot=1), twin.store.points, twin.store.state)
    rng = np.random.default_rng(2)
    ts = START_US + np.arange(COUNT, dtype=np.int64) * STEP_US
    batches = [(to_batch(POINTS), CATALOGUE, {"cls": CLASS_CONTROL})]
    for point in POINTS:
        quality = np.zeros(COUNT, np.uint8)
        quality[::50] = STALE
        value = 20 + point.id + np.sin(np.arange(COUNT) / 100) + 0.1 * rng.standard_normal(COUNT)
        columns = [pa.array(np.full(COUNT, point.id, np.uint32)), pa.array(ts).view(TS), pa.array(value),
                   pa.array(quality)]  # fmt: skip
        batches.append((pa.RecordBatch.from_arrays(columns, schema=schema(READINGS)), READINGS, {}))
    complaint = {"ts": pa.array([int(ts[600])]).view(TS), "device": ["ahu-1"], "kind": ["trip"], "severity": [3],
                 "point": [None], "message": ["tripped"], "detail": ["{}"]}  # fmt: skip
    batches.append((pa.RecordBatch.from_pydict(complaint, schema=schema(EVENTS)), EVENTS, {}))
    for seq, (batch, kind, stamp) in enumerate(batches, 1):
        made = Stamp(epoch=b"\x07" * 16, generation=1, boot=1, clock_us=0, mono_us=0, **stamp)
        work = Batch(["gw"], [pack(batch, schema_id=kind, stamp=made, seq=seq)])
        work.recv_us = twin.clock.wall_us()
        twin.store.writer.submit(lambda c, w=work: absorber.absorb(c, w), then=absorber.committed).result(30)
    twin.refresh()


async def test_a_running_twin_is_learned_from_over_its_api(tmp_path: Path) -> None:
    site = site_from_dict({"name": "lab"}, file="test")
    async with serve(TwinConfig(tmp_path / "twin", site=site, port=0)) as served:
        await asyncio.to_thread(_fill, served.twin)
        history = TwinHistory(TwinApi(served.url))
        points = await asyncio.to_thread(history.points)
        assert {one.key for one in points} == {
            "gw/ahu-1/supply_air_temperature", "gw/ahu-1/heating_valve", "gw/room/temperature",
        }  # fmt: skip
        assert len({one.asset for one in points if "ahu-1" in one.key}) == 1
        spans = await asyncio.to_thread(history.disturbed)
        assert [span.from_us for span in spans] == [START_US + 600 * STEP_US]
        row_us = 60_000_000
        start = START_US // row_us * row_us
        [one] = [one for one in points if "room" in one.key]
        rows = await asyncio.to_thread(history.rows, [one], start, start + 20 * row_us, row_us)
        with served.twin.store.cursor() as cursor:
            sql = f"SELECT epoch_us(ts) // {row_us}, value, quality FROM readings WHERE point = {one.id} ORDER BY ts"
            stored = cursor.execute(sql).fetchall()
        for at in range(20):
            good = [v for row, v, quality in stored if row == start // row_us + at and not quality & STALE]
            np.testing.assert_allclose(rows[at, 0], np.mean(good) if good else np.nan, rtol=1e-12)
        given = ["train", "--url", served.url, "--out", str(tmp_path / "m"), "--json"]
        told = await asyncio.to_thread(CliRunner().invoke, model, given)
        assert told.exit_code == 0, told.output
        report = json.loads(told.stdout)
        assert {one["asset"] for one in report["models"]} == {"ahu-1", "streams-0"}
        for one in report["models"]:
            assert Bundle((tmp_path / "m" / one["file"]).read_bytes()).manifest.data_sha256 == one["data_sha256"]
