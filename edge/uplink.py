"""The uplink: carries what `uplink_core` decides over a link to the broker, and brings the twin's word back."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
import socket
from array import array
from collections.abc import Callable
from itertools import groupby
from typing import Final, Protocol

import msgspec

from edge.epochs import Recovered
from edge.uplink_core import Run, UplinkCore
from wire import topics
from wire.clock import Clock
from wire.errors import MessageError
from wire.messages import (
    Ack,
    Answer,
    Ask,
    Command,
    Desired,
    DownHello,
    Fetch,
    FilePart,
    Health,
    Reply,
    Status,
    UplinkFigures,
    decode,
    encode,
)
from wire.mqtt import Link, LinkConfig, LinkStats, Message, Will
from wire.ranges import Range
from wire.records import CLASS_EVENT

__all__ = ["Uplink"]

log = logging.getLogger("aid4.edge")

REFUSED_S: Final = 5.0  # the twin says twice a second that two gateways use one name, for as long as they do
TICK_S: Final = 0.1  # losses are noticed in tenths of a second
_FAR: Final = ipaddress.ip_address("192.0.2.1")  # for documentation: nobody has it
_CLS_AT: Final = 12  # where a record's header has its class


class Kept(Protocol):
    """What an uplink asks of a spool."""

    @property
    def generation(self) -> int:
        """Of the newest catalogue."""

    def cached(self, epoch: bytes, lo: int, hi: int, /) -> list[bytes] | None:
        """Records that are in memory, all of them or none."""

    def read(self, epoch: bytes, lo: int, hi: int, /) -> list[tuple[int, bytes]]:
        """Records with their numbers, as far as they are whole; may block."""

    def lose(self, epoch: bytes, gaps: list[Range], reason: str, /) -> None:
        """Give records up, in a gap record."""


class Uplink:
    """Also the spool's listener: what is durable may be sent. `run` owns the link; `commanded` gets commands."""

    def __init__(
        self,
        link: LinkConfig,
        site: str,
        node: str,
        core: UplinkCore,
        clock: Clock,
        commanded: Callable[[Command, bool], None],
        *,
        tick_s: float = TICK_S,
    ) -> None:
        self.core = core
        self.bad_messages = 0
        self.refused_by_twin, self._refused_s = "", 0.0
        self._host = link.host
        self.last_ack_us: int | None = None
        self.why_down = ""
        self.spool: Kept  # set by the agent before `run`
        self._tick_s = tick_s
        self._site, self._node, self._clock, self._commanded = site, node, clock, commanded
        self._since_us = clock.wall_us()
        self.on_desired: Callable[[Desired], None] = lambda _desired: None
        self.on_ask: Callable[[Ask], None] = lambda _ask: None
        self.heard = 0  # messages in which the twin itself speaks
        self.on_file: Callable[[FilePart], None] = lambda _part: None
        self._birth = b""
        self._wake = asyncio.Event()
        status = encode(self._status(online=False))
        self._link = Link(dataclasses.replace(link, will=Will(self._up("status"), status)))
        self._link.on_connect = self._on_connect
        self._link.on_disconnect = self._on_disconnect
        self._link.on_messages = self._on_messages

    # -- the spool's listener

    def appended(self, epoch: bytes, first_seq: int, sizes: array[int]) -> None:
        """Records are durable."""
        self.core.appended(epoch, first_seq, sizes)
        self._wake.set()

    def declared(self, epoch: bytes, seq: int) -> None:
        """A catalogue record is durable."""
        self.core.declared(epoch, seq)

    def absent(self, epoch: bytes, lo: int, hi: int) -> None:
        """Records are gone, and a gap record says so."""
        self.core.absent(epoch, lo, hi)

    def retired(self, epoch: bytes, floor: int) -> None:
        """Committed records were deleted."""
        self.core.retired(epoch, floor)

    def forgotten(self, epoch: bytes) -> None:
        """A whole epoch was deleted."""
        self.core.forgotten(epoch)

    def adopt(self, recovered: Recovered) -> None:
        """Drain an epoch of an earlier start too."""
        floor, sizes = recovered.epoch.sizes()
        self.core.adopt(recovered.epoch.epoch, floor, sizes, recovered.epoch.catalogues)
        self._wake.set()

    # -- out

    async def run(self) -> None:
        """Keep the link and send, until cancelled."""
        async with self._link:
            await self._link.subscribe([(topics.down(self._site, self._node, "+"), 0)])
            while True:
                await self._step()
                try:
                    async with asyncio.timeout(self._tick_s):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                finally:
                    self._wake.clear()

    def birth(self, record: bytes) -> None:
        """Keep the newest catalogue record as the retained birth."""
        self._birth = record
        self._publish_birth()

    def publish_health(self, health: Health) -> None:
        """Tell how the agent does, if anyone listens."""
        self._link.publish(self._up("health"), encode(health))

    def reply(self, reply: Reply) -> None:
        """Answer a command."""
        self._link.publish(self._up("reply"), encode(reply))

    def fetch(self, ask: Fetch) -> None:
        """Ask the twin for a part of a file."""
        self._link.publish(self._up("fetch"), encode(ask))

    def answer(self, answer: Answer) -> None:
        """Answer a question."""
        self._link.publish(self._up("answer"), encode(answer))

    async def farewell(self) -> None:
        """Say that this agent stops on purpose; the last will says the rest."""
        self._link.publish(self._up("status"), encode(self._status(online=False)), qos=1, retain=True)
        await asyncio.sleep(0)

    def figures(self) -> UplinkFigures:
        """The uplink's counters."""
        return UplinkFigures(
            connected=self._link.connected,
            sent=self.core.records_sent,
            resent=self.core.records_resent,
            acked=self.core.records_acked,
            window_bytes=self.core.window_bytes,
            last_ack_us=self.last_ack_us,
        )

    @property
    def link_stats(self) -> LinkStats:
        """The connection's counters."""
        return self._link.stats

    @property
    def link_error(self) -> str:
        """Why the link is not there, in the broker's or the system's words."""
        return "" if self._link.connected else self._link.stats.last_error or self.why_down

    async def _step(self) -> None:
        now = self._clock.monotonic_s()
        self.core.tick(now)
        if self.core.hello_due(now):
            hello = msgspec.structs.replace(self.core.hello(self.spool.generation), where=_where(self._host))
            self._link.publish(self._up("hello"), encode(hello))
        runs = self.core.sends(now)
        for at, run in enumerate(runs):
            if not await self._send(run):
                for skipped in reversed(runs[at + 1 :]):
                    self.core.unsent(*skipped)
                if self.core.is_connected:
                    await self._link.drained()
                    self._wake.set()
                return

    async def _send(self, run: Run) -> bool:
        """Put one run on the link; False when the link took only a part of it, or nothing."""
        records = self.spool.cached(*run)
        if records is None:
            records = await self._read(run)
        first, connection = run.lo, self._link.stats.connects
        for cls_is_event, group in groupby(records, key=lambda record: record[_CLS_AT] == CLASS_EVENT):
            part = list(group)
            taken = self._link.publish_many(self._up("event" if cls_is_event else "data"), part)
            first += taken
            if taken < len(part):
                if self.core.is_connected and connection == self._link.stats.connects:
                    self.core.unsent(run.epoch, first, run.hi)
                return False
        return True

    async def _read(self, run: Run) -> list[bytes]:
        """Records from the disk; those that are damaged there are given up, in a gap record."""
        found = await asyncio.to_thread(self.spool.read, *run)
        here = {seq for seq, _ in found}
        lost = [
            seq for seq in range(run.lo, run.hi + 1) if seq not in here and not self.core.covered(run.epoch, seq, seq)
        ]
        if lost:
            self.spool.lose(run.epoch, [(seq, seq) for seq in lost], "damaged on disk")
        return [data for _, data in found]

    # -- in

    def _on_connect(self) -> None:
        log.info("connected to the broker")
        self.core.connected(self._clock.monotonic_s())
        self._link.publish(self._up("status"), encode(self._status(online=True)), qos=1, retain=True)
        self._publish_birth()
        self._wake.set()

    def _on_disconnect(self, why: str) -> None:
        log.warning("the broker is gone: %s", why)
        self.why_down = why
        self.core.disconnected()

    def _on_messages(self, messages: list[Message]) -> None:
        for message in messages:
            try:
                self._on_message(message)
            except MessageError:
                self.bad_messages += 1
        self._wake.set()

    def _on_message(self, message: Message) -> None:
        kind, now = topics.parse(message.topic).kind, self._clock.monotonic_s()
        self.heard += not message.retain
        if kind == "ack":
            ack = decode(Ack, message.payload)
            self.last_ack_us = self._clock.wall_us()
            if now - self._refused_s > REFUSED_S:  # acknowledgements go to all that use this name
                self.refused_by_twin = ""
            self.core.acked(bytes.fromhex(ack.epoch), ack.ranges, ack.boot, now, ack.window_bytes)
        elif kind == "hello":
            asked = decode(DownHello, message.payload)
            self.refused_by_twin, self._refused_s = asked.refused, now
            self.core.asked(asked.boot, now)
        elif kind == "cmd":
            self._commanded(decode(Command, message.payload), message.retain)
        elif kind == "desired" and not message.retain:
            self.on_desired(decode(Desired, message.payload))
        elif kind == "ask" and not message.retain:
            self.on_ask(decode(Ask, message.payload))
        elif kind == "file" and not message.retain:
            self.on_file(decode(FilePart, message.payload))

    def _publish_birth(self) -> None:
        if self._birth:
            self._link.publish(self._up("birth"), self._birth, qos=1, retain=True)

    def _status(self, *, online: bool) -> Status:
        return Status(online=online, boot=self.core.boot, since_us=self._since_us, agent=self.core.agent)

    def _up(self, kind: str) -> str:
        return topics.up(self._site, self._node, kind)


def _where(host: str) -> str:
    """This gateway's address on its way to the broker, or else to the internet, and its host name. Asks for the route
    only: nothing is sent, no name resolved."""
    try:
        far = ipaddress.ip_address(host)
    except ValueError:
        far = _FAR
    try:
        with socket.socket(socket.AF_INET if far.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((str(far), 9))
            return f"{probe.getsockname()[0]} {socket.gethostname()}"
    except OSError:
        return socket.gethostname()
