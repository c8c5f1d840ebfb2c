"""Packets of pcap and pcapng captures, one after the other, with time, link type and place in the file.

Only what is needed is understood: section, interface, enhanced and simple packet blocks. A block whose length is
broken ends the reading (there is nothing to resynchronise on); what came before is kept.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from drone_ingest.damage import Notes
from wire.limits import TIMESTAMP_US_MAX

__all__ = ["Packet", "packets"]

_BLOCK_BYTES_MAX = 16 << 20
_INTERFACES_MAX = 1_000
_SECTION, _INTERFACE, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 3, 6
_PCAP = {b"\xd4\xc3\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1), b"\x4d\x3c\xb2\xa1": ("<", 1_000),
         b"\xa1\xb2\x3c\x4d": (">", 1_000)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured packet: UTC in µs or None, link type of its interface, bytes, place in the file."""

    t_us: int | None
    link: int
    data: bytes
    at: int


def packets(file: BinaryIO, notes: Notes) -> Iterator[Packet]:
    """All packets of a capture."""
    magic = file.read(4)
    file.seek(0)
    if magic in _PCAP:
        yield from _classic(file, *_PCAP[magic], notes)
    else:
        yield from _blocks(file, notes)


def _classic(file: BinaryIO, order: str, per_us: int, notes: Notes) -> Iterator[Packet]:
    header = file.read(24)
    if len(header) < 24:
        notes.damage(len(header), "byte", "the file ends inside its header")
        return
    link = struct.unpack_from(order + "I", header, 20)[0] & 0xFFFF
    at = 24
    while head := file.read(16):
        length = struct.unpack_from(order + "I", head, 8)[0] if len(head) == 16 else _BLOCK_BYTES_MAX + 1
        data = file.read(length) if length <= _BLOCK_BYTES_MAX else b""
        if len(head) < 16 or len(data) < length:
            notes.damage(
                at, "byte", "the file ends inside a packet" if len(head) < 16 or data else "a packet without end"
            )
            return
        seconds, fraction = struct.unpack_from(order + "II", head)
        yield Packet(_believed(seconds * 1_000_000 + fraction // per_us), link, data, at)
        at += 16 + length


def _blocks(file: BinaryIO, notes: Notes) -> Iterator[Packet]:
    order, at = "<", 0
    interfaces: list[tuple[int, int]] = []
    while head := file.read(8):
        if len(head) == 8 and head[:4] == b"\x0a\x0d\x0d\x0a":
            mark = file.read(4)
            file.seek(-len(mark), 1)
            order = ">" if mark == b"\x1a\x2b\x3c\x4d" else "<"
            interfaces = []
        kind, length = struct.unpack(order + "II", head) if len(head) == 8 else (0, 0)
        if not 12 <= length <= _BLOCK_BYTES_MAX or length % 4:
            notes.damage(at, "byte", "a block without a believable length: the rest cannot be read")
            return
        body = file.read(length - 8)
        if len(body) < length - 8:
            notes.damage(at, "byte", "the file ends inside a block")
            return
        if body[-4:] != head[4:]:
            notes.damage(at, "byte", "a block whose two lengths differ")
        if kind == _INTERFACE and len(interfaces) < _INTERFACES_MAX and len(body) >= 12:
            interfaces.append((struct.unpack_from(order + "H", body)[0], _resolution(body[8:-4], order)))
        elif kind in (_ENHANCED, _SIMPLE):
            packet = _packet(kind, body, order, interfaces, at)
            if packet is None:
                notes.damage(at, "byte", "a packet that contradicts its block")
            else:
                yield packet
        at += length


def _resolution(options: bytes, order: str) -> int:
    """Ticks a second of an interface's clock; 10⁶ unless an if_tsresol option says otherwise."""
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, at)
        if code == 9 and length == 1 and at + 4 < len(options):
            power = options[at + 4]
            return int(2 ** (power & 0x7F) if power & 0x80 else 10 ** min(power, 18))
        if code == 0:
            break
        at += 4 + (length + 3) // 4 * 4
    return 1_000_000


def _packet(kind: int, body: bytes, order: str, interfaces: list[tuple[int, int]], at: int) -> Packet | None:
    if kind == _SIMPLE:
        if not interfaces or len(body) < 8:
            return None
        return Packet(None, interfaces[0][0], body[4:-4], at)
    if len(body) < 24:
        return None
    number, high, low, captured = struct.unpack_from(order + "IIII", body)
    ticks_1970 = high << 32 | low
    if number >= len(interfaces) or captured > len(body) - 24:
        return None
    link, ticks = interfaces[number]
    return Packet(_believed(ticks_1970 * 1_000_000 // ticks), link, body[20 : 20 + captured], at)


def _believed(t_us: int) -> int | None:
    """A time that a capture can have, else None."""
    return t_us if 0 < t_us < TIMESTAMP_US_MAX else None
