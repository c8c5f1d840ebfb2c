"""The record: the unit of delivery. Its bytes are made once, at the edge, and stay the same in the spool,
in MQTT and in every hash.

Header, 80 bytes, little-endian:

| field | bytes | meaning |
|---|---|---|
| `magic` | 4 | `AID4` |
| `crc` | 4 | CRC-32C of everything after this field, header and body |
| `version` | 1 | 1 |
| `codec` | 1 | 0 arrow, 1 arrow+zstd, 2 packed, 3 packed+zstd |
| `schema_id`, `schema_version` | 1 + 1 | what the body holds, see `wire.schemas` |
| `cls` | 1 | 0 bulk (may be thinned by a stated policy), 1 event, 2 control |
| `flags` | 1 | zero |
| `stream` | 2 | which resumable stream of the agent the rows are the next of; 0 for none. Only the agent's spool asks |
| `epoch` | 16 | random, new at every start of the agent |
| `seq` | 8 | counts records of the epoch from 1 |
| `generation` | 4 | of the catalogue, within the epoch |
| `boot` | 8 | which power-up of the gateway |
| `clock_us` | 8 | gateway wall clock at packing |
| `mono_us` | 8 | gateway monotonic clock at packing, to correct a wall clock that was set later |
| `count` | 4 | rows |
| `size` | 4 | bytes of the body as it stands here |
| `raw` | 4 | bytes of the body after decompression |

The `arrow` body is one Arrow IPC record batch message without its schema message; the `packed` body (readings
only) is described in `wire.packed`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from fastcrc import crc32
from numpy.typing import NDArray

from wire import packed
from wire.errors import RecordError
from wire.limits import RECORD_BYTES_MAX, RECORD_RAW_BYTES_MAX, RECORD_ROWS_MAX
from wire.packed import Columns
from wire.schemas import READINGS, schema

__all__ = [
    "ARROW", "ARROW_ZSTD", "CLASS_BULK", "CLASS_CONTROL", "CLASS_EVENT", "CODECS", "HEADER_BYTES", "MAGIC", "PACKED",
    "PACKED_ZSTD", "Columns", "Header", "Stamp", "check", "pack", "pack_split", "read_header", "unpack",
]  # fmt: skip

MAGIC: Final = b"AID4"
VERSION: Final = 1
CLASS_BULK, CLASS_EVENT, CLASS_CONTROL = 0, 1, 2
ARROW, ARROW_ZSTD, PACKED, PACKED_ZSTD = 0, 1, 2, 3
CODECS: Final = {"arrow": ARROW, "arrow+zstd": ARROW_ZSTD, "packed": PACKED, "packed+zstd": PACKED_ZSTD}

_HEADER = struct.Struct("<4sIBBBBBBH16sQIQqQIII")
HEADER_BYTES: Final = _HEADER.size
HEADER_DTYPE: Final = np.dtype(
    [
        ("magic", "S4"), ("crc", "<u4"), ("version", "u1"), ("codec", "u1"), ("schema_id", "u1"),
        ("schema_version", "u1"), ("cls", "u1"), ("flags", "u1"), ("stream", "<u2"), ("epoch", "V16"),
        ("seq", "<u8"), ("generation", "<u4"), ("boot", "<u8"), ("clock_us", "<i8"), ("mono_us", "<u8"),
        ("count", "<u4"), ("size", "<u4"), ("raw", "<u4"),
    ]
)  # fmt: skip
assert HEADER_BYTES == HEADER_DTYPE.itemsize == 80
_CRC_FROM: Final = 8
_ZSTD_LEVEL: Final = 1


class Header(msgspec.Struct, frozen=True, gc=False):
    """A record's header, decoded; field meanings stand in the module's table."""

    crc: int
    version: int
    codec: int
    schema_id: int
    schema_version: int
    cls: int
    flags: int
    stream: int
    epoch: bytes
    seq: int
    generation: int
    boot: int
    clock_us: int
    mono_us: int
    count: int
    size: int
    raw: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all records of one flush share."""

    epoch: bytes
    generation: int
    boot: int
    clock_us: int
    mono_us: int
    cls: int = CLASS_BULK
    stream: int = 0


