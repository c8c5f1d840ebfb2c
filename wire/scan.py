"""Many records at once: what the twin's hot path reads, without a Python step for every reading.

`scan` checks headers and CRCs of a list of payloads; `readings` decodes the good ones of schema readings@1.
Payloads of one shape share one structured numpy array, so small records cost little more than large ones.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from fastcrc import crc32
from numpy.typing import NDArray

from wire import packed
from wire.errors import RecordError
from wire.limits import RECORD_RAW_BYTES_MAX, RECORD_ROWS_MAX
from wire.packed import Columns
from wire.records import (
    HEADER_BYTES,
    HEADER_DTYPE,
    PACKED,
    Header,
    check,
    decode_body,
    read_header,
)
from wire.schemas import READINGS

__all__ = ["Block", "Scan", "readings", "scan"]

_GOOD_HEAD = np.frombuffer(b"AID4", "<u4")[0]


class Scan(NamedTuple):
    """Headers of all payloads (rows of bad ones are zero), and what was wrong with the bad ones, by position."""

    headers: NDArray[np.void]
    errors: dict[int, RecordError]


class Block(NamedTuple):
    """Decoded readings end to end: `record[i]` is the position (in the list given) of row i's record."""

    columns: Columns
    rows: NDArray[np.int64]  # how many rows each of `records` gave
    records: NDArray[np.int64]  # positions, in the order in which their rows stand
    errors: dict[int, RecordError]


def scan(payloads: Sequence[bytes]) -> Scan:
    """Check every payload as `wire.records.check` does."""
    errors: dict[int, RecordError] = {}
    headers = _headers(payloads)
    crcs = np.fromiter((crc32.iscsi(p[8:]) for p in payloads), np.uint32, len(payloads))
    sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
    good = (headers["crc"] == crcs) & (sizes == headers["size"].astype(np.int64) + HEADER_BYTES)
    good &= (headers["magic"] == b"AID4") & (headers["version"] == 1)
    for position in np.flatnonzero(~good | _out_of_bounds(headers)).tolist():
        try:
            check(payloads[position])
        except RecordError as error:
            errors[position] = error
            headers[position] = np.zeros(1, HEADER_DTYPE)[0]
    return Scan(headers, errors)


def readings(payloads: Sequence[bytes], headers: NDArray[np.void], positions: Sequence[int]) -> Block:
    """Decode readings@1 records that `scan` found good; a body that does not decode lands in `errors`."""
    errors: dict[int, RecordError] = {}
    parts: list[Columns] = []
    rows: list[int] = []
    records: list[int] = []
    for run in _runs(payloads, headers, positions):
        try:
            parts.append(_decode_run(payloads, headers, run))
        except RecordError as error:
            if len(run) == 1:
                errors[run[0]] = error
                continue
            rest = readings_one_by_one(payloads, run, errors)
            parts += [columns for _, columns in rest]
            records += [position for position, _ in rest]
            rows += [len(columns.point) for _, columns in rest]
            continue
        records += run
        rows += [int(headers["count"][run[0]])] * len(run)
    if not parts:
        columns = Columns(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8))
    else:
        columns = parts[0] if len(parts) == 1 else Columns(*(np.concatenate(c) for c in zip(*parts, strict=True)))
    return Block(columns, np.array(rows, np.int64), np.array(records, np.int64), errors)


def readings_one_by_one(
    payloads: Sequence[bytes], run: list[int], errors: dict[int, RecordError]
) -> list[tuple[int, Columns]]:
    """Decode each record alone, so that a bad one harms no neighbour."""
    found: list[tuple[int, Columns]] = []
    for position in run:
        try:
            header = read_header(payloads[position])
            found.append((position, _decode(header, payloads[position])))
        except RecordError as error:
            errors[position] = error
    return found


def _headers(payloads: Sequence[bytes]) -> NDArray[np.void]:
    joined = b"".join([p[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0") for p in payloads])
    return np.frombuffer(joined, HEADER_DTYPE).copy()


def _out_of_bounds(headers: NDArray[np.void]) -> NDArray[np.bool_]:
    outside: NDArray[np.bool_] = (
        (headers["count"] == 0) | (headers["count"] > RECORD_ROWS_MAX) | (headers["raw"] > RECORD_RAW_BYTES_MAX)
    )
    return outside


def _runs(payloads: Sequence[bytes], headers: NDArray[np.void], positions: Sequence[int]) -> list[list[int]]:
    """Neighbours that share codec, size, count and packed layout decode together; others stand alone."""
    runs: list[list[int]] = []
    last: object = None
    codec, size, count = headers["codec"].tolist(), headers["size"].tolist(), headers["count"].tolist()
    for position in positions:
        if codec[position] == PACKED:
            shape = (size[position], count[position], _shape_bytes(payloads[position]))
        else:
            shape = None
        if shape is not None and shape == last:
            runs[-1].append(position)
        else:
            runs.append([position])
        last = shape
    return runs


def _shape_bytes(payload: bytes) -> bytes:
    """The descriptor's time unit, column codes and places: equal bytes mean an equal layout."""
    at = HEADER_BYTES
    return payload[at + 4 : at + 8] + payload[at + 16 : at + 20] + payload[at + 21 : at + 22]


def _decode_run(payloads: Sequence[bytes], headers: NDArray[np.void], run: list[int]) -> Columns:
    first = payloads[run[0]]
    if headers["codec"][run[0]] != PACKED:
        return _decode(read_header(first), first)
    if headers["schema_id"][run[0]] != READINGS:
        raise RecordError("codec", "only readings can be packed")
    layout = packed.layouts_of(memoryview(first)[HEADER_BYTES:], int(headers["count"][run[0]]))
    whole = first if len(run) == 1 else b"".join([payloads[position] for position in run])
    return packed.read(np.frombuffer(whole, packed.body_dtype(layout, HEADER_BYTES)), layout)


def _decode(header: Header, payload: bytes) -> Columns:
    return packed.columns_of(decode_body(header, memoryview(payload)[HEADER_BYTES:]))
