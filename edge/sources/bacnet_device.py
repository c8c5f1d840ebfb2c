"""One BACnet device as it is read: what it offers, its subscriptions and their renewal, and what is polled."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from bacpypes3.pdu import IPv4Address

from edge.sources import SourceError, SourceHealth
from edge.sources.bacnet_link import BacnetLink, Notification, RefusedError
from edge.sources.bacnet_objects import BacnetDevice, Described, Said, describe, reading, wanted_of
from edge.sources.bacnet_values import (
    OBJECT_IDENTIFIER,
    OBJECT_LIST,
    PRESENT_VALUE,
    PRIORITY_ARRAY,
    STATUS_FLAGS,
    SYSTEM_STATUS,
    TYPES,
    object_id,
    priorities,
)
from edge.sources.columns import PointList

__all__ = ["DeviceSession", "Pace", "Sink"]

OBJECTS_MAX: Final = 10_000  # of one device; one that says more is lying or beyond what an agent should carry
CHUNK_MAX: Final = 25  # objects in one request: an answer of about 1 KB
RETRY_S_MIN, RETRY_S_MAX = 0.5, 30.0
ANYBODY: Final = 4_194_303  # the instance that every device answers to as its own
DEVICE: Final = 8
VALUES: Final = (PRESENT_VALUE, STATUS_FLAGS)

Wanted = tuple[tuple[int, int], Sequence[int]]


class Pace(Protocol):
    """How often things are done, in seconds (a config of the source has these fields)."""

    period_s: float
    reread_s: float
    cov_lifetime_s: int
    confirmed: bool
    priority: int


class Sink(Protocol):
    """Where a session puts what it learned."""

    def take(self, point: int, value: float | str | None, quality: int) -> None:
        """One reading; None repeats the last value with this quality."""
        ...

    def lost(self, points: Sequence[int]) -> None:
        """The device is gone: these points are stale."""
        ...

    def claimed(self, instance: int, address: str, name: str) -> None:
        """A device said its instance."""
        ...


class DeviceSession:
    """`run` keeps one device read until it is cancelled; whatever the device does stays within it."""

    def __init__(
        self,
        spec: BacnetDevice,
        pace: Pace,
        link: BacnetLink,
        points: PointList,
        sink: Sink,
        health: SourceHealth,
        now_s: Callable[[], float],
    ) -> None:
        self.spec, self._pace, self._link = spec, pace, link
        self._points, self._sink, self._health, self._now_s = points, sink, health, now_s
        self.address: IPv4Address | None = None
        self.instance = spec.instance
        self.is_up = False
        self.described: dict[tuple[int, int], Described] = {}
        self._busy = asyncio.Lock()  # one request at a time: most devices have room for few
        self._chunk = CHUNK_MAX

    def at(self, address: IPv4Address) -> None:
        """It was found there."""
        self.address = address
        host, port = address.addrTuple
        self._link.known.add((host, port))

    async def run(self) -> None:
        """Learn what it offers, subscribe, read; again after an outage."""
        wait_s = RETRY_S_MIN
        while True:
            try:
                await self._begin()
                wait_s = RETRY_S_MIN
                await self._keep()
            except (SourceError, RefusedError) as error:
                stage = error.stage if isinstance(error, SourceError) else "read"
                self._health.error(stage, f"{self.spec.name}: {error}")
            finally:
                if self.is_up:
                    self.is_up = False
                    self._sink.lost([one.point for one in self.described.values()])
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads a herd
            wait_s = min(wait_s * 2, RETRY_S_MAX, max(self._pace.period_s, RETRY_S_MIN))

    def changed(self, news: Notification) -> None:
        """Take a notification of this device."""
        if described := self.described.get(news.object):
            described.notified += 1
            self._sink.take(described.point, *reading(described, news.values))

    async def command(self, described: Described, tagged: Any) -> None:
        """Write at its priority (`tagged` null relinquishes it), then look what became of it."""
        assert self.address is not None
        priority = described.priority or self._pace.priority
        async with self._busy:
            await self._link.write(self.address, described.object, PRESENT_VALUE, tagged, priority)
            holding = priorities(await self._link.read(self.address, described.object, PRIORITY_ARRAY))
        await self._take([described])
        if holding and holding[0] < priority:
            raise SourceError(
                "write", f"taken at priority {priority}, but priority {holding[0]} holds {described.type.name}"
            )

    # -- beginning

    async def _begin(self) -> None:
        if self.address is None:
            raise SourceError("connect", f"no device answered a Who-Is for instance {self.instance}")
        await self._identify(self.address)
        self.is_up, self._chunk = True, CHUNK_MAX
        if not self.described:
            await self._learn()
        for one in self.described.values():
            one.subscribed = False
        await self._subscribe()
        await self._take(list(self.described.values()))

    async def _identify(self, address: IPv4Address) -> None:
        try:
            said = await self._one((DEVICE, ANYBODY), OBJECT_IDENTIFIER)
            found = said[0][1] if said and isinstance(said[0], tuple) and said[0][0] == DEVICE else None
        except RefusedError:  # an older device, which knows itself by its own number only
            found = await self._link.instance_at(address)
        if found is None:
            raise SourceError("connect", f"{address} does not say which device it is")
        if self.spec.instance not in {None, found}:
            raise SourceError("connect", f"{address} is device {found}, not {self.spec.instance}")
        self.instance = found
        self._sink.claimed(self.instance, str(address), self.spec.name)

    async def _learn(self) -> None:
        """Read what its objects are and make points of them."""
        told = {object_id(one.object): one for one in self.spec.points}
        ids = list(told) if self.spec.only else [*dict.fromkeys([*await self._object_list(), *told])]
        ids = [one for one in ids if one[0] in TYPES]
        said = await self._read([(one, wanted_of(TYPES[one[0]])) for one in ids])
        for one in ids:
            if one not in said:
                self._health.error("read", f"{self.spec.name}: there is no object {one}")
                continue
            about, words = describe(one, said[one], told.get(one))
            about["writable"] = about["writable"] and not self.spec.read_only
            spec = told.get(one)
            cov = self.spec.cov and (spec is None or spec.cov)
            period_s = max(self._pace.reread_s, self._pace.period_s) if cov else self._pace.period_s
            point = self._points.add(self.spec.name, about.pop("metric"), period_s=period_s, **about)
            self.described[one] = Described(one, TYPES[one[0]], point, words, spec.priority if spec else None, cov)

    async def _object_list(self) -> list[tuple[int, int]]:
        """Whole where the device can (segmented if it must), else element by element."""
        assert self.instance is not None
        own = (DEVICE, self.instance)
        try:
            found = await self._one(own, OBJECT_LIST)
        except RefusedError:
            count = await self._one(own, OBJECT_LIST, 0)
            length = count[0] if count and isinstance(count[0], int) else 0
            if length > OBJECTS_MAX:
                raise SourceError("connect", f"it says to have {length} objects, at most {OBJECTS_MAX}") from None
            found = []
            for index in range(1, length + 1):
                found += await self._one(own, OBJECT_LIST, index)
        if len(found) > OBJECTS_MAX:
            raise SourceError("connect", f"it says to have {len(found)} objects, at most {OBJECTS_MAX}")
        return [one for one in found if isinstance(one, tuple)]

    async def _subscribe(self) -> None:
        """Subscribe or renew all; what the device refuses is polled from then on."""
        assert self.address is not None
        lifetime_s, confirmed = self._pace.cov_lifetime_s, self._pace.confirmed
        for one in self.described.values():
            if not one.cov:
                continue
            try:
                async with self._busy:
                    await self._link.subscribe(self.address, one.object, lifetime_s, confirmed=confirmed)
                one.subscribed = True
            except RefusedError as error:
                one.subscribed = one.cov = False
                self._health.why = f"{self.spec.name}: {one.type.name} {one.object[1]} is polled: {error}"

    # -- going on

    async def _keep(self) -> None:
        """Poll each period what is not subscribed (or ask whether the device lives), renew at half the lifetime."""
        pace = self._pace
        due_s = self._now_s() + pace.period_s
        renew_s, reread_s = self._now_s() + pace.cov_lifetime_s / 2, self._now_s() + pace.reread_s
        while True:
            now_s = self._now_s()
            if now_s < due_s:
                await asyncio.sleep(due_s - now_s)
            if polled := [one for one in self.described.values() if not one.subscribed]:
                await self._take(polled)
            else:
                await self._alive()
            if self._now_s() >= renew_s:
                renew_s = self._now_s() + pace.cov_lifetime_s / 2
                await self._subscribe()
            if self._now_s() >= reread_s:
                reread_s = self._now_s() + pace.reread_s
                await self._take([one for one in self.described.values() if one.subscribed])
            due_s += pace.period_s
            if (late_s := self._now_s() - due_s) > 0:
                missed = int(late_s // pace.period_s)
                due_s += missed * pace.period_s
                if missed:
                    self._health.error("overrun", f"{self.spec.name}: {missed} polls left out: a poll takes too long")

    async def _alive(self) -> None:
        assert self.instance is not None
        try:
            await self._one((DEVICE, self.instance), SYSTEM_STATUS)
        except RefusedError:
            return  # it answered, which is what was asked

    async def _take(self, chosen: Sequence[Described]) -> None:
        """Read present values and status flags, and hand them on; an object without an answer is bad.

        What was notified meanwhile is newer than an answer that was put together before and came in segments.
        """
        heard = {one.point: one.notified for one in chosen}
        said = await self._read([(one.object, VALUES) for one in chosen])
        for one in chosen:
            if one.notified == heard[one.point]:
                self._sink.take(one.point, *reading(one, said.get(one.object, {})))

    async def _one(self, what: tuple[int, int], name: int, index: int | None = None) -> list[Any]:
        assert self.address is not None
        async with self._busy:
            return await self._link.read(self.address, what, name, index)

    async def _read(self, wanted: Sequence[Wanted]) -> dict[tuple[int, int], Said]:
        """Many objects in as few requests as the device bears: fewer a request each time that it refuses one."""
        assert self.address is not None
        said: dict[tuple[int, int], dict[int, list[Any] | None]] = {}
        left = list(wanted)
        while left:
            chunk, asked = left[: self._chunk], self._chunk
            try:
                if not asked:
                    await self._read_singly(chunk := left[:1], said)
                else:
                    async with self._busy:
                        spoken = await self._link.read_many(self.address, chunk)
                    for one in spoken:
                        if one.value is not None:
                            said.setdefault(one.object, {})[one.property] = one.value
            except (RefusedError, SourceError) as error:
                if isinstance(error, SourceError) and error.stage != "decode":
                    raise
                self._chunk = asked // 2
                continue
            left = left[len(chunk) :]
        return said  # type: ignore[return-value]  # a dict of dicts is a mapping of mappings

    async def _read_singly(self, chunk: list[Wanted], said: dict[tuple[int, int], dict[int, list[Any] | None]]) -> None:
        for what, names in chunk:
            for name in names:
                try:
                    value: list[Any] | None = await self._one(what, name)
                except RefusedError:
                    value = None
                except SourceError as error:
                    if error.stage != "decode":
                        raise
                    self._health.error("decode", f"{self.spec.name}: {error}")
                    value = None
                if value is not None:
                    said.setdefault(what, {})[name] = value
