"""All messages of the dialect and all columns of dataflash, written by pymavlink's own packers and by hand."""

import io
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
from pymavlink.DFReader import DFReader_binary
from pymavlink.dialects.v20 import all as dialect

from drone_ingest import read
from drone_ingest.mavlink.window import decode_window

_RANGES = {
    "int8_t": (-128, 127), "uint8_t": (0, 255), "int16_t": (-(1 << 15), (1 << 15) - 1), "uint16_t": (0, (1 << 16) - 1),
    "int32_t": (-(1 << 31), (1 << 31) - 1), "uint32_t": (0, (1 << 32) - 1), "int64_t": (-(1 << 63), (1 << 63) - 1),
    "uint64_t": (0, (1 << 64) - 1),
}  # fmt: skip


def _value(rng: random.Random, kind: str, length: int) -> Any:
    if kind == "char" and not length:
        return rng.choice(b"abc").to_bytes(1, "little")
    if kind == "char":
        return "".join(rng.choice("abcXYZ_12") for _ in range(rng.randint(0, length))).encode()
    if length:
        return [_value(rng, kind, 0) for _ in range(length)]
    if kind in ("float", "double"):
        return struct.unpack("<f", struct.pack("<f", rng.uniform(-1e6, 1e6)))[0]
    if rng.random() < 0.3:
        return 0  # zeros at the end of a payload are cut off on the wire
    return rng.randint(*_RANGES[kind])


def _messages(rng: random.Random, mav: Any, *, first: bool) -> list[tuple[Any, bytes]]:
    packed = []
    for kind in dialect.mavlink_map.values():
        if first and kind.id > 255:
            continue
        lengths = dict(zip(kind.ordered_fieldnames, kind.array_lengths, strict=True))
        types = dict(zip(kind.fieldnames, kind.fieldtypes, strict=True))
        for _ in range(3):
            message = kind(*(_value(rng, types[name], lengths[name]) for name in kind.fieldnames))
            packed.append((message, bytes(message.pack(mav, force_mavlink1=first))))
    return packed


def _check(first: bool, seed: int) -> int:
    rng = random.Random(seed)
    mav = dialect.MAVLink(io.BytesIO(), srcSystem=7, srcComponent=3)
    packed = _messages(rng, mav, first=first)
    stream = b"".join(data for _, data in packed)
    theirs = dialect.MAVLink(None).parse_buffer(stream)
    ours = decode_window(stream, name="all", prefix=0, final=True, tries=1_000)
    assert ours.messages == len(theirs) == len(packed)
    assert not ours.gaps
    rows = {name: batch.to_pylist() for name, batch in ours.batches.items()}
    for message in theirs:
        row = rows[message.get_type()].pop(0)
        assert (row["_system"], row["_component"], row["_seq"]) == (7, 3, message.get_seq())
        for field in message.get_fieldnames():
            value = getattr(message, field)
            same = row[field] == value or (isinstance(value, float) and math.isnan(value) and math.isnan(row[field]))
            assert same, f"{message.get_type()}.{field}: {row[field]!r} for {value!r}"
    return len(packed)


def test_each_message_of_mavlink_2_decodes_as_pymavlink_decodes_it() -> None:
    assert _check(first=False, seed=11) > 1_000


def test_each_message_of_mavlink_1_decodes_as_pymavlink_decodes_it() -> None:
    assert _check(first=True, seed=12) > 500


_FORMATS = {
    "a": "32h", "b": "b", "B": "B", "h": "h", "H": "H", "i": "i", "I": "I", "f": "f", "n": "4s", "N": "16s", "Z": "64s",
    "c": "h", "C": "H", "e": "i", "E": "I", "L": "i", "d": "d", "M": "b", "q": "q", "Q": "Q", "g": "e",
}  # fmt: skip


def _fmt(number: int, name: str, codes: str, columns: str) -> bytes:
    length = 3 + struct.calcsize("<" + "".join(_FORMATS[code] for code in codes))
    fields = struct.pack("<BB4s16s64s", number, length, name.encode(), codes.encode(), columns.encode())
    return b"\xa3\x95\x80" + fields


def test_each_column_type_of_dataflash_decodes_as_pymavlink_decodes_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    log = _fmt(128, "FMT", "BBnNZ", "Type,Length,Name,Format,Columns")
    for number, code in enumerate(_FORMATS, 1):
        log += _fmt(number, f"T{number}", f"Q{code}", "TimeUS,V")
        for row in range(5):
            size = struct.calcsize("<" + _FORMATS[code])
            value = rng.integers(32, 127, size, np.uint8).tobytes()
            if _FORMATS[code][-1] in "fd" and code != "d":
                value = struct.pack("<f", float(rng.normal()))
            log += b"\xa3\x95" + bytes([number]) + struct.pack("<Q", 1_000 * row) + value
    file = tmp_path / "made.BIN"
    file.write_bytes(log)
    reader, flight = DFReader_binary(str(file)), read(file)
    assert not flight.damages
    rows = {name: table.to_pylist() for name, table in flight.messages.items()}
    while (message := reader.recv_msg()) is not None:
        row = rows[message.get_type()].pop(0)
        for field in message.get_fieldnames():
            value = getattr(message, field)
            expected = list(value) if field == "V" and message.get_type() == "T1" else value
            if message.get_type() == "T1" and field == "V":
                expected = list(struct.unpack("<32h", bytes(value)))
            assert row[field] == expected, (message.get_type(), field)
    assert not any(rows.values())
