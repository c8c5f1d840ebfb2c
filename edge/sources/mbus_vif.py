"""What a value information block means: quantity, unit in UCUM, and the power of ten (EN 13757-3, tables 10 to 15).

A row covers eight, four, two or one codes; the exponent of the first is given, each further code adds one.
"""

from typing import Final, Literal, NamedTuple

__all__ = ["Meaning", "meaning"]

Kind = Literal["number", "date", "time", "plain"]


class Meaning(NamedTuple):
    """`value = raw * factor`, of that quantity in that unit. `plain` numbers are identities, codes and flags."""

    quantity: str
    unit: str = ""
    factor: float = 1.0
    kind: Kind = "number"


class _Row(NamedTuple):
    first: int
    codes: int
    quantity: str
    unit: str
    exponent: int = 0
    kind: Kind = "number"
    factor: float = 1.0


_SECONDS: Final = (1.0, 60.0, 3_600.0, 86_400.0)
_TIMES: Final = {0x20: "on_time", 0x24: "operating_time", 0x70: "averaging_duration", 0x74: "actuality_duration"}
_PER_HOUR: Final = 1.0 / 3_600.0

_PRIMARY: Final = (
    _Row(0x00, 8, "energy", "W.h", -3),
    _Row(0x08, 8, "energy", "J"),
    _Row(0x10, 8, "volume", "m3", -6),
    _Row(0x18, 8, "mass", "kg", -3),
    _Row(0x28, 8, "power", "W", -3),
    _Row(0x30, 8, "power", "W", 0, factor=_PER_HOUR),
    _Row(0x38, 8, "volume_flow", "m3/h", -6),
    _Row(0x40, 8, "volume_flow", "m3/h", -7, factor=60.0),
    _Row(0x48, 8, "volume_flow", "m3/h", -9, factor=3_600.0),
    _Row(0x50, 8, "mass_flow", "kg/s", -3, factor=_PER_HOUR),
    _Row(0x58, 4, "flow_temperature", "Cel", -3),
    _Row(0x5C, 4, "return_temperature", "Cel", -3),
    _Row(0x60, 4, "temperature_difference", "K", -3),
    _Row(0x64, 4, "external_temperature", "Cel", -3),
    _Row(0x68, 4, "pressure", "bar", -3),
    _Row(0x6C, 1, "date", "", kind="date"),
    _Row(0x6D, 1, "time", "", kind="time"),
    _Row(0x6E, 1, "heat_cost_units", ""),
    _Row(0x78, 1, "fabrication_number", "", kind="plain"),
    _Row(0x79, 1, "identification", "", kind="plain"),
    _Row(0x7A, 1, "bus_address", "", kind="plain"),
)
_FIRST: Final = (  # after FD
    _Row(0x00, 4, "credit", "", -3),
    _Row(0x04, 4, "debit", "", -3),
    *(
        _Row(code, 1, name, "", kind="plain")
        for code, name in {
            0x08: "access_number", 0x09: "medium", 0x0A: "manufacturer", 0x0B: "parameter_set", 0x0C: "model",
            0x0D: "hardware_version", 0x0E: "firmware_version", 0x0F: "software_version", 0x10: "customer_location",
            0x11: "customer", 0x17: "error_flags", 0x18: "error_mask", 0x1A: "digital_output", 0x1B: "digital_input",
            0x1C: "baud_rate", 0x60: "reset_counter", 0x61: "cumulation_counter", 0x67: "supplier_information",
        }.items()
    ),
    _Row(0x3A, 1, "dimensionless", ""),
    _Row(0x40, 16, "voltage", "V", -9),
    _Row(0x50, 16, "current", "A", -12),
)  # fmt: skip
_SECOND: Final = (  # after FB
    _Row(0x00, 2, "energy", "W.h", 5),
    _Row(0x08, 2, "energy", "J", 8),
    _Row(0x10, 2, "volume", "m3", 2),
    _Row(0x18, 2, "mass", "kg", 5),
    _Row(0x1A, 2, "relative_humidity", "%", -1),
    _Row(0x28, 2, "power", "W", 5),
    _Row(0x2C, 4, "frequency", "Hz", -3),
    _Row(0x30, 2, "power", "W", 8, factor=_PER_HOUR),
    _Row(0x74, 4, "temperature_limit", "Cel", -3),
    _Row(0x78, 8, "power_maximum", "W", -3),
)


def meaning(vif: int, extension: int | None = None) -> Meaning:
    """Of a primary VIF, or of the first VIFE after FD or FB. `unknown_…` for a code that the tables leave open."""
    if vif & 0x7F in {0x7D, 0x7B} and extension is not None:
        table, code = (_FIRST if vif & 0x7F == 0x7D else _SECOND), extension & 0x7F
    else:
        table, code = _PRIMARY, vif & 0x7F
        if (name := _TIMES.get(code & 0x7C)) is not None:
            return Meaning(name, "s", _SECONDS[code & 3])
    for row in table:
        if row.first <= code < row.first + row.codes:
            return Meaning(row.quantity, row.unit, row.factor * 10.0 ** (row.exponent + code - row.first), row.kind)
    prefix = "" if table is _PRIMARY else f"{vif | 0x80:02x}_"
    return Meaning(f"unknown_{prefix}{code:02x}", kind="plain")
