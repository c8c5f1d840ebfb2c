"""Mission files: what is written is read again, other software reads it too, and broken ones are refused."""

import json
import random
import re
import zipfile
from pathlib import Path

import pytest
from pymavlink import mavwp

from drone_ingest.mission.area import Zone
from drone_ingest.mission.files import SUFFIXES, read_mission, write_mission
from drone_ingest.mission.plan import Mission, Waypoint
from wire.errors import InputError


def mission_of(seed: int) -> Mission:
    """A mission with everything in it, different for each seed."""
    rng = random.Random(seed)
    waypoints = [
        Waypoint(
            lat_deg=48.96 + rng.uniform(-1, 1) / 1_000, lon_deg=18.17 + rng.uniform(-1, 1) / 1_000,
            height_m=rng.uniform(2, 100), yaw_deg=rng.choice([None, 0.0, 359.5, rng.uniform(0, 360)]),
            pitch_deg=rng.choice([None, -90.0, rng.uniform(-90, 20)]), photo=rng.random() < 0.7,
        )
        for _ in range(rng.randrange(1, 40))
    ]  # fmt: skip
    zones = [
        Zone(kind="keep_in", corners=[(48.9, 18.1), (48.9, 18.2), (49.0, 18.2)]),
        Zone(kind="keep_out", corners=[(48.95, 18.15), (48.95, 18.16), (48.96, 18.16), (48.96, 18.15)]),
    ]
    return Mission(
        home=(48.9601, 18.1702), home_height_m=251.5, waypoints=waypoints, speed_m_s=rng.choice([3.5, 8.0]),
        takeoff_m=12.5, end=rng.choice(["home", "stay"]), zones=zones,
    )  # fmt: skip


def same(one: Mission, other: Mission) -> None:
    assert one.home == pytest.approx(other.home, abs=1e-8)
    assert (one.end, one.speed_m_s) == (other.end, other.speed_m_s)
    assert one.takeoff_m == pytest.approx(other.takeoff_m)
    assert len(one.waypoints) == len(other.waypoints)
    for a, b in zip(one.waypoints, other.waypoints, strict=True):
        assert (a.lat_deg, a.lon_deg) == pytest.approx((b.lat_deg, b.lon_deg), abs=1e-8)  # a millimetre
        assert a.height_m == pytest.approx(b.height_m, abs=1e-5)
        assert a.photo == b.photo
        assert (a.pitch_deg is None) == (b.pitch_deg is None)
        assert (a.yaw_deg is None) == (b.yaw_deg is None)
        if a.pitch_deg is not None:
            assert a.pitch_deg == pytest.approx(b.pitch_deg, abs=1e-5)
        if a.yaw_deg is not None:
            assert abs((a.yaw_deg - b.yaw_deg + 180) % 360 - 180) < 1e-5


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seed", range(8))
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str, seed: int) -> None:
    mission = mission_of(seed)
    path = tmp_path / f"m{suffix}"
    write_mission(mission, path)
    same(read_mission(path), mission)
    again = tmp_path / f"again{suffix}"
    write_mission(read_mission(path), again)
    same(read_mission(again), mission)


def test_a_plan_keeps_its_fence(tmp_path: Path) -> None:
    mission = mission_of(1)
    write_mission(mission, tmp_path / "m.plan")
    assert [(one.kind, one.corners) for one in read_mission(tmp_path / "m.plan").zones] == [
        (one.kind, one.corners) for one in mission.zones
    ]


@pytest.mark.parametrize("seed", range(4))
def test_pymavlink_loads_the_way_points_and_writes_what_we_read(tmp_path: Path, seed: int) -> None:
    mission = mission_of(seed)
    write_mission(mission, tmp_path / "m.waypoints")
    loader = mavwp.MAVWPLoader()
    count = loader.load(str(tmp_path / "m.waypoints"))
    assert count == len((tmp_path / "m.waypoints").read_text().splitlines()) - 1
    flown = [loader.wp(at) for at in range(1, count) if loader.wp(at).command == 16]
    assert [(one.x, one.y, one.z) for one in flown] == [
        pytest.approx((one.lat_deg, one.lon_deg, one.height_m), abs=1e-7) for one in mission.waypoints
    ]
    assert {one.frame for one in flown} == {3}
    assert sum(loader.wp(at).command == 2_000 for at in range(count)) == sum(one.photo for one in mission.waypoints)
    loader.save(str(tmp_path / "theirs.waypoints"))
    theirs = read_mission(tmp_path / "theirs.waypoints")
    assert [one.photo for one in theirs.waypoints] == [one.photo for one in mission.waypoints]
    assert [one.height_m for one in theirs.waypoints] == pytest.approx(
        [one.height_m for one in mission.waypoints], abs=1e-4
    )


def test_a_plan_is_what_qgroundcontrol_asks_for(tmp_path: Path) -> None:
    write_mission(mission_of(2), tmp_path / "m.plan")
    document = json.loads((tmp_path / "m.plan").read_text())
    assert (document["fileType"], document["version"], document["groundStation"]) == ("Plan", 1, "QGroundControl")
    assert set(document) == {"fileType", "geoFence", "groundStation", "mission", "rallyPoints", "version"}
    assert (document["geoFence"]["version"], document["rallyPoints"]["version"]) == (2, 2)
    mission = document["mission"]
    assert {"cruiseSpeed", "firmwareType", "hoverSpeed", "items", "plannedHomePosition", "vehicleType"} <= set(mission)
    assert mission["version"] == 2
    assert len(mission["plannedHomePosition"]) == 3
    for number, item in enumerate(mission["items"], 1):
        assert item["type"] == "SimpleItem"
        assert item["doJumpId"] == number
        assert len(item["params"]) == 7
        assert item["autoContinue"] is True
        if item["command"] in (16, 22):
            assert (item["frame"], item["AltitudeMode"]) == (3, 1)
            assert item["Altitude"] == item["params"][6]


