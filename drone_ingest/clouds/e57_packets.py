"""The packets of an E57 scan: byte streams of each field, decoded as they come, up to the first damage."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drone_ingest.clouds.e57_fields import FieldStream
from drone_ingest.clouds.e57_pages import BadPage, Pages
from drone_ingest.damage import Notes
from drone_ingest.found import CloudScan
from drone_ingest.xml_tree import Node

__all__ = ["Scan", "records"]

_SECTION_BYTES = 32
_READ_BYTES = 4 << 20  # logical bytes taken at once
_WAITING_BYTES_MAX = 64 << 20  # of one field whose neighbours bring nothing
_SPARE_PACKETS = 10_000  # of indices and padding, beside at least one point in each packet of data


@dataclass(slots=True)
class Scan:
    """One scan of the file's description."""

    about: CloudScan
    at: int  # logical place of its compressed vector
    prototype: list[Node] = field(default_factory=list)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)


def records(
    scan: Scan, pages: Pages, streams: list[FieldStream], notes: Notes, chunk_points: int
) -> Iterator[dict[str, NDArray[np.float64]]]:
    """Values of a scan by field, as packets bring them, in steps of at most `chunk_points`."""
    left = scan.about.points
    packets = _packets(scan, pages, len(streams), notes)
    gathered: list[list[bytes]] = [[] for _ in streams]
    size = 0
    for buffers in packets:
        for parts, buffer in zip(gathered, buffers, strict=True):
            parts.append(buffer)
        size += sum(map(len, buffers))
        if size >= _READ_BYTES:
            for step in _drain(streams, gathered, left, chunk_points):
                left -= len(next(iter(step.values())))
                yield step
            size = 0
            if max(len(stream.data) for stream in streams) > _WAITING_BYTES_MAX:
                notes.damage(
                    pages.physical(scan.at), "byte", f"scan {scan.about.index}: a field lags behind the others"
                )
                return
    for step in _drain(streams, gathered, left, chunk_points):
        left -= len(next(iter(step.values())))
        yield step
    if left and not notes.damages:
        notes.damage(pages.physical(scan.at), "byte", f"scan {scan.about.index} has fewer points than it says", left)


def _drain(
    streams: list[FieldStream], gathered: list[list[bytes]], left: int, chunk_points: int
) -> Iterator[dict[str, NDArray[np.float64]]]:
    for stream, parts in zip(streams, gathered, strict=True):
        stream.data += b"".join(parts)
        parts.clear()
    while (count := min(left, chunk_points, *(stream.waiting for stream in streams))) > 0:
        if not any(stream.bits for stream in streams):
            return  # nothing but constants: no such scan exists
        yield {stream.name: stream.take(count) for stream in streams}
        left -= count


def _packets(scan: Scan, pages: Pages, fields: int, notes: Notes) -> Iterator[list[bytes]]:
    """The byte streams of each data packet; damage ends them."""
    at = scan.at
    try:
        section = pages.read(at, _SECTION_BYTES)
        length, data_at = struct.unpack_from("<QQ", section, 8)
        if section[0] != 1:
            notes.damage(pages.physical(at), "byte", f"scan {scan.about.index}: no section of points begins here")
            return
        end, at = at + length, pages.logical(data_at)
        spare = scan.about.points + _SPARE_PACKETS
        while at + 4 <= end:
            spare -= 1
            if spare < 0:
                notes.damage(pages.physical(at), "byte", f"scan {scan.about.index}: packets that bring no point")
                return
            kind, _, minus_one = struct.unpack("<BBH", pages.read(at, 4))
            packet = pages.read(at, minus_one + 1)
            if kind == 1:
                buffers = _buffers(packet, fields)
                if buffers is None:
                    notes.damage(
                        pages.physical(at), "byte", f"scan {scan.about.index}: a packet that contradicts itself"
                    )
                    return
                yield buffers
            elif kind not in (0, 2):
                notes.damage(pages.physical(at), "byte", f"scan {scan.about.index}: no packet begins here")
                return
            at += minus_one + 1
    except BadPage as bad:
        notes.damage(bad.byte, "byte", f"scan {scan.about.index}: {bad.problem}; its points before are kept")


def _buffers(packet: bytes, fields: int) -> list[bytes] | None:
    if len(packet) < 6:
        return None
    count = int.from_bytes(packet[4:6], "little")
    at = 6 + 2 * count
    if count != fields or at > len(packet):
        return None
    sizes = struct.unpack_from(f"<{count}H", packet, 6)
    if at + sum(sizes) > len(packet):
        return None
    buffers = []
    for size in sizes:
        buffers.append(packet[at : at + size])
        at += size
    return buffers
