"""The codec: golden bytes of the standard, and no byte stream that does anything but LinkError or messages."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import LinkError
from wire.limits import PACKET_BYTES_MAX, TOPIC_BYTES_MAX
from wire.mqtt import packets
from wire.mqtt.packets import Answer, Message, Splitter, Will


def split(data: bytes) -> tuple[list[Message], list[Answer], int]:
    messages: list[Message] = []
    answers: list[Answer] = []
    return messages, answers, Splitter(7).split(data, messages, answers)


def publish(topic: str, payload: bytes, **how: int) -> bytes:
    return packets.publish_head(topic, len(payload), **how) + payload


def test_connect_is_byte_for_byte_what_the_standard_shows() -> None:
    plain = packets.connect("c", user="", password="", keepalive_s=10, will=None)
    assert plain == bytes.fromhex("100d 0004 4d515454 04 02 000a 0001 63")
    full = packets.connect("c", user="u", password="p", keepalive_s=60, will=Will("t", b"w"))
    assert full == bytes.fromhex("1019 0004 4d515454 04 ee 003c 0001 63 0001 74 0001 77 0001 75 0001 70")


def test_other_requests_are_byte_for_byte_what_the_standard_shows() -> None:
    assert packets.subscribe(10, [("a/b", 1), ("c/d", 0)]) == bytes.fromhex("820e 000a 0003 612f62 01 0003 632f64 00")
    assert packets.unsubscribe(10, ["a/b"]) == bytes.fromhex("a207 000a 0003 612f62")
    assert packets.publish_head("a/b", 0, qos=1, mid=10) == bytes.fromhex("3207 0003 612f62 000a")
    assert packets.publish_head("a/b", 200, retain=True) == bytes.fromhex("31cd01 0003 612f62")
    assert packets.puback([1, 0x1234]) == bytes.fromhex("4002 0001 4002 1234")


def test_a_stream_comes_out_the_same_however_the_network_cuts_it() -> None:
    sent = [("a/b", bytes([n % 256]) * (n * n), n % 2) for n in range(60)]
    stream = b"".join(publish(t, p, qos=q, mid=n + 1) for n, (t, p, q) in enumerate(sent)) + b"\xd0\x00"
    for step in (1, 2, 3, 7, 64, 1_000, len(stream)):
        splitter, messages, answers, held = Splitter(), [], [], b""
        for start in range(0, len(stream), step):
            held += stream[start : start + step]
            assert step > 1 or len(held) <= splitter.wanted
            held = held[splitter.split(held, messages, answers) :]
        assert [(m.topic, m.payload, m.qos) for m in messages] == sent
        assert [answer.kind for answer in answers] == [packets.PINGRESP]
        assert held == b""


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
    st.binary(max_size=4_000),
    st.integers(0, 1),
    st.booleans(),
)
def test_what_is_published_is_what_is_received(topic: str, payload: bytes, qos: int, retain: bool) -> None:
    try:
        data = publish(topic, payload, qos=qos, retain=retain, mid=9)
    except LinkError:
        assert set(topic) & set("+#\0") or len(topic.encode("utf-8", "replace")) > TOPIC_BYTES_MAX
        return
    (message,), answers, used = split(data)
    assert message == Message(topic, payload, qos, retain, 9 if qos else 0, 7)
    assert (answers, used) == ([], len(data))


MALFORMED = {
    "a fifth length byte": "30 ff ff ff ff 01",
    "a packet longer than the bound": "30 ff ff ff 7f",
    "an empty PUBLISH": "30 00",
    "a PUBLISH without a topic": "30 03 0000 61",
    "a topic longer than its packet": "30 04 00ff 6161",
    "a wildcard in a topic": "30 05 0003 612f2b",
    "a NUL in a topic": "30 05 0003 612f00",
    "a topic that is not UTF-8": "30 05 0003 ff612f",
    "a surrogate in a topic": "30 05 0003 eda080",
    "QoS 1 without room for its identifier": "32 03 0001 61",
    "QoS 1 with identifier 0": "32 05 0001 61 0000",
    "QoS 2, never asked for": "34 05 0001 61 0001",
    "QoS 3": "36 05 0001 61 0001",
    "DUP at QoS 0": "38 03 0001 61",
    "a request of a client": "82 05 0001 0001 61 00",
    "type 0": "00 00",
    "type 15": "f0 00",
    "a CONNACK with an unknown code": "20 02 00 06",
    "a CONNACK of three bytes": "20 03 00 00 00",
    "a refusal with a session": "20 02 01 05",
    "a PUBACK with flags": "42 02 0001",
    "a PUBACK for nothing": "40 02 0000",
    "a SUBACK without codes": "90 02 0001",
    "a SUBACK with a code that is none": "90 03 0001 03",
    "a PINGRESP with a body": "d0 01 00",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_is_refused_by_name(name: str) -> None:
    with pytest.raises(LinkError):
        split(bytes.fromhex(MALFORMED[name]))


def test_what_came_before_a_malformed_packet_is_kept() -> None:
    messages: list[Message] = []
    with pytest.raises(LinkError):
        Splitter().split(publish("a", b"good") + b"\xf0\x00", messages, [])
    assert [message.payload for message in messages] == [b"good"]


def test_mutated_streams_give_messages_or_a_link_error_and_nothing_else() -> None:
    rng = random.Random(20_261_123)
    good = (
        b"\x20\x02\x00\x00\x90\x04\x00\x01\x00\x01"
        + b"".join(
            publish("aid4/1/s/n/up/data", rng.randbytes(rng.randrange(300)), qos=n % 2, mid=n + 1) for n in range(12)
        )
        + b"\x40\x02\x00\x01\xb0\x02\x00\x02\xd0\x00"
    )
    refused = 0
    for _ in range(20_000):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(data) or 1)
            match rng.randrange(4):
                case 0:
                    data[at : at + 1] = rng.randbytes(1)
                case 1:
                    del data[at : at + rng.randrange(1, 9)]
                case 2:
                    data[at:at] = rng.randbytes(rng.randrange(1, 9))
                case _:
                    del data[at + 1 :]
        messages: list[Message] = []
        splitter = Splitter()
        try:
            used = splitter.split(bytes(data), messages, [])
        except LinkError:
            refused += 1
        else:
            assert 0 <= used <= len(data)
            assert used == len(data) or splitter.wanted > len(data) - used
        assert sum(len(message.payload) for message in messages) <= len(data)
    assert 2_000 < refused < 19_000  # the mutants are neither harmless nor all alike


def test_requests_that_no_broker_could_read_are_not_sent() -> None:
    for bad in ("", "a+", "a#", "#/a", "a/+b", "\0", "x" * (TOPIC_BYTES_MAX + 1), "\ud800"):
        with pytest.raises(LinkError):
            packets.subscribe(1, [(bad, 0)])
    with pytest.raises(LinkError):
        packets.subscribe(1, [])
    with pytest.raises(LinkError):
        packets.subscribe(1, [("a", 2)])
    with pytest.raises(LinkError):
        packets.publish_head("a", PACKET_BYTES_MAX)
    with pytest.raises(LinkError):
        packets.connect("c", user="u", password="p" * 70_000, keepalive_s=1, will=None)


def test_a_flood_of_new_topics_does_not_grow_the_memory() -> None:
    splitter = Splitter()
    for n in range(40_000):
        splitter.split(publish(f"t/{n}", b""), [], [])
    assert len(splitter._names) < 20_000
