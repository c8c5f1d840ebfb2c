"""The autopilot: arms, flies its mission, comes home when battery, fence or link ask for it, lands.

It steers by what its receiver says, so a drifting receiver leads it astray as it would a real one. Modes carry the
numbers of ArduPilot's copters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sim_devices.drone.airframe import STILL, Airframe
from sim_devices.drone.mission import (
    CHANGE_SPEED,
    LAND,
    LOITER_TIME,
    PLACES,
    RETURN,
    TAKEOFF,
    WAYPOINT,
    Item,
    MissionProtocol,
)
from sim_devices.drone.table import DroneSpec, Frame, Place3
from sim_devices.physics.wander import Wander, generator

__all__ = ["AUTO", "BRAKE", "GUIDED", "LAND_MODE", "RTL", "STABILIZE", "Autopilot", "Faulty", "mission_of"]

STABILIZE, AUTO, GUIDED, LOITER, RTL, LAND_MODE, BRAKE = 0, 3, 4, 5, 6, 9, 17
MODES: Final = {STABILIZE, AUTO, GUIDED, LOITER, RTL, LAND_MODE, BRAKE}
REACHED_M = 1.5
LOW_SHARE, CRITICAL_SHARE, ARM_SHARE = 0.25, 0.12, 0.30
RESERVE = 1.4  # the way home may cost so much more than reckoned
SPOOL_S = 2.0  # rotors turn before it lifts
LINK_S_MAX = 30.0  # without a ground station, once there was one
INFO, NOTICE, WARNING, CRITICAL, ALERT, EMERGENCY = 6, 5, 4, 2, 1, 0  # MAV_SEVERITY
FENCE_ABOVE, FENCE_OUTSIDE = 2, 3  # FENCE_BREACH
OK, NOT_NOW, DENIED, UNSUPPORTED = 0, 1, 2, 3  # MAV_RESULT

Say = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Faulty:
    """What is broken now: metres that the receiver is off to the east, and whether a motor is gone."""

    gps_off_m: float = 0.0
    motor_lost: bool = False


class Autopilot:
    """One vehicle, stepped by `step`. `say(severity, text)` gets its status texts, `reached(seq)` its mission items."""

    def __init__(self, spec: DroneSpec, frame: Frame, seed: int) -> None:
        self.spec, self.frame = spec, frame
        self.say: Say = lambda severity, text: None
        self.reached: Callable[[int], None] = lambda seq: None
        self.home = frame.from_grid(*spec.dock_m)
        self.air = Airframe(self.home, spec.capacity_wh)
        self.mission = MissionProtocol(mission_of(spec, frame), lambda: self.armed and self.mode == AUTO)
        self.mode, self.armed, self.airborne, self.current = STABILIZE, False, False, 0
        self.failsafe, self.faulty = "", Faulty()
        self.breach, self.breaches, self.flights = 0, 0, 0
        self.since_heard_s: float | None = None  # real seconds since a ground station was heard; None: never
        self.pace = 1.0  # its seconds a real second
        self.wind, self.time_s = STILL, 0.0
        rng = generator(seed, spec.name)
        self._gps = Wander(3, time_constant_s=40.0, sigma=0.35, rng=rng)
        self._gust = Wander(2, time_constant_s=6.0, sigma=0.8, rng=rng)
        self._speed_m_s, self._waited_s, self._spooled_s = spec.speed_m_s, 0.0, 0.0
        self._height_m = 0.0  # to which a take-off climbs
        self._stopped = self.home

    # -- what it believes

    @property
    def place(self) -> Place3:
        """Where its receiver says it is."""
        east, north, up = (float(one) for one in self._gps.now)
        at = self.air.place
        return Place3(
            at.east + east + self.faulty.gps_off_m, at.north + north, at.up + (1.5 * up if self.airborne else 0.0)
        )

    @property
    def home_m(self) -> float:
        """To its dock, level."""
        return math.hypot(self.place.east - self.home.east, self.place.north - self.home.north)

    @property
    def is_charged(self) -> bool:
        """Whether it would arm."""
        return self.air.charge >= ARM_SHARE

    # -- commands

    def arm(self) -> int:
        """Start the motors; MAV_RESULT."""
        if self.faulty.motor_lost or not self.is_charged:
            self.say(CRITICAL, "PreArm: motor fault" if self.faulty.motor_lost else "PreArm: battery is low")
            return DENIED
        if not self.armed:
            self.armed, self.air.spinning, self._spooled_s, self.failsafe = True, True, 0.0, ""
            self.say(NOTICE, "Arming motors")
        return OK

    def disarm(self, *, forced: bool = False) -> int:
        """Stop the motors, in the air only when forced."""
        if self.airborne and not forced:
            return DENIED
        if self.armed:
            self.armed, self.air.spinning, self.mode = False, False, STABILIZE
            self.say(NOTICE, "Disarming motors")
        return OK

    def start_mission(self) -> int:
        """Fly the mission from its current item."""
        if not self.armed or not self.mission.items or self.mode in (RTL, LAND_MODE):
            return DENIED
        if not self.airborne:
            self.current, self._speed_m_s = 0, self.spec.speed_m_s
        self._waited_s = 0.0
        return self.set_mode(AUTO)

    def take_off(self, height_m: float) -> int:
        """Climb to a height above home and wait there."""
        if not self.armed or self.airborne or not 1.0 <= height_m <= self.spec.ceiling_m:
            return DENIED
        self._height_m = self.home.up + height_m
        return self.set_mode(GUIDED)

    def set_mode(self, mode: int) -> int:
        """Change the mode; one that it does not have is refused."""
        if mode not in MODES:
            return UNSUPPORTED
        if mode == AUTO and not self.mission.items:
            return DENIED
        if self.airborne and mode in (STABILIZE, LOITER, BRAKE):
            mode = BRAKE
            self._stopped = self.place
        self.mode = mode
        return OK

    # -- one step

    def step(self, dt_s: float, wind: Place3) -> None:
        """Go on by `dt_s` in a mean wind, metres a second east, north, up."""
        self.time_s += dt_s
        if self.since_heard_s is not None:
            self.since_heard_s += dt_s / self.pace
        self._gps.step(dt_s)
        gust_e, gust_n = (float(one) for one in self._gust.step(dt_s))
        share = min(1.0, math.hypot(wind.east, wind.north) / 4.0)
        self.wind = Place3(wind.east + share * gust_e, wind.north + share * gust_n, 0.0)
        if self.mission.wanted is not None:
            self.current, self.mission.wanted, self._waited_s = self.mission.wanted, None, 0.0
        if not self.armed:
            self.air.rest(dt_s)
            return
        self._watch()
        if not self.airborne:
            self._stand(dt_s)
        else:
            self._fly(dt_s)

    def _stand(self, dt_s: float) -> None:
        """On the ground with turning motors."""
        self.air.rest(dt_s)
        self._spooled_s += dt_s
        if self._spooled_s >= SPOOL_S and self.mode in (AUTO, GUIDED) and not self.faulty.motor_lost:
            self.airborne = True
            self.flights += 1
            self.say(INFO, f"Mission: {self.current} Takeoff" if self.mode == AUTO else "Takeoff")

    def _fly(self, dt_s: float) -> None:
        if self.faulty.motor_lost:
            self._sink_spinning(dt_s)
        else:
            wanted, yaw_deg = self._wanted(dt_s)
            self.air.fly(dt_s, wanted, yaw_deg, self.wind)
        if self.air.place.up <= self.home.up and self.air.velocity.up <= 0 and self.mode in (LAND_MODE, RTL):
            self._touch_down()
        elif self.air.left_wh <= 0:
            self.air.left_wh = 0.0
            self.say(EMERGENCY, "Battery empty: coming down")
            self.mode = LAND_MODE

    def _touch_down(self) -> None:
        self.air.place = self.air.place._replace(up=self.home.up)
        self.airborne = False
        self.say(INFO, "Land complete")
        self.disarm()

    def _sink_spinning(self, dt_s: float) -> None:
        """Three motors hold most of the weight but not the heading."""
        self.mode = LAND_MODE
        drift = Place3(0.6 * self.wind.east, 0.6 * self.wind.north, -2.6)
        self.air.fly(dt_s, drift, self.air.yaw_deg + 55.0 * dt_s * 3.0, self.wind)
        self.air.left_wh -= 0.2 * self.air.power_w * dt_s / 3600.0

    def _wanted(self, dt_s: float) -> tuple[Place3, float | None]:
        """The velocity that the mode wants, and where to face."""
        if self.mode == AUTO:
            return self._along_mission(dt_s)
        if self.mode == RTL:
            return self._homewards()
        if self.mode == LAND_MODE:
            return Place3(0.0, 0.0, -0.5 if self.place.up - self.home.up < 3.0 else -1.5), None
        target = self.home._replace(up=self._height_m) if self.mode == GUIDED else self._stopped
        return self._towards(target, 2.0), None

    def _along_mission(self, dt_s: float) -> tuple[Place3, float | None]:
        while self.current < len(self.mission.items):
            item = self.mission.items[self.current]
            if item.command in PLACES and item.command != LAND:
                target = self._target(item)
                if not self._is_there(target, item) or not self._has_waited(item, dt_s):
                    return self._towards(target, self._speed_m_s), self._heading(target, item)
                self.reached(self.current)
            elif item.command == CHANGE_SPEED and item.params[1] > 0:
                self._speed_m_s = min(item.params[1], 15.0)
            elif item.command in (RETURN, LAND):
                break
            self.current, self._waited_s = self.current + 1, 0.0
        is_landing = self.current < len(self.mission.items) and self.mission.items[self.current].command == LAND
        self.mode = LAND_MODE if is_landing else RTL
        self.say(INFO, "Mission complete")
        return self._wanted(dt_s)

    def _target(self, item: Item) -> Place3:
        lift = 0.0 if item.above_sea else self.frame.height_m + self.home.up
        if item.command == TAKEOFF or (item.latitude_deg == 0 and item.longitude_deg == 0):
            return (self.place if self.airborne else self.home)._replace(up=item.height_m + lift - self.frame.height_m)
        return self.frame.from_earth(item.latitude_deg, item.longitude_deg, item.height_m + lift)

    def _is_there(self, target: Place3, item: Item) -> bool:
        if self._waited_s:
            return True
        radius_m = item.params[1] if item.command == WAYPOINT and item.params[1] > 0 else REACHED_M
        level = math.hypot(target.east - self.place.east, target.north - self.place.north)
        return level <= radius_m and abs(target.up - self.place.up) <= max(radius_m, 1.5)

    def _has_waited(self, item: Item, dt_s: float) -> bool:
        """Whether it held as long as the item says."""
        if item.command not in (WAYPOINT, LOITER_TIME) or item.params[0] <= 0:
            return True
        self._waited_s += dt_s
        return self._waited_s >= item.params[0]

    def _heading(self, target: Place3, item: Item) -> float | None:
        level = math.hypot(target.east - self.place.east, target.north - self.place.north)
        if level < 2.0 or item.command == TAKEOFF:
            return None
        return math.degrees(math.atan2(target.east - self.place.east, target.north - self.place.north)) % 360.0

    def _homewards(self) -> tuple[Place3, float | None]:
        """Climb, fly over home, sink."""
        high = self.home.up + self.spec.return_m
        if self.home_m < 2.0:
            down = -0.5 if self.place.up - self.home.up < 3.0 else -2.0
            level = self._towards(self.home._replace(up=self.place.up), 1.0)
            return Place3(level.east, level.north, down), None
        if self.place.up < high - 2.0 and self.home_m > 10.0:
            return Place3(0.0, 0.0, 2.5), None
        target = self.home._replace(up=max(high, min(self.place.up, high + 5.0)))
        facing = math.degrees(math.atan2(self.home.east - self.place.east, self.home.north - self.place.north)) % 360.0
        return self._towards(target, 7.0), facing

    def _towards(self, target: Place3, speed_m_s: float) -> Place3:
        """A velocity that ends at the target: as fast as it can still be braked."""
        off = [b - a for a, b in zip(self.place, target, strict=True)]
        away = math.sqrt(sum(one * one for one in off))
        if away < 0.05:
            return Place3(0.0, 0.0, 0.0)
        speed = min(speed_m_s, away / 1.2, math.sqrt(2 * 1.5 * away))
        return Place3(*(one / away * speed for one in off))

    # -- what makes it come home

    def _watch(self) -> None:
        if self.faulty.motor_lost:
            self._fail("motor", EMERGENCY, "Motor 3 failed: emergency landing", None)
        elif self.airborne:
            needed = (self.home_m / 5.0 + (self.place.up - self.home.up) / 1.2 + 15.0) * 300.0 / 3600.0 * RESERVE
            if self.air.charge <= LOW_SHARE or self.air.left_wh < needed + 0.08 * self.spec.capacity_wh:
                self._fail("battery", CRITICAL, "Battery low: returning home", RTL)
            if self.since_heard_s is not None and self.since_heard_s > LINK_S_MAX:
                self._fail("link", WARNING, "Ground station lost: returning home", RTL)
            self._watch_fence()

    def _watch_fence(self) -> None:
        x, y = self.frame.to_grid(self.place)
        x0, y0, x1, y1 = self.spec.fence_m
        outside = not (min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1))
        above = self.place.up - self.home.up > self.spec.ceiling_m
        breach = FENCE_OUTSIDE if outside else FENCE_ABOVE if above else 0
        if breach and not self.breach:
            self.breaches += 1
            self._fail("fence", ALERT, "Fence breached: returning home", RTL)
        self.breach = breach

    def _fail(self, why: str, severity: int, text: str, mode: int | None) -> None:
        """Once a flight and reason; landing is never given up for coming home."""
        if self.failsafe != why:
            self.failsafe = why
            self.say(severity, text)
            if mode is not None and self.mode not in (RTL, LAND_MODE):
                self.mode = mode


def mission_of(spec: DroneSpec, frame: Frame) -> list[Item]:
    """The mission that a drone knows from its table: take off, the places, home."""
    dock = frame.from_grid(*spec.dock_m)
    first = Item(TAKEOFF, *frame.to_earth(dock)[:2], height_m=spec.mission_m[0][2])
    items = [first, Item(CHANGE_SPEED, params=(1.0, spec.speed_m_s, -1.0, 0.0))]
    for x, y, up in spec.mission_m:
        lat, lon, _ = frame.to_earth(frame.from_grid(x, y))
        items.append(Item(WAYPOINT, lat, lon, up))
    return [*items, Item(RETURN)]