def pack(
    batch: pa.RecordBatch, *, schema_id: int, stamp: Stamp, seq: int, codec: int | None = None, level: int = _ZSTD_LEVEL
) -> bytes:
    """Make one record of a whole batch. Default codec: packed for readings, arrow for the rest. `level` is zstd's.

    RecordError("size") when the record would pass RECORD_BYTES_MAX or RECORD_ROWS_MAX.
    """
    if not 0 < batch.num_rows <= RECORD_ROWS_MAX:
        raise RecordError("size", f"{batch.num_rows} rows, 1 to {RECORD_ROWS_MAX}")
    if codec is None:
        codec = PACKED if schema_id == READINGS else ARROW
    if codec == PACKED:
        return _pack_even(packed.columns_of(batch), batch.num_rows, stamp, seq)[0]
    plain = _packed_body(batch) if codec == PACKED_ZSTD else _arrow_body(batch, schema_id)
    body = _zstd(level).compress(plain, asbytes=True) if codec in (ARROW_ZSTD, PACKED_ZSTD) else plain
    return _frame(body, len(plain), batch.num_rows, schema_id, codec, stamp, seq)


def pack_split(
    batch: pa.RecordBatch, rows: int, *, schema_id: int, stamp: Stamp, first_seq: int, codec: int | None = None
) -> list[bytes]:
    """Cut a batch into records of `rows` rows (the last may be shorter), numbered from `first_seq`."""
    if schema_id == READINGS and codec in (None, PACKED):
        columns = packed.columns_of(batch)
        even = batch.num_rows // rows * rows
        records = _pack_even(columns.part(0, even), rows, stamp, first_seq) if even else []
        if even < batch.num_rows:
            rest = columns.part(even, batch.num_rows)
            records += _pack_even(rest, batch.num_rows - even, stamp, first_seq + len(records))
        return records
    return [
        pack(batch.slice(at, rows), schema_id=schema_id, stamp=stamp, seq=first_seq + number, codec=codec)
        for number, at in enumerate(range(0, batch.num_rows, rows))
    ]


def read_header(data: bytes | bytearray | memoryview) -> Header:
    """Decode and bound the header at the start of `data`, which may be longer than the record.

    Checks magic, version and every size before anything is allocated; the CRC is not checked.
    """
    if len(data) < HEADER_BYTES:
        raise RecordError("size", f"{len(data)} bytes are no record")
    magic, crc, version, codec, schema_id, schema_version, cls, flags, *rest = _HEADER.unpack_from(data)
    header = Header(crc, version, codec, schema_id, schema_version, cls, flags, *rest)
    if magic != MAGIC:
        raise RecordError("magic", f"starts with {bytes(magic)!r}, not {MAGIC!r}")
    if version != VERSION:
        raise RecordError("version", f"record version {version} is not known to this build")
    if header.size > RECORD_BYTES_MAX - HEADER_BYTES or not 0 < header.count <= RECORD_ROWS_MAX:
        raise RecordError("header", f"body of {header.size} bytes, {header.count} rows")
    if header.raw > RECORD_RAW_BYTES_MAX:
        raise RecordError("bomb", f"would decompress to {header.raw} bytes, at most {RECORD_RAW_BYTES_MAX}")
    return header


def check(data: bytes | bytearray | memoryview) -> Header:
    """Header of `data`, which must be one whole record with the right CRC."""
    header = read_header(data)
    if len(data) != HEADER_BYTES + header.size:
        raise RecordError("size", f"{len(data)} bytes, the header says {HEADER_BYTES + header.size}")
    if crc32.iscsi(memoryview(data)[_CRC_FROM:]) != header.crc:
        raise RecordError("crc", f"seq {header.seq}: the bytes were changed")
    return header


def unpack(data: bytes | bytearray | memoryview) -> tuple[Header, pa.RecordBatch]:
    """Check one record and decode its body, validated in full; RecordError says what is wrong."""
    header = check(data)
    return header, decode_body(header, memoryview(data)[HEADER_BYTES:])


def decode_body(header: Header, body: memoryview) -> pa.RecordBatch:
    """Decode a body whose header and CRC were checked."""
    kind = schema(header.schema_id, header.schema_version)
    if header.codec not in CODECS.values():
        raise RecordError("codec", f"codec {header.codec} is not known to this version")
    plain = _inflate(header, body) if header.codec in (ARROW_ZSTD, PACKED_ZSTD) else body
    if header.codec in (PACKED, PACKED_ZSTD):
        if header.schema_id != READINGS:
            raise RecordError("codec", "only readings can be packed")
        return _batch_of(_read_packed(header, plain))
    try:
        batch = pa.ipc.read_record_batch(pa.py_buffer(plain), kind)
        batch.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, IndexError) as error:
        raise RecordError("body", str(error)[:200]) from error
    if batch.num_rows != header.count:
        raise RecordError("body", f"{batch.num_rows} rows, the header says {header.count}")
    if any(column.null_count for column, field in zip(batch.columns, kind, strict=True) if not field.nullable):
        raise RecordError("body", "a column that may not be null holds nulls")
    return batch


