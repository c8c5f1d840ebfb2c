"""Recorded BACnet traffic: every service against a reader of frames, APDUs and tags written for this test alone."""

import random
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from bacpypes3.apdu import APDU, APCISequence
from bacpypes3.pdu import PDU

from edge.sources.bacnet_values import plain

REQUEST, UNCONFIRMED, SIMPLE_ACK, COMPLEX_ACK, SEGMENT_ACK, ERROR, REJECT, ABORT = range(8)
READ, WRITE = 12, 15
CAPTURES = ("bacnet_services.pcap", "bacnet_example.pcap")


class Message(NamedTuple):
    """One APDU as the wire has it: its type, service (None where it has none), invoke id and what follows."""

    type: int
    service: int | None
    invoke: int | None
    body: bytes
    whole: bytes


class Tag(NamedTuple):
    """One tag: `kind` is `app`, `ctx`, `open` or `close`."""

    kind: str
    number: int
    value: Any


def frames(path: Path) -> Iterator[bytes]:
    raw, at = path.read_bytes(), 24
    assert raw[:4] == b"\xd4\xc3\xb2\xa1"
    while at < len(raw):
        size = struct.unpack_from("<I", raw, at + 8)[0]
        yield raw[at + 16 : at + 16 + size]
        at += 16 + size


def messages(path: Path) -> Iterator[Message | None]:
    """APDUs in order; None for a message of the network layer. Frames of Ethernet alone (802.3 with LLC) too."""
    for frame in frames(path):
        kind = struct.unpack_from(">H", frame, 12)[0]
        if kind == 0x0800 and frame[23] == 17:
            udp = frame[14 + (frame[14] & 0x0F) * 4 :]
            link = udp[8 : struct.unpack_from(">H", udp, 4)[0]]
            assert link[0] == 0x81  # its length is wrong in the 120 datagrams that try passwords; UDP's holds
            network = link[10:] if link[1] == 4 else link[4:]
        elif kind < 0x0600 and frame[14:17] == b"\x82\x82\x03":
            network = frame[17 : 14 + kind]
        else:
            continue
        yield _message(network)


def _message(network: bytes) -> Message | None:
    control, at = network[1], 2
    if control & 0x20:
        at += 3 + network[at + 2]
    if control & 0x08:
        at += 3 + network[at + 2]
    if control & 0x20:
        at += 1
    if control & 0x80:
        return None
    apdu = network[at:]
    kind = apdu[0] >> 4
    match kind:
        case 0:
            start = 5 if apdu[0] & 0x08 else 3
            return Message(kind, apdu[start], apdu[2], apdu[start + 1 :], apdu)
        case 1:
            return Message(kind, apdu[1], None, apdu[2:], apdu)
        case 3:
            start = 4 if apdu[0] & 0x08 else 2
            return Message(kind, apdu[start], apdu[1], apdu[start + 1 :], apdu)
        case 2 | 5:
            return Message(kind, apdu[2], apdu[1], apdu[3:], apdu)
    return Message(kind, None, apdu[1], apdu[2:], apdu)


def tags(body: bytes) -> list[Tag]:
    """Tags after clause 20.2.1 of the standard."""
    found, at = [], 0
    while at < len(body):
        first = body[at]
        at += 1
        number, length = first >> 4, first & 7
        if number == 15:
            number, at = body[at], at + 1
        if first & 0x0F in {0x0E, 0x0F}:
            found.append(Tag("open" if first & 0x0F == 0x0E else "close", number, None))
            continue
        if not first & 0x08 and number == 1:  # a boolean has its value where others have their length
            found.append(Tag("app", 1, bool(length)))
            continue
        if length == 5:
            length, at = body[at], at + 1
            if length == 254:
                length, at = struct.unpack_from(">H", body, at)[0], at + 2
        data = body[at : at + length]
        at += length
        found.append(Tag("ctx", number, data) if first & 0x08 else Tag("app", number, _value(number, data)))
    return found


def _value(number: int, data: bytes) -> Any:
    if number == 0:
        return None
    if number in {2, 9}:
        return int(data.hex(), 16)
    if number == 3:
        whole = int(data.hex(), 16)
        return whole - (1 << 8 * len(data)) if data[0] & 0x80 else whole
    if number == 4:
        return struct.unpack(">f", data)[0]
    if number == 5:
        return struct.unpack(">d", data)[0]
    if number == 7:
        return data[1:].decode({0: "utf-8", 4: "utf-16-be", 5: "latin-1"}[data[0]], errors="replace")
    if number == 8:
        bits = "".join(f"{byte:08b}" for byte in data[1:])
        return [bit == "1" for bit in bits[: len(bits) - data[0]]]
    if number == 12:
        return struct.unpack(">I", data)[0] >> 22, struct.unpack(">I", data)[0] & 0x3F_FFFF
    return data


