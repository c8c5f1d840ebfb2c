"""Where the live model lies on Earth, over HTTP: the frame of the site and the place of an element."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyproj
import pytest

from bim.georeference import Georeference, ProjectedCrs
from twin.siteconfig import site_from_dict

EAST, NORTH, HEIGHT = -487561.214, -1197224.53, 231.42
ON_MAP = Georeference(
    kind="map_conversion",
    eastings_m=EAST,
    northings_m=NORTH,
    height_m=HEIGHT,
    crs=ProjectedCrs(name="EPSG:8353", vertical_datum="EPSG:8357"),
    map_unit_stated=True,
)


async def bring(park: Any, stated: Georeference, sha256: str = "b" * 64) -> None:
    """Make a model with two places live, with what its file states about Earth."""
    ring = [30.0, 10.0, 36.0, 10.0, 36.0, 14.0, 30.0, 14.0]
    rows = [
        park.element("house-guid", "IfcBuilding", "House", x_m=0.0, y_m=0.0, z_m=0.0),
        park.element("room-guid", "IfcSpace", "101", footprint_m=ring, z_min_m=3.0, z_max_m=6.0, has_shape=True),
        park.element("pump-guid", "IfcPump", "P1", x_m=12.0, y_m=-5.0, z_m=0.4, has_shape=True),
        park.element("zone-guid", "IfcZone", "Z"),
    ]
    tables = msgspec.structs.replace(park.model_tables(rows, sha256), georeference=stated)
    revision = await asyncio.to_thread(park.twin.models.take_in, tables)
    await asyncio.to_thread(park.twin.store.writer.run, lambda c: park.twin.models.make_live(c, revision))
    await asyncio.to_thread(park.twin.refresh)


async def test_the_site_tells_its_frame(empty: Any) -> None:
    await bring(empty, ON_MAP)
    site = await empty.get("/site")
    frame = site["frame"]
    assert site["frame_missing"] is None
    assert (site["crs"], frame["crs"], frame["how"]) == ("EPSG:8353", "EPSG:8353", "IfcMapConversion")
    assert frame["vertical_datum"] == "Baltic 1957 height (EPSG:8357)"
    assert frame["transformation"]["name"] == "S-JTSK [JTSK03] to WGS 84 (1)"
    assert frame["transformation"]["accuracy_m"] == 1.0
    lon, lat = pyproj.Transformer.from_crs(8353, 4326, always_xy=True).transform(EAST, NORTH)
    assert (frame["origin"]["latitude_deg"], frame["origin"]["longitude_deg"]) == pytest.approx((lat, lon), abs=1e-8)
    assert frame["origin"]["projected_m"] == pytest.approx([EAST, NORTH, HEIGHT])


async def test_an_element_tells_its_place(empty: Any) -> None:
    await bring(empty, ON_MAP)
    place = (await empty.get("/elements/pump-guid"))["place"]
    to_earth = pyproj.Transformer.from_crs(8353, 4326, always_xy=True)
    lon, lat, _ = to_earth.transform(EAST + 12, NORTH - 5, HEIGHT + 0.4)
    assert (place["lat_deg"], place["lon_deg"]) == pytest.approx((lat, lon), abs=1e-9)
    assert place["height_m"] == pytest.approx(HEIGHT + 0.4)
    assert place["projected"] == pytest.approx([EAST + 12, NORTH - 5, HEIGHT + 0.4])
    assert (place["crs"], place["datum"]) == ("EPSG:8353", "Baltic 1957 height (EPSG:8357)")
    room = (await empty.get("/elements/room-guid"))["place"]
    assert room["projected"] == pytest.approx([EAST + 33, NORTH + 12, HEIGHT + 3])
    assert (await empty.get("/elements/zone-guid"))["place"] is None


async def test_the_bounds_come_from_the_model_where_the_site_says_none(empty: Any) -> None:
    await bring(empty, ON_MAP)
    west, south, east, north = (await empty.get("/site"))["bounds"]
    corners = np.add([[12.0, -5.0], [30.0, 10.0], [36.0, 10.0], [36.0, 14.0], [30.0, 14.0]], [EAST, NORTH])
    lon, lat = pyproj.Transformer.from_crs(8353, 4326, always_xy=True).transform(*corners.T)
    assert (west, south, east, north) == pytest.approx((lon.min(), lat.min(), lon.max(), lat.max()), abs=1e-7)


async def test_a_model_without_a_place_says_what_to_write(park: Any) -> None:
    site = await park.get("/site")
    assert (site["frame"], site["bounds"]) == (None, None)
    assert "does not say where it lies" in site["frame_missing"]["problem"]
    assert "[origin]" in site["frame_missing"]["fix"]
    assert (await park.get("/elements/meter-1-guid"))["place"] is None


async def test_the_origin_of_the_site_places_a_silent_model(start: Any) -> None:
    table = {"name": "lab", "origin": {"latitude_deg": 24.77, "longitude_deg": 120.99, "height_m": 100.0}}
    park = await start(site=site_from_dict({**table, "crs": "EPSG:3826"}, file="test"))
    await bring(park, Georeference())
    site = await park.get("/site")
    assert site["frame"]["how"] == "[origin] of the site"
    assert site["frame"]["vertical_datum"] == "WGS 84 ellipsoid"
    place = (await park.get("/elements/house-guid"))["place"]
    assert (place["lat_deg"], place["lon_deg"]) == pytest.approx((24.77, 120.99), abs=1e-9)


async def test_control_points_replace_what_the_model_says(start: Any, tmp_path: Path) -> None:
    rows = [(0, 0), (80, 0), (80, 60), (0, 60)]
    points = [
        {"name": f"P{i}", "x_m": x, "y_m": y, "easting_m": EAST + 5 + x, "northing_m": NORTH - 7 + y}
        for i, (x, y) in enumerate(rows)
    ]
    table = {"name": "lab", "crs": "EPSG:8353", "calibration": {"points": points, "scale": "free"}}
    park = await start(site=site_from_dict(table, file="test"))
    await bring(park, ON_MAP)
    site = await park.get("/site")
    assert site["frame"]["how"].startswith("calibration on 4 control points")
    place = (await park.get("/elements/pump-guid"))["place"]
    assert place["projected"][:2] == pytest.approx([EAST + 17, NORTH - 12], abs=1e-6)


async def test_a_changed_crs_of_the_site_moves_the_frame_at_once(empty: Any) -> None:
    stated = msgspec.structs.replace(ON_MAP, crs=None)
    await bring(empty, stated)
    assert (await empty.get("/site"))["frame"]["crs"] is None
    change = await empty.post("/changes", {"kind": "site", "body": {"crs": "EPSG:8353"}})
    await empty.post(f"/changes/{change['id']}/activate", {}, status=200)
    assert (await empty.get("/site"))["frame"]["crs"] == "EPSG:8353"
