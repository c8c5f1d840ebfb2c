"""Register maps: what a Modbus device holds where, which requests read it, and words into values and back. No I/O."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.sources.columns import PointSpec

__all__ = ["ABSENT", "Block", "Decoder", "ModbusProfile", "Register", "encode_value", "plan_reads"]

Table = Literal["holding", "input", "coil", "discrete"]
Kind = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bool", "text"]
Order = Literal["big", "little"]

WORDS_MAX = 120  # the protocol allows 125; some gateways stop at 120
GAP_WORDS_MAX = 8  # reading so many unwanted words is cheaper than another request
_DTYPES = {
    "u16": ">u2", "i16": ">i2", "u32": ">u4", "i32": ">i4", "u64": ">u8", "i64": ">i8", "f32": ">f4", "f64": ">f8",
    "bool": ">u2",
}  # fmt: skip
ABSENT = {"u16": 0xFFFF, "i16": -0x8000, "u32": 0xFFFFFFFF, "i32": -0x80000000}
_WORDS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4, "bool": 1, "text": 8}


class Register(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One quantity of a device. `address` counts from 0 as on the wire, not from 40001."""

    address: Annotated[int, msgspec.Meta(ge=0, le=65_535)]
    table: Table = "holding"
    type: Kind = "u16"
    words: Annotated[int, msgspec.Meta(ge=0, le=WORDS_MAX)] = 0  # of a text; else the type tells
    bit: Annotated[int, msgspec.Meta(ge=0, le=15)] | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    scale: float = 1.0
    offset: float = 0.0
    scale_at: int | None = None  # SunSpec: address of a signed power of ten
    nothing: int | None = None  # raw value that means "not there"
    states: dict[str, str] = msgspec.field(default_factory=dict)  # raw number -> word: an enumeration
    writable: bool = False

    @property
    def size(self) -> int:
        """Words that it takes."""
        return self.words or _WORDS[self.type]

    @property
    def span(self) -> tuple[int, int]:
        """First address and the one after the last of all that is needed to know its value."""
        places = [self.address] if self.scale_at is None else [self.address, self.scale_at]
        return min(places), max(self.address + self.size, places[-1] + 1)

    @property
    def is_state(self) -> bool:
        """Whether it says words instead of numbers."""
        return self.type == "text" or bool(self.states)


class ModbusProfile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A profile file of one device family."""

    registers: tuple[Register, ...] = msgspec.field(name="register")
    title: str = ""
    absent_by_type: bool = False  # 0x8000, 0xFFFF, … mean "not there", as in SunSpec
    word_order: Order = "big"
    byte_order: Order = "big"
    words_max: Annotated[int, msgspec.Meta(ge=1, le=125)] = WORDS_MAX
    gap_words_max: Annotated[int, msgspec.Meta(ge=0, le=120)] = GAP_WORDS_MAX

    def resolved(self) -> list[Register]:
        """The registers with the profile's defaults filled in."""
        return [
            msgspec.structs.replace(
                register,
                word_order=register.word_order or self.word_order,
                byte_order=register.byte_order or self.byte_order,
                nothing=ABSENT.get(register.type)
                if self.absent_by_type and register.nothing is None
                else register.nothing,
            )
            for register in self.registers
        ]


class Block(msgspec.Struct, frozen=True):
    """One request: consecutive words (or bits) of one table, and the registers in it."""

    table: Table
    address: int
    count: int
    registers: tuple[Register, ...]


def plan_reads(
    registers: Sequence[Register], words_max: int = WORDS_MAX, gap_words_max: int = GAP_WORDS_MAX
) -> list[Block]:
    """The fewest requests that read all registers: neighbours become one while gap and length allow it."""
    blocks: list[Block] = []
    for register in sorted(registers, key=lambda r: (r.table, r.span)):
        start, end = register.span
        if blocks and blocks[-1].table == register.table:
            last = blocks[-1]
            gap = start - (last.address + last.count)
            count = max(last.count, end - last.address)
            if gap <= gap_words_max and count <= words_max:
                blocks[-1] = Block(last.table, last.address, count, (*last.registers, register))
                continue
        blocks.append(Block(register.table, start, end - start, (register,)))
    return blocks


class Decoder:
    """Turns one block's words into values, all registers of a type at a time."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.numbers = tuple(register for register in block.registers if not register.is_state)
        self.states = tuple(register for register in block.registers if register.is_state)
        self._scale = np.array([register.scale for register in self.numbers])
        self._offset = np.array([register.offset for register in self.numbers])

    def values(self, words: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Values (n,) of `numbers`; NaN where the device says that there is none."""
        raw = np.empty(len(self.numbers), dtype=np.float64)
        for kind in {register.type for register in self.numbers}:
            which = [at for at, register in enumerate(self.numbers) if register.type == kind]
            raw[which] = self._raw(words, [self.numbers[at] for at in which], kind)
        scaled: NDArray[np.float64] = raw * self._scale + self._offset
        for at, register in enumerate(self.numbers):
            if register.nothing is not None and raw[at] == register.nothing:
                scaled[at] = np.nan
            elif register.bit is not None:
                scaled[at] = (int(raw[at]) >> register.bit) & 1
            elif register.scale_at is not None:
                place = register.scale_at - self.block.address
                power = int(words[place : place + 1].view("i2")[0])
                scaled[at] = scaled[at] * 10.0**power if -10 <= power <= 10 else np.nan
        return scaled

    def texts(self, words: NDArray[np.uint16]) -> list[str | None]:
        """Words of `states`; None where the device says that there is none."""
        return [self._text(words, register) for register in self.states]

    def _raw(self, words: NDArray[np.uint16], registers: list[Register], kind: str) -> NDArray[np.float64]:
        size = _WORDS[kind]
        places = np.array([self._places(register, size) for register in registers])
        taken = words[places].astype(">u2")
        swap = [register.byte_order == "little" for register in registers]
        taken[swap] = taken[swap].byteswap()
        values: NDArray[np.float64] = np.frombuffer(taken.tobytes(), dtype=_DTYPES[kind]).astype(np.float64)
        return values

    def _places(self, register: Register, size: int) -> list[int]:
        start = register.address - self.block.address
        places = list(range(start, start + size))
        return places[::-1] if register.word_order == "little" else places

    def _text(self, words: NDArray[np.uint16], register: Register) -> str | None:
        if register.type != "text":
            raw = int(self._raw(words, [register], register.type)[0])
            if raw == register.nothing:
                return None
            raw = (raw >> register.bit) & 1 if register.bit is not None else raw
            return register.states.get(str(raw), str(raw))
        start = register.address - self.block.address
        return words[start : start + register.size].astype(">u2").tobytes().split(b"\0")[0].decode("latin-1").strip()


def encode_value(register: Register, value: float, *, power: int = 0) -> list[int]:
    """A value in the point's unit as the words to write. ValueError when the type cannot hold it."""
    raw = (value - register.offset) / register.scale / 10.0**power
    dtype = np.dtype(_DTYPES[register.type])
    if dtype.kind in "iu":
        raw = round(raw)
        limits = np.iinfo(dtype)
        if not limits.min <= raw <= limits.max:
            raise ValueError(f"{value} does not fit a {register.type}")
    words = np.frombuffer(np.array([raw], dtype=dtype).tobytes(), dtype=">u2")
    if register.byte_order == "little":
        words = words.byteswap()
    listed = [int(word) for word in words]
    return listed[::-1] if register.word_order == "little" else listed
