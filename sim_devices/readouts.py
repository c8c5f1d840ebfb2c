"""Which metric of which kind of device shows which quantity of the physics: tables, one a kind.

A readout takes the state of all devices of the kind and the number of one of them. A taker sets what a person or a
twin may write. The names are those of `devices.toml`; `unknown` tells what the tables lack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim_devices.physics.charger import CONNECTOR_STATES
from sim_devices.physics.machine import EXECUTIONS, PROGRAMS
from sim_devices.site import Site

__all__ = ["INVERTER_STATES", "READOUTS", "Readout", "Value", "unknown"]

Value = float | int | str | bool
Readout = Callable[[Any, int], Value]

INVERTER_STATES = ("OFF", "SLEEPING", "STARTING", "MPPT", "THROTTLED", "SHUTTING_DOWN", "FAULT", "STANDBY")

METER: dict[str, Readout] = {
    "voltage_l1": lambda now, i: float(now.voltage_v[0, i]),
    "voltage_l2": lambda now, i: float(now.voltage_v[1, i]),
    "voltage_l3": lambda now, i: float(now.voltage_v[2, i]),
    "current_l1": lambda now, i: float(now.current_a[0, i]),
    "current_l2": lambda now, i: float(now.current_a[1, i]),
    "current_l3": lambda now, i: float(now.current_a[2, i]),
    "active_power": lambda now, i: float(now.power_kw[i]),
    "power_factor": lambda now, i: float(now.power_factor[i]),
    "frequency": lambda now, _: now.frequency_hz,
    "energy_import": lambda now, i: float(now.import_kwh[i]),
}
INVERTER: dict[str, Readout] = {
    "ac_power": lambda now, i: now[i].ac_kw,
    "ac_voltage": lambda now, i: now[i].ac_v,
    "ac_current": lambda now, i: 1000.0 * now[i].ac_kw / (3.0 * now[i].ac_v),
    "ac_frequency": lambda now, i: now[i].frequency_hz,
    "energy_total": lambda now, i: now[i].energy_kwh,
    "dc_voltage": lambda now, i: now[i].dc_v,
    "dc_current": lambda now, i: now[i].dc_a,
    "dc_power": lambda now, i: now[i].dc_kw,
    "cabinet_temperature": lambda now, i: now[i].cabinet_c,
    "operating_state": lambda now, i: INVERTER_STATES[now[i].state - 1],
}
AIR_HANDLER: dict[str, Readout] = {
    "supply_air_temperature": lambda now, i: now[i].supply_c,
    "supply_air_temperature_setpoint": lambda now, i: now[i].setpoint_c,
    "return_air_temperature": lambda now, i: now[i].return_c,
    "outside_air_temperature": lambda now, i: now[i].outside_c,
    "supply_air_flow": lambda now, i: now[i].flow_m3_s * 3600.0,
    "supply_fan_speed": lambda now, i: now[i].supply_fan_pct,
    "return_fan_speed": lambda now, i: now[i].return_fan_pct,
    "heating_valve": lambda now, i: now[i].heating_pct,
    "cooling_valve": lambda now, i: now[i].cooling_pct,
    "filter_pressure": lambda now, i: now[i].filter_pa,
    "power": lambda now, i: now[i].power_kw,
    "running": lambda now, i: now[i].running,
}
HEAT_PUMP: dict[str, Readout] = {
    "supply_water_temperature": lambda now, i: now[i].supply_c,
    "supply_water_temperature_setpoint": lambda now, i: now[i].setpoint_c,
    "return_water_temperature": lambda now, i: now[i].return_c,
    "water_flow": lambda now, i: now[i].flow_m3_h,
    "heat_output": lambda now, i: now[i].heat_kw,
    "power": lambda now, i: now[i].power_kw,
    "cop": lambda now, i: now[i].cop,
    "running": lambda now, i: now[i].running,
}
MACHINE: dict[str, Readout] = {
    "spindle_speed": lambda now, i: float(now.spindle_rpm[i]),
    "spindle_load": lambda now, i: float(now.spindle_load_pct[i]),
    "spindle_temperature": lambda now, i: float(now.spindle_c[i]),
    "feed_rate": lambda now, i: float(now.feed_mm_min[i]),
    "position_x": lambda now, i: float(now.position_mm[0, i]),
    "position_y": lambda now, i: float(now.position_mm[1, i]),
    "position_z": lambda now, i: float(now.position_mm[2, i]),
    "vibration": lambda now, i: float(now.vibration_mm_s[i]),
    "power": lambda now, i: float(now.power_kw[i]),
    "parts_made": lambda now, i: int(now.parts[i]),
    "execution": lambda now, i: EXECUTIONS[now.execution[i]],
    "program": lambda now, i: PROGRAMS[now.program[i]],
}
WEATHER: dict[str, Readout] = {
    "air_temperature": lambda now, _: now.temperature_c,
    "humidity": lambda now, _: now.humidity_pct,
    "pressure": lambda now, _: now.pressure_hpa,
    "wind_speed": lambda now, _: now.wind_m_s,
    "wind_direction": lambda now, _: now.wind_direction_deg,
    "irradiance": lambda now, _: now.irradiance_w_m2,
    "rain_rate": lambda now, _: now.rain_mm_h,
}
CHARGER: dict[str, Readout] = {
    "power": lambda now, i: float(now.power_kw[i]),
    "current": lambda now, i: float(now.current_a[i]),
    "voltage": lambda now, _: now.voltage_v,
    "session_energy": lambda now, i: float(now.session_kwh[i]),
    "vehicle_soc": lambda now, i: float(now.soc_pct[i]),
    "current_limit": lambda now, i: float(now.limit_a[i]),
    "connector_state": lambda now, i: CONNECTOR_STATES[now.state[i]],
}
ROOM: dict[str, Readout] = {
    "temperature": lambda now, i: float(now.temperature_c[i]),
    "humidity": lambda now, i: float(now.humidity_pct[i]),
    "co2": lambda now, i: float(now.co2_ppm[i]),
    "occupancy": lambda now, i: int(now.people[i]),
    "temperature_setpoint": lambda now, i: float(now.setpoint_c[i]),
}
BATTERY: dict[str, Readout] = {
    "power": lambda now, _: now.power_kw,
    "state_of_charge": lambda now, _: now.soc_pct,
    "voltage": lambda now, _: now.voltage_v,
    "cell_temperature": lambda now, _: now.temperature_c,
}
READOUTS: dict[str, dict[str, Readout]] = {
    "energy-meter": METER,
    "pv-inverter": INVERTER,
    "ahu": AIR_HANDLER,
    "heat-pump": HEAT_PUMP,
    "machine-tool": MACHINE,
    "weather-station": WEATHER,
    "ev-charger": CHARGER,
    "room-controller": ROOM,
    "battery": BATTERY,
}


def unknown(site: Site) -> list[str]:
    """Points of the table (`device/metric`) that the park has no physics for."""
    return [
        f"{device.name}/{metric.name}"
        for device, metric in site.points()
        if metric.model is None and metric.name not in READOUTS.get(device.kind, {})
    ]
