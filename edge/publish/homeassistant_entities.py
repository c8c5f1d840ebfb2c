"""Points as Home Assistant entities: component, configuration, and the words of a state. Pure; tables over branches."""

import math
from typing import Any, Final, NamedTuple

from edge.publish.outlet import Row
from wire.catalogue import Point
from wire.quality import NOT_A_NUMBER, STALE, UNUSABLE
from wire.units import UNITS

__all__ = ["Entity", "entity", "state_of", "usable", "value_of"]

# our classes: Home Assistant's device class, and the state class of a meter
_CLASSES: Final[dict[str, str]] = {
    "temperature": "temperature", "temperature_setpoint": "temperature", "humidity": "humidity", "power": "power",
    "apparent_power": "apparent_power", "reactive_power": "reactive_power", "energy": "energy", "voltage": "voltage",
    "current": "current", "frequency": "frequency", "power_factor": "power_factor", "pressure": "pressure",
    "illuminance": "illuminance", "irradiance": "irradiance", "co2": "carbon_dioxide", "pm25": "pm25", "pm10": "pm10",
    "battery_charge": "battery", "wind_speed": "wind_speed", "soil_moisture": "moisture", "volume": "water",
    "signal_strength": "signal_strength", "distance": "distance", "duration": "duration", "mass": "weight",
}  # fmt: skip
_TOTALS: Final = frozenset({"energy", "volume", "count", "rain", "thermal_energy", "reactive_energy"})
# units that Home Assistant takes for a device class; where ours is none of them, no class is claimed
_UNITS: Final[dict[str, frozenset[str]]] = {
    "temperature": frozenset({"°C", "°F", "K"}), "humidity": frozenset({"%"}), "power": frozenset({"W", "kW", "MW"}),
    "energy": frozenset({"Wh", "kWh", "MWh", "GJ", "MJ", "J"}), "voltage": frozenset({"V", "mV"}),
    "current": frozenset({"A", "mA"}), "frequency": frozenset({"Hz", "kHz", "MHz", "GHz"}),
    "pressure": frozenset({"Pa", "hPa", "kPa", "bar", "mbar", "psi"}), "illuminance": frozenset({"lx"}),
    "irradiance": frozenset({"W/m²"}), "carbon_dioxide": frozenset({"ppm"}), "battery": frozenset({"%"}),
    "wind_speed": frozenset({"m/s", "km/h"}), "moisture": frozenset({"%"}), "water": frozenset({"m³", "L"}),
    "signal_strength": frozenset({"dBm", "dB"}), "distance": frozenset({"m", "mm", "cm", "km"}),
    "duration": frozenset({"s", "min", "h", "d", "ms"}), "weight": frozenset({"kg", "g", "t"}),
    "apparent_power": frozenset({"VA"}), "reactive_power": frozenset({"var"}), "pm25": frozenset({"µg/m³"}),
    "pm10": frozenset({"µg/m³"}), "power_factor": frozenset({"", "%"}),
}  # fmt: skip
_STEP_SHARE: Final = 1_000


class Entity(NamedTuple):
    """One entity: its component and the configuration without topics."""

    component: str
    config: dict[str, Any]
    commands: bool


def entity(point: Point, *, commands: bool) -> Entity:
    """What a point is there: sensor, binary_sensor, number, switch or text."""
    writable = commands and point.writable
    name = point.label or point.metric.replace("_", " ")
    config: dict[str, Any] = {"name": name}
    if point.kind == "state":
        truth = point.declared == "bool"
        component = ("switch" if truth else "text") if writable else ("binary_sensor" if truth else "sensor")
        if truth:
            config |= {"payload_on": "true", "payload_off": "false"}
        return Entity(component, config, writable)
    unit = UNITS[point.unit].label if point.unit in UNITS else point.unit
    if unit:
        config["unit_of_measurement"] = unit
    found = _CLASSES.get(point.point_class, "")
    if found and unit in _UNITS.get(found, frozenset()):
        config["device_class"] = found
    if writable and point.low is not None and point.high is not None and point.high > point.low:
        step = 10.0 ** math.floor(math.log10((point.high - point.low) / _STEP_SHARE))
        limits = {"min": point.low, "max": point.high, "step": max(step, 0.001)}
        return Entity("number", config | limits, True)
    config["state_class"] = "total_increasing" if point.point_class in _TOTALS else "measurement"
    return Entity("sensor", config, False)


def usable(row: Row) -> bool:
    """Whether a value is worth showing; else its entity is unavailable."""
    return not row.quality & (UNUSABLE | STALE | NOT_A_NUMBER)


def state_of(row: Row) -> str:
    """A state's text, as short as a number can be told."""
    return row.value[:255] if isinstance(row.value, str) else f"{row.value:.10g}"


def value_of(point: Point, text: str) -> float | str | bool:
    """What a command's text means for a point; ValueError when it means nothing."""
    if point.kind == "state":
        return text
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value
