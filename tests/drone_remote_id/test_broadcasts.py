"""Remote ID: real captures, frames of each radio made by hand, and broadcasts that lie."""

import struct
from pathlib import Path
from typing import Any

import pytest

from drone_ingest import Flight, RemoteIds, read

_T_US = 1_700_000_000_000_000


def _heard(path: Path) -> RemoteIds:
    found = read(path)
    assert isinstance(found, RemoteIds)
    return found


def test_a_real_flight_has_the_counts_of_its_capture(shared_data: Path) -> None:
    heard = _heard(shared_data / "drone/remoteid/parrot_anafi4_real.pcapng")
    counts = {name: len(table) for name, table in heard.messages.items()}
    assert counts == {"location": 1_140, "basic_id": 385, "system": 385, "operator_id": 385}
    assert heard.frames == 5_091
    assert heard.positions["alt_ellipsoid_m"].null_count == 1_140, "raw 0 is unknown, not -1000 m"
    assert heard.transmitters is not None
    (one,) = heard.transmitters.to_pylist()
    assert (one["ids"], one["suspect"]) == (["1588E040445AC004418"], False)
    assert not heard.warnings


def test_each_spoofed_transmitter_of_a_capture_is_flagged(shared_data: Path) -> None:
    heard = _heard(shared_data / "drone/remoteid/mavic_multiple_spoofed.pcapng")
    assert heard.transmitters is not None
    rows = heard.transmitters.to_pylist()
    assert len(rows) > 1
    assert all(row["suspect"] for row in rows)
    assert all(46 < lat < 48 for lat in heard.positions["lat_deg"].to_pylist())


