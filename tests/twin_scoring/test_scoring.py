"""Scoring beside ingest: learns from what is stored, rings once with a reason, and may die without harm."""

import asyncio
import os
import signal
import time
from typing import Any

import numpy as np
import pytest

from inference.runtime import host
from twin.alarms.states import Alarm
from twin.core import Twin


def ringing(twin: Twin) -> list[Alarm]:
    return [alarm for alarm in twin.alarms.book.all() if alarm.active and alarm.definition.source == "detector"]


def rows_of(twin: Twin, sql: str) -> list[tuple[Any, ...]]:
    with twin.store.cursor() as cursor:
        return cursor.execute(sql).fetchall()


async def test_a_twin_that_starts_learns_from_its_history_and_rings_once_with_channels_and_causes(scored: Any) -> None:
    twin, until = scored.twin, scored.until
    [alarm] = await until(lambda: ringing(twin))
    what = alarm.definition
    assert what.key == "detector:gw/b:anomaly"
    assert what.group == "gw/b"
    assert twin.directory.by_id[what.point or 0].key == "gw/b/heat"
    channel = what.detail["channels"][0]
    assert (channel["point"], channel["direction"]) == ("gw/b/heat", "high")
    assert channel["share"] > 0.5
    assert what.detail["nearest"]["to"] < what.detail["since"]
    assert what.detail["cause"][0]["p"] > 0
    assert what.action
    assert twin.scoring.problem == ""
    assert twin.scoring.status()["streams"] == 9


async def test_scores_are_points_of_the_device_and_rows_for_sql(scored: Any) -> None:
    twin, until = scored.twin, scored.until
    await until(lambda: ringing(twin))
    await until(lambda: rows_of(twin, "SELECT 1 FROM scores WHERE explanation <> ''"))
    point = twin.store.points.by_key["gw/b/heat-score"]
    assert (point.point_class, point.unit, point.meta) == ("score", "1", {"made_by": "twin"})
    kept = rows_of(twin, f"SELECT max(value), count(*) FROM readings_warm WHERE point = {point.id}")
    assert kept[0][0] > 3
    assert 0 < kept[0][1] < 432  # a tenth of three days of minutes: what changed while it was not calm
    answer = await twin.sql.query("SELECT p.key, max(score) AS top FROM scores JOIN points p ON p.id = scores.point"
                                  " WHERE alarm GROUP BY ALL")  # fmt: skip
    assert b"gw/b/heat" in answer.body


async def test_a_killed_child_comes_back_and_neither_rings_again_nor_learns_anew(scored: Any) -> None:
    twin, until = scored.twin, scored.until
    [alarm] = await until(lambda: ringing(twin))
    first = await until(lambda: twin.scoring.pid)
    os.kill(first, signal.SIGKILL)
    await until(lambda: twin.scoring.pid not in (None, first) and not twin.scoring.problem)
    assert twin.scoring.figures()["failures"] == 1
    assert ringing(twin) == [alarm]
    assert alarm.occurrences == 1


async def test_a_child_that_hangs_is_replaced_and_holds_up_no_commit(
    scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin, until = scored.twin, scored.until
    await until(lambda: ringing(twin))
    first = await until(lambda: twin.scoring.pid)
    monkeypatch.setattr(host, "HANG_S", 2.0)
    os.kill(first, signal.SIGSTOP)
    now_us = time.time_ns() // 1_000 // scored.step_us * scored.step_us
    before = twin.store.state.taken["readings"]
    for lot in range(20):
        await asyncio.to_thread(scored.feed.readings, now_us + lot, scored.normal(50, seed=lot))
    assert twin.store.state.taken["readings"] - before == 20 * 50 * 9
    monkeypatch.setattr(host, "HANG_S", 60.0)
    await until(lambda: twin.scoring.pid not in (None, first) and not twin.scoring.problem)
    assert twin.scoring.figures()["failures"] == 1


async def test_a_child_that_grows_too_large_is_replaced(scored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    twin, until = scored.twin, scored.until
    first = await until(lambda: twin.scoring.pid)
    await until(lambda: not twin.scoring.problem)
    monkeypatch.setattr(host, "RSS_BYTES_MAX", 1 << 20)
    await until(lambda: twin.scoring.figures().get("failures"))
    assert "MiB of memory" in twin.scoring.problem
    monkeypatch.undo()
    await until(lambda: twin.scoring.pid not in (None, first) and not twin.scoring.problem)


async def test_a_verdict_is_in_the_journal_and_acknowledges(scored: Any) -> None:
    twin, until = scored.twin, scored.until
    [alarm] = await until(lambda: ringing(twin))
    twin.scoring.verdict(alarm.id, "eva", accepted=False, note="the door was open")
    assert alarm.acknowledged

    def notes() -> list[str]:
        steps, _ = twin.alarms.book.journal(alarm.id, 0, 2**53, 10)
        return [step["note"] for step in steps if "verdict: false alarm. the door was open" in step["note"]]

    await until(notes)


async def test_the_alarm_returns_when_the_device_is_calm_again(scored: Any) -> None:
    twin, until = scored.twin, scored.until
    [alarm] = await until(lambda: ringing(twin))
    await until(lambda: not twin.scoring.problem)
    # the child is asked about a time two hours on, as after a calm evening
    ahead = np.timedelta64(2, "h").astype("timedelta64[us]").astype(int)
    now_us = time.time_ns() // 1_000 // scored.step_us * scored.step_us
    await asyncio.to_thread(scored.feed.readings, now_us, scored.normal(240, seed=9))
    clock = twin.store.clock
    clock.wall_us = lambda: time.time_ns() // 1_000 + int(ahead)  # type: ignore[method-assign]
    await until(lambda: not alarm.active)
    assert not ringing(twin)
