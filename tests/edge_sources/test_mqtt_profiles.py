"""Profiles of MQTT families both ways: what they publish becomes points, what they take is published for them."""

import asyncio
from typing import Any

import pytest

from edge.sources import SourceError
from wire.quality import STALE

GENEROUS_S = 60.0
SHELLY = (
    b'{"src":"plus2-a1","method":"NotifyStatus","params":{"ts":1750000000.5,'
    b'"switch:0":{"id":0,"output":true,"apower":8.9},"cover:0":{"id":0,"current_pos":40}}}'
)
CASES = [
    (
        "shelly",
        [
            ("plus2-a1/online", b"true"),
            (
                "plus2-a1/events/rpc",
                SHELLY,
            ),
        ],
        {"plus2-a1/switch_0_output": "true", "plus2-a1/cover_0_current_pos": 40.0, "plus2-a1/online": "true"},
        [
            (
                "plus2-a1/switch_0_output", "false", "plus2-a1/rpc",
                b'{"id":1,"src":"aid4","method":"Switch.Set","params":{"id":0,"on":false}}',
            ),
            (
                "plus2-a1/cover_0_current_pos", 75, "plus2-a1/rpc",
                b'{"id":1,"src":"aid4","method":"Cover.GoToPosition","params":{"id":0,"pos":75}}',
            ),
        ],
        ("plus2-a1/online", b"false", "plus2-a1/cover_0_current_pos"),
    ),
    (
        "shelly-gen1",
        [
            ("shellies/plug-7/relay/0", b"on"),
            ("shellies/plug-7/relay/0/power", b"41.5"),
            ("shellies/plug-7/relay/0/energy", b"600"),
            ("shellies/plug-7/emeter/0/voltage", b"231.2"),
            ("shellies/plug-7/sensor/temperature", b"21.5"),
        ],
        {
            "plug-7/relay_0": "on", "plug-7/power": 41.5, "plug-7/energy": 10.0, "plug-7/voltage": 231.2,
            "plug-7/temperature": 21.5,
        },
        [("plug-7/relay_0", "off", "shellies/plug-7/relay/0/command", b"off")],
        ("shellies/plug-7/online", b"false", "plug-7/power"),
    ),
    (
        "tasmota",
        [("tele/duo/STATE", b'{"Time":"2025-06-15T15:06:40","UptimeSec":9,"POWER1":"ON","POWER2":"OFF","Dimmer":30}')],
        {"duo/relay_1": "ON", "duo/relay_2": "OFF", "duo/dimmer": 30.0},
        [("duo/relay_2", "ON", "cmnd/duo/POWER2", b"ON"), ("duo/dimmer", 55, "cmnd/duo/Dimmer", b"55")],
        ("tele/duo/LWT", b"Offline", "duo/dimmer"),
    ),
    (
        "zigbee2mqtt",
        [("zigbee2mqtt/trv", b'{"occupied_heating_setpoint":21,"local_temperature":20.4,"system_mode":"heat"}')],
        {"trv/occupied_heating_setpoint": 21.0, "trv/local_temperature": 20.4, "trv/system_mode": "heat"},
        [
            (
                "trv/occupied_heating_setpoint", 22.5, "zigbee2mqtt/trv/set",
                b'{"occupied_heating_setpoint":22.5}',
            ),
            ("trv/system_mode", "off", "zigbee2mqtt/trv/set", b'{"system_mode":"off"}'),
        ],
        ("zigbee2mqtt/trv/availability", b'{"state":"offline"}', "trv/local_temperature"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("profile", "messages", "expected", "commands", "gone"), CASES, ids=[case[0] for case in CASES]
)
async def test_a_family_is_heard_commanded_and_told_to_be_gone(
    tools: Any, broker: Any, tmp_path: Any, profile: str, messages: Any, expected: Any, commands: Any, gone: Any
) -> None:
    taken, heard = tools.Taken(), []
    table = {"kind": "mqtt", "name": "m", "url": broker.url, "profile": f"profiles/mqtt/{profile}.toml", "qos": 0}
    async with tools.make(table, tmp_path) as source, broker.client() as device:
        device.on_messages = lambda found: heard.extend((one.topic, one.payload) for one in found)
        await device.subscribe([(topic, 1) for topic in {topic for _, _, topic, _ in commands}])
        await source._link.up()
        for topic, payload in messages:
            device.publish(topic, payload, qos=1)
        await tools.take_until(source, taken, lambda t: all(t.values(key) for key in expected), GENEROUS_S)
        assert {key: taken.values(key)[-1] for key in expected} == pytest.approx(expected)
        points = {point.key: point for point in source.points()}
        for key, value, topic, payload in commands:
            await source.write(points[key], value)
            async with asyncio.timeout(GENEROUS_S):
                while (topic, payload) not in heard:
                    await asyncio.sleep(0.01)
        for key, _, _, _ in commands:
            if points[key].high is not None:
                with pytest.raises(SourceError):
                    await source.write(points[key], points[key].high + 1)
        topic, word, key = gone
        device.publish(topic, word, qos=1)
        await tools.take_until(
            source, taken, lambda t: any(row[0] == key and row[3] & STALE for row in t.rows), GENEROUS_S
        )
