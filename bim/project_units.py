"""The units of an IFC project, as factors to the units of our tables and UCUM codes."""

import math
from dataclasses import dataclass
from typing import Any

from bim.damage import READ_ERRORS

__all__ = ["NO_UNIT", "Unit", "Units", "read_units"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A number of the file times `factor` is a number in `code` (UCUM)."""

    factor: float
    code: str


NO_UNIT = Unit(1.0, "")

_PREFIX = {
    "EXA": 1e18, "PETA": 1e15, "TERA": 1e12, "GIGA": 1e9, "MEGA": 1e6, "KILO": 1e3, "HECTO": 1e2, "DECA": 1e1,
    "DECI": 1e-1, "CENTI": 1e-2, "MILLI": 1e-3, "MICRO": 1e-6, "NANO": 1e-9, "PICO": 1e-12, "FEMTO": 1e-15,
    "ATTO": 1e-18,
}  # fmt: skip

# name of the SI unit: factor, UCUM code, and the power that a prefix takes
_SI = {
    "METRE": (1.0, "m", 1), "SQUARE_METRE": (1.0, "m2", 2), "CUBIC_METRE": (1.0, "m3", 3),
    "RADIAN": (180.0 / math.pi, "deg", 1), "STERADIAN": (1.0, "sr", 1), "GRAM": (1e-3, "kg", 1),
    "SECOND": (1.0, "s", 1), "AMPERE": (1.0, "A", 1), "KELVIN": (1.0, "K", 1), "DEGREE_CELSIUS": (1.0, "Cel", 1),
    "MOLE": (1.0, "mol", 1), "CANDELA": (1.0, "cd", 1), "LUMEN": (1.0, "lm", 1), "LUX": (1.0, "lx", 1),
    "HERTZ": (1.0, "Hz", 1), "NEWTON": (1.0, "N", 1), "PASCAL": (1.0, "Pa", 1), "JOULE": (1.0, "J", 1),
    "WATT": (1.0, "W", 1), "VOLT": (1.0, "V", 1), "OHM": (1.0, "Ohm", 1), "FARAD": (1.0, "F", 1),
    "COULOMB": (1.0, "C", 1), "SIEMENS": (1.0, "S", 1), "HENRY": (1.0, "H", 1), "TESLA": (1.0, "T", 1),
    "WEBER": (1.0, "Wb", 1), "BECQUEREL": (1.0, "Bq", 1), "GRAY": (1.0, "Gy", 1), "SIEVERT": (1.0, "Sv", 1),
}  # fmt: skip

# measure of a value: the kind of unit it is given in
_UNIT_OF_MEASURE = {
    "IfcLengthMeasure": "LENGTHUNIT", "IfcPositiveLengthMeasure": "LENGTHUNIT",
    "IfcNonNegativeLengthMeasure": "LENGTHUNIT", "IfcAreaMeasure": "AREAUNIT", "IfcVolumeMeasure": "VOLUMEUNIT",
    "IfcPlaneAngleMeasure": "PLANEANGLEUNIT", "IfcPositivePlaneAngleMeasure": "PLANEANGLEUNIT",
    "IfcMassMeasure": "MASSUNIT", "IfcTimeMeasure": "TIMEUNIT", "IfcPowerMeasure": "POWERUNIT",
    "IfcThermodynamicTemperatureMeasure": "THERMODYNAMICTEMPERATUREUNIT", "IfcPressureMeasure": "PRESSUREUNIT",
    "IfcElectricCurrentMeasure": "ELECTRICCURRENTUNIT", "IfcElectricVoltageMeasure": "ELECTRICVOLTAGEUNIT",
    "IfcElectricResistanceMeasure": "ELECTRICRESISTANCEUNIT", "IfcFrequencyMeasure": "FREQUENCYUNIT",
    "IfcForceMeasure": "FORCEUNIT", "IfcEnergyMeasure": "ENERGYUNIT", "IfcIlluminanceMeasure": "ILLUMINANCEUNIT",
    "IfcLuminousFluxMeasure": "LUMINOUSFLUXUNIT", "IfcLuminousIntensityMeasure": "LUMINOUSINTENSITYUNIT",
}  # fmt: skip
_DEFAULT = {"LENGTHUNIT": Unit(1.0, "m"), "AREAUNIT": Unit(1.0, "m2"), "VOLUMEUNIT": Unit(1.0, "m3")}
_DEPTH_MAX = 8  # a unit converted through units converted through units


@dataclass(frozen=True, slots=True)
class Units:
    """The project's units by kind ("LENGTHUNIT", …)."""

    by_kind: dict[str, Unit]
    stated: bool  # False: the file states no length unit and metres are assumed
    unread: int = 0  # units of the project that cannot be read

    @property
    def length_m(self) -> float:
        """Metres of one length unit of the file."""
        return self.of_kind("LENGTHUNIT").factor

    def of_kind(self, kind: str) -> Unit:
        """The unit of one kind; metres where the file is silent about lengths, no unit otherwise."""
        return self.by_kind.get(kind) or _DEFAULT.get(kind, NO_UNIT)

    def of_measure(self, measure: str) -> Unit:
        """The unit of a value by its type, e.g. IfcLengthMeasure."""
        kind = _UNIT_OF_MEASURE.get(measure)
        return NO_UNIT if kind is None else self.of_kind(kind)


def read_units(model: Any) -> Units:
    """Units of the (first) project of an open file."""
    found: dict[str, Unit] = {}
    unread = 0
    for entity in _assigned(model):
        try:
            kind, unit = getattr(entity, "UnitType", None), unit_of(entity)
        except READ_ERRORS:
            unread += 1
            continue
        if isinstance(kind, str) and unit is not None:
            found[kind] = unit
    return Units(found, "LENGTHUNIT" in found, unread)


def _assigned(model: Any) -> tuple[Any, ...]:
    try:
        return tuple(unit for assignment in model.by_type("IfcUnitAssignment")[:1] for unit in assignment.Units or ())
    except READ_ERRORS:
        return ()


def unit_of(entity: Any, depth: int = 0) -> Unit | None:
    """An IfcUnit as factor and code; None for what has neither (derived, monetary, unknown)."""
    if depth > _DEPTH_MAX:
        return None
    if entity.is_a("IfcSIUnit"):
        row = _SI.get(entity.Name or "")
        if row is None:
            return None
        factor, code, power = row
        return Unit(factor * _PREFIX.get(entity.Prefix or "", 1.0) ** power, code)
    if entity.is_a("IfcConversionBasedUnit"):
        measure = entity.ConversionFactor
        base = None if measure is None else unit_of(measure.UnitComponent, depth + 1)
        value = None if base is None else measure.ValueComponent.wrappedValue
        if base is None or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            return None
        return Unit(base.factor * value, base.code)
    return None
