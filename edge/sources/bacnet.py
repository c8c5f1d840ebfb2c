"""BACnet/IP: change-of-value subscriptions, polling for what cannot be subscribed, commands at a priority.

[[source]]                      # tested: the sample is the config of the first test
kind = "bacnet"                 # needs the extra aid4[bacnet]
name = "hvac"
bind = "127.0.0.1:0"            # 0.0.0.0:47808 where devices are looked for with Who-Is
period_s = 1.0
cov_lifetime_s = 300
priority = 12                   # of commands; the text "null" as a command relinquishes it
devices = [
    { name = "ahu-1", address = "127.0.0.1:47808" },
]

Devices stand by address, or by instance with `who_is` naming where to ask (a broadcast address of the site's network);
`discover = [1000, 1999]` reads every device of these instances that answers. Objects become points with the device's
own names and units. Subscriptions are renewed at half their lifetime, and since notifications get lost, everything is
read again every `reread_s`. A device that gives no answer has its points repeated once as stale; two devices with one
instance are told as an event. Each device is read on its own: a slow one holds up nobody else.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from bacpypes3.pdu import IPv4Address
from bacpypes3.primitivedata import CharacterString, Double, Enumerated, Integer, Null, Real, Unsigned

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.bacnet_device import DeviceSession
from edge.sources.bacnet_link import BacnetLink, Notification, RefusedError, address_of
from edge.sources.bacnet_objects import BacnetDevice, Described
from edge.sources.bacnet_values import object_id, written_as
from edge.sources.columns import Happening, check_value, events
from edge.sources.modbus_poll import Poll
from edge.sources.running import RunningSource
from wire.catalogue import Point
from wire.errors import ConfigError

__all__ = ["SOURCE", "Bacnet", "BacnetConfig"]

PENDING_MAX: Final = 50_000  # readings that wait for the spool; more are dropped and counted
DEVICES_MAX: Final = 500  # found by Who-Is
OWNERS_MAX: Final = 5_000  # instances that are remembered, whoever claims them
WHO_IS_S: Final = 30.0  # until the next Who-Is for devices that are not found yet
RELINQUISH: Final = "null"
_AS_TAG = {2: Unsigned, 3: Integer, 4: Real, 5: Double, 7: CharacterString, 9: Enumerated}


class BacnetConfig(SourceConfig, tag="bacnet"):
    """Config of one network; `reread_s` is how often what is subscribed is read all the same."""

    devices: tuple[BacnetDevice, ...] = ()
    bind: str = "0.0.0.0:0"
    instance: Annotated[int, msgspec.Meta(ge=0, le=4_194_302)] = 4_194_000  # our own, as a client
    who_is: str = ""
    discover: tuple[int, int] | None = None
    period_s: Annotated[float, msgspec.Meta(ge=0.02, le=86_400)] = 5.0
    reread_s: Annotated[float, msgspec.Meta(ge=0.1, le=86_400)] = 120.0
    timeout_s: Annotated[float, msgspec.Meta(ge=0.05, le=60)] = 3.0
    cov_lifetime_s: Annotated[int, msgspec.Meta(ge=2, le=86_400)] = 300
    confirmed: bool = True  # notifications that the device repeats until we have them
    priority: Annotated[int, msgspec.Meta(ge=1, le=16)] = 16


class Bacnet(RunningSource):
    """One BACnet/IP network as a source."""

    gather_s = 0.0
    stop_s_max = 1.5

    def __init__(self, config: BacnetConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        _check(config)
        self._inbox, self._waiting = Poll(self._points), 0
        self._told: deque[Batch] = deque(maxlen=1_000)
        self._owners: dict[int, set[str]] = {}
        self._link = BacnetLink(config.bind, config.instance, config.timeout_s, self.health, self._changed, self._found)
        self._link.is_open_to_all = bool(config.who_is)
        self._sessions: list[DeviceSession] = []
        self._by_address: dict[str, list[DeviceSession]] = {}
        self._fresh: deque[DeviceSession] = deque()

    async def _open(self) -> None:
        self._link.open()
        self._held.callback(self._link.close)
        for spec in self._config.devices:
            self._add(spec, address_of(spec.address) if spec.address else None)

    def _poll(self) -> list[Batch]:
        inbox, self._inbox, self._waiting = self._inbox, Poll(self._points), 0
        told, self._told = self._told, deque(maxlen=self._told.maxlen)
        return [*inbox.batches(self._last, self.health), *told]

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Write present-value at the priority; "null" relinquishes. SourceError when a higher priority holds it."""
        session, described = self._whose(point.id)
        if value == RELINQUISH and point.writable:
            tagged: Any = Null(())
        else:
            check_value(point, value)
            raw = next((key for key, word in described.words.items() if word == str(value)), value)
            try:
                tag, plain = written_as(described.type, raw)
            except ValueError as error:
                raise SourceError("write", f"{point.key}: {error}") from error
            tagged = _AS_TAG[tag](plain)
        try:
            await session.command(described, tagged)
        except (RefusedError, SourceError) as error:
            self.health.error("write", f"{point.key}: {error}")
            raise SourceError("write", f"{point.key}: {error}") from error

    def _whose(self, point: int) -> tuple[DeviceSession, Described]:
        for session in self._sessions:
            for described in session.described.values():
                if described.point == point:
                    return session, described
        raise SourceError("write", "no device of this source has that point")

    # -- what the sessions call

    def take(self, point: int, value: float | str | None, quality: int) -> None:
        """One reading; None repeats the last value with this quality."""
        if self._waiting >= PENDING_MAX:
            self.health.discarded += 1
            return
        self._waiting += 1
        at_us = self._clock.wall_us()
        self.health.last_us, self.health.state = at_us, "running"
        if value is None:
            self._inbox.repeat(self._last, [point], quality, at_us)
        elif isinstance(value, str):
            self._inbox.take_texts([point], [value], at_us, quality)
        else:
            self._inbox.take([point], np.array([value]), at_us, quality)
        self._wake.set()

    def lost(self, points: Sequence[int]) -> None:
        """A device is gone: its last values once more, as stale."""
        at_us = self._clock.wall_us()
        self._told.extend(self._inbox.batches(self._last, self.health))  # what it still said comes before
        self._inbox, self._waiting = Poll(self._points), 0
        self._told.extend(self._last.stale(points, at_us, self.health))
        if not any(session.is_up for session in self._sessions):
            self.health.state = "waiting"
        self._wake.set()

    def claimed(self, instance: int, address: str, name: str) -> None:
        """A device said its instance; a second one with the same is told."""
        if instance not in self._owners and len(self._owners) >= OWNERS_MAX:
            return
        owners = self._owners.setdefault(instance, set())
        if address in owners or len(owners) > 1:
            return
        owners.add(address)
        if len(owners) > 1:
            places = " and ".join(sorted(owners))
            self.health.error("duplicate", f"device instance {instance} stands twice: {places}")
            happening = Happening(
                self._clock.wall_us(),
                name,
                "duplicate_instance",
                2,
                f"BACnet device instance {instance} stands twice: {places}",
                {"instance": instance, "addresses": sorted(owners)},
            )
            self._told.append(events([happening]))
            self._wake.set()

    def _changed(self, news: Notification) -> None:
        for session in self._by_address.get(news.sender, ()):
            session.changed(news)

    def _found(self, address: str, instance: int) -> None:
        """An I-Am: of a device that is looked for, or of a new one."""
        self.claimed(instance, address, self._config.device or self._config.name)
        for session in self._sessions:
            if session.address is None and session.spec.instance == instance:
                self._at(session, address_of(address))
                return
        low, high = self._config.discover or (1, 0)
        if low <= instance <= high and address not in self._by_address and len(self._sessions) < DEVICES_MAX:
            spec = BacnetDevice(name=f"bacnet-{instance}", address=address, instance=instance)
            self._fresh.append(self._add(spec, address_of(address)))

    # -- running

    def _add(self, spec: BacnetDevice, address: IPv4Address | None) -> DeviceSession:
        session = DeviceSession(
            spec, self._config, self._link, self._points, self, self.health, self._clock.monotonic_s
        )
        self._sessions.append(session)
        if address is not None:
            self._at(session, address)
        return session

    def _at(self, session: DeviceSession, address: IPv4Address) -> None:
        session.at(address)
        self._by_address.setdefault(str(address), []).append(session)

    async def _run(self) -> None:
        """A task for each device; a Who-Is now and then for those not found yet."""
        async with asyncio.TaskGroup() as group:
            for session in self._sessions:
                group.create_task(session.run(), name=f"bacnet {session.spec.name}")
            while True:
                await self._look()
                while self._fresh:
                    session = self._fresh.popleft()
                    group.create_task(session.run(), name=f"bacnet {session.spec.name}")

    async def _look(self) -> None:
        missing = [one.spec.instance for one in self._sessions if one.address is None and one.spec.instance is not None]
        if self._config.who_is:
            to = address_of(self._config.who_is)
            for instance in missing:
                self._link.who_is(to, instance, instance)
            if self._config.discover:
                self._link.who_is(to, *self._config.discover)
        for _ in range(int(WHO_IS_S)):
            await asyncio.sleep(1.0)
            if self._fresh:
                return


def _check(config: BacnetConfig) -> None:
    if not config.devices and not config.discover:
        raise ConfigError("no devices", field="devices", fix="give devices, or discover = [first, last] and who_is")
    if config.discover and not config.who_is:
        raise ConfigError("nowhere to ask", field="who_is", fix='write the broadcast address, "10.0.0.255:47808"')
    for number, device in enumerate(config.devices):
        at = f"devices[{number}]"
        if not device.address and (device.instance is None or not config.who_is):
            raise ConfigError(f"{device.name} has no address", field=f"{at}.address", fix="or instance and who_is")
        try:
            for place, one in enumerate(device.points):
                field = f"{at}.points[{place}].object"
                object_id(one.object)
            field = f"{at}.address"
            if device.address:
                address_of(device.address)
        except ValueError as error:
            raise ConfigError(str(error), field=field, fix="write analog-input,3 and 10.0.0.20:47808") from error


SOURCE = SourceKind(BacnetConfig, Bacnet)
