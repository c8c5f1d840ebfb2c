"""Telegrams of the P1 port of smart meters (DSMR 2.2 to 5, ESMR, eMUCS): framing, CRC, lines, and what each code means.

Pure. A telegram whose CRC is wrong, or missing where its version has one, is refused whole: `TelegramError`.
"""

import re
from typing import Final, Literal, NamedTuple

import fastcrc

__all__ = [
    "TELEGRAM_BYTES_MAX",
    "Line",
    "Meaning",
    "TelegramError",
    "Telegrams",
    "decode_telegram",
    "meaning",
    "number",
]

TELEGRAM_BYTES_MAX: Final = 8_192  # a telegram has some 700 to 2,200
LINES_MAX: Final = 200
_HEAD = re.compile(rb"/[^\r\n\x80-\xff]{3,200}\r?\n")
_LINE = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3})(?:\*\d{1,3})?((?:\([^()]*\))+)\Z")
_VALUE = re.compile(r"\(([^()]*)\)")
_NUMBER = re.compile(r"(-?\d{1,15}(?:\.\d{1,9})?)(?:\*([A-Za-z0-9]{1,8}))?\Z")
_VERSION: Final = "1-3:0.2.8"  # from DSMR 4 on, which has a CRC too
_END = re.compile(rb"(?:\A|\r?\n)!([0-9A-Fa-f]{1,4})?[ \t]*\r?\n")
Kind = Literal["value", "text", "tariff"]


class TelegramError(ValueError):
    """What came is no whole telegram."""


class Line(NamedTuple):
    """One object: its OBIS code and the contents of its brackets."""

    code: str
    values: tuple[str, ...]


class Meaning(NamedTuple):
    """The metric of a code and its unit in UCUM."""

    metric: str
    unit: str = ""
    point_class: str = ""
    kind: Kind = "value"


_PHASES: Final = (("_l1", 20), ("_l2", 40), ("_l3", 60))
_ELECTRIC: Final = {
    **{
        f"{code}.8.{tariff}": Meaning(f"{name}{f'_t{tariff}' if tariff else ''}", unit, group)
        for code, name, unit, group in (
            (1, "energy_import", "kW.h", "energy"),
            (2, "energy_export", "kW.h", "energy"),
            (3, "reactive_energy_import", "kvar.h", "reactive_energy"),
            (4, "reactive_energy_export", "kvar.h", "reactive_energy"),
        )
        for tariff in range(5)
    },
    "1.7.0": Meaning("power_import", "kW", "power"),
    "2.7.0": Meaning("power_export", "kW", "power"),
    "13.7.0": Meaning("power_factor", "", "power_factor"),
    "14.7.0": Meaning("frequency", "Hz", "frequency"),
    "3.7.0": Meaning("reactive_power_import", "kvar", "reactive_power"),
    "4.7.0": Meaning("reactive_power_export", "kvar", "reactive_power"),
    **{
        f"{base + add}.7.0": Meaning(name + phase, unit, group)
        for phase, base in _PHASES
        for add, name, unit, group in (
            (1, "power_import", "kW", "power"),
            (2, "power_export", "kW", "power"),
            (11, "current", "A", "current"),
            (12, "voltage", "V", "voltage"),
        )
    },
    **{f"{base + 12}.32.0": Meaning(f"voltage_sags{phase}") for phase, base in _PHASES},
    **{f"{base + 12}.36.0": Meaning(f"voltage_swells{phase}") for phase, base in _PHASES},
}
_GENERAL: Final = {
    "96.14.0": Meaning("tariff", kind="tariff"),
    "96.7.21": Meaning("power_failures"),
    "96.7.9": Meaning("power_failures_long"),
    "96.13.0": Meaning("message", kind="text"),
    "96.3.10": Meaning("breaker"),
    "96.1.1": Meaning("serial", kind="text"),
    "17.0.0": Meaning("power_limit", "kW"),
}
CHILD_MEDIA: Final = {3: "gas", 4: "heat", 5: "cooling", 6: "hot_water", 7: "water", 8: "water", 12: "heat"}


class Telegrams:
    """Bytes in, whole telegrams out. Holds `TELEGRAM_BYTES_MAX` at most; `skipped` counts bytes that began none."""

    def __init__(self) -> None:
        self._held = b""
        self.skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The telegrams that end within `data`, each from its slash to the end of the line with its CRC."""
        self._held += data
        found: list[bytes] = []
        while True:
            start = self._held.find(b"/")
            if start < 0:
                self._skip(len(self._held))
                return found
            self._skip(start)
            end = _END.search(self._held)
            if end is None:
                if len(self._held) <= TELEGRAM_BYTES_MAX:
                    return found
                self._skip(1)  # this slash began nothing; the next one may
                continue
            found.append(self._held[: end.end()])
            self._held = self._held[end.end() :]

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._held = self._held[count:]


def decode_telegram(raw: bytes) -> list[Line]:
    """Its objects in order, the meter's identification left out. Raises TelegramError."""
    if len(raw) > TELEGRAM_BYTES_MAX:
        raise TelegramError(f"{len(raw)} bytes, at most {TELEGRAM_BYTES_MAX}")
    head, end = _HEAD.match(raw), _END.search(raw)
    if head is None or end is None or end.end() != len(raw):
        raise TelegramError("it is not framed by a slash and an exclamation mark")
    body_end = raw.index(b"!", end.start()) + 1
    if end[1] is not None:
        made = fastcrc.crc16.arc(raw[:body_end])
        if made != int(end[1], 16):
            raise TelegramError(f"CRC {end[1].decode()}, its bytes make {made:04X}")
    lines = _lines(raw[head.end() : body_end - 1])
    if end[1] is None and any(line.code == _VERSION for line in lines):
        raise TelegramError("its version has a CRC, and there is none")
    return lines


def _lines(body: bytes) -> list[Line]:
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError as error:
        raise TelegramError("it holds what is not ASCII") from error
    joined: list[str] = []
    for row in text.replace("\r\n", "\n").split("\n"):
        if row.startswith("(") and joined:  # the value of an old gas meter stands on a line of its own
            joined[-1] += row
        elif row.strip():
            joined.append(row.strip())
    if len(joined) > LINES_MAX:
        raise TelegramError(f"{len(joined)} lines, at most {LINES_MAX}")
    found = []
    for row in joined:
        match = _LINE.match(row)
        if match is None:
            raise TelegramError(f"{row[:60]!r} is no object")
        found.append(Line(match[1], tuple(_VALUE.findall(match[2]))))
    return found


def meaning(code: str, children: dict[str, int]) -> Meaning | None:
    """What a code stands for; `children` are the device types of the M-Bus channels. None for codes without a value."""
    medium, _, rest = code.partition(":")
    kind, _, channel = medium.partition("-")
    if kind == "1" and channel == "0":
        return _ELECTRIC.get(rest)
    if kind == "0" and channel == "0":
        return _GENERAL.get(rest)
    if kind == "0" and rest in {"24.2.1", "24.3.0"}:
        name = CHILD_MEDIA.get(children.get(channel, 0), "meter")
        return (
            Meaning(f"{name}_{channel}")
            if name in {"heat", "cooling"}
            else Meaning(f"{name}_{channel}", "m3", "volume")
        )
    return None


def number(text: str) -> tuple[float, str] | None:
    """`0012.345*kWh` as (12.345, "kWh"), varh as kvarh; None for what is no number."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    value, unit = float(match[1]), match[2] or ""
    return (value / 1_000.0, "kvarh") if unit == "varh" else (value, unit)
