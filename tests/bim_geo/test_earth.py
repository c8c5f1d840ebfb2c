"""From the map to the Earth and back: published formulas, named transformations, heights, no network."""

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bim.geo.frame import SiteFrame
from bim.geo.reference_system import horizontal, vertical_datum
from bim.geo.settings import GeoreferenceSettings, Origin
from bim.geo.transformation import choose
from bim.georeference import Georeference, ProjectedCrs, SiteOrigin
from wire.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
DUBNICA = (-487561.214, -1197224.53, 231.42)


def on_map(crs: str, east: float, north: float, height: float = 0.0, **more) -> Georeference:
    named = ProjectedCrs(name=crs)
    return Georeference(
        kind="map_conversion",
        eastings_m=east,
        northings_m=north,
        height_m=height,
        crs=named,
        map_unit_stated=True,
        **more,
    )


def test_krovak_agrees_with_the_example_of_the_epsg_guidance_note(geodesy):
    east, north = geodesy.krovak(50 + 12 / 60 + 32.442 / 3600, 16 + 50 / 60 + 59.179 / 3600)
    assert (east, north) == pytest.approx((-568990.995, -1050538.631), abs=1e-3)


@pytest.mark.parametrize(("lat", "lon", "h"), [(48.9637, 18.1695, 231.0), (48.15, 17.11, 140.0), (49.2, 20.2, 2655.0)])
def test_s_jtsk_of_slovakia_agrees_with_the_published_formulas(geodesy, apart_m, lat, lon, h):
    east, north = geodesy.krovak(lat, lon)  # a place given on the Bessel ellipsoid
    frame = SiteFrame.from_georeference(on_map("EPSG:8353", east, north, h))
    place = frame.to_wgs84(np.zeros((1, 3)))[0]
    assert apart_m(place[:2], geodesy.jtsk03_to_wgs84(lat, lon, h)) < 1e-3
    assert frame.transformation.name == "S-JTSK [JTSK03] to WGS 84 (1)"
    assert frame.transformation.accuracy_m == 1.0
    assert frame.transformation.etrs89_accuracy_m == 0.001  # EPSG:8367 has the parameters of EPSG:8368


def test_taiwan_and_utm_agree_with_kruegers_series(geodesy, apart_m):
    cases = [
        ("EPSG:3826", 24.7742, 120.9932, geodesy.grs80, 121.0, 0.9999, 250_000.0),
        ("EPSG:32634", 48.9637, 18.1695, geodesy.wgs84, 21.0, 0.9996, 500_000.0),
    ]
    for crs, lat, lon, ellipsoid, lon_0, k_0, false_east in cases:
        east, north = geodesy.transverse_mercator(
            lat, lon, ellipsoid=ellipsoid, lon_0=lon_0, k_0=k_0, false_east=false_east
        )
        frame = SiteFrame.from_georeference(on_map(crs, east, north))
        assert apart_m(frame.to_wgs84(np.zeros((1, 3)))[0, :2], (lat, lon)) < 1e-3


@pytest.mark.parametrize("crs", ["EPSG:8353", "EPSG:5514", "EPSG:32634", "EPSG:3826", "EPSG:28992", "EPSG:31467"])
def test_a_way_there_and_back_loses_less_than_a_millimetre(crs):
    places = {"EPSG:3826": (250e3, 2.74e6), "EPSG:28992": (155e3, 463e3), "EPSG:31467": (3.45e6, 5.4e6)}
    east, north = places.get(crs, (2.9e5, 5.43e6) if crs == "EPSG:32634" else DUBNICA[:2])
    turned = {"x_axis_abscissa": math.cos(0.7), "x_axis_ordinate": math.sin(0.7), "scale": 0.9999}
    frame = SiteFrame.from_georeference(on_map(crs, east, north, 200.0, **turned))
    points = np.random.default_rng(3).uniform([-900, -900, -10], [900, 900, 90], (5_000, 3))
    assert np.abs(frame.from_wgs84(frame.to_wgs84(points)) - points).max() < 1e-4
    assert np.abs(frame.from_projected(frame.to_projected(points)) - points).max() < 1e-6


def test_arrays_go_in_and_come_out_in_float64():
    frame = SiteFrame.from_georeference(on_map("EPSG:8353", *DUBNICA))
    placed = frame.to_wgs84(np.zeros((0, 3)))
    assert (placed.shape, placed.dtype) == ((0, 3), np.float64)
    with pytest.raises(InputError, match="shape"):
        frame.to_wgs84(np.zeros(3))


def test_a_map_in_feet_gives_feet():
    frame = SiteFrame.from_georeference(on_map("EPSG:2263", 300_000.0, 60_000.0))
    foot = 1200 / 3937
    assert frame.to_projected(np.zeros((1, 3)))[0] == pytest.approx([300_000 / foot, 60_000 / foot, 0.0], abs=1e-6)


