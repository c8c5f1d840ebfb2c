"""Faults with their labels: what a sensor or a link does wrong, and what breaks in the park itself.

A scenario is a TOML file:

```
title = "A frozen sensor, a pulled cable and a clogged filter"
[[fault]]
what = "stuck"
device = "room-lab"
metric = "temperature"       # of sensors; links and the park take a whole device
from_s = 600                 # simulated seconds after the start
to_s = 1200
expect = { alarm_within_s = 900, cause = ["sensor_stuck"], alarms_max = 1 }
```
`expect`, and what else a scenario says of a whole run, is for `aid4 sim scenario run`: see docs/scenarios.md.

Sensors: `stuck`, `gap`, `drift` (`rate_h`, units an hour), `bias` (`amount`), `noise` (`amount`, one deviation),
`scale` (`factor`: the wrong unit), `spike` (`amount`, `every_s`, `width_s`), `counter-reset`. Devices: `frozen` (says
the same again and again), `replay` (says what it said in the `window_s` before the fault began, over and over). Links:
`link-cut`, `flapping` (away for `width_s` of every `every_s`). Clocks: `clock-skew` (`amount` seconds ahead; OPC UA
devices stamp their own readings). These change what is shown, never what happens. Drones: `gps-drift` (`rate_h`, metres
an hour to the east, which leads it astray), `motor-loss` (it comes down). The park itself: the kinds of
`sim_devices/damage.py`, at `level` (0 … 1), growing over `ramp_s`; everything downstream feels it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from sim_devices.campus import Campus
from sim_devices.damage import KINDS
from sim_devices.drone.autopilot import Faulty
from sim_devices.readouts import Value
from sim_devices.site import Site
from wire.errors import ConfigError

__all__ = [
    "CLOCK_FAULTS",
    "DEVICE_FAULTS",
    "DRONE_FAULTS",
    "LINK_FAULTS",
    "SENSOR_FAULTS",
    "Expect",
    "Fault",
    "Faults",
    "Scenario",
    "load_scenario",
    "read_scenario",
]

SENSOR_FAULTS = ("stuck", "gap", "drift", "bias", "noise", "scale", "spike", "counter-reset")
DEVICE_FAULTS = ("frozen", "replay")
LINK_FAULTS = ("link-cut", "flapping")
CLOCK_FAULTS = ("clock-skew",)
DRONE_FAULTS = ("gps-drift", "motor-loss")
REPLAY_SAMPLES_MAX = 20_000  # of each device that is replayed

_Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]
_Seconds = Annotated[float, Meta(ge=0.0, le=400 * 86_400.0)]


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator should be told of a fault. `cause`: any of these, by the names of the diagnosis; none: any."""

    alarm_within_s: Annotated[float, Meta(gt=0.0, le=400 * 86_400.0)]
    cause: tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...] = ()
    alarms_max: Annotated[int, Meta(ge=1, le=100)] = 1
    felt_by: tuple[str, ...] = ()  # globs of other devices that may ring with it, since they feel it
    returns_within_s: Annotated[float, Meta(gt=0.0, le=86_400.0)] | None = None  # after its end; else by the end


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong, where, from when to when (the end is not part of it)."""

    what: str
    device: str
    from_s: _Seconds
    to_s: _Seconds
    metric: str = ""
    rate_h: _Finite = 0.0
    amount: _Finite = 0.0
    factor: _Finite = 1.0
    every_s: Annotated[float, Meta(gt=0.0, le=86_400.0)] = 60.0
    width_s: _Seconds = 3.0
    window_s: Annotated[float, Meta(gt=0.0, le=86_400.0)] = 600.0
    level: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    ramp_s: _Seconds = 0.0
    expect: Expect | None = None

    @property
    def key(self) -> str:
        """`device/metric`."""
        return f"{self.device}/{self.metric}"

    def active(self, since_s: float) -> bool:
        """Whether it is there `since_s` after the start."""
        return self.from_s <= since_s < self.to_s

    def grown(self, since_s: float) -> float:
        """Of a fault of the park: how bad it is then, 0 outside its interval."""
        if not self.active(since_s):
            return 0.0
        into_s = since_s - self.from_s
        return self.level if into_s >= self.ramp_s else self.level * into_s / self.ramp_s


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of faults."""

    title: str
    faults: Annotated[tuple[Fault, ...], Meta(max_length=1_000)] = msgspec.field(name="fault", default=())
    site: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*\Z", max_length=64)] = "campus"
    start: datetime = datetime(2026, 3, 18, 5, tzinfo=UTC)  # of the simulated time: a Wednesday on which it heats
    past_days: Annotated[float, Meta(ge=0.0, le=14.0)] = 3.0  # that the twin has seen before, so that detectors know it
    settle_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 3_600.0  # after the last fault: all returns to normal
    false_alarms_max: Annotated[int, Meta(ge=0, le=10_000)] = 0  # of devices without a fault, in the whole run


