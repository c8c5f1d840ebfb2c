"""The dock: sends its drone on a mission when it is charged, charges it again, and says when a flight has ended."""

from __future__ import annotations

import math
from collections.abc import Callable

from sim_devices.drone.autopilot import Autopilot
from sim_devices.drone.table import Place3

__all__ = ["Dock"]

CHARGE_SHARE, START_SHARE = 1.0, 0.95
CHARGE_C = 2.0  # the pack is full after half an hour
NEAR_M = 3.0  # a drone that landed elsewhere cannot be charged
CARRIED_S = 120.0  # until somebody has brought it back
TRACK_STEP_M, TRACK_UP_M, TRACK_MAX = 4.0, 5.0, 5_000


class Dock:
    """Stepped beside its drone. `landed(places)` is called at the end of each flight that ended in the dock, with where
    it flew: one place every few metres, from a few metres above the dock on."""

    def __init__(self, pilot: Autopilot, landed: Callable[[list[Place3]], None] = lambda places: None) -> None:
        self.pilot, self.landed = pilot, landed
        self._track: list[Place3] = []
        self._waits_s = pilot.spec.first_s
        self._away_s = 0.0
        self._flying = False

    def step(self, dt_s: float) -> None:
        """Go on by `dt_s`."""
        pilot = self.pilot
        if pilot.armed:
            self._flying = self._flying or pilot.airborne
            self._note(pilot.air.place)
            return
        if self._flying:
            self._flying, self._waits_s = False, pilot.spec.rest_s
            track, self._track = self._track, []
            if self._is_home():
                self.landed(track)
        if not self._is_home():
            self._bring_back(dt_s)
            return
        air = pilot.air
        air.left_wh = min(CHARGE_SHARE * air.capacity_wh, air.left_wh + CHARGE_C * air.capacity_wh * dt_s / 3600.0)
        self._waits_s -= dt_s
        if self._waits_s <= 0 and air.charge >= START_SHARE and not pilot.faulty.motor_lost and pilot.mission.items:
            self._waits_s = pilot.spec.rest_s
            pilot.arm()
            pilot.start_mission()

    def _note(self, place: Place3) -> None:
        is_high = place.up - self.pilot.home.up >= TRACK_UP_M
        is_new = not self._track or math.dist(self._track[-1], place) >= TRACK_STEP_M
        if is_high and is_new and len(self._track) < TRACK_MAX:
            self._track.append(place)

    def _is_home(self) -> bool:
        at, home = self.pilot.air.place, self.pilot.home
        return abs(at.east - home.east) < NEAR_M and abs(at.north - home.north) < NEAR_M

    def _bring_back(self, dt_s: float) -> None:
        self._away_s += dt_s
        if self._away_s >= CARRIED_S:
            self._away_s, self.pilot.air.place = 0.0, self.pilot.home
