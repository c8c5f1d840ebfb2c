"""One run of scenarios: a whole park in a folder of its own, on a fast clock, with faults, watched over the twin's API.

The clock all but stands until the twin has been given its past and has learned from it, so how long a machine takes for
that changes nothing; then it goes at the run's speed, in every process alike.
"""

import asyncio
import json
import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aid4.park import Park
from aid4.park_config import ParkOptions, toml_value
from aid4.past_order import read_order
from aid4.scenario_rings import Watched
from aid4.scenario_score import Planted, score
from aid4.scenario_site import copy_site
from aid4.settle import Report
from aid4.twin_client import TwinClient, TwinSilentError
from edge.health import read_status
from sim_devices.scenario_files import Together
from wire.clock import RUN_CLOCK, RunClock
from wire.errors import Aid4Error

__all__ = ["ScenarioRun"]

_SETUP_SPEED: Final = 0.05
_SETUP_S_MAX: Final = 1_800.0  # real, for a small machine that learns a long past
_LAG_S: Final = 1.5  # at the speed asked for: what is shown may be so old; on a machine that is slower the clock waits
_SLOWER, _FASTER = 0.7, 1.15
_SPEED_MIN: Final = 1.0
_POLL_S: Final = 1.0
_PENDING_MAX: Final = 50  # records; what is live is always on its way
_SCENARIO: Final = "scenario.toml"


class ScenarioRun:
    """`run` once. `say` gets lines for people, `show` how far it is: simulated seconds done, and of how many."""

    def __init__(
        self,
        plan: Together,
        site: Path,
        folder: Path,
        *,
        seed: int,
        speed: float,
        say: Callable[[str], None],
        show: Callable[[float, float], None],
        lean: bool = False,
    ) -> None:
        self._only = tuple(dict.fromkeys(fault.device for _, fault in plan.faults)) if lean else ()
        self._plan, self._folder, self._seed, self._speed = plan, folder, seed, speed
        self._say, self._show = say, show
        self._site = copy_site(site, folder / "site", speed)
        self._scenario = folder / _SCENARIO
        faults = [
            {name: value for name, value in _built(fault).items() if name != "expect"} for _, fault in plan.faults
        ]
        self._scenario.write_text(f'title = "a run"\nfault = {toml_value(faults)}\n', encoding="utf-8")
        self._watched = Watched()
        self._start_us, self._budget_per_day = 0, math.inf

    async def run(self) -> dict[str, Any]:
        """The whole run; what `--json` prints."""
        began_s = time.monotonic()
        clock = RunClock.create(self._folder / "clock", round(self._plan.start.timestamp() * 1e6), self._speed)
        os.environ[RUN_CLOCK] = str((self._folder / "clock").resolve())
        try:
            clock.go(_SETUP_SPEED)
            options = ParkOptions(
                site=self._site, data_dir=self._folder / "data", seed=self._seed, scenario=str(self._scenario),
                speed=self._speed, past_days=self._plan.past_days, only=self._only,
            )  # fmt: skip
            park = Park(options, self._say, play=lambda twin: self._play(park, twin, clock))
            report = await park.run()
        finally:
            del os.environ[RUN_CLOCK]
        planted = [Planted(file, fault) for file, fault in self._plan.faults]
        rings = self._watched.rings(self._start_us)
        found = score(
            planted, rings, settle_s=self._plan.settle_s, false_alarms_max=self._plan.false_alarms_max,
            end_s=self._plan.end_s, budget_per_day=self._budget_per_day,
        )  # fmt: skip
        return self._document(found, report, time.monotonic() - began_s)

    async def _play(self, park: Park, twin: TwinClient, clock: RunClock) -> None:
        """Wait until detectors have learned, let the faults happen, and see all of it through the API."""
        while not park.layout.ports.exists():  # noqa: ASYNC110 - another process writes it, maybe after a first value
            await asyncio.sleep(_POLL_S)
        self._start_us = int(json.loads(park.layout.ports.read_text())["start_us"])
        await self._learned(park, twin)
        self._say(f"          {len(self._plan.faults)} faults in {self._plan.end_s / 3600.0:.1f} h at {self._speed:g}x")
        speed = self._speed
        clock.go(speed)
        while (since_s := (clock.wall_us() - self._start_us) / 1e6) < self._plan.end_s:
            self._show(since_s, self._plan.end_s)
            await asyncio.sleep(_POLL_S)
            await self._watched.look(twin, clock.wall_us())
            if (fit := self._bearable(park, speed)) != speed:
                speed = fit
                clock.go(speed)
        clock.go(_SETUP_SPEED)
        await self._watched.read_journal(twin, self._start_us)

    def _bearable(self, park: Park, speed: float) -> float:
        """The speed at which readings reach the twin's store in time on this machine, at most what was asked for."""
        waiting_s = [0.0]
        for node in park.nodes:
            health = read_status(park.layout.agent(node).status)
            if health is not None and health.spool.oldest_pending_us is not None:
                waiting_s.append((health.ts_us - health.spool.oldest_pending_us) / 1e6 / self._speed)
        lag_s = max(waiting_s)
        if lag_s > _LAG_S:
            return max(speed * _SLOWER, _SPEED_MIN)
        return min(speed * _FASTER, self._speed) if lag_s < _LAG_S / 2 else speed

    async def _learned(self, park: Park, twin: TwinClient) -> None:
        """The past is with the twin, and scoring has learned from it."""
        if not self._plan.past_days:
            return
        until_s = time.monotonic() + _SETUP_S_MAX
        while time.monotonic() < until_s:
            await asyncio.sleep(_POLL_S)
            order = read_order(park.layout.root / "past.json")
            if order is None or not order.done or not all(_drained(park, node) for node in park.nodes):
                continue
            try:
                scoring = (await twin.ask("healthz")).get("scoring", {})
            except TwinSilentError:
                continue
            if scoring.get("pasts", 0) and not scoring.get("problem"):
                self._budget_per_day = float(scoring["budget_per_day"]) * int(scoring["streams"])
                self._say(f"learned   {scoring.get('streams', 0)} streams from {order.days:g} days")
                return
        raise Aid4Error(f"the twin has not learned its past within {_SETUP_S_MAX:g} s")

    def _document(self, found: dict[str, Any], report: Report, wall_s: float) -> dict[str, Any]:
        lost = {"accepted": report.accepted, "stored": report.stored}
        lost |= {"lost": report.lost, "duplicated": report.duplicated}
        return {
            "simulated": True,
            "scenarios": [{"file": file, "title": one.title} for file, one in self._plan.scenarios],
            "seed": self._seed,
            "speed": self._speed,
            "start": datetime.fromtimestamp(self._start_us / 1e6, UTC).isoformat(),
            "simulated_s": self._plan.end_s,
            "wall_s": round(wall_s, 1),
            "points": report.points,
            **found,
            "delivery": lost,
            "warnings": report.warnings,
            "ok": found["ok"] and not report.lost and not report.duplicated,
        }


def _built(fault: Any) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in fault.__struct_fields__}


def _drained(park: Park, node: str) -> bool:
    health = read_status(park.layout.agent(node).status)
    return health is not None and health.spool.epochs > 1 and health.spool.pending_records < _PENDING_MAX
