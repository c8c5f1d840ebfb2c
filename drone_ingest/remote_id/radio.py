"""From a captured radio frame to Remote ID payloads: Wi-Fi beacons, Wi-Fi NAN and Bluetooth LE advertisements."""

from collections.abc import Iterator
from dataclasses import dataclass

from drone_ingest.remote_id.pcap import Packet

__all__ = ["Heard", "is_radio", "payloads"]

_RADIOTAP, _WIFI = 127, 105
_BLUETOOTH = {251: 0, 256: 10, 272: 17, 187: 0, 201: 4}  # link type: bytes before the frame
_ASTM_OUI, _ASTM_TYPE = b"\xfa\x0b\xbc", 0x0D
_DJI_OUI = b"\x26\x37\x12"
_NAN = b"\x50\x6f\x9a\x13"
_NAN_SERVICE = b"\x88\x69\x19\x9d\x92\x09"  # hash of org.opendroneid.remoteid
_LE_SERVICE = b"\x16\xfa\xff\x0d"  # service data, UUID FFFA, application code 0D
_BEACON, _PROBE_RESPONSE, _ACTION = 0x80, 0x50, 0xD0
_HEADER_BYTES, _FIXED_BYTES = 24, 12


@dataclass(frozen=True, slots=True)
class Heard:
    """One payload: who sent it (MAC), by which radio, in which protocol (`astm` or `dji`)."""

    mac: str
    radio: str
    protocol: str
    data: bytes


def is_radio(link: int) -> bool:
    """Whether a link type is one of ours."""
    return link in (_RADIOTAP, _WIFI) or link in _BLUETOOTH


def payloads(packet: Packet) -> Iterator[Heard]:
    """The Remote ID payloads of one packet; nothing for any other frame, however broken."""
    if packet.link in _BLUETOOTH:
        yield from _bluetooth(packet.data[_BLUETOOTH[packet.link] :])
        return
    frame = packet.data
    if packet.link == _RADIOTAP:
        frame = frame[int.from_bytes(frame[2:4], "little") :]
    if len(frame) < _HEADER_BYTES:
        return
    kind, mac = frame[0] & 0xFC, frame[10:16].hex(":")
    if kind in (_BEACON, _PROBE_RESPONSE):
        yield from _elements(frame[_HEADER_BYTES + _FIXED_BYTES :], mac)
    elif kind == _ACTION:
        yield from _nan(frame[_HEADER_BYTES:], mac)


def _elements(body: bytes, mac: str) -> Iterator[Heard]:
    at = 0
    while at + 2 <= len(body):
        number, length = body[at], body[at + 1]
        element = body[at + 2 : at + 2 + length]
        if len(element) < length:
            return
        if number == 221 and length > 5:
            if element[:3] == _ASTM_OUI and element[3] == _ASTM_TYPE:
                yield Heard(mac, "wifi_beacon", "astm", element[5:])  # behind the message counter
            elif element[:3] == _DJI_OUI:
                yield Heard(mac, "wifi_beacon", "dji", element[3:])
        at += 2 + length


def _nan(body: bytes, mac: str) -> Iterator[Heard]:
    """Service discovery frames: public action, vendor specific, NAN attributes."""
    if body[:2] != b"\x04\x09" or body[2:6] != _NAN:
        return
    at = 6
    while at + 3 <= len(body):
        number, length = body[at], int.from_bytes(body[at + 1 : at + 3], "little")
        attribute = body[at + 3 : at + 3 + length]
        if len(attribute) < length:
            return
        if number == 3 and attribute[:6] == _NAN_SERVICE and len(attribute) > 11:
            info = attribute[10 : 10 + attribute[9]]
            yield Heard(mac, "wifi_nan", "astm", info[1:])
        at += 3 + length


def _bluetooth(frame: bytes) -> Iterator[Heard]:
    """Legacy and extended advertisements alike: the service data lies somewhere behind the advertiser's address."""
    place = frame.find(_LE_SERVICE)
    if place < 1:
        return
    length = frame[place - 1]
    mac = frame[6:12][::-1].hex(":") if place >= 12 else ""
    data = frame[place + len(_LE_SERVICE) : place + length]
    if length > len(_LE_SERVICE) and len(data) > 1:
        yield Heard(mac, "bluetooth", "astm", data[1:])
