"""Units of measurement: the UCUM codes this product knows, by dimension, with their factors.

`value_in_base = value * factor + offset`. Codes are case-sensitive UCUM (ucum.org); what people write on
data sheets is accepted through `ALIASES` and turned into UCUM at the edge, so the twin only ever sees codes.
"""

from typing import NamedTuple

from wire.errors import UserError

__all__ = ["ALIASES", "UNITS", "Unit", "canonical", "convert"]


class Unit(NamedTuple):
    """One unit: what people read, its dimension, and how it turns into the dimension's base unit."""

    label: str
    dimension: str
    factor: float = 1.0
    offset: float = 0.0


UNITS: dict[str, Unit] = {
    "": Unit("", "number"),
    "1": Unit("", "number"),
    "%": Unit("%", "number", 0.01),
    "[ppm]": Unit("ppm", "number", 1e-6),
    "[ppb]": Unit("ppb", "number", 1e-9),
    "Cel": Unit("°C", "temperature", 1.0, 273.15),
    "[degF]": Unit("°F", "temperature", 5 / 9, 459.67 * 5 / 9),
    "K": Unit("K", "temperature"),
    "K/s": Unit("K/s", "temperature rate"),
    "Pa": Unit("Pa", "pressure"),
    "hPa": Unit("hPa", "pressure", 100.0),
    "kPa": Unit("kPa", "pressure", 1e3),
    "MPa": Unit("MPa", "pressure", 1e6),
    "bar": Unit("bar", "pressure", 1e5),
    "mbar": Unit("mbar", "pressure", 100.0),
    "[psi]": Unit("psi", "pressure", 6894.757293168),
    "[in_i'H2O]": Unit("inH₂O", "pressure", 249.08891),
    "W": Unit("W", "power"),
    "kW": Unit("kW", "power", 1e3),
    "MW": Unit("MW", "power", 1e6),
    "V.A": Unit("VA", "apparent power"),
    "kV.A": Unit("kVA", "apparent power", 1e3),
    "var": Unit("var", "reactive power"),
    "kvar": Unit("kvar", "reactive power", 1e3),
    "J": Unit("J", "energy"),
    "MJ": Unit("MJ", "energy", 1e6),
    "GJ": Unit("GJ", "energy", 1e9),
    "W.h": Unit("Wh", "energy", 3600.0),
    "kW.h": Unit("kWh", "energy", 3.6e6),
    "MW.h": Unit("MWh", "energy", 3.6e9),
    "kvar.h": Unit("kvarh", "reactive energy", 3.6e6),
    "V": Unit("V", "voltage"),
    "mV": Unit("mV", "voltage", 1e-3),
    "kV": Unit("kV", "voltage", 1e3),
    "A": Unit("A", "current"),
    "mA": Unit("mA", "current", 1e-3),
    "Ohm": Unit("Ω", "resistance"),
    "Hz": Unit("Hz", "frequency"),
    "kHz": Unit("kHz", "frequency", 1e3),
    "/min": Unit("1/min", "frequency", 1 / 60),
    "{rpm}": Unit("rpm", "frequency", 1 / 60),
    "us": Unit("µs", "time", 1e-6),
    "ms": Unit("ms", "time", 1e-3),
    "s": Unit("s", "time"),
    "min": Unit("min", "time", 60.0),
    "h": Unit("h", "time", 3600.0),
    "d": Unit("d", "time", 86400.0),
    "um": Unit("µm", "length", 1e-6),
    "mm": Unit("mm", "length", 1e-3),
    "cm": Unit("cm", "length", 1e-2),
    "m": Unit("m", "length"),
    "km": Unit("km", "length", 1e3),
    "[ft_i]": Unit("ft", "length", 0.3048),
    "[in_i]": Unit("in", "length", 0.0254),
    "m2": Unit("m²", "area"),
    "m3": Unit("m³", "volume"),
    "L": Unit("L", "volume", 1e-3),
    "m/s": Unit("m/s", "speed"),
    "km/h": Unit("km/h", "speed", 1 / 3.6),
    "mm/s": Unit("mm/s", "speed", 1e-3),
    "mm/min": Unit("mm/min", "speed", 1e-3 / 60),
    "mm/h": Unit("mm/h", "speed", 1e-3 / 3600),
    "m/s2": Unit("m/s²", "acceleration"),
    "[g]": Unit("g", "acceleration", 9.80665),
    "m3/s": Unit("m³/s", "flow"),
    "m3/h": Unit("m³/h", "flow", 1 / 3600),
    "L/s": Unit("L/s", "flow", 1e-3),
    "L/min": Unit("L/min", "flow", 1e-3 / 60),
    "L/h": Unit("L/h", "flow", 1e-3 / 3600),
    "kg/s": Unit("kg/s", "mass flow"),
    "g": Unit("g", "mass", 1e-3),
    "kg": Unit("kg", "mass"),
    "t": Unit("t", "mass", 1e3),
    "N": Unit("N", "force"),
    "kN": Unit("kN", "force", 1e3),
    "N.m": Unit("N·m", "torque"),
    "deg": Unit("°", "angle", 0.017453292519943295),
    "rad": Unit("rad", "angle"),
    "deg/s": Unit("°/s", "angular speed", 0.017453292519943295),
    "lx": Unit("lx", "illuminance"),
    "W/m2": Unit("W/m²", "irradiance"),
    "g/m3": Unit("g/m³", "density", 1e-3),
    "ug/m3": Unit("µg/m³", "density", 1e-9),
    "mg/m3": Unit("mg/m³", "density", 1e-6),
    "kg/m3": Unit("kg/m³", "density"),
    "[pH]": Unit("pH", "acidity"),
    "uS/cm": Unit("µS/cm", "conductivity", 1e-4),
    "mS/cm": Unit("mS/cm", "conductivity", 0.1),
    "dB": Unit("dB", "level"),
    "dB[SPL]": Unit("dB", "sound pressure level"),
    "dB[mW]": Unit("dBm", "signal level"),
    "bit/s": Unit("bit/s", "data rate"),
    "By": Unit("B", "data"),
    "KiBy": Unit("KiB", "data", 1024.0),
    "MiBy": Unit("MiB", "data", 1048576.0),
    "GiBy": Unit("GiB", "data", 1073741824.0),
    "[EUR]": Unit("€", "money"),
    "g{CO2}": Unit("g CO₂", "carbon", 1e-3),
    "kg{CO2}": Unit("kg CO₂", "carbon"),
}

