"""MAVLink out of captured network packets: UDP datagrams and TCP segments, a stream for each sender and receiver.

TCP segments are taken in the order of the capture; retransmissions appear as bytes that are no MAVLink.
"""

import struct

import numpy as np

from drone_ingest.damage import Notes
from drone_ingest.found import Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.mavlink_track import fill_flight
from drone_ingest.mavlink.dialect import DEFAULT
from drone_ingest.mavlink.window import Marks, decode_window
from drone_ingest.message_store import MessageStore
from drone_ingest.remote_id.pcap import Packet

__all__ = ["MavlinkFlows", "transport_payload"]

_LINKS = {0: 4, 108: 4, 1: 14, 101: 0, 12: 0, 228: 0, 229: 0, 113: 16, 276: 20}  # link type: bytes before IP
_TCP, _UDP = 6, 17
_FLOWS_MAX = 1_000


class MavlinkFlows:
    """Streams of a capture that have a MAVLink magic somewhere."""

    def __init__(self, notes: Notes, limits: DroneLimits) -> None:
        self._notes, self._limits = notes, limits
        self._flows: dict[bytes, list[tuple[int, bytes]]] = {}
        self.bytes = 0

    def take(self, packet: Packet) -> None:
        """One packet; whatever is no UDP or TCP is passed over."""
        found = transport_payload(packet)
        if found is None:
            return
        flow, payload = found
        if flow not in self._flows and (len(self._flows) >= _FLOWS_MAX or payload[:1] not in (b"\xfd", b"\xfe")):
            return
        if self.bytes + len(payload) > self._limits.memory_bytes:
            self._notes.warn("more MAVLink than is kept of a capture; the rest was passed over")
            return
        self._flows.setdefault(flow, []).append((packet.t_us or 0, payload))
        self.bytes += len(payload)

    def result(self, name: str) -> Flight:
        """All streams decoded, each message with the time of its packet."""
        store = MessageStore(self._limits)
        for pieces in self._flows.values():
            sizes = np.array([len(payload) for _, payload in pieces], np.int64)
            marks = Marks(np.cumsum(sizes) - sizes, np.array([at for at, _ in pieces], np.int64))
            stream = b"".join(payload for _, payload in pieces)
            tries = self._limits.repairs
            found = decode_window(stream, name=DEFAULT, prefix=0, final=True, tries=tries, marks=marks)
            for kind, batch in found.batches.items():
                store.add(kind, batch)
            for start, end in found.gaps:
                self._notes.damage(start, "byte", "bytes that are no MAVLink, counted in their stream", end - start)
            if len(found.bad):
                self._notes.warn(f"{len(found.bad)} messages with a wrong checksum were left out")
            for number, count in found.unknown.items():
                self._notes.warn(f"{count} messages of id {number} are in no dialect and were left out")
        flight = Flight(kind="mavlink", file=name, notes=self._notes, messages=store.tables(), keep=store)
        fill_flight(flight, stamped=True)
        return flight


def transport_payload(packet: Packet) -> tuple[bytes, bytes] | None:
    """(addresses and ports, payload) of an IPv4 or IPv6 packet with UDP or TCP; None for any other."""
    skip = _LINKS.get(packet.link)
    if skip is None:
        return None
    data = packet.data[skip:]
    if packet.link == 1 and packet.data[12:14] == b"\x81\x00":
        data = data[4:]
    if len(data) < 20:
        return None
    if data[0] >> 4 == 4:
        head, protocol, length = (data[0] & 0xF) * 4, data[9], struct.unpack_from(">H", data, 2)[0]
        body, addresses = data[head : length or None], data[12:20]
    elif data[0] >> 4 == 6 and len(data) >= 40:
        protocol, body, addresses = data[6], data[40:], data[8:40]
    else:
        return None
    if protocol == _UDP and len(body) > 8:
        return addresses + body[:4], body[8:]
    if protocol == _TCP and len(body) > 20:
        payload = body[(body[12] >> 4) * 4 :]
        return (addresses + body[:4], payload) if payload else None
    return None
