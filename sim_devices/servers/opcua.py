"""A machine tool as an OPC UA server, laid out after umati: Machines/<machine>/{Identification,Monitoring,Production}.

Node ids are `ns=<index>;s=<device>.<path with dots>`; the namespace is NAMESPACE. What changes fast is written at
every tick of the physics, so a subscription sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, point_spec
from sim_devices.site import Device, Metric
from wire.clock import SystemClock

__all__ = ["NAMESPACE", "NODES", "OpcUaServer"]

_CLOCK = SystemClock()
NAMESPACE = "urn:aid4:sim:machine-tools"
MACHINERY, MACHINES_ID = "http://opcfoundation.org/UA/Machinery/", 1001  # OPC 40001-1
UNECE_URI = "http://www.opcfoundation.org/UA/units/un/cefact"
UNECE = {"Cel": "CEL", "mm": "MMT", "mm/s": "C16", "%": "P1", "kW": "KWT", "W": "WTT", "/min": "RPM", "1": "C62"}
NODES = {
    "spindle_speed": "Monitoring.Spindle.ActualSpeed",
    "spindle_load": "Monitoring.Spindle.Load",
    "spindle_temperature": "Monitoring.Spindle.Temperature",
    "vibration": "Monitoring.Spindle.Vibration",
    "feed_rate": "Monitoring.Channel.FeedRate",
    "position_x": "Monitoring.Channel.X.ActualPosition",
    "position_y": "Monitoring.Channel.Y.ActualPosition",
    "position_z": "Monitoring.Channel.Z.ActualPosition",
    "power": "Monitoring.MachineTool.ActivePower",
    "execution": "Monitoring.Channel.State",
    "program": "Production.ActiveProgram.Name",
    "parts_made": "Production.PartsMade",
}
VARIANTS = {
    "bool": ua.VariantType.Boolean,
    "enum": ua.VariantType.String,
    "text": ua.VariantType.String,
    "f32": ua.VariantType.Float,
    "f64": ua.VariantType.Double,
    "i16": ua.VariantType.Int16,
    "i32": ua.VariantType.Int32,
    "u16": ua.VariantType.UInt16,
    "u32": ua.VariantType.UInt32,
}
EMPTY: dict[str, Value] = {"bool": False, "enum": "", "text": "", "f32": 0.0, "f64": 0.0}


class OpcUaServer:
    """One machine's server, without security, as such machines stand in a shop-floor network."""

    def __init__(self, device: Device, metrics: tuple[Metric, ...], *, period_s: float = 0.5, port: int = 0) -> None:
        self.device = device
        self._metrics, self._period_s = metrics, period_s
        self._port = port
        self._server: Server | None = None
        self._variants = {metric.name: VARIANTS[metric.declared] for metric in metrics}
        self._nodes: dict[str, ua.NodeId] = {}
        self._shown: dict[str, Value | None] = {}
        self.ahead_s = 0.0  # of the device's own clock

    @property
    def port(self) -> int:
        """Its TCP port on loopback; 0 before the first start unless one was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """Where a client connects; known once started."""
        return f"opc.tcp://{LOOPBACK}:{self._port}/{self.device.name}"

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen. The address space is built once, and survives a cut as a machine's does."""
        if self._server is None:
            self._server = await self._build()
            await self._server.start()
            self._port = self._server.bserver.port
        else:
            await self._server.bserver.start()

    async def cut(self) -> None:
        """Drop the clients and stop listening."""
        if self._server is not None:
            await self._server.bserver.stop()

    async def close(self) -> None:
        """End the server."""
        if self._server is None:
            return
        server, self._server = self._server, None
        if (clock := server.iserver.time_task) is not None:  # else stopping waits for its next second
            clock.cancel()
            await asyncio.wait([clock])
            server.iserver.time_task = None
        await server.stop()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Write what changed; a missing value becomes BadSensorFailure."""
        if self._server is None:
            return
        now = datetime.fromtimestamp(_CLOCK.wall_us() / 1e6 + self.ahead_s, UTC)
        for name, node in self._nodes.items():
            value = values[name]
            if name in self._shown and self._shown[name] == value:
                continue
            self._shown[name] = value
            await self._server.write_attribute_value(node, _data_value(value, self._variants[name], now))

    async def alarm(self, name: str, text: str, severity: int, *, active: bool) -> None:
        """Raise a condition of the machine, or say that it is over; both are events of the server (Part 9)."""
        assert self._server is not None
        raised = await self._server.get_event_generator(ua.ObjectIds.AlarmConditionType)
        raised.event.SourceNode = ua.NodeId(self.device.name, next(iter(self._nodes.values())).NamespaceIndex)
        raised.event.SourceName, raised.event.Severity, raised.event.ConditionName = self.device.name, severity, name
        raised.event.add_property("ActiveState/Id", active, ua.VariantType.Boolean)
        raised.event.add_property("AckedState/Id", False, ua.VariantType.Boolean)
        await raised.trigger(message=text)

    def source(self) -> dict[str, Any]:
        """The agent's table: every variable by its node id, by subscription."""
        return {
            "kind": "opcua",
            "name": self.device.name,
            "device": self.device.name,
            "url": self.url,
            "period_s": self._period_s,
            "nodes": [
                {"id": self._nodes[metric.name].to_string(), **point_spec(self.device, metric)}
                for metric in self._metrics
            ],
        }

    async def _build(self) -> Server:
        server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name(self.device.label or self.device.name)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace(NAMESPACE)
        name = self.device.name
        machinery = await server.register_namespace(MACHINERY)
        folder = ua.NodeId(MACHINES_ID, machinery)
        machines = await server.nodes.objects.add_folder(folder, ua.QualifiedName("Machines", machinery))
        machine = await machines.add_object(ua.NodeId(name, index), ua.QualifiedName(name, index))
        parents = {"": machine}
        for path, text in _identification(self.device).items():
            parent, leaf = await _parent_of(parents, name, f"Identification.{path}", index)
            node_id = ua.NodeId(f"{name}.Identification.{path}", index)
            await parent.add_property(node_id, ua.QualifiedName(leaf, index), text, ua.VariantType.String)
        for metric in self._metrics:
            path = NODES.get(metric.name, f"Monitoring.{metric.name}")
            parent, leaf = await _parent_of(parents, name, path, index)
            node_id = ua.NodeId(f"{name}.{path}", index)
            kind = self._variants[metric.name]
            variable = await parent.add_variable(
                node_id, ua.QualifiedName(leaf, index), EMPTY.get(metric.declared, 0), kind
            )
            if metric.unit:
                await variable.add_property(0, "EngineeringUnits", _unit(metric.unit))
            self._nodes[metric.name] = node_id
        return server


