"""DJI's subtitles: each grammar of the folder gives the place, height and angles that a person reads in it."""

from pathlib import Path
from typing import Any

import pytest

from drone_ingest import Flight, read
from drone_ingest.logs.srt_grammars import GRAMMARS

_FIRST = {  # file: grammar, cues, and what the first cue says
    "air2s.srt": ("brackets_altitude", 17, {"lat_deg": 41.424724, "lon_deg": 2.234156, "alt_unknown_m": 117.0}),
    "mavic_air2.srt": ("brackets_altitude", 25, {"lat_deg": 41.420684, "lon_deg": 2.162162, "alt_unknown_m": 27.3}),
    "matrice_300.srt": ("gps_lat_first_barometer", 381, {"lat_deg": 36.6146, "lon_deg": -6.1120, "alt_takeoff_m": 0.3}),
    "mavic_2_style.SRT": ("brackets_longtitude", 468, {"lat_deg": -20.2533, "lon_deg": 149.0251}),
    "mavic_mini.SRT": ("gps_d_h", 117, {"lat_deg": 48.0771, "lon_deg": -121.7458, "alt_takeoff_m": 200.70}),
    "mavic_pro.SRT": ("home_gps_barometer", 468, {"lat_deg": -20.2533, "lon_deg": 149.0251, "alt_takeoff_m": 1.9}),
    "old_format.SRT": ("home_gps_hb_hs", 468, {"lat_deg": -20.2533, "lon_deg": 149.0251, "alt_takeoff_m": 1.9}),
    "p4_rtk.SRT": (
        "gps_home_pry",
        55,
        {"lat_deg": -34.237922, "lon_deg": -58.851745, "alt_takeoff_m": 85.8, "satellites": 15, "pitch_deg": 2.7,
         "roll_deg": -7.0, "yaw_deg": 110.1, "gimbal_pitch_deg": -24.4, "gimbal_yaw_deg": 110.4},
    ),
}  # fmt: skip


def _flight(path: Path) -> Flight:
    found = read(path)
    assert isinstance(found, Flight)
    return found


def _near(row: dict[str, Any], expected: dict[str, float]) -> bool:
    return all(row[name] == pytest.approx(value, abs=1e-5) for name, value in expected.items())


@pytest.mark.parametrize("name", list(_FIRST))
def test_a_grammar_gives_what_its_first_cue_says(shared_data: Path, name: str) -> None:
    grammar, cues, expected = _FIRST[name]
    flight = _flight(shared_data / "drone/dji_srt" / name)
    assert len(flight.positions) == cues
    assert not flight.damages
    row = flight.positions.slice(0, 1).to_pylist()[0]
    assert row["source"] == grammar
    assert _near(row, expected), row
    heights = {one for one in row if one.startswith("alt_") and row[one] is not None}
    assert heights == {one for one in expected if one.startswith("alt_")}, "a height without datum is not invented"
    assert row["ts"] is None, "a wall clock without zone is not UTC"


def test_the_grammars_of_the_folder_are_at_least_seven(shared_data: Path) -> None:
    met = {
        source
        for file in (shared_data / "drone/dji_srt").iterdir()
        for source in _flight(file).positions["source"].unique().to_pylist()
    }
    assert len(met) >= 7
    assert met <= {one.name for one in GRAMMARS}


def test_a_file_of_two_aircraft_is_read_cue_by_cue_and_told(shared_data: Path) -> None:
    flight = _flight(shared_data / "drone/dji_srt/mix_p4rtk_mavic2pro.srt")
    assert flight.positions["source"].value_counts().to_pylist() == [
        {"values": "gps_home_pry", "counts": 6},
        {"values": "brackets_longtitude_altitude", "counts": 6},
    ]
    assert any("2 aircraft" in text for text in flight.warnings)
    last = flight.positions.slice(11, 1).to_pylist()[0]
    assert _near(last, {"lat_deg": -34.65118, "lon_deg": -59.409483, "alt_unknown_m": 120.140999})


def test_lens_values_are_unscaled_and_the_wall_clock_kept(shared_data: Path) -> None:
    cue = _flight(shared_data / "drone/dji_srt/air2s.srt").messages["cues"].slice(0, 1).to_pylist()[0]
    assert (cue["f_number"], cue["focal_mm"], cue["iso"]) == (2.8, 24.0, 100)
    assert cue["wall_us"] == 1_659_879_640_774_808  # 2022-08-07 13:40:40,774,808


def test_named_heights_of_newer_aircraft_keep_their_datum(tmp_path: Path) -> None:
    file = tmp_path / "mavic3.SRT"
    text = "[focal_len: 24.00] [latitude: 48.1] [longitude: 17.2] [rel_alt: 31.200 abs_alt: 270.5] "
    file.write_text(
        f"1\n00:00:00,000 --> 00:00:00,016\n2023-05-01 10:00:00.016\n{text}[gb_yaw: -10.5 gb_pitch: -90 gb_roll: 0]\n"
    )
    row = _flight(file).positions.to_pylist()[0]
    assert _near(
        row, {"alt_takeoff_m": 31.2, "alt_unknown_m": 270.5, "gimbal_pitch_deg": -90.0, "gimbal_yaw_deg": 349.5}
    )
