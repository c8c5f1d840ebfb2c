"""`aid4 bench ui`: what the operator's page promises, in a real Chromium driven by playwright-core.

| part | figure | goal |
|---|---|---|
| `entry` | gzip of all that index.html names; is 3D fetched only when it is opened | 60 KiB |
| `live` | 10,000 changing points on the overview: frames of data a second, main thread, heap | 10, 30 %, 5 MB |
| `pixels` | from a value's change at 33,333 readings/s to the frame that shows it, p99 | 500 ms |
| `chart` | 30 days of one point out of a history of so many rows, to the drawn line | 1 s |
| `scrub` | the plan over the campus: the twin's answer for an instant, textures uploaded a step | 100 ms, 1 |
| `clients` | 200 clients, 5 never read, 1 floods: age of a change at the others, p99; memory | 1 s, bounded |

The twin is `aid4/bench/ui_twin.py` (changes begin where a gateway's record reaches the twin) and for `scrub` an
`aid4 run` of the campus. Runs in a checkout with the page built and its tools installed (CONTRIBUTING.md).
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from aid4.bench.children import Children, python
from aid4.bench.query import DAY_US, START_US
from aid4.bench.ui_twin import HISTORY_FULL_ROWS, PROBE_KEY, PROBE_MODULO
from wire.errors import ConfigError

__all__ = ["PARTS", "ui"]

WEB = Path(__file__).resolve().parents[2] / "web"
STATIC = WEB.parent / "twin" / "static"
GOALS = {
    "entry_kib": 60.0, "frames_per_s": 10.0, "main_thread_busy": 0.30, "heap_growth_mb": 5.0, "pixels_p99_ms": 500.0,
    "chart_ms": 1_000.0, "scrub_ms": 100.0, "uploads": 1, "clients_p99_ms": 1_000.0, "clients_growth_mib": 200.0,
}  # fmt: skip
_CLIENTS, _SILENT, _FLOODING = 200, 5, 1
_START_S_MAX = 3_600.0  # a hundred million rows are written first
_DRIVE_S_MAX = 900.0
_TILES_S_MAX = 300.0
_CHARTS = 6
_STEPS = 12


class Wish(NamedTuple):
    """What a person asked for; `url` is the bench's twin, `folder` scratch."""

    seconds: float
    points: int
    rate: float
    rows: int
    folder: Path
    children: Children
    url: str
    tell: Callable[[str], None]


