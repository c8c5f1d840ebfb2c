"""Files made to exhaust a reader: what they promise is not believed, and they end in time."""

import random
import struct
import time
from pathlib import Path

import pytest
from fastcrc import crc32

from drone_ingest import Cloud, Flight, read
from drone_ingest.clouds.columns import survey
from wire.errors import InputError

_CPU_S = 20.0


def _ulog(*messages: tuple[bytes, bytes]) -> bytes:
    head = b"ULog\x01\x12\x35\x01" + bytes(8)
    return head + b"".join(struct.pack("<H", len(body)) + kind + body for kind, body in messages)


def _format(name: str, fields: str) -> tuple[bytes, bytes]:
    return b"F", f"{name}:{fields}".encode()


_TIMED = [_format("t", "uint64_t timestamp;uint8_t x;"), (b"A", b"\0\7\0t"), (b"D", b"\7\0" + bytes(9))]


@pytest.mark.parametrize(
    "formats",
    [
        [_format("e", ""), *(_format(f"n{row + 1}", f"{'e' if not row else f'n{row}'}[4096] x;") for row in range(7))],
        [_format("n7", "n7 x;")],
        [_format("n7", "uint64_t[65535] a;uint64_t[65535] b;")],
        [_format("n7", "double[99999999] a;")],
    ],
)
def test_formats_nested_without_end_are_told_and_the_rest_is_read(
    tmp_path: Path, formats: list[tuple[bytes, bytes]]
) -> None:
    file = tmp_path / "nested.ulg"
    file.write_bytes(_ulog(*formats, (b"A", b"\0\1\0n7"), *_TIMED))
    began_s = time.process_time()
    flight = read(file)
    assert time.process_time() - began_s < _CPU_S
    assert isinstance(flight, Flight)
    assert len(flight.messages["t"]) == 1
    assert flight.damages


@pytest.mark.parametrize("garbage", [b"\xff", b"\xfd", b"\xfe", b"D", b"\xa3\x95\x80", b"\0"])
@pytest.mark.parametrize("name", ["g.tlog", "g.ulg", "g.BIN"])
def test_megabytes_of_garbage_behind_a_log_end_in_time(
    tmp_path: Path, shared_data: Path, name: str, garbage: bytes
) -> None:
    sources = {"g.tlog": "drone/mavlink/vtol.tlog", "g.ulg": "drone/ulog/sample_log_small.ulg",
               "g.BIN": "drone/mavlink/ardupilot_test.BIN"}  # fmt: skip
    source = shared_data / sources[name]
    file = tmp_path / name
    file.write_bytes(source.read_bytes() + garbage * (3_000_000 // len(garbage)))
    began_s = time.process_time()
    broken, whole = read(file), read(source)
    assert time.process_time() - began_s < _CPU_S
    assert isinstance(broken, Flight)
    assert isinstance(whole, Flight)
    for kind, table in whole.messages.items():
        assert len(broken.messages[kind]) >= len(table) - 1, kind


def test_a_las_that_promises_large_records_and_many_is_read_for_what_it_has(tmp_path: Path, shared_data: Path) -> None:
    data = bytearray((shared_data / "drone/pointcloud/simple.las").read_bytes())
    struct.pack_into("<HI", data, 105, 60_000, 4_000_000_000)
    file = tmp_path / "large.las"
    file.write_bytes(data)
    cloud = read(file)
    assert isinstance(cloud, Cloud)
    survey(cloud)
    assert cloud.points == 0
    assert cloud.damages


def test_a_ply_with_thousands_of_properties_takes_no_more_than_it_has(tmp_path: Path) -> None:
    names = "".join(f"property double p{row}\n" for row in range(1_900))
    axes = "".join(f"property double {axis}\n" for axis in "xyz")
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex 3000000000\n{axes}{names}"
    file = tmp_path / "wide.ply"
    file.write_bytes(f"{head}end_header\n".encode() + bytes(8 * 1_903 * 2))
    cloud = read(file)
    assert isinstance(cloud, Cloud)
    assert survey(cloud).points == 2
    assert cloud.damages


def test_a_pcd_that_promises_gigabytes_of_compressed_points_gives_none(tmp_path: Path) -> None:
    head = (
        "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 300000000\nHEIGHT 1\nPOINTS 300000000\n"
    )
    file = tmp_path / "large.pcd"
    file.write_bytes(f"{head}DATA binary_compressed\n".encode() + struct.pack("<II", 10, 3_600_000_000) + bytes(10))
    cloud = read(file)
    assert isinstance(cloud, Cloud)
    assert survey(cloud).points == 0
    assert "3600000000 bytes" in cloud.damages[0].problem


def test_xml_that_nests_or_defines_is_refused(tmp_path: Path) -> None:
    deep, entity = tmp_path / "deep.kml", tmp_path / "entity.kml"
    deep.write_text("<kml>" + "<a>" * 100_000)
    entity.write_text('<!DOCTYPE kml [<!ENTITY a "&#60;">]><kml>&a;</kml>')
    for file in (deep, entity):
        with pytest.raises(InputError, match=r"nests deeper|document type"):
            read(file)


def test_an_e57_that_lies_under_right_checksums_is_read_in_part_or_refused(tmp_path: Path, shared_data: Path) -> None:
    data = (shared_data / "drone/pointcloud/pumpAVisualReferenceImage.e57").read_bytes()
    places = {"xml": (4_104_096, 5_264), "section": (48, 120), "packets": (48, 2_500_000)}
    ended = set()
    for seed in range(45):
        rng = random.Random(seed)
        start, size = places[rng.choice(list(places))]
        broken = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            at = start + rng.randrange(size)
            broken[at] = rng.choice([0, 255, broken[at] ^ (1 << rng.randrange(8)), ord(rng.choice("0123456789-e<>/"))])
        for page in range(0, len(broken), 1_024):
            broken[page + 1_020 : page + 1_024] = crc32.iscsi(bytes(broken[page : page + 1_020])).to_bytes(4, "big")
        file = tmp_path / "lies.e57"
        file.write_bytes(broken)
        try:
            cloud = read(file)
        except InputError:
            ended.add("refused")
            continue
        assert isinstance(cloud, Cloud)
        assert survey(cloud).points <= 155_201
        ended.add("damaged" if cloud.damages else "read")
    assert ended == {"refused", "damaged", "read"}
