"""One MAVLink frame from a message's name and fields: what a simulated drone, a mission upload or a command sends."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastcrc import crc16

from drone_ingest.mavlink.dialect import DEFAULT, Layout, dialect
from drone_ingest.mavlink.frames import V1, V2
from drone_ingest.mavlink.signing import Signer

__all__ = ["encode"]

_SIGNED = 0x01


@functools.cache
def _by_name(name: str) -> Mapping[str, Layout]:
    return {layout.name: layout for layout in dialect(name).values()}


def encode(
    name: str,
    fields: Mapping[str, Any],
    *,
    system: int,
    component: int,
    seq: int,
    signer: Signer | None = None,
    now_us: int = 0,
    version: int = 2,
    dialect_name: str = DEFAULT,
) -> bytes:
    """A frame of message `name`; fields that are not given are 0, arrays are filled up with 0, text is cut.

    Raises KeyError for a message or field that the dialect lacks, OverflowError for a number that does not fit,
    ValueError for a message that MAVLink 1 cannot carry.
    """
    layout = _by_name(dialect_name)[name]
    payload = _payload(layout, fields)
    sender = bytes([system, component])
    if version == 1:
        if layout.id > 0xFF or signer is not None:
            raise ValueError(f"MAVLink 1 cannot carry {name}" if signer is None else "MAVLink 1 cannot sign")
        frame = bytes([V1, len(payload), seq & 0xFF]) + sender + bytes([layout.id]) + payload
        return frame + _checksum(frame, layout)
    payload = payload.rstrip(b"\0") or payload[:1]
    flags = _SIGNED if signer is not None else 0
    head = bytes([V2, len(payload), flags, 0, seq & 0xFF]) + sender + layout.id.to_bytes(3, "little")
    frame = head + payload
    frame += _checksum(frame, layout)
    return frame if signer is None else frame + signer.block(frame, now_us)


def _payload(layout: Layout, fields: Mapping[str, Any]) -> bytes:
    unknown = fields.keys() - set(layout.dtype.names or ())
    if unknown:
        raise KeyError(f"{layout.name} has no field {', '.join(sorted(unknown))}")
    row = np.zeros((), layout.dtype)
    for name, value in fields.items():
        if isinstance(value, str):
            row[name] = value.encode("utf-8")[: layout.dtype[name].itemsize]
        elif layout.dtype[name].shape:
            row[name][: len(value)] = value
        else:
            row[name] = value
    return row.tobytes()


def _checksum(frame: bytes, layout: Layout) -> bytes:
    return crc16.mcrf4xx(frame[1:] + bytes([layout.crc_extra])).to_bytes(2, "little")
