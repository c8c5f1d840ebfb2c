"""Every model of the data folder, and a thousand damaged statements: a frame or a clear reason, nothing else."""

import json
import random
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from bim.cli import bim
from bim.geo.frame import SiteFrame
from bim.geo.settings import GeoreferenceSettings, Origin
from bim.geo.site import Geography, calibration_of, frame_of, read_geography
from bim.georeference import Georeference, ProjectedCrs, SiteOrigin
from bim.open import read_model
from wire.errors import ConfigError, InputError

PLACED = {  # latitude and longitude of the IfcSite as the files write them: degrees, minutes, seconds, millionths
    "ifc/AC20-FZK-Haus.ifc": ((49, 6, 1, 566000), (8, 26, 11, 540400)),
    "ifc/Duplex_Electrical.ifc": ((41, 52, 27, 843933), (-87, -38, -21, -828002)),
    "ifc/Ifc4_SampleHouse.ifc": ((51, 30, 0, 549316), (0, -7, -34, -450321)),
    "ifc/Office_A_20110811.ifc": ((42, 21, 30, 344238), (-71, -3, -35, -194702)),
    "ifc/duplex.ifc": ((41, 52, 27, 840000), (-87, -38, -21, -839999)),
    "ifc/japanese_ac16_unicode.ifc": ((35, 42, 0), (139, 46, 0)),
    "ifc/tested_sample_project.ifc": ((40, 25, 13, 9643), (-3, -42, -20, -772056)),
    "ifc/whale_LargeBuilding.ifc": ((42, 21, 31, 181945), (-71, -3, -24, -263305)),
    "schependomlaan/sub_facade_brackets_JORDAHL.ifc": ((52, 22, 58, 799999), (4, 54, 57, 599999)),
}
NOWHERE = [
    "ifc/ISSUE_021_Mini_Project.ifc",
    "ifc/construction_scheduling_task_ifc4.ifc",
    "ifc/georef/geolocation.ifc",
    "schependomlaan/sub_floor1_GEELEN.ifc",
    "schependomlaan/sub_stairs_MULTICOM.ifc",
    "schependomlaan/sub_walls_gf_XELLA.ifc",
]


def degrees(parts: tuple[int, ...]) -> float:
    whole, minutes, seconds, millionths = [*parts, 0][:4]
    return whole + minutes / 60 + (seconds + millionths / 1e6) / 3600


@pytest.mark.parametrize("name", PLACED)
def test_a_model_with_latitude_and_longitude_lies_where_they_say(shared_data, tmp_path, apart_m, name):
    stated = read_model(shared_data / "bim" / name, tmp_path).georeference
    frame = frame_of(stated, Geography())
    at = np.array([[stated.site.x_m, stated.site.y_m, stated.site.z_m]])
    lat, lon, height = frame.to_wgs84(at)[0]
    assert apart_m((lat, lon), tuple(degrees(one) for one in PLACED[name])) < 1e-3
    assert height == pytest.approx(stated.site.elevation_m or 0.0)
    assert frame.crs.startswith("EPSG:326")
    assert any("IfcSite" in warning or "Boston" in warning for warning in frame.warnings)


@pytest.mark.parametrize("name", NOWHERE)
def test_a_model_without_a_place_says_what_to_write(shared_data, tmp_path, name):
    stated = read_model(shared_data / "bim" / name, tmp_path).georeference
    with pytest.raises(InputError, match="does not say where it lies") as refusal:
        frame_of(stated, Geography())
    assert refusal.value.fix
    origin = Origin(latitude_deg=51.84, longitude_deg=5.85)  # Schependomlaan lies in Nijmegen
    assert frame_of(stated, Geography(crs="EPSG:28992", origin=origin)).crs == "EPSG:28992"


POOL = [0.0, -0.0, 1.0, -1.0, 1e-12, 0.001, 1000.0, 5e5, -1.2e6, 5e6, 1e12, 1e308, float("nan"), float("inf")]
NAMES = [
    "EPSG:8353",
    "EPSG:5514",
    "EPSG:3826",
    "EPSG:32634",
    "EPSG:4326",
    "EPSG:8352",
    "EPSG:1",
    "",
    "?",
    "+proj=x",
    "ETRS89 / UTM zone 32N",
]


def damaged(dice: random.Random) -> Georeference:
    def one(*more: object) -> object:
        return dice.choice([*POOL, *more])

    kind = dice.choice(["map_conversion", "map_conversion_scaled", "rigid_operation", "epset", "site", "none"])
    moved = kind in ("map_conversion", "map_conversion_scaled", "rigid_operation", "epset")
    site = SiteOrigin(
        id="s", latitude_deg=one(None, 48.9), longitude_deg=one(None, 18.1), elevation_m=one(None), x_m=one()
    )
    return Georeference(
        kind=kind,
        latitude_deg=one() if kind == "rigid_operation" and dice.random() < 0.3 else None,
        longitude_deg=one(),
        eastings_m=one(-487561.2) if moved else None,
        northings_m=one(-1197224.5),
        height_m=one(None, 230.0),
        x_axis_abscissa=one(None),
        x_axis_ordinate=one(None),
        scale=one(1.0, 0.9999),
        factor_z=one(1.0),
        map_unit_m=dice.choice([1.0, 0.001, 0.3048]),
        crs=ProjectedCrs(name=dice.choice(NAMES), vertical_datum=dice.choice(NAMES)) if dice.random() < 0.8 else None,
        site=site if dice.random() < 0.7 else None,
        true_north_deg=one(None, 30.0),
        reference_m=(one(), 0.0, 0.0),
        extent_m=tuple(one() for _ in range(6)) if dice.random() < 0.5 else None,
        already_in_map_coordinates=dice.random() < 0.3,
    )


