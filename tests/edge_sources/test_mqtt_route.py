"""From messages to columns, without a broker: forms, neighbours, hostile payloads, cost."""

import time
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.sources.columns import PointList
from edge.sources.mqtt_form import Routed
from edge.sources.mqtt_profile import MqttProfile, TopicRule, parse_path
from edge.sources.mqtt_route import PAYLOAD_BYTES_MAX, Router
from edge.sources.profiles import PROFILES, load_profile
from wire.errors import ConfigError
from wire.mqtt import Message
from wire.point_classes import check_unit
from wire.quality import NOT_A_NUMBER, OUT_OF_RANGE, TIME_SUSPECT
from wire.units import canonical

NOW_US = 1_760_000_000_000_000


class Bench:
    """A router with its points, fed with (topic, payload) pairs."""

    def __init__(self, *rules: dict[str, Any], device: str = "dev") -> None:
        self.points = PointList()
        self.router = Router(msgspec.convert(rules, tuple[TopicRule, ...]), device, self.points)

    def feed(self, *pairs: tuple[str, bytes], retain: bool = False) -> Routed:
        messages = [Message(topic, payload, retain=retain) for topic, payload in pairs]
        return self.router.route(messages, np.arange(NOW_US, NOW_US + len(messages)))

    def rows(self, out: Routed) -> dict[str, list[tuple[Any, int]]]:
        found: dict[str, list[tuple[Any, int]]] = {}
        for ids, _, values, quality in out.values:
            for point, value, flags in zip(ids.tolist(), values.tolist(), quality.tolist(), strict=True):
                found.setdefault(self.points.points[point].key, []).append((value, flags))
        for point, _, text, flags in out.texts:
            found.setdefault(self.points.points[point].key, []).append((text, flags))
        return found


POWER = {"pattern": "a/{device}/p", "metrics": [{"path": "v", "metric": "power", "unit": "W", "high": 100.0}]}


def test_one_bad_payload_discards_only_itself() -> None:
    bench = Bench(POWER)
    bad = [
        b"", b"{", b"[1]", b"7", b'{"v":NaN}', b'{"v":1e999}', b'{"v":{"x":1}}', b'{"v":"\xff"}', b'{"x":"\xff","v":2}',
        b'{"v":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"v":2}' + b" " * PAYLOAD_BYTES_MAX, b'{"v":"open"}x',
    ]  # fmt: skip
    good = [b'{"v":%d}' % at for at in range(len(bad) + 1)]
    pairs = [("a/m/p", good[0])]
    for one, other in zip(bad, good[1:], strict=True):
        pairs += [("a/evil/p", one), ("a/m/p", other)]
    out = bench.feed(*pairs)
    assert bench.rows(out) == {"m/power": [(float(at), 0) for at in range(len(good))]}
    assert len(out.discarded) == len(bad)
    assert all("a/evil/p" in why for _, why in out.discarded)


def test_payloads_cannot_run_into_one_another() -> None:
    bench = Bench(POWER)
    smuggled = [b'{"v":1}\n{"v":666}', b'{"v":3}', b'{"v":4', b"}", b'{"v":5},{"x":"', b'"}', b'{"v":6}']
    out = bench.feed(*((f"a/d{at}/p", payload) for at, payload in enumerate(smuggled)))
    assert bench.rows(out) == {"d1/power": [(3.0, 0)], "d6/power": [(6.0, 0)]}
    assert len(out.discarded) == 5


def test_pretty_printed_json_is_read() -> None:
    bench = Bench(POWER)
    out = bench.feed(("a/m/p", b'{\n  "v": 1\n}\n'), ("a/m/p", b' {"v":2} '))
    assert bench.rows(out) == {"m/power": [(1.0, 0), (2.0, 0)]}


def test_words_bools_nulls_and_ranges_become_what_they_mean() -> None:
    metrics = [
        {"path": "v", "metric": "v", "kind": "value", "high": 5, "scale": 2.0, "offset": 1.0},
        {"path": "on", "values": {"ON": 1, "OFF": 0}},
        {"path": "mode", "kind": "state"},
        {"path": "pos[1]", "metric": "y"},
        {"path": "flag"},
        {"path": '"a.b".c', "metric": "quoted"},
    ]
    bench = Bench({"pattern": "x", "metrics": metrics})
    first = b'{"v":"1.5","on":"ON","mode":3,"pos":[1,2.5],"flag":true,"a.b":{"c":1}}'
    out = bench.feed(
        ("x", first), ("x", b'{"v":null,"on":"OFF","mode":[1,2]}'), ("x", b'{"v":9,"on":"broken","pos":[]}')
    )
    assert bench.rows(out) == {
        "dev/v": [(4.0, 0), (pytest.approx(float("nan"), nan_ok=True), NOT_A_NUMBER), (19.0, OUT_OF_RANGE)],
        "dev/on": [(1.0, 0), (0.0, 0)],
        "dev/on_text": [("broken", 0)],
        "dev/mode": [("3", 0), ("[1,2]", 0)],
        "dev/y": [(2.5, 0)],
        "dev/flag": [("true", 0)],
        "dev/quoted": [(1.0, 0)],
    }


