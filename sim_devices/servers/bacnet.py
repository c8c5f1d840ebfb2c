"""A device as a BACnet/IP controller: change-of-value, segmentation, a priority array under all that can be commanded.

Metrics become objects: inputs, or values where they are writable. bacpypes3 answers; this file adds a cable that can be
pulled, a physics that is told what is commanded, and a limit on confirmed notifications under way, of which there can
be 256 a client at most (the library would look for a free number for ever).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
from collections.abc import Mapping
from typing import Any

from bacpypes3.app import Application
from bacpypes3.appservice import ApplicationServiceAccessPoint
from bacpypes3.comm import bind
from bacpypes3.errors import ExecutionError
from bacpypes3.ipv4 import IPv4DatagramProtocol, IPv4DatagramServer
from bacpypes3.ipv4.bvll import BVLLCodec
from bacpypes3.ipv4.service import BIPNormal, UDPMultiplexer
from bacpypes3.local.analog import AnalogInputObject, AnalogValueObject
from bacpypes3.local.binary import BinaryInputObject, BinaryValueObject
from bacpypes3.local.cmd import Commandable
from bacpypes3.local.cov import GenericCriteria
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.multistate import MultiStateInputObject
from bacpypes3.netservice import NetworkServiceAccessPoint, NetworkServiceElement
from bacpypes3.pdu import IPv4Address
from bacpypes3.primitivedata import Null

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, Written, point_spec, udp_socket
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = ["BacnetServer", "Instrument", "object_of"]

FIRST_INSTANCE = 100_000
APDU_BYTES = 480  # of an MS/TP device behind a router: long lists come in segments
UNDER_WAY_MAX = 32  # confirmed notifications to a client
REREAD_PERIODS = 12  # after so many an agent reads even what did not change
COV_SHARE = 0.001  # of the range, or of 100 where there is none
UNITS = {
    "Cel": "degreesCelsius", "%": "percent", "kW": "kilowatts", "W": "watts", "kW.h": "kilowattHours", "Pa": "pascals",
    "kPa": "kilopascals", "bar": "bars", "m3/h": "cubicMetersPerHour", "L/s": "litersPerSecond", "L/h": "litersPerHour",
    "[ppm]": "partsPerMillion", "Hz": "hertz", "A": "amperes", "V": "volts", "h": "hours", "m/s": "metersPerSecond",
    "lx": "luxes", "K": "degreesKelvin", "m3": "cubicMeters", "{rpm}": "revolutionsPerMinute", "W/m2":
    "wattsPerSquareMeter", "min": "minutes", "s": "seconds", "mbar": "millibars", "hPa": "hectopascals",
}  # fmt: skip

logging.getLogger("bacpypes3").setLevel(logging.CRITICAL)


def object_of(metrics: tuple[Metric, ...]) -> dict[str, tuple[str, int]]:
    """The object of each metric: type by what it is and whether it can be commanded, numbered from 1 within a type."""
    counts: dict[str, int] = {}
    found = {}
    for metric in metrics:
        if metric.kind == "state":
            kind = "multi-state-input"
        else:
            kind = ("binary" if metric.declared == "bool" else "analog") + ("-value" if metric.writable else "-input")
        counts[kind] = counts.get(kind, 0) + 1
        found[metric.name] = (kind, counts[kind])
    return found


class _Cable(IPv4DatagramServer):  # type: ignore[misc]  # untyped
    """A socket that can be pulled and put back under a running stack."""

    def __init__(self, port: int) -> None:
        self.port, self._socket = port, udp_socket(port)
        self.port = self._socket.getsockname()[1]
        super().__init__(IPv4Address(f"{LOOPBACK}:{self.port}"), no_broadcast=True, bind_socket=self._socket)

    async def retrying_create_datagram_endpoint(
        self, loop: Any, address: Any, bind_socket: Any = None
    ) -> tuple[Any, Any]:
        def protocol() -> IPv4DatagramProtocol:
            made = IPv4DatagramProtocol()
            made.server = self
            return made

        endpoint: tuple[Any, Any] = await loop.create_datagram_endpoint(protocol, sock=bind_socket)
        return endpoint

    async def indication(self, pdu: Any) -> None:
        if self.local_transport is None or not self.local_transport.is_closing():
            await super().indication(pdu)

    async def put_back(self) -> None:
        """Listen again at the same port."""
        endpoint = await self.retrying_create_datagram_endpoint(asyncio.get_running_loop(), None, udp_socket(self.port))
        self.local_transport, self.local_protocol = endpoint


class Instrument(Application):  # type: ignore[misc]  # untyped
    """The stack of one device: services of bacpypes3, notifications in a bounded queue."""

    def __init__(self, device: DeviceObject, cable: IPv4DatagramServer) -> None:
        super().__init__()
        self.asap = ApplicationServiceAccessPoint(device, self.device_info_cache)
        self.nsap, self.nse = NetworkServiceAccessPoint(), NetworkServiceElement()
        self.link, multiplexer = BIPNormal(), UDPMultiplexer()
        bind(self.nse, self.nsap)
        bind(self, self.asap, self.nsap)
        bind(self.link, BVLLCodec(), multiplexer.annexJ)
        bind(multiplexer, cable)
        self.nsap.bind(self.link, address=IPv4Address("{}:{}".format(*cable.local_address)))
        self.add_object(device)
        self.device_object = device  # answers to the instance that stands for any
        self.notifications = 0
        self._under_way: dict[Any, int] = {}
        self._waiting: dict[tuple[Any, Any], tuple[Any, Any]] = {}

    def cov_notification(self, cov: Any, apdu: Any) -> None:
        """Send now, or keep the newest of each object until the client has confirmed others."""
        client = apdu.pduDestination
        if not cov.confirmed:
            self.notifications += 1
            self.request(apdu)
        elif self._under_way.get(client, 0) >= UNDER_WAY_MAX:
            self._waiting[client, cov.obj_id] = (cov, apdu)
        else:
            self.notifications += 1
            self._under_way[client] = self._under_way.get(client, 0) + 1
            self.request(apdu).add_done_callback(functools.partial(self._confirmed, client))

    def _confirmed(self, client: Any, future: asyncio.Future[Any]) -> None:
        if not future.cancelled():
            future.exception()  # a client that is gone: its subscription ends with its lifetime
        self._under_way[client] -= 1
        for key in [key for key in self._waiting if key[0] == client][:1]:
            self.cov_notification(*self._waiting.pop(key))


class BacnetServer:
    """One device with its objects, which keep their priority arrays and subscriptions over a cut."""

    def __init__(
        self,
        device: Device,
        metrics: tuple[Metric, ...],
        written: Written,
        *,
        instance: int = FIRST_INSTANCE,
        period_s: float = 1.0,
        port: int = 0,
    ) -> None:
        self.device, self.instance = device, instance
        self._metrics, self._written = metrics, written
        self._period_s, self._port = period_s, port
        self.stack: Instrument | None = None
        self._cable: _Cable | None = None
        self.objects: dict[str, Any] = {}
        self._shown: dict[str, Value | None] = {}
        self._resolution = {metric.name: _increment(metric) / 2 for metric in metrics}

    @property
    def port(self) -> int:
        """Its UDP port on loopback, kept over cuts; 0 before the first start unless one was asked for."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen."""
        if self._cable is not None:
            await self._cable.put_back()
            return
        self._cable = _Cable(self._port)
        self._port = self._cable.port
        await self._cable._local_transport_ready.wait()
        about = DeviceObject(
            objectIdentifier=("device", self.instance),
            objectName=self.device.name,
            description=self.device.label,
            vendorIdentifier=999,
            vendorName="AID4",
            maxApduLengthAccepted=APDU_BYTES,
            maxSegmentsAccepted=64,
            segmentationSupported="segmented-both",
        )
        self.stack = Instrument(about, self._cable)
        for name, (kind, number) in object_of(self._metrics).items():
            metric = next(metric for metric in self._metrics if metric.name == name)
            self.objects[name] = _made(metric, kind, number, self._taken)
            self.stack.add_object(self.objects[name])

    async def cut(self) -> None:
        """Pull the cable."""
        if self._cable is not None:
            self._cable.close()

    async def close(self) -> None:
        """End, with its subscriptions."""
        await self.cut()
        if self.stack is not None:
            for detection in list(self.stack._cov_detections.values()):
                for cov in list(detection.cov_subscriptions):
                    self.stack.cancel_subscription(cov)
            self.stack = None

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Show what changed by more than its converter resolves; a sensor that has nothing to say is at fault."""
        for metric in self._metrics:
            value = values[metric.name]
            if metric.name not in self.objects or not self._is_news(metric.name, value):
                continue
            self._shown[metric.name] = value
            shown = self.objects[metric.name]
            faulty = value is None or (isinstance(value, float) and not math.isfinite(value))
            if faulty != bool(shown.statusFlags[1]):
                shown.statusFlags = [0, int(faulty), 0, 0]
            if value is not None and not faulty:
                _show(shown, metric, value)

    def _is_news(self, name: str, value: Value | None) -> bool:
        was = self._shown.get(name)
        if isinstance(value, float) and isinstance(was, float):
            return not abs(value - was) < self._resolution[name]  # so that NaN is news
        return name not in self._shown or was != value

    def source(self) -> dict[str, Any]:
        """The agent's table: by address, with what the site's table says of each point."""
        objects = object_of(self._metrics)
        points = [
            point_spec(self.device, metric) | {"object": "{},{}".format(*objects[metric.name])}
            for metric in self._metrics
        ]
        device = {"name": self.device.name, "address": f"{LOOPBACK}:{self._port}", "points": points}
        return {
            "kind": "bacnet",
            "name": self.device.name,
            "device": self.device.name,
            "bind": f"{LOOPBACK}:0",
            "period_s": self._period_s,
            "reread_s": REREAD_PERIODS * self._period_s,
            "devices": [device],
        }

    def _taken(self, metric: Metric, value: float) -> None:
        """Hand a command to the physics."""
        try:
            self._written(metric.name, value)
        except InputError as error:
            raise ExecutionError(errorClass="property", errorCode="valueOutOfRange") from error


def _increment(metric: Metric) -> float:
    span = metric.high - metric.low if metric.high is not None and metric.low is not None else 100.0
    return span * COV_SHARE


def _show(shown: Any, metric: Metric, value: Value) -> None:
    if metric.kind == "state":
        texts = [str(text) for text in shown.stateText]
        plain: Any = texts.index(str(value)) + 1 if str(value) in texts else 1
    else:
        plain = ("active" if value else "inactive") if metric.declared == "bool" else float(value)
    if metric.writable:
        shown.relinquishDefault = plain
        shown.recalculating()
    else:
        shown.presentValue = plain


def _made(metric: Metric, kind: str, number: int, taken: Any) -> Any:
    about: dict[str, Any] = {
        "objectIdentifier": (kind, number),
        "objectName": metric.name,
        "description": metric.name.replace("_", " "),
        "statusFlags": [0, 0, 0, 0],
        "eventState": "normal",
        "outOfService": False,
    }
    if kind == "multi-state-input":
        texts = list(metric.model.states) if metric.model and metric.model.states else ["unknown"]
        return _MultiState(**about, presentValue=1, numberOfStates=len(texts), stateText=texts)
    if kind.startswith("binary"):
        about |= {"presentValue": "inactive", "activeText": "on", "inactiveText": "off"}
        return _BinaryValue(metric, taken, **about) if metric.writable else BinaryInputObject(**about)
    about |= {"presentValue": 0.0, "units": UNITS.get(metric.unit, "noUnits"), "covIncrement": _increment(metric)}
    return _AnalogValue(metric, taken, **about) if metric.writable else AnalogInputObject(**about)


class _MultiState(MultiStateInputObject):  # type: ignore[misc]  # untyped
    """Tells every change; the library would look for an increment, which states have not."""

    _cov_criteria = GenericCriteria


class _Commanded:
    """Tells the physics what stands after a write; a value that it does not take leaves the array as it was."""

    def __init__(self, metric: Metric, taken: Any, **about: Any) -> None:
        super().__init__(**about)
        self._metric, self._taken = metric, taken

    async def write_property(self, attr: Any, value: Any, index: Any = None, priority: Any = None) -> None:
        """As the library does, then tell."""
        if not isinstance(value, Null) and str(attr) == "present-value":
            with contextlib.suppress(ValueError):
                self._taken(self._metric, float(value))
        await super().write_property(attr, value, index, priority)  # type: ignore[misc]
        if str(attr) == "present-value":
            self._taken(self._metric, float(self.presentValue))  # type: ignore[attr-defined]


class _AnalogValue(_Commanded, Commandable, AnalogValueObject):  # type: ignore[misc]  # untyped
    """An analog value under command."""


class _BinaryValue(_Commanded, Commandable, BinaryValueObject):  # type: ignore[misc]  # untyped
    """A binary value under command."""