def _pcap(link: int, frames: list[bytes], order: str = "<") -> bytes:
    data = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, link)
    for row, frame in enumerate(frames):
        us = _T_US + row * 200_000
        data += struct.pack(order + "IIII", us // 1_000_000, us % 1_000_000, len(frame), len(frame)) + frame
    return data


def _basic(identity: bytes) -> bytes:
    return bytes([0x02, 0x12]) + identity.ljust(20, b"\0") + bytes(3)


def _location(lat: float, lon: float, *, height: float = 30.0) -> bytes:
    body = struct.pack("<iiHHH", round(lat * 1e7), round(lon * 1e7), 0, (250 + 1_000) * 2, round((height + 1_000) * 2))
    return bytes([0x12, 0x20, 45, 40, 4]) + body + bytes([0x3B, 0, 0, 0, 0, 0])


def _system(lat: float, lon: float) -> bytes:
    place = struct.pack("<iiHBHH", round(lat * 1e7), round(lon * 1e7), 1, 0, 0, 0)
    return bytes([0x42, 0x01]) + place + bytes([0]) + struct.pack("<HI", 0, 1_000) + bytes(1)


def _pack(messages: list[bytes]) -> bytes:
    assert all(len(one) == 25 for one in messages)
    return bytes([0xF2, 25, len(messages)]) + b"".join(messages)


def _beacon(mac: bytes, payload: bytes) -> bytes:
    element = b"\xfa\x0b\xbc\x0d\x01" + payload
    header = b"\x80\0\0\0" + b"\xff" * 6 + mac + mac + b"\0\0"
    return b"\0\0\x08\0\0\0\0\0" + header + bytes(12) + b"\0\x02ab" + bytes([221, len(element)]) + element


def _nan(mac: bytes, payload: bytes) -> bytes:
    info = b"\x01" + payload
    descriptor = b"\x88\x69\x19\x9d\x92\x09\x01\x00\x10" + bytes([len(info)]) + info
    body = b"\x04\x09\x50\x6f\x9a\x13" + b"\x03" + struct.pack("<H", len(descriptor)) + descriptor
    return b"\xd0\0\0\0" + b"\xff" * 6 + mac + mac + b"\0\0" + body


def _advertisement(mac: bytes, payload: bytes) -> bytes:
    data = b"\x16\xfa\xff\x0d\x01" + payload
    pdu = b"\x42" + bytes([7 + len(data)]) + mac[::-1] + bytes([len(data)]) + data
    return b"\xd6\xbe\x89\x8e" + pdu + b"\0\0\0"


_MAC = bytes.fromhex("903ae65bc8a8")
_SERIAL = b"1588E040445AC004418"
_MESSAGES = [_basic(_SERIAL), _location(48.9, 18.1), _system(48.901, 18.101)]


@pytest.mark.parametrize(
    ("link", "frames", "radio"),
    [
        (127, [_beacon(_MAC, _pack(_MESSAGES))] * 3, "wifi_beacon"),
        (105, [_nan(_MAC, _pack(_MESSAGES))] * 3, "wifi_nan"),
        (251, [_advertisement(_MAC, one) for one in _MESSAGES], "bluetooth"),
    ],
)
def test_each_radio_brings_the_same_aircraft(tmp_path: Path, link: int, frames: list[bytes], radio: str) -> None:
    file = tmp_path / "air.pcap"
    file.write_bytes(_pcap(link, frames))
    heard = _heard(file)
    row: dict[str, Any] = heard.positions.to_pylist()[0]
    assert (row["lat_deg"], row["lon_deg"]) == (pytest.approx(48.9), pytest.approx(18.1))
    assert (row["alt_ellipsoid_m"], row["alt_takeoff_m"], row["source"]) == (250.0, 30.0, radio)
    assert (row["eph_m"], row["epv_m"]) == (3.0, 25.0)
    assert row["vehicle"] == _SERIAL.decode()
    assert heard.transmitters is not None
    (one,) = heard.transmitters.to_pylist()
    assert one["mac"] == _MAC.hex(":")
    assert not one["suspect"], one["reasons"]


def _reasons(tmp_path: Path, frames: list[bytes]) -> list[str]:
    file = tmp_path / "air.pcap"
    file.write_bytes(_pcap(127, frames))
    heard = _heard(file)
    assert heard.transmitters is not None
    return [reason for row in heard.transmitters.to_pylist() for reason in row["reasons"]]


def test_one_id_from_two_transmitters_is_suspect(tmp_path: Path) -> None:
    frames = [_beacon(mac, _pack(_MESSAGES)) for mac in (_MAC, bytes(6))]
    assert all("is sent by 2 transmitters" in reason for reason in _reasons(tmp_path, frames))


def test_an_aircraft_that_leaps_is_suspect(tmp_path: Path) -> None:
    places = [(48.9, 18.1), (48.9, 18.1001), (48.95, 18.2), (48.9, 18.1002)]
    frames = [_beacon(_MAC, _pack([_basic(_SERIAL), _location(*place)])) for place in places]
    assert _reasons(tmp_path, frames) == ["it leaps 2 times further than anything flies"]


def test_an_operator_in_another_country_and_a_serial_of_nobody_are_suspect(tmp_path: Path) -> None:
    frames = [_beacon(_MAC, _pack([_basic(b"FAKE123"), _location(48.9, 18.1), _system(50.9, 18.1)]))]
    first, second = _reasons(tmp_path, frames)
    assert "no serial number after CTA-2063-A" in first
    assert "222 km away" in second


def test_a_frame_that_claims_to_be_remote_id_and_is_none_is_told_with_its_byte(tmp_path: Path) -> None:
    good, bad = _beacon(_MAC, _pack(_MESSAGES)), _beacon(_MAC, b"\xf2\x19\x20" + bytes(25))
    file = tmp_path / "air.pcap"
    file.write_bytes(_pcap(127, [good, bad, good]))
    heard = _heard(file)
    assert len(heard.messages["location"]) == 2
    (damage,) = heard.damages
    assert (damage.at, damage.unit) == (24 + 16 + len(good), "byte")


def test_mavlink_out_of_a_network_capture_keeps_the_times_of_its_packets(shared_data: Path) -> None:
    flight = read(shared_data / "drone/mavlink/command_long_over_tcp.pcapng")
    assert isinstance(flight, Flight)
    assert {name: len(table) for name, table in flight.messages.items()}["COMMAND_LONG"] >= 1
    assert flight.start_us == 1_685_388_707_793_530
