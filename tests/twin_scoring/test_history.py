"""What a scorer learns from of days that are stored: means of rows, at the moments at which they were read."""

import asyncio
import time
from pathlib import Path

import numpy as np

from tests.twin_scoring.conftest import POINTS, STEP_US, Feed, normal
from twin.core import Twin
from twin.scoring_history import EXACT_US_MAX, ScoringHistory
from twin.siteconfig import site_from_dict
from twin.store import Store
from wire.clock import SystemClock

ROW_US = 60_000_000
AFTER_US = 7_000_000  # into a row


async def test_means_of_rows_stand_at_the_mean_moment_of_their_readings(tmp_path: Path) -> None:
    values = normal(4 * 120)
    with Store.open(tmp_path / "twin", site="lab", clock=SystemClock()) as store:
        async with Twin(store, site_from_dict({"name": "lab"}, file="test")) as twin:
            feed = Feed(twin)
            feed.catalogue()
            start_us = (
                (time.time_ns() // 1_000 - 2 * EXACT_US_MAX) // ROW_US * ROW_US - len(values) * STEP_US + AFTER_US
            )
            await asyncio.to_thread(feed.readings, start_us, values)
            parts = [part async for part in ScoringHistory(store, store.clock, lambda: 60.0)(None)]
    assert not any(exact for _, _, exact in parts)
    ts_us = np.concatenate([rows["ts"].view("int64").to_numpy(zero_copy_only=False) for rows, _, _ in parts])
    value = np.concatenate([rows["value"].to_numpy() for rows, _, _ in parts])
    assert len(ts_us) == len(values) // 2 * len(POINTS)
    assert np.unique(ts_us % ROW_US).tolist() == [AFTER_US + STEP_US // 2]
    assert np.isclose(value.sum() * 2, values.sum())
