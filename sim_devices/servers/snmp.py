"""An SNMP agent on a UDP port of loopback: pysnmp's own engine over a mapping of objects, and a device that has one.

It speaks v2c (community `public` reads and writes) and v3 (user `engineer`, SHA-256 and AES-128, `PASSWORDS`).
"""

from __future__ import annotations

import asyncio
import bisect
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.smi import error
from pysnmp.smi.instrum import AbstractMibInstrumController

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, Written, point_spec, udp_socket
from sim_devices.site import Device, Metric
from wire.errors import ConfigError, InputError

__all__ = ["PASSWORDS", "Oid", "SnmpAgent", "SnmpDevice", "SnmpObject", "load_objects"]

PROFILES = Path(__file__).resolve().parents[2] / "configs" / "profiles" / "snmp"
PASSWORDS = ("authentic words", "private words")
HERE = (1, 3, 6)
FREED_S_MAX = 60.0
_TYPES = {
    "integer": rfc1902.Integer32, "gauge": rfc1902.Gauge32, "counter": rfc1902.Counter64, "ticks": rfc1902.TimeTicks,
    "text": rfc1902.OctetString,
}  # fmt: skip
_TICKS = 1 << 32  # TimeTicks begin anew after 497 days

Oid = tuple[int, ...]


class SnmpObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metric: value = raw × scale; a state's raw number is the key of its word in `states`."""

    metric: str
    oid: str
    type: Literal["integer", "gauge", "counter", "ticks", "text"] = "integer"
    scale: float = 1.0
    writable: bool = False
    states: dict[str, str] = {}

    @property
    def at(self) -> Oid:
        """The object's identifier as numbers."""
        return tuple(int(part) for part in self.oid.split("."))

    def encode(self, value: Value) -> Any:
        """What the agent answers."""
        if isinstance(value, str):
            value = next((int(raw) for raw, word in self.states.items() if word == value), 0)
        raw = round(float(value) / self.scale)
        return _TYPES[self.type](raw % _TICKS if self.type == "ticks" else str(raw) if self.type == "text" else raw)

    def decode(self, sent: Any) -> float:
        """What a SET brought, in the metric's unit; ValueError when it is no number."""
        return float(sent) * self.scale


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    object: tuple[SnmpObject, ...]


def load_objects(kind: str) -> tuple[SnmpObject, ...]:
    """The objects that devices of a kind have; ConfigError when no file says it."""
    path = PROFILES / f"campus-{kind}.toml"
    try:
        return msgspec.toml.decode(path.read_bytes(), type=_Table).object
    except (OSError, msgspec.DecodeError) as problem:
        raise ConfigError(str(problem), file=str(path), fix="say which object carries each metric") from problem


class _Values(AbstractMibInstrumController):  # type: ignore[misc]  # untyped
    """What an agent shows; `asked` counts requests."""

    def __init__(self, held: Mapping[Oid, Any], write: Callable[[Oid, Any], None]) -> None:
        self.held, self.write, self.asked = held, write, 0

    def read_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        self.asked += 1
        return [(name, self.held.get(tuple(name), rfc1905.noSuchInstance)) for name, _value in pairs]

    def read_next_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        names = sorted(self.held)
        found = []
        for name, _value in pairs:
            at = bisect.bisect_right(names, tuple(name))
            end = at == len(names)
            found.append((name, rfc1905.endOfMibView) if end else (names[at], self.held[names[at]]))
        return found

    def write_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        for at, (name, value) in enumerate(pairs):
            try:
                self.write(tuple(name), value)
            except InputError as problem:
                raise error.NotWritableError(idx=at) from problem
        return list(pairs)


