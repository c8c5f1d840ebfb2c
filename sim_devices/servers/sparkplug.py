"""A machine behind a Sparkplug B 3.0 edge node of its own: births with aliases, data by alias, commands, death by will.

It says what changed each period, and everything in its births: when it connects, and when a host asks for a rebirth.
The bytes come from `sparkplug_bytes`, so the agent's decoder is checked against an encoder that it does not share.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiomqtt

from sim_devices.readouts import Value
from sim_devices.servers import Written, point_spec
from sim_devices.servers.mqtt import FAREWELL_S, Broker, MqttDevice, rounded
from sim_devices.servers.sparkplug_bytes import BOOLEAN, DOUBLE, INT64, STRING, Told, payload, read
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = ["GROUP", "NAMESPACE", "SparkplugNode"]

NAMESPACE, GROUP = "spBv1.0", "park"
REBIRTH = "Node Control/Rebirth"
SEQ = 256


class SparkplugNode(MqttDevice):
    """The edge node `park/{device}-node` with one device, named as in the table."""

    def __init__(
        self, device: Device, metrics: tuple[Metric, ...], broker: Broker, period_s: float, written: Written
    ) -> None:
        super().__init__(device, metrics, broker, period_s, written)
        self._node = f"{device.name}-node"
        self._aliases = {metric.name: number for number, metric in enumerate(metrics, 1)}
        self._bd_seq, self._seq, self._born = 0, 0, False
        self._said: dict[str, Value] = {}

    @property
    def topic(self) -> str:
        """Where its data comes."""
        return self._topic("DDATA", self.device.name)

    @property
    def _command_topic(self) -> str:
        return f"{NAMESPACE}/{GROUP}/+/{self._node}/#"  # NCMD and DCMD; of its own words it takes no notice

    def source(self) -> dict[str, Any]:
        """The agent's table: the park's group with this one node."""
        broker, name = self._broker, self.device.name
        login = {"user": broker.username, "password": broker.password} if broker.username else {}
        rules = []
        for metric in self._metrics:
            spec = point_spec(self.device, metric)
            told = spec.pop("metric")
            rules.append({"path": f"{name}/{told}", "writable": metric.writable, **spec})
        table = {"kind": "sparkplug", "name": name, "url": f"mqtt://{broker.host}:{broker.port}", "groups": [GROUP]}
        return {**table, "devices": {f"{GROUP}/{self._node}/{name}": name}, "metrics": rules, **login}

    async def _greet(self, client: aiomqtt.Client) -> None:
        self._born = False  # until there are values to be born with

    async def _take_leave(self, client: aiomqtt.Client) -> None:
        await client.publish(self._topic("NDEATH"), self._death(), timeout=FAREWELL_S)

    def _will(self) -> aiomqtt.Will:
        self._bd_seq = (self._bd_seq + 1) % SEQ
        return aiomqtt.Will(self._topic("NDEATH"), self._death(), qos=1, retain=False)

    async def _speak(self, client: aiomqtt.Client) -> None:
        """Be born, then tell what changed each period."""
        while not self._away:
            await self._news.wait()
            self._news.clear()
            if not self._born:
                await self._be_born(client)
            else:
                news = {name: value for name, value in self._shown().items() if self._said.get(name) != value}
                if news:
                    told = [self._told(name, value, by_alias=True) for name, value in news.items()]
                    await client.publish(self.topic, payload(_now_ms(), told, self._turn()))
                    self._said |= news
            await asyncio.sleep(self._period_s)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            kind = message.topic.value.split("/")[2]
            if kind not in ("NCMD", "DCMD") or not isinstance(message.payload, bytes):
                continue
            try:
                asked = read(message.payload)
            except (ValueError, KeyError):
                continue
            for one in asked:
                if kind == "NCMD" and one.name == REBIRTH and one.value is True:
                    await self._be_born(client)
                elif kind == "DCMD":
                    self._obey_metric(one)
            self._news.set()

    async def _be_born(self, client: aiomqtt.Client) -> None:
        self._seq, now = 0, _now_ms()
        birth = [Told("bdSeq", INT64, self._bd_seq, ms=now), Told(REBIRTH, BOOLEAN, False, ms=now)]
        await client.publish(self._topic("NBIRTH"), payload(now, birth, self._turn()))
        self._said = self._shown()
        told = [self._told(metric.name, self._said.get(metric.name)) for metric in self._metrics]
        await client.publish(self._topic("DBIRTH", self.device.name), payload(now, told, self._turn()))
        self._born = True

    def _obey_metric(self, asked: Told) -> None:
        name = asked.name or next((name for name, alias in self._aliases.items() if alias == asked.alias), "")
        value = float(asked.value == "true") if asked.value in ("true", "false") else asked.value
        if name in self._aliases and isinstance(value, int | float):
            try:
                self._written(name, float(value))
            except InputError:
                return

    def _shown(self) -> dict[str, Value]:
        shown = {metric.name: rounded(self._values.get(metric.name), metric) for metric in self._metrics}
        return {name: value for name, value in shown.items() if value is not None}

    def _told(self, name: str, value: Value | None, *, by_alias: bool = False) -> Told:
        metric = next(metric for metric in self._metrics if metric.name == name)
        kind = DOUBLE if metric.kind == "value" else BOOLEAN if metric.declared == "bool" else STRING
        return Told("" if by_alias else name, kind, value, self._aliases[name], _now_ms())

    def _death(self) -> bytes:
        return payload(_now_ms(), [Told("bdSeq", INT64, self._bd_seq)])

    def _topic(self, kind: str, device: str = "") -> str:
        return f"{NAMESPACE}/{GROUP}/{kind}/{self._node}" + (f"/{device}" if device else "")

    def _turn(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % SEQ
        return seq


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
