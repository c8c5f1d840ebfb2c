"""What lies before the damage is kept to the last message, and the damage is told with its place."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pye57 import E57

from aid4.cli import cli
from drone_ingest import Cloud, Flight, read
from drone_ingest.clouds.columns import survey
from wire.errors import InputError


def _flight(path: Path) -> Flight:
    found = read(path)
    assert isinstance(found, Flight)
    return found


def _frames(data: bytes) -> list[tuple[int, int]]:
    """Start and end of each record of a .tlog of MAVLink 1, by its own length bytes."""
    at, frames = 0, []
    while at < len(data):
        version_2 = data[at + 8] == 0xFD
        end = at + 8 + data[at + 9] + (12 if version_2 else 8)
        frames.append((at, end))
        at = end
    return frames


@pytest.fixture
def tlog(shared_data: Path) -> bytes:
    return (shared_data / "drone/mavlink/vtol.tlog").read_bytes()


@pytest.mark.parametrize("cut", [10_007, 500_001, 957_330])
def test_a_cut_tlog_keeps_each_whole_message_and_says_where_it_is_cut(tlog: bytes, tmp_path: Path, cut: int) -> None:
    file = tmp_path / "cut.tlog"
    file.write_bytes(tlog[:cut])
    whole = [frame for frame in _frames(tlog) if frame[1] <= cut]
    flight = _flight(file)
    assert sum(len(table) for table in flight.messages.values()) == len(whole)
    (damage,) = flight.damages
    assert (damage.at, damage.unit) == (whole[-1][1], "byte")
    result = CliRunner().invoke(cli, ["drone", "import", str(file), "--json"])
    assert result.exit_code == 1
    assert f'"at": {damage.at}' in result.stdout


def test_a_flipped_bit_costs_its_own_message_only(tlog: bytes, tmp_path: Path) -> None:
    frames = _frames(tlog)
    broken = bytearray(tlog)
    for row in (100, 5_000, 20_000):
        broken[frames[row][0] + 8 + 8] ^= 0x10  # in the payload
    file = tmp_path / "flipped.tlog"
    file.write_bytes(broken)
    flight = _flight(file)
    assert sum(len(table) for table in flight.messages.values()) == len(frames) - 3
    assert [one.at for one in flight.damages] == [frames[row][0] for row in (100, 5_000, 20_000)]


def test_bytes_spliced_into_a_tlog_cost_no_message_behind_them(tlog: bytes, tmp_path: Path) -> None:
    frames = _frames(tlog)
    place = frames[9_000][0]
    junk = bytes(np.random.default_rng(4).integers(0, 256, 3_000, np.uint8))
    file = tmp_path / "spliced.tlog"
    file.write_bytes(tlog[:place] + junk + tlog[place:])
    flight = _flight(file)
    assert sum(len(table) for table in flight.messages.values()) == len(frames)
    assert flight.damages[0].at == place


def test_a_length_that_lies_does_not_swallow_the_messages_behind_it(tlog: bytes, tmp_path: Path) -> None:
    frames = _frames(tlog)
    broken = bytearray(tlog)
    broken[frames[7_000][0] + 9] = 251
    file = tmp_path / "length.tlog"
    file.write_bytes(broken)
    assert sum(len(table) for table in _flight(file).messages.values()) >= len(frames) - 1


def test_a_cut_ulog_gives_the_rows_before_the_cut(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "drone/ulog/sample_logging_tagged_and_default_params.ulg"
    whole = _flight(source)
    file = tmp_path / "cut.ulg"
    data = source.read_bytes()
    file.write_bytes(data[: len(data) // 2 + 1])
    cut = _flight(file)
    attitude, before = cut.messages["vehicle_attitude"], whole.messages["vehicle_attitude"]
    assert 100 < len(attitude) < len(before)
    assert attitude.equals(before.slice(0, len(attitude)))
    assert cut.damages[0].problem == "the file ends inside a message"


def test_bytes_spliced_into_a_ulog_cost_no_row_far_from_them(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "drone/ulog/sample_logging_tagged_and_default_params.ulg"
    whole, data = _flight(source), source.read_bytes()
    file = tmp_path / "spliced.ulg"
    file.write_bytes(data[:1_000_000] + b"\xff" * 700 + data[1_000_000:])
    spliced = _flight(file)
    lost = sum(len(table) for table in whole.messages.values()) - sum(len(table) for table in spliced.messages.values())
    assert 0 <= lost < 20
    assert abs(spliced.damages[0].at - 1_000_000) < 300  # the message around the place has no checksum


def test_bytes_spliced_into_a_dataflash_log_cost_one_record_at_most(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "drone/mavlink/ardupilot_test.BIN"
    data = source.read_bytes()
    file = tmp_path / "spliced.BIN"
    file.write_bytes(data[:50_000] + b"\xa3\x95\x00noise" * 20 + data[50_000:])
    count = sum(len(table) for table in _flight(source).messages.values())
    spliced = _flight(file)
    assert count - 1 <= sum(len(table) for table in spliced.messages.values()) <= count
    assert abs(spliced.damages[0].at - 50_000) < 300  # the record around the place has no checksum


def test_appended_data_of_a_ulog_is_read_behind_the_message_that_was_cut(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "drone/ulog/sample_logging_tagged_and_default_params.ulg"
    data = source.read_bytes()
    assert data[16:19] == b"\x28\x00B", "the log begins with its flags"
    appended = b"\x1f\x00L6" + (9_000_000).to_bytes(8, "little") + b"appended after a crash"
    cut = len(data) - 7  # the last message was never finished
    head = bytearray(data[:cut])
    head[19 + 8] |= 1
    head[19 + 16 : 19 + 24] = cut.to_bytes(8, "little")
    file = tmp_path / "appended.ulg"
    file.write_bytes(bytes(head) + appended)
    flight = _flight(file)
    assert not flight.damages
    assert "appended after a crash" in flight.events["text"].to_pylist()
    assert any("unfinished message" in text for text in flight.warnings)


@pytest.mark.parametrize("name", ["drone/pointcloud/autzen_trim.laz", "drone/pointcloud/lone-star.laz"])
def test_a_cut_laz_gives_the_points_before_the_cut(shared_data: Path, tmp_path: Path, name: str) -> None:
    source = shared_data / name
    file = tmp_path / "cut.laz"
    data = source.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    whole, cut = read(source), read(file)
    assert isinstance(whole, Cloud)
    assert isinstance(cut, Cloud)
    points, before = pa.Table.from_batches(cut.chunks()), pa.Table.from_batches(whole.chunks())
    assert 0.3 * len(before) < len(points) < 0.7 * len(before)
    assert points.equals(before.slice(0, len(points)))
    assert cut.damages


def test_an_e57_with_a_broken_page_gives_the_points_before_it(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "drone/pointcloud/pumpAVisualReferenceImage.e57"
    broken = bytearray(source.read_bytes())
    broken[1_024 * 900 + 77] ^= 1
    file = tmp_path / "broken.e57"
    file.write_bytes(broken)
    cloud = read(file)
    assert isinstance(cloud, Cloud)
    points = pa.Table.from_batches(cloud.chunks())
    truth = E57(str(source)).read_scan(0, ignore_missing_fields=True)
    assert 50_000 < len(points) < 155_201
    assert np.array_equal(points["x"].to_numpy(), truth["cartesianX"][: len(points)])
    assert cloud.damages[0].at == 1_024 * 900


def test_a_broken_line_of_a_table_is_told_with_its_number(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "bim/drone/snowpeak_geoinfo.txt").read_text().splitlines()
    lines[50] = "IMG_x.JPG\tgarbage"
    file = tmp_path / "broken_geoinfo.txt"
    file.write_text("\n".join(lines))
    flight = _flight(file)
    assert len(flight.positions) == 139
    (damage,) = flight.damages
    assert (damage.at, damage.unit) == (51, "line")


def test_a_cut_subtitle_gives_its_whole_cues_and_the_line_of_the_cut(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "drone/dji_srt/air2s.srt").read_text()
    file = tmp_path / "cut.srt"
    file.write_text(text[: text.rindex("[latitude")])
    flight = _flight(file)
    assert len(flight.positions) == 16
    (damage,) = flight.damages
    assert damage.unit == "line"
    assert damage.at == 98  # the line below the number of the last cue


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.tlog", b"", "empty"),
        ("note.txt", b"hello\n", "nothing here reads"),
        ("x.ulg", b"ULog\x01\x12\x35", "ends inside its header"),
        ("x.las", b"LASF" + bytes(30), "ends inside its header"),
        ("x.kml", b'<!DOCTYPE a [<!ENTITY b "c">]><kml>&b;</kml>', "document type"),
        ("x.csv", b"a,b\n1,2\n", "no column of it is a latitude"),
        ("x.pcap", b"\xd4\xc3\xb2\xa1" + bytes(20), "neither Remote ID nor MAVLink"),
    ],
)
def test_what_gives_nothing_is_refused_with_its_reason(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        read(file)
    result = CliRunner().invoke(cli, ["drone", "import", str(file), "--json"])
    assert result.exit_code == 2


def test_a_capture_without_one_right_checksum_is_refused(shared_data: Path) -> None:
    with pytest.raises(InputError, match="no MAVLink at byte 0"):
        read(shared_data / "drone/mavlink/capture.mavlink")


def test_a_cloud_that_promises_more_than_it_has_is_told(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "short.las"
    data = (shared_data / "drone/pointcloud/simple.las").read_bytes()
    file.write_bytes(data[:20_000])
    cloud = read(file)
    assert isinstance(cloud, Cloud)
    survey(cloud)
    assert 400 < cloud.points < 1_065
    assert cloud.damages[0].problem.startswith("it promises 1065 points")


@pytest.mark.parametrize(("lost", "cues"), [(1, 380), (2, 380), (40, 380)])
def test_half_a_number_at_the_end_of_a_subtitle_is_not_believed(
    shared_data: Path, tmp_path: Path, lost: int, cues: int
) -> None:
    text = (shared_data / "drone/dji_srt/matrice_300.srt").read_text().rstrip()
    file = tmp_path / "cut.srt"
    file.write_text(text[:-lost])
    flight = _flight(file)
    assert len(flight.positions) == cues
    assert len(flight.damages) == 1


def test_a_cue_that_lost_only_its_closing_tag_is_kept(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "drone/dji_srt/air2s.srt").read_text().rstrip()
    file = tmp_path / "cut.srt"
    file.write_text(text[:-3])
    flight = _flight(file)
    assert len(flight.positions) == 17
    assert len(flight.damages) == 1


def test_a_cloud_that_lost_its_extended_records_keeps_its_points(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.las"
    file.write_bytes((shared_data / "drone/pointcloud/1_4_w_evlr.las").read_bytes()[:-20])
    cloud = read(file)
    assert isinstance(cloud, Cloud)
    assert survey(cloud).points == 1_000
    assert "extended records" in cloud.damages[0].problem


def test_a_photo_without_the_end_of_its_picture_is_told(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.jpg"
    data = (shared_data / "bim/drone/IMG_2171.JPG").read_bytes()
    file.write_bytes(data[: len(data) // 3])
    found = read(file)
    assert found.damages[0].problem == "the picture is cut: no end marker"
    assert found.damages[0].at == len(data) // 3
