"""Faults of the park itself: what wears, leaks, sticks or trips, in the physics: everything downstream feels it.

A kind of fault names the kinds of device that can have it, what a technician would call the cause, and the metrics in
which it shows first. `level` is 0 (sound) to 1 (as bad as it gets); see `sim_devices/faults.py` for scenario files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from sim_devices.campus import Campus

__all__ = ["KINDS", "Damage"]

WINDOW_CHANGES_H = 9.0
CELL_HEAT_K = 38.0
WATER_LEAK_M3_H = 2.4
AIR_LEAK_BAR_H = 34.0
OIL_K = 32.0
STUCK_OPEN = 0.95


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of fault; `apply(campus, device, level)` sets it, level 0 takes it away."""

    devices: tuple[str, ...]
    cause: str
    shows_in: tuple[str, ...]
    apply: Callable[[Campus, str, float], None]


def _filter(campus: Campus, device: str, level: float) -> None:
    campus.air_handlers[campus.number(device)].faults.filter_ratio = 1.0 + 3.0 * level


def _belt(campus: Campus, device: str, level: float) -> None:
    campus.air_handlers[campus.number(device)].faults.belt_ratio = 1.0 - 0.6 * level


def _coil(campus: Campus, device: str, level: float) -> None:
    campus.air_handlers[campus.number(device)].faults.coil_ratio = 1.0 - 0.9 * level


def _stuck_valve(campus: Campus, device: str, level: float) -> None:
    campus.air_handlers[campus.number(device)].faults.stuck_heating = STUCK_OPEN * level if level else None


def _refrigerant(campus: Campus, device: str, level: float) -> None:
    campus.heat_pumps[campus.number(device)].charge_ratio = 1.0 - 0.65 * level


def _short_cycles(campus: Campus, device: str, level: float) -> None:
    campus.heat_pumps[campus.number(device)].band_ratio = 1.0 - 0.88 * level


def _window(campus: Campus, device: str, level: float) -> None:
    campus.rooms.window_changes_h[campus.number(device)] = WINDOW_CHANGES_H * level


def _radiator(campus: Campus, device: str, level: float) -> None:
    campus.control.stuck_valve[campus.number(device)] = STUCK_OPEN * level if level else float("nan")


def _soiling(campus: Campus, device: str, level: float) -> None:
    campus.inverters[campus.number(device)].yield_ratio = 1.0 - 0.5 * level


def _string(campus: Campus, device: str, level: float) -> None:
    campus.inverters[campus.number(device)].yield_ratio = 2.0 / 3.0 if level else 1.0


def _trip(campus: Campus, device: str, level: float) -> None:
    campus.inverters[campus.number(device)].tripped = level > 0.0


def _cell(campus: Campus, _: str, level: float) -> None:
    campus.battery.heat_k = CELL_HEAT_K * level


def _fade(campus: Campus, _: str, level: float) -> None:
    campus.battery.capacity_ratio = 1.0 - 0.8 * level


def _contactor(campus: Campus, device: str, level: float) -> None:
    campus.chargers.open_contactor[campus.number(device)] = level > 0.0


def _bearing(campus: Campus, device: str, level: float) -> None:
    if campus.kind(device) == "machine-tool":
        campus.machines.faults.bearing[campus.number(device)] = level
        return
    warm = "spindle_temperature" if campus.kind(device) == "lathe" else "gearbox_temperature"
    campus.signals.disturb(f"{device}/vibration", offset=5.0 * level)
    campus.signals.disturb(f"{device}/{warm}", offset=24.0 * level)


def _tool(campus: Campus, device: str, level: float) -> None:
    campus.machines.faults.tool[campus.number(device)] = level


def _coolant(campus: Campus, device: str, level: float) -> None:
    campus.machines.faults.coolant[campus.number(device)] = level


def _leak(campus: Campus, device: str, level: float) -> None:
    if campus.kind(device) == "compressor":
        campus.signals.disturb(f"{device}/pressure", offset=-AIR_LEAK_BAR_H * level)
    else:
        campus.signals.disturb(f"{device}/flow", offset=WATER_LEAK_M3_H * level)


def _oil(campus: Campus, device: str, level: float) -> None:
    campus.signals.disturb(f"{device}/oil_temperature", offset=OIL_K * level)


def _vent(campus: Campus, device: str, level: float) -> None:
    campus.signals.hold(f"{device}/vent_opening", on=level > 0.0)


def _clogged(campus: Campus, device: str, level: float) -> None:
    campus.signals.disturb(f"{device}/flow", gain=1.0 - 0.9 * level)


KINDS = MappingProxyType(
    {
        "fouled-filter": Damage(("ahu",), "the air filter is clogged", ("filter_pressure", "supply_air_flow"), _filter),
        "belt-slip": Damage(("ahu",), "the fan belt slips", ("supply_air_flow", "filter_pressure"), _belt),
        "blocked-coil": Damage(
            ("ahu",), "the heating coil is blocked", ("supply_air_temperature", "heating_valve"), _coil
        ),
        "stuck-valve": Damage(
            ("ahu",), "the heating valve sticks open", ("supply_air_temperature", "cooling_valve"), _stuck_valve
        ),
        "refrigerant-leak": Damage(("heat-pump",), "refrigerant is missing", ("cop", "heat_output"), _refrigerant),
        "short-cycling": Damage(
            ("heat-pump",), "the compressor starts too often", ("running", "supply_water_temperature"), _short_cycles
        ),
        "open-window": Damage(
            ("room-controller",), "a window stands open", ("temperature", "co2", "humidity"), _window
        ),
        "stuck-radiator": Damage(("room-controller",), "the radiator valve sticks open", ("temperature",), _radiator),
        "soiling": Damage(("pv-inverter",), "the modules are dirty", ("dc_power", "ac_power"), _soiling),
        "string-loss": Damage(("pv-inverter",), "a string is lost", ("dc_current", "ac_power"), _string),
        "inverter-trip": Damage(("pv-inverter",), "the inverter has tripped", ("ac_power", "operating_state"), _trip),
        "hot-cell": Damage(("battery",), "a cell or its cooling is failing", ("cell_temperature",), _cell),
        "capacity-fade": Damage(("battery",), "the battery has lost capacity", ("state_of_charge",), _fade),
        "open-contactor": Damage(("ev-charger",), "the contactor does not close", ("power", "current"), _contactor),
        "bearing-wear": Damage(
            ("machine-tool", "lathe", "robot"), "a bearing is worn", ("vibration", "spindle_temperature"), _bearing
        ),
        "tool-wear": Damage(("machine-tool",), "the tool is blunt", ("spindle_load", "power"), _tool),
        "coolant-loss": Damage(("machine-tool",), "coolant is missing", ("spindle_temperature",), _coolant),
        "leak": Damage(("water-meter", "compressor"), "the pipe leaks", ("flow", "volume", "running"), _leak),
        "oil-cooling": Damage(("transformer",), "the transformer is not cooled", ("oil_temperature",), _oil),
        "stuck-vent": Damage(("greenhouse-climate",), "the roof vent sticks", ("vent_opening", "temperature"), _vent),
        "clogged-line": Damage(("irrigation-valve",), "the irrigation line is clogged", ("flow", "pressure"), _clogged),
    }
)
