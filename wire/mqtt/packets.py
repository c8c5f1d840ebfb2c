"""MQTT 3.1.1 packets of a client, byte for byte, without I/O (OASIS standard, sections 2 and 3).

Encoders return bytes; `Splitter` cuts what a broker sends into messages and answers. Whatever is not a legal
packet of a 3.1.1 broker to a client that never asks for QoS 2 raises `LinkError`, and nothing else does.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from wire.errors import LinkError
from wire.limits import FILTERS_MAX, LINK_TOPICS_CACHED, PACKET_BYTES_MAX, TOPIC_BYTES_MAX

__all__ = [
    "DISCONNECT",
    "PINGREQ",
    "Answer",
    "Message",
    "Splitter",
    "Will",
    "check_filter",
    "check_topic",
    "connect",
    "puback",
    "publish_head",
    "subscribe",
    "unsubscribe",
]

CONNACK: Final = 2
PUBACK: Final = 4
SUBACK: Final = 9
UNSUBACK: Final = 11
PINGRESP: Final = 13
PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
REFUSED: Final = 0x80  # in a SUBACK

_PUBLISH: Final = 3
_SUBACK_CODES: Final = b"\x00\x01\x02\x80"
_KINDS: Final = {
    CONNACK: "CONNACK",
    PUBACK: "PUBACK",
    SUBACK: "SUBACK",
    UNSUBACK: "UNSUBACK",
    PINGRESP: "PINGRESP",
}
_FIXED_LENGTHS: Final = {CONNACK: 2, PUBACK: 2, UNSUBACK: 2, PINGRESP: 0}
CONNACK_REASONS: Final = {
    1: "unsupported protocol version",
    2: "client identifier refused",
    3: "broker unavailable",
    4: "bad user name or password",
    5: "not authorized",
}


class Message(msgspec.Struct, frozen=True, gc=False):
    """One received PUBLISH. `mid` is 0 at QoS 0; `session` counts the connections of its link."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    mid: int = 0
    session: int = 0


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Any other packet of a broker; `codes` are the bytes after the packet identifier, all of a CONNACK."""

    kind: int
    mid: int
    codes: bytes


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us when the connection dies."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


def connect(client_id: str, *, user: str, password: str, keepalive_s: int, will: Will | None) -> bytes:
    """CONNECT with a clean session; the user name and password are left out when the user name is empty."""
    flags = 0x02
    tail = _text(client_id)
    if will is not None:
        flags |= 0x04 | _qos(will.qos) << 3 | will.retain << 5
        tail += _text(check_topic(will.topic)) + _field(will.payload)
    if user:
        flags |= 0xC0
        tail += _text(user) + _text(password)
    if not 0 <= keepalive_s <= 0xFFFF:
        raise LinkError(f"keepalive of {keepalive_s} s does not fit 16 bits")
    return _packet(0x10, b"\x00\x04MQTT\x04" + bytes((flags,)) + keepalive_s.to_bytes(2) + tail)


def publish_head(topic: str, payload_bytes: int, *, qos: int = 0, retain: bool = False, mid: int = 0) -> bytes:
    """PUBLISH up to its payload of `size` bytes."""
    middle = _text(check_topic(topic)) + (mid.to_bytes(2) if _qos(qos) else b"")
    remaining = len(middle) + payload_bytes
    if remaining > PACKET_BYTES_MAX - 5:
        raise LinkError(f"publish to {topic}: {remaining:,} bytes, at most {PACKET_BYTES_MAX - 5:,} fit a packet")
    return bytes((0x30 | qos << 1 | retain,)) + _varint(remaining) + middle


def puback(mids: list[int]) -> bytes:
    """PUBACKs of several messages in one piece."""
    return b"".join([b"\x40\x02" + mid.to_bytes(2) for mid in mids])


def subscribe(mid: int, filters: list[tuple[str, int]]) -> bytes:
    """SUBSCRIBE to topic filters with their highest QoS."""
    if not 0 < len(filters) <= FILTERS_MAX:
        raise LinkError(f"{len(filters)} filters in one SUBSCRIBE, 1 to {FILTERS_MAX} are legal here")
    body = b"".join([_text(check_filter(name)) + bytes((_qos(qos),)) for name, qos in filters])
    return _packet(0x82, mid.to_bytes(2) + body)


def unsubscribe(mid: int, filters: list[str]) -> bytes:
    """UNSUBSCRIBE from topic filters."""
    if not 0 < len(filters) <= FILTERS_MAX:
        raise LinkError(f"{len(filters)} filters in one UNSUBSCRIBE, 1 to {FILTERS_MAX} are legal here")
    return _packet(0xA2, mid.to_bytes(2) + b"".join([_text(check_filter(name)) for name in filters]))


def check_topic(topic: str) -> str:
    """The topic name itself when one may publish to it, else LinkError."""
    if "+" in topic or "#" in topic:
        raise LinkError(f"topic {topic[:80]!r} has a wildcard")
    return _check_name(topic)


def check_filter(name: str) -> str:
    """The topic filter itself when it is legal: `+` a whole level, `#` the last one; else LinkError."""
    levels = name.split("/")
    wild = [level for level in levels if "+" in level or "#" in level]
    if any(level not in ("+", "#") for level in wild) or "#" in levels[:-1]:
        raise LinkError(f"filter {name[:80]!r} has a misplaced wildcard")
    return _check_name(name)


class Splitter:
    """Cuts the bytes of one connection into packets; feed it whole buffers, keep what it did not consume."""

    def __init__(self, session: int = 0) -> None:
        self.wanted = 2  # bytes that the next packet needs to be complete, as far as known
        self._session = session
        self._names: dict[bytes, str] = {}

    def split(self, data: bytes, messages: list[Message], answers: list[Answer]) -> int:
        """Append the complete packets in `data` to the lists and return the bytes consumed.

        Raises LinkError at a bad packet; what stands before it has been appended then.
        """
        # The one loop of Python over messages on the hot path: 0.4 µs a small message. Keep it flat.
        position, end, names, session = 0, len(data), self._names, self._session
        take = messages.append
        while position + 2 <= end:
            first, remaining, start = data[position], data[position + 1], position + 2
            if remaining > 127:
                remaining, start = _remaining_length(data, position + 1, end)
                if not start:
                    self.wanted = end - position + 1
                    return position
            stop = start + remaining
            if stop > end:
                self.wanted = stop - position
                return position
            if first >> 4 != _PUBLISH:
                answers.append(_answer(first, data[start:stop]))
                position = stop
                continue
            if remaining < 3:
                raise LinkError(f"PUBLISH of {remaining} bytes")
            body = start + 2 + (data[start] << 8 | data[start + 1])
            if body > stop:
                raise LinkError("PUBLISH with a topic longer than its packet")
            name = data[start + 2 : body]
            topic = names.get(name) or self._name(name)
            if first & 0x0E:
                take(_acknowledged(first, data, topic, body, stop, session))
            else:
                take(Message(topic, data[body:stop], 0, first == 0x31, 0, session))
            position = stop
        self.wanted = 2
        return position

    def _name(self, raw: bytes) -> str:
        if len(self._names) >= LINK_TOPICS_CACHED:
            self._names.clear()
        try:
            topic = check_topic(raw.decode())
        except UnicodeDecodeError as error:
            raise LinkError("PUBLISH with a topic that is not UTF-8") from error
        self._names[raw] = topic
        return topic


def _acknowledged(first: int, data: bytes, topic: str, body: int, stop: int, session: int) -> Message:
    """A PUBLISH with any of its DUP and QoS bits set."""
    if first & 0x06 != 0x02:
        raise LinkError(f"PUBLISH with flags {first & 0x0F:#x}; nothing above QoS 1 was asked for")
    if body + 2 > stop:
        raise LinkError("PUBLISH at QoS 1 without a packet identifier")
    mid = data[body] << 8 | data[body + 1]
    if not mid:
        raise LinkError("PUBLISH with the packet identifier 0")
    return Message(topic, data[body + 2 : stop], 1, bool(first & 1), mid, session)


def _answer(first: int, body: bytes) -> Answer:
    kind = first >> 4
    if kind not in _KINDS or first & 0x0F:
        raise LinkError(f"packet of type {first:#04x} from a broker")
    if len(body) != _FIXED_LENGTHS.get(kind, len(body)):
        raise LinkError(f"{_KINDS[kind]} of {len(body)} bytes")
    if kind == CONNACK:
        if body[0] > 1 or body[1] > 5 or (body[0] and body[1]):
            raise LinkError(f"CONNACK with {body.hex()}")
        return Answer(kind, 0, body)
    if kind == PINGRESP:
        return Answer(kind, 0, b"")
    mid = body[0] << 8 | body[1] if len(body) >= 2 else 0
    if not mid:
        raise LinkError(f"{_KINDS[kind]} without a packet identifier")
    codes = body[2:]
    if kind == SUBACK and (
        not codes or len(codes) > FILTERS_MAX or any(code not in (0, 1, 2, REFUSED) for code in codes)
    ):
        raise LinkError(f"SUBACK with the codes {codes[:16].hex()}")
    return Answer(kind, mid, codes)


def _remaining_length(data: bytes, position: int, end: int) -> tuple[int, int]:
    """The remaining length at `position` and where the body starts; (0, 0) while its last byte is missing."""
    value = 0
    for shift in range(4):
        if position + shift >= end:
            return 0, 0
        byte = data[position + shift]
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            if value > PACKET_BYTES_MAX:
                raise LinkError(f"packet of {value:,} bytes, at most {PACKET_BYTES_MAX:,} are taken")
            return value, position + shift + 1
    raise LinkError("remaining length of more than four bytes")


def _check_name(name: str) -> str:
    if not name or "\0" in name or len(name.encode("utf-8", "surrogatepass")) > TOPIC_BYTES_MAX:
        raise LinkError(f"topic {name[:80]!r} is empty, has a NUL or is longer than {TOPIC_BYTES_MAX} bytes")
    return name


def _qos(qos: int) -> int:
    if qos not in (0, 1):
        raise LinkError(f"QoS {qos}; a link knows 0 and 1")
    return qos


def _text(text: str) -> bytes:
    try:
        return _field(text.encode())
    except UnicodeEncodeError as error:
        raise LinkError(f"{text[:80]!r} is not UTF-8") from error


def _field(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise LinkError(f"a field of {len(value):,} bytes, at most 65,535 fit")
    return len(value).to_bytes(2) + value


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