ALIASES: dict[str, str] = {
    "°C": "Cel", "C": "Cel", "degC": "Cel", "celsius": "Cel", "°F": "[degF]", "F": "[degF]", "degF": "[degF]",
    "Wh": "W.h", "kWh": "kW.h", "MWh": "MW.h", "VA": "V.A", "kVA": "kV.A", "VAr": "var", "VAR": "var",
    "kVAr": "kvar", "kvarh": "kvar.h", "rpm": "{rpm}", "RPM": "{rpm}", "1/min": "/min", "ppm": "[ppm]",
    "ppb": "[ppb]", "psi": "[psi]", "inH2O": "[in_i'H2O]", "m³": "m3", "m²": "m2", "m³/h": "m3/h", "m³/s": "m3/s",
    "l": "L", "l/s": "L/s", "l/min": "L/min", "l/h": "L/h", "W/m²": "W/m2", "m/s²": "m/s2", "µg/m³": "ug/m3",
    "μg/m³": "ug/m3", "µs": "us", "lux": "lx", "°": "deg", "ohm": "Ohm", "Ω": "Ohm", "Nm": "N.m", "pH": "[pH]",
    "dBm": "dB[mW]", "B": "By", "KiB": "KiBy", "MiB": "MiBy", "GiB": "GiBy", "µS/cm": "uS/cm", "percent": "%",
    "EUR": "[EUR]", "€": "[EUR]", "hour": "h", "ft": "[ft_i]", "in": "[in_i]",
}  # fmt: skip


def canonical(text: str) -> str:
    """The UCUM code of what a person or a device wrote; UserError when it is not known."""
    code = ALIASES.get(text.strip(), text.strip())
    if code not in UNITS:
        raise UserError(
            f"unit {text[:40]!r} is not known", field="unit", fix="write a UCUM code such as Cel, kW.h, m3/h"
        )
    return code


def convert(value: float, unit: str, to: str) -> float:
    """`value` in `unit` expressed in `to`; UserError when they do not measure the same thing."""
    source, target = UNITS[canonical(unit)], UNITS[canonical(to)]
    if source.dimension != target.dimension:
        raise UserError(f"{unit} measures {source.dimension}, {to} measures {target.dimension}", field="unit")
    return (value * source.factor + source.offset - target.offset) / target.factor