def test_a_device_tells_its_own_time_or_it_is_flagged() -> None:
    bench = Bench({"pattern": "x", "time": "t", "time_zone": "Asia/Taipei", "metrics": [{"path": "v"}]})
    at = [1_750_000_000, 1_750_000_000_123, 1_750_000_000_123_456, "2025-06-15T15:06:40.5Z", "2025-06-15 23:06:40"]
    payloads = [msgspec.json.encode({"t": one, "v": 1}) for one in at]
    payloads += [b'{"v":1}', b'{"t":"soon","v":1}', b'{"t":9999999999,"v":1}']
    ids, ts_us, _, quality = bench.feed(*(("x", payload) for payload in payloads)).values[0]
    assert len(ids) == 8
    base = 1_750_000_000_000_000
    assert ts_us[:5].tolist() == [base, base + 123_000, base + 123_456, base + 500_000, base]
    assert ts_us[5:7].tolist() == [NOW_US + 5, NOW_US + 6]
    assert quality.tolist() == [0] * 6 + [TIME_SUSPECT] * 2


def test_numeric_leaves_are_found_out_in_any_json() -> None:
    rule = {
        "pattern": "tele/{device}/SENSOR", "payload": "generic", "time": "Time", "ignore": ["*.Yesterday"],
        "metrics": [{"path": "*Power", "unit": "W"}],
    }  # fmt: skip
    bench = Bench(rule)
    first = b'{"Time":"2025-06-15T15:06:40","ENERGY":{"Power":12,"Yesterday":3,"Note":"x"},"On":true,"List":[1,2]}'
    out = bench.feed(("tele/p1/SENSOR", first), ("tele/p2/SENSOR", b'{"ENERGY":{"Power":3.5}}'))
    assert bench.rows(out)["p1/energy_power"] == [(12.0, 0)]
    out = bench.feed(
        ("tele/p2/SENSOR", b'{"ENERGY":null,"New":1}'), ("tele/p1/SENSOR", b'{"ENERGY":{"Power":"bad"},"On":false}'),
        ("tele/p1/SENSOR", b"no json"), ("tele/p1/SENSOR", b'{"ENERGY":{"Power":13}}'),
    )  # fmt: skip
    assert bench.rows(out) == {
        "p2/new": [(1.0, 0)],
        "p1/energy_power": [(13.0, 0)],
        "p1/energy_power_text": [("bad", 0)],
        "p1/on": [("false", 0)],
    }
    assert out.discarded[0][1].startswith("tele/p1/SENSOR")
    assert len(out.discarded) == 1
    assert next(p for p in bench.points.points if p.metric == "energy_power").unit == "W"


def test_forms_of_a_hostile_device_are_bounded() -> None:
    bench = Bench({"pattern": "#", "payload": "generic"})
    wide = msgspec.json.encode({f"k{at}": at for at in range(1000)})
    deep = b'{"a":' * 50 + b"1" + b"}" * 50
    out = bench.feed(("x", wide), ("y", deep), ("z", b'{"ok":1}'))
    assert bench.rows(out) == {"dev/z_ok": [(1.0, 0)]}
    assert len(out.discarded) == 2


def test_plain_texts_are_numbers_or_words() -> None:
    bench = Bench({"pattern": "t/{device}/{metric}", "payload": "text", "metrics": [{"path": "temp*", "unit": "Cel"}]})
    pairs = [("t/a/temperature", b"21.5"), ("t/a/temperature", b"n/a"), ("t/b/door", b"open"), ("t/b/x", b"\xff")]
    out = bench.feed(*pairs)
    assert bench.rows(out) == {
        "a/temperature": [(21.5, 0)], "a/temperature_text": [("n/a", 0)], "b/door": [("open", 0)],
    }  # fmt: skip
    assert len(out.discarded) == 1
    assert bench.points.points[0].unit == "Cel"