@pytest.mark.filterwarnings("error")
def test_damaged_statements_give_a_frame_or_a_reason():
    dice = random.Random(12)
    ends = {"frame": 0, "refused": 0}
    for _ in range(1_000):
        site = Geography(
            crs=dice.choice([None, "EPSG:8353", "EPSG:32634"]),
            origin=Origin(latitude_deg=48.9, longitude_deg=18.1) if dice.random() < 0.3 else None,
            georeference=GeoreferenceSettings(vertical_datum=dice.choice([None, "EPSG:8357"])),
        )
        try:
            frame = frame_of(damaged(dice), site)
            json.dumps(msgspec.to_builtins(frame.facts()), allow_nan=False)
            frame.to_projected(np.zeros((2, 3)))
            ends["frame"] += 1
        except InputError as refusal:
            ends["refused"] += bool(refusal.problem and refusal.fix)
    assert sum(ends.values()) == 1_000
    assert min(ends.values()) > 50


def run(*arguments: object):
    return CliRunner().invoke(bim, [str(one) for one in arguments])


def test_locate_tells_the_frame_and_moves_points(shared_data):
    file = shared_data / "bim/ifc/AC20-FZK-Haus.ifc"
    done = run("locate", file, "--point", 0, 0, 0, "--point", 10, 0, 2, "--json")
    assert done.exit_code == 0, done.output
    known = json.loads(done.stdout)
    assert (known["crs"], known["how"]) == ("EPSG:32632", "latitude and longitude of the IfcSite")
    assert [one["height_m"] for one in known["points"]] == [110.0, 112.0]
    assert known["points"][0]["latitude_deg"] == pytest.approx(49.100435, abs=1e-8)
    back = run(
        "locate",
        file,
        "--place",
        known["points"][1]["latitude_deg"],
        known["points"][1]["longitude_deg"],
        112,
        "--json",
    )
    assert json.loads(back.stdout)["points"][0]["model_m"] == pytest.approx([10.0, 0.0, 2.0], abs=1e-6)
    plain = run("locate", file)
    assert "grid convergence" in plain.stdout


def test_calibrate_prints_every_residual(tmp_path):
    rows = [("A", 0, 0, 0.0), ("B", 100, 0, 0.0), ("C", 100, 80, 0.0), ("D", 0, 80, 0.0), ("E", 50, 40, 0.6)]
    lines = [f"{name},{x},{y},{-487561.2 + x + off},{-1197224.5 + y}" for name, x, y, off in rows]
    path = tmp_path / "control.csv"
    path.write_text("name,x_m,y_m,easting_m,northing_m\n" + "\n".join(lines))
    done = run("calibrate", "--points", path, "--crs", "EPSG:8353")
    assert done.exit_code == 0, done.output
    assert "E " in done.stdout
    assert "outlier" in done.stdout
    (tmp_path / "site.toml").write_text('name = "x"\ncrs = "EPSG:8353"\n[calibration]\nfile = "control.csv"\n')
    known = json.loads(run("calibrate", "--site", tmp_path, "--json").stdout)
    assert known["outliers"] == ["E"]
    assert len(known["residuals"]) == 5


def test_a_site_file_that_is_wrong_names_the_field(tmp_path):
    path = tmp_path / "site.toml"
    for text, field in (
        ('crs = "8353"', "crs"),
        ("[calibration]\nkind = '4d'", "calibration.kind"),
        ("[georeference]\ngeoid_height_m = 4000", "georeference.geoid_height_m"),
        ("[origin]\nlatitude_deg = 91\nlongitude_deg = 0", "origin.latitude_deg"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError) as refusal:
            read_geography(tmp_path)
        assert refusal.value.field == field
    with pytest.raises(ConfigError, match="no such file"):
        read_geography(tmp_path / "missing")


def test_a_frame_is_told_in_plain_numbers():
    stated = Georeference(
        kind="map_conversion", eastings_m=-487561.2, northings_m=-1197224.5, height_m=1.0, map_unit_stated=True,
        crs=ProjectedCrs(name="EPSG:8353"),
    )  # fmt: skip
    facts = msgspec.to_builtins(SiteFrame.from_georeference(stated).facts())
    assert set(facts) >= {"crs", "origin", "vertical_datum", "true_north_deg", "transformation", "warnings", "how"}
    json.dumps(facts, allow_nan=False)


def test_the_samples_of_the_manual_work(tmp_path):
    manual = (Path(__file__).resolve().parents[2] / "docs" / "georeference.md").read_text(encoding="utf-8")
    for name, kind in (("site.toml", "toml"), ("control.csv", "csv")):
        (tmp_path / name).write_text(re.search(rf"```{kind}\n(.*?)```", manual, re.DOTALL)[1], encoding="utf-8")
    site = read_geography(tmp_path)
    frame = frame_of(Georeference(), site)
    assert frame.crs == "EPSG:8353"
    assert frame.vertical_datum == "Baltic 1957 height (EPSG:8357)"
    assert calibration_of(site).outliers == []
    assert frame.to_wgs84(np.zeros((1, 3)), ellipsoidal=True)[0, 2] == pytest.approx(231.42 + 43.6, abs=0.01)
