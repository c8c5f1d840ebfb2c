"""A twin that is killed while its plan changes has, after the next start, all of a change or nothing of it."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.twin_plan.conftest import SLAB, Running, csv_plan

_ROUNDS = 4


def _plan(number: int) -> bytes:
    rows = [f"T{n},Task {n} of {number},2026-06-01,2026-06-05,,,,,{SLAB}" for n in range(40)]
    return csv_plan(*rows)


def _serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A twin of its own process; its address."""
    log = folder / "out.txt"
    with log.open("wb") as out:
        arguments = [sys.executable, "-m", "aid4", "twin", "serve", "--site", str(folder / "site")]
        arguments += ["--data-dir", str(folder / "data"), "--port", "0"]
        child = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT)
    for _ in range(600):
        text = log.read_text()
        if " answers at http" in text:
            return child, text.split(" answers at ")[1].split()[0]
        assert child.poll() is None, text
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _activate(url: str, number: int, delay_s: float, child: subprocess.Popen[bytes]) -> bool:
    """Upload, propose, activate; the twin is killed `delay_s` after the last was sent. Whether it answered before."""
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as client:
        upload = client.post("/uploads", params={"name": "plan.csv"}, content=_plan(number)).json()["id"]
        change = client.post("/changes", json={"kind": "schedule", "body": {"upload": upload}}).json()["id"]
        killer = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import os,time; time.sleep({delay_s}); os.kill({child.pid}, {int(signal.SIGKILL)})",
            ]
        )
        done = False
        with suppress(httpx.HTTPError):
            done = client.post(f"/changes/{change}/activate").status_code == 200
        killer.wait()
        child.wait()
        return done


def test_what_was_answered_is_there_after_a_kill_and_nothing_is_half(
    twin_at: Any, tmp_path: Path, small_ifc: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "site.toml").write_text(
        f'name = "lab"\n[model]\nfile = "{small_ifc}"\n[schedule]\nfile = "no.csv"\n'
    )
    site = {"model": {"file": str(small_ifc)}, "schedule": {"file": "no.csv"}, "folder": str(tmp_path)}
    dice, live = random.Random(3), None
    for number in range(_ROUNDS):
        child, url = _serve(tmp_path)
        try:
            done = _activate(url, number, dice.uniform(0.0, 0.12), child)
        finally:
            if child.poll() is None:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
        with twin_at(tmp_path / "data", site) as twin:
            live = _whole(twin, number, live, done=done)


def _whole(twin: Running, number: int, before: int | None, *, done: bool) -> int | None:
    """The live schedule is the new one or the one before, whole, with its links, and SQL says the same."""
    page = twin.get("/schedule", limit=100)
    if page["schedule"] is None:
        assert before is None
        assert not done
        return None
    [found] = {int(item["name"].rsplit(" ", 1)[1]) for item in page["items"]}
    assert found == number if done else found in (number, before)
    assert len(page["items"]) == 40
    assert len(twin.get(f"/elements/{SLAB}")["plan"]["tasks"]) == 40
    sql = "SELECT count(*), (SELECT count(*) FROM element_tasks) FROM tasks"
    assert twin.post("/query", {"sql": sql}, 200)["rows"] == [[40, 40]]
    return found
