"""The SunSpec side of an inverter: the "SunS" mark, model 1 (common) and model 103 (three-phase inverter).

What a SunSpec client discovers beyond the metrics of the campus (totals, other phases, scale factors, "not
implemented") is made here from the same values.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

from sim_devices.readouts import INVERTER_STATES, Value
from sim_devices.site import Device

__all__ = ["BASE", "SIZE", "STATES", "fixed_words", "live_words"]

BASE = 40000
COMMON = BASE + 2
INVERTER = COMMON + 68  # a header of two registers stands before the 66 of model 1
DATA = INVERTER + 2
END = DATA + 50
SIZE = END + 2 - BASE
STATES = {str(number): word for number, word in enumerate(INVERTER_STATES, start=1)}
NOT_IMPLEMENTED_U16, NOT_IMPLEMENTED_I16 = 0xFFFF, 0x8000

A, PP_VOLTAGE, PH_VOLTAGE, WATTS, HERTZ, VA, VAR, PF, ENERGY = 0, 5, 8, 12, 14, 16, 18, 20, 22
DC_A, DC_V, DC_W, TEMPERATURE, STATE, EVENTS = 25, 27, 29, 31, 36, 38
SCALE_FACTORS = {4: -2, 11: -1, 13: 1, 15: -2, 17: 1, 19: 1, 21: -2, 24: 0, 26: -2, 28: -1, 30: 1, 35: -1}


def fixed_words(device: Device) -> list[int]:
    """All registers from BASE on that never change; the live ones are "not implemented" until written."""
    words = [0] * SIZE
    words[0:2] = struct.unpack(">2H", b"SunS")
    words[COMMON - BASE : INVERTER - BASE] = [1, 66, *_common(device)]
    words[INVERTER - BASE : DATA - BASE] = [103, 50]
    data = [NOT_IMPLEMENTED_U16] * 50
    for offset, factor in SCALE_FACTORS.items():
        data[offset] = factor & 0xFFFF
    for offset in (TEMPERATURE + 1, TEMPERATURE + 2, TEMPERATURE + 3, VAR):
        data[offset] = NOT_IMPLEMENTED_I16
    data[EVENTS : EVENTS + 4] = [0] * 4
    words[DATA - BASE : END - BASE] = data
    words[END - BASE :] = [0xFFFF, 0]
    return words


def live_words(values: Mapping[str, Value | None]) -> dict[int, int]:
    """Registers that follow from the served metrics: total current, the other phases, apparent power, power factor."""
    power_kw, volts, amperes = values["ac_power"], values["ac_voltage"], values["ac_current"]
    if not (isinstance(power_kw, float) and isinstance(volts, float) and isinstance(amperes, float)):
        return {}
    apparent = 3.0 * volts * amperes
    return {
        DATA + A: round(3.0 * amperes * 100.0),
        DATA + A + 2: round(amperes * 100.0),
        DATA + A + 3: round(amperes * 100.0),
        **{DATA + PP_VOLTAGE + phase: round(volts * math.sqrt(3.0) * 10.0) for phase in range(3)},
        DATA + PH_VOLTAGE + 1: round(volts * 10.0),
        DATA + PH_VOLTAGE + 2: round(volts * 10.0),
        DATA + VA: round(apparent / 10.0),
        DATA + PF: 10000 if power_kw > 0.0 else 0,
    }


def _common(device: Device) -> list[int]:
    """Model 1: who made it."""
    text = b"".join(
        part.encode().ljust(size, b"\0")
        for part, size in (("AID4", 32), ("SimInverter 30", 32), ("", 16), ("1.0", 16), (device.name, 32))
    )
    return [*struct.unpack(">64H", text), 1, 0x8000]
