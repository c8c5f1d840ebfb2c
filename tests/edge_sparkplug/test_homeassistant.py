"""Home Assistant's discovery on a real broker: what is retained there is what a home would show."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.publish.config import HomeAssistantConfig
from edge.publish.homeassistant import HomeAssistantOut
from edge.publish.homeassistant_entities import entity
from edge.publish.outlet import Outlet
from edge.sources.columns import check_value, readings, states
from wire.catalogue import Point
from wire.clock import SystemClock
from wire.quality import STALE
from wire.schemas import READINGS, STATES

GENEROUS_S = 60.0
POINTS = [
    Point(id=0, device="room", metric="temperature", unit="Cel", point_class="temperature", space_hint="Lab"),
    Point(id=1, device="room", metric="setpoint", unit="Cel", point_class="temperature_setpoint", low=12.0, high=30.0,
          writable=True),
    Point(id=2, device="meter", metric="energy", unit="kW.h", point_class="energy"),
    Point(id=3, device="pump", metric="running", kind="state", declared="bool"),
    Point(id=4, device="pump", metric="mode", kind="state", declared="text", writable=True),
]  # fmt: skip


class Home:
    """A publisher on a broker, and what a home that listens has retained."""

    def __init__(self, broker: Any, folder: Path, **more: Any) -> None:
        self.points, self.written, self.topics = list(POINTS), [], {}
        self.offered = {point.key for point in POINTS}
        outlet = Outlet(
            site="campus", node="gw-1", folder=folder, spool_dir=folder, clock=SystemClock(),
            points=lambda: self.points, offered=lambda: set(self.offered), write=self._write,
        )  # fmt: skip
        config = {"url": broker.url, "period_s": 0.02, "keepalive_s": 1.0, "commands": True, **more}
        self.outlet, self.out = outlet, HomeAssistantOut(msgspec.convert(config, HomeAssistantConfig), outlet)
        self._broker = broker

    async def _write(self, key: str, value: Any) -> None:
        check_value(next(point for point in self.points if point.key == key), value)
        self.written.append((key, value))

    def measure(self, point: int, value: float | str, quality: int = 0) -> None:
        ids, times, flags = np.array([point], np.uint32), np.array([1]), np.array([quality], np.uint8)
        text = isinstance(value, str)
        rows = states(ids, times, [value], flags) if text else readings(ids, times, np.array([value]), flags)
        for listener in self.outlet.listeners:
            listener(STATES if text else READINGS, rows)

    async def __aenter__(self) -> Any:
        self._client = self._broker.client()
        self.link = await self._client.__aenter__()
        self.link.on_messages = lambda found: self.topics.update((one.topic, one.payload) for one in found)
        await self.link.subscribe([("homeassistant/#", 1), ("aid4-ha/#", 1)])
        self._task = asyncio.create_task(self.out.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task.done():
            self._task.result()
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._client.__aexit__(None, None, None)

    async def until(self, topic: str, payload: bytes | None = None) -> bytes:
        try:
            async with asyncio.timeout(GENEROUS_S):
                while topic not in self.topics or (payload is not None and self.topics[topic] != payload):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"{topic}: {self.topics.get(topic)}, {self.out.counts}")
        return self.topics[topic]


async def test_points_are_announced_with_states_and_availability(broker: Any, tmp_path: Path) -> None:
    async with Home(broker, tmp_path) as home:
        config = json.loads(await home.until("homeassistant/sensor/gw-1/room-temperature/config"))
        assert (config["device_class"], config["unit_of_measurement"], config["state_class"]) == (
            "temperature", "°C", "measurement"
        )  # fmt: skip
        assert config["device"]["suggested_area"] == "Lab"
        home.measure(0, 21.25)
        await home.until(config["state_topic"], b"21.25")
        for one in config["availability"]:
            await home.until(one["topic"], b"online")
        home.measure(0, 21.25, STALE)
        await home.until(config["availability"][1]["topic"], b"offline")
        meter = json.loads(await home.until("homeassistant/sensor/gw-1/meter-energy/config"))
        assert (meter["device_class"], meter["state_class"]) == ("energy", "total_increasing")
        number = json.loads(await home.until("homeassistant/number/gw-1/room-setpoint/config"))
        assert (number["min"], number["max"], number["step"]) == (12.0, 30.0, 0.01)
        await home.until("homeassistant/binary_sensor/gw-1/pump-running/config")
        await home.until("homeassistant/text/gw-1/pump-mode/config")
        assert len({json.loads(raw)["unique_id"] for topic, raw in home.topics.items() if "/config" in topic}) == 5
    assert entity(POINTS[1], commands=False).component == "sensor"


async def test_commands_go_the_agents_way_and_wrong_ones_nowhere(broker: Any, tmp_path: Path) -> None:
    async with Home(broker, tmp_path) as home:
        config = json.loads(await home.until("homeassistant/number/gw-1/room-setpoint/config"))
        home.link.publish(config["command_topic"], b"22.5", qos=1)
        await home.until(config["command_topic"], b"22.5")
        for wrong in (b"99", b"warm", b"nan", b"\xff", b"9" * 2_000):
            home.link.publish(config["command_topic"], wrong, qos=1)
        home.link.publish("aid4-ha/campus/gw-1/room/temperature/set", b"20", qos=1)
        async with asyncio.timeout(GENEROUS_S):
            while home.out.counts["refused"] < 6 or not home.written:
                await asyncio.sleep(0.01)
        assert home.written == [("room/setpoint", 22.5)]


async def test_an_entity_goes_when_its_point_goes_even_over_a_restart(broker: Any, tmp_path: Path) -> None:
    topic = "homeassistant/sensor/gw-1/meter-energy/config"
    async with Home(broker, tmp_path) as home:
        await home.until(topic)
        await home.until("homeassistant/binary_sensor/gw-1/pump-running/config")
        home.offered.discard("pump/running")
        await home.until("homeassistant/binary_sensor/gw-1/pump-running/config", b"")
        async with asyncio.timeout(GENEROUS_S):
            while home.out.counts["announced"] < 5:
                await asyncio.sleep(0.01)
    async with Home(broker, tmp_path, forget_s=0.0) as home:
        home.offered.discard("meter/energy")
        await home.until(topic, b"")
        assert home.out.counts["removed"] >= 1
