"""SunSpec over Modbus: the models a device lists, as registers with their scale factors. From the public tables."""

from collections.abc import Awaitable, Callable

from edge.sources.modbus_map import ABSENT, Kind, Register

__all__ = ["BASES", "MARKER", "discover"]

MARKER = [0x5375, 0x6E53]  # "SunS"
BASES = (40_000, 50_000, 0)
END = 0xFFFF
MODELS_MAX = 64  # a device that lists more is not read right

_STATES = {
    "1": "off", "2": "sleeping", "3": "starting", "4": "mppt", "5": "throttled", "6": "shutting_down", "7": "fault",
    "8": "standby",
}  # fmt: skip

# name, offset from the model's id, type, offset of the scale factor, unit, class, label
Row = tuple[str, int, Kind, int, str, str, str]
_INVERTER: tuple[Row, ...] = (
    ("current", 2, "u16", 6, "A", "current", "AC current"),
    ("current_a", 3, "u16", 6, "A", "current", "AC current phase A"),
    ("current_b", 4, "u16", 6, "A", "current", "AC current phase B"),
    ("current_c", 5, "u16", 6, "A", "current", "AC current phase C"),
    ("voltage_ab", 7, "u16", 13, "V", "voltage", "Voltage A to B"),
    ("voltage_bc", 8, "u16", 13, "V", "voltage", "Voltage B to C"),
    ("voltage_ca", 9, "u16", 13, "V", "voltage", "Voltage C to A"),
    ("voltage_a", 10, "u16", 13, "V", "voltage", "Voltage phase A"),
    ("voltage_b", 11, "u16", 13, "V", "voltage", "Voltage phase B"),
    ("voltage_c", 12, "u16", 13, "V", "voltage", "Voltage phase C"),
    ("power", 14, "i16", 15, "W", "power", "AC power"),
    ("frequency", 16, "u16", 17, "Hz", "frequency", "Line frequency"),
    ("apparent_power", 18, "i16", 19, "V.A", "apparent_power", "Apparent power"),
    ("reactive_power", 20, "i16", 21, "var", "reactive_power", "Reactive power"),
    ("power_factor", 22, "i16", 23, "%", "power_factor", "Power factor"),
    ("energy", 24, "u32", 26, "W.h", "energy", "AC energy, lifetime"),
    ("dc_current", 27, "u16", 28, "A", "current", "DC current"),
    ("dc_voltage", 29, "u16", 30, "V", "voltage", "DC voltage"),
    ("dc_power", 31, "i16", 32, "W", "power", "DC power"),
    ("temperature_cabinet", 33, "i16", 37, "Cel", "temperature", "Cabinet temperature"),
    ("temperature_sink", 34, "i16", 37, "Cel", "temperature", "Heat sink temperature"),
    ("temperature_transformer", 35, "i16", 37, "Cel", "temperature", "Transformer temperature"),
    ("temperature_other", 36, "i16", 37, "Cel", "temperature", "Other temperature"),
    ("state", 38, "u16", 0, "", "", "Operating state"),
    ("event", 40, "u32", 0, "", "", "Event bits"),
)
_METER: tuple[Row, ...] = (
    ("current", 2, "i16", 6, "A", "current", "AC current"),
    ("current_a", 3, "i16", 6, "A", "current", "AC current phase A"),
    ("current_b", 4, "i16", 6, "A", "current", "AC current phase B"),
    ("current_c", 5, "i16", 6, "A", "current", "AC current phase C"),
    ("voltage", 7, "i16", 15, "V", "voltage", "Voltage line to neutral"),
    ("voltage_a", 8, "i16", 15, "V", "voltage", "Voltage phase A"),
    ("voltage_b", 9, "i16", 15, "V", "voltage", "Voltage phase B"),
    ("voltage_c", 10, "i16", 15, "V", "voltage", "Voltage phase C"),
    ("frequency", 16, "i16", 17, "Hz", "frequency", "Line frequency"),
    ("power", 18, "i16", 22, "W", "power", "Power"),
    ("power_a", 19, "i16", 22, "W", "power", "Power phase A"),
    ("power_b", 20, "i16", 22, "W", "power", "Power phase B"),
    ("power_c", 21, "i16", 22, "W", "power", "Power phase C"),
    ("apparent_power", 23, "i16", 27, "V.A", "apparent_power", "Apparent power"),
    ("reactive_power", 28, "i16", 32, "var", "reactive_power", "Reactive power"),
    ("power_factor", 33, "i16", 37, "%", "power_factor", "Power factor"),
    ("energy_exported", 38, "u32", 54, "W.h", "energy", "Exported energy"),
    ("energy_imported", 46, "u32", 54, "W.h", "energy", "Imported energy"),
)
_NAMEPLATE: tuple[Row, ...] = (
    ("rated_power", 3, "u16", 4, "W", "power", "Rated power"),
    ("rated_apparent_power", 5, "u16", 6, "V.A", "apparent_power", "Rated apparent power"),
    ("rated_current", 12, "u16", 13, "A", "current", "Rated current"),
    ("rated_energy", 19, "u16", 20, "W.h", "", "Rated storage energy"),
    ("rated_charge_power", 23, "u16", 24, "W", "power", "Rated charge power"),
    ("rated_discharge_power", 25, "u16", 26, "W", "power", "Rated discharge power"),
)
_SETTINGS: tuple[Row, ...] = (
    ("power_max", 2, "u16", 22, "W", "power", "Maximum power set"),
    ("voltage_reference", 3, "u16", 23, "V", "voltage", "Voltage at the connection point"),
    ("apparent_power_max", 7, "u16", 26, "V.A", "apparent_power", "Maximum apparent power set"),
)
_CONTROLS: tuple[Row, ...] = (
    ("connect", 4, "u16", 0, "", "on_off", "Connection to the grid"),
    ("power_limit", 5, "u16", 23, "%", "ratio", "Power limit, share of the maximum"),
    ("power_limit_enabled", 9, "u16", 0, "", "on_off", "Power limit in force"),
)
_MODELS: dict[int, tuple[Row, ...]] = {
    **dict.fromkeys((101, 102, 103), _INVERTER),
    **dict.fromkeys((201, 202, 203, 204), _METER),
    120: _NAMEPLATE,
    121: _SETTINGS,
    123: _CONTROLS,
}
_COMMON = (("manufacturer", 2, 16), ("model", 18, 16), ("version", 42, 8), ("serial", 50, 16))

