"""Photos: what EXIF and XMP say of camera and place, each height with its datum."""

import struct
from pathlib import Path

import pytest

from drone_ingest import Photo, read


def _photo(path: Path) -> Photo:
    found = read(path)
    assert isinstance(found, Photo)
    return found


@pytest.mark.parametrize("number", [18, 19, 20])
def test_take_off_of_each_dji_photo_is_the_same_and_inside_the_cloud(shared_data: Path, number: int) -> None:
    row = _photo(shared_data / f"drone/photos/DJI_00{number}.JPG").position.to_pylist()[0]
    take_off_m = row["alt_msl_m"] - row["alt_takeoff_m"]
    assert take_off_m == pytest.approx(158.51, abs=0.02)
    assert 156.06 < take_off_m < 168.92
    assert row["gimbal_pitch_deg"] == pytest.approx(-89.9, abs=0.01)
    assert row["alt_ellipsoid_m"] is None


def test_camera_and_size_are_those_of_the_file(shared_data: Path) -> None:
    photo = _photo(shared_data / "drone/photos/DJI_0018.JPG")
    assert (photo.make, photo.model) == ("DJI", "FC300S")
    assert (photo.width_px, photo.height_px) == (4000, 2250)
    assert (photo.focal_mm, photo.focal_35mm) == (3.61, 20.0)
    assert photo.taken == "2016:06:23 16:31:59"
    assert photo.position["ts"][0].as_py() is None


def test_a_height_without_reference_has_no_datum(shared_data: Path) -> None:
    """This one is in truth above the ellipsoid, as the flight's own table shows; EXIF does not say so."""
    row = _photo(shared_data / "bim/drone/IMG_2171.JPG").position.to_pylist()[0]
    assert row["alt_unknown_m"] == pytest.approx(258.992, abs=0.001)
    assert row["alt_msl_m"] is None
    assert row["lat_deg"] == pytest.approx(37.5432999, abs=1e-7)
    assert row["lon_deg"] == pytest.approx(139.0420305, abs=1e-7)
    assert (row["yaw_deg"], row["eph_m"]) == (pytest.approx(142.80748), 6.0)


_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" drone-dji:AbsoluteAltitude="+312.51"
 drone-dji:RelativeAltitude="+60.00" drone-dji:GpsLatitude="48.9912345" drone-dji:GpsLongitude="18.1712345"
 drone-dji:RtkFlag="50" drone-dji:RtkStdLon="0.011" drone-dji:RtkStdLat="0.012" drone-dji:RtkStdHgt="0.025"
 drone-dji:GimbalYawDegree="-12.5" drone-dji:UTCAtExposure="2024-05-01T10:20:30.250000"/></rdf:RDF></x:xmpmeta>"""


def _jpeg(xmp: str) -> bytes:
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    size = struct.pack(">BHH", 8, 3000, 4000)
    segments = b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
    return b"\xff\xd8" + segments + b"\xff\xc0" + struct.pack(">H", len(size) + 2) + size + b"\xff\xda\0\0\xff\xd9"


def test_rtk_tags_make_the_height_one_above_the_ellipsoid(tmp_path: Path) -> None:
    file = tmp_path / "rtk.jpg"
    file.write_bytes(_jpeg(_XMP))
    photo = _photo(file)
    row = photo.position.to_pylist()[0]
    assert (row["alt_ellipsoid_m"], row["alt_takeoff_m"], row["alt_msl_m"]) == (312.51, 60.0, None)
    assert (row["fix"], row["eph_m"], row["epv_m"]) == (6, pytest.approx(0.012), pytest.approx(0.025))
    assert row["gimbal_yaw_deg"] == 347.5
    assert row["ts"].isoformat() == "2024-05-01T10:20:30.250000+00:00"
    assert photo.rtk == {"flag": 50.0, "std_lat_m": 0.012, "std_lon_m": 0.011, "std_height_m": 0.025}


def _tiff(order: str) -> bytes:
    """A DNG's skeleton: size, maker, GPS directory with a place in the south-west and a height below the sea."""
    e = order

    def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
        return struct.pack(e + "HHI", tag, kind, count) + value.ljust(4, b"\0")

    gps_at, data_at = 200, 400
    main = [entry(0x0100, 4, 1, struct.pack(e + "I", 8192)), entry(0x0101, 4, 1, struct.pack(e + "I", 5460)),
            entry(0x010F, 2, 4, b"DJI\0"), entry(0x8825, 4, 1, struct.pack(e + "I", gps_at))]  # fmt: skip
    gps = [entry(1, 2, 2, b"S\0"), entry(2, 5, 3, struct.pack(e + "I", data_at)), entry(3, 2, 2, b"W\0"),
           entry(4, 5, 3, struct.pack(e + "I", data_at + 24)), entry(5, 1, 1, b"\1"),
           entry(6, 5, 1, struct.pack(e + "I", data_at + 48))]  # fmt: skip
    head = (b"II*\0" if e == "<" else b"MM\0*") + struct.pack(e + "I", 8)
    file = head + struct.pack(e + "H", len(main)) + b"".join(main)
    file = file.ljust(gps_at, b"\0") + struct.pack(e + "H", len(gps)) + b"".join(gps)
    place = struct.pack(e + "14I", 33, 1, 52, 1, 3060, 100, 151, 1, 12, 1, 36, 1, 125, 10)
    return file.ljust(data_at, b"\0") + place


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_dng_of_either_byte_order_is_read(tmp_path: Path, order: str) -> None:
    file = tmp_path / "photo.dng"
    file.write_bytes(_tiff(order))
    photo = _photo(file)
    row = photo.position.to_pylist()[0]
    assert (row["lat_deg"], row["lon_deg"]) == (pytest.approx(-33.8751667, abs=1e-6), pytest.approx(-151.21, abs=1e-6))
    assert row["alt_msl_m"] == -12.5
    assert (photo.width_px, photo.height_px, photo.make) == (8192, 5460, "DJI")


def test_xmp_that_defines_entities_is_not_expanded(tmp_path: Path) -> None:
    file = tmp_path / "evil.jpg"
    file.write_bytes(_jpeg('<!DOCTYPE a [<!ENTITY b "cc">]>' + _XMP))
    photo = _photo(file)
    assert any("document type" in text for text in photo.warnings)
    assert photo.tags == {}
