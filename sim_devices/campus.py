"""The campus: physics of all devices of one table, stepped together. One seed gives one park, value for value.

Machines move in steps of 0.1 s, everything else in steps of one second, whatever the caller's pace, so a run at sixty
times real time gives the values of a live one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from sim_devices.physics.battery import Battery, BatteryNow
from sim_devices.physics.building import PROFILES, Rooms
from sim_devices.physics.charger import Chargers
from sim_devices.physics.energy import Grid, GridNow, Meters
from sim_devices.physics.hvac import AirHandler, HeatPump, RoomControl
from sim_devices.physics.machine import Machines
from sim_devices.physics.pv import PvInverter
from sim_devices.physics.signals import SignalPoint, Signals
from sim_devices.physics.wander import FloatArray, generator
from sim_devices.physics.weather import Place, Weather
from sim_devices.readouts import READOUTS, Value, unknown
from sim_devices.site import Device, Site, Space
from wire.errors import ConfigError, InputError

__all__ = ["TICK_S", "WARM_UP_S", "Campus"]

TICK_S = 0.1  # of the machines
TICKS_PER_STEP = 10  # of all the rest
FINE_S = 20.0  # of machines and signals in a coarse step: what cycles within minutes still does
WARM_UP_S, WARM_UP_STEP_S = 8 * 3600.0, 60.0  # rooms and tanks forget how they were initialised
HEAT_KW_M2 = 0.05  # of heat pumps for the rooms that they serve
_LIVED_LIKE = {"seminar": "meeting", "hall": "workshop", "cleanroom": "workshop", **{use: use for use in PROFILES}}
GENERAL_KW = 1.6  # corridors, lift, network: what no device reports


class Campus:
    """All devices of `site` from `start_us` on. `values()` maps `device/metric` to what the physics says now.

    `seen(time, values)` hears of every step of the hours before the start, in which machines and signals move in
    `FINE_S` when they are `fine`."""

    def __init__(
        self,
        site: Site,
        seed: int,
        start_us: int,
        *,
        seen: Callable[[int, Mapping[str, Value]], None] | None = None,
        fine: bool = False,
    ) -> None:
        if lacking := unknown(site):
            raise ConfigError(f"the park has no physics for {lacking[0]}", file="devices.toml", field="kind")
        self.site = site
        self._t_s = start_us / 1e6
        self._ticks = 0
        self._kinds = {device.name: device.kind for device in site.devices}
        self._devices = {kind: site.of_kind(kind) for kind in READOUTS}
        self._values: dict[str, Value] = {}
        self._build(seed)
        self._warm_up(seen, WARM_UP_STEP_S if not fine else FINE_S)

    @property
    def now_us(self) -> int:
        """Simulated UTC time of the values."""
        return round((self._t_s + self._ticks * TICK_S) * 1e6)

    def step(self, dt_s: float) -> None:
        """Go on by `dt_s`, a multiple of TICK_S."""
        for _ in range(round(dt_s / TICK_S)):
            self._ticks += 1
            self._run_machines(TICK_S)
            if self._ticks % TICKS_PER_STEP == 0:
                self._run_park(TICKS_PER_STEP * TICK_S)
                self._read_all()
            else:
                self._read("machine-tool")

    def leap(self, dt_s: float) -> None:
        """Go on by `dt_s` (at most a minute) in one coarse step: hours in a second, with other values than `step`."""
        assert 0.0 < dt_s <= WARM_UP_STEP_S
        self._ticks += round(dt_s / TICK_S)
        self._run_coarse(dt_s, min(dt_s, FINE_S))
        self._read_all()

    def values(self) -> dict[str, Value]:
        """What every point shows now; the dict is the campus's own and changes with the next step."""
        return self._values

    def kind(self, device_name: str) -> str:
        """The kind of a device. Raises KeyError."""
        return self._kinds[device_name]

    def number(self, device_name: str) -> int:
        """The place of a device among those of its kind, which is its place in their physics. Raises KeyError."""
        names = [device.name for device in self._devices[self._kinds[device_name]]]
        return names.index(device_name)

    def write(self, device_name: str, metric_name: str, value: float) -> None:
        """Set what the table calls writable. Raises InputError for anything else or out of its range."""
        device = next((device for device in self.site.devices if device.name == device_name), None)
        metrics = self.site.metrics(device) if device else ()
        metric = next((metric for metric in metrics if metric.name == metric_name and metric.writable), None)
        if device is None or metric is None:
            raise InputError(f"{device_name}/{metric_name} is not writable", field="point")
        low, high = metric.low, metric.high
        if not np.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
            raise InputError(f"{value:g} {metric.unit} is outside {low} to {high}", field="value")
        if metric.model is not None:
            self.signals.write(f"{device_name}/{metric_name}", value)
        else:
            self._take(device, value)
        self._read_all()

    def charge(self, device_name: str, word: str) -> None:
        """Start or stop charging at a charge point. Raises InputError when that cannot be now."""
        number = self.number(device_name)
        if not (self.chargers.begin(number) if word == "start" else self.chargers.end(number)):
            raise InputError(f"{device_name} cannot {word} now", field="command")

    def _build(self, seed: int) -> None:
        site, count = self.site, {kind: len(devices) for kind, devices in self._devices.items()}
        self._weather = Weather(
            Place(
                site.place.latitude_deg,
                site.place.longitude_deg,
                site.time_zone,
                site.place.annual_mean_c,
                site.place.annual_swing_c,
            ),
            generator(seed, "weather"),
        )
        spaces = [site.space(device.space) for device in self._devices["room-controller"]]
        area_m2 = np.array([space.area_m2 for space in spaces])
        height_m = np.array([space.height_m for space in spaces])
        self.rooms = Rooms([_use(space) for space in spaces], area_m2, height_m, generator(seed, "rooms"))
        self.control = RoomControl(area_m2, self.rooms.cooler_w)
        air_m3_s = max(self.control.design_flow_m3_s(), 0.1)
        share = 1.0 / max(count["ahu"], 1)
        self.air_handlers = [
            AirHandler(air_m3_s * share, generator(seed, device.name)) for device in self._devices["ahu"]
        ]
        heat_kw = HEAT_KW_M2 * float(area_m2.sum()) / max(count["heat-pump"], 1)
        self.heat_pumps = [
            HeatPump(generator(seed, device.name), nominal_kw=max(heat_kw, HeatPump.NOMINAL_KW))
            for device in self._devices["heat-pump"]
        ]
        self.inverters = [
            PvInverter(peak_kw=33.0, rated_kw=30.0, energy_kwh=generator(seed, device.name).uniform(2e4, 9e4))
            for device in self._devices["pv-inverter"]
        ]
        self.machines = Machines(count["machine-tool"], generator(seed, "machines"))
        self.chargers = Chargers(count["ev-charger"], generator(seed, "chargers"))
        self.battery = Battery(capacity_kwh=215.0, rated_kw=60.0, peak_kw=190.0, soc_ratio=0.55)
        self._stored = BatteryNow(0.0, 55.0, 420.0, 22.0, 6)
        self.signals = Signals(
            _signal_points(site), generator(seed, "signals"), lambda row: generator(seed, f"signals {row}")
        )
        self._grid, self._grid_now = Grid(generator(seed, "grid")), GridNow(np.full(3, 231.0), 50.0)
        self._meters = Meters(self._feeds(), generator(seed, "meters"))

    def _feeds(self) -> FloatArray:
        """Which load hangs below which meter: a main meter has all, others those of a building or of their space."""
        kinds = ("room-controller", "ahu", "heat-pump", "machine-tool", "ev-charger", "pv-inverter")
        places = {device.name: device.space for device in self.site.devices}
        spaces = [device.space for kind in kinds for device in self._devices[kind]]
        spaces += [places[self.signals.points[number].device] for number in self.signals.loads]
        houses = [self.site.space(space).building for space in spaces]
        rows = []
        for meter in self._devices["energy-meter"]:
            if meter.name.startswith("main"):
                rows.append([1.0] * (len(spaces) + 2))  # with what no device reports, and the battery
                continue
            below = houses if meter.feeds else spaces
            rows.append([*(float(place == (meter.feeds or meter.space)) for place in below), 0.0, 0.0])
        return np.array(rows).reshape(len(rows), len(spaces) + 2)

    def _warm_up(self, seen: Callable[[int, Mapping[str, Value]], None] | None, fine_s: float) -> None:
        """Live the hours before the start in coarse steps."""
        start_s = self._t_s
        for passed in np.arange(WARM_UP_S, 0.0, -WARM_UP_STEP_S):
            self._t_s = start_s - float(passed)
            self._run_coarse(WARM_UP_STEP_S, fine_s)
            if seen is not None:
                self._read_all()
                seen(self.now_us, self._values)
        self._t_s = start_s
        self._run_machines(TICK_S)
        self._run_park(1.0)
        self._read_all()

    def _run_coarse(self, dt_s: float, fine_s: float) -> None:
        """One step of the park, in which machines and signals move in steps of `fine_s`."""
        parts = round(dt_s / fine_s)
        self._run_machines(dt_s / parts)
        self._run_park(dt_s, dt_s / parts)
        local = self._weather.place.local(self._t_s + self._ticks * TICK_S)
        for _ in range(parts - 1):
            self._run_machines(dt_s / parts)
            self.signals.step(self._sky, local, dt_s / parts)

    def _run_machines(self, dt_s: float) -> None:
        self._machines_now = self.machines.step(dt_s, 21.0)

    def _run_park(self, dt_s: float, signals_s: float | None = None) -> None:
        """One step in the order of cause and effect: sky, rooms and their systems, loads, battery, grid, meters."""
        t_s = self._t_s + self._ticks * TICK_S
        sky, local = self._weather.step(t_s, dt_s), self._weather.place.local(t_s)
        phase_v, frequency_hz = float(self._grid_now.voltage_v[0]), self._grid_now.frequency_hz
        water_c = _mean([pump.water_c for pump in self.heat_pumps], 38.0)
        service = self.control.step(local, dt_s, self.rooms, water_c)
        wanted_m3_s = float(service.flow_m3_s.sum()) / max(len(self.air_handlers), 1)
        rooms_c = _mean([float(value) for value in self.rooms.temperature_c], 21.0)
        self._air_now = [
            unit.step(dt_s, sky.temperature_c, rooms_c, wanted_m3_s, water_c) for unit in self.air_handlers
        ]
        supply_c = _mean([unit.supply_c for unit in self.air_handlers], 18.0)
        self._rooms_now = self.rooms.step(sky, local, dt_s, supply_c, service.flow_m3_s, service.heat_w)
        heat_w = float(service.radiator_w.sum()) + sum(unit.coil_heat_w for unit in self._air_now)
        share_w = heat_w / max(len(self.heat_pumps), 1)
        self._pumps_now = [pump.step(dt_s, sky.temperature_c, share_w) for pump in self.heat_pumps]
        self._solar_now = [unit.step(sky, dt_s, phase_v, frequency_hz) for unit in self.inverters]
        self._chargers_now = self.chargers.step(local, dt_s, phase_v)
        self._sky = sky
        self.signals.step(sky, local, dt_s if signals_s is None else signals_s)
        self._settle_power(dt_s, (self._rooms_now.plug_w + service.power_w) / 1000.0)

    def _settle_power(self, dt_s: float, rooms_kw: FloatArray) -> None:
        loads_kw = np.concatenate(
            [
                rooms_kw,
                [unit.power_kw for unit in self._air_now],
                [pump.power_kw for pump in self._pumps_now],
                self._machines_now.power_kw,
                self._chargers_now.power_kw,
                [-unit.ac_kw for unit in self._solar_now],
                self.signals.values[self.signals.loads],
                [GENERAL_KW],
            ]
        )
        net_kw = float(loads_kw.sum())
        self._stored = self.battery.step(net_kw, dt_s)
        self.loads_kw = np.append(loads_kw, self._stored.power_kw)
        self._grid_now = self._grid.step(dt_s, net_kw + self._stored.power_kw)
        self._meters_now = self._meters.step(dt_s, self.loads_kw, self._grid_now)

    def _read_all(self) -> None:
        for kind in READOUTS:
            self._read(kind)
        self._values.update(self.signals.shown())

    def _read(self, kind: str) -> None:
        now = self._now(kind)
        for number, device in enumerate(self._devices[kind]):
            for metric, readout in READOUTS[kind].items():
                self._values[f"{device.name}/{metric}"] = readout(now, number)

    def _now(self, kind: str) -> object:
        """The state that the readouts of a kind read."""
        match kind:
            case "energy-meter":
                return self._meters_now
            case "pv-inverter":
                return self._solar_now
            case "ahu":
                return self._air_now
            case "heat-pump":
                return self._pumps_now
            case "machine-tool":
                return self._machines_now
            case "weather-station":
                return self._sky
            case "ev-charger":
                return self._chargers_now
            case "battery":
                return self._stored
            case _:
                return self._rooms_now

    def _take(self, device: Device, value: float) -> None:
        """Hand a written value to the physics; each kind has one thing to write."""
        number = self._devices[device.kind].index(device)
        match device.kind:
            case "room-controller":
                self.rooms.setpoint_c[number] = value
            case "ahu":
                self.air_handlers[number].setpoint_c = value
                self._air_now[number] = replace(self._air_now[number], setpoint_c=value)
            case "heat-pump":
                self.heat_pumps[number].setpoint_c = value
                self._pumps_now[number] = replace(self._pumps_now[number], setpoint_c=value)
            case "ev-charger":
                self.chargers.limit_a[number] = value


def _signal_points(site: Site) -> list[SignalPoint]:
    """The metrics whose model stands in the table; states are bounded by their words."""
    return [
        SignalPoint(
            device.name,
            metric.name,
            metric.model.linked(device.links),
            -np.inf if metric.low is None else metric.low,
            np.inf if metric.high is None else metric.high,
            device.row,
        )
        for device, metric in site.points()
        if metric.model is not None
    ]


def _use(space: Space) -> str:
    """How a room is lived in, by its name, else by the use that the layout gives; an unknown one like an office."""
    return next((use for use in PROFILES if use in space.name.lower()), _LIVED_LIKE.get(space.use, "office"))


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