def whole_number(found: list[Tag], number: int) -> int | None:
    """A context tag of the top level as a number."""
    depth = 0
    for tag in found:
        depth += {"open": 1, "close": -1}.get(tag.kind, 0)
        if tag.kind == "ctx" and tag.number == number and not depth:
            return int(tag.value.hex(), 16)
    return None


def same(ours: list[Any], theirs: list[Any]) -> bool:
    """Equal, with NaN equal to itself."""
    return len(ours) == len(theirs) and all(a == b or (a != a and b != b) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> list[Message]:
    found = [one for name in CAPTURES for one in messages(shared_data / "field" / "bacnet" / name)]
    assert len(found) == 10_306 + 109  # over UDP, and over Ethernet alone
    assert found.count(None) == 4 + 1  # of routers, over UDP and over Ethernet
    return [one for one in found if one is not None]


def decoded(message: Message) -> Any:
    generic = APDU.decode(PDU(message.whole))
    return APCISequence.decode(generic)


def test_every_recorded_service_decodes_as_the_service_that_it_is(recorded: list[Message]) -> None:
    seen: Counter[tuple[int, int | None]] = Counter()
    for message in recorded:
        seen[message.type, message.service] += 1
        segmented = message.type in {REQUEST, COMPLEX_ACK} and message.whole[0] & 0x08
        if segmented or message.type in {SIMPLE_ACK, SEGMENT_ACK, REJECT, ABORT}:
            apdu = APDU.decode(PDU(message.whole))
        else:
            apdu = decoded(message)
        assert apdu.apduType == message.type
        assert getattr(apdu, "apduService", None) == message.service
        assert getattr(apdu, "apduInvokeID", None) == message.invoke
    assert seen[REQUEST, READ] == seen[COMPLEX_ACK, READ] + seen[ERROR, READ] == 4_665
    assert len(seen) >= 20


def test_every_value_that_was_read_or_written_is_the_one_on_the_wire(recorded: list[Message]) -> None:
    values = 0
    for message in recorded:
        if (message.type, message.service) not in {(COMPLEX_ACK, READ), (REQUEST, WRITE), (REQUEST, READ)}:
            continue
        found, apdu = tags(message.body), decoded(message)
        what = whole_number(found, 0)
        assert what is not None
        assert tuple(map(int, apdu.objectIdentifier)) == (what >> 22, what & 0x3F_FFFF)
        assert int(apdu.propertyIdentifier) == whole_number(found, 1)
        assert apdu.propertyArrayIndex == whole_number(found, 2)
        if message.type == REQUEST and message.service == READ:
            continue
        wire = [tag.value for tag in found if tag.kind == "app"]
        assert same(plain(apdu.propertyValue.tagList), wire), message
        values += len(wire)
        if message.service == WRITE:
            assert apdu.priority == whole_number(found, 4)
    assert values > 4_600


def test_every_device_that_says_who_it_is_is_understood(recorded: list[Message]) -> None:
    heard = 0
    for message in recorded:
        if (message.type, message.service) != (UNCONFIRMED, 0):
            continue
        apdu = decoded(message)
        device, size, segmentation, vendor = (tag.value for tag in tags(message.body))
        assert tuple(map(int, apdu.iAmDeviceIdentifier)) == device
        assert (apdu.maxAPDULengthAccepted, int(apdu.segmentationSupported), apdu.vendorID) == (
            size, segmentation, vendor
        )  # fmt: skip
        heard += 1
    assert heard == 416 + 101


def test_every_cut_of_a_recorded_message_ends_in_an_error_or_a_value(recorded: list[Message]) -> None:
    """What a link may catch is Exception: nothing else, and no endless loop, may come of a torn datagram."""
    torn = 0
    for message in recorded[:: len(recorded) // 150]:
        for cut in range(len(message.whole)):
            try:
                apdu = APCISequence.decode(APDU.decode(PDU(message.whole[:cut])))
                if (value := getattr(apdu, "propertyValue", None)) is not None:
                    plain(value.tagList)
            except Exception:  # noqa: BLE001
                torn += 1
    assert torn > 1_000


def test_random_tags_become_values_or_a_value_error() -> None:
    chance, refused = random.Random(6), 0
    for _ in range(20_000):
        data = chance.randbytes(chance.choice((0, 1, 2, 3, 4, 4, 8, 20)))
        tag = SimpleNamespace(tag_class=0, tag_number=chance.randrange(16), tag_lvt=len(data), tag_data=data)
        try:
            (value,) = plain([tag])
        except ValueError:
            refused += 1
            continue
        assert value is None or isinstance(value, bool | int | float | str | bytes | list | tuple)
    assert 2_000 < refused < 18_000
