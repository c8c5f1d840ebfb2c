"""A quadrotor of two kilograms: bounded accelerations, drag against the wind, and a battery that climbing drains.

Power in forward flight follows the usual bucket: a little less than hovering at walking pace, rising with the cube of
the speed through the air; climbing pays for the height, sinking gives little back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim_devices.drone.table import Place3

__all__ = ["STILL", "Airframe"]

STILL = Place3(0.0, 0.0, 0.0)

G = 9.81
MASS_KG, HOVER_W, IDLE_W = 2.2, 270.0, 12.0
SPEED_M_S_MAX, CLIMB_M_S_MAX, SINK_M_S_MAX = 15.0, 4.0, 3.0
ACCEL_M_S2, LIFT_M_S2 = 3.0, 2.5
LAG_S = 0.5  # from wanted to flown velocity
DRAG_1_M = 0.02  # acceleration by drag over the square of the speed through the air
TURN_DEG_S = 60.0
CELLS, CELL_V_EMPTY, CELL_V_SPAN, CELL_OHM = 6, 3.45, 0.72, 0.006
COOLING_S = 240.0


@dataclass(slots=True)
class Airframe:
    """Where it really is, how it moves, and what its battery has left."""

    place: Place3
    capacity_wh: float
    velocity: Place3 = STILL
    yaw_deg: float = 0.0
    roll_deg: float = 0.0
    pitch_deg: float = 0.0
    left_wh: float = 0.0
    power_w: float = 0.0
    cell_c: float = 22.0
    spinning: bool = False

    def __post_init__(self) -> None:
        self.left_wh = self.left_wh or self.capacity_wh

    @property
    def charge(self) -> float:
        """State of charge, 0 to 1."""
        return max(self.left_wh, 0.0) / self.capacity_wh

    @property
    def voltage_v(self) -> float:
        """Of the whole pack under the load of now."""
        resting = CELL_V_EMPTY + CELL_V_SPAN * float(self.charge**0.8)
        return CELLS * (resting - CELL_OHM * self.power_w / (CELLS * resting))

    @property
    def speed_m_s(self) -> float:
        """Over the ground."""
        return math.hypot(self.velocity.east, self.velocity.north)

    def air_speed_m_s(self, wind: Place3) -> float:
        """Through the air."""
        return math.dist(self.velocity[:2], wind[:2])

    def fly(self, dt_s: float, wanted: Place3, yaw_deg: float | None, wind: Place3) -> None:
        """Go on by `dt_s` towards a wanted velocity, and face `yaw_deg` (None: stay)."""
        wanted = _bounded(wanted)
        east, north = (wanted.east - self.velocity.east) / LAG_S, (wanted.north - self.velocity.north) / LAG_S
        up = max(-LIFT_M_S2, min(LIFT_M_S2, (wanted.up - self.velocity.up) / LAG_S))
        if (most := math.hypot(east, north)) > ACCEL_M_S2:
            east, north = east * ACCEL_M_S2 / most, north * ACCEL_M_S2 / most
        before = self.velocity
        self.velocity = Place3(before.east + east * dt_s, before.north + north * dt_s, before.up + up * dt_s)
        self._move(dt_s, before)
        if yaw_deg is not None:
            turn = (yaw_deg - self.yaw_deg + 180.0) % 360.0 - 180.0
            self.yaw_deg = (self.yaw_deg + max(-TURN_DEG_S * dt_s, min(TURN_DEG_S * dt_s, turn))) % 360.0
        self._lean(east, north, wind)
        self._drain(dt_s, wind)

    def rest(self, dt_s: float) -> None:
        """Stand on the ground."""
        self.velocity, self.roll_deg, self.pitch_deg = STILL, 0.0, 0.0
        self.power_w = IDLE_W if self.spinning else 0.0
        self._heat(dt_s)
        self.left_wh -= self.power_w * dt_s / 3600.0

    def _move(self, dt_s: float, before: Place3) -> None:
        self.place = Place3(
            *(at + (a + b) / 2 * dt_s for at, a, b in zip(self.place, before, self.velocity, strict=True))
        )

    def _lean(self, east: float, north: float, wind: Place3) -> None:
        """It leans with the force that accelerates it and holds it against the air."""
        air_e, air_n = self.velocity.east - wind.east, self.velocity.north - wind.north
        drag = DRAG_1_M * math.hypot(air_e, air_n)
        east, north = east + drag * air_e, north + drag * air_n
        yaw = math.radians(self.yaw_deg)
        ahead, right = east * math.sin(yaw) + north * math.cos(yaw), east * math.cos(yaw) - north * math.sin(yaw)
        self.pitch_deg = -math.degrees(math.atan2(ahead, G))
        self.roll_deg = math.degrees(math.atan2(right, G))

    def _drain(self, dt_s: float, wind: Place3) -> None:
        air = self.air_speed_m_s(wind)
        level = HOVER_W * (1.0 - 0.1 * min(air / 5.0, 1.0) + 0.35 * (air / 13.0) ** 3)
        climb = MASS_KG * G * self.velocity.up / 0.55 if self.velocity.up > 0 else MASS_KG * G * self.velocity.up * 0.25
        self.power_w = level + climb
        self._heat(dt_s)
        self.left_wh -= self.power_w * dt_s / 3600.0

    def _heat(self, dt_s: float) -> None:
        warm_c = 22.0 + 0.06 * self.power_w
        self.cell_c += (warm_c - self.cell_c) * (1.0 - math.exp(-dt_s / COOLING_S))


def _bounded(wanted: Place3) -> Place3:
    speed = math.hypot(wanted.east, wanted.north)
    share = SPEED_M_S_MAX / speed if speed > SPEED_M_S_MAX else 1.0
    up = max(-SINK_M_S_MAX, min(CLIMB_M_S_MAX, wanted.up))
    return Place3(wanted.east * share, wanted.north * share, up)
