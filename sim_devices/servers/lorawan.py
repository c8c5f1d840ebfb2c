"""LoRaWAN stations behind a simulated ChirpStack v4: real payload bytes in the network server's JSON over MQTT.

Each station is told by a task of its own, as if its gateway heard it alone. A downlink is acknowledged at once, as by
a class C device, and followed by an uplink that shows what it did.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import random
import struct
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import aiomqtt

from sim_devices.readouts import Value
from sim_devices.servers import Written, point_spec
from sim_devices.servers.mqtt import PREFIX, Broker, Dialect, MqttDevice
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = ["STATIONS", "LoRaWanStation", "eui_of"]

BASE = PREFIX + "/lorawan/"
APPLICATION = "5f3c1d2e-0000-4000-8000-000000000001"
CLOSED, OPEN = 0, 1


def _u16(value: float, scale: float) -> int:
    return min(max(round(value / scale), 0), 0xFFFF)


def _i16(value: float, scale: float) -> int:
    return min(max(round(value / scale), -0x8000), 0x7FFF)


def _soil(of: Mapping[str, float]) -> bytes:
    """Dragino LSE01: eleven bytes, big-endian."""
    return struct.pack(
        ">HhHhHB",
        0xC000 | _u16(of["battery_voltage"], 0.001) & 0x3FFF,
        _i16(of["probe_temperature"], 0.1),
        _u16(of["soil_moisture"], 0.01),
        _i16(of["soil_temperature"], 0.01),
        _u16(of["soil_conductivity"], 1.0),
        0x10,
    )


def _weather(of: Mapping[str, float]) -> bytes:
    """Milesight WTS506: channels, little-endian."""
    return b"".join(
        (
            struct.pack("<BBB", 0x01, 0x75, _u16(of["battery"], 1.0) & 0xFF),
            struct.pack("<BBh", 0x03, 0x67, _i16(of["air_temperature"], 0.1)),
            struct.pack("<BBB", 0x04, 0x68, _u16(of["humidity"], 0.5) & 0xFF),
            struct.pack("<BBH", 0x05, 0x84, _u16(of["wind_direction"], 0.1)),
            struct.pack("<BBH", 0x06, 0x73, _u16(of["pressure"], 0.1)),
            struct.pack("<BBH", 0x07, 0x92, _u16(of["wind_speed"], 0.1)),
            struct.pack("<BBIB", 0x08, 0xEC, max(round(of["rain_total"] / 0.01), 0), 0),
        )
    )


def _valve(of: Mapping[str, float]) -> bytes:
    """Milesight UC511: channels, little-endian; one valve is fitted."""
    return b"".join(
        (
            struct.pack("<BBB", 0x01, 0x75, _u16(of["battery"], 1.0) & 0xFF),
            struct.pack("<BBB", 0x03, 0x01, OPEN if of["valve_1"] >= 0.5 else CLOSED),
            struct.pack("<BBI", 0x04, 0xC8, max(round(of["valve_1_pulses"]), 0)),
            struct.pack("<BBH", 0x09, 0x7B, _u16(of["pipe_pressure"], 1.0)),
        )
    )


# kind of device: what it is sold as, the agent's profile, port, and its bytes
STATIONS: dict[str, tuple[str, str, int, Callable[[Mapping[str, float]], bytes]]] = {
    "lora-soil-station": ("Dragino LSE01", "dragino-lse01", 2, _soil),
    "lora-weather-station": ("Milesight WTS506", "milesight-wts506", 85, _weather),
    "lora-valve": ("Milesight UC511", "milesight-uc511", 85, _valve),
}
_DIALECT = Dialect(
    topic=BASE + "application/" + APPLICATION + "/device/{device}/event/up",
    paths={},
    envelope={},
    command_topic=BASE + "application/" + APPLICATION + "/device/{device}/command/down",
    command="",
    availability=(BASE + "gateway/{device}/state/conn", '{"state":"ONLINE"}', '{"state":"OFFLINE"}'),
)


def eui_of(name: str) -> str:
    """The device EUI of a simulated station: the same for the same name."""
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


class LoRaWanStation(MqttDevice):
    """One station and the piece of the network server that speaks for it."""

    def __init__(
        self, device: Device, metrics: tuple[Metric, ...], broker: Broker, period_s: float, written: Written
    ) -> None:
        super().__init__(device, metrics, broker, period_s, written)
        self._dialect = _DIALECT
        self._title, self._profile, self._fport, self._encode = STATIONS[device.kind]
        self._eui, self._frame = eui_of(device.name), 0
        self._chance = random.Random(device.name)  # noqa: S311 - how well the gateway hears it
        self._client: aiomqtt.Client | None = None

    @property
    def topic(self) -> str:
        """Where its uplinks come."""
        return self._dialect.topic.format(device=self._eui)

    @property
    def _command_topic(self) -> str:
        return self._dialect.command_topic.format(device=self._eui)

    def source(self) -> dict[str, Any]:
        """The agent's table: the network server with this one device."""
        broker = self._broker
        login = {"user": broker.username, "password": broker.password} if broker.username else {}
        spec: dict[str, Any] = {"eui": self._eui, "name": self.device.name}
        spec["profile"] = f"profiles/lorawan/{self._profile}.toml"
        spec["points"] = [point_spec(self.device, metric) for metric in self._metrics]
        table = {"kind": "lorawan", "name": self.device.name, "url": f"mqtt://{broker.host}:{broker.port}"}
        return {**table, "prefix": BASE, "devices": [spec], **login}

    async def _speak(self, client: aiomqtt.Client) -> None:
        """An uplink each period, and one after each command."""
        self._client = client
        try:
            while not self._away:
                await self._news.wait()
                self._news.clear()
                if (raw := self._bytes()) is not None:
                    await client.publish(self.topic, self._uplink(raw))
                    self._frame += 1
                await asyncio.sleep(self._period_s)
        finally:
            self._client = None

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            item = self._queued(message.payload)
            if item is None:
                continue
            taken = self._carry_out(item["data"])
            for name, answer in (("txack", {}), ("ack", {"acknowledged": taken})):
                body = {**self._head(), "queueItemId": item["id"], "fCntDown": self._frame, **answer}
                await client.publish(self.topic.removesuffix("up") + name, json.dumps(body))
            if (raw := self._bytes()) is not None:
                await client.publish(self.topic, self._uplink(raw))
                self._frame += 1

    def _presence(self, *, alive: bool) -> tuple[str, str]:
        topic, online, offline = self._dialect.availability
        return topic.format(device=self._eui), online if alive else offline

    def _queued(self, body: object) -> dict[str, Any] | None:
        """A command of ChirpStack's form, for this device."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            asked = json.loads(body) if isinstance(body, bytes | str) else None
            if isinstance(asked, dict) and asked["devEui"] == self._eui:
                return {"id": str(asked.get("id", "")), "data": base64.b64decode(asked["data"], validate=True)}
        return None

    def _carry_out(self, data: bytes) -> bool:
        """`ff 1d`, then bit 5 opens; only the first valve is fitted."""
        if len(data) != 4 or data[:2] != b"\xff\x1d" or data[2] & 0x03:
            return False
        try:
            self._written("valve_1", float(OPEN if data[2] & 0x20 else CLOSED))
        except InputError:
            return False
        return True

    def _bytes(self) -> bytes | None:
        """The payload, once there are values for all of it."""
        values = {name: _number(value) for name, value in self._values.items()}
        known = {name: value for name, value in values.items() if value is not None}
        return self._encode(known) if known and len(known) == len(values) else None

    def _head(self) -> dict[str, Any]:
        info = {
            "tenantName": "park",
            "applicationId": APPLICATION,
            "applicationName": "field",
            "deviceProfileName": self._title,
            "deviceName": self.device.name,
            "devEui": self._eui,
        }
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        return {"deduplicationId": str(uuid.uuid4()), "time": now, "deviceInfo": info}

    def _uplink(self, raw: bytes) -> str:
        heard = [{"gatewayId": "0016c001f1500812", "rssi": self._chance.randint(-118, -70), "snr": 7.5}]
        body = {"fCnt": self._frame, "fPort": self._fport, "confirmed": False, "rxInfo": heard}
        return json.dumps({**self._head(), **body, "data": base64.b64encode(raw).decode()})


def _number(value: Value | None) -> float | None:
    """A value of the physics as a number; valves say words or truths."""
    if isinstance(value, str):
        return {"open": 1.0, "closed": 0.0}.get(value)
    return None if value is None else float(value)