Read = Callable[[int, int], Awaitable[list[int] | None]]


async def discover(read: Read) -> list[Register]:
    """Registers of all known models of a device; `read(address, count)` gives holding registers, None for none.

    Quantities that the device marks as not implemented are left out. Empty when it does not speak SunSpec.
    """
    for base in BASES:
        if await read(base, 2) == MARKER:
            return await _walk(read, base + 2)
    return []


async def _walk(read: Read, at: int) -> list[Register]:
    registers: list[Register] = []
    seen: dict[int, int] = {}
    for _ in range(MODELS_MAX):
        head = await read(at, 2)
        if head is None or head[0] == END:
            break
        model, length = head
        seen[model] = seen.get(model, 0) + 1
        suffix = "" if seen[model] == 1 else f"_{seen[model]}"
        if model == 1:
            registers += [
                Register(metric=name + suffix, address=at + offset, type="text", words=words)
                for name, offset, words in _COMMON
                if offset + words <= length + 2
            ]
        else:
            for name, offset, kind, scale_at, unit, point_class, label in _MODELS.get(model, ()):
                if offset < length + 2 and not await _is_nothing(read, at + offset, kind):
                    registers.append(
                        Register(
                            metric=name + suffix, address=at + offset, type=kind, unit=unit, label=label,
                            point_class=point_class, scale_at=at + scale_at if scale_at else None,
                            nothing=ABSENT[kind], states=_STATES if name == "state" else {}, writable=model == 123,
                        )
                    )  # fmt: skip
        at += 2 + length
    return registers


async def _is_nothing(read: Read, address: int, kind: Kind) -> bool:
    words = await read(address, 2 if kind.endswith("32") else 1)
    if words is None:
        return True
    raw = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big", signed=kind[0] == "i")
    return raw == ABSENT[kind]
