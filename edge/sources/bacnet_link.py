"""The BACnet/IP stack of one source: requests with a time limit, notifications handed up, strangers kept out.

bacpypes3 decodes and segments. What it leaves open is closed here: a socket that cannot be bound is told instead of
tried for ever, datagrams of unknown senders and beyond a rate are dropped and counted, a malformed one ends with
itself, and a transaction whose time is up is taken out of the stack, however long its device goes on sending segments.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from bacpypes3.apdu import (
    AbortPDU,
    ConfirmedCOVNotificationRequest,
    ErrorRejectAbortNack,
    IAmRequest,
    ReadPropertyACK,
    ReadPropertyMultipleACK,
    ReadPropertyMultipleRequest,
    ReadPropertyRequest,
    RejectPDU,
    SimpleAckPDU,
    SubscribeCOVRequest,
    UnconfirmedCOVNotificationRequest,
    WhoIsRequest,
    WritePropertyRequest,
)
from bacpypes3.app import Application
from bacpypes3.appservice import ApplicationServiceAccessPoint
from bacpypes3.basetypes import PropertyReference, ReadAccessSpecification
from bacpypes3.comm import bind
from bacpypes3.constructeddata import SequenceOf
from bacpypes3.errors import ExecutionError
from bacpypes3.ipv4 import IPv4DatagramProtocol, IPv4DatagramServer
from bacpypes3.ipv4.bvll import BVLLCodec
from bacpypes3.ipv4.service import BIPNormal, UDPMultiplexer
from bacpypes3.local.device import DeviceObject
from bacpypes3.netservice import NetworkServiceAccessPoint, NetworkServiceElement
from bacpypes3.pdu import IPv4Address
from bacpypes3.primitivedata import ObjectIdentifier

from edge.sources import SourceError, SourceHealth
from edge.sources.bacnet_values import plain

__all__ = ["BacnetLink", "Notification", "RefusedError", "Spoken", "address_of"]

DATAGRAMS_MAX: Final = 5_000  # a second; 250 points that all change take 250
BACKLOG_MAX: Final = 512  # datagrams being decoded at once
RECEIVE_BYTES: Final = 1 << 20  # a burst of notifications waits in the kernel while the loop is busy
PROCESS_ID: Final = 4_194  # of our subscriptions; a device keys them by it, our address and the object
INSTANCE_MAX: Final = 4_194_302
SEGMENTS_MAX: Final = 64  # of one answer
APDU_BYTES_MAX: Final = 1_476

logging.getLogger("bacpypes3").setLevel(logging.CRITICAL)  # it logs each malformed datagram, which are counted here
SEGMENTED_TIMES: Final = 4  # an answer in segments may take so many times what its first sign may take
OWN_ABORTS: Final = (10, 65)  # tsm-timeout and "no response": our side of the transaction gave up

Heard = Callable[[str, Any], None]


class RefusedError(Exception):
    """The device answered with an error, a reject or an abort; `kind` is one of these words."""

    def __init__(self, answer: Any) -> None:
        self.kind = "abort" if isinstance(answer, AbortPDU) else "reject" if isinstance(answer, RejectPDU) else "error"
        super().__init__(f"{self.kind} {str(answer) or type(answer).__name__}")


class Spoken(NamedTuple):
    """What a device answered for one property: its plain values, or None where it says that it has none."""

    object: tuple[int, int]
    property: int
    place: int | None
    value: list[Any] | None


class Notification(NamedTuple):
    """A change of value: the sender's address, the object, and its properties by number."""

    sender: str
    object: tuple[int, int]
    values: dict[int, list[Any]]


def address_of(text: str) -> IPv4Address:
    """`10.0.0.20`, `10.0.0.20:47809`; raises ValueError."""
    return IPv4Address(text)


class _Protocol(IPv4DatagramProtocol):  # type: ignore[misc]  # untyped
    """Lets in what is expected, at most so many a second."""

    def __init__(self, server: "_Server") -> None:
        self.server = server
        self._second, self._count = 0, 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count > DATAGRAMS_MAX or len(self.server.running) >= BACKLOG_MAX:
            self.server.health.error("flood", f"datagrams beyond {DATAGRAMS_MAX} a second were dropped")
        elif not self.server.lets_in(addr):
            self.server.health.error("stranger", f"a datagram from {addr[0]}:{addr[1]}, which is no device of ours")
        else:
            super().datagram_received(data, addr)


