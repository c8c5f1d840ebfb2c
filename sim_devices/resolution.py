"""How finely devices show what they measure: a register counts tenths, a display has two decimals.

What the park shows live passes through its protocols; whoever makes readings without them rounds by this table.
"""

from collections.abc import Mapping
from typing import Final

from sim_devices.servers.mbus import scale_of
from sim_devices.servers.mqtt import DECIMALS
from sim_devices.servers.registers import load_register_map
from sim_devices.site import Device, Metric, Site

__all__ = ["grains"]

_P1: Final[Mapping[str, float]] = {"kW.h": 1e-3, "kW": 1e-3, "V": 0.1, "A": 1.0, "m3": 1e-3}
_DECIMALS: Final = 2  # of a display whose unit says nothing


def grains(site: Site) -> dict[str, float]:
    """By `device/metric`, the step between two values that a device can show; points that show any number are left
    out."""
    registers: dict[str, dict[str, float]] = {}
    found = {}
    for device, metric in site.points():
        if device.protocol == "modbus" and device.kind not in registers:
            table = load_register_map(device.kind).registers
            registers[device.kind] = {one.metric: one.scale for one in table if one.type not in ("f32", "bool")}
        grain = _grain(device, metric, registers)
        if grain and metric.kind == "value":
            found[f"{device.name}/{metric.name}"] = grain
    return found


def _grain(device: Device, metric: Metric, registers: Mapping[str, Mapping[str, float]]) -> float:
    match device.protocol:
        case "modbus":
            return registers[device.kind].get(metric.name, 0.0)
        case "mqtt":
            return float(10.0 ** -DECIMALS.get(metric.unit, _DECIMALS))
        case "mbus":
            return 1.0 / scale_of(metric)
        case "dsmr":
            return _P1.get(metric.unit, 0.0)
        case _:
            return 0.0
