"""Machining centres: programs of operations, a spindle with inertia and heat, axes that follow paths, alarms.

All machines are stepped at once; what differs between them is the program that they run and how far they are in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim_devices.physics.wander import FloatArray, Wander, lag

__all__ = ["EXECUTIONS", "PROGRAMS", "Machines", "MachinesNow"]

READY, ACTIVE, INTERRUPTED = range(3)
EXECUTIONS = ("READY", "ACTIVE", "INTERRUPTED")  # the words of MTConnect and umati
PROGRAMS = ("O2107 BRACKET", "O2110 HOUSING", "O2133 FLANGE")

# kind of operation: seconds, spindle 1/min, feed mm/min, spindle load %, depth mm, half stroke mm, path period s
LOAD, CHANGE = (38.0, 0.0, 0.0, 0.0, 380.0, 0.0, 1.0), (7.0, 0.0, 0.0, 0.0, 420.0, 0.0, 1.0)
FACE, ROUGH = (46.0, 5200.0, 1900.0, 58.0, -4.0, 210.0, 14.0), (135.0, 8200.0, 2600.0, 76.0, -22.0, 150.0, 9.0)
DRILL, FINISH = (64.0, 3100.0, 420.0, 34.0, -31.0, 180.0, 32.0), (92.0, 11200.0, 1500.0, 21.0, -24.0, 150.0, 18.0)
TAP = (28.0, 900.0, 1125.0, 27.0, -18.0, 180.0, 14.0)
ROUTES = (
    (LOAD, FACE, CHANGE, ROUGH, CHANGE, DRILL, CHANGE, TAP, CHANGE, FINISH),
    (LOAD, FACE, CHANGE, ROUGH, CHANGE, ROUGH, CHANGE, FINISH, CHANGE, DRILL),
    (LOAD, FACE, CHANGE, DRILL, CHANGE, FINISH, CHANGE, TAP, CHANGE, TAP),
)
SECONDS, SPEED, FEED, LOAD_PCT, DEPTH, STROKE, PERIOD = range(7)
PARTS_PER_BATCH = 12
HOURS_BETWEEN_ALARMS = 2.5
BASE_KW, COOLANT_KW, SPINDLE_KW = 1.7, 0.9, 18.5


@dataclass(frozen=True, slots=True)
class MachinesNow:
    """One entry a machine. `execution` and `program` index EXECUTIONS and PROGRAMS."""

    spindle_rpm: FloatArray
    spindle_load_pct: FloatArray
    spindle_c: FloatArray
    feed_mm_min: FloatArray
    position_mm: FloatArray  # (3, machines): x, y, z
    vibration_mm_s: FloatArray
    power_kw: FloatArray
    parts: NDArray[np.int64]
    execution: NDArray[np.int64]
    program: NDArray[np.int64]


class MachineFaults:
    """One entry a machine: 0 is sound, 1 is worn out."""

    def __init__(self, count: int) -> None:
        self.bearing: FloatArray = np.zeros(count)  # shakes, rubs and heats
        self.tool: FloatArray = np.zeros(count)  # cuts with more force
        self.coolant: FloatArray = np.zeros(count)  # carries less heat away


class Machines:
    """`count` machining centres in three shifts."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._routes = np.array(ROUTES)
        self._program = rng.integers(0, len(PROGRAMS), count)
        self._operation = rng.integers(0, len(ROUTES[0]), count)
        self._spent_s = np.zeros(count)
        self._alarm_s = np.zeros(count)
        self._parts = rng.integers(800, 6000, count)
        self._pace = rng.uniform(0.92, 1.1, count)  # operators set the override
        self._rpm, self._feed, self._load = np.zeros(count), np.zeros(count), np.zeros(count)
        self._spindle_c = np.full(count, 27.0)
        self._position = np.tile(np.array([[0.0], [0.0], [380.0]]), (1, count))
        self.faults = MachineFaults(count)
        self._hardness = Wander(count, time_constant_s=240.0, sigma=0.06, rng=rng)
        self._chatter = Wander(count, time_constant_s=4.0, sigma=0.10, rng=rng)

    def step(self, dt_s: float, air_c: float) -> MachinesNow:
        """Go on by `dt_s` in a hall of `air_c`."""
        self._raise_alarms(dt_s)
        running = self._alarm_s <= 0.0
        self._advance(np.where(running, dt_s * self._pace, 0.0))
        now = self._routes[self._program, self._operation].T
        cutting = running & (now[SPEED] > 0.0)
        self._turn(dt_s, now, cutting)
        self._move(dt_s, now, running)
        hardness, chatter = self._hardness.step(dt_s), self._chatter.step(dt_s)
        wave = 0.06 * np.sin(2 * np.pi * self._spent_s / now[PERIOD] * 2.0)
        engaged = np.where(cutting & (self._rpm > 0.8 * now[SPEED]), now[LOAD_PCT], 0.0)
        worn = self.faults
        target = engaged * (1.0 + hardness + wave + 0.5 * chatter) * (1.0 + 0.45 * worn.tool)
        target = target + (2.5 + 6.0 * worn.bearing) * self._rpm / 12000.0
        self._load = self._load + lag(dt_s, 0.8) * (np.maximum(target, 0.0) - self._load)
        heated_c = air_c + 4.0 + (9.0 + 22.0 * worn.bearing) * self._rpm / 12000.0
        heated_c = heated_c + (0.28 + 0.4 * worn.coolant) * self._load
        self._spindle_c = self._spindle_c + lag(dt_s, 700.0) * (heated_c - self._spindle_c)
        vibration = 0.25 + 1.5 * (self._rpm / 12000.0) ** 2 + 0.035 * self._load * np.maximum(0.2, 1.0 + chatter)
        vibration = vibration + 7.0 * worn.bearing * (self._rpm / 12000.0) + 1.2 * worn.tool * (self._load > 5.0)
        power = BASE_KW + COOLANT_KW * cutting + SPINDLE_KW * self._load / 100.0 + 0.25 * (self._feed > 1.0)
        execution = np.where(~running, INTERRUPTED, np.where(now[STROKE] > 0.0, ACTIVE, READY))
        execution = np.where(running & (self._operation > 0), ACTIVE, execution)
        return MachinesNow(
            self._rpm, self._load, self._spindle_c, self._feed, self._position, vibration, power,
            self._parts, execution, self._program,
        )  # fmt: skip

    def _raise_alarms(self, dt_s: float) -> None:
        """A machine stops while it cuts, and waits for someone to clear the chips."""
        drawn = self._rng.random((2, self._alarm_s.size))
        cutting = self._load > 5.0
        struck = cutting & (self._alarm_s <= 0.0) & (drawn[0] < dt_s / (HOURS_BETWEEN_ALARMS * 3600.0))
        self._alarm_s = np.where(struck, 90.0 + 420.0 * drawn[1], np.maximum(0.0, self._alarm_s - dt_s))

    def _advance(self, spent_s: FloatArray) -> None:
        """Go on in the program; after its last operation a part is done, after a batch another program starts."""
        self._spent_s = self._spent_s + spent_s
        over = self._spent_s >= self._routes[self._program, self._operation, SECONDS]
        self._spent_s = np.where(over, 0.0, self._spent_s)
        done = over & (self._operation == self._routes.shape[1] - 1)
        self._operation = np.where(done, 0, self._operation + over)
        self._parts = self._parts + done
        drawn = self._rng.integers(1, len(PROGRAMS), self._program.size)
        batch_over = done & (self._parts % PARTS_PER_BATCH == 0)
        self._program = np.where(batch_over, (self._program + drawn) % len(PROGRAMS), self._program)

    def _turn(self, dt_s: float, now: FloatArray, cutting: NDArray[np.bool_]) -> None:
        """Spindle and feed drives run up and brake like first-order lags."""
        speed = np.where(cutting, now[SPEED], 0.0)
        self._rpm = self._rpm + lag(dt_s, 0.9) * (speed - self._rpm)
        self._rpm = np.where(self._rpm < 3.0, 0.0, self._rpm)
        feed = np.where(cutting & (self._rpm > 0.8 * now[SPEED]), now[FEED] * self._pace, 0.0)
        self._feed = self._feed + lag(dt_s, 0.5) * (feed - self._feed)
        self._feed = np.where(self._feed < 0.5, 0.0, self._feed)

    def _move(self, dt_s: float, now: FloatArray, running: NDArray[np.bool_]) -> None:
        """Pockets are cut on a zigzag in x and y while z works its way down; rapids take a second."""
        phase = self._spent_s / now[PERIOD]
        done = np.minimum(1.0, self._spent_s / now[SECONDS])
        zigzag = 2.0 * np.abs(2.0 * (phase - np.floor(phase + 0.5))) - 1.0
        target = np.array(
            [
                now[STROKE] * zigzag,
                0.7 * now[STROKE] * (2.0 * done - 1.0),
                np.where(now[SPEED] > 0.0, 2.0 + (now[DEPTH] - 2.0) * done, now[DEPTH]),
            ]
        )
        step = lag(dt_s, 0.4) * (target - self._position)
        self._position = self._position + np.where(running, step, 0.0)
