"""The host without a broker: types of values, aliases misused, births beyond any bound, bytes that nobody meant."""

import random
import time
from typing import Any

import pytest

from edge.sources import SourceHealth
from edge.sources.sparkplug_host import SparkplugHost
from edge.sources.sparkplug_message import Payload, PayloadError, decode
from edge.sources.sparkplug_tree import METRICS_MAX, POINTS_MAX, Tree
from edge.sources.sparkplug_values import ValueRefusedError, type_for
from sim_devices.servers.sparkplug_bytes import BOOLEAN, DOUBLE, INT64, STRING, Told, payload
from wire.schemas import EVENTS, READINGS

NOW_US = 1_750_000_000_000_000
KEY = ("plant", "line")


def host() -> SparkplugHost:
    health = SourceHealth()
    return SparkplugHost(Tree({}, (), health.error), health, 1_000_000)


def born(made: SparkplugHost, *metrics: Told) -> None:
    birth = payload(NOW_US // 1_000, [Told("bdSeq", INT64, 0), *metrics], 0)
    made.take("NBIRTH", KEY, "", birth, NOW_US)


def rows(made: SparkplugHost) -> list[tuple[str, Any]]:
    keys = [point.key for point in made.points.points]
    found = []
    for batch in made.batches():
        if batch.schema_id != EVENTS:
            ids, values = batch.rows["point"].to_pylist(), batch.rows["value"].to_pylist()
            found += [(keys[at], value) for at, value in zip(ids, values, strict=True)]
    return found


def test_an_alias_given_twice_means_nobody() -> None:
    made = host()
    born(made, Told("a", DOUBLE, 1.0, alias=5), Told("b", DOUBLE, 2.0, alias=5), Told("c", DOUBLE, 3.0, alias=6))
    assert dict(rows(made)) == {"line/a": 1.0, "line/b": 2.0, "line/c": 3.0, "line/online": "true"}
    data = [Told("", DOUBLE, 9.0, alias=5), Told("", DOUBLE, 8.0, alias=6), Told("", DOUBLE, 7.0, alias=99)]
    made.take("NDATA", KEY, "", payload(NOW_US // 1_000, data, 1), NOW_US)
    assert rows(made) == [("line/c", 8.0)]
    assert made.health.errors["alias"] == 3
    assert KEY in made.wanted


def test_an_alias_of_another_device_is_refused() -> None:
    made = host()
    born(made)
    for seq, (device, alias) in enumerate((("x", 1), ("y", 2)), 1):
        birth = payload(NOW_US // 1_000, [Told("level", DOUBLE, 0.0, alias=alias)], seq)
        made.take("DBIRTH", KEY, device, birth, NOW_US)
    rows(made)
    made.take("DDATA", KEY, "x", payload(NOW_US // 1_000, [Told("", DOUBLE, 5.0, alias=2)], 3), NOW_US)
    assert rows(made) == []
    assert made.health.errors["alias"] == 1


def test_a_birth_of_ten_thousand_metrics_is_taken_and_one_of_more_bounded() -> None:
    made = host()
    metrics = [Told(f"area/{at}", DOUBLE, float(at), alias=at) for at in range(METRICS_MAX + 500)]
    started_s = time.process_time()
    born(made, *metrics)
    found = rows(made)
    assert time.process_time() - started_s < 30.0
    assert len(found) == METRICS_MAX + 1
    assert made.health.errors["metrics"] == 1
    for turn in range(8):  # a node whose names change at each birth fills no memory
        born(made, *[Told(f"{turn}/{at}", DOUBLE, 1.0) for at in range(METRICS_MAX)])
        rows(made)
    assert len(made.points.points) <= POINTS_MAX
    assert made.health.errors["points"] > 0


def test_types_become_points_and_what_cannot_is_listed() -> None:
    made, message = host(), Payload(timestamp=NOW_US // 1_000, seq=0)
    message.metrics.add(name="bytes", datatype=17, bytes_value=b"x")
    message.metrics.add(name="neg8", datatype=1, int_value=0xFB)
    message.metrics.add(name="neg16", datatype=2, int_value=0xFFFFFFFE)
    message.metrics.add(name="wrong8", datatype=1, int_value=70_000)
    message.metrics.add(name="float_in_int", datatype=9, int_value=3)
    message.metrics.add(name="none", datatype=10, is_null=True)
    message.metrics.add(name="when", datatype=13, long_value=1_772_368_215_000)
    message.metrics.add(name="bits", datatype=32, bytes_value=b"\x03\x00\x00\x00\xa0")
    message.metrics.add(name="cut", datatype=30, bytes_value=b"\x00\x00")
    message.metrics.add(name="large", datatype=5 + 21, bytes_value=bytes(5_000))
    template = message.metrics.add(name="definition", datatype=19)
    template.template_value.is_definition = True
    made.take("NBIRTH", KEY, "", message.SerializeToString(), NOW_US)
    batches = made.batches()
    events = [row for batch in batches if batch.schema_id == EVENTS for row in batch.rows.to_pylist()]
    keys = [point.key for point in made.points.points]
    numbers = {keys[row["point"]]: row for b in batches if b.schema_id == READINGS for row in b.rows.to_pylist()}
    assert {key: row["value"] for key, row in numbers.items() if key != "line/none"} == {
        "line/neg8": -5.0, "line/neg16": -2.0,
    }  # fmt: skip
    assert numbers["line/none"]["quality"]
    assert {"line/when", "line/bits_0", "line/bits_1", "line/bits_2"} <= set(keys)
    assert set(made.left_out()) == {"line/bytes", "line/large", "line/definition"}
    assert any(event["kind"] == "metrics_left_out" and "bytes" in event["detail"] for event in events)
    assert made.health.errors["decode"] == 3


@pytest.mark.parametrize(
    ("kind", "value"), [("Int8", 128), ("UInt16", -1), ("Int32", 0.5), ("Boolean", "maybe"), ("DataSet", 1)]
)
def test_a_command_that_is_not_of_the_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValueRefusedError):
        type_for(kind, value)


def test_no_bytes_break_the_host() -> None:
    chance, made = random.Random(17), host()
    properties = {"engUnit": "Cel", "Quality": 192}
    metrics = [
        Told("a/level", DOUBLE, 1.5, alias=1, properties=properties), Told("b", STRING, "word", alias=2),
        Told("c", BOOLEAN, True, alias=3), Told("d", INT64, -7, alias=4, ms=NOW_US // 1_000),
    ]  # fmt: skip
    good = payload(NOW_US // 1_000, [Told("bdSeq", INT64, 0), *metrics], 0)
    kinds = ["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]
    refused = 0
    for turn in range(4_000):
        raw = bytearray(good)
        for _ in range(chance.randrange(5)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        raw = raw[: chance.randrange(len(raw) + 1)] if chance.random() < 0.3 else raw
        try:
            decode(bytes(raw))
        except PayloadError:
            refused += 1
        kind = chance.choice(kinds)
        made.take(kind, KEY, "press" if kind[0] == "D" else "", bytes(raw), NOW_US + turn)
        made.poll(NOW_US + turn * 1_000)
        for batch in made.batches():
            batch.rows.validate(full=True)
    assert refused > 500
    assert made.health.discarded > 500
    born(made, Told("after", DOUBLE, 42.0))
    assert ("line/after", 42.0) in rows(made)
