"""`aid4 twin`: exit codes, JSON, a running and a stopped twin, backup and export there and back."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from websockets.sync.client import connect

from aid4.cli import cli
from wire.errors import InputError


def aid4(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["twin", *arguments])


@pytest.fixture
async def stopped(park: Any, tmp_path: Path) -> Path:
    """The data directory of a twin that was backed up and is free to be opened."""
    target = tmp_path / "stopped"
    await asyncio.to_thread(park.twin.store.backup, tmp_path / "backup")
    await asyncio.to_thread(aid4, "restore", str(tmp_path / "backup"), "--data-dir", str(target))
    return target


async def ask(*arguments: str) -> Any:
    result = await asyncio.to_thread(aid4, *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_a_running_twin_answers_sql_and_state(park: Any) -> None:
    answer = await ask("query", "select count(*) as n from points", "--url", park.url, "--json")
    assert answer["rows"] == [[8]]
    table = await asyncio.to_thread(aid4, "query", "select key from points order by id", "--url", park.url)
    assert table.stdout.splitlines()[:2] == ["key", "gw/meter/power"]
    rows = await ask("state", "--url", park.url, "--json")
    assert {row["key"] for row in rows} >= {"gw/meter/power", "gw/ahu/mode"}


async def test_a_stopped_twin_answers_the_same(stopped: Path) -> None:
    answer = await ask("query", "select count(*) from readings", "--data-dir", str(stopped), "--json")
    assert answer["rows"] == [[3602]]
    rows = await ask("state", "--data-dir", str(stopped), "--points", "3", "--json")
    assert [(row["key"], row["value"]) for row in rows] == [("gw/ahu/mode", "HEATING")]
    assert await ask("state", "--data-dir", str(stopped), "--at", "2001-01-01T00:00:00Z", "--json") == []


async def test_a_running_twin_is_backed_up_and_the_copy_is_whole(park: Any, tmp_path: Path) -> None:
    made = await ask("backup", "--url", park.url, "--json")
    assert made["readings"] == 3602
    restored = tmp_path / "restored"
    await ask("restore", made["path"], "--data-dir", str(restored), "--json")
    answer = await ask("query", "select count(*) from states", "--data-dir", str(restored), "--json")
    assert answer["rows"] == [[1]]


async def test_an_export_comes_back_whole_and_twice_adds_nothing(stopped: Path, tmp_path: Path) -> None:
    folder, other = str(tmp_path / "export"), str(tmp_path / "other")
    made = await ask("export", folder, "--data-dir", str(stopped), "--json")
    assert (made["readings"], made["points"], made["states"], made["events"]) == (3602, 8, 1, 1)
    added = await ask("import", folder, "--data-dir", other, "--json")
    nothing = {"schedules": 0, "poses": 0, "flights": 0}
    assert added == {"readings": 3602, "states": 1, "events": 1, **nothing}
    assert set((await ask("import", folder, "--data-dir", other, "--json")).values()) == {0}
    sql = "select key, count(*), sum(value) from readings join points on id = point where key like '%power' group by 1"
    here = await ask("query", sql, "--data-dir", str(stopped), "--json")
    there = await ask("query", sql, "--data-dir", other, "--json")
    assert there["rows"] == here["rows"]


async def test_compaction_moves_rows_and_loses_none(stopped: Path) -> None:
    moved = await ask("compact", "--data-dir", str(stopped), "--json")
    assert moved["files"] >= 0
    answer = await ask("query", "select count(*) from readings", "--data-dir", str(stopped), "--json")
    assert answer["rows"] == [[3602]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "select 1", "--url", "http://127.0.0.1:9"], "no twin answers"),
        (["query", "select 1", "--url", "file:///etc/passwd"], "no address of a twin"),
        (["query", "select 1", "--data-dir", "{tmp}/none"], "no twin has its data here"),
        (["state", "--data-dir", "{tmp}/none"], "no twin has its data here"),
        (["restore", "{tmp}", "--data-dir", "{tmp}/new"], "no complete backup"),
        (["import", "{tmp}", "--data-dir", "{tmp}/new"], "is no export"),
        (["serve", "--host", "0.0.0.0", "--data-dir", "{tmp}/new"], "will not listen"),
        (["serve", "--broker", "http://x", "--data-dir", "{tmp}/new"], "no address of a broker"),
        (["serve", "--site", "{tmp}", "--data-dir", "{tmp}/new"], "no such file"),
    ],
)
def test_what_a_person_can_mend_ends_with_two_and_a_fix(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = aid4(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert result.exit_code == 2
    assert words in result.output
    assert "fix:" in result.output


def test_a_served_twin_with_an_open_page_stops_within_three_seconds_of_ctrl_c(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "aid4",
        "twin",
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "d"),
        "--json",
    ]
    process = subprocess.Popen(
        [*command[:-1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        with connect(url.replace("http", "ws") + "/api/v1/live") as page:
            assert json.loads(page.recv())["type"] == "hello"
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=10)
        assert time.monotonic() - started < 3
        assert (process.returncode, complaints) == (0, "")
    finally:
        process.kill()


async def test_a_second_twin_on_the_same_data_refuses(park: Any) -> None:
    command = [sys.executable, "-m", "aid4", "twin", "serve", "--port", "0", "--for", "1", "--data-dir"]
    command.append(str(park.twin.store.data_dir))
    run = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=30
    )
    assert run.returncode == 2
    assert "another twin" in run.stderr


def test_a_broken_export_names_its_file(tmp_path: Path) -> None:
    from twin.transfer import exported_site

    (tmp_path / "export.json").write_text('{"format": "aid4-export", "version": 99, "site": "x", "rows": {}}')
    with pytest.raises(InputError) as refused:
        exported_site(tmp_path)
    assert refused.value.field == "version"
