"""Register maps (`configs/profiles/modbus/*.toml`): where a metric stands in a Modbus device and how it is coded.

The same file drives the simulated device and the agent that reads it, so the two cannot disagree.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Literal

import msgspec

from sim_devices.readouts import Value
from wire.errors import ConfigError

__all__ = ["PROFILES", "Register", "RegisterMap", "load_register_map"]

PROFILES = Path(__file__).resolve().parents[2] / "configs" / "profiles" / "modbus"
FORMATS = {"i16": ">h", "u16": ">H", "i32": ">i", "u32": ">I", "f32": ">f", "bool": ">H"}
ABSENT = {
    "i16": [0x8000],
    "u16": [0xFFFF],
    "i32": [0x8000, 0],
    "u32": [0xFFFF, 0xFFFF],
    "f32": [0x7FC0, 0],
    "bool": [0xFFFF],
}
BOUNDS = {
    "i16": (-32767, 32767),
    "u16": (0, 65534),
    "i32": (-(2**31) + 1, 2**31 - 1),
    "u32": (0, 2**32 - 2),
    "bool": (0, 1),
}


class Register(msgspec.Struct, frozen=True):
    """One metric: value = raw × scale; a state's raw number is the key of its word in `states`."""

    metric: str
    address: int
    type: Literal["i16", "u16", "i32", "u32", "f32", "bool"]
    table: Literal["holding", "input"] = "holding"
    scale: float = 1.0
    writable: bool = False
    states: dict[str, str] = {}

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return len(ABSENT[self.type])

    def encode(self, value: Value | None) -> list[int]:
        """Register words, high word first; a missing value is the type's "not available" (SunSpec's, or NaN)."""
        if value is None:
            return ABSENT[self.type]
        if isinstance(value, str):
            value = next((int(raw) for raw, word in self.states.items() if word == value), 0)
        if self.type == "f32":
            raw: float = float(value) / self.scale
        else:
            low, high = BOUNDS[self.type]
            raw = min(max(round(float(value) / self.scale), low), high)
        return list(struct.unpack(f">{self.words}H", struct.pack(FORMATS[self.type], raw)))

    def decode(self, words: list[int]) -> float:
        """What the words mean; NaN for "not available"."""
        if words == ABSENT[self.type]:
            return math.nan
        raw = struct.unpack(FORMATS[self.type], struct.pack(f">{self.words}H", *words))[0]
        return float(raw) * self.scale


class RegisterMap(msgspec.Struct, frozen=True):
    """All registers of a kind of device."""

    registers: tuple[Register, ...] = msgspec.field(name="register")
    title: str = ""
    absent_by_type: bool = False


def load_register_map(kind: str) -> RegisterMap:
    """The map of a kind of device. Raises ConfigError."""
    path = PROFILES / f"campus-{kind}.toml"
    try:
        return msgspec.toml.decode(path.read_bytes(), type=RegisterMap)
    except FileNotFoundError as error:
        raise ConfigError("there is no register map of this kind", file=path.name, fix="write one") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(str(error), file=path.name, fix="see the other maps of the folder") from error
