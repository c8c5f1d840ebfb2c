"""CRC-16/MCRF4XX of many frames at once: frames of one length go through the table column by column."""

import numpy as np
from fastcrc import crc16
from numpy.typing import NDArray

__all__ = ["checksums_hold"]

_FEW = 24  # below that a frame at a time is faster than columns
_TABLE = np.array([crc16.mcrf4xx(bytes([value]), 0) for value in range(256)], np.uint16)


def checksums_hold(
    data: NDArray[np.uint8], heads: NDArray[np.int64], bodies: NDArray[np.int64], extra: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Which frames carry the right checksum.

    `heads` (n,) are the places of their magic bytes, `bodies` (n,) the places behind their payloads, where the
    checksum stands, and `extra` (n,) the crc_extra of their messages. The magic byte is not part of the sum.
    """
    sums = np.empty(len(heads), np.uint16)
    lengths = bodies - heads
    order = np.argsort(lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, cuts):
        if len(group) < _FEW:
            sums[group] = _one_by_one(data, heads[group], bodies[group], extra[group])
        elif len(group):
            sums[group] = _by_columns(data, heads[group], int(lengths[group[0]]), extra[group])
    stored = data[bodies].astype(np.uint16) | data[bodies + 1].astype(np.uint16) << 8
    right: NDArray[np.bool_] = sums == stored
    return right


def _by_columns(
    data: NDArray[np.uint8], heads: NDArray[np.int64], length: int, extra: NDArray[np.uint8]
) -> NDArray[np.uint16]:
    columns = data[heads + np.arange(1, length)[:, None]]
    crc: NDArray[np.uint16] = np.full(len(heads), 0xFFFF, np.uint16)
    for column in columns:
        crc = crc >> 8 ^ _TABLE[(crc ^ column) & 0xFF]
    whole: NDArray[np.uint16] = np.bitwise_xor(crc >> 8, _TABLE[(crc ^ extra) & 0xFF], dtype=np.uint16)
    return whole


def _one_by_one(
    data: NDArray[np.uint8], heads: NDArray[np.int64], bodies: NDArray[np.int64], extra: NDArray[np.uint8]
) -> list[int]:
    return [
        crc16.mcrf4xx(data[head + 1 : body].tobytes() + bytes([last]))
        for head, body, last in zip(heads.tolist(), bodies.tolist(), extra.tolist(), strict=True)
    ]
