"""A real MQTT client on a real broker hears the devices and commands them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from sim_devices.park import Broker, Park
from sim_devices.servers.mqtt import DIALECTS, PREFIX, plain_dialect, rounded
from wire.errors import InputError

MQTT = ("weather", "charger-5", "room-meeting", "room-office", "room-open-office", "soil-1a", "robot-1")


def _at(message: dict[str, Any], path: str) -> Any:
    for step in path.split("."):
        message = message[step]
    return message


async def _first_of_each(client: aiomqtt.Client, count: int) -> dict[str, dict[str, Any]]:
    heard: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(90):
        async for message in client.messages:
            heard.setdefault(message.topic.value, json.loads(bytes(message.payload)))  # type: ignore[arg-type]
            if len(heard) == count:
                break
    return heard


async def test_every_device_publishes_the_physics_in_its_own_dialect(
    site_dir: Path, start_us: int, broker_port: int
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker_port) as client:
        for topic in ("zigbee2mqtt/+", "shelly/+/events/rpc", "weather/+/observation", "things/+/state"):
            await client.subscribe(f"{PREFIX}/{topic}")
        async with Park(
            site_dir, seed=7, speed=1e-4, broker=Broker(port=broker_port), start_us=start_us, only=MQTT
        ) as park:
            devices = [device for device in park.site.devices if device.name in MQTT]
            heard = await _first_of_each(client, len(devices))
            for device in devices:
                dialect = DIALECTS.get(device.kind) or plain_dialect(park.site.metrics(device))
                message = heard[dialect.topic.format(device=device.name)]
                for metric in park.site.metrics(device):
                    truth = rounded(park.campus.values()[f"{device.name}/{metric.name}"], metric)
                    assert _at(message, dialect.paths[metric.name]) == truth, (device.name, metric.name)


async def test_a_charger_says_only_what_changed_after_it_said_everything(
    site_dir: Path, start_us: int, broker_port: int
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker_port) as client:
        await client.subscribe(f"{PREFIX}/shelly/+/events/rpc")
        async with Park(site_dir, seed=7, speed=20.0, broker=Broker(port=broker_port), start_us=start_us, only=MQTT), \
                asyncio.timeout(90):  # fmt: skip
            bodies = []
            async for message in client.messages:
                bodies.append(json.loads(bytes(message.payload))["params"]["charger:0"])  # type: ignore[arg-type]
                if len(bodies) == 6:
                    break
    assert len(bodies[0]) == len(DIALECTS["ev-charger"].paths)
    assert all(len(body) < len(bodies[0]) for body in bodies[1:])
    assert all("current_limit" not in body for body in bodies[1:])


async def test_a_command_reaches_the_physics_and_nonsense_does_not(
    site_dir: Path, start_us: int, broker_port: int
) -> None:
    async with Park(site_dir, seed=7, speed=1.0, broker=Broker(port=broker_port), start_us=start_us, only=MQTT) as park:
        async with aiomqtt.Client("127.0.0.1", broker_port) as client:
            topic = f"{PREFIX}/zigbee2mqtt/room-office/set"
            await client.subscribe(f"{PREFIX}/zigbee2mqtt/room-office")
            async for _ in client.messages:
                break  # it is connected
            for body in ("{", "[]", '{"occupied_heating_setpoint": 99}', '{"temperature": 25}', '{"params": 3}'):
                await client.publish(topic, body)
            await client.publish(topic, '{"occupied_heating_setpoint": 23.5}')
            async with asyncio.timeout(10):
                while park.campus.values()["room-office/temperature_setpoint"] != 23.5:
                    await asyncio.sleep(0.05)
        assert park.campus.values()["room-office/temperature"] != 25


async def test_a_device_says_that_it_is_there_and_the_broker_knows_when_it_is_gone(
    site_dir: Path, start_us: int, broker_port: int
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker_port) as client:
        await client.subscribe(f"{PREFIX}/weather/weather/status")
        words: list[bytes] = []
        async with Park(
            site_dir, seed=7, broker=Broker(port=broker_port), start_us=start_us, only=["weather"]
        ) as park, asyncio.timeout(10):  # fmt: skip
            async for message in client.messages:
                words.append(bytes(message.payload))  # type: ignore[arg-type]
                if words[-1] == b"offline":
                    break
                await park.servers[0].cut()
    assert words == [b"online", b"offline"]


async def test_devices_wait_for_a_broker_that_comes_later(site_dir: Path, start_us: int, broker_port: int) -> None:
    async with Park(site_dir, seed=7, speed=1.0, broker=Broker(port=1), start_us=start_us, only=MQTT) as park:
        await asyncio.sleep(0.5)
        assert all(not task.done() for task in park._tasks._tasks)


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e9])
def test_an_impossible_speed_is_refused(site_dir: Path, speed: float) -> None:
    with pytest.raises(InputError, match="speed"):
        Park(site_dir, seed=7, speed=speed)