async def _parent_of(parents: dict[str, Any], name: str, path: str, index: int) -> tuple[Any, str]:
    """The object that holds the last name of `path`, made with its ancestors where missing."""
    *folders, leaf = path.split(".")
    for depth in range(1, len(folders) + 1):
        here = ".".join(folders[:depth])
        if here not in parents:
            above = parents[".".join(folders[: depth - 1])]
            qualified = ua.QualifiedName(folders[depth - 1], index)
            parents[here] = await above.add_object(ua.NodeId(f"{name}.{here}", index), qualified)
    return parents[".".join(folders)], leaf


def _unit(unit: str) -> ua.EUInformation:
    """A UCUM code as a machine tells it: by its UNECE code where it has one."""
    number = int.from_bytes(UNECE.get(unit, "").encode(), "big")
    label = ua.LocalizedText(unit)
    return ua.EUInformation(NamespaceUri=UNECE_URI, UnitId=number, DisplayName=label, Description=label)


def _identification(device: Device) -> dict[str, str]:
    """What umati's MachineIdentification asks for."""
    return {
        "Manufacturer": "AID4",
        "Model": "Simulated machining centre",
        "SerialNumber": device.name,
        "ProductInstanceUri": f"{NAMESPACE}:{device.name}",
        "Location": device.space,
    }


def _data_value(value: Value | None, kind: ua.VariantType, now: datetime) -> ua.DataValue:
    if value is None:
        status = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
        return ua.DataValue(ua.Variant(None), status, SourceTimestamp=now, ServerTimestamp=now)
    return ua.DataValue(ua.Variant(value, kind), SourceTimestamp=now, ServerTimestamp=now)
