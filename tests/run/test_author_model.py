"""`aid4 run` authors the model of a site that has none, once, and again when a table changes."""

import asyncio
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from aid4.broker import Broker
from aid4.configs_path import site_path
from aid4.park_children import ParkChildren, broker_users
from aid4.park_config import Layout, ParkOptions


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    return Path(shutil.copytree(site_path("farm"), tmp_path / "farm"))


async def _authored(site: Path, data_dir: Path) -> Path | None:
    layout = Layout(data_dir)
    layout.create()
    options = ParkOptions(site=site, data_dir=data_dir)
    broker = Broker(layout.broker, broker_users("farm"))
    async with asyncio.TaskGroup() as group:
        return await ParkChildren(options, "farm", ("gw-1",), broker, group, lambda text: None).author_model()


async def test_a_model_is_authored_once_and_anew_when_a_table_changes(farm: Path, tmp_path: Path) -> None:
    first = await _authored(farm, tmp_path / "data")
    assert first is not None
    written = first.stat().st_mtime_ns
    assert await _authored(farm, tmp_path / "data") == first
    assert first.stat().st_mtime_ns == written
    table = farm / "layout.toml"
    table.write_text(table.read_text(encoding="utf-8").replace('name = "Barn"', 'name = "Stable"'), encoding="utf-8")
    second = await _authored(farm, tmp_path / "data")
    assert second is not None
    assert second != first
    assert "'Stable'" in second.read_text()


async def test_its_plan_has_this_week_s_monday_as_data_date(farm: Path, tmp_path: Path) -> None:
    shutil.copy(site_path("campus") / "plan.toml", farm / "plan.toml")
    plan = (farm / "plan.toml").read_text(encoding="utf-8")
    kept = plan.partition("[starts]")[0] + '[[work]]\nkey = "ground"\nname = "Ground"\ndays = 400\ntrades = ["roads"]\n'
    (farm / "plan.toml").write_text(kept, encoding="utf-8")
    made = await _authored(farm, tmp_path / "data")
    assert made is not None
    (moment,) = set(re.findall(r"'(\d{4}-\d\d-\d\d)T07:00:00',\$,'", made.read_text()))
    told = date.fromisoformat(moment)
    assert told.weekday() == 0
    assert 0 <= (date.today() - told).days < 7


async def test_a_site_with_a_model_of_its_own_or_without_a_layout_is_left_alone(farm: Path, tmp_path: Path) -> None:
    text = (farm / "site.toml").read_text(encoding="utf-8")
    (farm / "site.toml").write_text(text + '\n[model]\nfile = "own.ifc"\n', encoding="utf-8")
    assert await _authored(farm, tmp_path / "data") is None
    (farm / "site.toml").write_text(text, encoding="utf-8")
    (farm / "layout.toml").unlink()
    assert await _authored(farm, tmp_path / "data") is None
