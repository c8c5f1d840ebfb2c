"""A photo of the building stands where it was taken, names the elements it shows, and what is marked on it stays on
its element over flights."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bim.tiles import load_meshes
from tests.drone_photos.conftest import photo_file
from tests.twin_drones.conftest import SLAB, WALLS, Drones, flying

SITE = {
    "crs": "EPSG:8353",
    "origin": {"latitude_deg": 48.96, "longitude_deg": 18.16, "height_m": 240.0},
    "georeference": {"vertical_datum": "EPSG:8357", "geoid_height_m": 43.6},
}


@pytest.fixture
def placed(tmp_path: Path, house_data: Path) -> Iterator[Drones]:
    """The small house on its spot of the Earth."""
    shutil.copytree(house_data, tmp_path / "data")
    with flying(tmp_path / "data", folder=str(tmp_path), **SITE) as found:
        yield found


def photo_from(house: Drones, folder: Path, name: str, away_m: float = 15.0) -> Path:
    """A photo that looks level at the middle of the house from the side of the model's −y."""
    [tiles] = (house.twin.store.data_dir / "tiles").iterdir()
    corners = np.concatenate([mesh.vertices for mesh in load_meshes(tiles) if mesh.global_id in (SLAB, *WALLS)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    middle = (low + high) / 2
    eye = np.array([[middle[0], low[1] - away_m, middle[2]], middle])
    frame = house.twin.locator.frame(house.twin.model, house.twin.site)
    assert frame is not None
    (lat, lon, height), there = frame.to_wgs84(eye, ellipsoidal=True)
    east = (there[1] - lon) * math.cos(math.radians(lat))
    yaw = math.degrees(math.atan2(east, there[0] - lat))
    xmp = {
        "GpsLatitude": f"{lat:.9f}", "GpsLongitude": f"{lon:.9f}", "AbsoluteAltitude": f"{height:.4f}",
        "GimbalYawDegree": f"{yaw:.4f}", "GimbalPitchDegree": "0.0", "GimbalRollDegree": "0.0", "RtkFlag": "50",
        "RtkStdLat": "0.01", "RtkStdLon": "0.01", "RtkStdHgt": "0.02", "UTCAtExposure": "2026-10-01T10:00:00Z",
    }  # fmt: skip
    return photo_file(folder / name, xmp)


def test_a_photo_knows_its_place_and_its_elements_and_a_mark_stays_on_the_element(
    placed: Drones, tmp_path: Path
) -> None:
    done = placed.ended(placed.send(photo_from(placed, tmp_path, "a.jpg"))["id"])
    assert done["state"] == "done"
    [photo] = placed.get(f"/flights/{done['flight']}")["photos"]
    assert photo["elements"] >= 2
    assert photo["footprint"] is None  # its upper corners look at the sky
    assert photo["pitch_deg"] == pytest.approx(0, abs=0.1)
    shown = [gid for gid in (SLAB, *WALLS) if placed.get(f"/elements/{gid}")["photos"]]
    assert len(shown) == photo["elements"]

    body = {"box_px": [1_900, 1_400, 2_100, 1_600], "kind": "crack", "note": "hairline"}
    mark = placed.post(f"/photos/{photo['id']}/marks", body)
    assert mark["element"] in shown
    again = placed.ended(placed.send(photo_from(placed, tmp_path, "b.jpg", 12.0))["id"])
    placed.post(f"/photos/{again['id']}/marks", body)
    [defect] = placed.get(f"/elements/{mark['element']}")["defects"]
    assert (defect["kind"], len(defect["marks"])) == ("crack", 2)
    assert {one["photo_name"] for one in defect["marks"]} == {"a.jpg", "b.jpg"}
    placed.client.delete(f"/photos/{photo['id']}/marks/{mark['id']}").raise_for_status()
    assert placed.get(f"/photos/{photo['id']}/marks")["items"] == []
    sky = placed.client.post(f"/photos/{photo['id']}/marks", json={"box_px": [10, 10, 10, 10]})
    assert sky.status_code == 400
    assert sky.json()["fix"]
