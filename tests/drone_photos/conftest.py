"""A wall of two parts on a known spot of the Earth, and photos of it whose EXIF and XMP we write."""

import struct
from pathlib import Path

import numpy as np
import pytest

from bim.geo.frame import SiteFrame
from bim.geo.settings import Origin
from bim.georeference import Georeference
from bim.tiles import ElementMesh
from drone_ingest.simulate.clutter import boxes


def box(global_id: str, middle: tuple[float, float, float], size: tuple[float, float, float]) -> ElementMesh:
    vertices, triangles = boxes(np.array([middle], float), np.array([size], float), np.zeros(1))
    colors = np.full(12, 0xC0C0C0FF, np.uint32)
    return ElementMesh(global_id, "IfcWall", "ground", vertices, triangles.astype(np.int32), colors)


@pytest.fixture(scope="session")
def wall() -> list[ElementMesh]:
    """Left and right halves of a façade that faces south, a hidden wall behind, a slab before it."""
    return [
        box("left", (-5, 0.15, 5), (10, 0.3, 10)),
        box("right", (5, 0.15, 5), (10, 0.3, 10)),
        box("behind", (0, 3, 4), (16, 0.3, 8)),
        box("slab", (0, -10, -0.1), (40, 20, 0.2)),
    ]


@pytest.fixture(scope="session")
def frame() -> SiteFrame:
    """The model's origin at Dubnica nad Váhom, y to the north."""
    return SiteFrame.from_georeference(
        Georeference(kind="none"), origin=Origin(48.96, 18.17, 250.0), true_north_deg=0.0
    )


def photo_file(path: Path, xmp: dict[str, str], width: int = 4000, height: int = 3000, focal_35mm: int = 24) -> Path:
    """A JPEG without a picture, that says what a drone's photo says: EXIF with its lens, XMP with its pose."""
    tags = struct.pack("<HHHI4s", 1, 0xA405, 3, 1, struct.pack("<HH", focal_35mm, 0))
    main = struct.pack("<HHHI4s", 1, 0x8769, 4, 1, struct.pack("<I", 26))
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + main + bytes(4) + tags + bytes(4)
    attributes = " ".join(f'drone-dji:{name}="{value}"' for name, value in xmp.items())
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" {attributes}/></rdf:RDF></x:xmpmeta>'
    )
    app1 = b"http://ns.adobe.com/xap/1.0/\0" + packet.encode()
    frame_head = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 17, 0, 2, 17, 1, 3, 17, 1])
    segments = [(0xE1, exif), (0xE1, app1), (0xC0, frame_head)]
    data = b"".join(struct.pack(">BBH", 0xFF, kind, len(part) + 2) + part for kind, part in segments)
    path.write_bytes(b"\xff\xd8" + data + b"\xff\xda\x00\x02\xff\xd9")
    return path


@pytest.fixture
def facing(tmp_path: Path, frame: SiteFrame) -> Path:
    """A photo from 20 m south of the façade, 5 m up, looking north and level, with RTK."""
    lat, lon, height = frame.to_wgs84(np.array([[0.0, -20.0, 5.0]]), ellipsoidal=True)[0]
    return photo_file(
        tmp_path / "facing.JPG",
        {
            "GpsLatitude": f"{lat:.10f}", "GpsLongitude": f"{lon:.10f}", "AbsoluteAltitude": f"{height:.4f}",
            "RelativeAltitude": "+5.00", "RtkFlag": "50", "RtkStdLat": "0.01", "RtkStdLon": "0.01",
            "RtkStdHgt": "0.02", "GimbalYawDegree": "0.0", "GimbalPitchDegree": "0.0", "GimbalRollDegree": "0.0",
        },
    )  # fmt: skip