def test_the_candidates_for_the_old_s_jtsk_lie_apart_and_the_frame_says_so(apart_m):
    frame = SiteFrame.from_georeference(on_map("EPSG:5514", *DUBNICA))
    assert frame.transformation.name == "S-JTSK to WGS 84 (4)"
    assert frame.transformation.area == "Slovakia."
    told = [warning for warning in frame.warnings if "other transformations" in warning]
    assert "[georeference] transformation" in told[0]
    named = GeoreferenceSettings(transformation="EPSG:5239")
    czech = SiteFrame.from_georeference(on_map("EPSG:5514", *DUBNICA), settings=named)
    assert czech.transformation.name == "S-JTSK to WGS 84 (5)"
    zero = np.zeros((1, 3))
    apart = apart_m(frame.to_wgs84(zero)[0, :2], czech.to_wgs84(zero)[0, :2])
    assert f"{apart:.2f}" in told[0]
    with pytest.raises(InputError, match="is no transformation") as refusal:
        SiteFrame.from_georeference(on_map("EPSG:8353", *DUBNICA), settings=GeoreferenceSettings(transformation="x"))
    assert "S-JTSK [JTSK03] to WGS 84 (1)" in refusal.value.fix


def test_a_ballpark_transformation_is_refused_with_a_way_out():
    system = horizontal("EPSG:23700")  # HD72 / EOV of Hungary, whose transformations are 7-parameter: fine
    assert choose(system, (650e3, 240e3)).transformation.accuracy_m < 5
    only_ballpark = horizontal("EPSG:2099")  # Qatar Plane on the Qatar 1948 datum: nothing leads to WGS 84
    with pytest.raises(InputError, match="only a ballpark transformation") as refusal:
        choose(only_ballpark, (100e3, 100e3))
    assert "[calibration]" in refusal.value.fix


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EPSG:8353", "EPSG:8353"),
        ("epsg: 8353", "EPSG:8353"),
        ("8353", "EPSG:8353"),
        ("urn:ogc:def:crs:EPSG::8353", "EPSG:8353"),
        ("http://www.opengis.net/def/crs/EPSG/0/8353", "EPSG:8353"),
        ("S-JTSK [JTSK03] / Krovak East North", "EPSG:8353"),
        ("EPSG:8353+8357", "EPSG:8353"),
        ("ETRS89_UTM zone 32N", "EPSG:25832"),
    ],
)
def test_a_system_is_found_by_what_people_write(name, code):
    assert horizontal(name).code == code


@pytest.mark.parametrize(
    "name",
    ["", "krovak", "EPSG:4326", "EPSG:99999", "EPSG:8357", "x" * 500, "+proj=utm +zone=34", "+init=/etc/passwd", "{}"],
)
def test_what_names_no_map_is_refused(name):
    with pytest.raises(InputError) as refusal:
        horizontal(name)
    assert refusal.value.fix


def test_south_west_axes_are_refused_with_the_east_north_twin():
    with pytest.raises(InputError) as refusal:
        horizontal("EPSG:8352")
    assert "EPSG:8353" in refusal.value.fix


def test_every_height_says_what_it_is_above():
    assert vertical_datum("Bpv").name == vertical_datum("EPSG:8357").name == "Baltic 1957 height (EPSG:8357)"
    silent = SiteFrame.from_georeference(on_map("EPSG:8353", *DUBNICA))
    assert silent.vertical_datum == "not stated"
    assert any("heights" in warning for warning in silent.warnings)
    compound = SiteFrame.from_georeference(on_map("EPSG:8353+8357", *DUBNICA))
    assert compound.vertical_datum == "Baltic 1957 height (EPSG:8357)"
    told = SiteFrame.from_georeference(
        on_map("EPSG:8353", *DUBNICA), settings=GeoreferenceSettings(vertical_datum="EVRF2007")
    )
    assert told.vertical_datum == "EVRF2007 height (EPSG:5621)"


def test_ellipsoidal_heights_need_the_height_of_the_geoid():
    stated, zero = on_map("EPSG:8353+8357", *DUBNICA), np.zeros((1, 3))
    frame = SiteFrame.from_georeference(stated)
    assert frame.to_wgs84(zero)[0, 2] == DUBNICA[2]
    with pytest.raises(InputError, match="how high that is above the ellipsoid") as refusal:
        frame.to_wgs84(zero, ellipsoidal=True)
    assert refusal.value.field == "georeference.geoid_height_m"
    lifted = SiteFrame.from_georeference(stated, settings=GeoreferenceSettings(geoid_height_m=43.5))
    llh = lifted.to_wgs84(zero, ellipsoidal=True)
    assert llh[0, 2] == pytest.approx(DUBNICA[2] + 43.5)
    assert np.abs(lifted.from_wgs84(llh, ellipsoidal=True)).max() < 1e-3


