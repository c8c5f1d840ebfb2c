"""MQTT against a real broker: profiles of families, acknowledgement after the disk, outages, commands."""

import asyncio
from typing import Any

import pytest

from edge.sources import Batch, SourceError
from wire.errors import ConfigError
from wire.quality import STALE, TIME_SUSPECT


def table(broker: Any, *topics: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "mqtt", "name": "m", "url": broker.url, "topic": list(topics), "keepalive_s": 1.0, **more}


POWER = {"pattern": "shop/{device}/power", "metrics": [{"path": "w", "metric": "power", "unit": "W"}]}


async def running(source: Any) -> None:
    async with asyncio.timeout(10):
        while source.health.state != "running":
            await asyncio.sleep(0.01)


async def test_sample_config_takes_json_text_and_unknown_payloads(tools: Any, broker: Any, tmp_path: Any) -> None:
    shop, zigbee = tools.sample("edge.sources.mqtt")
    assert tools.make(zigbee | {"url": broker.url}, tmp_path).points() == []
    taken = tools.Taken()
    async with tools.make(shop | {"url": broker.url}, tmp_path) as source, broker.client() as device:
        await running(source)
        device.publish("shop/till/power", b'{"p":{"total":12.5},"ts":1750000000}', qos=1)
        device.publish("shop/till/door", b"open", qos=1)
        device.publish("shop/till/raw/deep/down", b'{"a":{"b":7}}', qos=1)
        await tools.take_until(source, taken, lambda t: len(t.rows) == 3)
        assert taken.values("till/power") == [12.5]
        assert taken.values("till/door") == ["open"]
        assert taken.values("till/deep_down_a_b") == [7.0]
        assert next(us for key, us, _, _ in taken.rows if key == "till/power") == 1_750_000_000_000_000
        assert (source.health.received, source.health.sent, source.health.discarded) == (3, 3, 0)


@pytest.mark.parametrize(
    ("profile", "messages", "expected"),
    [
        (
            "shelly",
            [
                (
                    "shellyplus1pm-a1/events/rpc",
                    (
                        b'{"src":"shellyplus1pm-a1","dst":"x/events","method":"NotifyStatus","params":{"ts":1750000000.5,'
                        b'"switch:0":{"id":0,"apower":8.9,"voltage":237.5,"output":true,"aenergy":{"total":6.5,'
                        b'"by_minute":[1,2,3],"minute_ts":1749999999}}}}'
                    ),
                ),
                ("shellyplus1pm-a1/status/switch:0", b'{"id":0,"apower":9.1,"temperature":{"tC":43.3,"tF":109.9}}'),
                ("shellyplus1pm-a1/online", b"false"),
            ],
            {
                "shellyplus1pm-a1/switch_0_apower": 9.1,
                "shellyplus1pm-a1/switch_0_aenergy_total": 6.5,
                "shellyplus1pm-a1/switch_0_output": "true",
                "shellyplus1pm-a1/switch_0_temperature_tc": 43.3,
                "shellyplus1pm-a1/online": "false",
            },
        ),
        (
            "tasmota",
            [
                ("tele/plug/LWT", b"Online"),
                (
                    "tele/plug/STATE",
                    b'{"Time":"2025-06-15T15:06:40","UptimeSec":99,"POWER":"ON","Wifi":{"Signal":-61}}',
                ),
                ("tele/plug/SENSOR", b'{"Time":"2025-06-15T15:06:40","ENERGY":{"Total":3.1,"Yesterday":1,"Power":40}}'),
            ],
            {"plug/online": "true", "plug/relay": "ON", "plug/wifi_signal": -61.0, "plug/energy_power": 40.0},
        ),
        (
            "zigbee2mqtt",
            [
                (
                    "zigbee2mqtt/climate_1",
                    b'{"battery":90,"humidity":41.2,"temperature":22.1,"state":"ON","update":null}',
                ),
                ("zigbee2mqtt/climate_1/availability", b'{"state":"online"}'),
                ("zigbee2mqtt/bridge/state", b'{"state":"offline"}'),
            ],
            {"climate_1/temperature": 22.1, "climate_1/online": "true", "zigbee_bridge/online": "false"},
        ),
        (
            "generic",
            [("anything/at/all", b'{"x":1}'), ("anything/n", b'{"y":2}')],
            {"anything/at_all_x": 1.0, "anything/n_y": 2.0},
        ),
    ],
)
async def test_a_profile_reads_what_its_family_publishes(
    tools: Any, broker: Any, tmp_path: Any, profile: str, messages: list[tuple[str, bytes]], expected: dict[str, Any]
) -> None:
    taken = tools.Taken()
    config = table(broker, profile=f"profiles/mqtt/{profile}.toml")
    async with tools.make(config, tmp_path) as source, broker.client() as device:
        await running(source)
        for topic, payload in messages:
            device.publish(topic, payload, qos=1)
        await tools.take_until(source, taken, lambda t: expected.keys() <= {row[0] for row in t.rows})
        by_time = sorted(taken.rows, key=lambda row: row[1])
        good = {key: value for key, _, value, quality in by_time if not quality & STALE}
        assert {key: good[key] for key in expected} == expected
        assert source.health.discarded == 0, source.health.why


