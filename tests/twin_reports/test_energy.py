"""Energy with lineage: counters read as a person with pencil and paper would, on days of 23, 24 and 25 hours."""

import asyncio
import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.reports.kinds.energy import count_up
from twin.reports.period import day_of
from twin.reports.settings import read_reports_file
from twin.siteconfig import site_from_dict
from wire.catalogue import Point
from wire.errors import ConfigError

H = 3_600_000_000
FAR = 4_000_000_000_000_000
SETTINGS = """
[[meter]]
name = "Grid"
points = "*/meter/import"
role = "grid"
factor = "mix"
[[meter]]
name = "Roof"
points = "*/pv/total"
role = "generation"
[[factor]]
name = "mix"
kg_co2e_per_kwh = 0.25
source = "the supplier's <disclosure> 2025"
"""
POINTS = [
    Point(id=0, device="meter", metric="import", unit="kW.h", point_class="energy", label="Grid"),
    Point(id=1, device="pv", metric="total", unit="MW.h", point_class="energy", label="Roof"),
]


def by_hand(rows: list[tuple[int, float]], before: float | None) -> tuple[float, int]:
    """One row after the other: what it ran, and how often it began anew."""
    total, resets, last = 0.0, 0, before
    for _, value in rows:
        if value != value:
            continue
        if last is not None:
            resets += value < last
            total += value if value < last else value - last
        last = value
    return total, resets


@pytest.mark.parametrize("seed", range(20))
def test_a_counter_is_read_as_by_hand_with_resets_holes_and_bad_values(seed: int) -> None:
    rng = random.Random(seed)
    period = day_of(date(2026, 3, 10), "Europe/Bratislava", FAR)
    value, rows = rng.uniform(0, 500), []
    before = value if seed % 3 else None
    for moment in sorted(rng.sample(range(period.start_us, period.end_us, 1_000_000), 400)):
        value = 0.0 if rng.random() < 0.01 else value + rng.uniform(0, 2)
        rows.append((moment, float("nan") if rng.random() < 0.02 else value))
    counted = count_up(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), before, period)
    total, resets = by_hand(rows, before)
    assert counted.total == pytest.approx(total)
    assert counted.resets == resets
    assert counted.hours.sum() == pytest.approx(total)
    assert len(counted.hours) == 24


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
def test_a_day_is_that_of_the_sites_clock(day: date, hours: int) -> None:
    period = day_of(day, "Europe/Bratislava", FAR)
    assert (period.end_us - period.start_us) / H == hours
    assert len(period.hours_us) == hours + 1


def test_a_silent_counter_ran_nothing_and_says_how_long_it_was_silent() -> None:
    period = day_of(date(2026, 7, 1), "UTC", FAR)
    counted = count_up(np.array([], np.int64), np.array([]), 12.0, period)
    assert (counted.total, counted.first_us, counted.silent_s) == (0.0, None, 86_400.0)


@pytest.fixture
async def metered(start: Any, tmp_path: Path) -> Any:
    """A day of two counters: 24 kWh from the grid, 2,400 kWh from the roof, whose counter speaks in MWh."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "reports.toml").write_text(SETTINGS)
    park = await start(site=site_from_dict({"name": "lab", "folder": str(folder)}, file="test"))
    await asyncio.to_thread(park.feed.catalogue, POINTS)
    period = day_of(date(2026, 6, 10), "UTC", FAR)
    times = np.arange(period.start_us - H, period.end_us + H, H)
    await asyncio.to_thread(park.feed.readings, 0, times, 1_000.0 + np.arange(len(times)))
    await asyncio.to_thread(park.feed.readings, 1, times, 5.0 + 0.1 * np.arange(len(times)))
    return park


async def test_energy_and_co2_are_stated_with_their_counters_and_the_factors_source(metered: Any) -> None:
    report = await metered.get("/reports/energy", day="2026-06-10", format="json")
    figures = {one["name"]: one["value"] for section in report["sections"] for one in section["figures"]}
    assert figures["Net from the grid"] == "24.0"
    assert figures["Produced"] == "2,400.0"
    assert figures["CO₂"] == "6.0 kg", "24 kWh at 0.25 kg"
    text = (await metered.client.get("/api/v1/reports/energy", params={"day": "2026-06-10"})).text
    assert "the supplier&#x27;s &lt;disclosure&gt; 2025" in text
    assert "gw/meter/import" in text
    chart = report["sections"][0]["charts"][0]
    assert sum(chart["series"]["Consumed"]) == pytest.approx(24.0)


async def test_without_a_factor_no_co2_is_stated(start: Any) -> None:
    park = await start()
    await asyncio.to_thread(park.feed.catalogue, POINTS)
    await asyncio.to_thread(park.feed.readings, 0, park.twin.clock.wall_us() - np.array([2, 1]) * 1_000_000, [1.0, 2.0])
    report = await park.get("/reports/energy", format="json", day=park.twin.reports.here().isoformat())
    assert "no factor" in report["sections"][0]["text"]
    assert {one["name"]: one["value"] for one in report["sections"][0]["figures"]}["CO₂"] == "–"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[[meter]]\nname = "a"\npoints = "*"\nfactor = "x"\n', "meter.factor"),
        ('[[report]]\nkind = "energy"\ndays = "Xyz-Fri"\n', "report.days"),
        ('[[report]]\nkind = "weather"\n', ""),
        ('[[report]]\nkind = "energy"\nat = "25:00"\n', ""),
        ('[[factor]]\nname = "a"\nkg_co2e_per_kwh = 0.1\n', ""),
        ("[[report]\n", ""),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "reports.toml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_reports_file(tmp_path)
    assert refused.value.field == field