def _pack_even(columns: Columns, rows: int, stamp: Stamp, first_seq: int) -> list[bytes]:
    """Packed records of exactly `rows` rows each, made together."""
    layout = packed.choose(columns, rows)
    size = packed.body_bytes(layout)
    if HEADER_BYTES + size > RECORD_BYTES_MAX:
        raise RecordError("size", f"{rows} rows make {size} bytes, at most {RECORD_BYTES_MAX}")
    count = len(columns.point) // rows
    store = bytearray(count * (HEADER_BYTES + size))
    packed.fill(np.frombuffer(store, packed.body_dtype(layout, HEADER_BYTES)), columns, layout)
    headers = np.frombuffer(store, _padded_header(HEADER_BYTES + size))
    headers["magic"], headers["version"], headers["codec"] = MAGIC, VERSION, PACKED
    headers["schema_id"], headers["schema_version"], headers["cls"] = READINGS, 1, stamp.cls
    headers["stream"] = stamp.stream
    headers["epoch"], headers["generation"], headers["boot"] = np.void(stamp.epoch), stamp.generation, stamp.boot
    headers["clock_us"], headers["mono_us"] = stamp.clock_us, stamp.mono_us
    headers["seq"] = np.arange(first_seq, first_seq + count, dtype=np.uint64)
    headers["count"], headers["size"], headers["raw"] = rows, size, size
    step, view = HEADER_BYTES + size, memoryview(store)
    ends = range(step, len(store) + 1, step)
    headers["crc"] = [crc32.iscsi(view[end - step + _CRC_FROM : end]) for end in ends]
    whole = bytes(store)
    return [whole[end - step : end] for end in ends] if count > 1 else [whole]


def _padded_header(itemsize: int) -> np.dtype[np.void]:
    fields: dict[str, Any] = dict(HEADER_DTYPE.fields or {})
    return np.dtype(
        {
            "names": list(fields),
            "formats": [fields[name][0] for name in fields],
            "offsets": [fields[name][1] for name in fields],
            "itemsize": itemsize,
        }
    )


def _frame(body: bytes, raw: int, count: int, schema_id: int, codec: int, stamp: Stamp, seq: int) -> bytes:
    if HEADER_BYTES + len(body) > RECORD_BYTES_MAX or raw > RECORD_RAW_BYTES_MAX:
        raise RecordError("size", f"{count} rows make {len(body)} bytes, at most {RECORD_BYTES_MAX}")
    data = bytearray(HEADER_BYTES + len(body))
    _HEADER.pack_into(
        data, 0, MAGIC, 0, VERSION, codec, schema_id, 1, stamp.cls, 0, stamp.stream, stamp.epoch, seq, stamp.generation,
        stamp.boot, stamp.clock_us, stamp.mono_us, count, len(body), raw,
    )  # fmt: skip
    data[HEADER_BYTES:] = body
    struct.pack_into("<I", data, 4, crc32.iscsi(memoryview(data)[_CRC_FROM:]))
    return bytes(data)


def _arrow_body(batch: pa.RecordBatch, schema_id: int) -> bytes:
    kind = schema(schema_id)
    if batch.schema != kind:
        batch = batch.cast(kind)
    return bytes(batch.serialize())


def _packed_body(batch: pa.RecordBatch) -> bytes:
    columns = packed.columns_of(batch)
    layout = packed.choose(columns, batch.num_rows)
    body = bytearray(packed.body_bytes(layout))
    packed.fill(np.frombuffer(body, packed.body_dtype(layout)), columns, layout)
    return bytes(body)


def _read_packed(header: Header, body: memoryview | bytes) -> Columns:
    layout = packed.layouts_of(body, header.count)
    return packed.read(np.frombuffer(body, packed.body_dtype(layout)), layout)


def _batch_of(columns: Columns) -> pa.RecordBatch:
    point, ts, value, quality = (pa.array(column) for column in columns)
    return pa.RecordBatch.from_arrays(
        [point, ts.view(pa.timestamp("us", tz="UTC")), value, quality], schema=schema(READINGS)
    )


def _inflate(header: Header, body: memoryview) -> bytes:
    """Decompress into exactly the announced size, which read_header has bounded."""
    try:
        plain: bytes = _zstd().decompress(pa.py_buffer(body), decompressed_size=header.raw, asbytes=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecordError("body", f"zstd: {str(error)[:200]}") from error
    if len(plain) != header.raw:
        raise RecordError("body", f"zstd gave {len(plain)} bytes, the header says {header.raw}")
    return plain


def _zstd(level: int = _ZSTD_LEVEL) -> pa.Codec:
    return pa.Codec("zstd", compression_level=level)


def frames(data: Sequence[bytes]) -> NDArray[np.void]:
    """Headers of many records as one structured array; unchecked, for `wire.scan`."""
    return np.frombuffer(b"".join(record[:HEADER_BYTES] for record in data), HEADER_DTYPE)