async def test_a_message_is_acknowledged_only_when_it_is_on_disk(tools: Any, broker: Any, tmp_path: Any) -> None:
    async with tools.make(table(broker, POWER), tmp_path) as source, broker.client() as device:
        await running(source)
        acknowledged: list[int] = []
        link = source._link
        tell, link.ack = link.ack, lambda messages: (acknowledged.extend(m.mid for m in messages), tell(messages))
        for watt in range(5):
            device.publish("shop/a/power", b'{"w":%d}' % watt, qos=1)
        batches: list[Batch] = []
        stream = source.batches()
        async with asyncio.timeout(10):
            while sum(batch.rows.num_rows for batch in batches) < 5:
                batches.append(await anext(stream))
        assert acknowledged == []
        for batch in batches:
            batch.accepted(0)
        assert len(acknowledged) == 5
        assert source.health.sent == 5
        await stream.aclose()


async def test_a_message_that_cannot_be_read_is_counted_and_acknowledged(
    tools: Any, broker: Any, tmp_path: Any
) -> None:
    async with tools.make(table(broker, POWER), tmp_path) as source, broker.client() as device:
        await running(source)
        for payload in (b"junk", b'{"w":\xff}', b"x" * 70_000, b'{"w":1}'):
            device.publish("shop/a/power", payload, qos=1)
        taken = tools.Taken()
        await tools.take_until(source, taken, lambda t: t.values("a/power") == [1.0])
        assert source.health.discarded == 3
        assert source.health.errors == {"decode": 3}
        assert "shop/a/power" in source.health.why
        assert source._unacknowledged == set()


async def test_a_source_that_waits_for_its_broker_says_so_from_the_start(
    tools: Any, broker: Any, tmp_path: Any
) -> None:
    broker.kill()
    async with tools.make(table(broker, POWER), tmp_path) as source:
        assert (source.health.state, source.health.why) == (
            "waiting", "waits for its broker at 127.0.0.1: no answer yet"
        )  # fmt: skip
        batches = source.batches()
        waiting = asyncio.ensure_future(anext(batches))
        async with asyncio.timeout(10):
            while "no answer yet" in source.health.why:
                await asyncio.sleep(0.02)
        assert source.health.why.startswith("waits for its broker at 127.0.0.1: ")
        waiting.cancel()