def ui(
    parts: Iterable[str] = (), seconds: float = 600.0, points: int = 10_000, rate: float = 33_333.0,
    rows: int = HISTORY_FULL_ROWS, tell: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:  # fmt: skip
    """Figures by part, each with `held`, and `held` of all. ConfigError when a tool is missing."""
    _check_tools()
    wanted = list(parts) or list(PARTS)
    with tempfile.TemporaryDirectory(prefix="aid4-bench-ui-") as scratch:
        folder = Path(scratch)
        with Children(folder) as children:
            url = ""
            if set(wanted) - {"scrub"}:
                tell(f"a twin with {rows:,} rows of history, {points:,} points live at {rate:,.0f} readings/s")
                arguments = [str(folder / "data"), str(rows), str(points), str(rate)]
                children.start("twin", python("-m", "aid4.bench.ui_twin", *arguments))
                children.wait_for_line("twin", "http://", _START_S_MAX)
                url = _said(children, "twin", r"(http://\S+?)/?\s")
            wish = Wish(seconds, points, rate, rows, folder, children, url, tell)
            found: dict[str, Any] = {}
            for name in wanted:
                found[name] = PARTS[name](wish)
                tell(f"{name}: {json.dumps(found[name])}")
    return {**found, "goals": GOALS, "held": all(one["held"] for one in found.values())}


def _entry(wish: Wish) -> dict[str, Any]:
    index = (STATIC / "index.html").read_text()
    named = dict.fromkeys(re.findall(r'(?:src|href)="/([^"]+\.(?:js|css|svg))"', index))
    sizes = {name: len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in named if (STATIC / name).is_file()}
    kib = round(sum(sizes.values()) / 1024, 1)
    model_kib = round(len(gzip.compress((STATIC / "page" / "model.js").read_bytes(), 9)) / 1024, 1)
    seen = _drive(wish.url, "entry", {})
    lazy = not seen["model_first"] and seen["model_when_opened"]
    held = kib <= GOALS["entry_kib"] and lazy
    return {"entry_kib": kib, "model_kib": model_kib, "model_when_opened": lazy, "held": held}


def _live(wish: Wish) -> dict[str, Any]:
    seen = _drive(wish.url, "live", {"seconds": wish.seconds, "points": wish.points})
    held = (
        seen["frames_per_s"] <= GOALS["frames_per_s"]
        and seen["main_thread_busy"] < GOALS["main_thread_busy"]
        and seen["heap_growth_mb"] < GOALS["heap_growth_mb"]
        and seen["sockets"] == 1
    )
    return _rounded(seen) | {"points": wish.points, "held": held}


def _pixels(wish: Wish) -> dict[str, Any]:
    asked = {"seconds": min(wish.seconds, 120.0), "modulo": PROBE_MODULO}
    seen = _drive(wish.url, "pixels", asked)
    held = seen["changes"] > 0 and seen["p99_ms"] < GOALS["pixels_p99_ms"]
    return _rounded(seen) | {"readings_per_s": wish.rate, "held": held}


def _chart(wish: Wish) -> dict[str, Any]:
    start = datetime.fromtimestamp(START_US / 1e6, UTC)
    span = {"from": _iso(start), "to": _iso(start + timedelta(microseconds=30 * DAY_US))}
    keys = [f"node/d0/m{at}" for at in range(_CHARTS + 1)]
    known = [found for key in keys if (found := _point(wish.url, key, needed=False))]
    seen = _drive(wish.url, "chart", {**span, "points": known})
    held = seen["charts"] > 0 and seen["median_ms"] < GOALS["chart_ms"]
    return _rounded(seen) | {"rows": wish.rows, "held": held}


def _scrub(wish: Wish) -> dict[str, Any]:
    data = wish.folder / "campus"
    command = python("-m", "aid4", "run", "--site", "campus", "--no-sim", "--port", "0", "--data-dir", str(data))
    wish.children.start("campus", command)
    try:
        wish.children.wait_for_line("campus", "page", 120.0)
        url = _said(wish.children, "campus", r"page\s+(http://\S+?)/?\s")
        end_s = time.monotonic() + _TILES_S_MAX
        while "tileset" not in (plan := _get(url, "/tiles")) or not _get(url, "/schedule?limit=1")["schedule"]:
            if time.monotonic() > end_s:
                raise TimeoutError(f"the model of the campus is not there: {plan}")
            time.sleep(1.0)
        schedule = _get(url, "/schedule?limit=1")["schedule"]
        seen = _drive(url, "scrub", {"steps": _STEPS, "from": schedule["start"], "to": schedule["finish"]})
    finally:
        wish.children.stop("campus", within_s=60.0)
    held = seen["server_median_ms"] < GOALS["scrub_ms"] and seen["texture_uploads_a_step"] <= GOALS["uploads"]
    return _rounded(seen) | {"held": held}


def _clients(wish: Wish) -> dict[str, Any]:
    probe, socket = _point(wish.url, PROBE_KEY), wish.url.replace("http", "ws") + "/api/v1/live"
    before = _memory_mib(wish.children, "twin")
    polite = _CLIENTS - _SILENT - _FLOODING
    counts = [str(one) for one in (polite, _SILENT, _FLOODING)]
    command = python("-m", "aid4.bench.ui_clients", socket, str(probe), str(min(wish.seconds, 60.0)), *counts)
    done = subprocess.run(command, capture_output=True, text=True, timeout=_DRIVE_S_MAX, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    seen: dict[str, Any] = json.loads(done.stdout)
    growth = round(_memory_mib(wish.children, "twin") - before, 1)
    bounded = growth < GOALS["clients_growth_mib"]
    held = seen["heard"] == polite and seen["p99_ms"] < GOALS["clients_p99_ms"] and bounded
    return {
        **seen,
        "clients": _CLIENTS,
        "silent": _SILENT,
        "flooding": _FLOODING,
        "memory_growth_mib": growth,
        "held": held,
    }


PARTS: dict[str, Callable[[Wish], dict[str, Any]]] = {
    "entry": _entry, "live": _live, "pixels": _pixels, "chart": _chart, "scrub": _scrub, "clients": _clients,
}  # fmt: skip


def _check_tools() -> None:
    fix = "in a checkout: apt-get install chromium, then make test once, which builds the page and installs its tools"
    if not (STATIC / "index.html").is_file():
        raise ConfigError("the page is not built", file=str(STATIC), fix=fix)
    if not (WEB / "node_modules" / "playwright-core").is_dir() or not shutil.which("node"):
        raise ConfigError("what drives a browser is not installed", file=str(WEB / "node_modules"), fix=fix)
    if not _chromium():
        raise ConfigError("there is no Chromium", field="CHROMIUM", fix=fix)


def _chromium() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def _drive(url: str, part: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Let web/e2e/bench.mjs do one part."""
    environment = os.environ | {"CHROMIUM": str(_chromium())}
    command = [str(shutil.which("node")), "e2e/bench.mjs", url, part, json.dumps(asked)]
    limit_s = _DRIVE_S_MAX + float(asked.get("seconds", 0))
    done = subprocess.run(
        command, cwd=WEB, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{part}: {done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _get(url: str, path: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/api/v1{path}", timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def _point(url: str, key: str, *, needed: bool = True) -> int:
    """The number of a point by its key; 0 where it may be missing and is."""
    found = [
        one["id"] for one in _get(url, f"/points?q={key.rpartition('/')[0]}&limit=2000")["items"] if one["key"] == key
    ]
    if not found and needed:
        raise LookupError(f"no point {key}")
    return int(found[0]) if found else 0


def _said(children: Children, name: str, pattern: str) -> str:
    match = re.search(pattern, children.output(name, 200) + "\n")
    if match is None:
        raise RuntimeError(children.output(name))
    return match.group(1)


def _memory_mib(children: Children, name: str) -> float:
    """Resident memory of a child."""
    status = Path(f"/proc/{children.pid(name)}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(match.group(1)) / 1024 if match else 0.0


def _rounded(seen: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in seen.items()}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