def test_a_payload_can_name_its_device_and_metric() -> None:
    rule = {"pattern": "all", "device_path": "dev", "metric_path": "m", "metrics": [{"path": "v", "metric": ""}]}
    bench = Bench(rule | {"metrics": [{"path": "v"}]})
    out = bench.feed(("all", b'{"dev":"A1","m":"t","v":1}'), ("all", b'{"dev":"A2","m":"t","v":2}'))
    assert set(bench.rows(out)) == {"a1/t_v", "a2/t_v"}


def test_a_retained_message_is_of_unknown_age_and_its_repetition_is_no_reading() -> None:
    bench = Bench(POWER)
    assert bench.rows(bench.feed(("a/m/p", b'{"v":1}'), retain=True)) == {"m/power": [(1.0, TIME_SUSPECT)]}
    assert bench.rows(bench.feed(("a/m/p", b'{"v":1}'), retain=True)) == {}
    assert bench.rows(bench.feed(("a/m/p", b'{"v":1}'))) == {"m/power": [(1.0, 0)]}


def test_a_retained_message_is_told_once_more_after_an_outage_at_its_arrival() -> None:
    bench = Bench(POWER | {"time": "t"})
    message = ("a/m/p", b'{"v":1,"t":1750000000}')
    assert bench.feed(message).values[0][1].tolist() == [1_750_000_000_000_000]
    bench.router.link_lost()
    _ids, ts_us, values, quality = bench.feed(message, retain=True).values[0]
    assert (ts_us.tolist(), values.tolist(), quality.tolist()) == ([NOW_US], [1.0], [TIME_SUSPECT])
    assert bench.feed(message, retain=True).values == []


def test_an_offline_device_is_named() -> None:
    bench = Bench(POWER, {"pattern": "a/{device}/alive", "payload": "availability"})
    bench.feed(("a/m/p", b'{"v":1}'), ("a/n/p", b'{"v":1}'))
    out = bench.feed(("a/m/alive", b'{"state":"offline"}'), ("a/n/alive", b"online"))
    assert out.offline == {"m"}
    assert [point.key for point in bench.router.stale_points(out.offline)] == ["m/power"]
    assert bench.rows(out) == {"m/online": [("false", 0)], "n/online": [("true", 0)]}


@pytest.mark.parametrize("pattern", ["", "a/#/b", "a/{x}/b", "{device}/{device}"])
def test_a_wrong_pattern_is_refused_with_a_fix(pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern") as caught:
        Bench({"pattern": pattern})
    assert caught.value.fix


def test_a_wrong_path_is_refused_with_a_fix() -> None:
    with pytest.raises(ConfigError, match="path"):
        Bench({"pattern": "x", "metrics": [{"path": "a..b"}]})
    assert parse_path('a."b.c"[2].d') == ("a", "b.c", 2, "d")


@pytest.mark.parametrize(
    "rule",
    [
        {"pattern": "m/{device}", "time": "t", "metrics": [{"path": "v"}]},
        {"pattern": "m/{device}", "payload": "generic", "time": "t"},
    ],
)
def test_one_reading_a_message_from_many_devices_is_decoded_together(rule: dict[str, Any]) -> None:
    bench = Bench(rule)
    pairs = [(f"m/d{at % 500}", b'{"t":17500000%02d,"v":%d.5}' % (at % 100, at)) for at in range(20_000)]
    bench.feed(*pairs)
    started = time.process_time()
    out = bench.feed(*pairs)
    each_us = (time.process_time() - started) / len(pairs) * 1e6
    assert sum(len(ids) for ids, *_ in out.values) == len(pairs)
    assert len(out.values) == 1, "columns are built a batch, not a message"
    assert each_us < 100, "the hot path fell back to one by one"


def test_profiles_of_all_families_are_legal() -> None:
    files = sorted((PROFILES / "profiles" / "mqtt").glob("*.toml"))
    assert {file.stem for file in files} >= {"shelly", "tasmota", "zigbee2mqtt", "generic"}
    for file in files:
        profile = load_profile(f"profiles/mqtt/{file.name}", PROFILES, MqttProfile)
        Router(profile.topic, "dev", PointList())
        for metric in (metric for rule in profile.topic for metric in rule.metrics):
            assert canonical(metric.unit) == metric.unit, f"{file.name}: {metric.unit} is no UCUM code"
            assert not metric.point_class or check_unit(metric.point_class, metric.unit) == metric.unit
