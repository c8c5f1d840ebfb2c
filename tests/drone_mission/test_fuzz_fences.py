"""Fences, poses and stations that are damaged in any way are refused, or give only places on this Earth."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from drone_ingest.mission.area import read_zones
from drone_ingest.photos.given_poses import read_poses
from drone_ingest.simulate.stations import read_stations
from wire.errors import InputError

_RING = [[18.16, 48.95], [18.18, 48.95], [18.18, 48.97], [18.16, 48.97], [18.16, 48.95]]
_FEATURE = {"geometry": {"type": "MultiPolygon", "coordinates": [[_RING], [_RING]]},
            "properties": {"kind": "keep_out", "floor_m": 3, "ceiling_m": 60.5}}  # fmt: skip
_CIRCLE = {"circle": {"center": [48.96, 18.17], "radius": 100.0}, "inclusion": True}
_POLYGON = {"polygon": [[48.95, 18.16], [48.95, 18.18], [48.97, 18.18]], "inclusion": False}


def _zones(path: Path) -> None:
    for zone in read_zones(path):
        assert len(zone.corners) >= 3
        assert all(abs(lat) <= 90 and abs(lon) <= 180 for lat, lon in zone.corners)
        assert zone.kind in ("keep_in", "keep_out")


def _stations(path: Path) -> None:
    assert abs(read_stations(path)).max() <= 1e9


def _poses(path: Path) -> None:
    assert read_poses(path)


@pytest.mark.parametrize(
    ("name", "text", "check"),
    [
        ("f.geojson", json.dumps({"type": "FeatureCollection", "features": [_FEATURE]}), _zones),
        ("f.plan", json.dumps({"geoFence": {"circles": [_CIRCLE], "polygons": [_POLYGON], "version": 2}}), _zones),
        ("fence.txt", "48.95 18.16\n48.95 18.16\n48.95 18.18\n48.97 18.18\n48.97 18.16\n48.95 18.16\n", _zones),
        ("s.csv", "id,x,y,z\n1,2.5,3,4\n2,-5,6,7e1\n3,8,9,10\n", _stations),
        ("p.csv", "photo,x,y,z,yaw_deg,pitch_deg,focal_px\na.jpg,1,2,3,40,-90,3000\nb.jpg,1,2,3,4,5,\n", _poses),
    ],
)
def test_damage_is_refused_or_harmless(tmp_path: Path, name: str, text: str, check: Callable[[Path], None]) -> None:
    path = tmp_path / name
    path.write_text(text)
    check(path)
    rng = random.Random(17)
    refused = 0
    for _ in range(400):
        data = bytearray(text.encode())
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randrange(1, 40)]
                case 2:
                    data[at:at] = rng.choice([b"9" * 400, b"null", b"[]", b"-", b"nan", b"1e999", b'"', b"{}", b","])
                case _:
                    data[at:at] = bytes(data[: rng.randrange(1, 60)])
            data = data or bytearray(b" ")
        path.write_bytes(data)
        try:
            check(path)
        except InputError as error:
            refused += 1
            told = error
    assert refused > 20
    assert told.fix
