"""Payloads of LoRaWAN devices as tables: fields at fixed bytes of a port's message, or channels of (id, type, size).

Pure. A payload that is shorter, longer or of another channel than its table says is refused whole, with its reason.
"""

import struct
from collections.abc import Iterator
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from edge.sources.columns import PointSpec
from wire.errors import Aid4Error

__all__ = ["Codec", "CodecError", "Downlink", "Field", "Found", "command_bytes", "decode"]

PAYLOAD_BYTES_MAX: Final = 242  # LoRaWAN's largest
_CODES: Final = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f"}
Byte = Annotated[int, Meta(ge=0, le=255)]


class CodecError(Aid4Error):
    """A payload that its table does not describe."""


class Field(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A quantity `at` a byte; `(raw & mask) >> shift`, then times `scale` plus `offset`, or a word of `states`."""

    at: Byte = 0
    type: Literal["u8", "i8", "u16", "i16", "u32", "i32", "f32"] = "u8"
    mask: int = 0
    shift: Annotated[int, Meta(ge=0, le=31)] = 0
    scale: float = 1.0
    offset: float = 0.0
    states: dict[str, str] = msgspec.field(default_factory=dict)  # raw number → word: the point is a state
    absent: tuple[int, ...] = ()  # raw numbers that mean "no sensor"
    when: tuple[Byte, Byte, Byte] | None = None  # byte, mask, value: only then the field is there
    writable: bool = False


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """All fields of one port's message of `length` bytes."""

    port: Byte
    length: Annotated[int, Meta(ge=1, le=PAYLOAD_BYTES_MAX)]
    fields: tuple[Field, ...]


class Channel(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One entry of a list of channels: two bytes name it, `size` follow; without fields it is passed over."""

    id: Byte
    type: Byte
    size: Annotated[int, Meta(ge=0, le=PAYLOAD_BYTES_MAX)]
    fields: tuple[Field, ...] = ()


class Downlink(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What sets a metric: the bytes of each word, in hexadecimal."""

    metric: str
    port: Byte
    words: dict[str, Annotated[str, Meta(pattern="^([0-9a-f]{2}){1,64}$")]]


class Codec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A device's profile file."""

    title: str
    order: Literal["big", "little"] = "big"
    device_class: Literal["A", "B", "C"] = "A"
    period_s: float = 1_200.0  # between two uplinks, as delivered
    message: tuple[Message, ...] = ()
    port: Byte = 0  # of the channels; 0: any
    channel: tuple[Channel, ...] = ()
    downlink: tuple[Downlink, ...] = ()

    def offered(self) -> Iterator[Field]:
        """Every field, in the order of the file; one that stands in several messages comes several times."""
        for message in self.message:
            yield from message.fields
        for channel in self.channel:
            yield from channel.fields


class Found(NamedTuple):
    """One field of a payload and its value; None: no sensor."""

    field: Field
    value: float | str | None


def decode(codec: Codec, port: int, raw: bytes) -> list[Found]:
    """The quantities of a payload. Raises CodecError."""
    if len(raw) > PAYLOAD_BYTES_MAX:
        raise CodecError(f"{len(raw)} bytes, at most {PAYLOAD_BYTES_MAX}")
    if codec.channel:
        if codec.port not in (0, port):
            raise CodecError(f"port {port} is not {codec.port}")
        return list(_channels(codec, raw))
    message = next((one for one in codec.message if one.port == port), None)
    if message is None:
        raise CodecError(f"nothing is known of port {port}")
    if len(raw) != message.length:
        raise CodecError(f"{len(raw)} bytes on port {port}, not {message.length}")
    return list(_fields(codec.order, message.fields, raw))


def command_bytes(codec: Codec, metric: str, word: str) -> tuple[int, bytes]:
    """Port and bytes that set `metric` to `word`. Raises CodecError."""
    for one in codec.downlink:
        if one.metric == metric:
            if word not in one.words:
                raise CodecError(f"{word!r} is none of {', '.join(one.words)}")
            return one.port, bytes.fromhex(one.words[word])
    raise CodecError(f"{metric} takes no commands")


def _channels(codec: Codec, raw: bytes) -> Iterator[Found]:
    known = {(one.id, one.type): one for one in codec.channel}
    at = 0
    while at < len(raw):
        channel = known.get((raw[at], raw[at + 1])) if at + 1 < len(raw) else None
        if channel is None:
            raise CodecError(f"byte {at}: channel {raw[at : at + 2].hex()} is not known")
        at += 2
        if at + channel.size > len(raw):
            raise CodecError(f"channel {raw[at - 2 : at].hex()} is cut off")
        yield from _fields(codec.order, channel.fields, raw[at : at + channel.size])
        at += channel.size


def _fields(order: str, fields: tuple[Field, ...], raw: bytes) -> Iterator[Found]:
    mark = ">" if order == "big" else "<"
    for field in fields:
        if field.when is not None and (
            field.when[0] >= len(raw) or raw[field.when[0]] & field.when[1] != field.when[2]
        ):
            continue
        try:
            (number,) = struct.unpack_from(mark + _CODES[field.type], raw, field.at)
        except struct.error as error:
            raise CodecError(f"{field.metric}: {error}") from error
        if field.type != "f32":
            number = (number & field.mask if field.mask else number) >> field.shift
        if number in field.absent:
            yield Found(field, None)
        elif field.states:
            yield Found(field, field.states.get(str(number), str(number)))
        else:
            yield Found(field, round(number * field.scale + field.offset, 9))
