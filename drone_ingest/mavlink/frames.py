"""Where frames begin: one pass over bytes that follows lengths, and searches again where the chain breaks.

A record is `prefix` bytes (8 in a .tlog: the time of receipt; 0 on a link) and then one MAVLink 1 or 2 frame.
"""

import re
from dataclasses import dataclass

import numpy as np
from fastcrc import crc16
from numpy.typing import NDArray

__all__ = ["SIGNATURE_BYTES", "V1", "V2", "Extras", "Scan", "frame_end", "scan"]

V1, V2 = 0xFE, 0xFD
SIGNATURE_BYTES = 13
_SIGNED = 0x01
_HEAD_MAX = 10
_MAGIC = re.compile(b"[\xfd\xfe]")

Extras = NDArray[np.int32]
"""crc_extra by message id, −1 for ids that the dialect lacks; ids beyond its length are unknown too."""


@dataclass(frozen=True, slots=True)
class Scan:
    """`offsets` of records; `used` bytes are done with; `gaps` are (start, end) of bytes in no frame."""

    offsets: NDArray[np.int64]
    used: int
    gaps: list[tuple[int, int]]
    tried: int  # places looked at while searching


def frame_end(window: bytes, head: int) -> int:
    """Where the frame at `head` says it ends; −1 when no frame begins there. Needs three bytes."""
    magic = window[head]
    if magic == V2:
        return head + 12 + window[head + 1] + (SIGNATURE_BYTES if window[head + 2] & _SIGNED else 0)
    return head + 8 + window[head + 1] if magic == V1 else -1


def scan(window: bytes, prefix: int, extras: Extras, *, final: bool, tries: int) -> Scan:
    """Records of `window`, whose first byte should begin one. Without `final` a frame cut at the end is left for the
    next window. A frame found by following lengths is not checked here; one found by searching is."""
    offsets: list[int] = []
    gaps: list[tuple[int, int]] = []
    add, size, at, tried = offsets.append, len(window), 0, 0
    while (head := at + prefix) + 3 <= size:
        magic = window[head]
        if magic == V2:
            end = head + 12 + window[head + 1] + (SIGNATURE_BYTES if window[head + 2] & _SIGNED else 0)
        elif magic == V1:
            end = head + 8 + window[head + 1]
        else:
            if offsets and not _whole(window, offsets[-1] + prefix, extras):
                at = offsets.pop()  # its length lied: what it swallowed is searched too
            found, steps = _search(window, at + 1, prefix, extras, final=final, tries=tries - tried)
            tried += steps
            gaps.append((at, found))
            at = found
            continue
        if end > size:
            if not final:
                break
            found, steps = _search(window, at + 1, prefix, extras, final=True, tries=tries - tried)
            tried += steps
            gaps.append((at, found))
            at = found
            continue
        add(at)
        at = end
    if final and at < size:
        gaps.append((at, size))
        at = size
    return Scan(np.array(offsets, np.int64), at, _merged(gaps), tried)


def _search(window: bytes, start: int, prefix: int, extras: Extras, *, final: bool, tries: int) -> tuple[int, int]:
    """The next record with a whole, checked frame, or where to go on with more bytes; and the places tried."""
    size, tried, head = len(window), 0, start + prefix
    while (match := _MAGIC.search(window, head)) is not None:
        head = match.start()
        tried += 1
        if tried > tries:
            return size, tried
        end = frame_end(window, head) if head + 3 <= size else size + 1
        if end > size:
            if not final:
                return head - prefix, tried
        elif _whole(window, head, extras):
            return head - prefix, tried
        head += 1
    return (size if final else max(start, size - prefix)), tried


def _whole(window: bytes, head: int, extras: Extras) -> bool:
    """Whether the frame's checksum is right; frames of unknown messages cannot be checked and are not whole."""
    length = window[head + 1]
    if window[head] == V2:
        if head + _HEAD_MAX > len(window):
            return False
        body, number = head + 10 + length, int.from_bytes(window[head + 7 : head + 10], "little")
    else:
        body, number = head + 6 + length, window[head + 5] if head + 6 <= len(window) else -1
    if body + 2 > len(window) or not 0 <= number < len(extras) or extras[number] < 0:
        return False
    crc = crc16.mcrf4xx(bytes(window[head + 1 : body]) + bytes([int(extras[number])]))
    return crc == window[body] | window[body + 1] << 8


def _merged(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in gaps:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged
