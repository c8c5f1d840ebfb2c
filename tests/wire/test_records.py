"""The record format: golden bytes, round trips, refusals, and 20,000 mutants."""

import contextlib
import random
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import records, scan
from wire.errors import RecordError
from wire.limits import RECORD_RAW_BYTES_MAX
from wire.records import CLASS_CONTROL, CODECS, HEADER_BYTES, Stamp
from wire.schemas import CATALOGUE, EVENTS, GAP, NAMES, READINGS, STATES, schema

GOLDEN = Path(__file__).parent / "golden"
STAMP = Stamp(
    epoch=bytes(range(16)), generation=3, boot=0x0123456789AB, clock_us=1_750_000_000_123_456, mono_us=987_654_321
)


def readings(n: int, seed: int = 0, step_us: int = 1_000) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    ts = 1_750_000_000_000_000 + np.arange(n, dtype=np.int64) * step_us
    values = np.round(rng.normal(size=n).cumsum(), 2)
    columns = [
        pa.array(rng.integers(0, 500, n).astype(np.uint32)),
        pa.array(ts).view(pa.timestamp("us", tz="UTC")),
        pa.array(values),
        pa.array(rng.integers(0, 2, n).astype(np.uint8)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))


def samples() -> dict[str, tuple[int, pa.RecordBatch, int]]:
    ts = pa.array([1_750_000_000_000_000, 1_750_000_000_500_000]).view(pa.timestamp("us", tz="UTC"))
    states = pa.RecordBatch.from_arrays(
        [pa.array([1, 2], pa.uint32()), ts, pa.array(["AVAILABLE", ""]), pa.array([0, 8], pa.uint8())],
        schema=schema(STATES),
    )
    gap = pa.RecordBatch.from_pydict(
        {"epoch": [bytes(16)], "lo": [4], "hi": [9], "reason": ["thinned"], "readings": [None]}, schema=schema(GAP)
    )
    events = pa.RecordBatch.from_pydict(
        {
            "ts": ts[:1],
            "device": ["m"],
            "kind": ["start"],
            "severity": [0],
            "point": [None],
            "message": ["läuft 啟動"],
            "detail": ["{}"],
        },
        schema=schema(EVENTS),
    )
    return {
        "readings-packed": (READINGS, readings(5), CODECS["packed"]),  # before decimals were known
        "readings-packed-decimals": (READINGS, readings(5), CODECS["packed"]),
        "readings-packed-float64": (READINGS, _with_values([1 / 3, -0.0, 1e300, 2.5, 0.1]), CODECS["packed"]),
        "readings-packed-float32": (READINGS, _float32(readings(5)), CODECS["packed"]),
        "readings-arrow": (READINGS, readings(5), CODECS["arrow"]),
        "states-arrow": (STATES, states, CODECS["arrow"]),
        "events-arrow": (EVENTS, events, CODECS["arrow"]),
        "gap-arrow": (GAP, gap, CODECS["arrow"]),
    }


def _with_values(values: list[float]) -> pa.RecordBatch:
    return readings(len(values)).set_column(2, schema(READINGS).field("value"), pa.array(values, pa.float64()))


def _float32(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.set_column(
        2,
        schema(READINGS).field("value"),
        pa.array(batch.column(2).to_numpy().astype(np.float32).astype(np.float64)),
    )


@pytest.mark.parametrize("name", sorted(samples()))
def test_the_bytes_of_wire_version_1_still_decode_to_the_same_rows(name: str) -> None:
    schema_id, batch, _ = samples()[name]
    data = bytes.fromhex((GOLDEN / f"{name}.hex").read_text())
    header, decoded = records.unpack(data)
    assert (header.epoch, header.seq, header.generation, header.schema_id) == (STAMP.epoch, 42, 3, schema_id)
    assert (header.boot, header.clock_us, header.mono_us) == (STAMP.boot, STAMP.clock_us, STAMP.mono_us)
    assert decoded.equals(batch)


@pytest.mark.parametrize("name", [name for name in sorted(samples()) if "packed-" in name])
def test_packed_records_are_made_byte_for_byte_as_in_version_1(name: str) -> None:
    schema_id, batch, codec = samples()[name]
    made = records.pack(batch, schema_id=schema_id, stamp=STAMP, seq=42, codec=codec)
    assert made.hex() == (GOLDEN / f"{name}.hex").read_text().strip()


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("rows", [1, 2, 7, 100, 5_000])
def test_every_codec_gives_back_every_reading(codec: int, rows: int) -> None:
    batch = readings(rows, seed=rows)
    header, decoded = records.unpack(records.pack(batch, schema_id=READINGS, stamp=STAMP, seq=1, codec=codec))
    assert decoded.equals(batch)
    assert header.count == rows


@pytest.mark.parametrize(
    ("values", "value_bytes"),
    [
        ([0.0, 1.0, 1.0], 1),
        ([21.37, 21.4, 20.99], 1),
        ([-5.5, 1_000.0, 3.25], 4),  # 100,550 steps do not fit two bytes, float32 does
        ([-5.5, 600.0, 3.2], 2),
        ([123_456.78, 0.01, 9_999_999.99], 4),
        ([0.0, -0.0, 1.5], 4),  # a zero keeps its sign
        ([0.1 + 0.2, 1.0, 2.0], 8),
        ([float("nan"), 1.0, 2.0], 4),
        ([2.0**53, 1.0, 0.5], 4),
        ([9_007_199_254_740_993.0, 0.1, 1.0], 8),
    ],
)
def test_values_of_few_digits_take_few_bytes_and_come_back_bit_for_bit(values: list[float], value_bytes: int) -> None:
    batch = _with_values(values)
    data = records.pack(batch, schema_id=READINGS, stamp=STAMP, seq=1)
    plain = records.pack(_with_values([1 / 3] * len(values)), schema_id=READINGS, stamp=STAMP, seq=1)
    base = 8 if data[HEADER_BYTES + 16] in (1, 2, 5) else 0  # decimals say where they start
    assert len(plain) - len(data) + base == len(values) * (8 - value_bytes)
    found = records.unpack(data)[1].column(2).to_numpy()
    assert found.view(np.uint64).tolist() == np.array(values).view(np.uint64).tolist()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=40),
    st.integers(0, 8),
    st.sampled_from([0.0, -0.0, 0.5, 1e16, float("inf"), float("nan")]),
)
def test_decimals_of_any_size_come_back_bit_for_bit(steps: list[int], places: int, other: float) -> None:
    values = [step / 10**places for step in steps]
    for each in (values, [*values, other]):
        data = records.pack(_with_values(each), schema_id=READINGS, stamp=STAMP, seq=1)
        back = records.unpack(data)[1].column(2).to_numpy()
        assert back.view(np.uint64).tolist() == np.array(each).view(np.uint64).tolist()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=True, allow_infinity=True, width=64),
            st.integers(0, 255),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_packed_is_lossless_for_any_reading_bit_for_bit(rows: list[tuple[int, int, float, int]], cut: int) -> None:
    point, ts, value, quality = (list(column) for column in zip(*rows, strict=True))
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(point, pa.uint32()),
            pa.array(ts, pa.int64()).view(pa.timestamp("us", tz="UTC")),
            pa.array(np.array(value)),
            pa.array(quality, pa.uint8()),
        ],
        schema=schema(READINGS),
    )
    cut_records = records.pack_split(batch, cut, schema_id=READINGS, stamp=STAMP, first_seq=1)
    found = scan.scan(cut_records)
    block = scan.readings(cut_records, found.headers, range(len(cut_records)))
    assert not found.errors
    assert not block.errors
    assert block.columns.point.tolist() == point
    assert block.columns.ts.tolist() == ts
    assert block.columns.value.view(np.uint64).tolist() == np.array(value).view(np.uint64).tolist()
    assert block.columns.quality.tolist() == quality


def test_cutting_a_batch_numbers_the_records_and_keeps_the_remainder() -> None:
    batch = readings(1_050)
    cut = records.pack_split(batch, 100, schema_id=READINGS, stamp=STAMP, first_seq=7)
    assert [records.check(data).seq for data in cut] == list(range(7, 18))
    assert [records.check(data).count for data in cut] == [100] * 10 + [50]
    assert pa.Table.from_batches([records.unpack(data)[1] for data in cut]).to_batches()[0].num_rows == 100
    assert (
        pa.concat_tables(pa.Table.from_batches([records.unpack(d)[1]]) for d in cut)
        .combine_chunks()
        .equals(pa.Table.from_batches([batch]))
    )


def test_a_bomb_is_refused_before_anything_is_allocated() -> None:
    data = bytearray(records.pack(readings(10), schema_id=READINGS, stamp=STAMP, seq=1, codec=CODECS["arrow+zstd"]))
    struct.pack_into("<I", data, 76, RECORD_RAW_BYTES_MAX + 1)
    with pytest.raises(RecordError) as refused:
        records.read_header(bytes(data))
    assert refused.value.reason == "bomb"


def test_a_body_that_expands_beyond_its_announced_size_is_refused() -> None:
    plain = pa.compress(b"\0" * 4_000_000, codec="zstd", asbytes=True)
    forged = records._frame(plain, 1_000, 10, READINGS, CODECS["arrow+zstd"], STAMP, 1)
    with pytest.raises(RecordError) as refused:
        records.unpack(forged)
    assert refused.value.reason == "body"


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, 0x42, "magic"),
        (8, 9, "version"),
        (9, 200, "codec"),
        (10, 77, "schema"),
        (11, 9, "schema"),
        (20, 1, "crc"),
    ],
)
def test_what_is_not_known_is_named(offset: int, value: int, reason: str) -> None:
    data = bytearray(records.pack(readings(10), schema_id=READINGS, stamp=STAMP, seq=1, codec=CODECS["arrow"]))
    data[offset] = value
    if reason != "crc":
        struct.pack_into("<I", data, 4, records.crc32.iscsi(bytes(data[8:])))
    with pytest.raises(RecordError) as refused:
        records.unpack(bytes(data))
    assert refused.value.reason == reason


def _mutants(count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    originals = [
        records.pack(batch, schema_id=schema_id, stamp=STAMP, seq=1, codec=codec)
        for schema_id, batch, codec in samples().values()
    ]
    originals += [
        records.pack(readings(50), schema_id=READINGS, stamp=STAMP, seq=1, codec=codec) for codec in CODECS.values()
    ]
    made = []
    for _ in range(count):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(8, len(data))
            width = rng.choice((1, 4))
            data[at : at + width] = rng.randbytes(min(width, len(data) - at))
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        if len(data) >= HEADER_BYTES and rng.random() < 0.9:  # most mutants carry a right CRC: the decoder is on trial
            struct.pack_into("<I", data, 4, records.crc32.iscsi(bytes(data[8:])))
        made.append(bytes(data))
    return made


def test_20_000_mutants_crash_nothing_and_cost_no_good_neighbour_a_row() -> None:
    good = [records.pack(readings(20, seed=i), schema_id=READINGS, stamp=STAMP, seq=i, codec=2) for i in range(1, 201)]
    mutants = _mutants(20_000, seed=4)
    refused = 0
    for start in range(0, len(mutants), 100):
        neighbour = good[start // 100]
        batch = [*mutants[start : start + 50], neighbour, *mutants[start + 50 : start + 100]]
        found = scan.scan(batch)
        known = [i for i in range(len(batch)) if i not in found.errors and found.headers["schema_id"][i] == READINGS]
        assert 50 in known
        block = scan.readings(batch, found.headers, known)
        refused += len(found.errors) + len(block.errors)
        place = block.records.tolist().index(50)
        first = int(block.rows[:place].sum())
        expected = records.unpack(neighbour)[1].column(2).to_numpy()
        assert block.columns.value[first : first + 20].tolist() == expected.tolist()
        for data in batch:
            with contextlib.suppress(RecordError):
                records.unpack(data)
    assert refused > 1_000


def test_a_control_record_says_its_class() -> None:
    from wire import catalogue

    batch = catalogue.to_batch([catalogue.Point(id=0, device="a", metric="b")])
    stamp = Stamp(STAMP.epoch, 1, 2, 3, 4, CLASS_CONTROL)
    header, decoded = records.unpack(records.pack(batch, schema_id=CATALOGUE, stamp=stamp, seq=1))
    assert (header.cls, header.codec) == (CLASS_CONTROL, CODECS["arrow"])
    assert catalogue.from_batch(decoded)[0].key == "a/b"


def test_every_schema_has_a_name_and_a_first_version() -> None:
    assert {schema(number, 1).names[0] for number in NAMES}
    with pytest.raises(RecordError):
        schema(READINGS, 2)
