"""Frames of the M-Bus link layer (EN 13757-2) and the header of an answer (EN 13757-3).

Strict: start, both lengths, checksum, stop and size must all agree, else `MbusError`. Pure.
"""

from typing import Final, NamedTuple

import msgspec

__all__ = [
    "ACK", "ADDRESS_MAX", "BROADCAST_SELECTED", "FRAME_BYTES_MAX", "REQUEST_DATA", "RESET", "Header", "LongFrame",
    "MbusError", "decode_frame", "header", "manufacturer", "select", "short",
]  # fmt: skip

ACK: Final = b"\xe5"
ADDRESS_MAX: Final = 250
BROADCAST_SELECTED: Final = 253  # the meter that was selected by its secondary address
FRAME_BYTES_MAX: Final = 261
RESET: Final = 0x40  # SND_NKE
REQUEST_DATA: Final = 0x5B  # REQ_UD2; 0x20 is its frame count bit
_ANSWERS: Final = {0x08, 0x18, 0x28, 0x38}  # RSP_UD, with access demand and flow control
_SEND: Final = 0x53
_SELECT: Final = 0x52
VARIABLE, FIXED = 0x72, 0x73
_ENCRYPTED: Final = {4, 5, 7, 8, 9, 10, 13}  # other values stand for nothing in meters older than the modes
_REFUSALS: Final = {
    0: "unspecified error", 1: "its command is not known", 2: "its buffer is too short", 3: "too many records",
    4: "the end of a record came too early", 5: "more than ten DIFEs", 6: "more than ten VIFEs", 8: "it is busy",
    9: "too many readouts",
}  # fmt: skip
MEDIA: Final = (
    "other", "oil", "electricity", "gas", "heat_outlet", "steam", "hot_water", "water", "heat_cost_allocator",
    "compressed_air", "cooling_outlet", "cooling_inlet", "heat_inlet", "heat_cooling", "bus", "unknown",
)  # fmt: skip
_MEDIA_ABOVE: Final = {0x14: "calorific_value", 0x15: "hot_water", 0x16: "cold_water", 0x17: "dual_water",
                       0x18: "pressure", 0x19: "ad_converter", 0x28: "waste_water", 0x1B: "room_sensor"}  # fmt: skip
_MEDIA_FIXED: Final = (
    "other", "oil", "electricity", "gas", "heat", "steam", "hot_water", "water", "heat_cost_allocator", "reserved",
    "gas", "heat", "hot_water", "water", "heat_cost_allocator", "reserved",
)  # fmt: skip


class MbusError(ValueError):
    """What came is no legal frame or no legal answer."""


class LongFrame(NamedTuple):
    """Control, address, kind of content (CI), content."""

    control: int
    address: int
    ci: int
    body: bytes


class Header(msgspec.Struct, frozen=True):
    """Who answers. `id`: eight digits as printed on the meter; `manufacturer`: three letters, empty if fixed."""

    id: str
    manufacturer: str
    version: int
    medium: str
    access: int
    status: int
    is_fixed: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether the meter itself says that it cannot be trusted: an application error or a permanent one."""
        return not self.is_fixed and (bool(self.status & 0x08) or self.status & 0x03 == 2)


def short(control: int, address: int) -> bytes:
    """A request without content."""
    return bytes((0x10, control, address, (control + address) & 0xFF, 0x16))


def select(secondary: bytes) -> bytes:
    """Select the meter of a secondary address (8 bytes: id, manufacturer, version, medium, as on the bus)."""
    if len(secondary) != 8:
        raise ValueError("a secondary address has 8 bytes")
    content = bytes((_SEND, BROADCAST_SELECTED, _SELECT)) + secondary
    length = len(content)
    return bytes((0x68, length, length, 0x68)) + content + bytes((sum(content) & 0xFF, 0x16))


def decode_frame(raw: bytes) -> LongFrame:
    """One long frame, exactly. Raises MbusError."""
    if len(raw) < 9:
        raise MbusError(f"{len(raw)} bytes are no long frame")
    if raw[0] != 0x68 or raw[3] != 0x68:
        raise MbusError(f"starts with {raw[:4].hex(' ')}, not 68 L L 68")
    if raw[1] != raw[2]:
        raise MbusError(f"its two lengths are {raw[1]} and {raw[2]}")
    if len(raw) != raw[1] + 6:
        raise MbusError(f"{len(raw)} bytes, its length says {raw[1] + 6}")
    if raw[-1] != 0x16:
        raise MbusError(f"ends with {raw[-1]:02x}, not 16")
    content = raw[4:-2]
    if sum(content) & 0xFF != raw[-2]:
        raise MbusError(f"checksum {raw[-2]:02x}, its bytes make {sum(content) & 0xFF:02x}")
    return LongFrame(content[0], content[1], content[2], content[3:])


def header(frame: LongFrame) -> tuple[Header, bytes]:
    """The header of an answer and what follows it. Raises MbusError, also for a refusal in the meter's own words."""
    if frame.control not in _ANSWERS:
        raise MbusError(f"control field {frame.control:02x} is no answer")
    if frame.ci == 0x70:
        code = frame.body[0] if frame.body else 0
        raise MbusError(f"the meter refuses: {_REFUSALS.get(code, f'error {code}')}")
    if frame.ci == VARIABLE:
        return _variable(frame.body)
    if frame.ci == FIXED:
        return _fixed(frame.body)
    raise MbusError(f"content of kind {frame.ci:02x} is not understood")


def _variable(body: bytes) -> tuple[Header, bytes]:
    if len(body) < 12:
        raise MbusError(f"a header of {len(body)} bytes instead of 12")
    mode = body[11] & 0x1F
    if mode in _ENCRYPTED:
        raise MbusError(f"its content is encrypted (mode {mode})")
    made = Header(
        id=_digits(body[0:4]),
        manufacturer=manufacturer(int.from_bytes(body[4:6], "little")),
        version=body[6],
        medium=_medium(body[7]),
        access=body[8],
        status=body[9],
    )
    return made, body[12:]


def _fixed(body: bytes) -> tuple[Header, bytes]:
    if len(body) != 16:
        raise MbusError(f"a fixed answer of {len(body)} bytes instead of 16")
    number = (body[6] & 0xC0) >> 6 | (body[7] & 0xC0) >> 4
    made = Header(
        id=_digits(body[0:4]),
        manufacturer="",
        version=0,
        medium=_MEDIA_FIXED[number],
        access=body[4],
        status=body[5],
        is_fixed=True,
    )
    return made, body[5:]


def manufacturer(code: int) -> str:
    """Three letters out of fifteen bits (EN 13757-3, 5.5)."""
    letters = (code >> 10 & 0x1F, code >> 5 & 0x1F, code & 0x1F)
    return "".join(chr(64 + letter) for letter in letters)


def _digits(raw: bytes) -> str:
    return raw[::-1].hex().upper()


def _medium(code: int) -> str:
    return MEDIA[code] if code < len(MEDIA) else _MEDIA_ABOVE.get(code, f"medium_{code:02x}")
