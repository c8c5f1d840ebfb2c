"""Devices that publish JSON over MQTT, each in the words of a family that is sold: Zigbee2MQTT, Shelly, a station.

A room controller says everything each time; a charger says everything when it connects and each quarter minute, and in
between only what changed (an absent key means "as before"). What may be written is taken from the command topic.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiomqtt

from sim_devices.readouts import Value
from sim_devices.servers import Written, point_spec
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = [
    "DECIMALS",
    "DIALECTS",
    "FULL_EVERY_S",
    "PREFIX",
    "Broker",
    "Dialect",
    "MqttDevice",
    "payload",
    "plain_dialect",
]

PREFIX = "field"  # every topic of a simulated device begins with it, so that one permission covers them
RECONNECT_S_MIN, RECONNECT_S_MAX = 0.2, 5.0
FULL_EVERY_S = 15.0
TIMEOUT_S, FAREWELL_S = 1.0, 0.5  # so that a broker which hangs cannot keep a device from stopping
_QOS = 0  # what devices publish with; at 1 NATS keeps a consumer on disk for each of their topics
DECIMALS = {"Cel": 2, "%": 1, "[ppm]": 0, "kW": 3, "A": 2, "V": 1, "kW.h": 3, "hPa": 1, "m/s": 2, "deg": 0, "W/m2": 1}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where simulated MQTT devices publish."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family says it: topics (`{device}` is the name), and where in the JSON each metric stands."""

    topic: str
    paths: dict[str, str]
    envelope: dict[str, str]  # constant fields of a message
    command_topic: str
    command: str  # `{key}` is the last step of the metric's path
    availability: tuple[str, str, str]  # topic, and the words of a living and of a dead device
    only_changes: bool = False


DIALECTS = {
    "room-controller": Dialect(
        topic=PREFIX + "/zigbee2mqtt/{device}",
        paths={
            "temperature": "temperature",
            "humidity": "humidity",
            "co2": "co2",
            "occupancy": "occupancy_count",
            "temperature_setpoint": "occupied_heating_setpoint",
        },
        envelope={"power_source": "mains"},
        command_topic=PREFIX + "/zigbee2mqtt/{device}/set",
        command='{"{key}": {value}}',
        availability=(PREFIX + "/zigbee2mqtt/{device}/availability", "online", "offline"),
    ),
    "ev-charger": Dialect(
        topic=PREFIX + "/shelly/{device}/events/rpc",
        paths={
            "power": "params.charger:0.power",
            "current": "params.charger:0.current",
            "voltage": "params.charger:0.voltage",
            "session_energy": "params.charger:0.session_energy",
            "vehicle_soc": "params.charger:0.vehicle_soc",
            "current_limit": "params.charger:0.current_limit",
            "connector_state": "params.charger:0.state",
        },
        envelope={"src": "{device}", "method": "NotifyStatus"},
        command_topic=PREFIX + "/shelly/{device}/rpc",
        command='{"method": "Charger.SetConfig", "params": {"{key}": {value}}}',
        availability=(PREFIX + "/shelly/{device}/online", "true", "false"),
        only_changes=True,
    ),
    "weather-station": Dialect(
        topic=PREFIX + "/weather/{device}/observation",
        paths={
            "air_temperature": "outdoor.temperature",
            "humidity": "outdoor.humidity",
            "pressure": "pressure",
            "wind_speed": "wind.speed",
            "wind_direction": "wind.direction",
            "irradiance": "solar.irradiance",
            "rain_rate": "rain.rate",
        },
        envelope={"station": "{device}"},
        command_topic=PREFIX + "/weather/{device}/command",
        command='{"{key}": {value}}',
        availability=(PREFIX + "/weather/{device}/status", "online", "offline"),
    ),
}


def plain_dialect(metrics: tuple[Metric, ...]) -> Dialect:
    """One flat object a message: what gateways of soil nodes, valves and small machines send."""
    topic = PREFIX + "/things/{device}"
    return Dialect(
        topic=topic + "/state",
        paths={metric.name: metric.name for metric in metrics},
        envelope={"id": "{device}"},
        command_topic=topic + "/set",
        command='{"{key}": {value}}',
        availability=(topic + "/status", "online", "offline"),
    )