@pytest.mark.parametrize("crs", ["EPSG:8353", "EPSG:32634", None])
def test_an_origin_and_true_north_put_a_model_where_they_say_in_true_size(crs):
    origin = Origin(latitude_deg=48.9631, longitude_deg=18.1682, height_m=275.0)
    frame = SiteFrame.from_georeference(Georeference(), crs=crs, origin=origin, true_north_deg=30.0)
    lat, lon, height = frame.to_wgs84(np.array([[0.0, 0.0, 0.0], [0.0, 100.0, 0.0], [100.0, 0.0, 2.0]])).T
    assert (lat[0], lon[0]) == pytest.approx((48.9631, 18.1682), abs=1e-9)
    assert height.tolist() == [275.0, 275.0, 277.0]
    e2 = 0.00669437999014
    w = math.sqrt(1 - e2 * math.sin(math.radians(lat[0])) ** 2)
    meridian, prime = 6378137 * (1 - e2) / w**3 + 275, 6378137 / w + 275
    for i, azimuth in ((1, -30.0), (2, 60.0)):  # true north is 30° clockwise of the model's y axis
        north = math.radians(lat[i] - lat[0]) * meridian
        east = math.radians(lon[i] - lon[0]) * prime * math.cos(math.radians(lat[0]))
        assert math.hypot(north, east) == pytest.approx(100.0, abs=1e-3)
        assert math.degrees(math.atan2(east, north)) == pytest.approx(azimuth, abs=1e-3)
    assert frame.true_north_deg == pytest.approx(30.0, abs=1e-6)
    assert frame.vertical_datum == "WGS 84 ellipsoid"


def test_the_convergence_of_a_grid_is_told():
    frame = SiteFrame.from_georeference(on_map("EPSG:32634", 293_000.0, 5_427_000.0))
    facts = frame.facts()
    by_formula = math.degrees(
        math.atan(
            math.tan(math.radians(facts.origin.longitude_deg - 21)) * math.sin(math.radians(facts.origin.latitude_deg))
        )
    )
    assert facts.grid_convergence_deg == pytest.approx(by_formula, abs=1e-3)
    assert frame.true_north_deg == pytest.approx(-by_formula, abs=1e-3)


def test_a_true_north_that_contradicts_the_map_conversion_is_told():
    frame = SiteFrame.from_georeference(on_map("EPSG:32634", 293_000.0, 5_427_000.0, true_north_deg=50.0))
    assert any("TrueNorth" in warning for warning in frame.warnings)


def test_a_model_of_the_default_place_is_told():
    boston = SiteOrigin(id="s", latitude_deg=42.358429, longitude_deg=-71.059776, elevation_m=0.0)
    frame = SiteFrame.from_georeference(Georeference(kind="site", site=boston))
    assert any("Boston" in warning for warning in frame.warnings)
    assert frame.crs == "EPSG:32619"


def test_many_threads_get_the_same_answers():
    stated = on_map("EPSG:8353", *DUBNICA)
    points = np.random.default_rng(2).uniform(-300, 300, (2_000, 3))
    expected = SiteFrame.from_georeference(stated).to_wgs84(points)
    shared = SiteFrame.from_georeference(stated)

    def work(at: int) -> bool:
        frame = shared if at % 2 else SiteFrame.from_georeference(stated)
        there = frame.to_wgs84(points)
        return bool(np.array_equal(there, expected)) and bool(np.abs(frame.from_wgs84(there) - points).max() < 1e-4)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(24)))


def test_nothing_is_asked_of_the_network_even_if_the_environment_allows_it():
    script = """
import socket, sys, json
def refuse(*a, **k): raise AssertionError("network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import bim.geo, bim.geo.frame
assert "pyproj" not in sys.modules, "importing is light"
from bim.geo.frame import SiteFrame
from bim.georeference import Georeference, ProjectedCrs
import numpy as np
stated = Georeference(kind="map_conversion", eastings_m=-487561.2, northings_m=-1197224.5, height_m=231.4,
                      crs=ProjectedCrs(name="EPSG:8353+8357"), map_unit_stated=True)
frame = SiteFrame.from_georeference(stated)
frame.to_wgs84(np.zeros((3, 3)))
import pyproj.network
print(json.dumps({"network": pyproj.network.is_network_enabled(), "name": frame.transformation.name}))
"""
    environment = {"PROJ_NETWORK": "ON", "PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"network": False, "name": "S-JTSK [JTSK03] to WGS 84 (1)"}
