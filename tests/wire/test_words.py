"""Names, topics, messages, quality, catalogue and clocks: small promises that everything leans on."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import catalogue, messages, names, quality, topics
from wire.clock import ManualClock, SystemClock, boot_id
from wire.errors import ConfigError, MessageError, RecordError, UserError
from wire.limits import MESSAGE_BYTES_MAX


@given(st.text())
def test_any_text_has_a_legal_slug(text: str) -> None:
    assert names.is_name(names.slug(text))


@pytest.mark.parametrize("name", ["", "A", "a.b", "a/b", "ž", "a b", "x" * 65, "a\n"])
def test_an_illegal_name_is_refused_with_a_legal_one(name: str) -> None:
    with pytest.raises(UserError) as refused:
        names.check_name("device", name)
    assert refused.value.field == "device"
    assert names.is_name(refused.value.fix.removeprefix("write '").removesuffix("'"))


@pytest.mark.parametrize("kind", topics.UP_KINDS)
def test_a_topic_is_taken_apart_as_it_was_made(kind: str) -> None:
    assert topics.parse(topics.up("campus", "gw-1", kind)) == ("campus", "gw-1", "up", kind)


@pytest.mark.parametrize(
    "topic",
    ["", "aid4/1/s/n/up", "aid4/2/s/n/up/data", "aid4/1/s/n/up/ack", "aid4/1/s/N/up/data", "aid4/1/s/n/up/data/x"],
)
def test_a_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(MessageError):
        topics.parse(topic)


def test_messages_survive_the_wire() -> None:
    hello = messages.Hello(boot=7, epochs=[messages.EpochSpan("0" * 32, 3, 9, [1])], generation=2, agent="0.1.0")
    assert messages.decode(messages.Hello, messages.encode(hello)) == hello
    ack = messages.Ack("f" * 32, [(1, 3), (7, 7)], boot=1, window_bytes=None)
    assert messages.decode(messages.Ack, messages.encode(ack)) == ack


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"boot":-1,"epochs":[]}',
        b'{"boot":1,"epochs":[{"epoch":"x","floor":0,"head":0}]}',
        b"\xff\xfe",
    ],
)
def test_a_message_that_is_not_valid_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        messages.decode(messages.Hello, data)


def test_an_oversize_or_deeply_nested_message_is_refused() -> None:
    with pytest.raises(MessageError):
        messages.decode(messages.Hello, b" " * (MESSAGE_BYTES_MAX + 1))
    with pytest.raises(MessageError):
        messages.decode(messages.Desired, b'{"revision":1,"state":{"a":' + b"[" * 100_000)


def test_a_field_that_a_newer_peer_adds_is_ignored() -> None:
    assert messages.decode(messages.DownHello, b'{"boot":3,"invented_later":true}') == messages.DownHello(boot=3)


def test_nan_infinite_and_out_of_range_values_are_flagged() -> None:
    values = np.array([1.0, math.nan, math.inf, -5.0, 200.0])
    limits_low = np.array([0.0, 0.0, 0.0, 0.0, math.nan])
    flags = quality.flag_values(values, limits_low, np.full(5, 100.0))
    bad, out = quality.NOT_A_NUMBER, quality.OUT_OF_RANGE
    assert flags.tolist() == [0, bad, bad, out, out]
    assert quality.names(bad | out) == ["not_a_number", "out_of_range"]


def test_a_catalogue_that_names_a_point_twice_is_refused() -> None:
    point = catalogue.Point(id=0, device="a", metric="b")
    for twice in ([point, point], [point, catalogue.Point(id=1, device="a", metric="b")]):
        with pytest.raises(RecordError):
            catalogue.from_batch(catalogue.to_batch(twice))


def test_a_catalogue_round_trips_with_its_digest() -> None:
    points = [
        catalogue.Point(
            id=0, device="ahu", metric="t", unit="Cel", low=-40.0, high=120.0, period_s=1.0, meta={"reg": [1, 2]}
        ),
        catalogue.Point(id=5, device="ahu", metric="mode", kind="state", declared="enum", label="Betriebsart 模式"),
    ]
    again = catalogue.from_batch(catalogue.to_batch(points))
    assert again == points
    assert catalogue.digest(again) == catalogue.digest(points)


def test_a_user_error_carries_file_field_and_fix() -> None:
    error = ConfigError("must be at least 1", file="site.toml", field="source[0].period_s", fix="write 1.0")
    assert str(error) == "site.toml: source[0].period_s: must be at least 1"
    assert error.as_problem() == {
        "problem": "must be at least 1", "file": "site.toml", "field": "source[0].period_s", "fix": "write 1.0",
    }  # fmt: skip


def test_clocks_tell_wall_time_apart_from_waiting_time() -> None:
    clock = ManualClock(wall_us=1_000_000, monotonic_s=5.0)
    clock.advance(2.0)
    clock.jump(-86_400_000_000)
    assert clock.monotonic_s() == 7.0
    assert clock.wall_us() == 3_000_000 - 86_400_000_000
    assert SystemClock().wall_us() > 1_700_000_000_000_000
    assert boot_id() == boot_id() > 0
