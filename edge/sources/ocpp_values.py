"""OCPP meter values into metrics with UCUM units, for all versions; lenient where chargers of the field are not strict.

1.6 writes values as texts and units by name, 2.x as numbers with a multiplier. Seen in the field and read: numbers
where texts belong, `Celcius`, missing units (the specification then means Wh), times without a zone. Empty values are
left out.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from wire.limits import CLOCK_TRUSTED_FROM_US
from wire.names import slug

__all__ = ["Sample", "samples", "time_us"]

SAMPLES_MAX: Final = 512  # of one message: 16 outlets with all measurands on three phases stay below
_MEASURANDS: Final = {
    "Power.Active.Import": ("power", "kW"), "Power.Active.Export": ("power_export", "kW"),
    "Power.Offered": ("power_offered", "kW"), "Power.Factor": ("power_factor", "1"),
    "Power.Reactive.Import": ("reactive_power", "kvar"), "Power.Reactive.Export": ("reactive_power_export", "kvar"),
    "Current.Import": ("current", "A"), "Current.Export": ("current_export", "A"),
    "Current.Offered": ("current_offered", "A"), "Voltage": ("voltage", "V"), "Frequency": ("frequency", "Hz"),
    "Temperature": ("temperature", "Cel"), "SoC": ("vehicle_soc", "%"), "RPM": ("fan_speed", "{rpm}"),
    "Energy.Active.Import.Register": ("energy_total", "kW.h"),
    "Energy.Active.Export.Register": ("energy_export", "kW.h"),
    "Energy.Reactive.Import.Register": ("reactive_energy", "kvar.h"),
    "Energy.Reactive.Export.Register": ("reactive_energy_export", "kvar.h"),
    "Energy.Active.Import.Interval": ("energy_interval", "kW.h"),
    "Energy.Active.Export.Interval": ("energy_export_interval", "kW.h"),
}  # fmt: skip
_FACTORS: Final = {  # told unit -> (unit of the metric, factor)
    "Wh": ("kW.h", 1e-3), "kWh": ("kW.h", 1.0), "varh": ("kvar.h", 1e-3), "kvarh": ("kvar.h", 1.0), "W": ("kW", 1e-3),
    "kW": ("kW", 1.0), "VA": ("kW", 1e-3), "kVA": ("kW", 1.0), "var": ("kvar", 1e-3), "kvar": ("kvar", 1.0),
    "A": ("A", 1.0), "V": ("V", 1.0), "Celsius": ("Cel", 1.0), "Celcius": ("Cel", 1.0), "K": ("Cel", 1.0),
    "Fahrenheit": ("Cel", 5 / 9), "Percent": ("%", 1.0), "Hz": ("Hz", 1.0), "RPM": ("{rpm}", 1.0),
}  # fmt: skip
_BEFORE: Final = {"K": -273.15, "Fahrenheit": -32.0}  # added before the factor
_PLAIN: Final = {"power_factor", "vehicle_soc", "frequency", "fan_speed"}  # told without a unit of their own
_PHASES: Final = {"L1": "l1", "L2": "l2", "L3": "l3", "N": "n", "L1-N": "l1", "L2-N": "l2", "L3-N": "l3",
                  "L1-L2": "l1_l2", "L2-L3": "l2_l3", "L3-L1": "l3_l1"}  # fmt: skip
_PLACES: Final = {"Inlet": "inlet_", "Cable": "cable_", "EV": "vehicle_", "Body": "body_", "Upstream": "upstream_"}


class Sample(NamedTuple):
    """One sampled value: when (None: not told), which metric (with place and phase), in which unit."""

    at_us: int | None
    metric: str
    unit: str
    value: float
    context: str


def samples(values: Any) -> tuple[list[Sample], int]:
    """What a `meterValue` list says, and how many of its values cannot be used."""
    found, unused = list[Sample](), 0
    for stamp, told in _flat(values):
        if len(found) + unused >= SAMPLES_MAX:
            break
        sample = _sample(stamp, told)
        if sample is None:
            unused += 1
        else:
            found.append(sample)
    return found, unused


def _flat(values: Any) -> Iterator[tuple[Any, Any]]:
    for one in [values] if isinstance(values, dict) else values if isinstance(values, list) else []:
        if isinstance(one, dict):
            inside = one.get("sampledValue")
            for told in [inside] if isinstance(inside, dict) else inside if isinstance(inside, list) else []:
                yield one.get("timestamp"), told


def _sample(stamp: Any, told: Any) -> Sample | None:
    if not isinstance(told, dict) or told.get("format") == "SignedData":
        return None
    measurand, unit, multiplier = told.get("measurand") or "Energy.Active.Import.Register", told.get("unit"), 0
    if isinstance(of_measure := told.get("unitOfMeasure"), dict):
        unit, multiplier = of_measure.get("unit"), of_measure.get("multiplier", 0)
    try:
        value = float(told["value"]) * 10.0 ** int(multiplier or 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(value) or measurand not in _MEASURANDS:
        return None
    metric, metric_unit = _MEASURANDS[measurand]
    if metric in _PLAIN:
        factor, before = 1.0, 0.0
    else:
        told_unit = unit or {"kW.h": "Wh", "kvar.h": "varh", "kW": "W", "kvar": "var"}.get(metric_unit, "")
        known, factor = _FACTORS.get(str(told_unit), (metric_unit if not unit else "", 1.0))
        before = _BEFORE.get(str(told_unit), 0.0)
        if known != metric_unit:
            return None  # amperes of a voltage
    place, phase = _PLACES.get(str(told.get("location")), ""), _PHASES.get(str(told.get("phase")), "")
    name = place + metric + (f"_{phase}" if phase else "")
    if name.startswith("vehicle_vehicle_"):
        name = name.removeprefix("vehicle_")
    context = slug(str(told.get("context") or "Sample.Periodic"))
    return Sample(time_us(stamp), name, metric_unit, (value + before) * factor, context)


def time_us(text: Any) -> int | None:
    """An ISO 8601 time as UTC in µs; None when it is none or of a clock that was never set. Without a zone: UTC."""
    if not isinstance(text, str) or not 10 <= len(text) <= 40:
        return None
    try:
        told = datetime.fromisoformat(text.strip())
        at_us = round(told.replace(tzinfo=told.tzinfo or UTC).timestamp() * 1e6)
    except (ValueError, OverflowError):
        return None
    return at_us if at_us >= CLOCK_TRUSTED_FROM_US else None
