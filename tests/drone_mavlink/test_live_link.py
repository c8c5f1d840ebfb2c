"""The live decoder against pymavlink's packer and signer, over real sockets where it matters."""

import io
import random
import socket
from typing import Any

import numpy as np
import pytest
from pymavlink.dialects.v20 import all as dialect

from drone_ingest.mavlink.encode import encode
from drone_ingest.mavlink.signing import EPOCH_US, SignatureCheck, Signer
from drone_ingest.mavlink.stream import MavlinkStream
from drone_ingest.mavlink.telemetry import poses, readings

_KEY = bytes(range(32))
_NOW_US = 1_790_000_000_000_000


def _sender(key: bytes | None = None, ticks: int | None = None) -> Any:
    mav = dialect.MAVLink(io.BytesIO(), srcSystem=1, srcComponent=1)
    if key is not None:
        mav.signing.secret_key = key
        mav.signing.link_id = 5
        mav.signing.sign_outgoing = True
        mav.signing.timestamp = (_NOW_US - EPOCH_US) // 10 if ticks is None else ticks
    return mav


def _flight(mav: Any, count: int) -> list[bytes]:
    frames = []
    for row in range(count):
        message = [
            mav.attitude_encode(1_000 + row, 0.1, -0.2, 1.5, 0, 0, 0),
            mav.global_position_int_encode(
                1_000 + row, 489_000_000 + row, 181_000_000, 250_000, 12_000, 100, 0, 0, 65_535
            ),
            mav.heartbeat_encode(2, 3, 81, 5, 4),
            mav.sys_status_encode(0, 0, 0, 500, 22_200, -1, -1, 0, 0, 0, 0, 0, 0),
        ][row % 4]
        frames.append(bytes(message.pack(mav)))
        mav.seq = (mav.seq + 1) % 256
    return frames


def test_bytes_cut_anywhere_give_the_same_messages_as_the_whole_stream() -> None:
    stream = b"".join(_flight(_sender(), 400))
    whole = MavlinkStream()
    expected = {name: batch.to_pylist() for name, batch in whole.feed(stream, _NOW_US).items()}
    rng = random.Random(1)
    pieces, found = MavlinkStream(), {name: [] for name in expected}
    at = 0
    while at < len(stream):
        size = rng.randint(1, 90)
        for name, batch in pieces.feed(stream[at : at + size], _NOW_US).items():
            found[name] += batch.to_pylist()
        at += size
    assert found == expected
    assert pieces.counts.received == 400
    assert pieces.counts.lost == pieces.counts.unframed_bytes == pieces.counts.wrong_checksum == 0


def test_messages_after_noise_are_found_and_the_lost_ones_counted() -> None:
    frames = _flight(_sender(), 40)
    link = MavlinkStream()
    noise = bytes(random.Random(2).choices([0xFD, 0xFE, 0, 7, 200], k=300))
    received = 0
    for data in (b"".join(frames[:10]), noise, b"".join(frames[13:]), b"\0" * 300):
        received += sum(len(batch) for batch in link.feed(data, _NOW_US).values())
    assert received == link.counts.received == 37
    assert link.counts.lost == 3
    assert link.counts.unframed_bytes >= 300


def test_a_message_is_stamped_when_its_first_byte_came() -> None:
    first, second = _flight(_sender(), 2)
    link = MavlinkStream()
    assert not link.feed(first[:9], 1_000)
    batches = link.feed(first[9:] + second, 2_000)
    assert batches["ATTITUDE"]["_t_us"].to_pylist() == [1_000]
    assert batches["GLOBAL_POSITION_INT"]["_t_us"].to_pylist() == [2_000]