async def test_an_outage_flags_every_point_stale_and_brings_no_duplicate(
    tools: Any, broker: Any, tmp_path: Any
) -> None:
    text = {"pattern": "shop/{device}/door", "payload": "text"}
    taken = tools.Taken()
    async with tools.make(table(broker, POWER, text), tmp_path) as source:
        await running(source)
        async with broker.client() as device:
            device.publish("shop/a/power", b'{"w":1}', qos=1, retain=True)
            device.publish("shop/a/door", b"open", qos=1)
            await tools.take_until(source, taken, lambda t: len(t.rows) == 2)
        broker.kill()
        await tools.take_until(source, taken, lambda t: len(t.rows) == 4)
        assert {(key, value, quality) for key, _, value, quality in taken.rows[2:]} == {
            ("a/power", 1.0, STALE),
            ("a/door", "open", STALE),
        }
        assert source.health.state == "waiting"
        assert source.health.why
        broker.start()
        await running(source)
        async with broker.client() as device:
            device.publish("shop/a/power", b'{"w":2}', qos=1)
            device.publish("shop/a/door", b"shut", qos=1)
            await tools.take_until(source, taken, lambda t: len(t.rows) == 6)
    assert {(key, value, quality) for key, _, value, quality in taken.rows[4:]} == {
        ("a/power", 2.0, 0),
        ("a/door", "shut", 0),
    }
    assert source.health.errors["connect"] == 1


async def test_a_retained_value_of_unknown_age_is_flagged(tools: Any, broker: Any, tmp_path: Any) -> None:
    async with broker.client() as device:
        device.publish("shop/a/power", b'{"w":5}', qos=1, retain=True)
        async with asyncio.timeout(10):
            while not device.stats.acknowledged:
                await asyncio.sleep(0.01)
    taken = tools.Taken()
    async with tools.make(table(broker, POWER), tmp_path) as source:
        await tools.take_until(source, taken, lambda t: len(t.rows) == 1)
    assert taken.rows[0][2:] == (5.0, TIME_SUSPECT)


async def test_a_command_reaches_the_device(tools: Any, broker: Any, tmp_path: Any) -> None:
    heard: list[Any] = []
    async with broker.client() as device:
        device.on_messages = heard.extend
        await device.subscribe([("cmnd/plug/POWER", 1)])
        async with tools.make(table(broker, profile="profiles/mqtt/tasmota.toml"), tmp_path) as source:
            await running(source)
            device.publish("stat/plug/POWER", b"OFF", qos=1)
            await tools.take_until(source, tools.Taken(), lambda t: len(t.rows) == 1)
            relay = source.points()[0]
            assert relay.writable
            await source.write(relay, "ON")
            async with asyncio.timeout(10):
                while not heard:
                    await asyncio.sleep(0.01)
            assert (heard[0].topic, heard[0].payload) == ("cmnd/plug/POWER", b"ON")
            broker.kill()
            async with asyncio.timeout(10):
                while source.health.state == "running":
                    await asyncio.sleep(0.01)
            with pytest.raises(SourceError, match="no connection"):
                await source.write(relay, "OFF")


async def test_messages_over_the_bound_are_dropped_and_counted(
    tools: Any, broker: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.mqtt.PENDING_BYTES_MAX", 100)
    async with tools.make(table(broker, POWER, qos=0), tmp_path) as source, broker.client() as device:
        await running(source)
        for _ in range(50):
            device.publish("shop/a/power", b'{"w":1}')
        async with asyncio.timeout(10):
            while source.health.discarded + 14 < 50:
                await asyncio.sleep(0.01)
        assert "overflow" in source.health.errors
        taken = tools.Taken()
        await tools.take_until(source, taken, lambda t: len(t.rows) > 0)
        assert len(taken.rows) * 7 <= 100
        assert source.health.received == 50


@pytest.mark.parametrize(
    ("change", "field"),
    [({"url": "http://x"}, "url"), ({"topic": []}, "topic"), ({"profile": "profiles/mqtt/none.toml"}, "profile")],
)
async def test_a_wrong_config_names_field_and_fix(
    tools: Any, broker: Any, tmp_path: Any, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        tools.make(table(broker, POWER) | change, tmp_path)
    assert caught.value.fix
