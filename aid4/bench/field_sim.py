"""The simulated park itself: one seed gives the same bytes, and it is served at sixty times real time.

The whole campus is served on loopback with every protocol that needs no broker; figures are of this machine.
"""

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any, Final

import psutil

from sim_devices.campus import Campus
from sim_devices.park import Park
from sim_devices.site import load_site

__all__ = ["sim"]

SITE: Final = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
SPEED: Final = 60.0
POINTS_MIN, CORES_MAX = 2_000, 2.0
_START_US: Final = 1_773_810_000_000_000
_SAME_S: Final = 60  # simulated
_SHARE: Final = 0.98  # of the time that should have passed


def sim(seconds: float, seed: int = 7) -> dict[str, Any]:
    """Live a simulated minute twice with one seed, then serve for `seconds` of this machine's time."""
    site = load_site(SITE)
    began_s = time.process_time()
    digest, again = _digest(site, seed), _digest(site, seed)
    step_ms = (time.process_time() - began_s) * 500.0 / _SAME_S
    served = asyncio.run(_served(seconds, seed))
    points = sum(1 for _ in site.points())
    held = digest == again and served["speed"] >= _SHARE * SPEED and served["cores"] <= CORES_MAX
    return {
        "points": points, "points_min": POINTS_MIN, "protocols": len({one.protocol for one in site.devices}),
        "same_bytes": digest == again, "sha256": digest[:16], "cpu_ms_a_second": round(step_ms, 2),
        "times_real_on_one_core": round(1_000.0 / step_ms), **served, "held": held and points >= POINTS_MIN,
    }  # fmt: skip


def _digest(site: Any, seed: int) -> str:
    """Of every value of every second."""
    campus, digest = Campus(site, seed, _START_US), hashlib.sha256()
    for _ in range(_SAME_S):
        campus.step(1.0)
        digest.update(json.dumps(campus.values()).encode())
    return digest.hexdigest()


async def _served(seconds: float, seed: int) -> dict[str, float]:
    """How fast the park was, and how many cores it took."""
    async with Park(SITE, seed, SPEED, start_us=_START_US) as park:
        process = psutil.Process()
        start_us, start_s, before = park.campus.now_us, time.monotonic(), process.cpu_times()
        await asyncio.sleep(seconds)
        passed_s, after = time.monotonic() - start_s, process.cpu_times()
        used_s = after.user + after.system - before.user - before.system
        return {
            "speed": round((park.campus.now_us - start_us) / 1e6 / passed_s, 1),
            "cores": round(used_s / passed_s, 2),
            "servers": len(park.servers),
        }
