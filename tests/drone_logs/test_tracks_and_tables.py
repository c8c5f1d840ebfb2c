"""KML, KMZ, CSV and the places of a flight: datums, times and what cannot be."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from drone_ingest import Flight, read
from wire.errors import InputError
from wire.quality import BAD


def _flight(path: Path) -> Flight:
    found = read(path)
    assert isinstance(found, Flight)
    return found


def test_a_kml_track_has_its_times_and_heights_above_the_sea(shared_data: Path) -> None:
    flight = _flight(shared_data / "bim/drone/snowpeak.kml")
    assert len(flight.positions) == 12_010
    assert len(flight.messages["placemarks"]) == 140
    assert str(flight.positions["ts"][0]) == "2014-07-12 06:14:09+00:00"
    assert flight.positions["alt_ellipsoid_m"].null_count == 12_010
    assert flight.positions["alt_msl_m"].null_count == 0


def test_a_kmz_gives_what_its_kml_gives(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "bim/drone/snowpeak.kml"
    file = tmp_path / "flight.kmz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(source, "doc.kml")
    assert _flight(file).positions.equals(_flight(source).positions)


def test_a_kmz_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.kmz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("doc.kml", b" " * (300 << 20))
    with pytest.raises(InputError, match="larger than"):
        read(file)


def test_geoinfo_keeps_both_heights_apart(shared_data: Path) -> None:
    row = _flight(shared_data / "bim/drone/snowpeak_geoinfo.txt").positions.slice(5, 1).to_pylist()[0]
    assert row["photo"] == "IMG_2171.JPG"
    assert row["alt_msl_m"] == pytest.approx(217.4841613770)
    assert row["alt_ellipsoid_m"] == pytest.approx(258.9920349121)
    assert (row["yaw_deg"], row["roll_deg"]) == (pytest.approx(142.8074798584), pytest.approx(6.0571765900))


def test_a_table_in_feet_and_miles_comes_out_in_metres(tmp_path: Path) -> None:
    file = tmp_path / "airdata.csv"
    names = "time(millisecond),datetime(utc),latitude,longitude,height_above_takeoff(feet)"
    rows = [
        f"{names},altitude_above_seaLevel(feet),xSpeed(mph),battery_percent",
        "0,2024-05-01 10:00:00,48.9,18.1,100,900,10,87",
        "1000,2024-05-01 10:00:01,48.9,18.1,110,910,10,-1",
    ]
    file.write_text("\n".join(rows))
    first, second = _flight(file).positions.to_pylist()
    assert first["alt_takeoff_m"] == pytest.approx(30.48)
    assert first["alt_msl_m"] == pytest.approx(274.32)
    assert first["vel_n_m_s"] == pytest.approx(4.4704)
    assert first["ts"].isoformat() == "2024-05-01T10:00:00+00:00"
    assert (first["battery_percent"], second["battery_percent"]) == (87, None)


def test_a_recording_without_places_gives_its_rows_and_says_so(shared_data: Path) -> None:
    flight = _flight(sorted((shared_data / "ad/ardupilot_motor_faults").iterdir())[0])
    assert flight.span_s is not None
    assert len(flight.messages["rows"].column_names) == 34
    assert "it has no positions" in flight.warnings


def test_impossible_places_are_left_out_or_flagged(tmp_path: Path) -> None:
    rows = [f"{second},{48.9 + second * 1e-6},18.1,250" for second in range(20)]
    rows[5] = "5,148.9,18.1,250"  # off the Earth
    rows[8] = "8,0,0,250"  # no fix
    rows[12] = "12,-33.9,151.2,250"  # Sydney and back in a second
    rows[15] = "15,48.900015,18.1,999999"
    file = tmp_path / "glitch.csv"
    file.write_text("\n".join(["time,lat,lon,altitude_amsl", *rows]))
    flight = _flight(file)
    quality = flight.positions["quality"].to_numpy()
    assert np.flatnonzero(quality & BAD).tolist() == [12, 15]
    assert flight.positions["lat_deg"].null_count == 2
    told = " ".join(flight.warnings)
    for words in ("outside the Earth", "no fix", "further from the last", "heights are impossible"):
        assert words in told


def test_a_clock_that_steps_back_is_told(tmp_path: Path) -> None:
    file = tmp_path / "clock.csv"
    file.write_text("time,lat,lon\n" + "".join(f"{t},48.9,18.1\n" for t in (0, 1, 2, 3, -500, -499, -498)))
    assert any("steps back" in text for text in _flight(file).warnings)


def test_a_log_spliced_out_of_two_tells_of_its_clock(shared_data: Path, tmp_path: Path) -> None:
    data = (shared_data / "drone/mavlink/vtol.tlog").read_bytes()
    file = tmp_path / "twice.tlog"
    file.write_bytes(data + data)
    told = [text for text in _flight(file).warnings if "clock of" in text]
    assert told == ["the clock of PARAM_VALUE goes back once, most at record 1147 by 206.4 s"]


def test_the_unknown_battery_of_a_whole_flight_is_null(shared_data: Path) -> None:
    flight = _flight(shared_data / "drone/mavlink/vtol.tlog")
    assert flight.messages["SYS_STATUS"]["battery_remaining"].to_numpy().max() == -1
    assert flight.positions["battery_percent"].null_count == len(flight.positions)


def test_utc_is_that_of_gps_and_not_of_the_recorder(shared_data: Path) -> None:
    flight = _flight(shared_data / "drone/mavlink/vtol.tlog")
    system_time = flight.messages["SYSTEM_TIME"]
    apart = system_time["time_unix_usec"].to_numpy().astype(np.int64) - system_time["_t_us"].to_numpy()
    assert flight.clock.offset_us == int(np.median(apart))
    assert flight.start_us == flight.messages["RAW_IMU"]["_t_us"][0].as_py() + flight.clock.offset_us
    assert any("recorder's clock is off" in text for text in flight.warnings)


def test_one_invalid_time_does_not_stretch_a_flight(shared_data: Path, tmp_path: Path) -> None:
    data = bytearray((shared_data / "drone/mavlink/vtol.tlog").read_bytes())
    data[0:8] = (1_100_000_000_000_000).to_bytes(8, "big")
    file = tmp_path / "stamp.tlog"
    file.write_bytes(data)
    flight = _flight(file)
    assert flight.span_s is not None
    assert flight.span_s[1] - flight.span_s[0] == pytest.approx(207.6, abs=0.1)
    assert any("hours away" in text for text in flight.warnings)