class _Server(IPv4DatagramServer):  # type: ignore[misc]  # untyped
    """The socket: bound before it is lent to the stack."""

    def __init__(self, bound: socket.socket, health: SourceHealth, lets_in: Callable[[tuple[str, int]], bool]) -> None:
        self.health, self.lets_in = health, lets_in
        self.running: set[asyncio.Task[Any]] = set()
        host, port = bound.getsockname()
        super().__init__(IPv4Address(f"{host}:{port}"), no_broadcast=True, bind_socket=bound)

    async def retrying_create_datagram_endpoint(self, loop: Any, addrTuple: Any, bind_socket: Any = None) -> Any:  # noqa: N803
        return await loop.create_datagram_endpoint(lambda: _Protocol(self), sock=bind_socket)

    async def confirmation(self, pdu: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            await self.response(pdu)
        except Exception as error:  # noqa: BLE001  (whatever a malformed datagram does ends with the datagram)
            self.health.error("decode", f"{pdu.pduSource}: {type(error).__name__}: {error}"[:200])
        finally:
            self.running.discard(task)


class _Application(Application):  # type: ignore[misc]  # untyped
    """Hands notifications and I-Ams up; answers nothing but Who-Is and reads of its device object."""

    def __init__(
        self, device: DeviceObject, server: _Server, heard_change: Heard, heard_i_am: Callable[[IAmRequest], None]
    ) -> None:
        super().__init__()
        self.heard_change, self.heard_i_am = heard_change, heard_i_am
        self.asap = ApplicationServiceAccessPoint(device, self.device_info_cache)
        self.nsap, self.nse = NetworkServiceAccessPoint(), NetworkServiceElement()
        self.link, self.multiplexer = BIPNormal(), UDPMultiplexer()
        bind(self.nse, self.nsap)
        bind(self, self.asap, self.nsap)
        bind(self.link, BVLLCodec(), self.multiplexer.annexJ)
        bind(self.multiplexer, server)
        self.nsap.bind(self.link, address=IPv4Address("{}:{}".format(*server.local_address)))
        self.add_object(device)

    async def do_UnconfirmedCOVNotificationRequest(self, apdu: UnconfirmedCOVNotificationRequest) -> None:  # noqa: N802
        self.heard_change(str(apdu.pduSource), apdu)

    async def do_ConfirmedCOVNotificationRequest(self, apdu: ConfirmedCOVNotificationRequest) -> None:  # noqa: N802
        self.heard_change(str(apdu.pduSource), apdu)
        await self.response(SimpleAckPDU(context=apdu))

    async def do_IAmRequest(self, apdu: IAmRequest) -> None:  # noqa: N802
        await self.device_info_cache.set_device_info(apdu)
        self.heard_i_am(apdu)

    async def do_WritePropertyRequest(self, apdu: Any) -> None:  # noqa: N802
        raise ExecutionError(errorClass="property", errorCode="writeAccessDenied")

    async def do_WritePropertyMultipleRequest(self, apdu: Any) -> None:  # noqa: N802
        raise ExecutionError(errorClass="property", errorCode="writeAccessDenied")


class BacnetLink:
    """`known` are the addresses of devices; None lets anybody in (while devices are looked for)."""

    def __init__(
        self,
        bind_to: str,
        instance: int,
        timeout_s: float,
        health: SourceHealth,
        changed: Callable[[Notification], None],
        found: Callable[[str, int], None],
    ) -> None:
        self.health, self._timeout_s = health, timeout_s
        self._bind_to, self._instance = bind_to, instance
        self._changed, self._found = changed, found
        self.known: set[tuple[str, int]] = set()
        self.is_open_to_all = False
        self._asked: dict[str, asyncio.Future[int]] = {}
        self._app: _Application

    def open(self) -> None:
        """Bind. Raises SourceError("connect")."""
        host, _, port = self._bind_to.rpartition(":")
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            bound.bind((host or "0.0.0.0", int(port)))  # noqa: S104  (devices answer on whichever interface leads there)
        except (OSError, ValueError) as error:
            bound.close()
            raise SourceError("connect", f"cannot bind {self._bind_to}: {error}") from error
        device = DeviceObject(
            objectIdentifier=("device", self._instance),
            objectName=f"aid4-{self._instance}",
            vendorIdentifier=999,
            maxApduLengthAccepted=APDU_BYTES_MAX,
            maxSegmentsAccepted=SEGMENTS_MAX,
            segmentationSupported="segmented-both",
            apduTimeout=int(self._timeout_s * 500),
            apduSegmentTimeout=int(self._timeout_s * 500),
            numberOfApduRetries=1,
        )
        self._server = _Server(bound, self.health, self._lets_in)
        self._app = _Application(device, self._server, self._heard_change, self._heard_i_am)

    def close(self) -> None:
        """Close the socket."""
        self._server.close()

    # -- services

    def who_is(self, to: IPv4Address, low: int, high: int) -> None:
        """Ask who has an instance of a range; who answers is told to `found`."""
        self._app.request(
            WhoIsRequest(deviceInstanceRangeLowLimit=low, deviceInstanceRangeHighLimit=high, destination=to)
        )

    async def instance_at(self, to: IPv4Address) -> int | None:
        """The instance that the device at an address tells when it is asked alone; None when it keeps silent."""
        answer = self._asked.setdefault(str(to), asyncio.get_running_loop().create_future())
        self.who_is(to, 0, INSTANCE_MAX)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(answer)
        except TimeoutError:
            return None
        finally:
            self._asked.pop(str(to), None)

    async def read(self, to: IPv4Address, what: tuple[int, int], name: int, index: int | None = None) -> list[Any]:
        """One property: its values, one unless it is a list or an array."""
        request = ReadPropertyRequest(objectIdentifier=ObjectIdentifier(what), propertyIdentifier=name, destination=to)
        if index is not None:
            request.propertyArrayIndex = index
        answer = await self._ask(request)
        if not isinstance(answer, ReadPropertyACK):
            raise SourceError("decode", f"{to} answered a read with {type(answer).__name__}")
        return _plain(answer.propertyValue)

    async def read_many(
        self, to: IPv4Address, wanted: Sequence[tuple[tuple[int, int], Sequence[int | tuple[int, int]]]]
    ) -> list[Spoken]:
        """Properties (or elements of arrays) of several objects in one request."""
        specs = [
            ReadAccessSpecification(
                objectIdentifier=ObjectIdentifier(what), listOfPropertyReferences=[_reference(name) for name in names]
            )
            for what, names in wanted
        ]
        answer = await self._ask(
            ReadPropertyMultipleRequest(
                listOfReadAccessSpecs=SequenceOf(ReadAccessSpecification)(specs), destination=to
            )
        )
        if not isinstance(answer, ReadPropertyMultipleACK):
            raise SourceError("decode", f"{to} answered a read of many with {type(answer).__name__}")
        spoken = []
        for result in answer.listOfReadAccessResults:
            what = (int(result.objectIdentifier[0]), int(result.objectIdentifier[1]))
            for element in result.listOfResults or ():
                value = element.readResult.propertyValue
                value = None if value is None else _plain(value)
                spoken.append(Spoken(what, int(element.propertyIdentifier), element.propertyArrayIndex, value))
        return spoken

    async def subscribe(self, to: IPv4Address, what: tuple[int, int], lifetime_s: int, *, confirmed: bool) -> None:
        """Subscribe, or renew; the device answers with the present value as a first notification."""
        await self._ask(
            SubscribeCOVRequest(
                subscriberProcessIdentifier=PROCESS_ID,
                monitoredObjectIdentifier=ObjectIdentifier(what),
                issueConfirmedNotifications=confirmed,
                lifetime=lifetime_s,
                destination=to,
            )
        )

    async def write(self, to: IPv4Address, what: tuple[int, int], name: int, value: Any, priority: int | None) -> None:
        """Write one property; `value` is of a type of bacpypes3."""
        request = WritePropertyRequest(
            objectIdentifier=ObjectIdentifier(what), propertyIdentifier=name, propertyValue=value, destination=to
        )
        if priority is not None:
            request.priority = priority
        await self._ask(request)

    async def _ask(self, request: Any) -> Any:
        """The answer; RefusedError when the device says no, SourceError("read") when it says nothing in time."""
        future = self._app.request(request)
        try:
            async with asyncio.timeout(SEGMENTED_TIMES * self._timeout_s):
                answer = await future
        except TimeoutError:
            raise SourceError("read", f"{request.pduDestination} came to no end with its answer") from None
        except ErrorRejectAbortNack as refusal:
            if isinstance(refusal, AbortPDU) and refusal.apduAbortRejectReason in OWN_ABORTS:
                raise SourceError("read", f"{request.pduDestination} gave no answer in {self._timeout_s:g} s") from None
            raise RefusedError(refusal) from None
        finally:
            self._forget(request)
        return answer

    def _forget(self, request: Any) -> None:
        """Take a transaction out of the stack, whose timers and segments would outlive the question."""
        for one in list(self._app.asap.clientTransactions):
            if one.invokeID == request.apduInvokeID and one.pdu_address == request.pduDestination:
                one.stop_timer()
                self._app.asap.clientTransactions.remove(one)

    # -- what comes by itself

    def _lets_in(self, sender: tuple[str, int]) -> bool:
        return self.is_open_to_all or sender in self.known

    def _heard_change(self, sender: str, apdu: Any) -> None:
        if int(apdu.subscriberProcessIdentifier) != PROCESS_ID:
            self.health.error("stranger", f"{sender} notifies a subscription that is not ours")
            return
        what = apdu.monitoredObjectIdentifier
        try:
            values = {int(one.propertyIdentifier): _plain(one.value) for one in _listed(apdu.listOfValues)}
        except SourceError as error:
            self.health.error("decode", f"{sender}: {error}")
            return
        self._changed(Notification(sender, (int(what[0]), int(what[1])), values))

    def _heard_i_am(self, apdu: IAmRequest) -> None:
        sender, instance = str(apdu.pduSource), int(apdu.iAmDeviceIdentifier[1])
        if (answer := self._asked.get(sender)) and not answer.done():
            answer.set_result(instance)
        self._found(sender, instance)


def _reference(name: int | tuple[int, int]) -> PropertyReference:
    if isinstance(name, tuple):
        return PropertyReference(propertyIdentifier=name[0], propertyArrayIndex=name[1])
    return PropertyReference(propertyIdentifier=name)


def _plain(value: Any) -> list[Any]:
    try:
        return plain(value.tagList)
    except (ValueError, struct.error) as error:
        raise SourceError("decode", str(error)) from error


def _listed(values: Iterable[Any] | None) -> Iterable[Any]:
    return values or ()
