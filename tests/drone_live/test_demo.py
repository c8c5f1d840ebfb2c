"""`aid4 run` as a person sees it: the drone flies over the campus, its dock's scan is judged, what is late rings."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WAIT_S = 400.0


class Run:
    """One park and its API."""

    def __init__(self, data_dir: Path) -> None:
        command = [sys.executable, "-m", "aid4", "run", "--data-dir", str(data_dir), "--port", "0", "--speed", "10"]
        self.errors = (data_dir.parent / "stderr").open("w+")
        self.data_dir = data_dir
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.url = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("page"):
                self.url = line.split()[1]
                break

    def get(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}api/v1/{path}", timeout=30) as answer:
            return json.load(answer)

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            if found := look():
                return found
            time.sleep(0.3)
        logs = "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in self.data_dir.glob("log/*.log"))
        raise AssertionError(f"never: {what}\n{logs}")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.errors.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path / "data")
    yield made
    made.close()


def test_the_drone_flies_is_seen_moving_its_scan_is_judged_and_late_elements_ring(run: Run) -> None:
    assert run.url, run.data_dir
    first = run.until("a drone in the air", lambda: _flying(run))
    later = run.until("it moves", lambda: _moved(run, first))
    assert later["mode"] in ("AUTO", "RTL")
    assert later["datum"] == "orthometric"
    assert 0 < later["battery"] <= 100
    flights = run.until("its flight among the flights", lambda: run.get("flights")["items"])
    assert flights[0]["source"] == "live"
    (scan,) = run.until("a scan is judged", lambda: run.get("scans")["items"])
    assert scan["simulated"] is True
    assert scan["accepted"] is True, scan["reasons"]
    assert scan["late"] >= 1
    assert scan["early"] == 0
    flown = [one for one in run.get("flights")["items"] if one["scan"] == scan["id"]]
    assert [one["source"] for one in flown] == ["live"], "the scan belongs to the flight that brought it"
    rung = run.until(
        "late elements ring", lambda: [one for one in run.get("alarms")["items"] if "scan_late" in str(one)]
    )
    truth = json.loads(next((run.data_dir / "dock" / "scan").glob("*.truth.json")).read_text())
    told = {one for alarm in rung for one in run.get(f"alarms/{alarm['id']}")["detail"]["elements"]}
    assert told <= set(truth["late"]), "nothing that stands is called late"


def _flying(run: Run) -> Any:
    return next((one for one in run.get("state?limit=1")["drones"] if one["armed"] and (one["z"] or 0) > 10), None)


def _moved(run: Run, first: dict[str, Any]) -> Any:
    (now,) = [one for one in run.get("state?limit=1")["drones"] if one["device"] == first["device"]]
    way = ((now["x"] - first["x"]) ** 2 + (now["y"] - first["y"]) ** 2) ** 0.5
    return now if way > 20 else None
