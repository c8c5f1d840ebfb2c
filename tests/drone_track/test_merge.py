"""One track of many files: times laid on one another, heights lifted into one datum, exact east-north-up."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyproj import Transformer

from drone_ingest import read
from drone_ingest.track.enu import enu
from drone_ingest.track.merge import merge
from wire.errors import InputError


def test_east_north_up_is_that_of_pyproj() -> None:
    rng = np.random.default_rng(8)
    lat, lon, height = (
        48.96 + rng.normal(size=50) / 100,
        18.17 + rng.normal(size=50) / 100,
        250 + 50 * rng.normal(size=50),
    )
    origin = (48.96, 18.17, 230.0)
    place = f"+lat_0={origin[0]} +lon_0={origin[1]} +h_0={origin[2]}"
    pipeline = f"+proj=pipeline +step +proj=cart +ellps=WGS84 +step +proj=topocentric +ellps=WGS84 {place}"
    expected = np.stack(Transformer.from_pipeline(pipeline).transform(lon, lat, height), axis=1)
    assert np.allclose(enu(lat, lon, height, origin), expected, atol=1e-6)


def test_a_flight_of_track_table_and_photo_becomes_one_track(shared_data: Path) -> None:
    names = ("snowpeak.kml", "snowpeak_geoinfo.txt", "IMG_2171.JPG")
    merged = merge([read(shared_data / "bim/drone" / name) for name in names])
    summary = merged.summary
    assert summary["positions"] == 12_010 + 140 + 1
    assert summary["height_datum"] == "ellipsoid"
    assert [source["aligned"] for source in summary["sources"]] == ["utc", "place", "place"]
    geoid_m = [256.1 - 217.9]
    assert summary["lifts_m"]["orthometric"] == pytest.approx(geoid_m[0], abs=2.0)
    photos = merged.table.filter(pc.equal(merged.table["photo"], "IMG_2171.JPG"))
    assert len(photos) == 2
    times = photos["ts"].cast(pa.int64()).to_pylist()
    assert abs(times[0] - times[1]) < 2_000_000, "the table's row and the photo itself are one moment"
    stamps = merged.table["ts"].drop_null().cast(pa.int64()).to_numpy()
    assert (np.diff(stamps) >= 0).all()


def _circle(seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turn = seconds / 40.0
    return 48.96 + 0.002 * np.sin(turn), 18.17 + 0.003 * np.cos(1.3 * turn)


def test_a_subtitle_track_in_local_time_is_laid_on_the_log(tmp_path: Path) -> None:
    start = 1_714_550_400  # 2024-05-01 08:00 UTC, ten o'clock in Slovakia
    log_s = np.arange(0, 300, 0.5)
    lat, lon = _circle(log_s)
    moments = [np.datetime64(int((start + second) * 1e6), "us") for second in log_s]
    rows = [f"{at}Z,{a:.7f},{o:.7f},300.0,40.0" for at, a, o in zip(moments, lat, lon, strict=True)]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["timestamp,lat,lon,altitude_wgs84,relative_alt", *rows]))
    cues = []
    for number, second in enumerate(range(60, 200)):
        north, east = _circle(np.array([float(second)]))
        wall = np.datetime64(start + second + 7_200 + 4, "s").astype(object)  # two hours and 4 s ahead
        video_s = f"00:{number // 60:02d}:{number % 60:02d}"
        where = f"[latitude: {north[0]:.6f}] [longitude: {east[0]:.6f}] [rel_alt: 40.0 abs_alt: 1.0]"
        cues.append(f"{number + 1}\n{video_s},000 --> {video_s},900\n{wall:%Y-%m-%d %H:%M:%S.000}\n{where}\n")
    video = tmp_path / "video.srt"
    video.write_text("\n".join(cues))
    merged = merge([read(log), read(video)])
    source = merged.summary["sources"][1]
    assert source["aligned"] == "wall clock"
    assert source["shift_s"] == pytest.approx(-7_204, abs=1.0)
    assert source["apart_m"] < 5
    assert merged.summary["height_datum"] == "ellipsoid"
    assert merged.summary["lifts_m"] == {"relative": 260.0}
    heights = merged.table["height_m"].to_numpy()
    assert np.allclose(heights, 300.0)


def test_a_hovering_video_is_not_laid_on_any_time(tmp_path: Path, shared_data: Path) -> None:
    """Its places fit every moment, so no moment is chosen."""
    merged = merge([read(shared_data / "bim/drone/snowpeak.kml"), read(shared_data / "drone/dji_srt/mavic_air2.srt")])
    assert merged.summary["sources"][1]["aligned"] == "none"
    told = " ".join(merged.summary["warnings"])
    assert "could not be laid on the others" in told
    assert "it is not of this flight" in told


def test_heights_that_nothing_links_are_left_out_and_counted(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("time,lat,lon,altitude_wgs84\n" + "".join(f"{t},48.9,18.1,300\n" for t in range(5)))
    second.write_text("time,lat,lon,relative_alt\n" + "".join(f"{t},48.9,18.1,40\n" for t in range(3)))
    merged = merge([read(first), read(second)])
    assert merged.summary["height_datum"] == "ellipsoid"
    assert merged.table["height_m"].null_count == 3
    assert any("3 heights are of another datum" in text for text in merged.summary["warnings"])


def test_a_cloud_has_no_track(shared_data: Path) -> None:
    with pytest.raises(InputError, match="a cloud has no track"):
        merge([read(shared_data / "drone/pointcloud/simple.las")])