class Faults:
    """A scenario over a park that started at `start_us`."""

    def __init__(self, scenario: Scenario, start_us: int) -> None:
        self._scenario, self._start_us = scenario, start_us
        self._held: dict[int, Value] = {}
        self._seen: dict[int, deque[dict[str, Value]]] = {}
        self._replayed: dict[int, int] = {}
        self._levels: dict[int, float] = {}
        self._damage = [(n, fault) for n, fault in enumerate(scenario.faults) if fault.what in KINDS]

    def afflict(self, campus: Campus) -> None:
        """Break in the park's physics what is broken now, and mend what no longer is; before each step of the park."""
        since_s = (campus.now_us - self._start_us) / 1e6
        for number, fault in self._damage:
            level = fault.grown(since_s)
            if level != self._levels.get(number, 0.0):
                KINDS[fault.what].apply(campus, fault.device, level)
                self._levels[number] = level

    def shown(self, values: Mapping[str, Value], now_us: int) -> dict[str, Value | None]:
        """A copy of the physics' values with the faults of this moment; None where a sensor says nothing."""
        since_s = (now_us - self._start_us) / 1e6
        shown: dict[str, Value | None] = dict(values)
        for number, fault in enumerate(self._scenario.faults):
            if fault.what in DEVICE_FAULTS:
                self._repeat(number, fault, values, since_s, shown)
            elif fault.active(since_s) and fault.key in values and fault.what in SENSOR_FAULTS:
                shown[fault.key] = self._distort(number, fault, values[fault.key], since_s - fault.from_s)
        return shown

    def cut(self, now_us: int) -> set[str]:
        """The devices whose link is cut now."""
        since_s = (now_us - self._start_us) / 1e6
        return {fault.device for fault in self._scenario.faults if _is_away(fault, since_s)}

    def of_drone(self, device: str, now_us: int) -> Faulty:
        """What is broken at a drone now."""
        since_s = (now_us - self._start_us) / 1e6
        active = [fault for fault in self._scenario.faults if fault.device == device and fault.active(since_s)]
        off_m = sum(fault.rate_h * (since_s - fault.from_s) / 3600.0 for fault in active if fault.what == "gps-drift")
        return Faulty(off_m, any(fault.what == "motor-loss" for fault in active))

    def ahead_s(self, now_us: int) -> dict[str, float]:
        """The devices whose clock is off now, and by how much; seen where a device stamps its own readings."""
        since_s = (now_us - self._start_us) / 1e6
        return {f.device: f.amount for f in self._scenario.faults if f.what in CLOCK_FAULTS and f.active(since_s)}

    def labels(self) -> list[dict[str, Any]]:
        """What a detector should find: one row a fault, with times in UTC, its cause and where it shows first."""
        return [
            {
                "what": fault.what,
                "device": fault.device,
                "metric": fault.metric or None,
                "from": _iso(self._start_us, fault.from_s),
                "to": _iso(self._start_us, fault.to_s),
                **_told(fault),
            }
            for fault in self._scenario.faults
        ]

    def write_labels(self, path: Path, seed: int) -> None:
        """Write the labels file beside whatever was recorded."""
        document = {"title": self._scenario.title, "seed": seed, "labels": self.labels()}
        path.write_text(json.dumps(document, indent=1) + "\n")

    def _distort(self, number: int, fault: Fault, value: Value, into_s: float) -> Value | None:
        if fault.what == "stuck":
            return self._held.setdefault(number, value)
        if fault.what == "gap":
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        match fault.what:
            case "drift":
                return value + fault.rate_h * into_s / 3600.0
            case "bias":
                return value + fault.amount
            case "scale":
                return value * fault.factor
            case "noise":
                drawn = np.random.default_rng((number, round(into_s * 1000.0))).standard_normal()
                return value + fault.amount * float(drawn)
            case "counter-reset":
                start = self._held.setdefault(number, value)
                assert isinstance(start, int | float)
                return value - start
            case _:
                return value + (fault.amount if into_s % fault.every_s < fault.width_s else 0.0)

    def _repeat(
        self, number: int, fault: Fault, values: Mapping[str, Value], since_s: float, shown: dict[str, Value | None]
    ) -> None:
        """A device that says what it said before: its last word, or all of a window, over and over."""
        seen = self._seen.setdefault(number, deque(maxlen=1 if fault.what == "frozen" else REPLAY_SAMPLES_MAX))
        if fault.active(since_s):
            if seen:
                turn = self._replayed.get(number, 0)
                self._replayed[number] = turn + 1
                shown.update(seen[turn % len(seen)])
        elif fault.what == "frozen" or fault.from_s - fault.window_s <= since_s < fault.from_s:
            prefix = f"{fault.device}/"
            seen.append({key: value for key, value in values.items() if key.startswith(prefix)})