def test_a_kmz_is_what_dji_asks_for_and_the_same_each_time(tmp_path: Path) -> None:
    mission = mission_of(3)
    for name in "ab":
        write_mission(mission, tmp_path / f"{name}.kmz")
    assert (tmp_path / "a.kmz").read_bytes() == (tmp_path / "b.kmz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.kmz") as archive:
        assert sorted(archive.namelist()) == ["wpmz/template.kml", "wpmz/waylines.wpml"]
        lines = archive.read("wpmz/waylines.wpml").decode()
        template = archive.read("wpmz/template.kml").decode()
    assert lines.count("<wpml:index>") == template.count("<wpml:index>") == len(mission.waypoints)
    assert re.findall(r"<wpml:index>(\d+)<", lines) == [str(at) for at in range(len(mission.waypoints))]
    assert "<wpml:executeHeightMode>relativeToStartPoint</wpml:executeHeightMode>" in lines
    assert "<wpml:templateType>waypoint</wpml:templateType>" in template
    assert lines.count("takePhoto") == sum(one.photo for one in mission.waypoints)
    angles = [float(one) for one in re.findall(r"<wpml:waypointHeadingAngle>([^<]+)<", lines)]
    assert all(-180 <= one <= 180 for one in angles)


def test_a_plan_of_another_planner_with_heights_above_the_sea_is_understood(tmp_path: Path) -> None:
    item = {"type": "SimpleItem", "command": 16, "frame": 0, "autoContinue": True, "doJumpId": 1,
            "params": [0, 0, 0, None, 48.96, 18.17, 300.0]}  # fmt: skip
    survey = {"type": "ComplexItem", "complexItemType": "survey", "TransectStyleComplexItem": {"Items": [item, item]}}
    mission = {"version": 2, "plannedHomePosition": [48.96, 18.17, 250.0], "hoverSpeed": 5, "items": [item, survey]}
    document = {"fileType": "Plan", "version": 1, "mission": mission}
    (tmp_path / "m.plan").write_text(json.dumps(document))
    assert [one.height_m for one in read_mission(tmp_path / "m.plan").waypoints] == [50.0] * 3


def _plan_with(**changes: object) -> str:
    item = {"type": "SimpleItem", "command": 16, "frame": 3, "params": [0, 0, 0, None, 48.96, 18.17, 30.0], **changes}
    mission = {"version": 2, "plannedHomePosition": [48.96, 18.17, 250.0], "hoverSpeed": 5, "items": [item]}
    return json.dumps({"fileType": "Plan", "version": 1, "mission": mission})


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("hello", ""),
        ("{}", "mission"),
        ('{"fileType": "Plan", "mission": []}', "mission"),
        ("[" * 100_000, ""),
        ("{" + '"a":{' * 50_000, "mission"),
        (_plan_with(params=[0, 0, 0, None, 148.96, 18.17, 30.0]), "item 1"),
        (_plan_with(params=[0, 0, 0, None, 48.96, 18.17, 1e9]), "item 1"),
        (_plan_with(params=[0, 0, 0]), "mission"),
        (_plan_with(frame=10), "item 1"),
        (_plan_with(type="ComplexItem", complexItemType="survey"), "mission"),
        ("QGC WPL 110\n", "line 2"),
        ("QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t48\t18\t250\n", "line 2"),
        ("QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t48\t18\t250\t1\n1\t0\t3\t16\t0\t0\t0\t0\tnan\t18\t9\t1\n", "line 3"),
        ("QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t95\t18\t250\t1\n1\t0\t3\t16\t0\t0\t0\t0\t48\t18\t9\t1\n", "line 2"),
        ("QGC WPL 100\n0\t1\t0\t16\n", "line 1"),
    ],
)
def test_a_broken_mission_is_refused_where_it_is_broken(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "bad").write_text(text)
    with pytest.raises(InputError) as refused:
        read_mission(tmp_path / "bad")
    assert refused.value.field == field
    assert refused.value.fix


def test_a_zip_bomb_and_a_document_that_fetches_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.kmz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("wpmz/waylines.wpml", b" " * (65 << 20))
    with pytest.raises(InputError, match="unpacks to more"):
        read_mission(tmp_path / "bomb.kmz")
    with zipfile.ZipFile(tmp_path / "xxe.kmz", "w") as archive:
        archive.writestr("wpmz/waylines.wpml", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>')
    with pytest.raises(InputError):
        read_mission(tmp_path / "xxe.kmz")
    with zipfile.ZipFile(tmp_path / "other.kmz", "w") as archive:
        archive.writestr("doc.kml", "<kml/>")
    with pytest.raises(InputError, match="no waylines"):
        read_mission(tmp_path / "other.kmz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_damage_does_more_than_be_refused(tmp_path: Path, suffix: str) -> None:
    write_mission(mission_of(5), tmp_path / f"m{suffix}")
    whole = (tmp_path / f"m{suffix}").read_bytes()
    rng = random.Random(11)
    read = refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(len(data))
            match rng.randrange(3):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randrange(1, 400)]
                case _:
                    data[at:at] = bytes(data[: rng.randrange(1, 200)])
            if not data:
                data = bytearray(b"0")
        (tmp_path / "broken").write_bytes(data)
        try:
            found = read_mission(tmp_path / "broken")
            assert all(abs(one.lat_deg) <= 90 and abs(one.height_m) <= 20_000 for one in found.waypoints)
            read += 1
        except InputError:
            refused += 1
    assert refused > 50
    assert read + refused == 300