class SnmpAgent:
    """`held` are its objects, `write` takes a SET or raises InputError; `start` and `stop` at the same port."""

    def __init__(self, port: int, held: Mapping[Oid, Any], write: Callable[[Oid, Any], None]) -> None:
        self.port, self.values = port, _Values(held, write)
        self._engine: Any = None

    @property
    def is_up(self) -> bool:
        """Whether it listens."""
        return self._engine is not None

    async def start(self) -> None:
        """Listen and answer."""
        self.stop()
        bound = await self.socket()
        self.port = int(bound.getsockname()[1])
        self._engine = made = engine.SnmpEngine()
        config.add_transport(made, udp.DOMAIN_NAME, udp.UdpTransport().open_server_mode(sock=bound))
        config.add_v1_system(made, "lab", "public")
        config.add_v3_user(
            made, "engineer", config.USM_AUTH_HMAC192_SHA256, PASSWORDS[0], config.USM_PRIV_CFB128_AES, PASSWORDS[1]
        )
        config.add_vacm_user(made, 2, "lab", "noAuthNoPriv", HERE, HERE)
        config.add_vacm_user(made, 3, "engineer", "authPriv", HERE, HERE)
        about = context.SnmpContext(made)
        about.unregister_context_name(b"")
        about.register_context_name(b"", self.values)
        for responder in (cmdrsp.GetCommandResponder, cmdrsp.BulkCommandResponder, cmdrsp.SetCommandResponder):
            responder(made, about)

    def stop(self) -> None:
        """Leave the net."""
        if self._engine is not None:
            self._engine.close_dispatcher()
            self._engine = None

    async def socket(self) -> socket.socket:
        """A socket at its port; one that was closed leaves it some turns of the loop later."""
        async with asyncio.timeout(FREED_S_MAX):
            while True:
                try:
                    return udp_socket(self.port)
                except OSError:
                    await asyncio.sleep(0.01)


class SnmpDevice:
    """One device of the park that tells its values as objects."""

    def __init__(
        self, device: Device, metrics: tuple[Metric, ...], written: Written, *, period_s: float, port: int = 0
    ) -> None:
        self.device = device
        self._metrics = {metric.name: metric for metric in metrics}
        self._written, self._period_s = written, period_s
        self._objects = _Shown([one for one in load_objects(device.kind) if one.metric in self._metrics])
        self._agent = SnmpAgent(port, self._objects, self._write)

    @property
    def port(self) -> int:
        """Where it listens on loopback; 0 when it does not."""
        return self._agent.port if self._agent.is_up else 0

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen, at the same port each time."""
        await self._agent.start()

    async def cut(self) -> None:
        """Stop listening."""
        self._agent.stop()

    async def close(self) -> None:
        """End the device."""
        self._agent.stop()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """What the next questions are answered with."""
        self._objects.values_now = values

    def source(self) -> dict[str, Any]:
        """The agent's table: every object, at the device's pace."""
        points = []
        for one in self._objects.of.values():
            metric = self._metrics[one.metric]
            spec: dict[str, Any] = {"oid": one.oid, "scale": one.scale, **point_spec(self.device, metric)}
            if one.states:
                spec["states"] = one.states
            if metric.writable:
                spec |= {"writable": True, "sent_as": "unsigned" if one.type == "gauge" else "integer"}
            points.append(spec)
        url = f"udp://{LOOPBACK}:{self._agent.port}"
        return {"kind": "snmp", "name": self.device.name, "url": url, "period_s": self._period_s, "points": points}

    def _write(self, oid: Oid, sent: Any) -> None:
        one = self._objects.of.get(oid)
        if one is None or not one.writable:
            raise InputError(f"{oid} takes no SET", field="oid")
        try:
            value = one.decode(sent)
        except (TypeError, ValueError) as problem:
            raise InputError("is no number", field="value") from problem
        self._written(one.metric, value)


class _Shown(Mapping[Oid, Any]):
    """The objects that have a value now, encoded when somebody asks."""

    def __init__(self, objects: list[SnmpObject]) -> None:
        self.of = {one.at: one for one in objects}
        self.values_now: Mapping[str, Value | None] = {}

    def __getitem__(self, oid: Oid) -> Any:
        value = self.values_now.get(self.of[oid].metric)
        if value is None:
            raise KeyError(oid)
        return self.of[oid].encode(value)

    def __iter__(self) -> Iterator[Oid]:
        return (oid for oid, one in self.of.items() if self.values_now.get(one.metric) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