def read_scenario(path: Path) -> Scenario:
    """Read a scenario without looking at a site. Raises ConfigError with the field."""
    try:
        return msgspec.toml.decode(path.read_text(encoding="utf-8"), type=Scenario)
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8: {error}", file=str(path), fix="save it as UTF-8") from error
    except OSError as error:
        raise ConfigError("there is no such scenario", file=str(path), fix="aid4 sim scenario list") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        text, _, field = str(error).partition(" - at `$.")
        raise ConfigError(text, file=str(path), field=field.rstrip("`"), fix="see sim_devices/faults.py") from error


def load_scenario(path: Path, site: Site) -> Scenario:
    """Read a scenario and check it against the site. Raises ConfigError with the field."""
    scenario = read_scenario(path)
    points = {f"{device.name}/{metric.name}" for device, metric in site.points()}
    kinds = {device.name: device.kind for device in site.devices} | {one.name: "drone" for one in site.drones}
    for place, fault in enumerate(scenario.faults):
        if problem := _problem(fault, points, kinds):
            field, text, fix = problem
            raise ConfigError(text, file=str(path), field=f"fault[{place}].{field}", fix=fix)
    return scenario


def _problem(fault: Fault, points: set[str], kinds: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Field, problem and fix of what does not fit the site."""
    damage = KINDS.get(fault.what)
    if damage is None and fault.what not in (
        *SENSOR_FAULTS,
        *DEVICE_FAULTS,
        *LINK_FAULTS,
        *CLOCK_FAULTS,
        *DRONE_FAULTS,
    ):
        return "what", f"{fault.what!r} is no kind of fault", "see aid4 sim scenario kinds"
    if fault.to_s <= fault.from_s:
        return "to_s", "a fault ends after it begins", "raise it"
    if fault.what in SENSOR_FAULTS:
        return None if fault.key in points else ("metric", f"{fault.key} is not there", "see aid4 sim list")
    if fault.device not in kinds:
        return "device", f"{fault.device} is not there", "see aid4 sim list"
    if fault.metric:
        return "metric", f"{fault.what} takes a whole device", "leave it out"
    if fault.what in DRONE_FAULTS and kinds[fault.device] != "drone":
        return "device", f"{fault.device} is no drone", "name a [[drone]] of devices.toml"
    if damage is not None and kinds[fault.device] not in damage.devices:
        return "device", f"{fault.device} cannot have it", f"name a device of kind {' or '.join(damage.devices)}"
    return None


def _is_away(fault: Fault, since_s: float) -> bool:
    if fault.what not in LINK_FAULTS or not fault.active(since_s):
        return False
    return fault.what == "link-cut" or (since_s - fault.from_s) % fault.every_s < fault.width_s


def _told(fault: Fault) -> dict[str, Any]:
    """Of a fault of the park: how bad, why, and where one sees it."""
    damage = KINDS.get(fault.what)
    return {"level": fault.level, "cause": damage.cause, "shows_in": list(damage.shows_in)} if damage else {}


def _iso(start_us: int, after_s: float) -> str:
    moment = datetime.fromtimestamp(start_us / 1e6 + after_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
