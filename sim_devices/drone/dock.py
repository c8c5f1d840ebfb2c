"""The dock: sends its drone on a mission when it is charged, charges it again, and says when a flight has ended."""

from __future__ import annotations

from collections.abc import Callable

from sim_devices.drone.autopilot import Autopilot

__all__ = ["Dock"]

CHARGE_SHARE, START_SHARE = 1.0, 0.95
CHARGE_C = 2.0  # the pack is full after half an hour
NEAR_M = 3.0  # a drone that landed elsewhere cannot be charged
CARRIED_S = 120.0  # until somebody has brought it back


class Dock:
    """Stepped beside its drone. `landed()` is called at the end of each flight that ended in the dock."""

    def __init__(self, pilot: Autopilot, landed: Callable[[], None] = lambda: None) -> None:
        self.pilot, self.landed = pilot, landed
        self._waits_s = pilot.spec.first_s
        self._away_s = 0.0
        self._flying = False

    def step(self, dt_s: float) -> None:
        """Go on by `dt_s`."""
        pilot = self.pilot
        if pilot.armed:
            self._flying = self._flying or pilot.airborne
            return
        if self._flying:
            self._flying, self._waits_s = False, pilot.spec.rest_s
            if self._is_home():
                self.landed()
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

    def _is_home(self) -> bool:
        at, home = self.pilot.air.place, self.pilot.home
        return abs(at.east - home.east) < NEAR_M and abs(at.north - home.north) < NEAR_M

    def _bring_back(self, dt_s: float) -> None:
        self._away_s += dt_s
        if self._away_s >= CARRIED_S:
            self._away_s, self.pilot.air.place = 0.0, self.pilot.home