def test_frames_that_pymavlink_signed_pass_and_others_do_not() -> None:
    check = SignatureCheck(_KEY)
    link = MavlinkStream(signatures=check)
    frames = _flight(_sender(_KEY), 20)
    assert sum(len(one) for one in link.feed(b"".join(frames), _NOW_US).values()) == 20
    assert not link.feed(b"".join(frames), _NOW_US), "a recorded frame played again"
    assert not link.feed(b"".join(_flight(_sender(bytes(32)), 5)), _NOW_US), "another key"
    assert not link.feed(b"".join(_flight(_sender(), 7)), _NOW_US), "no signature"
    forged = bytearray(_flight(_sender(_KEY, (_NOW_US - EPOCH_US) // 10 + 1_000), 1)[0])
    forged[-1] ^= 1
    assert not link.feed(bytes(forged), _NOW_US)
    counts = link.counts
    assert (counts.replayed, counts.wrong_signature, counts.unsigned) == (20, 6, 7)


def test_a_new_stream_with_an_old_time_is_refused() -> None:
    link = MavlinkStream(signatures=SignatureCheck(_KEY))
    two_minutes = 12_000_000
    old = _flight(_sender(_KEY, (_NOW_US - EPOCH_US) // 10 - two_minutes), 1)[0]
    assert not link.feed(old, _NOW_US)
    assert link.counts.replayed == 1


def test_pymavlink_accepts_what_we_sign() -> None:
    signer = Signer(_KEY, link=2)
    fields = {"type": 2, "autopilot": 3, "base_mode": 209, "custom_mode": 4, "system_status": 4, "mavlink_version": 3}
    frames = [
        encode("HEARTBEAT", fields, system=9, component=1, seq=row, signer=signer, now_us=_NOW_US) for row in range(5)
    ]
    mav = _sender(_KEY)
    mav.signing.allow_unsigned_callback = None
    parsed = mav.parse_buffer(b"".join(frames))
    assert [one.get_seq() for one in parsed] == list(range(5))
    assert all(one.get_signed() and one.custom_mode == 4 for one in parsed)


@pytest.mark.parametrize("version", [1, 2])
def test_pymavlink_reads_what_we_encode(version: int) -> None:
    fields = {"param_id": "FS_BATT_MAH", "param_value": 1.5, "param_type": 9, "param_count": 3, "param_index": 2}
    frame = encode("PARAM_VALUE", fields, system=3, component=1, seq=200, version=version)
    (message,) = dialect.MAVLink(None).parse_buffer(frame)
    assert (message.param_id, message.param_value, message.param_index) == ("FS_BATT_MAH", 1.5, 2)
    assert (message.get_srcSystem(), message.get_seq()) == (3, 200)


def test_a_key_or_field_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SignatureCheck(b"short")
    with pytest.raises(KeyError, match="no field"):
        encode("HEARTBEAT", {"colour": 1}, system=1, component=1, seq=0)
    with pytest.raises(OverflowError):
        encode("HEARTBEAT", {"type": 300}, system=1, component=1, seq=0)
    with pytest.raises(ValueError, match="feed at most"):
        MavlinkStream().feed(bytes(5 << 20), 0)


def test_datagrams_of_a_vehicle_become_poses_and_readings_with_unknown_as_nan() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ground,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as vehicle,
    ):
        ground.bind(("127.0.0.1", 0))
        ground.settimeout(5)
        for frame in _flight(_sender(), 8):
            vehicle.sendto(frame, ground.getsockname())
        datagrams = [ground.recv(2_048) for _ in range(8)]
    batches = MavlinkStream().feed(b"".join(datagrams), _NOW_US)
    (pose,) = list(poses(batches))
    assert pose.system == 1
    assert pose.lat_deg.tolist() == [48.9000001, 48.9000005]
    assert np.allclose(pose.alt_m, 250.0)
    assert np.allclose(pose.roll_deg, np.degrees(0.1))
    values = {metric.key: value for _, metric, _, value in readings(batches)}
    assert np.isnan(values["battery_charge"]).all(), "-1 % means that nobody knows"
    assert np.isnan(values["battery_current"]).all()
    assert np.allclose(values["battery_voltage"], 22.2)
    assert np.allclose(values["height_above_takeoff"], 12.0)