class MqttDevice:
    """One device with a connection of its own, so that a cut is a cut; it reconnects with backoff like a real one."""

    def __init__(
        self, device: Device, metrics: tuple[Metric, ...], broker: Broker, period_s: float, written: Written
    ) -> None:
        self.device = device
        self._metrics, self._broker, self._written = metrics, broker, written
        self._dialect = DIALECTS.get(device.kind) or plain_dialect(metrics)
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None
        self._away = False  # cut off: a farewell that fails must not make it come back
        self._values: Mapping[str, Value | None] = {}
        self._news = asyncio.Event()

    @property
    def port(self) -> int:
        """It listens on none."""
        return 0

    @property
    def topic(self) -> str:
        """Where it publishes."""
        return self._dialect.topic.format(device=self.device.name)

    @property
    def _command_topic(self) -> str:
        return self._dialect.command_topic.format(device=self.device.name)

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Keep a connection in a task of `tasks`; a broker that is not there yet is waited for."""
        self._away = False
        self._task = tasks.create_task(self._stay_connected(), name=f"mqtt {self.device.name}")

    async def cut(self) -> None:
        """Disconnect and stay away; the last word is what the broker would say of a lost device."""
        self._away = True
        if self._task is not None:
            while not self._task.done():  # Python 3.11's wait_for can swallow a cancellation
                self._task.cancel()
                self._news.set()
                await asyncio.wait([self._task], timeout=TIMEOUT_S)
            self._task = None

    async def close(self) -> None:
        """End the device."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Leave the values to the device's own task, so that a slow broker holds up nobody else."""
        self._values = values
        self._news.set()

    def source(self) -> dict[str, Any]:
        """The agent's table: one rule for what it says, one for whether it lives."""
        name, dialect, broker = self.device.name, self._dialect, self._broker
        metrics = []
        for metric in self._metrics:
            path = dialect.paths[metric.name]
            spec = {"path": path, "kind": metric.kind, **point_spec(self.device, metric)}
            if metric.writable:
                spec["command"] = dialect.command_topic.format(device=name)
                spec["command_payload"] = dialect.command.replace("{key}", path.rpartition(".")[2])
            metrics.append(spec)
        topic, _, offline = dialect.availability
        rules = [
            {"pattern": topic.format(device=name), "payload": "availability", "device": name, "offline": [offline]},
            {"pattern": self.topic, "device": name, "metrics": metrics},
        ]
        login = {"user": broker.username, "password": broker.password} if broker.username else {}
        table = {"kind": "mqtt", "name": name, "url": f"mqtt://{broker.host}:{broker.port}"}
        return {**table, "qos": _QOS, "topic": rules, **login}

    async def _stay_connected(self) -> None:
        """Connect, speak and take commands, and connect again."""
        wait_s = RECONNECT_S_MIN
        while not self._away:
            try:
                async with self._new_client() as client:
                    await client.subscribe(self._command_topic)
                    wait_s = RECONNECT_S_MIN
                    try:
                        await self._greet(client)
                        async with asyncio.TaskGroup() as talk:
                            talk.create_task(self._listen(client), name=f"mqtt {self.device.name} listens")
                            talk.create_task(self._speak(client), name=f"mqtt {self.device.name} speaks")
                    finally:
                        with contextlib.suppress(aiomqtt.MqttError):  # it would hide the cancellation
                            await self._take_leave(client)
            except* aiomqtt.MqttError:
                wait_s = min(2.0 * wait_s, RECONNECT_S_MAX)
            await asyncio.sleep(wait_s)

    async def _greet(self, client: aiomqtt.Client) -> None:
        """The first word of a connection."""
        await client.publish(*self._presence(alive=True), qos=1, retain=True)

    async def _take_leave(self, client: aiomqtt.Client) -> None:
        """The last word; a broker that hangs is not waited for."""
        await client.publish(*self._presence(alive=False), retain=True, timeout=FAREWELL_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self._obey(message.payload)

    async def _speak(self, client: aiomqtt.Client) -> None:
        """Say what there is to say each period; a new connection begins with everything."""
        said: dict[str, Value] = {}
        full_s = 0.0
        while not self._away:  # Python 3.11's wait_for can swallow the one cancellation that a task group sends
            await self._news.wait()
            self._news.clear()
            shown = {metric.name: rounded(self._values[metric.name], metric) for metric in self._metrics}
            news = {name: value for name, value in shown.items() if value is not None}
            now_s = time.monotonic()
            if not self._dialect.only_changes or now_s >= full_s:
                full_s = now_s + FULL_EVERY_S
            else:
                news = {name: value for name, value in news.items() if said.get(name) != value}
            said.update(news)
            if news:
                await client.publish(self.topic, payload(self._dialect, self.device.name, news))
            await asyncio.sleep(self._period_s)

    def _will(self) -> aiomqtt.Will:
        topic, word = self._presence(alive=False)
        return aiomqtt.Will(topic, word, qos=1, retain=True)

    def _new_client(self) -> aiomqtt.Client:
        broker = self._broker
        return aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=f"sim-{self.device.name}",
            clean_session=True,
            will=self._will(),
            timeout=TIMEOUT_S,
        )

    def _presence(self, *, alive: bool) -> tuple[str, str]:
        """Topic and word of the device's availability."""
        topic, online, offline = self._dialect.availability
        return topic.format(device=self.device.name), online if alive else offline

    def _obey(self, body: object) -> None:
        """Take a command `{"<path's last name>": number}`; a device ignores what it does not understand."""
        try:
            asked = json.loads(body) if isinstance(body, bytes | str) else None
        except ValueError:
            return
        if not isinstance(asked, dict):
            return
        params = asked.get("params", asked)
        for name, path in self._dialect.paths.items():
            value = params.get(path.rpartition(".")[2]) if isinstance(params, dict) else None
            if isinstance(value, int | float) and not isinstance(value, bool):
                try:
                    self._written(name, float(value))
                except InputError:
                    continue


def payload(dialect: Dialect, device: str, values: Mapping[str, Value]) -> bytes:
    """The JSON message that carries `values`."""
    message: dict[str, Any] = {key: text.format(device=device) for key, text in dialect.envelope.items()}
    for name, value in values.items():
        *parents, leaf = dialect.paths[name].split(".")
        here = message
        for parent in parents:
            here = here.setdefault(parent, {})
        here[leaf] = value
    return json.dumps(message, separators=(",", ":")).encode()


def rounded(value: Value | None, metric: Metric) -> Value | None:
    """What the device's display resolution leaves of a value."""
    if not isinstance(value, float):
        return value
    decimals = DECIMALS.get(metric.unit, 2)
    return round(value, decimals) if decimals else round(value)
